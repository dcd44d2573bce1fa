"""A user's own network: `PACKAGE.MODULE:FACTORY`, imported from the current directory too."""

import copy
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any

from torch import nn

from avhcurate.errors import CurateError
from avhcurate.models.architecture import Architecture
from avhcurate.models.preprocess import Preprocess


def architecture(name: str) -> Architecture:
    """The network that FACTORY returns: a function, a class of nn.Module, or a module already made, which is copied.

    A factory that takes `num_classes` is given the class count. Unless the user says otherwise its images are
    prepared as ImageNet networks want them. Raises CurateError when it cannot be imported or called.
    """
    make = _imported(name)

    def build(num_classes: int | None, side: int) -> nn.Module:
        with _current_directory():
            module = _called(name, make, num_classes)
        if not isinstance(module, nn.Module):
            raise CurateError(f"{name} returned a {type(module).__name__}: it must return a torch.nn.Module")
        return module

    return Architecture(build, Preprocess(resize=256, crop=224), keeps_weights=True, any_channels=True)


def importable(module: str) -> bool:
    """Whether the first part of a dotted name can be found."""
    with _current_directory():
        try:
            return importlib.util.find_spec(module.partition(".")[0]) is not None
        except (ImportError, ValueError):
            return False


def _imported(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    with _current_directory():
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            where = f"there is no module {error.name!r} here ({Path.cwd()}) or in the environment"
            raise CurateError(f"{name} cannot be imported: {where}. Is PACKAGE.MODULE:FACTORY meant?") from error
        except Exception as error:
            raise CurateError(
                f"{name} cannot be imported: {type(error).__name__}: {error}. Correct {module_name}"
            ) from error
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        public = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module_name]
        has = f"it has {', '.join(public[:8])}" if public else "it defines no function or class"
        raise CurateError(f"{module_name} has no {attribute!r}: {has}") from None


def _called(name: str, make: Any, num_classes: int | None) -> Any:
    if isinstance(make, nn.Module):
        return copy.deepcopy(make)
    if not callable(make):
        raise CurateError(f"{name} is a {type(make).__name__}: give a function that returns a torch.nn.Module")
    try:
        return make(num_classes=num_classes) if num_classes is not None and _takes_num_classes(make) else make()
    except Exception as error:
        raise CurateError(f"{name} failed when called: {type(error).__name__}: {error}") from error


def _takes_num_classes(make: Callable[..., Any]) -> bool:
    try:
        return "num_classes" in inspect.signature(make).parameters
    except (TypeError, ValueError):
        return False


@contextmanager
def _current_directory() -> Iterator[None]:
    """Imports from the current directory, as `python -m` does and a console script does not."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(here)
