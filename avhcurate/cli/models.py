"""The verb that compares runs: models."""

from typing import Annotated

import typer

from avhcurate.cli import options


@options.app.command()
def models(
    name: options.NameArgument,
    runs: Annotated[
        str, typer.Option(help="Names of runs or models, as A,B,...", show_default="the newest run of each network")
    ] = "",
    scores: Annotated[str, typer.Option(help="Scores whose correlation with HSF is compared.")] = "avh,confidence",
) -> None:
    """Model runs side by side on the same samples: accuracy, calibration, hardness, and how each follows HSF."""
    from avhcurate.features.compare.service import side_by_side
    from avhcurate.workspace.data.settings import split_text

    keys = split_text(scores)
    comparison = side_by_side(options.run_table(name), split_text(runs) or None, keys=keys)
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
    print(f"{name}: {comparison.n:,} of {comparison.labelled:,} labelled samples, scored by every run")
    columns = ["run", "n", "accuracy", "class_accuracy", "ece", "brier", "nll", "avh"]
    if comparison.voted:
        columns += [f"{key}_hsf" for key in keys]
    options.print_table(comparison.table[columns], digits=4)
    if comparison.simulated:
        print("The human votes are SIMULATED.")
    if comparison.voted:
        for finding in findings:
            print("\n{discovery}. {title}: {verdict}. {sentence}".format(**finding))
