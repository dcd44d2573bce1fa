"""The verbs about named views and sets, and about who decided what."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError


@options.app.command()
def saved(
    name: options.NameArgument,
    save_set: Annotated[str | None, typer.Option(help="Save a set under this name: see --where and --ids.")] = None,
    where: Annotated[str, typer.Option(help="SQL condition that its samples satisfy.")] = "",
    ids: options.IdsOption = None,
    remove: Annotated[
        str | None, typer.Option(help="Take this set off the list; `history --undo` brings it back.")
    ] = None,
    remove_view: Annotated[str | None, typer.Option(help="The same for a view.")] = None,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Named sets and views of a dataset: listed, saved, removed."""
    from avhcurate.curate import saved as curate_saved

    folder = options.open_workspace(workspace)
    folder.dataset(name)
    if save_set is not None:
        _save(workspace, name, save_set, where, ids)
    elif where or ids is not None:
        raise CurateError("--where and --ids say what is in a set: give --save-set and a name as well")
    if remove is not None:
        curate_saved.remove(folder, name, "set", remove)
    if remove_view is not None:
        curate_saved.remove(folder, name, "view", remove_view)
    sets, views = curate_saved.sets(folder, name), curate_saved.views(folder, name)
    if as_json:
        shown = {"sets": (sets, ("name", "n", "who")), "views": (views, ("name", "page", "query", "who"))}
        options.print_json(
            {
                kind: [{name: getattr(one, name) for name in names} | {"at": f"{one.at}"} for one in entries]
                for kind, (entries, names) in shown.items()
            }
        )
        return
    for one in sets:
        print(f"set   {one.name}: {one.n} samples, {one.who}, {one.at:%Y-%m-%d %H:%M}")
    for view in views:
        print(f"view  {view.name}: {view.page}, {view.who}, {view.at:%Y-%m-%d %H:%M}")
    if not sets and not views:
        print(f"{name} has neither sets nor views")


def _save(workspace: Path | None, name: str, title: str, where: str, ids: str | None) -> None:
    from avhcurate.curate import saved as curate_saved
    from avhcurate.table.empty_view import empty_view
    from avhcurate.table.filters import Filters

    folder = options.open_workspace(workspace)
    if (ids is None) == (not where):
        raise CurateError("say what is in the set: either --where CONDITION or --ids LIST")
    if ids is not None:
        curate_saved.save_set(folder, name, title, options.sample_ids(folder.dataset(name), ids))
        return
    table, filters = options.open_run_table(workspace, name, None), Filters(where=where)
    rows = table.frame(filters, columns=["id"])
    if rows.empty:
        raise empty_view(table, filters, "no sample satisfies the condition: widen it")
    curate_saved.save_set(folder, name, title, rows["id"].to_numpy())


@options.app.command()
def history(
    name: options.NameArgument,
    who: Annotated[str | None, typer.Option(help="Only what this person did.")] = None,
    action: Annotated[
        list[str] | None, typer.Option(help='Only this action, as tag or "save set"; repeatable.')
    ] = None,
    sample: Annotated[int | None, typer.Option(help="Only what was decided of the sample with this id.")] = None,
    limit: Annotated[int, typer.Option(help="How many entries, newest first.", min=1, max=options.MOST_ENTRIES)] = 50,
    undo: Annotated[str | None, typer.Option(help="Take back the entry with this key.")] = None,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Who tagged, relabelled, excluded and saved what, and when."""
    from avhcurate.curate.history import describe, history_entries, undo_entry

    table = options.open_run_table(workspace, name, None)
    if undo is not None:
        undone = undo_entry(table, undo)
        if not as_json:
            print(f"undone: {undone}")
    entries, count = history_entries(table, who=who, actions=action or (), sample=sample, limit=limit)
    if as_json:
        names = ("key", "who", "action", "value", "samples", "undone_by")
        rows = [{name: getattr(entry, name) for name in names} | {"at": entry.at.isoformat()} for entry in entries]
        options.print_json({"entries": rows, "count": count})
        return
    for entry in entries:
        undone = f" (undone by {entry.undone_by})" if entry.undone_by else ""
        about = f" ({entry.samples} samples)" if entry.samples else ""
        print(
            f"{entry.key:<10} {entry.at:%Y-%m-%d %H:%M}  {entry.who}: {describe(entry, table.classes)}{about}{undone}"
        )
    print(f"{len(entries)} of {count} entries")
