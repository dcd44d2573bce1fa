"""Verbs that compare scores with human votes: correlate, disagree."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command()
def correlate(
    name: options.NameArgument,
    model: options.ModelOption = None,
    scores: Annotated[str | None, typer.Option(help="Scores and columns of yours, as avh,my_score [all].")] = None,
    bins: Annotated[
        str | None, typer.Option(help="Edges of the HSF bins, as 0,0.5,1, or q5 for five quantile bins [0,0.2,...,1].")
    ] = None,
    bootstrap: Annotated[bool, typer.Option("--bootstrap", help="Bootstrap intervals instead of Fisher's.")] = False,
    against: Annotated[
        str,
        typer.Option(help="hsf, a measure of `avhcurate quality` or a column of yours, as sharpness."),
    ] = "hsf",
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Spearman correlation of every score with HSF, over all samples and per bin."""
    from avhcurate.correlation import service as correlation_service
    from avhcurate.votes.bins import edges_of

    table = options.open_run_table(workspace, name, model)
    keys = options.comma_separated(scores) if scores else None
    edges = edges_of(bins, table.frame(columns=["hsf"])["hsf"].to_numpy(float)) if bins else None
    result = correlation_service.correlate(table, keys=keys, edges=edges, bootstrap=bootstrap, against=against)
    options.write_csv(correlation_service.export_table(result), csv, force=force)
    if as_json:
        options.print_json(
            {
                "rows": correlation_service.export_table(result),
                "pairs": result.pairs,
                "noise_ceiling": result.ceiling.ceiling,
            }
        )
        return
    options.print_votes_note(table)
    if against != correlation_service.HSF:
        print(f"against {against}{'' if result.own else ' of the images'}, in bins of equally many samples")
    wide = result.table.assign(bin=result.table["bin"].map(str)).pivot(index="score", columns="bin", values="spearman")
    order = list(dict.fromkeys(result.table["score"]))
    wide = wide.loc[order, list(dict.fromkeys(result.table["bin"]))]
    counts = result.table[result.table["score"] == order[0]].set_index("bin")["n"]
    wide.columns = [f"{group} (n={counts[group]})" for group in wide.columns]
    print(wide.round(3).to_string(na_rep="-"))
    if not result.ceiling.reason and against == correlation_service.HSF:
        print(f"\nnoise ceiling {result.ceiling.ceiling:.3f} (reliability of HSF {result.ceiling.reliability:.3f})")
    for text in correlation_service.remark_texts(result):
        print(text)
    for column in result.unsaid:
        print(
            f"which end of {column} is harder is not said: avhcurate columns {name} --harder '{column}=high' (or =low)"
        )


@options.app.command()
def disagree(
    name: options.NameArgument,
    model: options.ModelOption = None,
    score: Annotated[str | None, typer.Option(help="Score that says what is hard for the network [AVH].")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write both sets to this file.")] = None,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Samples hard for humans and easy for the network, and the reverse."""
    from avhcurate.disagreement import service as disagreement_service

    table = options.open_run_table(workspace, name, model)
    gap = disagreement_service.disagree(table, key=score)
    rows = disagreement_service.gap_table(table, gap)
    options.write_csv(rows, csv, force=force)
    if as_json:
        options.print_json({"samples": gap.sets.samples, "rows": rows})
        return
    options.print_votes_note(table)
    for key, title in disagreement_service.SETS.items():
        in_set = rows[rows["set"] == key]
        print(f"{title}: {len(in_set)} of {gap.sets.samples}")
        columns = list(dict.fromkeys(["id", "path", "label_name", "predicted_name", "hsf", gap.key]))
        if len(in_set):
            print(in_set[columns].head(10).to_string(index=False) + "\n")
