"""Verbs that compare scores with human votes and learn from these: correlate, disagree, models, predict."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from avhcurate.cli import completion, options
from avhcurate.errors import NothingFound
from avhcurate.features.correlation.settings import CorrelateSettings
from avhcurate.features.disagreement.settings import DisagreeSettings
from avhcurate.features.predicted_hsf.settings import PredictSettings

if TYPE_CHECKING:
    import pandas as pd

    from avhcurate.datasets.table.sample_table import SampleTable
    from avhcurate.datasets.table.votes import Votes
    from avhcurate.features.correlation.service import Correlations
    from avhcurate.features.disagreement.service import Gap
    from avhcurate.workspace.data.runs import RunFolder


@options.verb(CorrelateSettings, group="People and network", table=True)
def correlate(settings: CorrelateSettings) -> None:
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.features.correlation import service

    opened = options.run_table(settings.dataset, settings.model)
    filters = Filters(where=settings.where)
    edges = None
    if settings.bins:
        edges = opened.samples.edges_from(settings.bins, filters)
    if settings.beyond:
        options.check_alone("--beyond", {"--analysis": settings.analysis})
        _print_analysis(opened.run, opened.votes, "beyond", settings, held=settings.beyond, edges=edges)
        return
    if settings.analysis:
        _print_analysis(opened.run, opened.votes, settings.analysis, settings)
        return
    result = service.correlate(
        opened.samples,
        opened.run,
        opened.votes,
        keys=settings.scores or None,
        filters=filters,
        edges=edges,
        against=settings.against,
    )
    rows = service.export_table(result)
    ceiling = result.ceiling
    printable = {
        "rows": rows,
        "pairs": result.pairs,
        "noise_ceiling": ceiling.ceiling,
        "noise_ceiling_low": ceiling.ceiling_low,
        "noise_ceiling_high": ceiling.ceiling_high,
    }
    if not options.printed(printable, rows):
        _print_table(opened.run, opened.votes, result)


def _print_table(run: "RunFolder | None", votes: "Votes", result: "Correlations") -> None:
    from avhcurate.features.correlation import service

    if result.against == service.HSF:
        _print_votes_note(run, votes, weighs=True)
    else:
        options.print_votes_note(votes.samples, run)
        print(f"compared with {result.against}, in bins of equally many images")
    rows = result.table.assign(bin=result.table["bin"].astype(str))
    wide, counts = (
        rows.pivot(index="score", columns="bin", values=name).loc[result.keys, rows["bin"].unique()]
        for name in ("spearman", "n")
    )
    most = counts.max()
    wide.columns = [f"{group} (n={n})" for group, n in most.items()]
    print(wide.round(3).to_string(na_rep="-"))
    for key, sizes in counts[(counts != most).any(axis=1)].iterrows():
        print(f"{key}: over n = {', '.join(map(str, sizes))}")
    if result.against == service.HSF:
        print(f"\nnoise ceiling: {result.ceiling.ceiling_text}")
    for text in service.remark_texts(result):
        print(text)
    for column in result.unsaid:
        print(
            f"It is not known which end of {column} is harder. Set it: "
            f"avhcurate columns {votes.samples.name} --harder '{column}=high' (or =low)"
        )


def _print_votes_note(run: "RunFolder | None", votes: "Votes", *, weighs: bool) -> None:
    """Print whose votes these are, and whether a biased queue asked for them; `weighs`: the table corrects for it."""
    from avhcurate.people.queues import queue_use

    options.print_votes_note(votes.samples, run)
    use = queue_use(votes)
    if not use.biased:
        return
    print(f"The queue {' and '.join(use.votes)} chose the images: correlations describe them, not the dataset.")
    if weighs and use.weights is not None:
        print("Columns weighted, weighted_low and weighted_high of --out or --json correct for it.")


def _print_analysis(
    run: "RunFolder | None", votes: "Votes", analysis: str, settings: CorrelateSettings, **more: Any
) -> None:
    """Print one of the further analyses."""
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.features.correlation.analyses import analyse

    rows = analyse(
        votes.samples,
        run,
        votes,
        analysis,
        keys=settings.scores or None,
        filters=Filters(where=settings.where),
        against=settings.against,
        **more,
    )
    if options.printed({"analysis": analysis, "rows": rows}, rows):
        return
    _print_votes_note(run, votes, weighs=False)
    options.print_table(rows.dropna(axis=1, how="all"))


@options.verb(DisagreeSettings, group="People and network", table=True)
def disagree(settings: DisagreeSettings) -> None:
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.features.disagreement import service

    opened = options.run_table(settings.dataset, settings.model)
    filters = Filters(where=settings.where)
    gap = service.disagree(
        opened.samples, opened.run, opened.prediction, key=settings.score, filters=filters, predicted=settings.predicted
    )
    rows = service.gap_table(opened.samples, gap)
    if not options.printed({"samples": gap.sets.samples, "rows": rows}, rows):
        _print_sets(opened.samples, opened.run, gap, rows)
    if rows.empty:
        raise NothingFound(f"People and the network find the same images of {settings.dataset} hard.")


def _print_sets(samples: "SampleTable", run: "RunFolder | None", gap: "Gap", rows: "pd.DataFrame") -> None:
    from avhcurate.features.disagreement import service

    options.print_votes_note(samples, run)
    columns = list(dict.fromkeys(["id", "path", "label_name", "predicted_name", "hsf", gap.key]))
    for key, title in service.SETS.items():
        in_set = rows[rows["set"] == key]
        print(f"{title}: {len(in_set)} of {gap.sets.samples}")
        if len(in_set):
            print(in_set[columns].head(10).to_string(index=False) + "\n")


@options.verb(group="People and network", table=True)
def models(
    name: options.NameArgument,
    runs: Annotated[
        str,
        typer.Option(
            help="Names of runs or models, as A,B,...",
            show_default="the newest run of each network",
            autocompletion=completion.of("runs"),
        ),
    ] = "",
    scores: Annotated[
        str,
        typer.Option(help="Scores whose correlation with HSF is compared.", autocompletion=completion.of("scores")),
    ] = "avh,confidence",
    by: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="Instead: each run on every split, hsf_bin, label or value of a column, and on tags, sets and saved "
            "views by name.",
            show_default="none",
        ),
    ] = "",
) -> None:
    """Model runs side by side on the same images: accuracy, calibration, hardness, and how each follows HSF."""
    from avhcurate.features.compare.service import side_by_side
    from avhcurate.workspace.data.settings import split_text

    keys = split_text(scores)
    opened = options.run_table(name)
    if by:
        _print_slices(opened.run, opened.votes, split_text(by), split_text(runs))
        return
    comparison = side_by_side(opened.samples, opened.votes, split_text(runs) or None, keys=keys)
    findings = [
        {
            "discovery": finding.discovery,
            "title": finding.title,
            "verdict": finding.verdict,
            "sentence": finding.sentence(),
            "figures": [figure._asdict() for figure in finding.figures],
        }
        for finding in comparison.findings
    ]
    if options.printed(
        {
            "rows": comparison.table,
            "agreement": comparison.agreement,
            "avh_rank_agreement": comparison.avh.reset_index(names="model"),
            "discoveries": findings,
        },
        comparison.table,
    ):
        return
    print(f"{name}: {comparison.n:,} of {comparison.labelled:,} labelled images, scored by every run")
    columns = ["run", "n", "accuracy", "class_accuracy", "ece", "brier", "nll", "avh"]
    if comparison.voted:
        columns += [f"{key}_hsf" for key in keys]
    options.print_table(comparison.table[columns], digits=4)
    if opened.samples.simulated:
        print("The human votes are SIMULATED.")
    if comparison.voted:
        for finding in findings:
            print("\n{discovery}. {title}: {verdict}. {sentence}".format(**finding))


def _print_slices(run: "RunFolder | None", votes: "Votes", by: list[str], runs: list[str]) -> None:
    from avhcurate.features.compare.slices import slice_runs

    sliced = slice_runs(votes.samples, votes, options.open_workspace(), by, runs or None)
    rows = sliced.table
    if options.printed({"rows": rows, "compared": sliced.compared}, rows):
        return
    options.print_votes_note(votes.samples, run)
    columns = ["run", "by", "slice", "n", "accuracy", "accuracy_low", "accuracy_high", "ece", "avh", "hsf", "verdict"]
    options.print_table(rows[columns])
    print(f"Intervals hold at once for the {sliced.compared} rows that are judged (95 %, Bonferroni).")


@options.verb(PredictSettings, group="People and network", table=True)
def predict(settings: PredictSettings) -> None:
    from avhcurate.features.predicted_hsf.learning_curve import forecast_of
    from avhcurate.features.predicted_hsf.service import added_text, coverage_text, predict_hsf, predictions
    from avhcurate.people.queues import BIASED
    from avhcurate.workspace.data.consensus import TOLD_APART

    first = next(iter(settings.runs), None)
    opened = options.run_table(settings.dataset, first)
    with options.job(settings) as progress:
        folder = predict_hsf(opened.samples, opened.run, opened.votes, settings, progress=progress)
    record = folder.record
    result = {"record": record, "table": str(folder.scores_path)}
    if options.printed(result, lambda: predictions(options.run_table(settings.dataset, first).samples)):
        return
    votes = "SIMULATED votes" if record.votes_simulated else "votes"
    print(f"{settings.dataset}: predicted HSF of {record.samples:,} images from {votes} on {record.learnt:,}")
    print("runs: " + ", ".join(record.runs))
    if record.added:
        print(added_text(record))
    if biased := sorted(set(record.queues) & set(BIASED)):
        reach = "is weighted to the dataset" if record.weighted else "is of such images and not of the dataset"
        print(f"votes came from the queue {' and '.join(biased)}: what follows {reach}")
    for point in record.curve[-1:]:
        print(f"Spearman with held-out HSF {point.rho:.3f} ({point.low:.3f} to {point.high:.3f}, n = {point.n:,})")
    if record.gain is not None:
        print(
            f"Spearman of confidence {record.confidence_rho:.3f}, difference {record.gain:.3f} "
            f"({record.gain_low:.3f} to {record.gain_high:.3f})"
        )
    options.print_table([row.model_dump() for row in record.coverage])
    print(coverage_text(record))
    print(TOLD_APART)
    curve = forecast_of(record)
    if curve is not None and (limit := curve.limit_text()):
        print(f"With many more voted images these inputs would reach about {limit}, by a forecast from the curve.")
