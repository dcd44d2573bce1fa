"""The verb that opens the app."""

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
from typing import Annotated, Any

import typer

from avhcurate.cli import options
from avhcurate.cli.roles import NO_ROLES
from avhcurate.errors import CurateError
from avhcurate.workspace.disk.app_files import ROOT, SCRIPT, install_command

#: Fewest bytes of a cookie secret.
_SECRET_BYTES = 32


@options.verb(group="Start")
def serve(
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8501,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for all, which needs a login.")
    ] = "127.0.0.1",
    base_path: Annotated[
        str, typer.Option(help="Path below which the app lies, as curate for https://HOST/curate.")
    ] = "",
    no_login: Annotated[bool, typer.Option("--no-login", help="Let anyone who reaches --host do everything.")] = False,
    until_input_ends: Annotated[
        bool, typer.Option("--until-input-ends", hidden=True, help="Stop with the process that holds the input.")
    ] = False,
) -> None:
    """Open the app in the browser; beyond this machine only with a login."""
    from avhcurate.workspace.data.logs import open_events
    from avhcurate.workspace.data.roles import roles

    secrets = [folder.absolute() / ".streamlit" / "secrets.toml" for folder in (Path.home(), Path.cwd(), ROOT)]
    space = options.open_workspace()
    if _check_login([file for file in secrets if file.is_file()]):
        if not roles(open_events(space.root)):
            options.print_messages([NO_ROLES])
    elif not (no_login or _is_this_machine(host)):
        raise CurateError(
            f"Anyone who reaches {host} could do everything here. Configure a login (see docs/serve.md), or give "
            "--no-login if only trusted people can reach it."
        )
    _check_address(host, port)
    # Arrow's own pool would keep what is freed: 0.4 GB after a walk through ten million samples.
    environment = {
        "ARROW_DEFAULT_MEMORY_POOL": "system",
        **os.environ,
        "AVHCURATE_WORKSPACE": str(space.root.absolute()),
    }
    if no_login:  # see `ui.guards`, slow to import
        environment["AVHCURATE_NO_LOGIN"] = "1"
    # -P: a module in this folder never replaces one of the server's.
    command = [sys.executable, "-P", "-m", "streamlit", "run", str(SCRIPT)]
    command += ["--server.port", str(port), "--server.address", host]
    if host in ("0.0.0.0", "::"):
        # Without an address to print, Streamlit would ask a server on the web for one.
        command += ["--browser.serverAddress", "localhost"]
    if base_path.strip("/"):
        command += ["--server.baseUrlPath", _checked(base_path)]
    for file in dict.fromkeys(secrets):
        command += ["--secrets.files", str(file)]
    if until_input_ends:
        raise SystemExit(_serve_until_input_ends([*command, "--server.headless", "true"], environment))
    if os.name != "posix":
        raise SystemExit(subprocess.call(command, env=environment))
    # The server replaces this process, so that a signal that ends the one ends the other.
    os.execve(sys.executable, command, environment)


def _check_login(secrets: list[Path]) -> bool:
    """Return whether a login is configured; refuse one that cannot work."""
    auth: dict[str, Any] = {}
    for file in secrets:
        try:
            auth = tomllib.loads(file.read_text()).get("auth", auth)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
            raise CurateError(f"{file} is not valid TOML ({problem}). Fix or remove it.") from problem
    if not auth:
        return False
    if importlib.util.find_spec("authlib") is None:
        raise CurateError(f"A login needs one more package. Install it with: {install_command('auth')}")
    if len(str(auth.get("cookie_secret", "")).encode()) < _SECRET_BYTES:
        raise CurateError(
            f"cookie_secret in secrets.toml must be at least {_SECRET_BYTES} bytes. Generate one with "
            "`python -c 'import secrets; print(secrets.token_hex())'`."
        )
    return True


def _check_address(host: str, port: int) -> None:
    """Refuse an address at which this machine cannot listen, before a server starts."""
    if host.startswith("unix://"):
        return
    family = socket.AF_INET
    if ":" in host:
        family = socket.AF_INET6
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, UnicodeError) as problem:
        raise CurateError(
            f"The app cannot listen at {host}, port {port} ({problem}). Choose another --port (above 1023) or --host."
        ) from None


def _checked(base_path: str) -> str:
    """Return a base path without slashes around it; refuse one that an address would have to escape."""
    path = base_path.strip("/")
    if not re.fullmatch(r"[\w./~-]+", path, re.ASCII) or ".." in path:
        raise CurateError(f"--base-path {base_path!r} is not valid. Use letters, digits, '.', '_', '~' and '-'.")
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
    """Run the server until standard input ends: its other end is closed, or the process that held it is gone."""
    server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)

    def stop_at_end() -> None:
        while sys.stdin.buffer.read(1024):
            pass
        server.terminate()

    Thread(target=stop_at_end, daemon=True).start()
    return server.wait()
