"""Verbs for what people decide about samples: tag, relabel, exclude, each with undo; and payoff, what it was worth."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avhcurate.cli import completion, options
from avhcurate.errors import CurateError, NothingFound, words
from avhcurate.features.payoff.settings import PayoffSettings

if TYPE_CHECKING:
    from avhcurate.datasets.table.dataset_table import DatasetTable

UndoOption = Annotated[bool, typer.Option("--undo", help="Undo your newest entry of this verb.")]


@options.app.command()
def tag(
    name: options.NameArgument,
    tag: Annotated[str | None, typer.Argument(metavar="TAG", help="The tag.")] = None,
    ids: options.IdsOption = None,
    where: options.WhereOption = "",
    model: options.ModelOption = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the tag instead.")] = False,
    undo: UndoOption = False,
) -> None:
    """Tag samples, or remove a tag."""
    table = options.run_table(name, model)
    if undo:
        options.check_alone("--undo", {"TAG": tag, "--ids": ids, "--where": where, "--remove": remove})
        _undo(table, ("tag", "untag"))
        return
    if tag is None:
        raise CurateError("Give a TAG, and samples by --ids or --where.")
    action = "tag"
    if remove:
        action = "untag"
    _decide(table, ids, where, action, tag)


@options.app.command()
def relabel(
    name: options.NameArgument,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL",
            help="The class, by its name or its index from 0.",
            autocompletion=completion.of("to"),
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="CSV or Parquet with `path` or `id` and `label`, or JSON of COCO, FiftyOne or Label Studio.",
        ),
    ] = None,
    ids: options.IdsOption = None,
    where: options.WhereOption = "",
    model: options.ModelOption = None,
    restore: Annotated[bool, typer.Option("--restore", help="Restore the given label of the samples.")] = False,
    undo: UndoOption = False,
) -> None:
    """Correct labels: those of some samples, or all that a file gives."""
    from avhcurate.datasets.curate.annotations import class_index
    from avhcurate.datasets.curate.label_files import relabel_from

    table = options.run_table(name, model)
    others = {"--to": to, "--ids": ids, "--where": where, "--restore": restore}
    if undo:
        options.check_alone("--undo", others | {"--from": file})
        _undo(table, ("relabel", "import labels"))
    elif file is not None:
        options.check_alone("--from", others)
        counts = relabel_from(table, file)
        options.print_result(asdict(counts), f"{file.name}: {counts}")
    elif (to is None) != restore:
        raise CurateError("Give --to LABEL, --restore or --from FILE.")
    elif to is None:
        _decide(table, ids, where, "relabel", None)
    else:
        _decide(table, ids, where, "relabel", class_index(table, to))


@options.app.command()
def exclude(
    name: options.NameArgument,
    ids: options.IdsOption = None,
    where: options.WhereOption = "",
    model: options.ModelOption = None,
    reason: Annotated[str | None, typer.Option(help="Why: a tag until they are included again.")] = None,
    include: Annotated[bool, typer.Option("--include", help="Include excluded samples again instead.")] = False,
    undo: UndoOption = False,
) -> None:
    """Exclude samples from views and exports, or include them again."""
    table = options.run_table(name, model)
    if undo:
        options.check_alone("--undo", {"--ids": ids, "--where": where, "--reason": reason, "--include": include})
        _undo(table, ("exclude", "include"))
        return
    action = "exclude"
    if include:
        options.check_alone("--include", {"--reason": reason})
        action = "include"
    _decide(table, ids, where, action, reason)


@options.app.command()
def lock(
    name: options.NameArgument,
    share: Annotated[float, typer.Option(help="How much of each class.")] = 0.2,
    where: options.WhereOption = "",
    groups: Annotated[str | None, typer.Option(help="A column whose values are locked whole.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the draw.")] = 0,
    undo: UndoOption = False,
) -> None:
    """Lock a part whose labels nothing learns from, to judge decisions by."""
    from avhcurate.datasets.curate import locked

    table = options.run_table(name)
    if undo:
        options.check_alone("--undo", {"--where": where, "--groups": groups})
        _undo(table, ("lock",))
        return
    event = locked.lock(table, share=share, where=where, groups=groups, seed=seed)
    options.print_result({"entry": event.id, "locked": event.samples, **event.details}, words(locked.told(table)))


def _decide(table: "DatasetTable", ids: str | None, where: str, action: str, value: str | int | None) -> None:
    from avhcurate.datasets.curate.annotations import annotate

    chosen = options.samples(table, ids, where, excluded=action == "include")
    count = annotate(table, chosen, action, value)
    result = {"action": action, "value": value, "samples": count}
    text = f"{action}: samples of {table.dataset.name}: {count}; --undo reverts it"
    if not count:
        text = f"{action}: nothing changed, it was already so"
    options.print_result(result, text)


def _undo(table: "DatasetTable", actions: Sequence[str]) -> None:
    from avhcurate.datasets.curate.annotations import undo
    from avhcurate.datasets.curate.history import entry_text

    entry = undo(table, actions=actions)
    if entry is None:
        name = table.dataset.name
        text = f"There is nothing of yours to undo in {name}."
        if other := table.log.last(table.dataset.id, actions):
            text += f" {other.who}: {entry_text(other)}. Undo it with `avhcurate history {name} --undo {other.key}`."
        options.printed({"undone": None})
        raise NothingFound(text)
    undone = {"action": entry.action, "value": entry.value, "samples": entry.samples}
    options.print_result({"undone": undone}, f"undone: {entry_text(entry)}")


@options.verb(PayoffSettings)
def payoff(settings: PayoffSettings) -> None:
    from avhcurate.features.payoff import service, texts

    table = options.run_table(settings.dataset, settings.model)
    with options.job(settings) as progress:
        found = service.payoff(table, since=settings.since, progress=progress)
    if options.printed(found.result()):
        return
    print(f"{settings.dataset}: {texts.sentence(found)}")
    for line in (*texts.by_kind(found), *texts.way_on(found)):
        print(line)
