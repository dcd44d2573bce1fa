"""The verb that looks at the installation: what a report of a fault needs, and that nothing calls out by itself."""

import os
import platform
import re
import shutil
from importlib.metadata import PackageNotFoundError, requires, version

from avhcurate import QUIET, __version__
from avhcurate.cli import options

#: Extras for work on the project itself.
_OF_THE_PROJECT = ("docs", "test")


@options.app.command()
def doctor() -> None:
    """Show versions, extras, device and what could call out: what a report needs, without names, paths or data."""
    from avhcurate.networks.models.runtime import device_name, find_device

    root = options.open_workspace().root
    present = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(present).free
    database = os.environ.get("AVHCURATE_DATABASE_URL", "sqlite").partition(":")[0]
    python = platform.python_version()
    system = platform.platform()
    device = device_name(find_device("auto"))
    packages = _packages()
    libraries = packages.pop("", {})
    calls = [
        {"library": library, "variable": variable, "value": os.environ.get(variable, ""), "quiet": value}
        for variable, (library, value) in QUIET.items()
    ]
    machine = {"version": __version__, "python": python, "system": system, "cpus": os.cpu_count(), "device": device}
    space = {"exists": root.is_dir(), "database": database, "free": free}
    if options.printed({**machine, "workspace": space, "libraries": libraries, "extras": packages, "calls": calls}):
        return
    print(f"AVH Curate {__version__}, Python {python}, {system}")
    print(f"{device}, {os.cpu_count()} CPUs, {free / 1e9:.1f} GB free for the workspace, {database}")
    print("libraries:", ", ".join(f"{name} {number}" for name, number in libraries.items()))
    for extra, numbers in packages.items():
        print(f"extra {extra}:", ", ".join(f"{name} {number or 'missing'}" for name, number in numbers.items()))
    for call in calls:
        state = "sends no reports by itself"
        if call["value"] != call["quiet"]:
            state = f"MAY CALL OUT unless {call['variable']}={call['quiet']}"
        print(f"{call['library']} {state}: {call['variable']}={call['value']}")


def _packages() -> dict[str, dict[str, str | None]]:
    """Return the version of each package by extra, "" for what is always needed; None for one that is missing."""
    packages: dict[str, dict[str, str | None]] = {}
    for line in requires("avhcurate") or ():
        name = re.findall(r"^[\w.-]+", line)[0]
        extra = "".join(re.findall(r"extra == .([\w-]+)", line))
        if name == "avhcurate" or extra in _OF_THE_PROJECT:
            continue
        packages.setdefault(extra, {})[name] = _version(name)
    return packages


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
