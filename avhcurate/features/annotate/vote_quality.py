"""Quality of the collected votes: agreement, reliability, disputed labels."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.features.annotate.annotators import annotators, responses
from avhcurate.features.annotate.setup import columns_of
from avhcurate.measures.stats.sample_size import Need, VoteForecast, votes_needed
from avhcurate.people import agreement, reliability
from avhcurate.people.agreement import Agreement
from avhcurate.people.dawid_skene import labels_by_dawid_skene
from avhcurate.people.hsf_source import left_out, source_choice
from avhcurate.people.reliability import Reliability
from avhcurate.people.responses import Design, ticks_of


@dataclass(frozen=True)
class VoteQuality:
    """Quality of the collected votes of one design; excluded annotators are left out of all but `table`.

    table: a row per annotator, see `annotators.annotators`. votes: the counted ones as `annotators.responses`, oldest
    first; ticks only where the class asked about is the label. each: votes of each sample, (N,).
    """

    design: Design
    table: pd.DataFrame
    votes: pd.DataFrame
    each: np.ndarray
    kappa: Agreement
    alpha: Agreement
    reliability: Reliability


def vote_quality(table: DatasetTable, design: Design) -> VoteQuality:
    """Return agreement and reliability of the votes collected in one design."""
    answers = responses(table, design=design)
    answers = answers[~answers["excluded"] & (answers["label"] >= 0)]
    votes = answers[answers["id"] >= 0]
    kinds = np.zeros((0, 2), np.int64)
    if design == "select":
        votes = votes[votes["label"] == table.dataset.labels()[votes["id"]]]
    # Answers to each question by category: a class, or left and ticked.
    if design == "select" and len(answers):
        kinds = pd.crosstab([answers["path"], answers["answer"]], ticks_of(answers["selected"])).to_numpy()
    elif len(answers):
        kinds = pd.crosstab(answers["path"], answers["label"]).to_numpy()
    columns = columns_of(table)
    excluded = left_out(columns, design, source_choice(columns)[1])
    counts = table.counter.collected(columns, design, excluded)
    return VoteQuality(
        design=design,
        table=annotators(table),
        votes=votes,
        each=counts.votes,
        kappa=agreement.fleiss_kappa(kinds),
        alpha=agreement.krippendorff_alpha(kinds),
        reliability=reliability.of_ticks(counts.hits, counts.asked),
    )


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
    answers = responses(table, design=design)
    answers = answers[~answers["excluded"] & (answers["id"] >= 0) & (answers["label"] >= 0)]
    found = labels_by_dawid_skene(answers, table.counter.classes).rename(columns={"label": "said"})
    ids = answers.drop_duplicates("path").set_index("path")["id"]
    found["id"] = ids.reindex(found["path"]).to_numpy(np.int64)
    given = table.dataset.labels()[found["id"]]
    said = found["said"].to_numpy()
    if design == "select":
        differs = (said == given) & (found["prob"] < 0.5)
        found = found.assign(said=-1, prob=1 - found["prob"])
    else:
        differs = (given >= 0) & (said != given)
    return found.loc[differs, ["id", "said", "prob", "votes"]].sort_values("prob", ascending=False, kind="stable")


def annotator_pairs(votes: pd.DataFrame) -> pd.DataFrame:
    """Return `first, second, n, same, ids` of every two of the twelve busiest annotators, and of each with itself.

    `n` images have a vote of both, `ids` are theirs; both say the `same` of some. `votes` are those of `VoteQuality`.
    """
    busiest = votes["annotator"].value_counts().index[:12]
    kept = votes[votes["annotator"].isin(busiest)].drop_duplicates(["id", "annotator"], keep="last")
    said = kept["selected"].astype("boolean").astype("Int64").fillna(kept["label"] + 2)  # a class, or left and ticked
    by_image = kept.assign(said=said.astype(float)).pivot(index="id", columns="annotator", values="said")
    rows = []
    ids = by_image.index.to_numpy()
    for first in busiest:
        for second in busiest:
            one = by_image[first].to_numpy()
            other = by_image[second].to_numpy()
            both = ~np.isnan(one) & ~np.isnan(other)
            rows.append((first, second, int(both.sum()), int((one == other).sum()), ids[both]))
    return pd.DataFrame(rows, columns=["first", "second", "n", "same", "ids"])
