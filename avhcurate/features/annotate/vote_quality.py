"""Quality of the collected votes: agreement, reliability, disputed labels."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.features.annotate.annotators import annotators, responses
from avhcurate.features.annotate.setup import collected, columns_of
from avhcurate.measures.stats.sample_size import Need, VoteForecast, votes_needed
from avhcurate.people import agreement, reliability
from avhcurate.people.agreement import Agreement
from avhcurate.people.dawid_skene import labels_by_dawid_skene
from avhcurate.people.reliability import Reliability
from avhcurate.people.responses import Design, ticks_of


@dataclass(frozen=True)
class VoteQuality:
    """Quality of the collected votes of one design; excluded annotators are left out of all but `table`.

    table: a row per annotator, see `annotators.annotators`. votes: the counted ones as `annotators.responses`, oldest
    first; ticks only where the class asked about is the label. by_sample: votes of each sample, (N,).
    """

    design: Design
    table: pd.DataFrame
    votes: pd.DataFrame
    by_sample: np.ndarray
    kappa: Agreement
    alpha: Agreement
    reliability: Reliability


def vote_quality(table: DatasetTable, design: Design) -> VoteQuality:
    """Return agreement and reliability of the votes collected in one design."""
    answers = _counted(table, design)
    votes = answers[answers["id"] >= 0]
    kinds = np.zeros((0, 2), np.int64)
    if design == "select":
        votes = votes[votes["label"] == table.dataset.labels()[votes["id"]]]
    # Answers to each question by category: a class, or left and ticked.
    questions = [answers["path"]]
    categories: Any = answers["label"]
    if design == "select":
        questions.append(answers["answer"])
        categories = ticks_of(answers["selected"])
    if len(answers):
        kinds = pd.crosstab(questions, categories).to_numpy()
    counts = collected(table, columns_of(table), design)
    return VoteQuality(
        design=design,
        table=annotators(table),
        votes=votes,
        by_sample=counts.votes,
        kappa=agreement.fleiss_kappa(kinds),
        alpha=agreement.krippendorff_alpha(kinds),
        reliability=reliability.of_ticks(counts.hits, counts.asked),
    )


def _counted(table: DatasetTable, design: Design) -> pd.DataFrame:
    """Return the answers of annotators who count that name a class of the dataset."""
    answers = responses(table, design=design)
    return answers[~answers["excluded"] & (answers["label"] >= 0)]


def need(table: DatasetTable, *, score: str, width: float) -> Need:
    """Return how many more votes, or samples, the score's correlation with HSF needs to be as narrow as asked."""
    frame = table.frame(columns=["id", "hsf", score]).dropna(subset=["hsf", score])
    ids = frame["id"].to_numpy(np.int64)
    counts = table.counter.counts
    return votes_needed(VoteForecast(frame[score], counts.hits[ids], counts.asked[ids]), width=width)


def disputed_labels(table: DatasetTable, design: Design) -> pd.DataFrame:
    """Return the samples whose label annotators dispute, by Dawid-Skene, surest first.

    Columns `id, said, prob, votes`: the class they say (-1: another one, of ticks), and how probable that is.
    """
    answers = _counted(table, design)
    answers = answers[answers["id"] >= 0]
    opinions = labels_by_dawid_skene(answers, table.counter.classes)
    ids = answers.drop_duplicates("path").set_index("path")["id"]
    opinions["id"] = ids.reindex(opinions["path"]).to_numpy(np.int64)
    labels = table.dataset.labels()[opinions["id"]]
    differs = (labels >= 0) & (opinions["label"] != labels)
    if design == "select":
        differs = (opinions["label"] == labels) & (opinions["prob"] < 0.5)
        opinions = opinions.assign(label=-1, prob=1 - opinions["prob"])
    opinions = opinions[differs].rename(columns={"label": "said"})[["id", "said", "prob", "votes"]]
    return opinions.sort_values("prob", ascending=False, kind="stable")


def annotator_pairs(votes: pd.DataFrame) -> pd.DataFrame:
    """Return `first, second, n, same, ids` of every two of the twelve busiest annotators, and of each with itself.

    `n` images have a vote of both, `ids` are theirs; both say the `same` of some. `votes` are those of `VoteQuality`.
    """
    busiest = votes["annotator"].value_counts().index[:12]
    latest = votes[votes["annotator"].isin(busiest)].drop_duplicates(["id", "annotator"], keep="last")
    ticked = latest["selected"].astype("boolean").astype("Int64")
    answer = ticked.fillna(latest["label"] + 2).astype(float)  # a class, or left and ticked
    by_image = latest.assign(answer=answer).pivot(index="id", columns="annotator", values="answer")
    rows = []
    for first, second in product(busiest, busiest):
        pair = by_image[[first, second]].dropna()
        same = pair.iloc[:, 0] == pair.iloc[:, 1]
        rows.append((first, second, len(pair), int(same.sum()), pair.index.to_numpy()))
    return pd.DataFrame(rows, columns=["first", "second", "n", "same", "ids"])
