"""A folder for the field of a zip before it: dropped there or chosen here, it is packed in the browser."""

from collections.abc import Sequence

from typing_extensions import TypedDict

from avhcurate.ui.components.mount import mount

_HTML = """<button type="button">Choose a folder</button> <span role="status"></span>
<input type="file" webkitdirectory multiple hidden aria-label="A folder of photos">"""


class FolderData(TypedDict):
    """What the script reads: the `suffixes` of files that are taken, and the `most` of them."""

    suffixes: Sequence[str]
    most: int


def folder_field(suffixes: Sequence[str], most: int, *, key: str) -> None:
    """Let the field for a zip in this container take a folder too."""
    mount(__file__, _HTML, key=key, data=FolderData(suffixes=suffixes, most=most))
