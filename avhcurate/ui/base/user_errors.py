"""Says errors and notes in the words of the pages."""

import re

from avhcurate.errors import Option, Run, Text
from avhcurate.workspace.data.settings import OptionField, VerbSettings

_MARKUP = re.compile(r"([\\\[\]$:<>*_~#|`])")
#: What Markdown always reads as code: a pair of single backticks in one line.
_CODE = re.compile(r"((?<!`)`[^`\r\n]+`(?!`))")
#: The @ of an e-mail address, which Markdown makes a link even where it is escaped.
_AT = re.compile(r"@(?=[-\w]+\.)")
#: Where a page does what a verb does: what it is called, the file of the page, and which form of Home.
PLACES = {
    "score": ("“+ a classifier” on Home", "home", "classifier"),
    "attach": ("“+ embeddings or probabilities” on Home", "home", "outputs"),
    "votes": ("“+ votes of people” on Home", "home", "votes"),
    "import": ("“Images” on Home", "home", "images"),
    "review": ("“Find wrong labels in my photos” on Home", "home", ""),
    "fetch": ("“Nothing yet” on Home", "home", "nothing"),
    "columns": ("“Your columns” on Home", "home", ""),
    "predict": ("“Predicted HSF” on Correlation", "correlation", ""),
    "exclude": ("the page Gallery", "gallery", ""),
    "relabel": ("the page Gallery", "gallery", ""),
    "saved": ("the page Saved", "saved", ""),
    "quality": ("the page Quality", "quality", ""),
    "project": ("the page Map", "map", ""),
    "suspects": ("the page Suspects", "suspects", ""),
    "train": ("the page Training dynamics", "training_dynamics", ""),
}


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


def in_page(text: Text, verb: str = "") -> str:
    """Return a text in the words of the pages; `verb` is that of the form or job.

    >>> in_page(Text(f"Give a smaller {Option('batch_size')}, or {Run('score', 'pets', model='MODEL')}."))
    'Give a smaller “Batch size”, or use “+ a classifier” on Home.'
    """
    fields = _fields(verb)

    def control(option: Option) -> str:
        title = option.name.replace("_", " ").capitalize()
        called = {}
        if field := fields.get(option.name):
            title = field.title
            called = field.words
        value = str(option.value)
        if value.islower():
            title += f": {called.get(value, value)}"
        return f"“{title}”"

    def page_of(run: Run) -> str:
        if run.verb not in PLACES:
            return str(run)
        return f"use {PLACES[run.verb][0]}"

    return text.words(control, page_of)


def said(text: Text, verb: str = "") -> str:
    """Return a text in the words of the pages, escaped."""
    return plain(in_page(text, verb))


def _fields(verb: str) -> dict[str, OptionField]:
    """Return the options of all verbs that are loaded by name, those of `verb` before those of others."""
    verbs = sorted(VerbSettings.__subclasses__(), key=lambda settings: settings.verb == verb)
    return {option.name: option for settings in verbs for option in settings.options()}
