"""Model runs on the same samples: how good each is, how calibrated, what it finds hard, and where two of them differ.

A sample takes part when it is in view, has a label and was scored by every run compared; what is left out is counted.
Samples are aligned by id. "Right" means that the predicted class is the given label.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from avhcurate.analysis import calibration, comparison, dependent, discoveries
from avhcurate.analysis.calibration import BINNINGS, Calibration
from avhcurate.analysis.comparison import Line
from avhcurate.analysis.correlation import ALL, correlate
from avhcurate.analysis.discoveries import Model, Reading
from avhcurate.curation import bins
from avhcurate.curation.filters import Filters
from avhcurate.curation.hsf import wilson
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.services.tables import DatasetTable, titles
from avhcurate.storage.files import check_free, write_atomic
from avhcurate.storage.runs import RunFolder

#: Scores that every run has, and so can be compared between runs.
KEYS = tuple(key for key, score in SCORES.items() if not score.training)
#: The newest runs that are compared unless others are asked for, so that many over many samples fit into memory.
MOST_RUNS = 12
#: A bin of fewer samples is no point of the figure that holds one dataset against another.
LEAST_IN_BIN = 10

_COLUMNS = ("max_confidence", "loss", "el2n", "avh", "relative_avh", "norm")


@dataclass(frozen=True)
class Samples:
    """Labelled samples by id, (n,) each: `bin` is the HSF bin, -1 for none.

    `people` is 1 where most votes went to the given label (more than to any other class; of ticks, more than half), 0
    where they did not, -1 without votes.
    """

    ids: np.ndarray
    labels: np.ndarray
    hsf: np.ndarray
    bin: np.ndarray
    people: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def voted(self) -> bool:
        return bool((self.people >= 0).any())

    def at(self, rows: np.ndarray) -> "Samples":
        return Samples(*(column[rows] for column in vars(self).values()))


@dataclass(frozen=True)
class SideBySide:
    """Runs on the samples that all of them scored; `table` has a row a run.

    `agreement`: `run, score, bin, n, spearman, ci_low, ci_high`. `pairs`: the test of every two runs by every score
    over all samples, as `dependent.compare` gives it, with `score`. `avh`, `norm`: Spearman between the runs (R, R).
    `follows`: AVH and norm with HSF of every run, `readings` what they say of the paper's discoveries 4 and 5.
    `calibrations`: by run and binning. `ranks`: percentile ranks of AVH (n,) by run, of `samples`.
    """

    table: pd.DataFrame
    agreement: pd.DataFrame
    pairs: pd.DataFrame
    avh: pd.DataFrame
    norm: pd.DataFrame
    follows: pd.DataFrame
    readings: list[Reading]
    calibrations: dict[tuple[str, str], Calibration]
    ranks: dict[str, np.ndarray]
    samples: Samples
    labelled: int
    simulated: bool


@dataclass(frozen=True)
class Pair:
    """Two runs on the samples that both scored.

    `points`: `id, label, hsf, bin, people, a_predicted, b_predicted, a_right, b_right, a, b, a_rank, b_rank`, a row a
    sample; a and b are AVH, relative AVH where the runs tell different numbers of classes apart (`measure`); ranks are
    shares in (0, 1), large = hard. `tests`: a row a score and bin, as `dependent.compare`. `only`: how many A alone has
    right, how many B alone, and McNemar's p. `spearman`: of a with b. `left_out`: labelled samples in
    view that A, that B has not scored.
    """

    names: tuple[str, str]
    titles: tuple[str, str]
    measure: str
    points: pd.DataFrame
    tests: pd.DataFrame
    only: tuple[int, int, float]
    spearman: float
    left_out: tuple[int, int]
    labelled: int
    num_classes: int
    edges: tuple[float, ...]
    simulated: bool

    @property
    def voted(self) -> bool:
        return bool((self.points["people"] >= 0).any())


def comparable_runs(table: DatasetTable) -> list[RunFolder]:
    """The complete runs of the dataset, newest first."""
    return [run for run in table.dataset.runs() if run.complete][::-1]


def default_runs(runs: Sequence[RunFolder]) -> list[str]:
    """Names of the newest run of each network, `MOST_RUNS` at most; a run on a part gives way to one on all samples,
    and one on less than half of what the largest scored is left out.
    """
    largest = max((run.record.samples for run in runs), default=0)
    best: dict[str, RunFolder] = {}
    for run in sorted(runs, key=lambda run: -run.record.samples):  # stable: newest first among equals
        if 2 * run.record.samples >= largest:
            best.setdefault(run.record.weights_sha256, run)
    chosen = {run.name for run in best.values()}
    return [run.name for run in runs if run.name in chosen][:MOST_RUNS]


# --- side by side --------------------------------------------------------------------------------------------


def side_by_side(
    table: DatasetTable,
    names: Sequence[str] | None = None,
    *,
    keys: Sequence[str] = ("avh",),
    filters: Filters | None = None,
) -> SideBySide:
    """Compares runs (names of runs or models; default: `default_runs`) on the samples in view that all have scored.

    Refused without a run, for an unknown one or for an unknown score, and where no sample was scored by all.
    """
    runs = _chosen(table, names)
    _check_keys(keys)
    every = _samples(table, filters)
    samples, left_out = _common(every, runs)
    called = titles(table.dataset)
    rows: list[dict[str, Any]] = []
    columns: dict[str, dict[str, np.ndarray]] = {}
    calibrations: dict[tuple[str, str], Calibration] = {}
    for run in runs:
        read = _read(run, samples.ids, {*_COLUMNS, *keys})
        columns[run.name] = {name: read[name] for name in {"avh", "norm", *keys}}
        right = read["predicted"] == samples.labels
        columns[run.name]["right"] = right
        for binning in BINNINGS:
            calibrations[run.name, binning] = calibration.calibrate(read["max_confidence"], right, binning=binning)
        rows.append(
            {"run": run.name, "model": called[run.name], "classes": run.record.num_classes}
            | _quality(samples, right, read)
            | {"not_scored": left_out[run.name]}
            | _calibration_columns(run.name, calibrations)
        )
    found = pd.DataFrame(rows)
    agreement = _agreement(samples, columns, keys, table.edges)
    for key in keys:
        found = found.merge(_overall(agreement, key), on="run", how="left")
    models = [Model(called[name], c["right"], c["avh"], c["norm"]) for name, c in columns.items()]
    follows = _follows(samples, columns, called)
    between = {key: _between(columns, key, called) for key in ("avh", "norm")}
    return SideBySide(
        found,
        agreement,
        _pairs(samples, columns, keys),
        between["avh"],
        between["norm"],
        follows,
        [discoveries.avh_follows_hsf(models, samples.hsf), discoveries.norm_is_inconsistent(models, samples.hsf)],
        calibrations,
        {name: comparison.percentile_ranks(c["avh"]) for name, c in columns.items()},
        samples,
        len(every),
        table.simulated,
    )


def hard_for_all(found: SideBySide, *, hard: float) -> np.ndarray:
    """Ids of the samples at or above percentile `hard` of AVH in every run, highest mean percentile first."""
    return found.samples.ids[comparison.hard_for_all(list(found.ranks.values()), hard=hard)]


def contract_table(found: SideBySide) -> pd.DataFrame:
    """The table as files have it; a column `hsf_source` says so when the votes are simulated."""
    return found.table.assign(hsf_source="simulated") if found.simulated else found.table


def write_csv(found: SideBySide, out: Path, *, force: bool = False) -> None:
    """Writes `contract_table`; an existing file is refused unless `force`."""
    check_free(out, force=force)
    write_atomic(out, contract_table(found).to_csv(index=False))


def _quality(samples: Samples, right: np.ndarray, read: dict[str, np.ndarray]) -> dict[str, Any]:
    n, hits = len(samples), int(right.sum())
    low, high = wilson(hits, n)
    per_class, _ = comparison.class_accuracy(samples.labels, right)
    return {
        "n": n,
        "accuracy": hits / n,
        "accuracy_low": float(low),
        "accuracy_high": float(high),
        "class_accuracy": per_class,
        "brier": float(np.mean(read["el2n"] ** 2)),  # EL2N is the distance whose square is Brier's score of a sample
        "nll": float(np.mean(read["loss"])),
        "avh": _mean(read["avh"]),
        "relative_avh": _mean(read["relative_avh"]),
        "norm": _mean(read["norm"]),
    }


def _calibration_columns(name: str, found: dict[tuple[str, str], Calibration]) -> dict[str, float]:
    columns: dict[str, float] = {}
    for binning in BINNINGS:
        one = found[name, binning]
        key = f"ece_{binning}"
        columns |= {key: one.ece, f"{key}_low": one.low, f"{key}_high": one.high, f"{key}_chance": one.chance}
    return columns


def _agreement(
    samples: Samples, columns: dict[str, dict[str, np.ndarray]], keys: Sequence[str], edges: Sequence[float]
) -> pd.DataFrame:
    parts = []
    for key in keys:
        of_runs = {name: column[key] for name, column in columns.items()}
        one = correlate(of_runs, samples.hsf, samples.bin, bins.bin_labels(edges)).rename(columns={"score": "run"})
        one.insert(1, "score", key)
        parts.append(one)
    return pd.concat(parts, ignore_index=True)


def _overall(agreement: pd.DataFrame, key: str) -> pd.DataFrame:
    """Of each run the Spearman of a score with HSF over all samples, as columns of the table."""
    rows = agreement[(agreement["score"] == key) & (agreement["bin"] == ALL)]
    names = {"n": f"{key}_hsf_n", "spearman": f"{key}_hsf", "ci_low": f"{key}_hsf_low", "ci_high": f"{key}_hsf_high"}
    return rows[["run", *names]].rename(columns=names)


def _pairs(samples: Samples, columns: dict[str, dict[str, np.ndarray]], keys: Sequence[str]) -> pd.DataFrame:
    parts = []
    for key in keys:
        of_runs = {name: column[key] for name, column in columns.items()}
        tests = dependent.compare(of_runs, samples.hsf, harder=dict.fromkeys(of_runs, SCORES[key].harder))
        tests.insert(0, "score", key)
        parts.append(tests)
    return pd.concat(parts, ignore_index=True)


def _follows(samples: Samples, columns: dict[str, dict[str, np.ndarray]], called: dict[str, str]) -> pd.DataFrame:
    """`run, model, n`, then of AVH and norm `KEY_spearman, KEY_low, KEY_high` with HSF."""
    rows = []
    for name, column in columns.items():
        row: dict[str, Any] = {"run": name, "model": called[name]}
        for key in ("avh", "norm"):
            one = correlate({key: column[key]}, samples.hsf).iloc[0]
            row |= {"n": int(one["n"]), f"{key}_spearman": one["spearman"]}
            row |= {f"{key}_low": one["ci_low"], f"{key}_high": one["ci_high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def _between(columns: dict[str, dict[str, np.ndarray]], key: str, called: dict[str, str]) -> pd.DataFrame:
    names = [called[name] for name in columns]
    matrix = comparison.rank_agreement([column[key] for column in columns.values()])
    return pd.DataFrame(matrix, index=names, columns=names)


# --- two runs ------------------------------------------------------------------------------------------------


def pair(
    table: DatasetTable,
    first: str,
    second: str,
    *,
    keys: Sequence[str] = ("avh",),
    filters: Filters | None = None,
) -> Pair:
    """Compares run A with run B, sample by sample. Refused for one run twice and as `side_by_side`."""
    runs = _chosen(table, [first, second])
    _check_keys(keys)
    every = _samples(table, filters)
    samples, left_out = _common(every, runs)
    classes = [run.record.num_classes for run in runs]
    measure = "avh" if len(set(classes)) == 1 else "relative_avh"
    a, b = (_read(run, samples.ids, {measure, *keys}) for run in runs)
    points = pd.DataFrame(
        {"id": samples.ids, "label": samples.labels, "hsf": samples.hsf, "bin": samples.bin, "people": samples.people}
    )
    for side, read in (("a", a), ("b", b)):
        points[f"{side}_predicted"] = read["predicted"]
        points[f"{side}_right"] = read["predicted"] == samples.labels
        points[side] = read[measure]
        points[f"{side}_rank"] = comparison.percentile_ranks(read[measure])
    called = titles(table.dataset)
    names = runs[0].name, runs[1].name
    return Pair(
        names,
        (called[names[0]], called[names[1]]),
        measure,
        points,
        _tests(samples, a, b, keys, table.edges),
        comparison.mcnemar(points["a_right"].to_numpy(), points["b_right"].to_numpy()),
        float(comparison.rank_agreement([points["a"].to_numpy(), points["b"].to_numpy()])[0, 1]),
        (left_out[names[0]], left_out[names[1]]),
        len(every),
        max(*classes, int(samples.labels.max()) + 1),
        table.edges,
        table.simulated,
    )


def _tests(
    samples: Samples, a: dict[str, np.ndarray], b: dict[str, np.ndarray], keys: Sequence[str], edges: Sequence[float]
) -> pd.DataFrame:
    """`score, bin`, then the test of A against B."""
    parts = []
    for key in keys:
        harder = dict.fromkeys("ab", SCORES[key].harder)
        for name, rows in _groups(samples, edges):
            one = dependent.compare({"a": a[key][rows], "b": b[key][rows]}, samples.hsf[rows], harder=harder)
            one.insert(0, "score", key)
            one.insert(1, "bin", name)
            parts.append(one)
    return pd.concat(parts, ignore_index=True)


def who_is_right(found: Pair) -> pd.DataFrame:
    """Per HSF bin, `all` first: `bin, n, share`, then `people, a, b` (shares right), each with `_low, _high` (Wilson).

    Where there are votes, all three over the samples that have them; `share` is the mean share of votes for the given
    label. Without votes the one row `all`, and NaN for people.
    """
    points = found.points[found.points["people"] >= 0] if found.voted else found.points
    rows = []
    for name, within in [(ALL, points), *_by_bin(points, found)]:
        row: dict[str, Any] = {"bin": name, "n": len(within), "share": _mean(within["hsf"].to_numpy())}
        for judge, column in (("people", "people"), ("a", "a_right"), ("b", "b_right")):
            n = len(within) if judge != "people" or found.voted else 0
            hits = int(within[column].sum()) if n else 0
            low, high = wilson(hits, n)
            row |= {judge: hits / n if n else np.nan, f"{judge}_low": float(low), f"{judge}_high": float(high)}
        rows.append(row)
    return pd.DataFrame(rows)


def outcomes(found: Pair) -> pd.DataFrame:
    """`people, a, b, n, share`: how often each combination of right (True) and wrong occurs, most first.

    Over the samples with votes; without any, over all, and people is missing.
    """
    points = found.points[found.points["people"] >= 0] if found.voted else found.points
    judges = (["people"] if found.voted else []) + ["a_right", "b_right"]
    counts = comparison.outcomes(*(points[judge].to_numpy() for judge in judges))
    rows = [(*combination, int(counts[combination])) for combination in product((1, 0), repeat=len(judges))]
    table = pd.DataFrame(rows, columns=[*(judge.removesuffix("_right") for judge in judges), "n"])
    table = table.astype(dict.fromkeys(table.columns[:-1], bool))
    if not found.voted:
        table.insert(0, "people", None)
    table["share"] = table["n"] / max(1, len(points))
    return table.sort_values("n", ascending=False, kind="stable", ignore_index=True)


def with_outcome(found: Pair, people: bool | None, a: bool, b: bool) -> np.ndarray:
    """Ids of the samples that people (None: whatever they say), A and B get right (True) or wrong, hardest first."""
    points = found.points
    chosen = (points["a_right"] == a) & (points["b_right"] == b)
    if people is not None:
        chosen &= points["people"] == int(people)
    return _hardest_first(points[chosen])


def confusions(found: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Confusion matrices (K, K) of A and of B: row the given label, column the predicted class."""
    labels = found.points["label"].to_numpy()
    a, b = (
        comparison.confusion(labels, found.points[f"{side}_predicted"].to_numpy(), found.num_classes) for side in "ab"
    )
    return a, b


def confused_pairs(a: np.ndarray, b: np.ndarray, *, most: int) -> pd.DataFrame:
    """The pairs of classes that A or B confuses most: see `comparison.confused_pairs`."""
    return comparison.confused_pairs(a, b, most=most)


def most_confused(pairs: pd.DataFrame, num_classes: int, *, most: int) -> list[int]:
    """At most `most` classes, those of the most confused pairs first taken, in the order of the classes."""
    if num_classes <= most:
        return list(range(num_classes))
    named = pairs[["label", "predicted"]].to_numpy().ravel()
    return sorted(int(label) for label in list(dict.fromkeys(named))[:most])


def in_cell(found: Pair, side: str, label: int, predicted: int) -> np.ndarray:
    """Ids of the samples of a label that A ("a"), B ("b") or exactly one of them ("d") predicts so, hardest first."""
    points = found.points
    says = {name: points[f"{name}_predicted"] == predicted for name in "ab"}
    chosen = says["a"] ^ says["b"] if side == "d" else says[side]
    return _hardest_first(points[chosen & (points["label"] == label)])


def hard_for_one(found: Pair, *, for_a: bool, easy: float, hard: float) -> np.ndarray:
    """Ids of the samples hard for A (at or above its percentile `hard`) and easy for B (at or below `easy`), or the
    reverse; widest difference of percentiles first.
    """
    ranks = [found.points[f"{side}_rank"].to_numpy() for side in ("ab" if for_a else "ba")]
    return found.points["id"].to_numpy()[comparison.hard_for_one(*ranks, easy=easy, hard=hard)]


def _hardest_first(points: pd.DataFrame) -> np.ndarray:
    mean = points["a_rank"].to_numpy() + points["b_rank"].to_numpy()
    return points["id"].to_numpy()[np.argsort(-mean, kind="stable")]


def _by_bin(points: pd.DataFrame, found: Pair) -> Iterator[tuple[str, pd.DataFrame]]:
    if found.voted:
        for number, label in enumerate(bins.bin_labels(found.edges)):
            yield label, points[points["bin"] == number]


# --- one dataset or split against another --------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """A dataset, or one split of it, with the filters that apply there."""

    table: DatasetTable
    split: str | None
    filters: Filters

    @property
    def samples(self) -> Samples:
        return _samples(self.table, self.filters if self.split is None else self.filters.with_(splits=(self.split,)))


@dataclass(frozen=True)
class Transfer:
    """Accuracy of each network on two sides: `points` are rows `model, bin, x, y, x_n, y_n` and Wilson's ends.

    A point for every HSF bin with `LEAST_IN_BIN` samples or more on both sides (`left_out` have fewer); where either
    side has no votes, one for all samples. `line`: the least-squares line through the points.
    """

    points: pd.DataFrame
    line: Line | None
    models: int
    left_out: int
    by_bin: bool


def transfer(x: Side, y: Side) -> Transfer:
    """Holds the accuracy on one side against that on the other, for every network that has scored both.

    The same network means the same weights. Refused where the two tables were opened with different HSF bins.
    """
    if x.table.edges != y.table.edges:
        raise CurateError("the two sides have different HSF bins: open both with the same edges")
    sides = [(side, side.samples, _by_weights(side.table)) for side in (x, y)]
    shared = [weights for weights in sides[0][2] if weights in sides[1][2]]
    by_bin = all((samples.bin >= 0).any() for _, samples, _ in sides)
    called = titles(x.table.dataset)
    labels = bins.bin_labels(x.table.edges) if by_bin else (ALL,)
    rows, left_out = [], 0
    for weights in shared:
        each = [_accuracies(runs[weights], samples, len(labels) if by_bin else 0) for _, samples, runs in sides]
        for number, label in enumerate(labels):
            (x_hits, x_n), (y_hits, y_n) = ((int(hits[number]), int(n[number])) for hits, n in each)
            if min(x_n, y_n) < LEAST_IN_BIN:
                left_out += 1
                continue
            x_low, x_high = map(float, wilson(x_hits, x_n))
            y_low, y_high = map(float, wilson(y_hits, y_n))
            name = called[sides[0][2][weights].name]
            rows.append((name, label, x_hits / x_n, y_hits / y_n, x_n, y_n, x_low, x_high, y_low, y_high))
    names = ["model", "bin", "x", "y", "x_n", "y_n", "x_low", "x_high", "y_low", "y_high"]
    points = pd.DataFrame(rows, columns=names)
    line = comparison.fit_line(points["x"].to_numpy(float), points["y"].to_numpy(float))
    return Transfer(points, line, len(shared), left_out, by_bin)


def _by_weights(table: DatasetTable) -> dict[str, RunFolder]:
    """The run of each network that scored most samples, the newest of several."""
    runs: dict[str, RunFolder] = {}
    for run in sorted(comparable_runs(table), key=lambda run: -run.record.samples):
        runs.setdefault(run.record.weights_sha256, run)
    return runs


def _accuracies(run: RunFolder, samples: Samples, number: int) -> tuple[np.ndarray, np.ndarray]:
    """How many a run has right and how many it scored, in each of `number` bins (0: of all samples together)."""
    some = samples.at(_scored(run, samples.ids))
    right = _read(run, some.ids, ())["predicted"] == some.labels
    index = some.bin if number else np.zeros(len(some), np.int64)
    inside = index >= 0
    size = max(1, number)
    hits = np.bincount(index[inside], weights=right[inside], minlength=size)
    return hits, np.bincount(index[inside], minlength=size)


# --- samples and runs ----------------------------------------------------------------------------------------


def _chosen(table: DatasetTable, names: Sequence[str] | None) -> list[RunFolder]:
    """The runs of these names, in their order, each once."""
    name = table.dataset.name
    runs = comparable_runs(table)
    if not runs:
        raise CurateError(f"no model has scored {name} yet: run `avhcurate score {name} --model MODEL`")
    found = [table.dataset.run(one) for one in (default_runs(runs) if names is None else names)]
    for run in found:
        if not run.complete:
            raise CurateError(
                f"the run {run.name} is not finished: run `avhcurate score {name} ...` again to resume it"
            )
    if not found or len({run.name for run in found}) < len(found):
        known = ", ".join(run.name for run in runs)
        raise CurateError(f"name each run once; {name} has {known}")
    return found


def _check_keys(keys: Sequence[str]) -> None:
    unknown = [key for key in keys if key not in KEYS]
    if unknown or not keys:
        raise CurateError(
            f"no score of a run is called {', '.join(unknown) or '(none)'}: choose from {', '.join(KEYS)}"
        )


def _samples(table: DatasetTable, filters: Filters | None) -> Samples:
    """The labelled samples in view."""
    frame = table.frame(filters or Filters(), columns=["id", "label", "hsf"])
    frame = frame[frame["label"].notna()]
    ids, labels = frame["id"].to_numpy(np.int64), frame["label"].to_numpy(np.int64)
    hsf = frame["hsf"].to_numpy(float)
    return Samples(ids, labels, hsf, bins.bin_index(hsf, table.edges), _people(table, ids, labels))


def _people(table: DatasetTable, ids: np.ndarray, labels: np.ndarray) -> np.ndarray:
    people = np.full(len(ids), -1, np.int8)
    votes = table.vote_counts()
    if votes is None or votes.empty:
        return people
    rows = pd.Index(votes["id"]).get_indexer(ids)
    voted, rows = np.flatnonzero(rows >= 0), rows[rows >= 0]
    if "counts" in votes:
        counts = np.stack(votes["counts"].to_list())[rows]
        # A label without a column in the counts got no vote.
        own = np.zeros(len(rows), counts.dtype)
        inside = np.flatnonzero(labels[voted] < counts.shape[1])
        own[inside] = counts[inside, labels[voted][inside]]
        counts[inside, labels[voted][inside]] = 0
        people[voted] = own > counts.max(axis=1)
        return people
    selected, shown = (votes[name].to_numpy()[rows] for name in ("selected", "shown"))
    people[voted[shown > 0]] = (2 * selected > shown)[shown > 0]
    return people


def _common(every: Samples, runs: Sequence[RunFolder]) -> tuple[Samples, dict[str, int]]:
    """The samples that all runs scored, and how many of `every` each did not."""
    scored = {run.name: _scored(run, every.ids) for run in runs}
    left_out = {name: len(every) - int(found.sum()) for name, found in scored.items()}
    rows = np.flatnonzero(np.logical_and.reduce(list(scored.values())))
    if not len(rows):
        raise CurateError("no labelled sample in view was scored by all of these runs: widen the filters or drop a run")
    return every.at(rows), left_out


def _scored(run: RunFolder, ids: np.ndarray) -> np.ndarray:
    """Which of `ids` (n,) the run has scored, (n,) bool."""
    found = pq.read_table(run.scores_path, columns=["id", "predicted"])
    return np.isin(ids, found.filter(found["predicted"].is_valid())["id"].to_numpy(), assume_unique=True)


def _read(run: RunFolder, ids: np.ndarray, columns: "set[str] | tuple[str, ...]") -> dict[str, np.ndarray]:
    """`predicted` and columns of a run at ids (n,) that it scored; NaN where a score is missing."""
    there = set(pq.read_schema(run.scores_path).names)
    known = [name for name in columns if name in there]
    found = pq.read_table(run.scores_path, columns=["id", "predicted", *known])
    rows = pd.Index(found["id"].to_numpy()).get_indexer(ids)
    read = {name: found[name].to_numpy().astype(np.float64)[rows] for name in known}
    missing = {name: np.full(len(ids), np.nan) for name in columns if name not in there}
    return {"predicted": found["predicted"].fill_null(-1).to_numpy()[rows]} | read | missing


def _groups(samples: Samples, edges: Sequence[float]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and rows of all samples, then of each HSF bin."""
    yield ALL, np.arange(len(samples))
    for number, label in enumerate(bins.bin_labels(edges)):
        yield label, np.flatnonzero(samples.bin == number)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else float("nan")
