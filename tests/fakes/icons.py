"""The icons that the app and Streamlit draw: `python -m tests.fakes.icons` makes a font of them alone.

It needs `pip install fonttools brotli`, and is run after a new icon or a new Streamlit.
"""

import re
import string
from collections.abc import Iterator
from pathlib import Path

import streamlit as st

from avhcurate.ui.base.navigation import ANALYSES, TABS
from avhcurate.ui.server.first_page import ICONS

ROOT = Path(__file__).parents[2]
STATIC = Path(st.__file__).parent / "static" / "static"
_NAMED = re.compile(r":material/([a-z0-9_]+):")
#: Streamlit names it, and its font has no such icon.
_NOWHERE = {"star_filled"}


def names() -> list[str]:
    """The names of all icons, in order."""
    of_pages = {icon for entries in (TABS, *ANALYSES.values()) for _, _, icon, _ in entries}
    return sorted({*_found(), *of_pages} - _NOWHERE)


def _found() -> Iterator[str]:
    for file in (*STATIC.glob("js/*.js"), *ROOT.glob("avhcurate/**/*.py"), *ROOT.glob("pages/*.py")):
        yield from _NAMED.findall(file.read_text(encoding="utf-8"))


def write(icons: Path) -> None:
    """Write the font of the icons, each of which is a ligature of the letters of its name."""
    from fontTools import subset

    (whole,) = STATIC.glob("media/MaterialSymbols-Rounded.*")
    options = subset.Options(layout_closure=False, layout_features=["*"], flavor="woff2")
    font = subset.load_font(str(whole), options)
    letters = {glyph: chr(code) for code, glyph in font.getBestCmap().items()}
    (lookup,) = font["GSUB"].table.LookupList.Lookup
    drawn = {
        "".join(letters[glyph] for glyph in (first, *ligature.Component)): ligature.LigGlyph
        for table in lookup.SubTable
        for first, ligatures in table.ExtSubTable.ligatures.items()
        for ligature in ligatures
    }
    subsetter = subset.Subsetter(options)
    subsetter.populate(glyphs=[drawn[name] for name in names()], text=string.ascii_lowercase + string.digits + "_")
    subsetter.subset(font)
    subset.save_font(font, str(icons), options)


if __name__ == "__main__":
    write(ICONS)
