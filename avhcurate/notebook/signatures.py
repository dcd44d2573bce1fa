"""Gives a method the signature of its verb's settings: `help`, completion and what is refused come from one place."""

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, get_args

from avhcurate.workspace.data.settings import VerbSettings

P = ParamSpec("P")
T = TypeVar("T")


def takes(settings: type[VerbSettings]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a method with `**options: Unpack[...]` show these options, with the defaults of a settings class.

    Type checkers read the annotation, people and notebooks the signature. An option that the method does not have
    raises TypeError, which names a similar one, as for any function.
    """

    def add(method: Callable[P, T]) -> Callable[P, T]:
        *own, options = inspect.signature(method).parameters.values()
        (types,) = get_args(options.annotation)
        defaults = {option.name: option.default for option in settings.options()}
        taken = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=annotation)
            for name, annotation in types.__annotations__.items()
        ]
        signature = inspect.signature(method).replace(parameters=[*own, *taken])

        @functools.wraps(method)
        def call(*arguments: P.args, **given: P.kwargs) -> T:
            _check(method.__name__, given, signature)
            return method(*arguments, **given)

        call.__signature__ = signature  # type: ignore[attr-defined]
        return call

    return add


def _check(method: str, given: dict[str, Any], signature: inspect.Signature) -> None:
    """Refuse an option that a method does not have, as Python does."""
    for name in given:
        if name not in signature.parameters:
            text = f"{method}() got an unexpected keyword argument {name!r}"
            similar = difflib.get_close_matches(name, signature.parameters, n=1)
            if similar:
                text += f". Did you mean {similar[0]!r}?"
            raise TypeError(text)
