"""Names of networks to choose from, known without torch: an app lists them at once."""

from functools import cache
from pathlib import Path


@cache
def network_names() -> tuple[str, ...]:
    """The names of `registry.model_names`, as a file beside this one lists them.

    >>> "torchvision:resnet50" in network_names()
    True
    """
    return tuple(Path(__file__).with_name("network_names.txt").read_text(encoding="ascii").split())
