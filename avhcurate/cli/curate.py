"""Verbs for what people decide of samples: tag, relabel, exclude, each with undo."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.table.dataset_table import DatasetTable

UndoOption = Annotated[bool, typer.Option("--undo", help="Undo your newest entry of this verb.")]


@options.app.command()
def tag(
    name: options.NameArgument,
    tag: Annotated[str | None, typer.Argument(metavar="TAG", help="The tag.")] = None,
    ids: options.IdsOption = None,
    where: options.WhereOption = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take the tag off instead.")] = False,
    undo: UndoOption = False,
    model: options.ModelOption = None,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Tag samples, or take a tag off."""
    table = options.open_run_table(workspace, name, model)
    if undo:
        _undo(table, ("tag", "untag"), {"TAG": tag, "--ids": ids, "--where": where, "--remove": remove}, as_json)
        return
    if tag is None:
        raise CurateError("give a TAG, and samples by --ids or --where")
    _decide(table, ids, where, "untag" if remove else "tag", tag, as_json)


@options.app.command()
def relabel(
    name: options.NameArgument,
    label: Annotated[
        str | None, typer.Argument(metavar="LABEL", help="The class, by its name or its index from 0.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="CSV, Parquet or COCO JSON with a label for each sample: `path` or `id`, and `label` or `label_name`.",
        ),
    ] = None,
    ids: options.IdsOption = None,
    where: options.WhereOption = "",
    restore: Annotated[bool, typer.Option("--restore", help="Give the samples their given label again.")] = False,
    undo: UndoOption = False,
    model: options.ModelOption = None,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Correct labels: those of some samples, or all that a file gives."""
    from avhcurate.curate.annotations import class_index

    table = options.open_run_table(workspace, name, model)
    given = {"LABEL": label, "--from": file, "--ids": ids, "--where": where, "--restore": restore}
    if undo:
        _undo(table, ("relabel", "import labels"), given, as_json)
        return
    if file is not None:
        options.check_alone("--from", {other: value for other, value in given.items() if other != "--from"})
        _relabel_from(table, file, as_json)
        return
    if (label is None) != restore:
        raise CurateError("give a LABEL, --restore or --from FILE")
    _decide(table, ids, where, "relabel", None if label is None else class_index(table, label), as_json)


@options.app.command()
def exclude(
    name: options.NameArgument,
    ids: options.IdsOption = None,
    where: options.WhereOption = "",
    reason: Annotated[str | None, typer.Option(help="Why: a tag until they are included again.")] = None,
    include: Annotated[bool, typer.Option("--include", help="Take excluded samples back in instead.")] = False,
    undo: UndoOption = False,
    model: options.ModelOption = None,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Exclude samples from views and exports, or take them back in."""
    table = options.open_run_table(workspace, name, model)
    given = {"--ids": ids, "--where": where, "--reason": reason, "--include": include}
    if undo:
        _undo(table, ("exclude", "include"), given, as_json)
        return
    if include and reason is not None:
        raise CurateError("--reason says why samples are excluded: leave it out with --include")
    _decide(table, ids, where, "include" if include else "exclude", reason, as_json)


def _decide(
    table: "DatasetTable", ids: str | None, where: str, action: str, value: str | int | None, as_json: bool
) -> None:
    from avhcurate.curate.annotations import annotate
    from avhcurate.table.filters import Filters

    if (ids is None) == (not where):
        raise CurateError("say which samples: either --ids LIST or --where CONDITION")
    by_condition = Filters(where=where, excluded=action == "include")
    chosen = by_condition if ids is None else options.sample_ids(table.dataset, ids)
    count = annotate(table, chosen, action, value)
    if as_json:
        options.print_json({"action": action, "value": value, "samples": count})
        return
    print(f"{action}: {count} samples of {table.dataset.name}; --undo takes it back")


def _relabel_from(table: "DatasetTable", file: Path, as_json: bool) -> None:
    from dataclasses import asdict

    from avhcurate.curate.label_files import relabel_from

    counts = relabel_from(table, file)
    if as_json:
        options.print_json(asdict(counts))
        return
    print(f"{file.name}: {counts}")


def _undo(table: "DatasetTable", actions: Sequence[str], given: Mapping[str, object], as_json: bool) -> None:
    from avhcurate.curate.annotations import undo

    options.check_alone("--undo", given)
    entry = undo(table, actions=actions)
    if as_json:
        undone = entry and {"action": entry.action, "value": entry.value, "samples": entry.samples}
        options.print_json({"undone": undone or None})
        return
    if entry is None:
        print(f"there is nothing of yours to undo in {table.dataset.name}")
        return
    print(f"undone: {entry.action}{f' {entry.value}' if entry.value else ''} on {entry.samples} samples")
