"""Verbs that write labels to files: export, split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    import numpy as np

    from avhcurate.table.dataset_table import DatasetTable
    from avhcurate.table.filters import Filters

_FORMATS = "csv, jsonl, parquet, folder, hf, fiftyone, label-studio, cleanlab or coco"
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Only samples of this set; repeatable: of all.")]
Direction = Literal["desc", "asc", "view"]


@options.app.command()
def export(
    name: options.NameArgument,
    format: Annotated[str, typer.Option(help=f"{_FORMATS}.")],
    out: Annotated[
        Path,
        typer.Option(
            **options.NEW_PATH,
            help="File or folder to write; a folder that ends in .zip is packed.",
        ),
    ],
    model: options.ModelOption = None,
    where: Annotated[
        str, typer.Option(help='SQL condition over the columns, as "relative_avh > 1 AND hsf < 0.4".')
    ] = "",
    sets: SetOption = None,
    view: Annotated[str | None, typer.Option(help="The samples of this saved view.")] = None,
    sort: Annotated[str | None, typer.Option(help="Column to order by, as in the gallery's address.")] = None,
    order: Annotated[Direction, typer.Option(help="Of --sort; view: as the saved view is sorted.")] = "desc",
    like: Annotated[str, typer.Option(help="Ids, as 3,14: ordered by the angle to the nearest of them.")] = "",
    address: Annotated[
        str | None, typer.Option(help="The samples of a page: its address, or what stands behind its ?.")
    ] = None,
    image_prefix: Annotated[
        str | None, typer.Option(help="label-studio: what stands before an image's path; no image is written then.")
    ] = None,
    with_excluded: Annotated[bool, typer.Option("--with-excluded", help="Also samples marked as excluded.")] = False,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Curated labels of the samples that satisfy a condition."""
    from urllib.parse import parse_qsl

    from avhcurate import export as avhcurate_export
    from avhcurate.curate import saved
    from avhcurate.data import background
    from avhcurate.table.dataset_table import open_table
    from avhcurate.table.filters import Filters
    from avhcurate.votes.bins import parse_edges

    folder = options.open_workspace(workspace)
    query = saved.view(folder, name, view).query if view is not None else {}
    asked = dict(parse_qsl((address or "").rpartition("?")[2]))
    if asked.get("dataset", name) != name:
        raise CurateError(
            f"the address is a page of dataset {asked['dataset']!r}, whose classes and ids are others: export that one"
        )
    query |= asked
    edges = parse_edges(query["edges"]) if "edges" in query else None
    table = open_table(folder, name, model or query.get("run"), edges=edges)
    filters = Filters.from_query(query)
    filters = filters.with_(
        where=" AND ".join(f"({one}\n)" for one in (filters.where, where) if one),
        sets=tuple(dict.fromkeys([*filters.sets, *(sets or ())])),
        excluded=None if with_excluded else filters.excluded,
    )
    ids = _order(table, filters, query, sort=sort, order=order, like=like)
    with background.run_started(folder.root) as progress:
        count = avhcurate_export.export(
            table, filters, format, out, force=force, image_prefix=image_prefix, order=ids, progress=progress
        )
    if as_json:
        options.print_json({"samples": count, "out": str(out), "format": format})
        return
    print(f"{count} samples of {name} written to {out}")
    _note_simulated(table)


def _note_simulated(table: DatasetTable) -> None:
    if table.simulated:
        print("The HSF columns come from simulated votes; the file says so.")


def _order(
    table: DatasetTable, filters: Filters, query: Mapping[str, str], *, sort: str | None, order: Direction, like: str
) -> np.ndarray | None:
    """Ids in the order asked for, that of the view with the address `query` among others; None for the dataset's."""
    from avhcurate.table.sample import by_angle

    if order == "view":
        if not query or sort or like:
            raise CurateError("--order view is the order of a saved view: give --view NAME, without --sort or --like")
        sort, like = query.get("sort", table.hardness), query.get("gallery.like", "")
        order = "asc" if query.get("order") == "asc" else "desc"
    if like:
        if not all(part.strip().isdecimal() for part in like.split(",")):
            raise CurateError(f"--like takes ids with commas between them, as 3,14, not {like}")
        return by_angle(table, filters, [int(part) for part in like.split(",")])[0]
    return table.order(filters, sort=sort, descending=order == "desc") if sort else None


@options.app.command()
def split(
    name: options.NameArgument,
    shares: Annotated[str, typer.Option(help="Shares of the parts, which sum to 1, as 0.8,0.1,0.1.")],
    out: Annotated[
        Path | None,
        typer.Option(**options.NEW_PATH, help="A .csv, .jsonl or .parquet file."),
    ] = None,
    by: Annotated[
        str, typer.Option(help='Balanced across the parts: class, hsf, both, or "" for neither.')
    ] = "class,hsf",
    group: Annotated[str | None, typer.Option(help="Column whose values stay in one part, as duplicate_group.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another split.", min=0)] = 0,
    as_sets: Annotated[str | None, typer.Option(help="Save each part as a set of this name and the part's.")] = None,
    model: options.ModelOption = None,
    where: Annotated[str, typer.Option(help="Only samples that satisfy this SQL condition.")] = "",
    sets: SetOption = None,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Train, validation and test parts, stratified by class and HSF bin, with a manifest of counts."""
    from avhcurate.saved import split_service
    from avhcurate.table.filters import Filters

    if out is None and as_sets is None:
        raise CurateError("give where to write the parts: --out FILE, --as-sets NAME, or both")
    table = options.open_run_table(workspace, name, model)
    parts = split_service.make_split(
        table,
        options.numbers("--shares", shares) or (),
        by=[key for key in by.split(",") if key],
        seed=seed,
        group=group,
        filters=Filters(where=where, sets=tuple(sets or ())),
    )
    if out is not None:
        split_service.write_split(table, parts, out, force=force)
    saved = (
        [] if as_sets is None else split_service.save_parts(options.open_workspace(workspace), table, parts, as_sets)
    )
    if as_json:
        options.print_json({"parts": parts.counts, "sets": saved, "strata": parts.strata})
        return
    print(", ".join(f"{part} {count}" for part, count in parts.counts.items()))
    print(parts.strata.to_string(index=False))
    if out is not None:
        _note_simulated(table)
