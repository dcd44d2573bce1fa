"""`avhcurate suspects`: labels that are likely wrong."""

from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.errors import NothingFound
from avhcurate.features.suspects.settings import SuspectsSettings

if TYPE_CHECKING:
    import pandas as pd

    from avhcurate.features.suspects.store import SuspectsRecord

#: Suspects that are printed without --limit.
FIRST = 20


@options.verb(SuspectsSettings)
def suspects(settings: SuspectsSettings) -> None:
    from avhcurate.features.suspects import decisions
    from avhcurate.features.suspects import service as suspects_service

    table = options.run_table(settings.dataset, settings.model)
    with options.job(settings) as progress:
        folder = suspects_service.find_suspects(table, settings, progress=progress)
    record = folder.record
    listed = folder.suspects()
    doubtful = decisions.undecided(table, listed)
    rows = suspects_service.export_table(table, doubtful, record)[: settings.limit]
    left_out = len(listed) - len(doubtful)
    if not options.printed({"record": record, "left_out": left_out, "rows": rows}, rows):
        _print(settings, record, rows, doubtful, left_out)
    if rows.empty:
        raise NothingFound(f"No undecided label of {settings.dataset} is in doubt.")


def _print(
    settings: SuspectsSettings,
    record: "SuspectsRecord",
    rows: "pd.DataFrame",
    doubtful: "pd.DataFrame",
    left_out: int,
) -> None:
    by = "by the run's own heads"
    if record.heads:
        by = f"out of {record.heads.folds} folds, accuracy of the heads {record.heads.accuracy:.3f}"
    print(f"{settings.dataset}, {record.run}, {by}: {record.listed} of {record.samples} labels are in doubt")
    simulated = " (SIMULATED votes)" if record.simulated else ""
    print("doubted by " + ", ".join(f"{key} {n}" for key, n in record.doubting.items()) + simulated)
    print(", ".join(f"{key} {n}" for key, n in record.verdicts.items()))
    print(record.weights_text)
    if left_out:
        print(f"{left_out} are decided or excluded and left out")
    for source, why in record.missing.items():
        print(f"without {source}: {why}")
    first = rows.head(settings.limit or FIRST)
    if len(first):
        columns = ["rank", "id", "path", "label_name", "suggested_name", "verdict"]
        agree = doubtful["agreement"].astype(str) + " of " + doubtful["spoke"].astype(str)
        print(first[columns].assign(agree=agree).to_string(index=False))
    if len(first) < len(doubtful):
        print(f"{len(doubtful) - len(first)} more are in doubt: --out FILE writes all")
