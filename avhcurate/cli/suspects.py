"""`avhcurate suspects`: labels that are likely wrong."""

from pathlib import Path
from typing import Annotated

import typer

from avhcurate.cli import options
from avhcurate.features.suspects.settings import SuspectsSettings


@options.verb(SuspectsSettings)
def suspects(
    settings: SuspectsSettings,
    csv: Annotated[Path | None, typer.Option(help="Write all undecided suspects to this file.")] = None,
) -> None:
    from avhcurate.features.suspects import decisions
    from avhcurate.features.suspects import service as suspects_service

    table = options.run_table(settings.dataset, settings.model)
    with options.job(settings) as progress:
        folder = suspects_service.find_suspects(table, settings, progress=progress)
    record, every = folder.record, folder.suspects()
    doubtful = decisions.undecided(table, every)
    rows = suspects_service.export_table(table, doubtful, record)
    left_out = len(every) - len(doubtful)
    options.write_csv(rows, csv)
    if options.printed({"record": record, "left_out": left_out, "rows": rows}):
        return
    by = "by the run's own head"
    if record.heads:
        by = f"out of {record.heads.folds} folds, accuracy of the heads {record.heads.accuracy:.3f}"
    print(f"{settings.dataset}, {record.run}, {by}: {record.listed} of {record.samples} labels are in doubt")
    simulated = ""
    if record.simulated:
        simulated = " (SIMULATED votes)"
    print("doubted by " + ", ".join(f"{key} {n}" for key, n in record.doubting.items()) + simulated)
    print(", ".join(f"{key} {n}" for key, n in record.verdicts.items()))
    print(record.expected_text)
    if left_out:
        print(f"{left_out} are decided or excluded and left out")
    for source, why in record.missing.items():
        print(f"without {source}: {why}")
    first = rows
    if record.expected is not None:
        first = rows[: int((rows.index < round(record.expected.errors)).sum())]
    if len(first):
        columns = ["rank", "id", "path", "label_name", "suggested_name", "verdict"]
        agree = doubtful["agreement"].astype(str) + " of " + doubtful["spoke"].astype(str)
        print(first[columns].assign(agree=agree).to_string(index=False))
    if len(first) < len(rows):
        print(f"{len(rows) - len(first)} more are in doubt: --csv FILE writes all")
