"""Names of networks to choose from, and near matches of others, known without torch: an app lists them at once."""

import difflib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from avhcurate.errors import CurateError
from avhcurate.networks.models.factories import is_factory

#: Families whose every name is listed; the others name files, hubs or what plugins know.
_LISTED = ("", "torchvision", "avhcurate")
_MATCHES = 4


@cache
def network_names() -> tuple[str, ...]:
    """Return the names of `registry.model_names`, as a file next to this one lists them.

    >>> "torchvision:resnet50" in network_names()
    True
    """
    return tuple(Path(__file__).with_name("network_names.txt").read_text(encoding="ascii").split())


def near_matches(name: str, known: Sequence[str]) -> list[str]:
    """Return up to four known names that a part of one or a misspelt one may mean, with or without its family.

    >>> near_matches("resnet5O", ["torchvision:resnet50", "torchvision:vgg11"])
    ['torchvision:resnet50']
    >>> near_matches("vgg", ["torchvision:resnet50", "torchvision:vgg11", "torchvision:vgg13"])
    ['torchvision:vgg11', 'torchvision:vgg13']
    """
    family, _, tail = name.rpartition(":")
    within = [full for full in known if full.startswith(f"{family}:")] or known
    tails = {full.rpartition(":")[2]: full for full in within}
    parts = [full for other, full in tails.items() if tail and tail.lower() in other.lower()]
    alike = [tails[near] for near in difflib.get_close_matches(tail, tails)]
    return list(dict.fromkeys(parts + alike))[:_MATCHES]


def refuse_unknown(name: str) -> None:
    """Raise CurateError with near matches for a name that is not a network's; files and hubs are not looked at."""
    if name in network_names() or is_factory(name) or name.rpartition(":")[0] not in _LISTED:
        return
    near = near_matches(name, network_names()) or ["one of the list"]
    raise CurateError(f"No model is called {name!r}. Choose {' or '.join(near)}.")
