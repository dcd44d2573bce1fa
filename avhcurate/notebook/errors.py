"""Says what a user did wrong in Python's words: `head="fit"`, where the command line says --head fit."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from avhcurate.errors import CurateError, Option, Run, Text

#: What a dataset does, by name: `dataset` adds its methods.
METHODS: dict[str, Callable[..., Any]] = {}


@contextmanager
def python_words() -> Iterator[None]:
    """Say in Python's words what a user did wrong within the block."""
    try:
        yield
    except CurateError as error:
        error.text = Text(error.text.words(_argument, in_python))
        raise


def in_python(run: Run) -> str:
    """Return a call of a method; a command that no method does stays.

    >>> from avhcurate.notebook.dataset import Dataset
    >>> in_python(Run("score", "pets", model="MODEL")), in_python(Run("import", "pets", "SOURCE", force=True))
    ('run `pets.score(model=MODEL)`', 'run `avhcurate import pets SOURCE --force`')
    """
    verb = run.verb.replace("-", "_")
    method = METHODS.get(verb)
    if not (method and run.arguments and run.options.keys() <= inspect.signature(method).parameters.keys()):
        return str(run)
    dataset, *arguments = run.arguments
    arguments += [_argument(Option(name, value)) for name, value in run.options.items()]
    return f"run `{variable_of(dataset)}.{verb}({', '.join(arguments)})`"


def variable_of(dataset: str) -> str:
    """Return what a dataset is called in an example."""
    if not dataset.isidentifier() or dataset.isupper():
        return "dataset"
    return dataset


def _argument(option: Option) -> str:
    """
    >>> [_argument(Option(*one)) for one in (("crop",), ("head", "fit"), ("weights", "FILE"), ("force", True))]
    ['crop', 'head="fit"', 'weights=FILE', 'force=True']
    """
    name = option.name
    value = option.value
    if value == "":
        return name
    if value is True or str(value).isupper():
        return f"{name}={value}"
    return f'{name}="{value}"'
