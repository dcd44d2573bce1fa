"""Examples of docstrings as blocks of code: in Markdown their >>> would be quotations."""

import re
from typing import Any

import griffe

#: Lines from a >>> to the next empty one, at one indentation.
EXAMPLE = re.compile(r"^( *)>>> .*(?:\n *\S.*)*", re.M)


class DoctestBlocks(griffe.Extension):
    """Fences every example of a docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(r"\1```pycon\n\g<0>\n\1```", obj.docstring.value)
