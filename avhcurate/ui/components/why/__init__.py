"""Why an image is hard: the nearest image of the class that it is mistaken for, and its angles to both classes.

A component that puts `MARKUP` into its HTML can draw it by `drawWhy`.
"""

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import TypedDict

from avhcurate.ui.components.mount import mount

MARKUP = """
<figure class="why" id="why" hidden>
  <img alt="">
  <figcaption><b></b>
    <svg viewBox="-60 -46 120 60" aria-hidden="true">
      <path class="own"/><path class="other"/><path class="image" d="M0 0V-40"/><text y="11">this image</text>
    </svg>
    <span class="own"></span><span class="other"></span>
  </figcaption>
</figure>
"""
STYLE = Path(__file__).with_name("why.css").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Reason:
    """The nearest image of another class, at the address `src`, and what it is in words.

    `angles` (degrees) are those of the image to its own class and to the other, each with its line in `words`.
    """

    src: str
    title: str
    angles: tuple[float, float]
    words: tuple[str, str]


class WhyData(TypedDict):
    """What the script reads."""

    reason: Reason


def why_hard(reason: Reason, *, key: str) -> None:
    """Draw the reason."""
    mount(__file__, MARKUP, key=key, data=WhyData(reason=reason))
