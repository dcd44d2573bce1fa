"""Verbs that take labels away: select, export."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli.app import app
from avhcurate.cli.options import (
    ForceOption,
    JsonOption,
    ModelOption,
    NameArgument,
    WorkspaceOption,
    open_run_table,
    print_json,
)


class Rule(StrEnum):
    """Rules of `select`."""

    confidence = "confidence"
    avc = "avc"
    lrent = "lrent"


@app.command()
def select(
    name: NameArgument,
    rule: Annotated[Rule, typer.Option(help="confidence (CBST), avc (the paper's) or lrent (CRST).")],
    portion: Annotated[float, typer.Option(help="Share of each class to trust, in (0, 1].")],
    out: Annotated[Path, typer.Option(help="Where to write: .csv, .jsonl or .parquet.")],
    model: ModelOption = None,
    soft: Annotated[bool, typer.Option("--soft", help="Add soft labels.")] = False,
    all: Annotated[
        bool, typer.Option("--all", help="Also list the samples that are not selected, without a label.")
    ] = False,
    where: Annotated[str, typer.Option(help="Only samples that satisfy this SQL condition.")] = "",
    force: ForceOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Class-balanced pseudo-labels, with a manifest beside them."""
    from avhcurate.curation.filters import Filters
    from avhcurate.services import selecting

    table = open_run_table(workspace, name, model)
    found = selecting.select(table, rule=rule.value, portion=portion, filters=Filters(where=where))
    count = selecting.write_pseudo_labels(table, found, out, soft=soft, all=all, force=force)
    if as_json:
        print_json(selecting.describe_selection(table, found))
        return
    print(f"{count} of {len(found.ids)} samples selected by {rule.value} at portion {portion:g}: {out}")
    if found.accuracy is not None:
        print(f"accuracy against the given labels {found.accuracy:.4f}")


@app.command()
def export(
    name: NameArgument,
    format: Annotated[str, typer.Option(help="csv, jsonl, parquet, folder or hf.")],
    out: Annotated[Path, typer.Option(help="File or folder to write.")],
    model: ModelOption = None,
    where: Annotated[str, typer.Option(help='SQL condition over the columns, as "avh > 0.1 AND hsf < 0.4".')] = "",
    with_excluded: Annotated[bool, typer.Option("--with-excluded", help="Also samples marked as excluded.")] = False,
    force: ForceOption = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Curated labels of the samples that satisfy a condition."""
    from avhcurate.curation.filters import Filters
    from avhcurate.services import exporting

    table = open_run_table(workspace, name, model)
    filters = Filters(where=where, excluded=None if with_excluded else False)
    count = exporting.export(table, filters, format, out, force=force)
    if as_json:
        print_json({"samples": count, "out": str(out), "format": format})
        return
    print(f"{count} samples of {name} written to {out}")
    if table.simulated:
        print("The HSF columns come from simulated votes; the file says so.")
