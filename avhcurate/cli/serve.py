"""The verb that opens the app."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError


@options.app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8501,
    workspace: options.WorkspaceOption = None,
) -> None:
    """Open the app in the browser; it listens on this machine only."""
    root = Path(__file__).parents[2]
    if not (root / "app.py").exists():
        raise CurateError("app.py is not beside the package: run `streamlit run app.py` in a checkout of the project")
    environment = {**os.environ, "AVHCURATE_WORKSPACE": str(options.open_workspace(workspace).root.absolute())}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1"]
    if os.name != "posix":
        raise SystemExit(subprocess.call(command, cwd=root, env=environment))
    # The server takes this process's place, so that what ends the one ends the other, whatever the signal.
    os.chdir(root)
    os.execve(sys.executable, command, environment)
