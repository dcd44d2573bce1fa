"""Train, validation and test parts of a dataset, stratified by class and HSF bin: as one table, as exports, as sets."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.curate.saved import check_name, save_set
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError
from avhcurate.export import FOLDERS, FORMATS, describe_export, export, safe_name
from avhcurate.export.output import atomic_output
from avhcurate.export.tabular import write_frame
from avhcurate.saved.split_rules import check_shares, split
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.empty_view import empty_view
from avhcurate.table.filters import Filters

#: What strata can be made of, and the columns that say it.
STRATA = {"class": "curated_label_name", "hsf": "hsf_bin"}
_NAMES = {2: ("train", "test"), 3: ("train", "validation", "test")}


@dataclass(frozen=True)
class Split:
    """`rows` (id, path, split, curated_label, curated_label_name, hsf_bin, part) by id; `strata` counts them.

    `strata`: the columns of `by`, n, a column a part, and a note where a stratum is too small for every part. In both a
    column `hsf_source` after `hsf_bin` marks simulated votes.
    """

    rows: pd.DataFrame
    strata: pd.DataFrame
    names: tuple[str, ...]
    shares: tuple[float, ...]
    by: tuple[str, ...]
    seed: int
    group: str | None
    filters: Filters

    @property
    def counts(self) -> dict[str, int]:
        return {name: int((self.rows["part"] == name).sum()) for name in self.names}


def make_split(
    table: DatasetTable,
    shares: Sequence[float],
    *,
    by: Sequence[str] = ("class", "hsf"),
    seed: int = 0,
    group: str | None = None,
    names: Sequence[str] | None = None,
    filters: Filters | None = None,
) -> Split:
    """Divides the samples in view. `by`: keys of STRATA; `group`: a column whose values stay together, null for none.

    Samples without a class or without votes are a stratum of their own.
    """
    filters, fractions = filters or Filters(), check_shares(shares)
    titles = _part_names(names, len(fractions))
    if unknown := [key for key in by if key not in STRATA]:
        raise CurateError(f"strata are made by {', '.join(STRATA)}, not by {', '.join(unknown)}")
    rows = table.frame(filters, columns=["id", "path", "split", "curated_label", "curated_label_name", "hsf_bin"])
    if rows.empty:
        raise empty_view(table, filters, "no sample satisfies the filters, so there is nothing to split: widen them")
    codes, strata = _strata(rows, [STRATA[key] for key in by])
    parts = split(codes, fractions.tolist(), seed=seed, groups=_groups(table, filters, group))
    rows["part"] = np.array(titles, object)[parts]
    for number, title in enumerate(titles):
        strata[title] = np.bincount(codes[parts == number], minlength=len(strata))
    strata["note"] = np.where(strata["n"] < len(titles), "fewer than parts", "")
    if table.simulated:
        rows, strata = _marked(rows), _marked(strata)
    return Split(rows, strata, titles, tuple(fractions.tolist()), tuple(by), seed, group, filters)


def write_split(
    table: DatasetTable, split: Split, out: Path, *, format: str | None = None, force: bool = False
) -> None:
    """Writes the parts with a manifest that counts them by stratum.

    Without `format` one table with a column `part`, by the ending of `out`: .csv, .jsonl or .parquet. With one a
    folder in which each part is an export of that format.
    """
    if format is not None:
        _write_exports(table, split, out, format, force=force)
        return
    write_frame(split.rows, out, describe_split(table, split, format), force=force)


def save_parts(workspace: Workspace, table: DatasetTable, split: Split, name: str, *, who: str = "") -> list[str]:
    """Saves every part as a set NAME PART; returns their names. A part without samples is no set."""
    names = {part: check_name(f"{name} {part}") for part, count in split.counts.items() if count}
    for part, title in names.items():
        ids = split.rows.loc[split.rows["part"] == part, "id"].to_numpy(np.int64)
        save_set(workspace, table.present_name(), title, ids, who=who)
    table.refresh()
    return list(names.values())


def describe_split(table: DatasetTable, split: Split, format: str | None) -> dict[str, Any]:
    """The manifest: what was divided how, and the counts of every stratum."""
    strata = split.strata.astype(object).where(split.strata.notna(), None)
    return describe_export(table, split.filters, format or "table", len(split.rows)) | {
        "split": dict(zip(split.names, split.shares, strict=True)),
        "parts": split.counts,
        "by": list(split.by),
        "group": split.group,
        "seed": split.seed,
        "strata": strata.to_dict("records"),
        "versions": {name: version(name) for name in ("avhcurate", "numpy", "pyarrow")},
    }


def _write_exports(table: DatasetTable, split: Split, out: Path, format: str, *, force: bool) -> None:
    if format not in FORMATS:
        raise CurateError(f"no format is called {format}: choose from {', '.join(FORMATS)}")
    ending = "" if format in FOLDERS else f".{format}"
    with atomic_output(out, folder=True, force=force) as output:
        output.path.mkdir()
        for part in split.names:
            ids = split.rows.loc[split.rows["part"] == part, "id"].tolist()
            if ids:
                export(table, Filters(), format, output.path / f"{safe_name(part)}{ending}", only=ids)
        output.manifest |= describe_split(table, split, format)


def _marked(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the mark of simulated votes beside the HSF bins, where it has them."""
    if "hsf_bin" in table:
        table.insert(list(table).index("hsf_bin") + 1, "hsf_source", "simulated")
    return table


def _strata(rows: pd.DataFrame, columns: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """The stratum of each row (N,), and the strata in order with their sizes `n`."""
    if not columns:
        return np.zeros(len(rows), np.int64), pd.DataFrame({"n": [len(rows)]})
    grouped = rows.groupby(columns, dropna=False, sort=True)
    strata = grouped.size().rename("n").reset_index()
    return grouped.ngroup().to_numpy(np.int64), strata


def _groups(table: DatasetTable, filters: Filters, column: str | None) -> np.ndarray | None:
    if column is None:
        return None
    values = table.frame(filters, columns=[column])[column]
    if table.types[column].endswith("]") or table.types[column].startswith(("STRUCT", "MAP")):
        raise CurateError(f"{column} holds lists or records, by which no samples belong together: choose another")
    codes: np.ndarray = pd.factorize(values)[0]
    return codes.astype(np.int64)


def _part_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    titles = tuple(names or _NAMES.get(count) or (f"part-{number + 1}" for number in range(count)))
    if len(titles) != count or len({safe_name(name).casefold() for name in titles}) < count or not all(titles):
        raise CurateError(f"{count} shares need {count} different names, not {', '.join(titles)}")
    if taken := [name for name in titles if name in ("n", "note", "hsf_source", *STRATA.values())]:
        raise CurateError(f"a part cannot be called {taken[0]}: choose another name")
    return titles
