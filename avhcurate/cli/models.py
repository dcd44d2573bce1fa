"""The verb that compares runs: models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avhcurate.cli import options

if TYPE_CHECKING:
    from avhcurate.compare.service import SideBySide
    from avhcurate.training_dynamics.findings import Finding


@options.app.command()
def models(
    name: options.NameArgument,
    runs: Annotated[
        str | None, typer.Option(help="Names of runs or models, as A,B,... [the newest run of each network].")
    ] = None,
    scores: Annotated[str, typer.Option(help="Scores whose correlation with HSF is compared.")] = "avh,confidence",
    csv: Annotated[Path | None, typer.Option(help="Write the table to this file.")] = None,
    force: options.ForceOption = False,
    workspace: options.WorkspaceOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Model runs side by side on the same samples: accuracy, calibration, hardness, and how each follows HSF."""
    from avhcurate.compare import service as compare_service
    from avhcurate.training_dynamics import discovery_text

    table = options.open_run_table(workspace, name, None)
    names = options.comma_separated(runs) if runs else None
    keys = options.comma_separated(scores)
    comparison = compare_service.side_by_side(table, names, keys=keys)
    options.write_csv(compare_service.export_table(comparison), csv, force=force)
    if as_json:
        options.print_json(
            {
                "rows": compare_service.export_table(comparison),
                "agreement": comparison.agreement,
                "pairs": comparison.pairs,
                "avh_rank_agreement": comparison.avh.reset_index(names="model"),
                "norm_rank_agreement": comparison.norm.reset_index(names="model"),
                "discoveries": [_as_json(finding) for finding in comparison.findings],
            }
        )
        return
    votes = ", SIMULATED human votes" if comparison.simulated else ""
    print(f"{name}: {len(comparison.ids):,} of {comparison.labelled:,} labelled samples, scored by every run{votes}")
    _print_table(comparison, keys)
    if comparison.voted:
        for finding in comparison.findings:
            title, text = discovery_text.TITLES[finding.discovery], discovery_text.sentence(finding)
            print(f"\n{finding.discovery}. {title}: {finding.verdict}. {text}")


def _as_json(finding: "Finding") -> dict[str, Any]:
    from avhcurate.training_dynamics.discovery_text import TITLES, figure_name, sentence

    figures: dict[str, Any] = {}
    for one in finding.figures:
        name = figure_name(one)
        figures |= {name: one.value, f"{name}, low": one.low, f"{name}, high": one.high}
    return {
        "discovery": finding.discovery,
        "title": TITLES[finding.discovery],
        "verdict": finding.verdict,
        "sentence": sentence(finding),
        "figures": figures,
    }


def _print_table(comparison: "SideBySide", keys: list[str]) -> None:
    table = comparison.table
    shown: dict[str, Any] = {"run": table["run"], "n": table["n"]}
    for column, digits in (("accuracy", 3), ("ece_mass", 3), ("ece_width", 3)):
        ends = zip(table[column], table[f"{column}_low"], table[f"{column}_high"], strict=True)
        shown[column] = [f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]" for value, low, high in ends]
    shown |= {name: table[name].round(4) for name in ("class_accuracy", "brier", "nll", "avh")}
    for key in keys if comparison.voted else []:
        ends = zip(*(table[f"{key}_hsf{part}"] for part in ("", "_low", "_high")), strict=True)
        shown[f"{key} with HSF"] = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in ends]
    print(type(table)(shown).to_string(index=False))
