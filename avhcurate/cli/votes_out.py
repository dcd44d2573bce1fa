"""The verb that exports the votes behind HSF."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command("votes-out")
def votes_out(
    name: options.NameArgument,
    format: Annotated[
        str,
        typer.Option(
            help="long-csv, long-parquet, counts (.npy or .parquet), label-studio or imagenetv2 (ticks only)."
        ),
    ],
    out: Annotated[Path, typer.Option(**options.NEW_PATH, help="File to write, with a manifest beside it.")],
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Export the votes that HSF uses, imported and collected ones; `votes` reads each of these files again."""
    from avhcurate.annotate import votes_out as annotate_votes_out

    table = options.open_run_table(workspace, name, None)
    count = annotate_votes_out.write_votes(table, format, out, force=force)
    if as_json:
        options.print_json({"answers": count, "out": str(out), "format": format, "simulated": table.simulated})
        return
    print(f"{count} answers about {name} written to {out}")
    if table.simulated:
        print("The votes are simulated; the file says so.")
