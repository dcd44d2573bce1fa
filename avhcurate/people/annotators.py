"""Reliability of each annotator: answers to controls, agreement with the others, speed; and who a rule leaves out.

By default nobody is left out, as in ImageNetV2.
"""

from dataclasses import dataclass

import pandas as pd

from avhcurate.measures.stats.intervals import wilson
from avhcurate.people.responses import CANNOT_TELL, check_responses, correct_controls, questions, votes_of

#: Controls, compared votes and timed answers from which on a rule judges an annotator.
LEAST_CONTROLS = 5
LEAST_COMPARED = 20
LEAST_TIMED = 10


@dataclass(frozen=True, kw_only=True)
class ExclusionRule:
    """Limits that an annotator must keep; None for no limit.

    Each is the least value of the column of `annotator_table` with its name.
    """

    control_accuracy: float | None = None
    agreement: float | None = None
    median_ms: float | None = None
    answers: int | None = None


#: By each limit: the column with what it judges by, from how many on, and why in words.
_JUDGED_BY = {
    "control_accuracy": ("controls", LEAST_CONTROLS, "{value:.0%} of {n:,} controls right, below {limit:.0%}"),
    "agreement": ("compared", LEAST_COMPARED, "{value:.0%} of {n:,} votes as most others, below {limit:.0%}"),
    "median_ms": ("timed", LEAST_TIMED, "a median of {value:,.0f} ms an image, below {limit:,.0f} ms"),
    "answers": ("answers", 0, "{value:,} answers, below {limit:,}"),
}


def annotator_table(responses: pd.DataFrame) -> pd.DataFrame:
    """Return one row per annotator, in order of name. Rows without an annotator help to judge others.

    answers: all answers; votes: without controls, the last of each question; skipped: where they could not tell.
    control_accuracy: share of right answers to `controls` controls. agreement: share of the `compared` votes that say
    what most other annotators say to the same question; where the others tie, an answer among the tied counts as one
    over their number. Both shares have Wilson intervals (_low, _high), as if votes were independent. median_ms: of the
    time that an image or tile took, where `timed` ones have one. NaN where there is nothing to judge by.
    """
    table = check_responses(responses)
    votes = votes_of(table)
    table["right"] = correct_controls(table).astype("Float64")
    votes = votes.assign(agrees=_agreement(votes))
    signed = table[table["annotator"].notna()].assign(image_ms=_image_ms(table))
    people = signed.groupby("annotator")
    voters = votes.groupby("annotator")
    result = pd.DataFrame({"answers": people.size()}).rename_axis("annotator")
    result["votes"] = voters.size().reindex(result.index, fill_value=0)
    result["skipped"] = people["answer"].agg(lambda answers: (answers == CANNOT_TELL).sum())
    for name, number, values in (
        ("control_accuracy", "controls", people["right"]),
        ("agreement", "compared", voters["agrees"]),
    ):
        trials = values.count().reindex(result.index, fill_value=0)
        hits = values.sum().reindex(result.index, fill_value=0).astype(float)
        result[number], result[name] = trials, hits / trials.where(trials > 0)
        prefix = name.removesuffix("_accuracy")
        result[f"{prefix}_low"], result[f"{prefix}_high"] = wilson(hits.to_numpy(), trials.to_numpy())
    result["timed"] = people["image_ms"].count()
    result["median_ms"] = people["image_ms"].median()
    return result.reset_index().astype({"annotator": "str"})


def exclusions(table: pd.DataFrame, rule: ExclusionRule) -> pd.DataFrame:
    """Return who a rule leaves out of an `annotator_table`, and why in words: `annotator, why`.

    Who has fewer than 5 controls, 20 compared votes or 10 timed answers is not judged by them.

    >>> table = pd.DataFrame({"annotator": ["ann", "bob"], "controls": [10, 10], "control_accuracy": [1.0, 0.5]})
    >>> exclusions(table, ExclusionRule(control_accuracy=0.7)).to_dict("records")
    [{'annotator': 'bob', 'why': '50% of 10 controls right, below 70%'}]
    """
    reasons = pd.Series("", table.index, dtype=object)
    for name, (number, least, words) in _JUDGED_BY.items():
        limit = getattr(rule, name)
        if limit is not None:
            for row in table.index[(table[name] < limit) & (table[number] >= least)]:
                reasons[row] += "; " + words.format(value=table[name][row], n=table[number][row], limit=limit)
    excluded = pd.DataFrame({"annotator": table["annotator"], "why": reasons.str.removeprefix("; ")})
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


def _image_ms(responses: pd.DataFrame) -> pd.Series:
    """Return the milliseconds of each image or tile, NaN where unknown (also -1); a grid's time is its tiles'."""
    milliseconds = pd.to_numeric(responses["reaction_ms"]).astype(float)
    milliseconds = milliseconds.where(milliseconds >= 0)
    task = responses["task"].astype(object).where(responses["task"].notna(), responses["path"])
    tiles = responses.groupby([responses["annotator"], task])["path"].transform("size")
    return milliseconds.where(responses["design"] != "select", milliseconds / tiles)
