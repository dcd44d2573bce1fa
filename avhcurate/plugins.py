"""Plugins: what other packages and the laboratory add by entry points. A broken one is named, and the rest works."""

import functools
from collections.abc import Callable, Container, Sequence
from configparser import ConfigParser
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from avhcurate.errors import CurateError

T = TypeVar("T")

GROUPS = ("scores", "measures", "models", "sources", "exports", "pages", "verbs", "figures")

#: What the laboratory adds, in the form in which an installed package names it. Not in the metadata of this package,
#: since an editable install keeps those of the day on which it was made; without the folder nothing is added.
LABORATORY = Path(__file__).parent / "lab" / "entry_points.txt"

#: Columns of tables and exports, whose names no score or measure of a plugin can take.
COLUMN_NAMES = frozenset(
    (
        *("id", "path", "split", "label", "label_name", "predicted", "predicted_name", "problem", "excluded"),
        "locked",
        *("hsf", "hsf_low", "hsf_high", "hsf_bin", "hsf_source", "votes", "human_gap"),
        *("hsf_predicted", "hsf_predicted_low", "hsf_predicted_high", "hsf_predicted_bin"),
        *("consensus_label", "consensus_label_name", "consensus", "consensus_of", "answers"),
        *("tags", "curated_label", "curated_label_name", "deciders", "image", "set", "gap"),
        *("brightness", "contrast", "sharpness", "information", "colour", "width", "height", "aspect", "file_bytes"),
        *("nearest_similarity", "duplicate_group", "oddity", "sha256"),
    )
)


@dataclass(frozen=True)
class Plugin:
    """One entry point: what it adds under which name, and the package that brings it.

    `group` is one of `GROUPS`; `problem` says why it is left out, "" where it is not.
    """

    group: str
    name: str
    package: str
    version: str
    problem: str = ""


class Page(NamedTuple):
    """A page of the menu Analysis: the question that it answers, the column in which it stands, and its script.

    `icon` is a name of Material Symbols; `filtered` says whether the filters change what the page shows. `steps` fill
    it with the demo, each by title, seconds on two quiet cores and `work(workspace, progress)`, which does nothing
    where it was done.
    """

    title: str
    icon: str
    question: str
    column: str
    file: Path
    filtered: bool = True
    steps: Sequence[tuple[str, int, Callable[[Any, Any], object]]] = ()


#: Every plugin of the groups that were loaded, by group, name and package, in the order in which it was found.
found: dict[tuple[str, str, str], Plugin] = {}


def adding(group: str, name: str) -> Plugin | None:
    """Return the plugin that adds this name to the group: of several packages that bring it, one that works."""
    same = [plugin for plugin in found.values() if (plugin.group, plugin.name) == (group, name)]
    return min(same, key=lambda plugin: bool(plugin.problem), default=None)


def note(group: str, name: str, problem: str) -> None:
    """Record what is wrong with the plugin that adds this name."""
    plugin = adding(group, name)
    if plugin is not None:
        found[group, name, plugin.package] = replace(plugin, problem=" ".join(problem.split()))


def names(group: str) -> list[str]:
    """Return what is added to a group by name, and import nothing of it."""
    return [entry.name for entry in (*_of_laboratory(group), *entry_points(group=f"avhcurate.{group}"))]


def _of_laboratory(group: str) -> list[EntryPoint]:
    listed = ConfigParser(delimiters="=")
    listed.read(LABORATORY, encoding="utf-8")
    if not listed.has_section(f"avhcurate.{group}"):
        return []
    return [EntryPoint(name, value, group) for name, value in listed.items(f"avhcurate.{group}")]


def load(group: str, check: Callable[[str, Any], T], *, taken: Container[str] = ()) -> dict[str, T]:
    """Return what plugins add to a group, by name. `check(name, thing)` returns what is added, or raises what is wrong.

    Entry points of the group `avhcurate.GROUP` are imported; an error in one leaves out only this plugin.
    """
    added = {entry.name: check(entry.name, entry.load()) for entry in _of_laboratory(group)}
    for entry in sorted(entry_points(group=f"avhcurate.{group}"), key=lambda entry: entry.name):
        problem = ""
        try:
            if entry.name in taken or entry.name in added:
                raise CurateError("the name is taken")
            added[entry.name] = check(entry.name, entry.load())
        except CurateError as error:
            problem = str(error)
        except (Exception, SystemExit) as error:
            problem = f"{type(error).__name__}: {error}"
        package = "?"
        number = "?"
        if entry.dist is not None:
            package = entry.dist.name
            number = entry.dist.version
        found[group, entry.name, package] = Plugin(group, entry.name, package, number, " ".join(problem.split()))
    return added


def guarded(group: str, name: str, function: Callable[..., T]) -> Callable[..., T]:
    """Return a function of a plugin whose failure becomes one line that names the plugin."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> T:
        try:
            return function(*arguments, **options)
        except CurateError:
            raise
        except Exception as error:
            plugin = adding(group, name)
            package = "a plugin" if plugin is None else plugin.package
            raise CurateError(
                f"{name}, which {package} adds to the {group}, failed ({type(error).__name__}: {error}). Correct or "
                "uninstall it."
            ) from error

    return call


def checked_function(
    group: str, then: Callable[..., Any] = lambda made, *_: made
) -> Callable[[str, Any], Callable[..., Any]]:
    """Return a check for groups whose things are functions.

    `then(made, *arguments)` gives what is used of what a function has made; where it raises, the function has failed.
    """

    def check(name: str, thing: Any) -> Callable[..., Any]:
        if not callable(thing):
            raise CurateError(f"it is a {type(thing).__name__}, not a function")

        @functools.wraps(thing)
        def made(*arguments: Any, **options: Any) -> Any:
            return then(thing(*arguments, **options), *arguments)

        return guarded(group, name, made)

    return check
