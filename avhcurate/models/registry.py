"""Networks found by name, and near matches for a name that is unknown."""

import difflib

from avhcurate.errors import CurateError
from avhcurate.models import extras, factory, torchvision_zoo
from avhcurate.models.architecture import Architecture
from avhcurate.models.own import OWN

#: The forms that a model's name takes.
FORMS = "torchvision:NAME, timm:NAME, efficientnet-lite0, avhcurate:NAME or PACKAGE.MODULE:FACTORY"


def find_architecture(name: str, *, sha256: str | None = None) -> Architecture:
    """The network called `name`; `sha256` is that of the weights file, by which published weights are recognised.

    Names: torchvision:NAME, timm:NAME, efficientnet-lite0, avhcurate:NAME, or PACKAGE.MODULE:FACTORY. Raises
    CurateError with near matches for any other.
    """
    family, colon, rest = name.partition(":")
    if name in extras.EFFICIENTNET_LITE:
        return extras.efficientnet_lite(name)
    if family == "torchvision" and rest in torchvision_zoo.names():
        return torchvision_zoo.architecture(rest, sha256=sha256)
    if family == "timm":
        return extras.timm_architecture(rest)
    if family == "avhcurate" and rest in OWN:
        return OWN[rest]()
    near = near_matches(name, model_names())
    theirs = colon and family not in ("torchvision", "avhcurate")
    if theirs and ("." in family or not near or factory.importable(family)):
        return factory.architecture(name)
    hint = f"did you mean {' or '.join(near)}?" if near else f"give one of {FORMS}"
    raise CurateError(f"unknown model {name!r}: {hint}")


def model_names() -> list[str]:
    """Every name that needs no file of the user's, except timm's thousand."""
    torchvision = [f"torchvision:{name}" for name in torchvision_zoo.names()]
    return [f"avhcurate:{name}" for name in OWN] + list(extras.EFFICIENTNET_LITE) + torchvision


def near_matches(name: str, known: list[str]) -> list[str]:
    """Known names that a misspelt one may mean, with or without the part before its colon.

    >>> near_matches("resnet5O", ["torchvision:resnet50", "torchvision:vgg11"])
    ['torchvision:resnet50']
    """
    family, _, tail = name.rpartition(":")
    within = [full for full in known if full.startswith(f"{family}:")] or known
    tails = {full.rpartition(":")[2]: full for full in within}
    return [tails[near] for near in difflib.get_close_matches(tail, tails)]
