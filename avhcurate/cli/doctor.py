"""Verbs that look at the installation: what a report of a fault needs, what could call out, what plugins add."""

import os
import platform
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version

from avhcurate import QUIET, __version__
from avhcurate import plugins as plugins_
from avhcurate.cli import options
from avhcurate.errors import CurateError

#: Extras for work on the project itself.
_OF_THE_PROJECT = ("docs", "test")
#: Modules that load the plugins of a group when they are imported.
_LOADERS = (
    "avhcurate.datasets.export.service",
    "avhcurate.datasets.sources.settings",
    "avhcurate.datasets.sources.reading",
    "avhcurate.networks.models.names",
    "avhcurate.notebook.plots",
    "avhcurate.workspace.images.measures",
)


@options.verb()
def plugins() -> None:
    """List what installed packages add, each tried; exit code 2 where one is broken."""
    import numpy as np

    for module in _LOADERS:
        import_module(module)
    from avhcurate.measures.scores import SCORES, per_sample
    from avhcurate.workspace.disk.app_files import added_pages
    from avhcurate.workspace.images.measures import MEASURES

    added_pages()
    assert import_module("avhcurate.cli").app  # loads all verbs
    rng = np.random.default_rng(0)
    # Four samples of two classes, one without a label, and an image of eight by eight pixels.
    features = rng.normal(size=(4, 3))
    weights = rng.normal(size=(2, 3))
    labels = np.array([0, 1, 0, -1])
    pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for key, score in SCORES.items():
        if score.plugin:
            _try("scores", key, partial(per_sample, features, weights, None, labels, keys=[key]))
    for key, measure in MEASURES.items():
        if measure.pixels is not None:
            _try("measures", key, partial(lambda function: float(function(pixels)), measure.pixels))
    listed = sorted(plugins_.found.values(), key=lambda plugin: (plugins_.GROUPS.index(plugin.group), plugin.name))
    if not options.printed({"plugins": [asdict(plugin) for plugin in listed]}):
        for plugin in listed:
            print(f"{plugin.group:8}  {plugin.name:20}  {plugin.package} {plugin.version}  {plugin.problem or 'works'}")
        if not listed:
            print("no plugins are installed")
    if broken := [f"{plugin.name} of {plugin.package} ({plugin.problem})" for plugin in listed if plugin.problem]:
        raise CurateError(f"{len(broken)} of {len(listed)} plugins are left out: {'; '.join(broken)}")


def _try(group: str, key: str, call: Callable[[], object]) -> None:
    try:
        call()
    except (CurateError, TypeError, ValueError) as error:
        plugins_.note(group, key, str(error))


@options.verb()
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
