"""How good networks are on parts of their samples, as a function of arrays: which slice is worse than the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t

from avhcurate.errors import CurateError
from avhcurate.measures.stats.calibration import BINS, NO_CALIBRATION, of_bins
from avhcurate.measures.stats.correlation import ALL
from avhcurate.measures.stats.intervals import wilson

#: Slices of fewer samples, or beside fewer, are not judged.
LEAST = 10
#: The verdicts on a slice against the other samples, and in place of one.
WORSE, BETTER, UNCLEAR = JUDGED = ("worse than the rest", "better than the rest", "no clear difference")
FEW = "too few images"
#: What each slice is measured by.
MEASURES = {"accuracy": "Accuracy", "ece": "ECE", "avh": "Mean AVH", "hsf": "Mean HSF"}
#: Of these a slice has the mean.
_MEANS = ("avh", "hsf")
_FIGURES = ["n", "verdict", *(f"{key}{end}" for key in MEASURES for end in ("", "_low", "_high"))]
#: What `judged` says of each slice of each run.
COLUMNS = ["run", "slice", *_FIGURES, "ece_chance", "avh_n", "hsf_n"]


@dataclass(frozen=True)
class SliceTable:
    """How good a network is on slices of its samples.

    `table`: all samples first, then the slices that are judged, least accurate first, then those of too few samples:
    `by, slice, n, verdict`, `accuracy, ece, avh, hsf` with `_low, _high`, `ece_chance`, `avh_n, hsf_n`. `compared`: how
    many are judged; over these the intervals of a measure hold at once in 95 % (Bonferroni).
    """

    table: pd.DataFrame
    compared: int


@dataclass(frozen=True)
class RunOutcomes:
    """What a network said of n samples: `right` (n,) bool, and `confidence`, `avh`, `hsf` (n,) in [0, 1] or NaN."""

    right: np.ndarray
    confidence: np.ndarray
    avh: np.ndarray
    hsf: np.ndarray


def slices(
    labels: ArrayLike,
    probs: ArrayLike,
    by: Mapping[str, ArrayLike],
    *,
    avh: ArrayLike | None = None,
    hsf: ArrayLike | None = None,
) -> SliceTable:
    """Return how good a network is on parts of N images, and on which it is worse than on all others.

    labels: (N,) class indices, -1 for none; images without a label are left out. probs: (N, K). by: by name what to
    slice by, (N,) each: values, of which each is a slice, missing ones in none, or bool, whether an image is in the one
    slice. avh, hsf: (N,) whose means are compared too, NaN for none. Accuracy has Wilson's interval, the calibration
    error a bootstrap's, means Student's. A slice is worse where its accuracy and that of all others have intervals
    apart. Raises CurateError for shapes that do not fit.

    >>> labels = np.arange(400) % 2
    >>> light = np.where(np.arange(400) < 100, "dim", "day")
    >>> probs = np.where(np.eye(2)[np.where(light == "dim", 0, labels)] == 1, 0.9, 0.1)
    >>> slices(labels, probs, {"light": light}).table[["slice", "n", "accuracy", "verdict"]].values.tolist()[1:]
    [['dim', 100, 0.5, 'worse than the rest'], ['day', 300, 1.0, 'better than the rest']]
    """
    given = np.asarray(labels)
    shares = np.asarray(probs, float)
    columns = {name: pd.Series(np.asarray(values)) for name, values in by.items()}
    means = {name: np.asarray(values, float) for name, values in (("avh", avh), ("hsf", hsf)) if values is not None}
    if shares.ndim != 2 or not len(shares):
        raise CurateError(f"probs has the shape {shares.shape}. Give (N, K).")
    shapes = {"labels": given.shape} | {name: values.shape for name, values in (columns | means).items()}
    for name, shape in shapes.items():
        if shape != (len(shares),):
            raise CurateError(f"{name} has the shape {shape} for {len(shares)} rows of probs. Give (N,).")
    kept = np.flatnonzero(given >= 0)
    if not len(kept):
        raise CurateError("No image has a label, so nothing can be right.")
    outcomes = RunOutcomes(
        right=shares[kept].argmax(axis=1) == given[kept],
        confidence=shares[kept].max(axis=1),
        **{name: means.get(name, np.full(len(given), np.nan))[kept] for name in _MEANS},
    )
    parts = {("", ALL): np.arange(len(kept))}
    for name, column in columns.items():
        parts |= {(name, value): rows for value, rows in _parts(name, column.iloc[kept])}
    rows = judged({"": measured(outcomes, list(parts.values()))})
    rows[["by", "slice"]] = [list(parts)[number] for number in rows["slice"]]
    return SliceTable(rows[["by", *COLUMNS[1:]]], compared_of(rows))


def _parts(name: str, column: pd.Series) -> list[tuple[str, np.ndarray]]:
    """Return the slices of a column by their names, as positions in it."""
    if column.dtype == bool:
        return [(name, np.flatnonzero(column))]
    codes, values = pd.factorize(column, sort=True)
    return [(str(value), np.flatnonzero(codes == code)) for code, value in enumerate(values)]


def compared_of(rows: pd.DataFrame) -> int:
    """Return how many slices are judged."""
    return int(rows["verdict"].isin(JUDGED).sum())


# --- the figures of a slice --------------------------------------------------------------------------------------


def measured(outcomes: RunOutcomes, members: Sequence[np.ndarray]) -> list[dict[str, object]]:
    """Return the figures of each slice that is not empty, given as the positions of its samples.

    `slice` (its number), `n`, `right`, of each mean `KEY, KEY_n, KEY_sd`, and `bins`: of about equally many samples by
    confidence, as `calibration.of_bins` takes them, None where a confidence is missing.
    """
    return [_figures(outcomes, number, rows) for number, rows in enumerate(members) if len(rows)]


def _figures(outcomes: RunOutcomes, number: int, rows: np.ndarray) -> dict[str, object]:
    found: dict[str, object] = {"slice": number, "n": len(rows), "right": int(outcomes.right[rows].sum())}
    for key in _MEANS:
        values = getattr(outcomes, key)[rows]
        known = pd.Series(values[~np.isnan(values)])
        found |= {f"{key}_n": len(known), key: known.mean(), f"{key}_sd": known.std()}
    return found | {"bins": _bins(outcomes.confidence[rows], outcomes.right[rows])}


def _bins(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame | None:
    """Return a row a bin of samples by confidence; ties stay together, so there may be fewer bins."""
    order = np.argsort(confidence, kind="stable")
    p = confidence[order].astype(float)
    if np.isnan(p[-1]):  # NaN is last
        return None
    correct = right[order]
    first_of_tie = np.searchsorted(p, p)
    starts = np.unique(BINS * first_of_tie // len(p), return_index=True)[1]
    sums = {
        "confidence": p,
        "right": correct,
        "squares": (correct - p) ** 2,
        "spread": p * (1 - p),
    }
    ends = np.append(starts[1:], len(p)) - 1
    rows = {name: np.add.reduceat(values.astype(float), starts) for name, values in sums.items()}
    return pd.DataFrame({"low": p[starts], "high": p[ends], "n": ends - starts + 1} | rows)


# --- all of them together ----------------------------------------------------------------------------------------


def judged(figures: Mapping[str, Sequence[Mapping[str, object]]]) -> pd.DataFrame:
    """Return the `COLUMNS` of what is `measured` of each run, by its name; `slice` is the number of the slice.

    Slice 0 is that of all samples. The intervals hold at once for all slices that are judged, of all runs.
    """
    rows = pd.DataFrame([{"run": run, **of_slice} for run, slices in figures.items() for of_slice in slices])
    rest = rows.groupby("run")[["n", "right"]].transform("first") - rows[["n", "right"]]
    enough = np.minimum(rows["n"], rest["n"]) >= LEAST
    comparisons = max(1, int(enough.sum()))
    rows["accuracy"] = rows["right"] / rows["n"]
    low, high = wilson(rows["right"], rows["n"], comparisons=comparisons)
    least, most = wilson(rest["right"], rest["n"], comparisons=comparisons)
    rows["verdict"] = np.select([rest["n"] == 0, ~enough, high < least, low > most], ["", FEW, WORSE, BETTER], UNCLEAR)
    rows["accuracy_low"] = low
    rows["accuracy_high"] = high
    rows[["ece", "ece_low", "ece_high", "ece_chance"]] = [
        _calibration_error(bins, comparisons) for bins in rows["bins"]
    ]
    for key in _MEANS:
        n = rows[f"{key}_n"]
        reach = t.ppf(1 - 0.025 / comparisons, n - 1) * rows[f"{key}_sd"] / np.sqrt(n)
        rows[f"{key}_low"] = (rows[key] - reach).clip(lower=0)
        rows[f"{key}_high"] = (rows[key] + reach).clip(upper=1)
    first = np.select([rows["slice"] == 0, enough], [0, 1], 2)
    ordered = rows.assign(first=first).sort_values(["first", "accuracy"], kind="stable", ignore_index=True)
    return ordered[COLUMNS]


def _calibration_error(bins: pd.DataFrame | None, comparisons: int) -> tuple[float, ...]:
    """Return the ECE of a slice, the ends of its interval, and what chance reaches."""
    found = NO_CALIBRATION
    if bins is not None:
        found = of_bins(bins, comparisons=comparisons)
    return found.ece, found.low, found.high, found.chance
