"""Networks of the user's own: `PACKAGE.MODULE:FACTORY`, and what plugins return."""

import copy
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from torch import nn

from avhcurate.errors import CurateError
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.names import PLUGINS, ModelName, near_matches, refuse_unlisted
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.sources import sources
from avhcurate.networks.models.weights import own_weights
from avhcurate.workspace.disk.jobs import JOB_VARIABLE


def factory(name: str) -> Architecture:
    """Return the network that FACTORY returns; the module may lie in the current directory.

    FACTORY is a function, a class of nn.Module, or a module already made, which is copied; nothing of the standard
    library is imported, and in a job that a page started nothing that the server's owner has not listed. A factory that
    takes `num_classes` is given the class count. Raises CurateError when it cannot be imported or called.
    """
    check_factory(name)
    module, _, attribute = name.partition(":")
    make = _imported(name, module, attribute)
    # What a module has from the standard library is not its own, nor is a part of it.
    _refuse_standard(getattr(getattr(make, "func", make), "__module__", None) or "", name)
    architecture = _as_imagenet(name, lambda num_classes: _called(name, make, num_classes))
    with _current_directory():
        return replace(architecture, code=sources(module))


def check_factory(name: str) -> None:
    """Raise CurateError, importing nothing, for a factory that is not a name in Python, or may not be imported.

    In a job that a page started, that is any which is not listed.
    """
    module, _, factory = name.partition(":")
    if not all(part.isidentifier() for part in f"{module}.{factory}".split(".")):
        raise CurateError(f"{name!r} is not PACKAGE.MODULE:FACTORY. Give a module and a name that it defines.")
    _refuse_standard(module, name)
    if JOB_VARIABLE in os.environ:
        refuse_unlisted(ModelName.of(name))


def _refuse_standard(module: str, name: str) -> None:
    """Raise CurateError for a module of Python's standard library."""
    package = module.partition(".")[0]
    if package in sys.stdlib_module_names or package == "builtins":
        raise CurateError(f"{name}: {package} is a module of Python's own. Rename yours if it has this name.")


def of_plugin(name: ModelName) -> Architecture:
    """Return what the plugin of this family makes of the address."""
    plugin = PLUGINS[name.family]
    product = architecture = plugin(name.address)
    if not isinstance(product, Architecture):
        architecture = _as_imagenet(name.text, lambda num_classes: copy.deepcopy(product))
    return replace(architecture, code=sources(plugin.__module__))


def _as_imagenet(name: str, make: Callable[[int | None], Any]) -> Architecture:
    """Return a network that keeps the weights it is made with; images are prepared as for ImageNet."""

    def build(num_classes: int | None, side: int) -> nn.Module:
        module = make(num_classes)
        if not isinstance(module, nn.Module):
            raise CurateError(f"{name} returned a {type(module).__name__}. It must return a torch.nn.Module.")
        return module

    return Architecture(
        build,
        Preprocess(resize=256, crop=224),
        made=lambda module: own_weights(module, f"as {name} makes them"),
        any_channels=True,
    )


def _imported(name: str, module: str, attribute: str) -> Any:
    try:
        with _current_directory():
            return attrgetter(attribute)(importlib.import_module(module))
    except ModuleNotFoundError as error:
        raise CurateError(
            f"{name} cannot be imported: there is no module {error.name!r} in {Path.cwd()} or in the environment. Give "
            f"PACKAGE.MODULE:FACTORY, or a name such as {near_matches(name)}."
        ) from error
    except Exception as error:  # the module's own
        raise CurateError(f"{name} cannot be imported: {type(error).__name__}: {error}.") from error


def _called(name: str, make: Any, num_classes: int | None) -> Any:
    if isinstance(make, nn.Module):
        return copy.deepcopy(make)
    try:
        options = {}
        if num_classes is not None and "num_classes" in inspect.signature(make).parameters:
            options["num_classes"] = num_classes
        with _current_directory():
            return make(**options)
    except Exception as error:
        raise CurateError(f"{name} failed when called: {type(error).__name__}: {error}") from error


@contextmanager
def _current_directory() -> Iterator[None]:
    """Import from the current directory, as `python -m` does and a console script does not."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(here)
