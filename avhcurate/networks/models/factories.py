"""Which `PACKAGE.MODULE:FACTORY` may be imported and called; needs no torch, so that a form can ask at once.

A name in a shell is its user's own command. A name on a page is data: whoever owns the server lists what it may import
in `AVHCURATE_FACTORIES`, as `nets.resnet:make,lab.models:*`. Python's standard library holds no network in either.
"""

import builtins
import functools
import inspect
import os
import sys
import types
import typing
from typing import Any

from avhcurate.errors import CurateError
from avhcurate.plugins import checked_function, load
from avhcurate.workspace.disk.jobs import JOB_VARIABLE

ALLOWED_VARIABLE = "AVHCURATE_FACTORIES"

#: What stands before the colon of names that import nothing of the user's.
FAMILIES = ("torchvision", "timm", "avhcurate", "transformers", "clip", "onnx")
#: Functions of plugins by family: of the rest of a name to a torch.nn.Module or an Architecture.
PLUGINS = load("models", checked_function("models"), taken=FAMILIES)


def is_factory(name: str) -> bool:
    """Whether a model's name is PACKAGE.MODULE:FACTORY, or wants to be.

    >>> is_factory("lab.nets:make"), is_factory("timm:hf-hub:owner/name"), is_factory("efficientnet-lite0")
    (True, False, False)
    """
    family, colon, _ = name.partition(":")
    return bool(colon) and family not in FAMILIES and family not in PLUGINS


def refuse_unlisted(name: str) -> None:
    """Raise CurateError for a factory that `AVHCURATE_FACTORIES` does not list."""
    entries = {entry.strip() for entry in os.environ.get(ALLOWED_VARIABLE, "").split(",")}
    module, _, factory = name.partition(":")
    # What a module imports of others is not meant by its star.
    listed = name in entries or ("." not in factory and f"{module}:*" in entries)
    if is_factory(name) and not listed:
        raise CurateError(
            f"{name!r} is not a known model, and the app imports PACKAGE.MODULE:FACTORY only where the server's owner "
            f"lists it in {ALLOWED_VARIABLE}. Ask for that, or score from a shell."
        )


def check_name(name: str) -> None:
    """Raise CurateError, importing nothing, for a factory that is not a name in Python, or may not be imported.

    In a job that a page started, that is any which is not listed.
    """
    module, _, factory = name.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *factory.split("."))):
        raise CurateError(f"{name!r} is not PACKAGE.MODULE:FACTORY. Give a module and a name that it defines.")
    _refuse_standard(module, name)
    if JOB_VARIABLE in os.environ:
        refuse_unlisted(name)


def check_factory(name: str, make: Any, module_class: type) -> None:
    """Raise CurateError, calling nothing, unless `make` is a `module_class`, a class of it, or may return one.

    A function may unless its annotation says that it returns something else, or it is the standard library's.
    """
    while isinstance(make, functools.partial):
        make = make.func
    if isinstance(make, module_class):
        return
    is_class = isinstance(make, type) and issubclass(make, module_class)
    is_function = isinstance(make, types.FunctionType | types.MethodType) and _may_return(make, module_class)
    if not is_class and not is_function:
        raise CurateError(f"{name} cannot make a network. Give a function that returns a torch.nn.Module, or a class.")
    _refuse_standard(getattr(make, "__module__", None) or "", name)


def _refuse_standard(module: str, name: str) -> None:
    package = module.partition(".")[0]
    if package in sys.stdlib_module_names or package == builtins.__name__:
        raise CurateError(
            f"{name}: {package} is a module of Python's own, which holds no network. Rename yours if it has this name."
        )


def _may_return(make: Any, module_class: type) -> bool:
    """Whether a function may return a module, by its annotation."""
    try:
        returned = typing.get_type_hints(inspect.unwrap(make)).get("return", module_class)
    except Exception:  # an annotation of a module that is not there, say
        return True
    if not isinstance(returned, type):
        return True
    return issubclass(returned, module_class) or issubclass(module_class, returned)
