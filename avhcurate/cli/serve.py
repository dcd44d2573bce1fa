"""The verb that opens the app."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Annotated

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError


@options.app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8501,
    until_input_ends: Annotated[
        bool, typer.Option("--until-input-ends", hidden=True, help="Stop with the process that holds the input.")
    ] = False,
    workspace: options.WorkspaceOption = None,
) -> None:
    """Open the app in the browser; it listens on this machine only."""
    root = Path(__file__).parents[2]
    if not (root / "app.py").exists():
        raise CurateError("app.py is not beside the package: run `streamlit run app.py` in a checkout of the project")
    environment = {**os.environ, "AVHCURATE_WORKSPACE": str(options.open_workspace(workspace).root.absolute())}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1"]
    if until_input_ends:
        raise SystemExit(_serve_until_input_ends([*command, "--server.headless", "true"], root, environment))
    if os.name != "posix":
        raise SystemExit(subprocess.call(command, cwd=root, env=environment))
    # The server takes this process's place, so that what ends the one ends the other, whatever the signal.
    os.chdir(root)
    os.execve(sys.executable, command, environment)


def _serve_until_input_ends(command: list[str], root: Path, environment: dict[str, str]) -> int:
    """Runs the server until standard input ends: its other end is closed, or the process that held it is gone."""
    server = subprocess.Popen(command, cwd=root, env=environment, stdin=subprocess.DEVNULL)

    def stop_at_end() -> None:
        while sys.stdin.buffer.read(1024):
            pass
        server.terminate()

    Thread(target=stop_at_end, daemon=True).start()
    return server.wait()
