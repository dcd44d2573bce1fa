"""Images before and after what was decided about them, side by side as HTML: one piece of text for any number."""

from collections.abc import Iterable
from html import escape
from typing import NamedTuple

from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.ui.server.image_routes import image_url

_CSS = """
<style>
.avh-pairs { display: flex; flex-wrap: wrap; gap: 6px 18px; }
.avh-pairs figure { display: flex; align-items: center; gap: 5px; margin: 0; min-height: 4.75rem; }
.avh-pairs span { display: block; width: 3.5rem; font-size: 0.75rem; line-height: 1.35; text-align: center; }
.avh-pairs b { display: block; font-weight: 400; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.avh-pairs figure > :last-child b { font-weight: 600; }
.avh-pairs img { width: 3.5rem; height: 3.5rem; object-fit: cover; border-radius: 4px; display: block; }
.avh-pairs .out img { opacity: 0.3; filter: grayscale(1); }
</style>
"""


class Pair(NamedTuple):
    """One image with its label before and after, or in words what became of it; `out`: it is excluded."""

    id: int
    before: str
    after: str
    out: bool = False


def pairs_html(samples: SampleTable, pairs: Iterable[Pair]) -> str:
    """Return pictures of images before and after, which load as they come into sight."""
    return f"{_CSS}<div class='avh-pairs'>{''.join(_figure(samples, pair) for pair in pairs)}</div>"


def _figure(samples: SampleTable, pair: Pair) -> str:
    src = image_url(samples, pair.id)
    image = f"<img src='{escape(src, quote=True)}' alt='' loading='lazy'>"
    before, after = (f"{image}<b title='{escape(text)}'>{escape(text)}</b>" for text in (pair.before, pair.after))
    name = escape(f"image {pair.id}: {pair.before}, now {pair.after}")
    look = ("", " class='out'")[pair.out]
    return f"<figure aria-label='{name}'><span>{before}</span>→<span{look}>{after}</span></figure>"
