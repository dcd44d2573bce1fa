"""Quality of the collected votes: agreement, reliability, convergence of HSF, effect of exclusions, disputed labels."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from avhcurate.annotate.annotators import annotators, responses
from avhcurate.stats.sample_size import Need, VoteForecast, votes_needed
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.votes import agreement, reliability
from avhcurate.votes.agreement import Agreement
from avhcurate.votes.dawid_skene import labels_by_dawid_skene
from avhcurate.votes.hsf import from_ticks
from avhcurate.votes.reliability import Reliability
from avhcurate.votes.responses import Design


@dataclass(frozen=True)
class VoteQuality:
    """Quality of the collected votes of one design; excluded annotators are left out of all but `table`.

    table: a row an annotator, see `annotators.annotators`.
    votes: a row a counted vote, oldest first: `at, annotator, id, label, hit`; hit: for the given label, missing
        without one. each: votes of each sample, (N,).
    course: see `reliability.as_votes_came`.
    """

    design: Design
    table: pd.DataFrame
    votes: pd.DataFrame
    each: np.ndarray
    kappa: Agreement
    alpha: Agreement
    reliability: Reliability
    course: pd.DataFrame


@dataclass(frozen=True)
class ExclusionEffect:
    """What HSF would become without some annotators: samples whose HSF changes, by how much on the mean and at most,
    those that lose their last vote, the votes left out, and Spearman of HSF before and after."""

    samples: int
    mean: float
    most: float
    bare: int
    votes: int
    spearman: float


def vote_quality(table: DatasetTable, design: Design) -> VoteQuality:
    """Agreement, reliability and convergence of the votes collected in one design."""
    answers = responses(table, design=design, controls=True)
    counted = answers[~answers["excluded"].astype(bool)]
    votes = _votes(table, counted, design)
    kinds = _counts(counted, design)
    hits, asked = _per_sample(table, votes)
    labelled = votes[votes["hit"].notna()]
    course = reliability.as_votes_came(labelled["id"].to_numpy(np.int64), labelled["hit"].to_numpy(bool))
    return VoteQuality(
        design=design,
        table=annotators(table),
        votes=votes,
        each=np.bincount(votes["id"], minlength=table.size),
        kappa=agreement.fleiss_kappa(kinds),
        alpha=agreement.krippendorff_alpha(kinds),
        reliability=reliability.of_ticks(hits, asked),
        course=course,
    )


def without(table: DatasetTable, quality: VoteQuality, annotators: Collection[str]) -> ExclusionEffect:
    """What the HSF of the collected votes would become without some annotators."""
    kept = quality.votes[~quality.votes["annotator"].isin(list(annotators))]
    before, after = (from_ticks(*_per_sample(table, votes))["hsf"].to_numpy() for votes in (quality.votes, kept))
    both = ~np.isnan(before) & ~np.isnan(after)
    moved = np.abs(before - after)[both]
    varies = both.sum() > 2 and np.ptp(before[both]) > 0 and np.ptp(after[both]) > 0
    return ExclusionEffect(
        samples=int((moved > 0).sum()),
        mean=float(moved[moved > 0].mean()) if (moved > 0).any() else 0.0,
        most=float(moved.max()) if len(moved) else 0.0,
        bare=int((~np.isnan(before) & np.isnan(after)).sum()),
        votes=len(quality.votes) - len(kept),
        spearman=float(spearmanr(before[both], after[both])[0]) if varies else float("nan"),
    )


def need(table: DatasetTable, *, score: str, width: float) -> Need:
    """How many more votes, or samples, until the score's correlation with HSF is known as narrowly as asked."""
    frame = table.frame(columns=["id", "hsf", score]).dropna(subset=["hsf", score])
    ids, counts = frame["id"].to_numpy(np.int64), table.counter.counts
    return votes_needed(VoteForecast(frame[score], counts.hits[ids], counts.asked[ids]), width=width)


def disputed_labels(table: DatasetTable, design: Design) -> pd.DataFrame:
    """Samples whose label annotators dispute, by Dawid-Skene, surest first.

    Columns `id, said, prob, votes`: the class they say (-1: another one, of ticks), and how probable that is.
    """
    answers = responses(table, design=design)
    answers = answers[~answers["excluded"].astype(bool) & (answers["id"] >= 0) & (answers["label"] >= 0)]
    if answers.empty:
        return pd.DataFrame({"id": [], "said": [], "prob": [], "votes": []}).astype({"id": int, "said": int})
    result = labels_by_dawid_skene(answers, table.counter.classes).rename(columns={"label": "said"})
    result["id"] = answers.drop_duplicates("path").set_index("path")["id"].reindex(result["path"]).to_numpy()
    given = table.dataset.labels()[result["id"]]
    if design == "select":
        differs = (result["said"].to_numpy() == given) & (result["prob"].to_numpy() < 0.5)
        result = result.assign(said=-1, prob=1 - result["prob"])
    else:
        differs = (given >= 0) & (result["said"].to_numpy() != given)
    return result.loc[differs, ["id", "said", "prob", "votes"]].sort_values("prob", ascending=False, kind="stable")


def _votes(table: DatasetTable, counted: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Rows that are votes for samples the dataset still has; ticks only where the class asked about is the label."""
    labels = table.dataset.labels()
    rows = counted[(counted["control"] == "none") & (counted["id"] >= 0) & (counted["label"] >= 0)]
    ids, said = rows["id"].to_numpy(np.int64), rows["label"].to_numpy(np.int64)
    given = labels[ids]
    votes = rows[["at", "annotator", "id", "label"]].reset_index(drop=True)
    if design == "select":
        votes["hit"] = pd.Series(rows["selected"].to_numpy(), dtype="boolean")
        return votes[given == said].reset_index(drop=True)
    votes["hit"] = pd.Series(given == said, dtype="boolean").where(given >= 0)
    return votes


def _counts(counted: pd.DataFrame, design: Design) -> np.ndarray:
    """Answers to each question by category: a class (classify), or left and ticked (select)."""
    rows = counted[(counted["control"] == "none") & (counted["label"] >= 0)]
    asked = [rows["path"], rows["answer"]] if design == "select" else [rows["path"]]
    question = rows.groupby(asked, sort=False).ngroup().to_numpy() if len(rows) else np.empty(0, np.int64)
    said = (rows["selected"].astype(bool) if design == "select" else rows["label"]).to_numpy(np.int64)
    # Classes that nobody named change neither coefficient, so that K columns are never needed.
    names, code = np.unique(said, return_inverse=True)
    counts = np.zeros((int(question.max()) + 1 if len(question) else 0, max(2, len(names))), np.int64)
    np.add.at(counts, (question, code), 1)
    return counts


def _per_sample(table: DatasetTable, votes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Votes for the given label and votes, by id: (N,) each; samples without a label have none."""
    labelled = votes[votes["hit"].notna()]
    asked = np.bincount(labelled["id"], minlength=table.size)
    return np.bincount(labelled.loc[labelled["hit"].astype(bool), "id"], minlength=table.size), asked
