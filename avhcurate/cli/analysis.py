"""Verbs that compare scores with human votes: correlate, disagree."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avhcurate.cli import options
from avhcurate.errors import CurateError

if TYPE_CHECKING:
    from avhcurate.table.dataset_table import DatasetTable
    from avhcurate.table.filters import Filters


@options.app.command()
def correlate(
    name: options.NameArgument,
    model: options.ModelOption = None,
    scores: Annotated[str | None, typer.Option(help="Scores and columns of yours, as avh,my_score [all].")] = None,
    bins: Annotated[
        str | None,
        typer.Option(help="Edges of the HSF bins, as 0,0.5,1, or q5 for five of equally many samples [0,0.2,...,1]."),
    ] = None,
    bootstrap: Annotated[bool, typer.Option("--bootstrap", help="Bootstrap intervals instead of Fisher's.")] = False,
    against: Annotated[
        str,
        typer.Option(help="hsf, a measure of `avhcurate quality` or a column of yours, as sharpness."),
    ] = "hsf",
    where: options.WhereOption = "",
    by: Annotated[str | None, typer.Option(help="class: within each class, and the mean over the classes.")] = None,
    analysis: Annotated[
        str | None,
        typer.Option(
            help="Instead: adding (what each score adds to confidence), classes, hard (AUROC and lift of the samples "
            "below --below), votes (single votes, class as an effect) or resampled (near duplicates, annotators)."
        ),
    ] = None,
    below: Annotated[float, typer.Option(help="HSF below which --analysis hard calls a sample hard.")] = 0.5,
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Spearman correlation of every score with HSF, over all samples and per bin."""
    from avhcurate.correlation import service as correlation_service
    from avhcurate.table.filters import Filters

    table = options.open_run_table(workspace, name, model)
    keys = options.comma_separated(scores) if scores else None
    filters = Filters(where=where)
    if chosen := _analysis(by, analysis, against):
        _further(table, chosen, keys, filters, below=below, csv=csv, force=force, as_json=as_json)
        return
    edges = table.edges_from(bins, filters) if bins else None
    result = correlation_service.correlate(
        table, keys=keys, filters=filters, edges=edges, bootstrap=bootstrap, against=against
    )
    options.write_csv(correlation_service.export_table(result), csv, force=force)
    if as_json:
        options.print_json(
            {
                "rows": correlation_service.export_table(result),
                "pairs": result.pairs,
                "noise_ceiling": result.ceiling.ceiling,
                "noise_ceiling_low": result.ceiling.ceiling_low,
                "noise_ceiling_high": result.ceiling.ceiling_high,
            }
        )
        return
    _print_votes_note(table, of_hsf=against == correlation_service.HSF)
    if against != correlation_service.HSF:
        print(f"against {against}{'' if result.own else ' of the images'}, in bins of equally many samples")
    wide = result.table.assign(bin=result.table["bin"].map(str)).pivot(index="score", columns="bin", values="spearman")
    order = list(dict.fromkeys(result.table["score"]))
    wide = wide.loc[order, list(dict.fromkeys(result.table["bin"]))]
    counts = result.table[result.table["score"] == order[0]].set_index("bin")["n"]
    wide.columns = [f"{group} (n={counts[group]})" for group in wide.columns]
    print(wide.round(3).to_string(na_rep="-"))
    for sizes, keys in list(correlation_service.sample_counts(result.table).items())[1:]:
        print(f"{', '.join(keys)}: over n = {', '.join(map(str, sizes))}")
    if not result.ceiling.reason and against == correlation_service.HSF:
        ceiling = result.ceiling
        print(
            f"\nnoise ceiling {ceiling.ceiling:.3f} [{ceiling.ceiling_low:.3f}, {ceiling.ceiling_high:.3f}] "
            f"(reliability of HSF {ceiling.reliability:.3f})"
        )
    for text in correlation_service.remark_texts(result):
        print(text)
    for column in result.unsaid:
        print(
            f"which end of {column} is harder is not said: avhcurate columns {name} --harder '{column}=high' (or =low)"
        )


def _analysis(by: str | None, analysis: str | None, against: str) -> str | None:
    """The key of the analysis asked for; None for the table of correlations."""
    if by is None and analysis is None:
        return None
    if by not in (None, "class") or (by and analysis not in (None, "classes")):
        raise CurateError(f"--by takes class, without another --analysis; it was {by}")
    if against != "hsf":
        raise CurateError("--by and --analysis go with human votes: leave out --against")
    return analysis or "classes"


def _print_votes_note(table: "DatasetTable", *, of_hsf: bool = True, weighs: bool = True) -> None:
    """Whose votes these are, and whether a biased queue asked for them; `weighs`: the table can correct for it."""
    from avhcurate.votes.queues import queue_use

    options.print_votes_note(table)
    use = queue_use(table.counter)
    if use.biased and of_hsf:
        correct = "columns weighted, weighted_low and weighted_high of --csv or --json correct for it"
        if not weighs:
            correct = "this analysis is not weighted to the whole dataset"
        elif use.weights is None:
            correct = "it kept no chances to correct by, or not of every sample"
        print(
            f"votes came from the queue {' and '.join(use.votes)}: correlations are of such samples, not of the "
            f"dataset; {correct}"
        )


def _further(
    table: "DatasetTable",
    analysis: str,
    keys: list[str] | None,
    filters: "Filters",
    *,
    below: float,
    csv: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """One of the further analyses: to a file, as JSON, or as text."""
    from avhcurate.correlation.analyses import adds_sentence, analyse

    rows = analyse(table, analysis, keys=keys, filters=filters, below=below)
    options.write_csv(rows, csv, force=force)
    if as_json:
        options.print_json({"analysis": analysis, "rows": rows})
        return
    _print_votes_note(table, weighs=False)
    print(rows.dropna(axis=1, how="all").round(3).to_string(index=False, na_rep="-"))
    if analysis == "adding" and (sentence := adds_sentence(rows)):
        print(f"\n{sentence}")


@options.app.command()
def disagree(
    name: options.NameArgument,
    model: options.ModelOption = None,
    score: Annotated[str | None, typer.Option(help="Score that says what is hard for the network [AVH].")] = None,
    predicted: Annotated[
        bool, typer.Option("--predicted", help="By predicted HSF: also samples without votes (avhcurate predict).")
    ] = False,
    hsf_cuts: Annotated[
        str | None, typer.Option(help="HSF at or below which people find a sample hard, and easy from on [0.2,0.8].")
    ] = None,
    score_cuts: Annotated[
        str | None,
        typer.Option(help="Values of the score where its two ends begin, as 0.1,0.4 [fifths of the samples]."),
    ] = None,
    where: options.WhereOption = "",
    csv: Annotated[Path | None, typer.Option(help="Write both sets to this file.")] = None,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Samples hard for humans and easy for the network, and the reverse."""
    from avhcurate.disagreement import service as disagreement_service
    from avhcurate.disagreement.rules import HSF_CUTS, SCORE_CUTS, Cuts
    from avhcurate.table.filters import Filters

    table = options.open_run_table(workspace, name, model)
    gap = disagreement_service.disagree(
        table,
        key=score,
        filters=Filters(where=where),
        predicted=predicted,
        hsf_cuts=Cuts.at("--hsf-cuts", options.numbers("--hsf-cuts", hsf_cuts), HSF_CUTS),
        score_cuts=Cuts.at("--score-cuts", options.numbers("--score-cuts", score_cuts), SCORE_CUTS),
    )
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
