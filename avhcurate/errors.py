"""The one base class for mistakes that a user can correct."""


class CurateError(Exception):
    """A mistake in what the user gave: the message says what was wrong and what to do next.

    The command line prints it in one line and exits with 2; a page shows it as a message, never as a traceback.
    """
