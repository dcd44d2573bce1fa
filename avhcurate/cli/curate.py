"""Verbs for what people decide about samples: tag, relabel, exclude, each with undo; and payoff, what it was worth."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from avhcurate.cli import completion, options
from avhcurate.errors import CurateError, NothingFound
from avhcurate.features.payoff.settings import PayoffSettings

if TYPE_CHECKING:
    from avhcurate.datasets.table.decisions import Decisions
    from avhcurate.workspace.data.event import Event
    from avhcurate.workspace.data.runs import RunFolder
    from avhcurate.workspace.data.workspace import Workspace

UndoOption = Annotated[bool, typer.Option("--undo", help="Undo your newest entry of this verb.")]


@options.verb(group="Images")
def tag(
    name: options.NameArgument,
    tag: Annotated[str | None, typer.Argument(metavar="TAG", help="The tag.")] = None,
    ids: options.IdsOption = None,
    where: options.WhereOption = "",
    model: options.ModelOption = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the tag instead.")] = False,
    undo: UndoOption = False,
) -> None:
    """Tag images, or remove a tag."""
    opened = options.run_table(name, model)
    if undo:
        options.check_alone("--undo", {"TAG": tag, "--ids": ids, "--where": where, "--remove": remove})
        _undo(opened.decisions, ("tag", "untag"))
        return
    if tag is None:
        raise CurateError("Give a TAG, and images by --ids or --where.")
    action = "tag"
    if remove:
        action = "untag"
    _decide(opened.decisions, ids, where, action, tag)


@options.verb(group="Images")
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
            help="CSV, Parquet or JSON lines with `path` or `id` and `label`, or COCO, FiftyOne or Label Studio JSON.",
        ),
    ] = None,
    ids: options.IdsOption = None,
    where: options.WhereOption = "",
    model: options.ModelOption = None,
    restore: Annotated[bool, typer.Option("--restore", help="Restore the given label of the images.")] = False,
    undo: UndoOption = False,
) -> None:
    """Correct labels: those of some images, or all that a file gives."""
    from avhcurate.datasets.curate.annotations import class_index
    from avhcurate.datasets.curate.label_files import relabel_from

    opened = options.run_table(name, model)
    others = {"--to": to, "--ids": ids, "--where": where, "--restore": restore}
    if undo:
        options.check_alone("--undo", others | {"--from": file})
        _undo(opened.decisions, ("relabel", "import labels"))
    elif file is not None:
        options.check_alone("--from", others)
        counts = relabel_from(opened.decisions, file)
        options.print_result(asdict(counts), f"{file.name}: {counts}")
    elif (to is None) != restore:
        raise CurateError("Give --to LABEL, --restore or --from FILE.")
    elif to is None:
        _decide(opened.decisions, ids, where, "relabel", None)
    else:
        _decide(opened.decisions, ids, where, "relabel", class_index(opened.samples, to))


@options.verb(group="Images")
def exclude(
    name: options.NameArgument,
    ids: options.IdsOption = None,
    where: options.WhereOption = "",
    model: options.ModelOption = None,
    reason: Annotated[str | None, typer.Option(help="Why: a tag until they are included again.")] = None,
    include: Annotated[bool, typer.Option("--include", help="Include excluded images again instead.")] = False,
    undo: UndoOption = False,
) -> None:
    """Exclude images from views and exports, or include them again."""
    opened = options.run_table(name, model)
    if undo:
        options.check_alone("--undo", {"--ids": ids, "--where": where, "--reason": reason, "--include": include})
        _undo(opened.decisions, ("exclude", "include"))
        return
    action = "exclude"
    if include:
        options.check_alone("--include", {"--reason": reason})
        action = "include"
    _decide(opened.decisions, ids, where, action, reason)


@options.verb(group="Images")
def lock(
    name: options.NameArgument,
    share: Annotated[
        float | None,
        typer.Option(help="Draw so much of each class.", show_default="a fifth; with --where, all that satisfy it"),
    ] = None,
    where: options.WhereOption = "",
    groups: Annotated[
        str | None, typer.Option(help="A column whose values are locked whole, or `auto`: bursts.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the draw.")] = 0,
    undo: UndoOption = False,
) -> None:
    """Lock a part whose labels nothing learns from, to judge decisions by."""
    from avhcurate.datasets.curate import locked
    from avhcurate.features.suspects.after_lock import follow_lock

    opened = options.run_table(name)
    if undo:
        options.check_alone("--undo", {"--share": share, "--where": where, "--groups": groups})
        _undo(opened.decisions, ("lock",))
        return
    event = locked.lock(opened.decisions, opened.run, share=share, where=where, groups=groups, seed=seed)
    if opened.run is not None and locked.lags(opened.dataset, opened.run.record):
        with options.job(PayoffSettings(dataset=name)) as progress:
            opened = follow_lock(opened, progress=progress)
        options.print_messages([_refitted(opened.run)])
    options.print_result(
        {"entry": event.id, "locked": event.samples, **event.details}, str(locked.told(opened.decisions, opened.run))
    )


@options.verb(group="Data", table=True)
def classes(
    name: options.NameArgument,
    rename: Annotated[str | None, typer.Option(metavar="OLD=NEW", help="Give a class another name.")] = None,
    merge: Annotated[
        str | None, typer.Option(metavar="A,B=C", help="Make one class of several; quotes keep a comma in a name.")
    ] = None,
    add: Annotated[str | None, typer.Option(metavar="NAME", help="Add a class.")] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="Split a class: see --by.", autocompletion=completion.of("split")),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Split by a column, tag or set, or by `embeddings`.")] = None,
    retire: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Take a class away.", autocompletion=completion.of("retire"))
    ] = None,
    parents: Annotated[str | None, typer.Option(help="CSV class,parent or a column: parents of classes.")] = None,
    model: options.ModelOption = None,
    undo: UndoOption = False,
) -> None:
    """Classes: how people and the network tell them apart; change them, or give them parents."""
    from avhcurate.datasets.curate import classes as changes
    from avhcurate.datasets.curate.history import entry_text
    from avhcurate.features.classes import service
    from avhcurate.workspace.data.event import CLASS_ACTIONS

    opened = options.run_table(name, model)
    acts: dict[str, tuple[str | None, Callable[[str], Event]]] = {
        "--rename": (
            rename,
            lambda text: changes.rename(
                opened.decisions, opened.workspace, *_from_to(opened.dataset.record.classes, text)
            ),
        ),
        "--merge": (merge, lambda text: _merge(opened.workspace, opened.decisions, text)),
        "--add": (add, partial(changes.add, opened.decisions, opened.workspace)),
        "--split": (
            split,
            lambda text: changes.split(
                opened.decisions,
                opened.workspace,
                text,
                service.parts(opened.samples, opened.run, opened.dataset, text, str(by)),
            ),
        ),
        "--retire": (retire, partial(changes.retire, opened.decisions, opened.workspace)),
        "--parents": (parents, partial(changes.set_parents, opened.decisions, opened.workspace)),
    }
    asked = {option: (value, act) for option, (value, act) in acts.items() if value is not None}
    if undo:
        options.check_alone("--undo", asked | {"--by": by})
        _undo(opened.decisions, CLASS_ACTIONS)
        return
    if (split is None) != (by is None):
        raise CurateError("--split CLASS and --by COLUMN, TAG or SET go together.")
    for option, (value, act) in asked.items():
        options.check_alone(option, {other: True for other in asked if other != option})
        event = act(value)
        result = {"entry": event.id, "action": event.action, "value": event.value}
        options.print_result(result, f"{entry_text(event)}; --undo reverts it")
        return
    known = service.classes_of(opened.samples, opened.run, opened.votes)
    if options.printed(vars(known), known.classes):
        return
    for rows in (known.classes, known.levels, known.pairs.head(5), known.splits.head(3)):
        options.print_table(rows)
    options.print_messages([f"crossings: by {known.chosen_by}", *service.run_notes(opened.dataset)])


def _merge(workspace: "Workspace", decisions: "Decisions", text: str) -> "Event":
    """Merge classes that are named as in a line of CSV, where quotes keep a comma in a name."""
    from avhcurate.datasets.curate import classes as changes

    old, new = _from_to(decisions.dataset.record.classes, text)
    return changes.merge(decisions, workspace, next(csv.reader([old])), new)


def _from_to(classes: Sequence[str], text: str) -> tuple[str, str]:
    """Return what stands before and after the equals sign that ends the name of a class, else the last one."""
    signs = [number for number in range(1, len(text) - 1) if text[number] == "="]
    if not signs:
        raise CurateError(f"{text} does not say what becomes of what. Write OLD=NEW, or A,B=C to merge.")
    position = next((position for position in signs if text[:position] in classes), signs[-1])
    return text[:position], text[position + 1 :]


def _decide(decisions: "Decisions", ids: str | None, where: str, action: str, value: str | int | None) -> None:
    from avhcurate.datasets.curate.annotations import annotate

    selected = options.samples(decisions.dataset, ids, where, excluded=action == "include")
    count = annotate(decisions, selected, action, value)
    result = {"action": action, "value": value, "samples": count}
    text = f"{action}: images of {decisions.samples.name}: {count}; --undo reverts it"
    if not count:
        text = f"{action}: nothing changed, it was already so"
    options.print_result(result, text)


def _undo(decisions: "Decisions", actions: Sequence[str]) -> None:
    from avhcurate.datasets.curate.annotations import undo
    from avhcurate.datasets.curate.history import entry_text

    entry = undo(decisions, actions=actions)
    if entry is None:
        name = decisions.samples.name
        text = f"There is nothing of yours to undo in {name}."
        if other := decisions.log.last(decisions.dataset.id, actions):
            text += f" {other.who}: {entry_text(other)}. Undo it with `avhcurate history {name} --undo {other.key}`."
        options.printed({"undone": None})
        raise NothingFound(text)
    undone = {"action": entry.action, "value": entry.value, "samples": entry.samples}
    options.print_result({"undone": undone}, f"undone: {entry_text(entry)}")


@options.verb(PayoffSettings, group="Data")
def payoff(settings: PayoffSettings) -> None:
    from avhcurate.features.payoff import service, texts
    from avhcurate.features.suspects.after_lock import follow_lock

    opened = options.run_table(settings.dataset, settings.model)
    with options.job(settings) as progress:
        run = opened.run
        opened = follow_lock(opened, progress=progress)
        if opened.run is not None and opened.run is not run:
            options.print_messages([_refitted(opened.run)])
            progress.opens(f"payoff?{urlencode({'dataset': settings.dataset, 'run': opened.run.name})}")
        found = service.payoff(opened.decisions, opened.run, since=settings.since, progress=progress)
    if options.printed(found.result()):
        return
    print(f"{settings.dataset}: {texts.sentence(found)}")
    for line in (*texts.by_kind(found), *texts.way_on(found)):
        print(line)


def _refitted(run: "RunFolder | None") -> str:
    assert run is not None
    return f"Its head was fitted again without the locked labels: run {run.name}."
