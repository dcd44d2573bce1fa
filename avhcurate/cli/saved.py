"""The verbs about named views and sets, and about who decided what."""

from typing import Annotated

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError


@options.app.command()
def saved(
    name: options.NameArgument,
    save_set: Annotated[str | None, typer.Option(help="Save a set under this name: see --where and --ids.")] = None,
    where: Annotated[str, typer.Option(help="SQL condition for its samples.")] = "",
    ids: options.IdsOption = None,
    remove: Annotated[str | None, typer.Option(help="Remove this set; `history --undo` restores it.")] = None,
) -> None:
    """Named sets and views of a dataset: list them, save or remove a set."""
    from avhcurate.datasets.curate import saved as curate_saved

    space = options.open_workspace()
    space.dataset(name)
    if save_set is not None:
        _save(name, save_set, where, ids)
    elif where or ids is not None:
        raise CurateError("--where and --ids say what is in a set. Give a name with --save-set.")
    if remove is not None:
        curate_saved.remove(space, name, "set", remove)
    sets = [
        {"set": one.name, "samples": one.samples, "who": one.who, "at": f"{one.at:%Y-%m-%d %H:%M}"}
        for one in curate_saved.sets(space, name)
    ]
    views = [
        {"view": one.name, "page": one.page, "query": one.query, "who": one.who, "at": f"{one.at:%Y-%m-%d %H:%M}"}
        for one in curate_saved.views(space, name)
    ]
    if options.as_json():
        options.print_json({"sets": sets, "views": views})
        return
    for rows in (sets, views):
        if rows:
            options.print_table(rows)
    if not sets and not views:
        print(f"{name} has no sets and no views")


def _save(name: str, title: str, where: str, ids: str | None) -> None:
    from avhcurate.datasets.curate.saved import save_set
    from avhcurate.datasets.table.empty_view import empty_view
    from avhcurate.datasets.table.filters import Filters

    options.check_one_of_ids_and_where(ids, where)
    table = options.run_table(name)
    if ids is not None:
        save_set(options.open_workspace(), name, title, options.sample_ids(table.dataset, ids))
        return
    filters = Filters(where=where)
    rows = table.frame(filters, columns=["id"])
    if rows.empty:
        raise empty_view(table, filters, "no sample satisfies the condition: widen it")
    save_set(options.open_workspace(), name, title, rows["id"].to_numpy())


@options.app.command()
def history(
    name: options.NameArgument,
    who: Annotated[str | None, typer.Option(help="Only what this person did.")] = None,
    sample: Annotated[int | None, typer.Option(help="Only what was decided about the sample with this id.")] = None,
    limit: Annotated[int, typer.Option(help="How many entries, newest first.", min=1, max=options.MOST_ENTRIES)] = 50,
    undo: Annotated[str | None, typer.Option(help="Undo the entry with this key.")] = None,
) -> None:
    """Who tagged, relabelled, excluded and saved what, and when."""
    from avhcurate.datasets.curate.history import describe, history_entries, undo_entry

    table = options.run_table(name)
    if undo is not None:
        undone = undo_entry(table, undo)
        if not options.as_json():
            print(f"undone: {undone}")
    entries, count = history_entries(table, who=who, sample=sample, limit=limit)
    if options.as_json():
        names = ("key", "who", "action", "value", "samples", "undone_by", "at")
        rows = [{name: getattr(entry, name) for name in names} for entry in entries]
        options.print_json({"entries": rows, "count": count})
        return
    shown = [
        {
            "key": entry.key,
            "at": f"{entry.at:%Y-%m-%d %H:%M}",
            "who": entry.who,
            "what": describe(entry, table.classes),
            "samples": entry.samples,
            "undone by": entry.undone_by or "",
        }
        for entry in entries
    ]
    if shown:
        options.print_table(shown)
    print(f"{len(entries)} of {count} entries")
