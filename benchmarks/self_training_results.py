"""Results of self-training on PACS: what a training leaves behind, and the tables made of it.

The unit of every comparison is the ordered pair of domains: seeds are averaged first, intervals are Student's over
pairs, and p-values are corrected by Holm's method for everything that the table compares.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy import stats

from avhcurate.errors import CurateError
from avhcurate.measures.stats.multiple_testing import holm
from benchmarks.gates import GateReading
from benchmarks.markdown import cell
from benchmarks.markdown import table as markdown
from benchmarks.resumable import refuse_others

#: The domains, and how they are called in tables.
SHORT = {"art_painting": "A", "cartoon": "C", "photo": "P", "sketch": "S"}
#: What other heads are compared by, and on how many seeds at most.
OF_OTHER_HEADS: tuple[str, ...] = ("source", "confidence", "avc", "centred")
OTHER_SEEDS = 3
#: What is told class by class.
BY_CLASS = ("source", "confidence", "avc", "lrent", "centred", "neighbours", "mmd")
#: The method that the others are compared with.
REFERENCE = "confidence"


class Round(BaseModel):
    """One round of self-training: what was selected and how right it is, and the accuracy after training.

    jaccard, only_ours, only_theirs: per gate that another rule has, the overlap of both selections and the precisions
    of what one alone selects. auroc: how the gate ranked right candidates above wrong ones, within a class.
    """

    portion: float
    selected: int
    precision: float | None
    jaccard: dict[str, float | None]
    only_ours: dict[str, float | None]
    only_theirs: dict[str, float | None]
    accuracy: float | None
    auroc: float | None = None


class Result(BaseModel):
    """One training: accuracies over the target in [0, 1], and per class in the order of `classes`.

    start: accuracy of the source's head, from which self-training begins. reach: AVC of the predicted class on the
    target under the source's head, its quantiles at 0.05, 0.5, 0.95; angles: mean angle in degrees to the nearest class
    and to all others. Of self-training alone: its rounds.
    """

    source: str
    target: str
    head: str
    method: str
    seed: int
    accuracy: float
    mean_accuracy: float
    per_class: list[float]
    classes: list[str]
    start: float | None = None
    rounds: list[Round]
    reach: list[float] | None = None
    angles: list[float] | None = None
    samples_per_class: list[int]
    seconds: float
    recipe: dict[str, object]
    data_sha256: str
    versions: dict[str, str]
    finished: datetime


class GatesResult(BaseModel):
    """The readings of all gates under the source's head of a pair and a seed, on all samples of the target."""

    source: str
    target: str
    seed: int
    classes: list[str]
    gates: dict[str, GateReading]


def pair_name(source: str, target: str) -> str:
    """
    >>> pair_name("photo", "sketch"), pair_name("digits", "noise")
    ('P→S', 'digits→noise')
    """
    return f"{SHORT.get(source, source)}→{SHORT.get(target, target)}"


def results_in(out: Path) -> list[Result]:
    """Return the results in a folder, by name."""
    return [Result.model_validate_json(path.read_bytes()) for path in sorted(out.glob("*-*.json"))]


def refuse_other_results(out: Path, data_sha256: str, recipes: Mapping[str, Mapping[str, object]]) -> None:
    """Raise CurateError when a folder holds results of other data, or of another recipe (`recipes`: by head)."""
    for one in results_in(out):
        now = {"data_sha256": data_sha256} | dict(recipes[one.head])
        earlier = {"data_sha256": one.data_sha256} | one.recipe
        # Fields that a recipe no longer has were at their usual values.
        refuse_others(out, {name: value for name, value in earlier.items() if name in now}, now)


def finished(out: Path) -> pd.DataFrame:
    """Return a row per result; accuracies in percent."""
    rows = []
    for one in results_in(out):
        row = one.model_dump(exclude={"rounds"}) | {"pair": pair_name(one.source, one.target)}
        rounds = [dict(one.rounds[at]) if one.rounds else dict.fromkeys(Round.model_fields) for at in (0, -1)]
        rows.append(
            row | {f"first_{k}": v for k, v in rounds[0].items()} | {f"last_{k}": v for k, v in rounds[1].items()}
        )
    if not rows:
        raise CurateError(f"{out} holds no results yet. Run the benchmark without --report first.")
    table = pd.DataFrame(rows)
    for name in ("accuracy", "mean_accuracy", "start", "first_precision", "last_precision"):
        table[name] = 100 * table[name].astype(float)
    return table


def whole(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """The rows of the pairs and seeds that have every one of the methods, so that all means are over the same."""
    table = table[table["method"].isin(methods)]
    return table[table.groupby(["pair", "seed"])["method"].transform("nunique") == len(methods)]


def accuracy_table(table: pd.DataFrame, methods: Sequence[str]) -> str:
    """Percent right a pair, mean over seeds and half of its interval; last the means over pairs, and of classes."""
    pairs = sorted(set(table["pair"]))
    rows = []
    for method in methods:
        own = table[table["method"] == method]
        over = [own[own["pair"] == pair] for pair in pairs]
        means = [f"{np.mean([part[key].mean() for part in over]):.1f}" for key in ("accuracy", "mean_accuracy")]
        rows.append([method, *(cell(part["accuracy"]) for part in over), *means])
    return markdown(["", *pairs, "mean", "mean of classes"], rows)


def compare(table: pd.DataFrame, measures: dict[str, str], methods: Sequence[str]) -> pd.DataFrame:
    """Each method less the reference: a row a method and measure, the pair as the unit.

    measures: column of `table` and what it is called. Columns: method, measure, difference (its values by pair), p
    (paired t-test), wilcoxon, holm (of the t-tests, over all rows).
    """
    rows = []
    for name, called in measures.items():
        wide = table.pivot_table(index="pair", columns="method", values=name)
        for method in methods:
            if method == REFERENCE or method not in wide:
                continue
            difference = wide[method] - wide[REFERENCE]
            p = wilcoxon = np.nan
            if len(difference) > 1 and np.ptp(difference):
                p, wilcoxon = stats.ttest_1samp(difference, 0).pvalue, stats.wilcoxon(difference).pvalue
            rows.append((method, called, difference, p, wilcoxon))
    found = pd.DataFrame(rows, columns=["method", "measure", "difference", "p", "wilcoxon"])
    return found.assign(holm=holm(found["p"].to_numpy(float)))


def compare_table(table: pd.DataFrame, measures: dict[str, str], methods: Sequence[str]) -> str:
    """Return `compare` as Markdown."""
    rows = [
        [
            row.method,
            row.measure,
            cell(row.difference, "+"),
            f"{(row.difference > 0).sum()} of {len(row.difference)}",
            *(f"{p:.3f}" for p in (row.p, row.wilcoxon, row.holm)),
        ]
        for row in compare(table, measures, methods).itertuples()
    ]
    names = ["method", "measure", f"less {REFERENCE}", "better in", "t-test p", "Wilcoxon p", "p by Holm"]
    return markdown(names, rows)


def selected_table(table: pd.DataFrame, methods: Sequence[str]) -> str:
    """What self-training selects: how right it is in the first and last round; of the first also its overlap with what
    confidence selects, and how right is what one of both alone selects.
    """
    rows = []
    for method in methods:
        own = table[table["method"] == method]
        if own["last_precision"].isna().all():
            continue
        cells = [cell(own.groupby("pair")[f"{at}_precision"].mean()) for at in ("first", "last")]
        cells.append(f"{own['last_selected'].mean():.0f}")
        for name in ("jaccard", "only_ours", "only_theirs"):
            known = [100 * one[REFERENCE] for one in own[f"first_{name}"] if one and one.get(REFERENCE) is not None]
            cells.append(f"{np.mean(known):.1f}" if known else "-")
        rows.append([method, *cells])
    beside = ["overlap, round 1", "only this", f"only {REFERENCE}"]
    return markdown(["", "precision, round 1", "precision, last", "selected, last", *beside], rows)


def read_gate_results(out: Path) -> pd.DataFrame:
    """A row a pair, seed and gate: pooled and within (AUROC in percent), and per class."""
    results = [GatesResult.model_validate_json(path.read_bytes()) for path in sorted((out / "gates").glob("*.json"))]
    rows = [
        {
            "pair": pair_name(one.source, one.target),
            "seed": one.seed,
            "method": gate,
            "pooled": reading.pooled,
            "within": reading.within,
            "per_class": dict(zip(one.classes, reading.per_class, strict=True)),
        }
        for one in results
        for gate, reading in one.gates.items()
    ]
    table = pd.DataFrame(rows, columns=["pair", "seed", "method", "pooled", "within", "per_class"])
    table[["pooled", "within"]] = 100 * table[["pooled", "within"]].astype(float)
    return table


def gates_table(gates: pd.DataFrame) -> str:
    """AUROC of right against wrong under the source's head: over all samples, within a predicted class, by class."""
    by_class = gates["per_class"].apply(pd.Series).astype(float) * 100
    classes = by_class.columns.tolist()
    table = gates.join(by_class)
    rows = []
    for gate in gates["method"].unique():
        means = table[table["method"] == gate].groupby("pair")[["pooled", "within", *classes]].mean()
        rows.append([gate, *(cell(means[key]) for key in ("pooled", "within"))])
        rows[-1] += [f"{means[name].mean():.1f} ({means[name].notna().sum()})" for name in classes]
    return markdown(["", "all samples", "within a predicted class", *classes], rows)


def heads_table(table: pd.DataFrame, heads: Sequence[str]) -> str:
    """Where angles are taken: means over pairs, and AVC less confidence with the interval over pairs."""
    rows = []
    for head in heads:
        own = whole(table[(table["head"] == head) & (table["seed"] < OTHER_SEEDS)], OF_OTHER_HEADS)
        if own.empty:
            continue
        wide = own.pivot_table(index="pair", columns="method", values="accuracy")
        reach, angles = (np.mean(own[key].tolist(), axis=0) for key in ("reach", "angles"))
        cells = [f"{wide[method].mean():.1f}" for method in OF_OTHER_HEADS]
        cells += [
            cell(wide["avc"] - wide["confidence"], "+"),
            f"{(wide['avc'] > wide['confidence']).sum()} of {len(wide)}",
        ]
        rows.append([head, *cells, f"{reach[0]:.3f} to {reach[2]:.3f}", f"{angles[0]:.0f}, {angles[1]:.0f}"])
    names = ["AVC less confidence", "better in", "AVC, 5 % to 95 %", "degrees to the nearest class, to others"]
    return markdown(["", *OF_OTHER_HEADS, *names], rows)


def class_table(table: pd.DataFrame, pair: str, methods: Sequence[str]) -> str:
    """Percent right of each class of the target, mean over seeds."""
    own = table[table["pair"] == pair]
    classes, samples = own["classes"].iloc[0], own["samples_per_class"].iloc[0]
    rows = [
        [
            method,
            *(f"{100 * v:.1f}" for v in np.mean(part["per_class"].tolist(), axis=0)),
            f"{part['mean_accuracy'].mean():.1f}",
        ]
        for method in methods
        for part in [own[own["method"] == method]]
    ]
    rows.append(["samples", *map(str, samples), str(sum(samples))])
    return markdown([pair, *classes, "mean"], rows)


def report(out: Path, methods: Sequence[str], heads: Sequence[str]) -> str:
    """Return all tables of the results so far."""
    everything = finished(out)
    table = whole(everything[everything["head"] == heads[0]], methods)
    if table.empty:
        raise CurateError(f"{out} holds no pair of domains with all methods yet. Run the benchmark further.")
    wide = table.pivot_table(index="pair", columns="method", values="accuracy")
    difference = wide["avc"] - wide[REFERENCE]
    shown = list(dict.fromkeys([p for p in ("P→S",) if p in wide.index] + [difference.idxmax(), difference.idxmin()]))
    blocks = table.groupby(["pair", "seed"]).ngroups
    accuracies = {"accuracy": "accuracy", "mean_accuracy": "mean of classes"}
    precisions = {"first_precision": "precision, round 1", "last_precision": "precision, last round"}
    selecting = [m for m in methods if table.loc[table["method"] == m, "last_precision"].notna().any()]
    parts = [
        f"{len(table)} trainings: {len(wide)} pairs of domains, {blocks} pairs and seeds with all {len(methods)} "
        f"methods; {table['seconds'].sum() / 60:.0f} min of one core.",
        "Percent right on the target, mean over seeds ± half of its 95 % interval over seeds.",
        accuracy_table(table, methods),
        f"Less `{REFERENCE}` (CBST), points: mean over pairs of the means over seeds ± half of its 95 % interval over "
        "pairs; Holm over all rows.",
        compare_table(table, accuracies, methods),
        f"Pseudo-labels: percent right among the selected; of round 1 the overlap (Jaccard) with what `{REFERENCE}` "
        "would select from the same outputs, and percent right among what one of both alone selects; below, the "
        "differences.",
        selected_table(table, methods),
        compare_table(table, precisions, selecting),
        *gate_parts(out),
        f"Where angles are taken, {OTHER_SEEDS} seeds at most.",
        heads_table(everything, heads),
        "Per class.",
        *(class_table(table, pair, [m for m in BY_CLASS if m in methods]) for pair in shown),
    ]
    return "\n\n".join(parts)


def rounds_table(results: Sequence[Result], quantity: str, methods: Sequence[str]) -> str:
    """A quantity of `Round` in percent by round: mean over pairs of the means over seeds."""
    rows = [
        {"method": one.method, "pair": pair_name(one.source, one.target), "round": number, "value": value}
        for one in results
        for number, each in enumerate(one.rounds, 1)
        if (value := getattr(each, quantity)) is not None
    ]
    if not rows:
        return "No round yet."
    means = pd.DataFrame(rows).groupby(["method", "round", "pair"])["value"].mean().groupby(["method", "round"]).mean()
    wide = 100 * means.unstack().reindex([m for m in methods if m in means.index.get_level_values("method")])
    return markdown(["", *map(str, wide.columns)], [[str(m), *(f"{v:.1f}" for v in row)] for m, row in wide.iterrows()])


def report_full(out: Path, methods: Sequence[str]) -> str:
    """Return all tables of self-training of a whole network."""
    table, measures = whole(finished(out), methods), {"accuracy": "accuracy", "mean_accuracy": "mean of classes"}
    if table.empty:
        raise CurateError(f"{out} holds no pair of domains with all methods yet. Run the benchmark further.")
    kept = set(zip(table["pair"], table["seed"], strict=True))
    results = [one for one in results_in(out) if (pair_name(one.source, one.target), one.seed) in kept]
    parts = [
        f"{len(kept)} pairs and seeds with all {len(methods)} methods. Percent right on the target, mean over seeds ± "
        "half of its 95 % interval over seeds.",
        accuracy_table(table, methods),
        f"Less `{REFERENCE}` (CBST), points: mean over pairs of the means over seeds ± half of its 95 % interval over "
        "pairs; Holm over all rows.",
        compare_table(table, measures, methods),
        "Pseudo-labels, percent right among the selected, by round:",
        rounds_table(results, "precision", methods),
        "How the gate ranked right candidates above wrong ones of the same class, by round (of `lrent`: confidence, "
        "not its own gate): area under the ROC curve.",
        rounds_table(results, "auroc", methods),
        *gate_parts(out),
        "Per class.",
        *(class_table(table, pair, methods) for pair in dict.fromkeys(table["pair"])),
    ]
    return "\n\n".join(parts)


def gate_parts(out: Path) -> list[str]:
    """Return the paragraphs on how gates rank, if any was read."""
    gates = read_gate_results(out)
    if gates.empty:
        return []
    measures = {"pooled": "all samples", "within": "within a predicted class"}
    return [
        "How a gate ranks right predictions above wrong ones under the source's head: area under the ROC curve in "
        "percent, mean over pairs ± half of its 95 % interval; in brackets the pairs with enough of both.",
        gates_table(gates),
        compare_table(gates, measures, gates["method"].unique().tolist()),
    ]
