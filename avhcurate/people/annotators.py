"""Reliability of each annotator: answers to controls, agreement with the others, speed."""

import pandas as pd

from avhcurate.measures.stats.intervals import wilson
from avhcurate.people.responses import CANNOT_TELL, check_responses, correct_controls, questions, votes_of

#: Controls from which on the least control accuracy judges an annotator.
LEAST_CONTROLS = 5


def annotator_table(responses: pd.DataFrame) -> pd.DataFrame:
    """Return one row per annotator, in order of name. Rows without an annotator help to judge others.

    answers: all answers; votes: without controls, the last of each question; skipped: where they could not tell.
    control_accuracy: share of right answers to `controls` controls. agreement: share of the `compared` votes that say
    what most other annotators say to the same question; where the others tie, an answer among the tied counts as one
    over their number. Both shares have Wilson intervals (_low, _high), as if votes were independent. median_ms: of the
    time that an image or tile took. NaN where there is nothing to judge by.
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
    for name, number, judged in (
        ("control_accuracy", "controls", people["right"]),
        ("agreement", "compared", voters["agrees"]),
    ):
        trials = judged.count().reindex(result.index, fill_value=0)
        hits = judged.sum().reindex(result.index, fill_value=0).astype(float)
        result[number], result[name] = trials, hits / trials.where(trials > 0)
        prefix = name.removesuffix("_accuracy")
        result[f"{prefix}_low"], result[f"{prefix}_high"] = wilson(hits.to_numpy(), trials.to_numpy())
    result["median_ms"] = people["image_ms"].median()
    return result.reset_index().astype({"annotator": "str"})


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
