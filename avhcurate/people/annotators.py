"""Reliability of each annotator: answers to controls, agreement with the others, speed; and rules of exclusion.

By default no annotator is left out, as in ImageNetV2.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.measures.stats.intervals import wilson
from avhcurate.people.responses import CANNOT_TELL, check_responses, correct_controls, questions, votes_of

#: Controls, compared votes and timed answers from which on a rule judges an annotator.
LEAST_CONTROLS = 5
LEAST_COMPARED = 20
LEAST_TIMED = 10
#: Answers in fewer milliseconds cannot have been thought about: of one image, and of one tile of a grid.
#:
#: Naming an image takes people about half a second; a grid's time is shared among its tiles (ImageNetV2's toasters: a
#: median of 52 s for 48 tiles, 1100 ms each).
FASTEST_CLASSIFY_MS = 300.0
FASTEST_SELECT_MS = 100.0


@dataclass(frozen=True)
class ExclusionRule:
    """Limits that an annotator must keep, as shares; None for no limit.

    control_accuracy: least share of right answers to controls. agreement: least share of votes that agree with the
    others' majority. too_fast: largest share of answers that are impossibly fast.
    """

    control_accuracy: float | None = None
    agreement: float | None = None
    too_fast: float | None = None


def annotator_table(responses: pd.DataFrame) -> pd.DataFrame:
    """Return one row per annotator, in order of name. Rows without an annotator help to judge others.

    answers: all answers; votes: without controls, the last of each question; skipped: where they could not tell.
    control_accuracy: share of right answers to `controls` controls. agreement: share of the `compared` votes that say
    what most other annotators say to the same question; where the others tie, an answer among the tied counts as one
    over their number. Both shares have Wilson intervals (_low, _high), as if votes were independent. median_ms: of the
    time that an image or tile took; too_fast: share of the `timed` ones that were impossibly fast. NaN where there is
    nothing to judge by.
    """
    table = check_responses(responses)
    votes = votes_of(table)
    table["right"] = correct_controls(table).astype("Float64")
    votes = votes.assign(agrees=_agreement(votes))
    signed = table[table["annotator"].notna()].assign(**_times(table))
    people = signed.groupby("annotator")
    voters = votes.groupby("annotator")
    result = pd.DataFrame({"answers": people.size()}).rename_axis("annotator")
    result["votes"] = voters.size().reindex(result.index, fill_value=0)
    result["skipped"] = people["answer"].agg(lambda answers: (answers == CANNOT_TELL).sum())
    for name, number, judged in (
        ("control_accuracy", "controls", people["right"]),
        ("agreement", "compared", voters["agrees"]),
    ):
        trials = judged.count().reindex(result.index, fill_value=0)
        hits = judged.sum().reindex(result.index, fill_value=0).astype(float)
        result[number], result[name] = trials, hits / trials.where(trials > 0)
        prefix = name.removesuffix("_accuracy")
        result[f"{prefix}_low"], result[f"{prefix}_high"] = wilson(hits.to_numpy(), trials.to_numpy())
    result["timed"] = people["image_ms"].count()
    result["median_ms"] = people["image_ms"].median()
    result["too_fast"] = people["fast"].mean()
    return result.reset_index().astype({"annotator": "str"})


def exclusions(table: pd.DataFrame, rule: ExclusionRule) -> pd.DataFrame:
    """Return who a rule leaves out of an `annotator_table`, and why in words: `annotator, reason`.

    >>> table = pd.DataFrame({"annotator": ["ann", "bob"], "controls": [10, 10], "control_accuracy": [1.0, 0.5]})
    >>> exclusions(table, ExclusionRule(control_accuracy=0.7)).to_dict("records")
    [{'annotator': 'bob', 'reason': '50% of 10 controls right, below 70%'}]
    """
    reasons = pd.Series("", table.index, dtype=object)
    for share, number, least, words in (
        ("control_accuracy", "controls", LEAST_CONTROLS, "of {} controls right, below"),
        ("agreement", "compared", LEAST_COMPARED, "of {} votes agree with most others, below"),
        ("too_fast", "timed", LEAST_TIMED, "of {} answers impossibly fast, above"),
    ):
        limit = getattr(rule, share)
        if limit is not None:
            broken = table[share] < limit
            if share == "too_fast":
                broken = table[share] > limit
            for row in table.index[broken & (table[number] >= least)]:
                reasons[row] += f"; {table[share][row]:.0%} {words.format(table[number][row])} {limit:.0%}"
    excluded = pd.DataFrame({"annotator": table["annotator"], "reason": reasons.str.removeprefix("; ")})
    return excluded[reasons != ""].astype("str").reset_index(drop=True)


def _agreement(votes: pd.DataFrame) -> pd.Series:
    """Return how far each vote says what most other votes on its question say, from 0 to 1; NaN without others."""
    question, answer = questions(votes)
    sizes = pd.DataFrame({"question": question, "answer": answer}).value_counts(sort=False)
    by_question = sizes.groupby("question")
    first = by_question.transform("max")
    leading = (sizes == first).groupby("question").transform("sum")
    second = sizes.where(sizes < first, 0).groupby("question").transform("max")
    # The largest other answer, and how many are as large.
    alone = (sizes == first) & (leading == 1)
    rival = second.where(alone, first)
    rivals = (sizes == second).groupby("question").transform("sum").where(alone, leading - (sizes == first))
    others = sizes - 1
    agrees = (others > rival) + ((others == rival) & (others > 0)) / (1 + rivals)
    agrees = agrees.where(by_question.transform("sum") > 1)
    shares = agrees.reindex(pd.MultiIndex.from_arrays([question, answer])).to_numpy(float)
    return pd.Series(shares, votes.index).where(votes["annotator"].notna())


def _times(responses: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the milliseconds of each image or tile, NaN where unknown (also -1), and whether they are too few."""
    milliseconds = pd.to_numeric(responses["reaction_ms"]).astype(float)
    milliseconds = milliseconds.where(milliseconds >= 0)
    select = responses["design"] == "select"
    task = responses["task"].astype(object).where(responses["task"].notna(), responses["path"])
    tiles = responses.groupby([responses["annotator"], task])["path"].transform("size")
    image_ms = milliseconds.where(~select, milliseconds / tiles)
    limit = np.where(select, FASTEST_SELECT_MS, FASTEST_CLASSIFY_MS)
    return {"image_ms": image_ms, "fast": (image_ms < limit).astype(float).where(image_ms.notna())}
