"""Shows a user's error as a message with a next step in the words of the pages, never as a traceback."""

import re

import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.workspace.data.settings import Option, VerbSettings
from avhcurate.workspace.data.words import reworded
from avhcurate.workspace.disk.room import disk_trouble

_MARKUP = re.compile(r"([\\\[\]$:<>*_~#|`])")
#: What Markdown always reads as code: a pair of single backticks in one line.
_CODE = re.compile(r"((?<!`)`[^`\r\n]+`(?!`))")
#: The @ of an e-mail address, which Markdown makes a link even where it is escaped.
_AT = re.compile(r"@(?=[-\w]+\.)")
#: Where a page does what a command does.
_PLACES = {
    "score": "“+ a classifier” on Home",
    "attach": "“+ embeddings or probabilities” on Home",
    "votes": "“+ votes of people” on Home",
    "import": "“Images” on Home",
    "fetch": "“Nothing yet” on Home",
    "columns": "“Your columns” on Home",
    "predict": "“Predicted HSF” on Correlation",
    "exclude": "the page Gallery",
    "relabel": "the page Gallery",
    "saved": "the page Saved",
    "quality": "the page Quality",
    "project": "the page Map",
    "suspects": "the page Suspects",
    "train": "the page Training dynamics",
}
#: What is said of an image: pages have one word for it, also where the shell and the files have others.
_SAMPLE = re.compile(r"(?<![\w'\"“.-])(a )?(s)ample(s?)(?![\w'\"”.-]\w)", re.IGNORECASE)


def plain(text: str) -> str:
    r"""Escapes text of files, addresses or people, so that Markdown shows it unchanged; `code` in one line stays code.

    An e-mail address gets an invisible word joiner, so that it does not become a link.

    >>> print(plain("a_b [x](y)"), plain("run `a_b`"), ascii(plain("ann@x.org")))
    a\_b \[x\](y) run `a_b` 'ann@\u2060x.org'
    """
    return "".join(
        part if index % 2 else _MARKUP.sub(r"\\\1", _AT.sub("@\u2060", part))
        for index, part in enumerate(_CODE.split(text))
    )


def show_user_error(error: Exception) -> bool:
    """Show a `CurateError`, a full disk or damage as a message, and return True; False where a traceback is needed."""
    line = str(error) if isinstance(error, CurateError) else disk_trouble(error)
    if not line:
        return False
    st.error(said(line))
    return True


def in_page(message: str, verb: str = "") -> str:
    """Return a message, written for the command line, in the words of the pages; `verb` is that of the form or job.

    >>> in_page("Give a smaller --batch-size, or run `avhcurate score pets --model MODEL` for a sample.")
    'Give a smaller “Batch size”, or use “+ a classifier” on Home for an image.'
    """
    options = _options(verb)

    def control(name: str, placeholder: str | None, word: str | None) -> str:
        title, words = name.replace("-", " ").capitalize(), {}
        if option := options.get(name.replace("-", "_")):
            title, words = option.title, option.words
        if word:
            title += f": {words.get(word, word)}"
        return f"“{title}”"

    text = reworded(message, control, lambda verb, *_: _PLACES.get(verb))
    text = re.sub(r"\b([Rr])un (?=“|the page)", lambda found: {"R": "Use ", "r": "use "}[found[1]], text)
    return _SAMPLE.sub(_image, text)


def said(message: str, verb: str = "") -> str:
    """Return a message in the words of the pages, escaped."""
    return plain(in_page(message, verb))


def _image(found: re.Match[str]) -> str:
    article, first, plural = found.groups()
    word = {"s": "image", "S": "Image"}[first]
    if article:
        return f"{article[0]}n {word}"
    return word + plural.lower()


def _options(verb: str) -> dict[str, Option]:
    """Return the options of all verbs that are loaded by name, those of `verb` before those of others."""
    every, found = [VerbSettings], []
    while every:
        settings = every.pop()
        found.append(settings)
        every += settings.__subclasses__()
    found.sort(key=lambda settings: settings.verb == verb)
    return {option.name: option for settings in found for option in settings.options()}
