"""`avhcurate suspects`: labels that are likely wrong."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command()
def suspects(
    name: options.NameArgument,
    model: options.ModelOption = None,
    out_of_fold: Annotated[
        bool, typer.Option("--out-of-fold", help="Judge by heads cross-validated on the run's features.")
    ] = False,
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation.", min=2)] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the folds and of the heads.", min=0)] = 0,
    sources: Annotated[str | None, typer.Option(help="As angular,neighbours,cleanlab,votes [all available].")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Number of suspects to print [as many as errors are expected].", min=0)
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write all undecided suspects to this file.")] = None,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Labels that are likely wrong and undecided, by rank, with what each source says; the same call again resumes."""
    from avhcurate.suspects import decisions
    from avhcurate.suspects import service as suspects_service

    space, table = options.open_workspace(workspace), options.open_run_table(workspace, name, model)
    options.check_csv(csv, force=force)
    with options.job(space, "suspects", name) as progress:
        folder = suspects_service.find_suspects(
            table,
            sources=options.comma_separated(sources) if sources is not None else None,
            honest=out_of_fold,
            folds=folds,
            seed=seed,
            progress=progress,
        )
    record, every = folder.record, folder.suspects()
    doubtful = decisions.undecided(table, every)
    rows, left_out = suspects_service.export_table(table, doubtful, record), len(every) - len(doubtful)
    first = round(record.expected) if record.expected is not None else len(every)
    cut = limit if limit is not None else int((rows.index < first).sum())
    options.write_csv(rows, csv, force=force)
    if as_json:
        options.print_json({"record": record.model_dump(mode="json"), "left_out": left_out, "rows": rows.head(cut)})
        return
    by = "by the run's own head"
    if record.folds:
        by = f"out of {record.folds} folds, accuracy of the heads {record.accuracy:.3f}"
    print(f"{name}, {record.run}, {by}: {record.listed} of {record.samples} labels are in doubt")
    simulated = " (SIMULATED votes)" if record.votes_simulated else ""
    print("doubted by " + ", ".join(f"{key} {n}" for key, n in record.doubting.items()) + simulated)
    print(", ".join(f"{key} {n}" for key, n in record.verdicts.items()))
    if record.expected is not None:
        interval = f"95 % interval {record.expected_low:.0f} to {record.expected_high:.0f}"
        print(f"about {record.expected:.0f} labels are wrong if the model is right where it is confident ({interval})")
    if left_out:
        print(f"left out: {left_out} that are decided or excluded")
    for source, why in record.missing.items():
        print(f"without {source}: {why}")
    if len(doubtful) and cut:
        agree = doubtful["agreement"].astype(str) + " of " + doubtful["spoke"].astype(str)
        columns = ["rank", "id", "path", "label_name", "suggested_name", "verdict"]
        print(rows[columns].assign(agree=agree).head(cut).to_string(index=False))
    if limit is None and len(rows) > cut:
        print(f"{len(rows) - cut} more are in doubt: --limit {len(rows)} prints all, --csv FILE writes them")
