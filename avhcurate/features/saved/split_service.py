"""Train, validation and test parts of a dataset, stratified by class and HSF bin: as a table and as sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.curate.saved import Saved, check_name
from avhcurate.datasets.export.service import describe_export
from avhcurate.datasets.export.tabular import write_frame
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.saved.split_rules import check_shares, split
from avhcurate.workspace.data.workspace import Workspace

#: What strata can be made of, and the columns that hold it.
STRATA = {"class": "curated_label_name", "hsf": "hsf_bin"}
_NAMES = {2: ("train", "test"), 3: ("train", "validation", "test")}


@dataclass(frozen=True, kw_only=True)
class Split:
    """The parts of a split.

    `rows` has id, path, split, curated_label, curated_label_name, hsf_bin and part, by id. `strata` has the columns of
    `by`, n, a column per part, and a note where a stratum is smaller than the number of parts. In both a column
    `hsf_source` after `hsf_bin` marks simulated votes. `counts` are the samples of each part.
    """

    rows: pd.DataFrame
    strata: pd.DataFrame
    counts: dict[str, int]
    manifest: dict[str, Any]


def make_split(
    table: DatasetTable,
    shares: Sequence[float],
    *,
    by: Sequence[str] = ("class", "hsf"),
    seed: int = 0,
    group: str | None = None,
    filters: Filters | None = None,
) -> Split:
    """Divide the samples in view into parts.

    Two parts are train and test, three are train, validation and test. `by` holds keys of STRATA. The values of the
    column `group` stay in one part. Samples without a class or without votes are their own stratum. Raises
    CurateError for shares that do not sum to 1, unknown strata, and an empty view.
    """
    filters = filters or Filters()
    fractions = check_shares(shares)
    names = _NAMES.get(len(fractions)) or tuple(f"part-{number + 1}" for number in range(len(fractions)))
    if unknown := [key for key in by if key not in STRATA]:
        raise CurateError(f"Strata cannot be made by {', '.join(unknown)}. Choose from {', '.join(STRATA)}.")
    rows = table.frame(filters, columns=["id", "path", "split", "curated_label", "curated_label_name", "hsf_bin"])
    if rows.empty:
        raise empty_view(table, filters, "No sample satisfies the filters, so there is nothing to split. Widen them.")
    codes, strata = _strata(rows, [STRATA[key] for key in by])
    parts = split(codes, fractions.tolist(), seed=seed, groups=_groups(table, filters, group))
    rows["part"] = np.array(names, object)[parts]
    for number, name in enumerate(names):
        strata[name] = np.bincount(codes[parts == number], minlength=len(strata))
    strata["note"] = np.where(strata["n"] < len(names), "fewer than parts", "")
    if table.simulated:
        for marked in (rows, strata):
            if "hsf_bin" in marked:
                marked.insert(list(marked).index("hsf_bin") + 1, "hsf_source", "simulated")
    counts = {name: int((parts == number).sum()) for number, name in enumerate(names)}
    manifest = describe_export(table, filters, "table", len(rows)) | {
        "split": dict(zip(names, fractions.tolist(), strict=True)),
        "parts": counts,
        "by": list(by),
        "group": group,
        "seed": seed,
        "strata": strata.astype(object).where(strata.notna(), None).to_dict("records"),
    }
    return Split(rows=rows, strata=strata, counts=counts, manifest=manifest)


def write_split(split: Split, out: Path, *, force: bool = False) -> None:
    """Write the rows as .csv, .jsonl or .parquet, by the ending of `out`, with a manifest that counts the strata."""
    write_frame(split.rows, out, split.manifest, force=force)


def save_parts(workspace: Workspace, table: DatasetTable, split: Split, name: str) -> list[str]:
    """Save every part that has samples as a set NAME PART. Return the names."""
    names = {part: check_name(f"{name} {part}") for part, count in split.counts.items() if count}
    for part, title in names.items():
        ids = split.rows.loc[split.rows["part"] == part, "id"].to_numpy(np.int64)
        Saved(workspace, table.present_name()).save_set(title, ids)
    table.refresh()
    return list(names.values())


def _strata(rows: pd.DataFrame, columns: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the stratum of each row (N,), and the strata in order with their sizes `n`."""
    if not columns:
        return np.zeros(len(rows), np.int64), pd.DataFrame({"n": [len(rows)]})
    grouped = rows.groupby(columns, dropna=False, sort=True)
    strata = grouped.size().rename("n").reset_index()
    return grouped.ngroup().to_numpy(np.int64), strata


def _groups(table: DatasetTable, filters: Filters, column: str | None) -> np.ndarray | None:
    if column is None:
        return None
    try:
        codes: np.ndarray = pd.factorize(table.frame(filters, columns=[column])[column])[0]
    except TypeError as error:
        raise CurateError(f"The column {column} holds lists or records, which cannot group samples.") from error
    return codes
