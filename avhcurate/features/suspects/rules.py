"""Which labels are in doubt: the evidence of several sources, what they say together, and verdicts."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from avhcurate.measures.stats.intervals import wilson
from avhcurate.measures.stats.ranks import rank_shares

#: Sources of evidence and their names.
SOURCES = {"angular": "Angles", "neighbours": "Neighbours", "cleanlab": "cleanlab", "votes": "Votes"}

#: AVC on another class is high from this quantile of that class's own samples on.
AT_HOME = 0.1
#: AVC is flat where the angle between the best two classes is below this share of its median over the samples.
FLAT = 0.1
#: A label of more probability than this is not ambiguous, however flat the AVC.
UNSURE = 0.75

#: Verdicts and their names, on what a source doubts. "nearer": the network finds another class closer than the label.
#: "ambiguous", doubted or not: AVC is flat and the label not probable, so the image itself is ambiguous or degraded.
#: "open": neither.
VERDICTS = {"nearer": "Another class is nearer", "ambiguous": "Ambiguous", "open": "Undecided"}


@dataclass(frozen=True)
class Evidence:
    """Evidence of one source on N samples.

    score: (N,) float, high = label in doubt, NaN without evidence. suggested: (N,) the most likely other label, -1 for
    none. doubts: (N,) bool, whether the source considers the given label wrong. details: numbers to show, (N,) each.
    """

    score: np.ndarray
    suggested: np.ndarray
    doubts: np.ndarray
    details: dict[str, np.ndarray]


def angular_view(angles: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Return angles (N, K) of samples to the class weights, K >= 2, summarised for labels (N,), none -1.

    avh, avc_given: of the given label. rival: the other class at the smallest angle; avc_rival: its AVC. margin: angle
    to the second nearest class minus angle to the nearest, rad. nearer: whether the rival is nearer than the label.

    >>> angular_view(np.array([[0.5, 1.0, 1.5]]), [1]).drop(columns="nearer").round(3).to_dict("records")
    [{'avh': 0.333, 'avc_given': 0.333, 'rival': 0, 'avc_rival': 0.411, 'margin': 0.5}]
    """
    rows = np.arange(len(angles))
    closeness = np.pi - angles
    share = closeness / closeness.sum(axis=1, keepdims=True)
    rival = _others(-angles, labels, -np.inf).argmax(axis=1)
    nearest = np.partition(angles, 1, axis=1)
    return pd.DataFrame(
        {
            "avh": angles[rows, labels] / angles.sum(axis=1),
            "avc_given": share[rows, labels],
            "rival": rival,
            "avc_rival": share[rows, rival],
            "margin": nearest[:, 1] - nearest[:, 0],
            "nearer": share[rows, rival] > share[rows, labels],
        }
    )


def softmax_view(probs: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Return `rival`, `margin` and `nearer` by probabilities (N, K) alone, K >= 2, for labels (N,)."""
    rows = np.arange(len(probs))
    best = np.partition(probs, -2, axis=1)
    rival = _others(probs, labels).argmax(axis=1)
    nearer = probs[rows, rival] > probs[rows, labels]
    return pd.DataFrame({"rival": rival, "margin": best[:, -1] - best[:, -2], "nearer": nearer})


def _others(values: np.ndarray, labels: np.ndarray, lowest: float = -1) -> np.ndarray:
    """Return values (N, K) with the lowest in place of those of the labels (N,)."""
    others = values.copy()
    others[np.arange(len(labels)), labels] = lowest
    return others


# --- the sources -------------------------------------------------------------------------------------------------


def angular(view: pd.DataFrame, labels: np.ndarray) -> Evidence:
    """How much more AVC another class has than the label: score = avc_rival - avc_given, in (-1, 1).

    Doubts the label where that is positive and avc_share >= AT_HOME: the share of the samples labelled with the rival
    whose AVC on it is not larger than this sample's. avh_share: rank share of AVH among the samples of the same label.
    """
    score = view["avc_rival"] - view["avc_given"]
    share = np.zeros(len(view))
    for rival, rows in view.groupby("rival").indices.items():
        members = np.sort(view["avc_given"][labels == rival])
        if len(members):
            share[rows] = np.searchsorted(members, view["avc_rival"].iloc[rows], side="right") / len(members)
    avh = view["avh"].groupby(labels)
    details = {"avh_share": ((avh.rank() - 0.5) / avh.transform("count")).to_numpy(), "avc_share": share}
    doubts = (score > 0).to_numpy() & (share >= AT_HOME)
    return Evidence(score.to_numpy(), view["rival"].to_numpy(), doubts, details)


def neighbours(nearest: np.ndarray, all_labels: np.ndarray, labels: np.ndarray) -> Evidence:
    """Share of the nearest samples that have another label: ids (n, k), -1 for none; labels (N,) of all by id.

    `labels` (n,) are those in question. The suggestion is the most frequent other label, of equally frequent ones that
    of the nearest; the label is doubted where more neighbours have the suggestion than the label itself.

    >>> evidence = neighbours(np.array([[1, 2, 3]]), np.array([0, 1, 1, 0]), np.array([0]))
    >>> evidence.score.round(3), evidence.suggested, evidence.doubts
    (array([0.667]), array([1]), array([ True]))
    """
    theirs = np.where(nearest >= 0, all_labels[np.maximum(nearest, 0)], -1)
    labelled = theirs >= 0
    same = labelled & (theirs == labels[:, None])
    frequency = (theirs[:, :, None] == theirs[:, None, :]).sum(axis=2)
    frequency[~labelled | same] = 0
    best = frequency.argmax(axis=1)[:, None]
    highest = np.take_along_axis(frequency, best, 1)[:, 0]
    suggested = np.where(highest > 0, np.take_along_axis(theirs, best, 1)[:, 0], -1)
    number = labelled.sum(axis=1)
    agreeing = same.sum(axis=1)
    return Evidence(_share(number - agreeing, number), suggested, highest > agreeing, {"known": number})


def confident_learning(probs: np.ndarray, labels: np.ndarray, present: np.ndarray) -> Evidence:
    """cleanlab: probs (N, K), labels (N,) -> score 1 - normalized margin. What it doubts, `prune` says.

    The margin is the label's probability less that of the likeliest other class, which is the suggestion, brought to
    [0, 1]. Only the classes `present` count.
    """
    others = _others(probs, labels)
    score = np.full(len(labels), np.nan)
    if len(present) > 1:
        margin = probs[np.arange(len(labels)), labels] - others[:, present].max(axis=1)
        score = (1 - margin / _total(probs[:, present])) / 2
    return Evidence(score, others.argmax(axis=1), np.zeros(len(labels), bool), {})


def prune(probs: np.ndarray, labels: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Return (N,), which labels cleanlab prunes by noise rate (Northcutt, Jiang and Chuang 2021).

    probs (N, K), labels (N,), every one of the classes `present`.
    """
    if len(present) < 2:
        return np.zeros(len(labels), bool)
    shares = probs[:, present] / _total(probs[:, present])[:, None]
    given = np.searchsorted(present, labels)
    # It warns of classes with one sample, and its import would silence all later warnings of the process.
    with warnings.catch_warnings(action="ignore"):
        from cleanlab import filter  # takes a second or more: only what searches for suspects waits for it

        pruned: np.ndarray = filter.find_label_issues(given, shares, filter_by="prune_by_noise_rate", n_jobs=1)
        filter.pred_probs_by_class = {}  # else a notebook keeps a copy of all probabilities
    return pruned


def _total(probs: np.ndarray) -> np.ndarray:
    """Return sums of probs (N, K), (N,), by which one can divide."""
    return np.maximum(probs.sum(axis=1), np.finfo(probs.dtype).tiny)


def kway_votes(counts: np.ndarray, labels: np.ndarray) -> Evidence:
    """K-way votes: counts (N, K) -> score 1 - HSF; suggests the most chosen other label, with its Wilson interval.

    Doubts the label where another one has more votes.

    >>> evidence = kway_votes(np.array([[1, 3], [0, 0]]), np.array([0, 0]))
    >>> evidence.score, evidence.suggested, evidence.doubts
    (array([0.75,  nan]), array([ 1, -1]), array([ True, False]))
    """
    rows = np.arange(len(labels))
    total = counts.sum(axis=1)
    agreeing = counts[rows, labels]
    others = _others(counts, labels)
    best = others.argmax(axis=1)
    highest = np.maximum(others[rows, best], 0)
    suggested = np.where(highest > 0, best, -1)
    return Evidence(_share(total - agreeing, total), suggested, highest > agreeing, _interval(highest, total))


def tick_votes(selected: np.ndarray, shown: np.ndarray) -> Evidence:
    """Tick votes: score 1 - selection frequency; no label is suggested. Doubts where fewer than half ticked it."""
    share = _share(shown - selected, shown)
    details = _interval(shown - selected, shown)
    return Evidence(share, np.full(len(shown), -1), np.nan_to_num(share) > 0.5, details)


def _interval(votes: np.ndarray, total: np.ndarray) -> dict[str, np.ndarray]:
    """Return the share of votes among a total, and its Wilson interval."""
    low, high = wilson(votes, total)
    return {"n": total, "share": _share(votes, total), "low": low, "high": high}


# --- all sources together ----------------------------------------------------------------------------------------


def verdicts(view: pd.DataFrame, doubted: np.ndarray) -> np.ndarray:
    """Return one of VERDICTS for each sample, "" where the label is not in doubt.

    `view` has the `confidence` in the given label too; `doubted` says that any source doubts.
    """
    flat = (view["margin"] < FLAT * view["margin"].median()) & (view["confidence"] < UNSURE)
    return np.select([flat, doubted & view["nearer"], doubted], ["ambiguous", "nearer", "open"], "")


def combine(evidence: Mapping[str, Evidence], doubt: np.ndarray, weights: Mapping[str, float]) -> pd.DataFrame:
    """Combine all sources: `rank, doubt` and what `suggestion` returns of their classes, a row per sample.

    doubt: (N,), of all sources together. rank: 1 for the highest; ties by the mean rank share over the sources with
    evidence, then in order of the samples.
    """
    shares = np.stack([rank_shares(source.score) for source in evidence.values()])
    mean = np.nan_to_num(_share(np.nansum(shares, axis=0), (~np.isnan(shares)).sum(axis=0)))
    rank = np.empty(len(mean), np.int64)
    rank[np.lexsort((-mean, -doubt))] = np.arange(1, len(mean) + 1)
    suggested = suggestion(named_classes(evidence, weights), np.full(len(mean), -1))
    return pd.DataFrame({"rank": rank, "doubt": doubt}).join(suggested[["suggested", "agreement", "spoke"]])


# --- which class is suggested ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """What people say who were asked about some of N samples: `named` (P, N) classes, -1 for none, each by so many
    `people` (P, N) of those who have `answered` (N,); who cannot tell has answered and names none.
    """

    named: np.ndarray
    people: np.ndarray
    answered: np.ndarray


@dataclass(frozen=True)
class NamedClasses:
    """The classes (C, N) that are named for each of N samples, those of most evidence first; -1 after the last.

    sources: by how many doubting sources of weight, of those that `spoke` (N,). people: by how many of the people
    asked, of those who `answered` (N,).
    """

    classes: np.ndarray
    sources: np.ndarray
    people: np.ndarray
    spoke: np.ndarray
    answered: np.ndarray


def named_classes(
    evidence: Mapping[str, Evidence], weights: Mapping[str, float], answers: Answers | None = None
) -> NamedClasses:
    """Return every class that a doubting source or a person asked names, in the order in which buttons offer them.

    First that which more than half of the people who answered name, then those that most sources of weight name; ties
    by the sum of the weights, then by the highest rank share of a score, then by people, then in the order of sources.
    A source without weight in the order of the list does not count, unless none has any; what it names comes last.
    """
    says = np.stack([np.where(source.doubts, source.suggested, -1) for source in evidence.values()])
    number = says.shape[1]
    answers = answers or Answers(np.empty((0, number), int), np.empty((0, number), int), np.zeros(number, int))
    heavy = np.array([weights.get(name, 0.0) for name in evidence])
    if not heavy.any():
        heavy[:] = 1
    counts = (heavy > 0)[:, None]
    ranked = counts * np.nan_to_num([rank_shares(source.score) for source in evidence.values()])
    classes = np.concatenate([says, answers.named])

    def over(values: np.ndarray, named: np.ndarray, gather: np.ufunc = np.add) -> np.ndarray:
        """Return the sum, or what else `gather` makes, of the values of those that name each class (C, N)."""
        return np.stack([gather.reduce(np.where(named == one, values, 0), axis=0) for one in classes])

    sources = over(counts, says)
    people = over(answers.people, answers.named)
    most = 2 * people > answers.answered
    weight = over(heavy[:, None], says).round(9)
    again = np.stack([(classes[:row] == one).any(axis=0) for row, one in enumerate(classes)])
    classes = np.where(again, -1, classes)
    keys = (people, over(ranked, says, np.maximum), weight, sources, most & (people > 0), classes >= 0)
    order = np.lexsort(tuple(-key.astype(float) for key in keys), axis=0)
    classes, sources, people = (np.take_along_axis(rows, order, 0) for rows in (classes, sources, people))
    spoke = (counts & ~np.isnan([source.score for source in evidence.values()])).sum(axis=0)
    return NamedClasses(classes, sources, people, spoke, answers.answered)


def suggestion(named: NamedClasses, labels: np.ndarray) -> pd.DataFrame:
    """Return which class is suggested in place of the labels (N,): `suggested, agreement, spoke, people, answered`.

    suggested: the first of those named, if most people asked or a source of weight name it, else -1: nothing speaks for
    another class. It is -1 too where most people name the given label. agreement: how many sources of weight name it,
    of those that `spoke`; people: how many of those who `answered` name it, or the label where it is -1.
    """
    first, sources, people = named.classes[0], named.sources[0], named.people[0]
    most = 2 * people > named.answered
    other = (first >= 0) & (first != labels) & ((sources > 0) | (most & (people > 0)))
    of_label = np.where(named.classes == labels, named.people, 0).max(axis=0)
    return pd.DataFrame(
        {
            "suggested": np.where(other, first, -1),
            "agreement": np.where(other, sources, 0),
            "spoke": named.spoke,
            "people": np.where(other, people, of_label),
            "answered": named.answered,
        }
    )


def by_confusion(suspects: pd.DataFrame) -> pd.DataFrame:
    """Return suspects by pairs of given and suggested class, the largest pair first, then those without by rank.

    >>> rows = pd.DataFrame({"label": [0, 1, 1], "suggested": [2, 0, 0], "rank": [1, 3, 2]})
    >>> by_confusion(rows).to_numpy().tolist()
    [[1, 0, 2], [1, 0, 3], [0, 2, 1]]
    """
    pair = ["label", "suggested"]
    known = suspects["suggested"] >= 0
    size = -suspects.groupby(pair)["rank"].transform("size")
    by = pd.DataFrame({"size": size, "label": suspects["label"], "suggested": suspects["suggested"]}).where(known, 0)
    return suspects.loc[by.assign(rank=suspects["rank"]).sort_values(["size", *pair, "rank"]).index]


def _share(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return part / total (N,), NaN where the total is 0."""
    return np.divide(part, total, out=np.full(len(total), np.nan), where=total > 0)
