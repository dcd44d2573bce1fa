"""Rules of self-training side by side: their rounds and final results, over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import pandas as pd

from avhcurate.pseudo_labels.rules import RULES, Rule
from avhcurate.self_training import results
from avhcurate.self_training.store import SelfTrainingFolder
from avhcurate.stats.intervals import mean_over_seeds

#: The rule that every other is compared with.
BASE: Rule = "confidence"

#: Columns of `side_by_side` and where they stand: the round (0 the source alone, -1 the last), and its quantity.
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
#: Columns that are compared with `BASE`, paired by seed.
HELD = ("accuracy", "mean_accuracy")


class Line(NamedTuple):
    """A rule and the weight of its regulariser; the runs of a line differ in their seed only."""

    rule: Rule
    alpha: float | None

    @property
    def usual(self) -> bool:
        """Whether the weight is the rule's default."""
        return self.alpha in (None, RULES[self.rule].alpha)


Lines = Mapping[Line, Sequence[SelfTrainingFolder]]


def lines(folders: Sequence[SelfTrainingFolder]) -> dict[Line, list[SelfTrainingFolder]]:
    """Self-trainings that have a whole round, by rule and weight, in the order of `RULES`; of each seed the newest."""
    found: dict[Line, dict[int, SelfTrainingFolder]] = {}
    for folder in folders:
        if folder.rounds():
            record = folder.record
            found.setdefault(Line(cast(Rule, record.rule), record.alpha), {})[record.seed] = folder
    ordered = sorted(found, key=lambda line: (list(RULES).index(line.rule), not line.usual, line.alpha or 0))
    return {line: [found[line][seed] for seed in sorted(found[line])] for line in ordered}


def courses(shown: Lines, keys: Sequence[str]) -> pd.DataFrame:
    """A row a quantity of `results.table`, line and round: `quantity, line, round, n, mean, low, high`.

    `line` is its place in `shown`, n counts seeds. The interval is that of `results.compare`; of one seed it is the
    quantity's own over samples, and NaN where it has none.
    """
    parts = [
        _course(folders, key).assign(quantity=key, line=number)
        for number, folders in enumerate(shown.values())
        for key in keys
    ]
    columns = ["quantity", "line", "round", "n", "mean", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _course(folders: Sequence[SelfTrainingFolder], key: str) -> pd.DataFrame:
    means = results.compare(folders, key).drop(columns="rule")
    if key in _OF_SELECTION:
        means = means[means["round"] > 0]
    if len(folders) > 1:
        return means
    own = results.table(folders[0]).set_index("round").reindex(means["round"]).reset_index()
    if f"{key}_low" not in own:
        return means
    return means.assign(low=own[f"{key}_low"].to_numpy(), high=own[f"{key}_high"].to_numpy())


def source_only(shown: Lines, keys: Sequence[str]) -> dict[str, float]:
    """Of each quantity, its mean over seeds at round 0, which all rules share; left out where it has none."""
    by_seed = {folder.record.seed: folder for folders in shown.values() for folder in folders}
    first = [results.table(folder).iloc[0] for folder in by_seed.values()]
    values = {key: mean_over_seeds([row[key] for row in first]).value for key in keys if first}
    return {key: value for key, value in values.items() if value == value and key not in _OF_SELECTION}


def side_by_side(shown: Lines) -> pd.DataFrame:
    """A row a line over its complete self-trainings: `line, n`, and for each of `_PLACES` its mean, `_low` and `_high`.

    The interval is Student's t over seeds; of one seed it is the share's own over samples. For each of `HELD`,
    `KEY_gain, KEY_gain_low, KEY_gain_high, KEY_gain_n, KEY_gain_p` tell the difference from `BASE` within seeds that
    both have: its mean, interval and the paired t-test's p; NaN for `BASE` itself.
    """
    whole = {line: [folder for folder in folders if folder.complete] for line, folders in shown.items()}
    ends = {line: {folder.record.seed: _ends(folder) for folder in folders} for line, folders in whole.items()}
    base = ends.get(Line(BASE, RULES[BASE].alpha), {})
    rows = []
    for number, (line, seeds) in enumerate(ends.items()):
        if seeds:
            row: dict[str, Any] = {"line": number, "n": len(seeds)}
            for key in _PLACES:
                row |= _over_seeds(key, list(seeds.values()))
            for key in HELD:
                row |= _gain(key, seeds, {} if line.rule == BASE else base)
            rows.append(row)
    return pd.DataFrame(rows)


def _ends(folder: SelfTrainingFolder) -> dict[str, float]:
    """The figures of one self-training for its row, with the ends of their intervals where they have some."""
    table = results.table(folder)
    found: dict[str, float] = {}
    for key, (place, quantity) in _PLACES.items():
        row = table.iloc[min(place, len(table) - 1)]
        found |= {f"{key}{end}": row.get(f"{quantity}{end}", float("nan")) for end in ("", "_low", "_high")}
    return found


def _over_seeds(key: str, ends: Sequence[Mapping[str, float]]) -> dict[str, float]:
    if len(ends) == 1:
        return {f"{key}{end}": ends[0][f"{key}{end}"] for end in ("", "_low", "_high")}
    found = mean_over_seeds([row[key] for row in ends])
    return {key: found.value, f"{key}_low": found.low, f"{key}_high": found.high}


def _gain(key: str, ours: Mapping[int, Mapping[str, float]], base: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    shared = sorted(ours.keys() & base.keys())
    found = mean_over_seeds([ours[seed][key] - base[seed][key] for seed in shared])
    named = {"": found.value, "_low": found.low, "_high": found.high, "_n": found.n, "_p": found.p}
    return {f"{key}_gain{name}": value for name, value in named.items()}
