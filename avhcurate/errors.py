"""The base class for mistakes that a user can correct, for a search that finds nothing, and for what passes."""


class CurateError(Exception):
    """A mistake in what the user gave: the message says what was wrong and what to do next.

    The command line prints it in one line and exits with `exit_code`; a page shows it as a message, never as a
    traceback.
    """

    exit_code = 2


class NothingFound(CurateError):
    """The call is valid, and no sample or entry is what it asks for."""

    exit_code = 3


class Unavailable(CurateError):
    """The call is valid, and the database is away or something else is at work: the same call succeeds later."""
