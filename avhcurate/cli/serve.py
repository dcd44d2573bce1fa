"""The verb that opens the app."""

import errno
import importlib.util
import ipaddress
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avhcurate.cli import options
from avhcurate.disk.app_files import ROOT, SCRIPT, install_command
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.data.workspace import Workspace

#: Tells the server to answer other machines without a login (see `ui.guards`, slow to import).
_NO_LOGIN = "AVHCURATE_NO_LOGIN"
#: Addresses that stand for all of a machine's.
_ALL = {"0.0.0.0", "::"}
#: Bytes of a cookie secret that nobody guesses.
_SECRET_BYTES = 32


@options.app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8501,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for all, which needs a login.")
    ] = "127.0.0.1",
    base_path: Annotated[
        str, typer.Option(help="Path below which the app lies, as curate for https://HOST/curate.")
    ] = "",
    no_login: Annotated[
        bool, typer.Option("--no-login", help="Let everybody who can reach --host do everything.")
    ] = False,
    until_input_ends: Annotated[
        bool, typer.Option("--until-input-ends", hidden=True, help="Stop with the process that holds the input.")
    ] = False,
    workspace: options.WorkspaceOption = None,
) -> None:
    """Open the app in the browser; beyond this machine only with a login."""
    secrets = [folder.absolute() / ".streamlit" / "secrets.toml" for folder in (Path.home(), Path.cwd(), ROOT)]
    space = options.open_workspace(workspace)
    if _check_login(host, [file for file in secrets if file.is_file()], no_login=no_login):
        _note_nobody(space)
    _check_address(host, port)
    environment = {**os.environ, "AVHCURATE_WORKSPACE": str(space.root.absolute())}
    environment |= {_NO_LOGIN: "1"} if no_login else {}
    # -P: a module of the user's in this folder never takes the place of one of the server's.
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(SCRIPT), "--server.port", str(port)]
    command += ["--server.address", host]
    # Told no address to print for all of a machine's, Streamlit would ask a server on the web for one.
    command += ["--browser.serverAddress", "localhost"] if host in _ALL else []
    command += ["--server.baseUrlPath", _checked(base_path)] if base_path.strip("/") else []
    command += [part for file in dict.fromkeys(secrets) for part in ("--secrets.files", str(file))]
    if until_input_ends:
        raise SystemExit(_serve_until_input_ends([*command, "--server.headless", "true"], environment))
    if os.name != "posix":
        raise SystemExit(subprocess.call(command, env=environment))
    # The server takes this process's place, so that what ends the one ends the other, whatever the signal.
    os.execve(sys.executable, command, environment)


def _check_login(host: str, secrets: list[Path], *, no_login: bool) -> bool:
    """Refuses an address beyond this machine without a login, and a login that cannot work; whether there is one."""
    auth: dict[str, Any] = {}
    for file in secrets:
        try:
            auth = tomllib.loads(file.read_text()).get("auth", auth)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
            raise CurateError(f"{file} is no TOML ({problem}): mend it or move it away") from problem
    if auth and importlib.util.find_spec("authlib") is None:
        raise CurateError(f"a login needs one more package: {install_command('auth')}")
    if auth and len(str(auth.get("cookie_secret", "")).encode()) < _SECRET_BYTES:
        raise CurateError(
            f"cookie_secret in secrets.toml has fewer than {_SECRET_BYTES} bytes: take one of "
            "`python -c 'import secrets; print(secrets.token_hex())'`"
        )
    if not (auth or no_login or _is_this_machine(host)):
        raise CurateError(
            f"whoever reaches {host} could do everything here: configure a login (see docs/serve.md), or say "
            "--no-login where something else keeps strangers out"
        )
    return bool(auth)


def _check_address(host: str, port: int) -> None:
    """Refuses an address at which no server of this machine can listen; binds it as Streamlit will."""
    if host.startswith("unix://"):
        return
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
            if os.name == "posix":  # a port is free again as soon as its last listener is gone
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if tried.family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            tried.bind((host, port))
    except (OSError, UnicodeError) as problem:
        code = problem.errno if isinstance(problem, OSError) else None
        if code == errno.EADDRINUSE:
            raise CurateError(f"port {port} is taken: choose another with --port, or stop what listens there") from None
        if code == errno.EACCES:
            raise CurateError(f"port {port} is closed to this account: choose one above 1023 with --port") from None
        raise CurateError(
            f"--host {host!r} is no address of this machine ({problem}): leave it out, or give 0.0.0.0 for all"
        ) from None


def _note_nobody(space: "Workspace") -> None:
    from avhcurate.curate.roles import roles

    if not roles(space):
        note = (
            "nobody has a role here yet, so that signing in shows nothing: avhcurate roles grant YOU@example.org owner"
        )
        options.print_messages([note])


def _checked(base_path: str) -> str:
    """A base path without slashes around it; refused where an address would have to escape it."""
    path = base_path.strip("/")
    if not re.fullmatch(r"[\w.~-]+(/[\w.~-]+)*", path, re.ASCII):
        raise CurateError(f"--base-path {base_path!r}: use letters, digits, '.', '_', '~' and '-', as lab/curate")
    return path


def _is_this_machine(host: str) -> bool:
    """
    >>> _is_this_machine("127.0.0.1"), _is_this_machine("::1"), _is_this_machine("0.0.0.0"), _is_this_machine("lab")
    (True, True, False, False)
    """
    try:
        return host.casefold() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _serve_until_input_ends(command: list[str], environment: dict[str, str]) -> int:
    """Runs the server until standard input ends: its other end is closed, or the process that held it is gone."""
    server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)

    def stop_at_end() -> None:
        while sys.stdin.buffer.read(1024):
            pass
        server.terminate()

    Thread(target=stop_at_end, daemon=True).start()
    return server.wait()
