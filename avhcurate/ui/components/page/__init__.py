"""What every page has and nobody sees: it keeps decisions until the server has them, and runs the page again.

It runs again when something was decided, here or in another window, and is loaded again where nothing comes any more.
"""

from typing import Any

from typing_extensions import TypedDict

from avhcurate.ui.components.mount import mount, nothing

#: Milliseconds between two questions whether something has changed.
EVERY_MS = 500


class PageData(TypedDict):
    """What the script reads.

    The `page` shows the `dataset`, "" for none, up to the `entry` of its log. Decisions go to the address `decisions`
    and are kept under the name `keeper`; `health` answers while the server does, and `changes`, where it is not "",
    whether the page is out of date.
    """

    page: str
    dataset: str
    entry: int
    keeper: str
    decisions: str
    health: str
    changes: str
    session: str
    every: int


def keep_page(**data: Any) -> None:
    """Mount it with `data` of `PageData`; with each question the browser says which window the `session` is in."""
    mount(__file__, "", key="page", data=data | {"every": EVERY_MS}, on_changed_change=nothing)
