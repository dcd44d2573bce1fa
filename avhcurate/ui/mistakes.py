"""A user's mistake is a message with a next step, wherever in the app it is made; never a traceback."""

import re

import streamlit as st

from avhcurate.errors import CurateError

_MARKUP = re.compile(r"([\\\[\]$:<>*_~#|])")


def plain(text: str) -> str:
    r"""Text that comes from files, addresses or people, so that Markdown shows it as it is; `code` stays code.

    >>> print(plain("a_b [x](y)"), plain("run `a_b`"))
    a\_b \[x\](y) run `a_b`
    """
    parts = text.split("`")
    return "`".join(part if index % 2 else _MARKUP.sub(r"\\\1", part) for index, part in enumerate(parts))


def show_mistake(error: Exception) -> bool:
    """Shows a `CurateError` as a message; True says that it needs no traceback. Anything else is a fault of ours."""
    if not isinstance(error, CurateError):
        return False
    st.error(plain(str(error)))
    return True
