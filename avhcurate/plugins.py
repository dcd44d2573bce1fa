"""Plugins: what other packages add by entry points. A broken one is named, and all else works without it."""

import functools
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from avhcurate.errors import CurateError

T = TypeVar("T")

GROUPS = ("scores", "measures", "models", "sources", "exports")

#: Columns of tables and exports, whose names no score or measure of a plugin can take.
COLUMN_NAMES = frozenset(
    (
        *("id", "path", "split", "label", "label_name", "predicted", "predicted_name", "problem", "excluded"),
        *("hsf", "hsf_low", "hsf_high", "hsf_bin", "hsf_source", "votes", "human_gap"),
        *("hsf_predicted", "hsf_predicted_low", "hsf_predicted_high", "hsf_predicted_bin"),
        *("tags", "curated_label", "curated_label_name", "image", "set", "gap"),
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


#: Every plugin of the groups that were loaded, by group, name and package, in the order in which it was found.
found: dict[tuple[str, str, str], Plugin] = {}


def adding(group: str, name: str) -> Plugin | None:
    """The plugin that adds this name to the group: of several packages that bring it, the one that is not left out."""
    same = [plugin for plugin in found.values() if (plugin.group, plugin.name) == (group, name)]
    return next((plugin for plugin in same if not plugin.problem), same[0] if same else None)


def note(group: str, name: str, problem: str) -> None:
    """Records what was found wrong with the plugin that adds this name."""
    if plugin := adding(group, name):
        found[group, name, plugin.package] = replace(plugin, problem=" ".join(problem.split()))


def load(group: str, check: Callable[[str, Any], T], *, taken: Container[str] = ()) -> dict[str, T]:
    """What plugins add to a group, by name. `check(name, thing)` returns what is added, or raises what is wrong.

    Entry points of the group `avhcurate.GROUP` are imported; whatever that raises is the plugin's problem alone.
    """
    added: dict[str, T] = {}
    for entry in sorted(entry_points(group=f"avhcurate.{group}"), key=lambda entry: entry.name):
        problem = ""
        try:
            if entry.name in taken or entry.name in added:
                raise CurateError("the name is taken")
            added[entry.name] = check(entry.name, entry.load())
        except (Exception, SystemExit) as error:
            problem = str(error) if isinstance(error, CurateError) else f"{type(error).__name__}: {error}"
        plugin = _plugin(group, entry, " ".join(problem.split()))
        found[group, entry.name, plugin.package] = plugin
    return added


def guarded(group: str, name: str, function: Callable[..., T]) -> Callable[..., T]:
    """A function of a plugin whose failure is told in one line that names it."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> T:
        try:
            return function(*arguments, **options)
        except CurateError:
            raise
        except Exception as error:
            plugin = adding(group, name)
            package = plugin.package if plugin else "a plugin"
            raise CurateError(
                f"{name}, which {package} adds to the {group}, failed ({type(error).__name__}: {error}): correct or "
                "uninstall it"
            ) from error

    return call


def checked_function(
    group: str, then: Callable[..., Any] = lambda made, *_: made
) -> Callable[[str, Any], Callable[..., Any]]:
    """A check for groups whose things are functions.

    `then(made, *arguments)` gives what is used of what a function has made; where it raises, the function has failed.
    """

    def check(name: str, thing: Any) -> Callable[..., Any]:
        if not callable(thing):
            raise CurateError(f"it is a {type(thing).__name__} and no function")

        @functools.wraps(thing)
        def made(*arguments: Any) -> Any:
            return then(thing(*arguments), *arguments)

        return guarded(group, name, made)

    return check


def _plugin(group: str, entry: EntryPoint, problem: str) -> Plugin:
    package = entry.dist
    return Plugin(group, entry.name, package.name if package else "?", package.version if package else "?", problem)
