"""What a shell completes: names of datasets, runs, classes and scores."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import typer

from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.workspace.data.datasets import DatasetFolder
    from avhcurate.workspace.data.workspace import Workspace


def of(option: str) -> Callable[..., list[str]] | None:
    """Return the function that completes values of an option or argument, None where a shell cannot know them."""
    return _BY_OPTION.get(option)


def _workspace(ctx: typer.Context) -> "Workspace":
    from pathlib import Path

    from avhcurate.workspace.data.workspace import find_workspace

    folder = ctx.find_root().params.get("workspace")
    return find_workspace(folder and Path(folder))


def _dataset(ctx: typer.Context) -> "DatasetFolder":
    names = [ctx.params.get(name) for name in ("dataset", "name", "target")]
    names += [word for word in ctx.args if not word.startswith("-")]  # not read yet before an option without its value
    return _workspace(ctx).dataset(next(filter(None, names), ""))


def _scores(_: typer.Context) -> Iterable[str]:
    from avhcurate.measures.scores import SCORES

    return SCORES


def _names(find: Callable[[typer.Context], Iterable[str]]) -> Callable[..., list[str]]:
    """Return a function that completes the last name of a list with commas."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",")
        try:
            return [f"{before}{comma}{name}" for name in find(ctx) if name.startswith(begun)]
        except CurateError:
            return []

    return complete


_BY_OPTION: dict[str, Any] = {
    **dict.fromkeys(("dataset", "target", "held_out"), _names(lambda ctx: _workspace(ctx).names())),
    **dict.fromkeys(("model", "runs", "run"), _names(lambda ctx: [run.name for run in _dataset(ctx).runs()])),
    **dict.fromkeys(("scores", "score"), _names(_scores)),
    "to": _names(lambda ctx: _dataset(ctx).record.classes),
}
