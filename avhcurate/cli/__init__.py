"""The command line: each verb reads its arguments, calls one service and prints the result."""

import errno
import os
import sys
from pathlib import Path
from typing import NoReturn

from typer.exceptions import TyperException

# ruff: noqa: I001  (each module adds its verbs)
from avhcurate.cli import demo, data, workspace, fetch, score, attach, train, self_train, analysis, models  # noqa: F401
from avhcurate.cli import neighbours, suspects, predict, quality, project, curate, export, select, saved, votes  # noqa: F401
from avhcurate.cli import report  # noqa: F401
from avhcurate.cli import toy, degrade, plugins, doctor, roles, serve  # noqa: F401
from avhcurate.cli.options import LOG, app, name_run
from avhcurate.errors import CurateError

_INTERRUPTED = 130
#: Errors that the path of a user can cause, in addition to a write-protected disk.
_REFUSED = (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)


def main() -> NoReturn:
    """Run the command line and exit: 0 on success, 2 on a user error and 3 on nothing found (one line), 1 on a bug."""
    # Idle threads sleep instead of spinning: on a busy machine a small network trains more than twice as fast.
    # Torch reads this when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        code = app(standalone_mode=len(sys.argv) < 2, prog_name="avhcurate")  # without a verb: the help
        if code == _INTERRUPTED:  # typer makes it of the KeyboardInterrupt that Ctrl-C is
            raise KeyboardInterrupt
        name_run()
    except TyperException as error:
        context = getattr(error, "ctx", None)
        hint = context.command_path if context else "avhcurate"
        print(f"avhcurate: {' '.join(error.format_message().split())} (see `{hint} --help`)", file=sys.stderr)
        raise SystemExit(2) from None
    except CurateError as error:
        LOG.debug("raised here", exc_info=error)
        print(f"avhcurate: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except (Exception, KeyboardInterrupt) as error:
        _end(error)
    raise SystemExit(0)


def _end(error: BaseException) -> NoReturn:
    """Say why a call was interrupted or refused, and exit; raise any other error again."""
    from avhcurate.workspace.disk.jobs import Cancelled
    from avhcurate.workspace.disk.room import disk_trouble

    if isinstance(error, Cancelled | KeyboardInterrupt):
        print("avhcurate: cancelled; run the same command again to resume", file=sys.stderr)
        raise SystemExit(_INTERRUPTED) from None
    line = _refused(error) or disk_trouble(error)
    if not line:
        raise error
    print(f"avhcurate: {line}", file=sys.stderr)
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
    place, why = Path(str(error.filename or "a file")), error.strerror or error
    if final := final_name(place):
        return f"{final} cannot be written ({why}). Choose another place with --out or --workspace."
    return f"{place}: {why}"
