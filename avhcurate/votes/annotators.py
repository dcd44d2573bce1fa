"""Reliability of each annotator: answers to controls, agreement with the others, speed; and rules of exclusion.

Nobody is left out by default, as in ImageNetV2. A rule names its limits, and each exclusion says in words which of them
was passed.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError
from avhcurate.stats.intervals import wilson
from avhcurate.votes.responses import check_responses, correct_controls, questions, votes_of

#: Columns of `annotator_table`.
COLUMNS = (
    *("annotator", "answers", "votes", "controls", "control_accuracy", "control_low", "control_high"),
    *("compared", "agreement", "agreement_low", "agreement_high"),
    *("timed", "median_ms", "low_ms", "high_ms", "too_fast"),
)


@dataclass(frozen=True)
class Fastest:
    """Answers below so many milliseconds cannot have been thought about: of one image, and of one tile of a grid.

    Naming a picture takes people about half a second; a grid's time is shared among its tiles (ImageNetV2's toasters:
    a median of 52 s for 48 tiles, 1100 ms each).
    """

    classify: float = 300.0
    select: float = 100.0


@dataclass(frozen=True)
class ExclusionRule:
    """Limits that an annotator must keep; None for no limit.

    control_accuracy: least share of right answers to controls, judged from `least_controls` controls on.
    agreement: least share of votes like the others' majority, judged from `least_compared` votes on.
    too_fast: largest share of impossibly fast answers, judged from `least_timed` answers on.
    """

    control_accuracy: float | None = None
    least_controls: int = 5
    agreement: float | None = None
    least_compared: int = 20
    too_fast: float | None = None
    least_timed: int = 10

    def __post_init__(self) -> None:
        for name in ("control_accuracy", "agreement", "too_fast"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise CurateError(f"{name.replace('_', ' ')} is a share between 0 and 1; it was {value}")


def annotator_table(responses: pd.DataFrame, *, fastest: Fastest | None = None, level: float = 0.95) -> pd.DataFrame:
    """One row an annotator, in order of name: the columns `COLUMNS`. Rows without an annotator help to judge others.

    answers: all answers; votes: those that are no controls, the last of each question. control_accuracy: share of right
    answers to `controls` controls. agreement: share of the `compared` votes that say what most of the other annotators
    say of the same question; where the others tie, an answer among the tied counts as one over their number. Both with
    Wilson intervals at `level`, as if votes were independent. median_ms, low_ms, high_ms: median and 10 and 90 %
    quantiles of the time an image or tile took; too_fast: share of the `timed` ones that were impossibly fast. NaN
    where there is nothing to judge by.
    """
    table = check_responses(responses)
    fastest = fastest or Fastest()
    known = table[table["annotator"].notna()]
    names = pd.Index(sorted(known["annotator"].astype(str).unique()), name="annotator", dtype="str")
    votes = votes_of(table)
    right = correct_controls(known).groupby(known["annotator"].astype(str)).agg(["count", "sum"])
    agreed = _agreement(votes)
    times = _times(known, fastest)
    found = pd.DataFrame(index=names)
    found["answers"] = _per_name(known).reindex(names, fill_value=0)
    found["votes"] = _per_name(votes[votes["annotator"].notna()]).reindex(names, fill_value=0)
    found["controls"] = right["count"].reindex(names, fill_value=0).astype(np.int64)
    hits = right["sum"].reindex(names).fillna(0).to_numpy(float)
    _share(found, "control_accuracy", "control", hits, found["controls"], level)
    found["compared"] = agreed["count"].reindex(names, fill_value=0).astype(np.int64)
    hits = agreed["sum"].reindex(names).fillna(0).to_numpy(float)
    _share(found, "agreement", "agreement", hits, found["compared"], level)
    found = found.join(times)
    found["timed"] = found["timed"].fillna(0).astype(np.int64)
    return found.reset_index()[list(COLUMNS)]


def exclusions(table: pd.DataFrame, rule: ExclusionRule) -> pd.DataFrame:
    """Who a rule leaves out of an `annotator_table`, and why in words: `annotator, reason`.

    >>> table = pd.DataFrame({"annotator": ["ann", "bob"], "controls": [10, 10], "control_accuracy": [1.0, 0.5]})
    >>> exclusions(table, ExclusionRule(control_accuracy=0.7)).to_dict("records")
    [{'annotator': 'bob', 'reason': '5 of 10 controls right (50 %), below 70 %'}]
    """
    rows = [(row["annotator"], "; ".join(_reasons(row, rule))) for row in table.to_dict("records")]
    return pd.DataFrame([row for row in rows if row[1]], columns=["annotator", "reason"], dtype="str")


def _reasons(row: dict, rule: ExclusionRule) -> list[str]:
    reasons = []
    if rule.control_accuracy is not None and row["controls"] >= max(1, rule.least_controls):
        right = round(row["control_accuracy"] * row["controls"])
        if row["control_accuracy"] < rule.control_accuracy:
            share, limit = _percent(row["control_accuracy"]), _percent(rule.control_accuracy)
            reasons.append(f"{right} of {row['controls']} controls right ({share}), below {limit}")
    if (
        rule.agreement is not None
        and row["compared"] >= max(1, rule.least_compared)
        and row["agreement"] < rule.agreement
    ):
        reasons.append(
            f"says what most others say in {_percent(row['agreement'])} of {row['compared']} votes, below "
            f"{_percent(rule.agreement)}"
        )
    if rule.too_fast is not None and row["timed"] >= max(1, rule.least_timed) and row["too_fast"] > rule.too_fast:
        reasons.append(
            f"{_percent(row['too_fast'])} of {row['timed']} answers impossibly fast, above {_percent(rule.too_fast)}"
        )
    return reasons


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _per_name(rows: pd.DataFrame) -> pd.Series:
    return rows.groupby(rows["annotator"].astype(str)).size()


def _share(table: pd.DataFrame, name: str, ends: str, hits: np.ndarray, trials: pd.Series, level: float) -> None:
    number = trials.to_numpy(float)
    table[name] = np.divide(hits, number, out=np.full(len(number), np.nan), where=number > 0)
    table[f"{ends}_low"], table[f"{ends}_high"] = wilson(hits, number, level=level)


def _agreement(votes: pd.DataFrame) -> pd.DataFrame:
    """Per annotator `count` of votes that others answered too, and `sum` of those that say what most of them say."""
    question, said = questions(votes)
    judged = votes["annotator"].notna().to_numpy(copy=True)
    agrees, answered = _like_most_others(question, said)
    judged &= answered > 1
    return pd.Series(agrees[judged]).groupby(votes["annotator"].astype(str).to_numpy()[judged]).agg(["count", "sum"])


def _like_most_others(question: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each vote says what most other votes on its question say (a tie counts in part), and votes on it."""
    width = int(said.max()) + 1 if len(said) else 1
    cells, place, sizes = np.unique(question * width + said, return_inverse=True, return_counts=True)
    number = int(question.max()) + 1 if len(question) else 0
    of = cells // width
    top, tops = _largest(of, sizes, number)
    rest = sizes < top[of]
    second, seconds = _largest(of[rest], sizes[rest], number)
    # The best rival of an answer: the top one, unless that is this answer alone.
    alone = (sizes == top[of]) & (tops[of] == 1)
    rival = np.where(alone, second[of], top[of])
    rivals = np.where(alone, seconds[of], tops[of] - (sizes == top[of]))
    others = sizes - 1
    agrees = np.where(others > rival, 1.0, np.where((others == rival) & (others > 0), 1 / (1 + rivals), 0.0))
    return agrees[place], np.bincount(question, minlength=number)[question]


def _largest(group: np.ndarray, values: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Largest value of each group, and how often it occurs; 0 for an empty group."""
    largest = np.zeros(number, np.int64)
    np.maximum.at(largest, group, values)
    return largest, np.bincount(group[values == largest[group]], minlength=number)


def _times(responses: pd.DataFrame, fastest: Fastest) -> pd.DataFrame:
    """Per annotator `median_ms, low_ms, high_ms, too_fast, timed`; a grid is one answer a tile, all equally fast."""
    # A log without a place for "unknown" may write it as a negative time.
    timed = responses[pd.to_numeric(responses["reaction_ms"]).fillna(-1) >= 0]
    milliseconds = timed["reaction_ms"].to_numpy(float)
    select = (timed["design"] == "select").to_numpy()
    task = timed["task"].astype(object).where(timed["task"].notna(), timed["path"])
    tiles = timed.groupby([timed["annotator"].astype(str), task.astype(str)])["path"].transform("size").to_numpy()
    each = np.where(select, milliseconds / tiles, milliseconds)
    limit = np.where(select, fastest.select, fastest.classify)
    frame = pd.DataFrame({"ms": each, "fast": each < limit})
    groups = frame.groupby(timed["annotator"].astype(str).to_numpy())
    return pd.DataFrame(
        {
            "median_ms": groups["ms"].median(),
            "low_ms": groups["ms"].quantile(0.1),
            "high_ms": groups["ms"].quantile(0.9),
            "too_fast": groups["fast"].mean(),
            "timed": groups.size(),
        }
    )
