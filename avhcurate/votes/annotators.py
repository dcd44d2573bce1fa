"""Reliability of each annotator: answers to controls, agreement with the others, speed; and rules of exclusion.

Nobody is left out by default, as in ImageNetV2. Each exclusion by a rule says in words which of its limits was passed.
"""

from dataclasses import dataclass
from typing import Any

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
_NAN = float("nan")


@dataclass(frozen=True)
class Fastest:
    """Answers below so many milliseconds cannot have been thought about: of one image, and of one tile of a grid.

    Naming an image takes people about half a second; a grid's time is shared among its tiles (ImageNetV2's toasters:
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
    signed = table[table["annotator"].notna()]
    votes = votes_of(table)
    result = pd.DataFrame({"answers": _per_annotator(signed).size()})
    result["votes"] = _per_annotator(votes[votes["annotator"].notna()]).size().reindex(result.index, fill_value=0)
    right = correct_controls(signed).groupby(signed["annotator"].astype(str)).agg(["count", "sum"])
    _add_share(result, right, ("controls", "control_accuracy", "control_low", "control_high"), level)
    _add_share(result, _agreement(votes), ("compared", "agreement", "agreement_low", "agreement_high"), level)
    result = result.join(_times(signed, fastest))
    result["timed"] = result["timed"].fillna(0).astype(np.int64)
    return result.rename_axis("annotator").reset_index()[list(COLUMNS)]


def exclusions(table: pd.DataFrame, rule: ExclusionRule) -> pd.DataFrame:
    """Who a rule leaves out of an `annotator_table`, and why in words: `annotator, reason`.

    >>> table = pd.DataFrame({"annotator": ["ann", "bob"], "controls": [10, 10], "control_accuracy": [1.0, 0.5]})
    >>> exclusions(table, ExclusionRule(control_accuracy=0.7)).to_dict("records")
    [{'annotator': 'bob', 'reason': '5 of 10 controls right (50 %), below 70 %'}]
    """
    rows = [(row["annotator"], "; ".join(_reasons(row, rule))) for row in table.to_dict("records")]
    return pd.DataFrame([row for row in rows if row[1]], columns=["annotator", "reason"], dtype="str")


def _reasons(row: dict[Any, Any], rule: ExclusionRule) -> list[str]:
    reasons = []
    share, limit = row["control_accuracy"], rule.control_accuracy
    if limit is not None and row["controls"] >= max(1, rule.least_controls) and share < limit:
        right = f"{round(share * row['controls'])} of {row['controls']} controls right"
        reasons.append(f"{right} ({_percent(share)}), below {_percent(limit)}")
    share, limit = row.get("agreement", _NAN), rule.agreement
    if limit is not None and row["compared"] >= max(1, rule.least_compared) and share < limit:
        same = f"says what most others say in {_percent(share)} of {row['compared']} votes"
        reasons.append(f"{same}, below {_percent(limit)}")
    share, limit = row.get("too_fast", _NAN), rule.too_fast
    if limit is not None and row["timed"] >= max(1, rule.least_timed) and share > limit:
        reasons.append(f"{_percent(share)} of {row['timed']} answers impossibly fast, above {_percent(limit)}")
    return reasons


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _per_annotator(rows: pd.DataFrame) -> Any:
    return rows.groupby(rows["annotator"].astype("str"))


def _add_share(table: pd.DataFrame, judged: pd.DataFrame, names: tuple[str, str, str, str], level: float) -> None:
    """Adds the number of judged answers (`count`), the share of right ones (`sum`) and the ends of its interval."""
    counts = judged.reindex(table.index).astype(float).fillna(0.0)
    hits, trials = counts["sum"].to_numpy(), counts["count"].to_numpy()
    share = np.divide(hits, trials, out=np.full(len(trials), np.nan), where=trials > 0)
    for name, values in zip(names, (trials.astype(np.int64), share, *wilson(hits, trials, level=level)), strict=True):
        table[name] = values


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
