"""Shows a user's error as a message with a next step, never as a traceback."""

import re

import streamlit as st

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.room import disk_trouble

_MARKUP = re.compile(r"([\\\[\]$:<>*_~#|`])")
#: What Markdown always reads as code: a pair of single backticks in one line.
_CODE = re.compile(r"((?<!`)`[^`\r\n]+`(?!`))")
#: The @ of an e-mail address, which Markdown makes a link even where it is escaped.
_AT = re.compile(r"@(?=[-\w]+\.)")


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
    st.error(plain(line))
    return True
