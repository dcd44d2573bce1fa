"""`avhcurate predict`: HSF of every sample from the votes that some have."""

from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command()
def predict(
    name: options.NameArgument,
    runs: Annotated[
        str | None, typer.Option(help="Runs to learn from, as resnet50-1,vit-2, or all [the newest one].")
    ] = None,
    level: Annotated[float, typer.Option(help="Share of HSF that the intervals are to cover.")] = 0.9,
    seed: Annotated[int, typer.Option(help="Seed of the folds.", min=0)] = 0,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Predict the HSF of every sample from those with votes, with intervals: columns hsf_predicted, _low, _high.

    Predictions are never counted as votes. The same call again resumes; after new votes it predicts again.
    """
    from avhcurate.predicted_hsf.learning_curve import forecast_of
    from avhcurate.predicted_hsf.service import PredictSettings, predict_hsf
    from avhcurate.votes.queues import BIASED

    names = tuple(options.comma_separated(runs)) if runs else ()
    first = names[0] if names and names[0] != "all" else None
    space, table = options.open_workspace(workspace), options.open_run_table(workspace, name, first)
    with options.job(space, "predict", name) as progress:
        folder = predict_hsf(table, PredictSettings(names, level, seed=seed), progress=progress)
    record = folder.record
    if as_json:
        options.print_json({"record": record.model_dump(mode="json"), "table": str(folder.scores_path)})
        return
    simulated = " SIMULATED" if record.votes_simulated else ""
    print(
        f"{name}: predicted HSF of {record.samples:,} samples from{simulated} votes on {record.learnt:,}, by the runs"
    )
    print("  " + ", ".join(record.runs))
    if asked := sorted(set(record.queues) & set(BIASED)):
        as_of = "weighted to the dataset" if record.weighted else "of such samples and not of the dataset"
        print(f"votes came from the queue {' and '.join(asked)}: what follows is {as_of}")
    last = record.curve[-1] if record.curve else None
    if last and last.rho is not None:
        beside = "" if record.confidence_rho is None else f"; confidence {record.confidence_rho:.3f}"
        if record.gain is not None:
            beside += f", difference {record.gain:.3f} ({record.gain_low:.3f} to {record.gain_high:.3f})"
        ends = f"{last.low:.3f} to {last.high:.3f}"
        print(f"Spearman with HSF of samples held out {last.rho:.3f} ({ends}, n = {last.n:,}){beside}")
    for kind, rows in (("HSF", record.coverage), ("predicted", record.coverage_predicted)):
        for row in rows:
            ends = f"{row.coverage_low:.1%} to {row.coverage_high:.1%}"
            where = "all" if row.bin == "all" else f"{kind} {row.bin}"
            print(f"  {where}: intervals hold {row.coverage:.1%} ({ends}, n = {row.n:,}), mean width {row.width:.2f}")
    print(f"They claim {record.level:.0%} over all samples like the voted ones, for HSF of {record.votes} votes.")
    if (curve := forecast_of(record)) is not None:
        low, high = (float(end[0]) for end in curve.band(float("inf")))
        ends = f"{curve.limit:.2f} ({low:.2f} to {high:.2f})"
        print(f"With many more voted samples these inputs would reach about {ends}, by a forecast from the curve.")
