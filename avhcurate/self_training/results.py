"""Results of self-trainings: their rounds as tables, what gates and runs select differently, and rules over seeds."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import pandas as pd
import pyarrow.parquet as pq

from avhcurate.data.self_trainings import BY, SelfTrainingFolder
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError
from avhcurate.pseudo_labels.rules import RULES, Rule
from avhcurate.stats.intervals import mean_over_seeds
from avhcurate.stats.multiple_testing import holm

#: Shares of a report; `table` has the value of each, the ends of its interval and n.
_SHARES = ("accuracy", "precision", "recall", "ece")

#: Fields of the record that comparable self-trainings have in common.
_SHARED = {
    *("source", "source_fingerprint", "source_where", "source_samples"),
    *("target", "target_fingerprint", "target_where", "target_samples"),
    *("model", "weights_sha256", "head", "preprocess", "trainer", "recipe", "schedule", "rounds"),
}

#: The rule that every other is compared with.
BASE: Rule = "confidence"

#: Columns of `side_by_side` and where their values stand: round (0 the source alone, -1 the last) and quantity.
_PLACES = {
    "source_only": (0, "accuracy"),
    "accuracy": (-1, "accuracy"),
    "mean_source_only": (0, "mean_accuracy"),
    "mean_accuracy": (-1, "mean_accuracy"),
    "precision_first": (1, "precision"),
    "precision_last": (-1, "precision"),
    "selected": (-1, "selected"),
}
#: Counts that mean nothing before the first selection.
_OF_SELECTION = ("selected",)
#: Columns of a course over the rounds, and their types, also where no round has a value yet.
_COURSE = {"round": "int64", "n": "int64", "mean": "float64", "low": "float64", "high": "float64"}
#: Columns that are compared with `BASE`, paired by seed.
PAIRED = ("accuracy", "mean_accuracy")


def trainings(workspace: Workspace, target: str) -> list[SelfTrainingFolder]:
    """The self-trainings of a target dataset, complete or not, oldest first."""
    return workspace.dataset(target).self_trainings()


def training(workspace: Workspace, target: str, name: str) -> SelfTrainingFolder:
    """The self-training of that name; an unknown one is refused."""
    return workspace.dataset(target).self_training(name)


def comparable(folders: Sequence[SelfTrainingFolder]) -> list[list[SelfTrainingFolder]]:
    """Groups of comparable self-trainings, which differ only in rule, alpha and seed."""
    groups: dict[str, list[SelfTrainingFolder]] = {}
    for folder in folders:
        record = folder.record.model_dump(mode="json", include=_SHARED)
        groups.setdefault(json.dumps(record, sort_keys=True), []).append(folder)
    return list(groups.values())


def table(folder: SelfTrainingFolder) -> pd.DataFrame:
    """A row a round, from 0 (the source alone): the numbers of a `RoundReport`, missing as NaN.

    A share is the columns `accuracy, accuracy_low, accuracy_high, accuracy_n`, so also `precision`, `recall`, `ece`;
    `empty_classes` is a list of names. The overlaps are in `overlaps`.
    """
    reports = (folder.report(number).model_dump(exclude={"overlaps", "schema_version"}) for number in folder.rounds())
    frame = pd.DataFrame([_flat(report, _SHARES) for report in reports])
    if frame.empty:
        return frame
    whole = ["round", "samples", "selected", "changed", "left_out", *(f"{name}_n" for name in _SHARES)]
    numbers = dict.fromkeys(frame.columns.drop("empty_classes"), "float64")
    return frame.astype(numbers | dict.fromkeys(whole, "int64"))


def overlaps(folder: SelfTrainingFolder) -> pd.DataFrame:
    """A row a round from 1 on and a gate that is not the run's own: `round, gate, selected, both, jaccard`, and the
    shares `precision`, `only_ours`, `only_theirs`, each with `_low`, `_high` and `_n`.
    """
    return pd.DataFrame(
        [
            {"round": number} | _flat(overlap.model_dump(), ("precision", "only_ours", "only_theirs"))
            for number in folder.rounds()[1:]
            for overlap in folder.report(number).overlaps
        ]
    )


def _flat(row: dict[str, Any], shares: Sequence[str]) -> dict[str, Any]:
    """The row with the value, the ends and the n of each share as columns."""
    for name in shares:
        share = row[name]
        row |= {name: share["value"]} | {f"{name}_{key}": share[key] for key in ("low", "high", "n")}
    return row


def gates(folder: SelfTrainingFolder, number: int) -> list[str]:
    """The gates whose selection a round has stored, the run's own first."""
    own = RULES[folder.record.rule].gate  # type: ignore[index]
    columns = pq.read_schema(folder.round(number) / "selection.parquet").names
    stored = [name.removeprefix(BY) for name in columns if name.startswith(BY)]
    return sorted(stored, key=lambda gate: gate != own)


def difference(folder: SelfTrainingFolder, number: int, first: str, second: str) -> dict[str, list[int]]:
    """Ids that two gates select from the same outputs in a round: `both, first, second`, the latter two those that only
    one selects, best rank at the run's own gate first.
    """
    known = gates(folder, number)
    if missing := [gate for gate in (first, second) if gate not in known]:
        raise CurateError(f"round {number} has no gate {missing[0]!r}: choose from {', '.join(known)}")
    rows = folder.selection(number, list(dict.fromkeys(["id", "rank", BY + first, BY + second])))
    rows = rows.sort_values(["rank", "id"])
    a, b = (rows[BY + gate].to_numpy(bool) for gate in (first, second))
    return {
        name: rows["id"][chosen].tolist() for name, chosen in (("both", a & b), ("first", a & ~b), ("second", b & ~a))
    }


def difference_of_runs(first: SelfTrainingFolder, second: SelfTrainingFolder, number: int) -> dict[str, list[int]]:
    """Ids that two self-trainings select in one round, each from its own network's outputs: as `difference`, and
    `relabelled`, those of `both` with different pseudo-labels.
    """
    a, b = (folder.selection(number, ["id", "rank", "candidate", "selected"]) for folder in (first, second))
    a, b = (rows[rows["selected"]].sort_values(["rank", "id"]) for rows in (a, b))
    both = a.merge(b, on="id", suffixes=("", "_b"))
    return {
        "both": both["id"].tolist(),
        "first": a["id"][~a["id"].isin(b["id"])].tolist(),
        "second": b["id"][~b["id"].isin(a["id"])].tolist(),
        "relabelled": both["id"][both["candidate"] != both["candidate_b"]].tolist(),
    }


def summary(folder: SelfTrainingFolder) -> dict[str, Any]:
    """Name of a self-training, accuracies on the target before and after, and its last selection."""
    record, last = folder.record, folder.rounds()[-1]
    first, final = folder.report(0), folder.report(last)
    return {
        "self_training": folder.name,
        **{key: getattr(record, key) for key in ("source", "target", "model", "rule", "seed", "stopped", "seconds")},
        "rounds": last,
        "samples": record.target_samples,
        "left_out": record.target_left_out + final.left_out,
        "source_only": first.accuracy.value,
        "accuracy": final.accuracy.value,
        "accuracy_low": final.accuracy.low,
        "accuracy_high": final.accuracy.high,
        "mean_accuracy_before": first.mean_accuracy,
        **{f"mean_accuracy{end}": getattr(final, f"mean_accuracy{end}") for end in ("", "_low", "_high")},
        "selected": final.selected,
        "empty_classes": final.empty_classes,
        "precision": final.precision.value,
        "ece": final.ece.value,
    }


# --- rules over seeds ---------------------------------------------------------------------------------------------


class RuleVariant(NamedTuple):
    """A rule and the weight of its regulariser; the runs of a variant differ in their seed only."""

    rule: Rule
    alpha: float | None

    @property
    def usual(self) -> bool:
        """Whether the weight is the rule's default."""
        return self.alpha in (None, RULES[self.rule].alpha)


Variants = Mapping[RuleVariant, Sequence[SelfTrainingFolder]]


def by_variant(folders: Sequence[SelfTrainingFolder]) -> dict[RuleVariant, list[SelfTrainingFolder]]:
    """Self-trainings that have a whole round, by rule and weight, in the order of `RULES`; of each seed the newest."""
    seeds: dict[RuleVariant, dict[int, SelfTrainingFolder]] = {}
    for folder in folders:
        if folder.rounds():
            record = folder.record
            seeds.setdefault(RuleVariant(cast(Rule, record.rule), record.alpha), {})[record.seed] = folder
    ordered = sorted(seeds, key=lambda one: (list(RULES).index(one.rule), not one.usual, one.alpha or 0))
    return {variant: [seeds[variant][seed] for seed in sorted(seeds[variant])] for variant in ordered}


def courses(variants: Variants, keys: Sequence[str]) -> pd.DataFrame:
    """A row a quantity of `table`, variant and round: `quantity, line, round, n, mean, low, high`.

    `line` is the place of the variant, n counts seeds. The interval is Student's t at 95 % over seeds; of one seed it
    is the quantity's own over samples, and NaN where it has none. A run that ended early because nothing changed keeps
    the values of its last round.
    """
    parts = [
        _course(folders, key).assign(quantity=key, line=number)
        for number, folders in enumerate(variants.values())
        for key in keys
    ]
    columns = ["quantity", "line", *_COURSE]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _course(folders: Sequence[SelfTrainingFolder], key: str) -> pd.DataFrame:
    tables = [table(folder).set_index("round") for folder in folders]
    rounds = range(max(map(len, tables)))
    values = [
        reports[key].reindex(rounds).ffill() if folder.complete else reports[key]
        for folder, reports in zip(folders, tables, strict=True)
    ]
    by_round = pd.concat(values).dropna().groupby(level=0)
    means = [(number, *mean_over_seeds(group)[:4]) for number, group in by_round]
    course = pd.DataFrame(means, columns=list(_COURSE)).astype(_COURSE)
    if key in _OF_SELECTION:
        course = course[course["round"] > 0]
    if len(folders) > 1 or f"{key}_low" not in tables[0]:
        return course
    ends = tables[0].loc[course["round"], [f"{key}_low", f"{key}_high"]].to_numpy()
    return course.assign(low=ends[:, 0], high=ends[:, 1])


def source_only(variants: Variants, keys: Sequence[str]) -> dict[str, float]:
    """Of each quantity, its mean over seeds at round 0, which all rules share; left out where it has none."""
    by_seed = {folder.record.seed: folder for folders in variants.values() for folder in folders}
    first = [table(folder).iloc[0] for folder in by_seed.values()]
    values = {key: mean_over_seeds([row[key] for row in first]).value for key in keys if first}
    return {key: value for key, value in values.items() if value == value and key not in _OF_SELECTION}


def side_by_side(variants: Variants) -> pd.DataFrame:
    """A row a variant over its complete self-trainings: `line, n`, and each of `_PLACES` with `_low` and `_high`.

    The values are means. The interval is Student's t over seeds; of one seed it is the share's own over samples. For
    each of `PAIRED`, `KEY_gain, KEY_gain_low, KEY_gain_high, KEY_gain_n, KEY_gain_p` are the difference from `BASE`
    within seeds that both have: its mean, interval and the paired t-test's p; NaN for `BASE` itself. `KEY_gain_p_holm`
    is that p by Holm's method for all differences of the table, of every variant and of each of `PAIRED`.
    """
    ends = {
        variant: {folder.record.seed: _ends(folder) for folder in folders if folder.complete}
        for variant, folders in variants.items()
    }
    base = ends.get(RuleVariant(BASE, RULES[BASE].alpha), {})
    rows = []
    for number, (variant, seeds) in enumerate(ends.items()):
        if seeds:
            row: dict[str, Any] = {"line": number, "n": len(seeds)}
            for key in _PLACES:
                row |= _over_seeds(key, list(seeds.values()))
            for key in PAIRED:
                row |= _gain(key, seeds, {} if variant.rule == BASE else base)
            rows.append(row)
    if not rows:
        return pd.DataFrame()
    tested = [f"{key}_gain_p" for key in PAIRED]
    table = pd.DataFrame(rows)
    corrected = holm(table[tested].to_numpy(float).ravel()).reshape(-1, len(tested))
    return table.assign(**{f"{name}_holm": corrected[:, place] for place, name in enumerate(tested)})


def _ends(folder: SelfTrainingFolder) -> dict[str, float]:
    """The figures of one self-training for its row, with the ends of their intervals where they have some."""
    reports = table(folder)
    figures: dict[str, float] = {}
    for key, (place, quantity) in _PLACES.items():
        row = reports.iloc[min(place, len(reports) - 1)]
        figures |= {f"{key}{end}": row.get(f"{quantity}{end}", float("nan")) for end in ("", "_low", "_high")}
    return figures


def _over_seeds(key: str, ends: Sequence[Mapping[str, float]]) -> dict[str, float]:
    if len(ends) == 1:
        return {f"{key}{end}": ends[0][f"{key}{end}"] for end in ("", "_low", "_high")}
    mean = mean_over_seeds([row[key] for row in ends])
    return {key: mean.value, f"{key}_low": mean.low, f"{key}_high": mean.high}


def _gain(key: str, ours: Mapping[int, Mapping[str, float]], base: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    shared = sorted(ours.keys() & base.keys())
    gain = mean_over_seeds([ours[seed][key] - base[seed][key] for seed in shared])
    named = {"": gain.value, "_low": gain.low, "_high": gain.high, "_n": gain.n, "_p": gain.p}
    return {f"{key}_gain{name}": value for name, value in named.items()}
