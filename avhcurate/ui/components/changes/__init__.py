"""What runs the page again when another window has changed what it shows; it draws nothing."""

from typing_extensions import TypedDict

from avhcurate.ui.components.mount import mount, nothing

#: Milliseconds between two questions.
EVERY_MS = 500


class ChangesData(TypedDict):
    """What the script reads."""

    source: str
    session: str
    every: int


def watch(source: str, *, session: str) -> None:
    """Ask the address `source` every `EVERY_MS` whether something has changed, and run the page again if so.

    With each question the browser says which window the `session` is in.
    """
    data = ChangesData(source=source, session=session, every=EVERY_MS)
    mount(__file__, "", key="changes", data=data, on_changed_change=nothing)
