"""The classes of ImageNet-1k, in the order that published networks number them."""

from functools import cache
from pathlib import Path


def imagenet_classes() -> tuple[str, ...]:
    """Return the 1000 names, which torchvision's networks give too."""
    return tuple(name for _, name in _lines())


def imagenet_synsets() -> tuple[str, ...]:
    """Return the 1000 WordNet ids."""
    return tuple(synset for synset, _ in _lines())


@cache
def _lines() -> tuple[tuple[str, str], ...]:
    text = Path(__file__).with_name("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple((synset, name) for synset, _, name in (line.partition(" ") for line in text.splitlines()))
