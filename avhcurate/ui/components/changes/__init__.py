"""What runs the page again when another window has changed what it shows; it draws nothing."""

from avhcurate.ui.components.mount import mount, nothing


def watch(source: str, *, session: str) -> None:
    """Ask the address `source` every second whether something has changed, and run the page again if so.

    With each question the browser says which window the `session` is in.
    """
    mount(__file__, "", key="changes", data={"source": source, "session": session}, on_changed_change=nothing)
