"""The command line: each verb reads its arguments, calls one service and prints the result."""

import atexit
import errno
import os
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from typer.exceptions import TyperException

from avhcurate.cli import completion, options
from avhcurate.errors import CurateError
from avhcurate.plugins import load, names

if TYPE_CHECKING:
    from typer import Typer

#: The modules that have verbs, in the order in which the help lists them, and the verbs of each.
_MODULES = {
    "demo": "demo",
    "review": "review",
    "data": "import fetch columns quality",
    "score": "score attach",
    "images": "suspects neighbours project",
    "curate": "tag relabel exclude lock classes payoff",
    "certify": "certify",
    "votes": "votes votes-out annotators consensus",
    "analysis": "correlate disagree models predict",
    "select": "select",
    "saved": "saved history diff",
    "export": "export split",
    "workspace": "list default check remove rename jobs report",
    "doctor": "doctor plugins",
    "roles": "roles",
    "serve": "serve",
}
_HOMES = {verb: module for module, verbs in _MODULES.items() for verb in verbs.split()}

_INTERRUPTED = 130
#: As Python ends where its output could not be written.
_UNREAD = 120
#: What moves a terminal's cursor, colours it or turns text around, but for the ends and starts of lines.
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")
_CONTROLS |= {ord(mark): mark for mark in "\t\n\r"}
#: The same in a message of one line.
_ESCAPES = {code: ascii(chr(code))[1:-1] for code in _CONTROLS}
#: Errors that the path of a user can cause, in addition to a write-protected disk.
_REFUSED = (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)


def __getattr__(name: str) -> Any:
    """Return `app` with every verb: for those who read them all, as the help does."""
    if name != "app":
        raise AttributeError(name)
    return _app([])


def home_of(verb: str) -> str:
    """Return the name of the module of a verb."""
    return _HOMES.get(verb, verb.replace("-", "_"))


def _app(words: Sequence[str]) -> "Typer":
    """Return the application with the verbs that a call names: a verb is imported only where it is meant."""
    homes = set(map(home_of, words))
    modules = [module for module in _MODULES if module in homes]
    added = not {*words}.isdisjoint(names("verbs"))
    if not (modules or added):
        modules, added = [*_MODULES], True
    for module in modules:
        import_module(f"avhcurate.cli.{module}")
    if added:
        load("verbs", lambda _, module: module, taken=_HOMES)
    return options.app


class _Plain:
    """A terminal to which names in files and texts of plugins cannot send commands."""

    def __init__(self, terminal: Any) -> None:
        self._terminal = terminal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._terminal, name)

    def write(self, text: str) -> int:
        written: int = self._terminal.write(text.translate(_CONTROLS))
        return written


def run() -> NoReturn:
    """Run the command line as a process, which ends without clearing up: what torch holds takes it a second.

    As children of multiprocessing end: threads are awaited, and what was asked for at the exit is done.
    """
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # who read it has gone
        code = _UNREAD
    os._exit(int(code or 0))


def main() -> NoReturn:
    """Run the command line and exit: 0 on success, 2 on a user error and 3 on nothing found (one line), 1 on a bug."""
    if completion.asked():
        completion.answer(_app)
        raise SystemExit(0)
    # Idle threads sleep instead of spinning: on a busy machine a small network trains more than twice as fast.
    # Torch reads this when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name in ("stdout", "stderr"):
        if getattr(sys, name).isatty():
            setattr(sys, name, _Plain(getattr(sys, name)))
    try:
        # Without a verb: the help.
        code = _app(sys.argv[1:])(standalone_mode=len(sys.argv) < 2, prog_name="avhcurate")
        if code == _INTERRUPTED:  # typer makes it of the KeyboardInterrupt that Ctrl-C is
            raise KeyboardInterrupt
        options.name_run()
    except TyperException as error:
        context = getattr(error, "ctx", None)
        hint = context.command_path if context else "avhcurate"
        _say(f"{error.format_message()} (see `{hint} --help`)")
        raise SystemExit(2) from None
    except CurateError as error:
        options.LOG.debug("raised here", exc_info=error)
        _say(str(error))
        raise SystemExit(error.exit_code) from None
    except (Exception, KeyboardInterrupt) as error:
        _end(error)
    raise SystemExit(0)


def _say(line: str) -> None:
    """Print why a call ends, in one line that sends nothing to a terminal."""
    print(f"avhcurate: {' '.join(line.split())}".translate(_ESCAPES), file=sys.stderr)


def _end(error: BaseException) -> NoReturn:
    """Say why a call was interrupted or refused, and exit; raise any other error again."""
    from avhcurate.workspace.disk.jobs import Cancelled
    from avhcurate.workspace.disk.room import disk_trouble

    if isinstance(error, Cancelled | KeyboardInterrupt):
        _say("cancelled; run the same command again to resume")
        raise SystemExit(_INTERRUPTED) from None
    line = _refused(error) or disk_trouble(error)
    if not line:
        raise error
    _say(line)
    raise SystemExit(2) from None


def _refused(error: BaseException) -> str:
    """One line for what the file system refused, by the name that the user knows; "" for any other error."""
    from avhcurate.workspace.disk.files import final_name

    if not isinstance(error, OSError):
        return ""
    if error.errno == errno.ENAMETOOLONG:
        return "The name is too long for the file system. Choose a shorter one."
    if error.errno != errno.EROFS and not isinstance(error, _REFUSED):
        return ""
    file = Path(str(error.filename or "a file"))
    why = error.strerror or error
    if final := final_name(file):
        return f"{final} cannot be written ({why}). Choose another place with --out or --workspace."
    return f"{file}: {why}"
