"""The icons that the app and Streamlit draw: `python -m tests.fakes.icons` makes a font of them alone.

It needs `pip install fonttools brotli`, and is run after a new icon or a new Streamlit.
"""

import re
import string
from pathlib import Path

import streamlit as st

from avhcurate.ui.server.first_page import ICONS

ROOT = Path(__file__).parents[2]
STATIC = Path(st.__file__).parent / "static" / "static"
_NAMED = re.compile(r":material/([a-z0-9_]+):")
#: Names stand alone too, among other words, in what draws pages.
_WORD = re.compile(r'"([a-z0-9_]+)"')
_DRAWING = ("avhcurate/ui/**/*.py", "avhcurate/features/**/ui*.py", "avhcurate/lab/**/*.py", "pages/*.py")


def names() -> list[str]:
    """All that may be the name of an icon, in order."""
    streamlits = {name for file in STATIC.glob("js/*.js") for name in _NAMED.findall(file.read_text(encoding="utf-8"))}
    texts = [file.read_text(encoding="utf-8") for folder in _DRAWING for file in ROOT.glob(folder)]
    return sorted(streamlits.union(*(expression.findall(text) for text in texts for expression in (_NAMED, _WORD))))


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
    subsetter.populate(
        glyphs=[drawn[name] for name in names() if name in drawn], text=string.ascii_lowercase + string.digits + "_"
    )
    subsetter.subset(font)
    subset.save_font(font, str(icons), options)


if __name__ == "__main__":
    write(ICONS)
