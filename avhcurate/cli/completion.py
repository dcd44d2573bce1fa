"""What a shell completes: names of datasets, runs, classes and scores."""

from collections.abc import Callable
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

    given = ctx.find_root().params.get("workspace")
    return find_workspace(Path(given) if given else None)


def _dataset(ctx: typer.Context) -> "DatasetFolder":
    given = [ctx.params.get(name) for name in ("dataset", "name", "target")]
    given += [word for word in ctx.args if not word.startswith("-")]  # not read yet before an option without its value
    return _workspace(ctx).dataset(next(filter(None, given), ""))


def _datasets(ctx: typer.Context) -> list[str]:
    return _workspace(ctx).names()


def _runs(ctx: typer.Context) -> list[str]:
    return [run.name for run in _dataset(ctx).runs()]


def _classes(ctx: typer.Context) -> list[str]:
    return list(_dataset(ctx).record.classes)


def _scores(ctx: typer.Context) -> list[str]:
    from avhcurate.measures.scores import SCORES

    return list(SCORES)


def _names(find: Callable[[typer.Context], list[str]]) -> Callable[..., list[str]]:
    """Return a function that completes the last name of a list with commas."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",")
        try:
            found = find(ctx)
        except CurateError:
            return []
        return [f"{before}{comma}{name}" for name in found if name.startswith(begun)]

    return complete


_BY_OPTION: dict[str, Any] = {
    **dict.fromkeys(("dataset", "target", "held_out"), _names(_datasets)),
    **dict.fromkeys(("model", "runs", "run"), _names(_runs)),
    **dict.fromkeys(("scores", "score"), _names(_scores)),
    "to": _names(_classes),
}
