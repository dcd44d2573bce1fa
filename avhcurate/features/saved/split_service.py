"""Train, validation and test parts of a dataset, stratified by class and HSF bin: as a table and as sets."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.curate.saved import Saved, check_name
from avhcurate.datasets.export.service import describe_export
from avhcurate.datasets.export.tabular import write_frame
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.workspace.data.bursts import AUTO
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import sample_groups
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.json_text import records

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
    decisions: Decisions,
    votes: Votes,
    run: RunFolder | None,
    shares: Sequence[float],
    *,
    by: Sequence[str] = ("class", "hsf"),
    seed: int = 0,
    group: str | None = None,
    filters: Filters | None = None,
) -> Split:
    """Divide the samples in view into parts.

    Two parts are train and test, three are train, validation and test. `by` holds keys of STRATA. The values of the
    column `group` ("auto": bursts) stay in one part. Samples without a class or without votes are their own stratum.
    Raises CurateError for shares that do not sum to 1, unknown strata, and an empty view.
    """
    samples = decisions.samples
    filters = filters or Filters()
    fractions = check_shares(shares)
    names = _NAMES.get(len(fractions)) or tuple(f"part-{number + 1}" for number in range(len(fractions)))
    if unknown := [key for key in by if key not in STRATA]:
        raise CurateError(f"Strata cannot be made by {', '.join(unknown)}. Choose from {', '.join(STRATA)}.")
    rows = samples.frame(filters, columns=["id", "path", "split", "curated_label", "curated_label_name", "hsf_bin"])
    if rows.empty:
        raise empty_view(samples, filters, "No image satisfies the filters, so there is nothing to split. Widen them.")
    codes, strata = _strata(rows, [STRATA[key] for key in by])
    groups, joined = _groups(samples, run, decisions.dataset, filters, rows["id"].to_numpy(), group)
    parts = split(codes, fractions.tolist(), seed=seed, groups=groups)
    rows["part"] = np.array(names, object)[parts]
    for number, name in enumerate(names):
        strata[name] = np.bincount(codes[parts == number], minlength=len(strata))
    strata["note"] = np.where(strata["n"] < len(names), "fewer than parts", "")
    if samples.simulated:
        for marked in (rows, strata):
            if "hsf_bin" in marked:
                marked.insert(list(marked).index("hsf_bin") + 1, "hsf_source", "simulated")
    counts = {name: int(strata[name].sum()) for name in names}
    manifest = describe_export(decisions, votes, run, filters, "table", len(rows)) | {
        "split": dict(zip(names, fractions.tolist(), strict=True)),
        "parts": counts,
        "by": list(by),
        "group": group,
        "joined": joined,
        "seed": seed,
        "strata": records(strata),
    }
    return Split(rows=rows, strata=strata, counts=counts, manifest=manifest)


def write_split(split: Split, out: Path, *, force: bool = False) -> None:
    """Write the rows as .csv, .jsonl or .parquet, by the ending of `out`, with a manifest that counts the strata."""
    write_frame(split.rows, out, split.manifest, force=force)


def save_parts(workspace: Workspace, decisions: Decisions, split: Split, name: str) -> list[str]:
    """Save every part that has samples as a set NAME PART. Return the names."""
    names = {part: check_name(f"{name} {part}") for part, count in split.counts.items() if count}
    for part, title in names.items():
        ids = split.rows.loc[split.rows["part"] == part, "id"].to_numpy(np.int64)
        Saved(workspace, decisions.present_name()).save_set(title, ids)
    decisions.refresh()
    return list(names.values())


def _strata(rows: pd.DataFrame, columns: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the stratum of each row (N,), and the strata in order with their sizes `n`."""
    if not columns:
        return np.zeros(len(rows), np.int64), pd.DataFrame({"n": [len(rows)]})
    grouped = rows.groupby(columns, dropna=False, sort=True)
    return grouped.ngroup().to_numpy(np.int64), grouped.size().rename("n").reset_index()


def _groups(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    filters: Filters,
    ids: np.ndarray,
    column: str | None,
) -> tuple[np.ndarray | None, dict[str, int]]:
    """Return the group of each sample, -1 for none, and how many images each way of finding bursts joins."""
    if column is None:
        return None, {}
    if column == AUTO:
        features = run.features() if run is not None and run.has_features else None
        groups, joined = sample_groups(dataset, features, ids, column=AUTO)
        return np.where(np.bincount(groups)[groups] > 1, groups, -1), joined
    try:
        return pd.factorize(samples.frame(filters, columns=[column])[column])[0], {}
    except TypeError as error:
        raise CurateError(f"The column {column} holds lists or records, which cannot group images.") from error


# --- the rules --------------------------------------------------------------------------------------------------------


def check_shares(shares: Sequence[float]) -> np.ndarray:
    """Return shares as fractions that sum to 1. There are two or more, each above 0."""
    values = np.asarray(shares, float)
    if len(values) < 2 or not np.isfinite(values).all() or (values <= 0).any() or not math.isclose(values.sum(), 1):
        raise CurateError("The shares are not valid. Give two or more numbers above 0 that sum to 1, as 0.8,0.1,0.1.")
    return values / values.sum()


def apportion(n: int, quotas: np.ndarray, behind: np.ndarray | None = None) -> np.ndarray:
    """Divide `n` seats by largest remainder: (P,) whole numbers that sum to n, each less than 1 off n * quota / sum.

    Between equal remainders the part that is further `behind` (P,) goes first, then the earlier one.

    >>> apportion(10, np.array([0.8, 0.1, 0.1])).tolist(), apportion(3, np.array([0.8, 0.1, 0.1])).tolist()
    ([8, 1, 1], [3, 0, 0])
    """
    exact = n * quotas / quotas.sum()
    seats = np.floor(exact + 1e-9).astype(np.int64)
    remainders = np.round(exact - seats, 9)
    if behind is None:
        behind = np.zeros(len(quotas))
    order = np.lexsort((-behind, -remainders))
    seats[order[: n - seats.sum()]] += 1
    return seats


def split(strata: np.ndarray, shares: Sequence[float], *, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the part of each sample, (N,) from 0 to P - 1.

    `strata` (N,) are codes from 0. Without groups every stratum is divided by largest remainder. `groups` (N,) are
    codes, -1 for none. Groups are placed whole, the largest first, each into the part that lacks most of what it holds.
    Samples without a group then fill each stratum, which is exact if the groups leave room.
    """
    fractions = check_shares(shares)
    generator = np.random.default_rng(seed)
    parts = np.full(len(strata), -1, np.int64)
    targets = _targets(np.bincount(strata), fractions)
    if groups is not None:
        _place_groups(parts, strata, groups, targets, generator)
    ends = np.cumsum(targets.sum(axis=1))
    for target, members in zip(targets, np.split(np.argsort(strata, kind="stable"), ends[:-1]), strict=True):
        free = members[parts[members] < 0]
        if len(free):
            placed = np.bincount(parts[members][parts[members] >= 0], minlength=len(fractions))
            seats = apportion(len(free), np.maximum(target - placed, 0))
            parts[generator.permutation(free)] = np.repeat(np.arange(len(fractions)), seats)
    return parts


def _targets(sizes: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Return the samples of each stratum in each part, (S, P). A part that small strata round down goes first next."""
    targets = np.zeros((len(sizes), len(fractions)), np.int64)
    behind = np.zeros(len(fractions))
    for stratum, size in enumerate(sizes.tolist()):
        targets[stratum] = apportion(size, fractions, behind)
        behind += size * fractions - targets[stratum]
    return targets


def _place_groups(
    parts: np.ndarray, strata: np.ndarray, groups: np.ndarray, targets: np.ndarray, generator: np.random.Generator
) -> None:
    lacking = targets.astype(float)
    frame = pd.DataFrame({"group": groups})[groups >= 0]
    members = [rows.to_numpy() for rows in frame.groupby("group").groups.values()]
    shuffled = [members[position] for position in generator.permutation(len(members))]
    for group in sorted(shuffled, key=len, reverse=True):
        codes, counts = np.unique(strata[group], return_counts=True)
        parts[group] = part = int(np.argmax(counts @ lacking[codes]))
        lacking[codes, part] -= counts
