"""Networks found by name, also the user's own factories; near matches for a name that is unknown."""

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
from avhcurate.networks.models import extras, torchvision_zoo
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.catalogue import near_matches
from avhcurate.networks.models.factories import FAMILIES, PLUGINS, check_factory, check_name
from avhcurate.networks.models.hub import hub_classifier
from avhcurate.networks.models.onnx_file import onnx_classifier
from avhcurate.networks.models.own import OWN
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.zero_shot import ClassPrompts, zero_shot

#: The forms that a model's name takes.
FORMS = (
    "torchvision:NAME, timm:NAME, efficientnet-lite0, avhcurate:NAME, transformers:FOLDER-or-HUB, clip:FOLDER-or-HUB, "
    "onnx:FILE or PACKAGE.MODULE:FACTORY"
) + "".join(f", {family}:NAME" for family in PLUGINS)

#: How the names of zero-shot models begin.
ZERO_SHOT = "clip:"


def find_architecture(name: str, *, sha256: str | None = None, prompts: ClassPrompts | None = None) -> Architecture:
    """The network called `name`; `sha256` is that of the weights file, by which published weights are recognised.

    `prompts` tell a zero-shot network its classes. Names are those of `FORMS`. Raises CurateError with near matches
    for any other.
    """
    family, colon, rest = name.partition(":")
    if name in extras.EFFICIENTNET_LITE:
        return extras.efficientnet_lite(name)
    if family == "torchvision" and rest in torchvision_zoo.names():
        return torchvision_zoo.architecture(rest, sha256=sha256)
    if family == "timm":
        return extras.timm_architecture(rest)
    if family == "transformers":
        return hub_classifier(rest)
    if family == "onnx":
        return onnx_classifier(Path(rest))
    if colon and name.startswith(ZERO_SHOT):
        return zero_shot(rest, prompts or ClassPrompts())
    if family == "avhcurate" and rest in OWN:
        return OWN[rest]()
    if family in PLUGINS:
        return _of_plugin(name, PLUGINS[family](rest))
    near = near_matches(name, model_names())
    theirs = colon and family not in FAMILIES
    if theirs and ("." in family or not near or _importable(family)):
        return _factory(name)
    if near:
        raise CurateError(f"Unknown model {name!r}. Did you mean {' or '.join(near)}?")
    raise CurateError(f"Unknown model {name!r}. Give one of {FORMS}.")


def _of_plugin(name: str, made: Any) -> Architecture:
    """What a plugin's function has returned; images are prepared as for ImageNet unless it is an Architecture."""
    if isinstance(made, Architecture):
        return made
    if not isinstance(made, nn.Module):
        raise CurateError(
            f"{name}: the plugin returned a {type(made).__name__}. It must return a torch.nn.Module or an Architecture."
        )
    return _prepared_as_imagenet(lambda num_classes, side: copy.deepcopy(made))


def _prepared_as_imagenet(build: Callable[[int | None, int], nn.Module]) -> Architecture:
    without = "It keeps those that it is made with; give others by --weights FILE"
    preprocess = Preprocess(resize=256, crop=224)
    return Architecture(build, preprocess, without_weights=without, keeps_weights=True, any_channels=True)


def model_names() -> list[str]:
    """Return every name that needs no file of the user's, except timm's thousand."""
    torchvision = [f"torchvision:{name}" for name in torchvision_zoo.names()]
    return [f"avhcurate:{name}" for name in OWN] + list(extras.EFFICIENTNET_LITE) + torchvision


def _factory(name: str) -> Architecture:
    """Return the network that FACTORY of `PACKAGE.MODULE:FACTORY` returns; the module may lie in the current directory.

    FACTORY is a function, a class of nn.Module, or a module already made, which is copied; nothing of the standard
    library is imported, and in a job that a page started nothing that the server's owner has not listed.

    A factory that takes `num_classes` is given the class count. Unless the user says otherwise its images are
    prepared as ImageNet networks want them. Raises CurateError when it cannot be imported or called.
    """
    check_name(name)
    make = _imported(name)
    check_factory(name, make, nn.Module)

    def build(num_classes: int | None, side: int) -> nn.Module:
        with _current_directory():
            module = _called(name, make, num_classes)
        if not isinstance(module, nn.Module):
            raise CurateError(f"{name} returned a {type(module).__name__}. It must return a torch.nn.Module.")
        return module

    return _prepared_as_imagenet(build)


def _importable(module: str) -> bool:
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
            raise CurateError(
                f"{name} cannot be imported: there is no module {error.name!r} in {Path.cwd()} or in the environment. "
                "Give PACKAGE.MODULE:FACTORY."
            ) from error
        except Exception as error:
            raise CurateError(
                f"{name} cannot be imported: {type(error).__name__}: {error}. Correct {module_name}."
            ) from error
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        public = [n for n, v in vars(module).items() if callable(v) and getattr(v, "__module__", "") == module_name]
        has = ", ".join(public[:8]) or "no function or class"
        raise CurateError(f"{module_name} has no {attribute!r}. It defines {has}.") from None


def _called(name: str, make: Any, num_classes: int | None) -> Any:
    if isinstance(make, nn.Module):
        return copy.deepcopy(make)
    try:
        if num_classes is not None and _takes_num_classes(make):
            return make(num_classes=num_classes)
        return make()
    except Exception as error:
        raise CurateError(f"{name} failed when called: {type(error).__name__}: {error}") from error


def _takes_num_classes(make: Callable[..., Any]) -> bool:
    try:
        return "num_classes" in inspect.signature(make).parameters
    except (TypeError, ValueError):
        return False


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
