"""The verbs about named views and sets, and about who decided what."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from avhcurate.cli import completion, options
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.workspace.data.event import Event
    from avhcurate.workspace.data.workspace import Workspace

#: Pairs of classes that are printed.
_MOST_PAIRS = 20


@options.verb(group="Data")
def saved(
    name: options.NameArgument,
    save_set: Annotated[str | None, typer.Option(help="Save a set under this name: see --where and --ids.")] = None,
    where: Annotated[str, typer.Option(help="SQL condition for its images.")] = "",
    ids: options.IdsOption = None,
    remove: Annotated[str | None, typer.Option(help="Remove this set; `history --undo` restores it.")] = None,
) -> None:
    """Named sets and views of a dataset: list them, save or remove a set."""
    from avhcurate.datasets.curate.saved import Saved

    store = Saved(options.open_workspace(), name)
    if save_set is not None:
        _save(name, save_set, where, ids)
    elif where or ids is not None:
        raise CurateError("--where and --ids say what is in a set. Give a name with --save-set.")
    if remove is not None:
        store.remove("set", remove)
    sets = [{"set": entry.name, "samples": entry.samples} | _by_whom(entry) for entry in store.sets()]
    views = [{"view": view.name, "page": view.page, "query": view.query} | _by_whom(view) for view in store.views()]
    if options.printed({"sets": sets, "views": views}):
        return
    for rows in (sets, views):
        if rows:
            options.print_table(rows)
    if not sets and not views:
        print(f"{name} has no sets and no views")


def _by_whom(entry: "Event") -> dict[str, Any]:
    return {"who": entry.who, "at": f"{entry.at:%Y-%m-%d %H:%M}"}


def _save(name: str, title: str, where: str, ids: str | None) -> None:
    from avhcurate.datasets.curate.saved import Saved
    from avhcurate.datasets.table.empty_view import empty_view
    from avhcurate.datasets.table.filters import Filters

    opened = options.run_table(name)
    selected = options.samples(opened.dataset, ids, where)
    if isinstance(selected, Filters):
        rows = opened.samples.frame(selected, columns=["id"])
        if rows.empty:
            raise empty_view(opened.samples, selected, "No image satisfies the condition. Widen it.")
        selected = rows["id"].tolist()
    Saved(options.open_workspace(), name).save_set(title, selected)


@options.verb(group="Data", table=True)
def history(
    name: options.NameArgument,
    who: Annotated[str | None, typer.Option(help="Only what this person did.")] = None,
    sample: Annotated[int | None, typer.Option(help="Only what was decided about the image with this id.")] = None,
    limit: Annotated[int, typer.Option(help="How many entries, newest first.", min=1, max=options.MOST_ENTRIES)] = 50,
    undo: Annotated[str | None, typer.Option(help="Undo the entry with this key.")] = None,
    restore: Annotated[int | None, typer.Option(help="Go back to after this entry, 0 for the import.", min=0)] = None,
) -> None:
    """Who tagged, relabelled, excluded and saved what, and when."""
    from avhcurate.datasets.curate.history import describe, history_entries, undo_entry
    from avhcurate.features.saved import diff_service

    opened = options.run_table(name)
    if restore is not None:
        count = diff_service.restore(opened.decisions, opened.run, restore)
        options.print_messages([f"The state after entry {restore} is back: {count} images changed."])
    if undo is not None:
        options.print_messages([f"undone: {undo_entry(opened.decisions, undo)}"])
    entries, count = history_entries(opened.decisions, who=who, sample=sample, limit=limit)
    names = ("key", "who", "action", "value", "samples", "undone_by", "at")
    table_of_entries = [{name: getattr(entry, name) for name in names} for entry in entries]
    if options.printed({"entries": table_of_entries, "count": count}, table_of_entries):
        return
    rows = [
        {
            "key": entry.key,
            "at": f"{entry.at:%Y-%m-%d %H:%M}",
            "who": entry.who,
            "what": describe(entry, opened.samples.classes),
            "samples": entry.samples,
            "undone by": entry.undone_by or "",
        }
        for entry in entries
    ]
    options.print_table(rows)
    print(f"{len(entries)} of {count} entries")


@options.verb(group="Data", table=True)
def diff(
    first: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="DATASET, DATASET@ENTRY or a file of labels; DATASET alone: its import.",
            autocompletion=completion.of("first"),
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(
            metavar="[B]", help="The same [default: the dataset now].", autocompletion=completion.of("second")
        ),
    ] = "",
    model: options.ModelOption = None,
) -> None:
    """What changed between two moments of a dataset, by whom and why; or between two datasets or files of labels."""
    from avhcurate.features.saved import diff_service, label_diff_service

    workspace = options.open_workspace()
    if not label_diff_service.of_one_dataset(workspace, first, second):
        _diff_labels(workspace, first, second)
        return
    changed = diff_service.diff(*diff_service.moments(workspace, first, second, model=model))
    if options.printed(changed.result(), changed.changes):
        return
    print(f"{changed.samples.name}@{changed.since} to @{changed.until}: {changed.text}")
    for rows in (changed.summary, changed.classes):
        print(f"\n{rows.to_string(index=False)}")
    options.print_messages(changed.notes)


def _diff_labels(workspace: "Workspace", first: str, second: str) -> None:
    """Say how many images differ, and from which class to which, most first."""
    from avhcurate.features.saved.label_diff_service import compare_labels, labels_named

    changed = compare_labels(labels_named(workspace, first), labels_named(workspace, second))
    if options.printed(changed.result(), changed.changes):
        return
    print(f"{first} to {second}: {changed.text}")
    if len(changed.pairs):
        options.print_table(changed.pairs.head(_MOST_PAIRS))
    if (more := len(changed.pairs) - _MOST_PAIRS) > 0:
        print(f"and {more:,} more pairs of classes")
    options.print_messages(changed.notes)
