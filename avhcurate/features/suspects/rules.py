"""Which labels are likely wrong: the evidence of several sources, the expected errors, and verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
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

#: Verdicts and their names. "wrong": another class has more AVC, and the sample is among the first, as many as errors
#: are expected.
#: "ambiguous": AVC is flat and the label not probable, so the image itself is ambiguous or degraded.
#: "open": a source doubts the label, but it is neither.
VERDICTS = {"wrong": "Likely wrong", "ambiguous": "Ambiguous", "open": "Open"}

#: Samples whose probabilities are compared at a time.
_ROWS = 8192


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


def angular_view(theta: ArrayLike, labels: ArrayLike) -> pd.DataFrame:
    """Return angles theta (N, K) of samples to the class weights, K >= 2, summarised for labels (N,), none -1.

    avh, avc_given: of the given label. rival: the other class at the smallest angle; avc_rival: its AVC. margin: angle
    to the second nearest class minus angle to the nearest, rad.

    >>> angular_view([[0.5, 1.0, 1.5]], [1]).round(3).to_dict("records")
    [{'avh': 0.333, 'avc_given': 0.333, 'rival': 0, 'avc_rival': 0.411, 'margin': 0.5}]
    """
    angles, given = np.asarray(theta, np.float64), np.asarray(labels, np.int64)
    if angles.ndim != 2 or angles.shape[1] < 2:
        raise CurateError(
            f"Suspects need two classes or more; the angles have shape {angles.shape}. Give (N, K) angles."
        )
    rows = np.arange(len(angles))
    closeness = np.pi - angles
    share = closeness / closeness.sum(axis=1, keepdims=True)
    others = angles.copy()
    others[rows, given] = np.inf
    rival = others.argmin(axis=1)
    nearest = np.partition(angles, 1, axis=1)
    return pd.DataFrame(
        {
            "avh": angles[rows, given] / angles.sum(axis=1),
            "avc_given": share[rows, given],
            "rival": rival,
            "avc_rival": share[rows, rival],
            "margin": nearest[:, 1] - nearest[:, 0],
        }
    )


# --- the sources -------------------------------------------------------------------------------------------------


def angular(view: pd.DataFrame, labels: np.ndarray) -> Evidence:
    """How much more AVC another class has than the label: score = avc_rival - avc_given, in (-1, 1).

    Doubts the label where that is positive and avc_share >= AT_HOME: the share of the samples labelled with the rival
    whose AVC on it is not larger than this sample's. avh_share: rank share of AVH among the samples of the same label.
    """
    score, share = view["avc_rival"] - view["avc_given"], np.zeros(len(view))
    for rival, rows in view.groupby("rival").indices.items():
        members = np.sort(view["avc_given"][labels == rival])
        if len(members):
            share[rows] = np.searchsorted(members, view["avc_rival"].iloc[rows], side="right") / len(members)
    avh = view["avh"].groupby(labels)
    details = {"avh_share": ((avh.rank() - 0.5) / avh.transform("count")).to_numpy(), "avc_share": share}
    doubts = (score > 0).to_numpy() & (share >= AT_HOME)
    return Evidence(score.to_numpy(), view["rival"].to_numpy(), doubts, details)


def neighbours(near: np.ndarray, labels: np.ndarray, given: np.ndarray) -> Evidence:
    """Share of the nearest samples that have another label: near (n, k) ids, -1 for none; labels (N,) of all by id.

    `given` (n,) are the labels in question. The suggestion is the most frequent other label, of equally frequent ones
    that of the nearest; the label is doubted where more neighbours have the suggestion than the label itself.

    >>> evidence = neighbours(np.array([[1, 2, 3]]), np.array([0, 1, 1, 0]), np.array([0]))
    >>> evidence.score.round(3), evidence.suggested, evidence.doubts
    (array([0.667]), array([1]), array([ True]))
    """
    of = np.where(near >= 0, labels[np.maximum(near, 0)], -1)
    known = (of >= 0).sum(axis=1)
    same = ((of == given[:, None]) & (of >= 0)).sum(axis=1)
    frequency = (of[:, :, None] == of[:, None, :]).sum(axis=2)
    frequency[(of < 0) | (of == given[:, None])] = 0
    best = frequency.argmax(axis=1)[:, None]
    most = np.take_along_axis(frequency, best, 1)[:, 0]
    suggested = np.where(most > 0, np.take_along_axis(of, best, 1)[:, 0], -1)
    return Evidence(_share(known - same, known), suggested, most > same, {"known": known})


def confident_learning(probs: np.ndarray, labels: np.ndarray) -> Evidence:
    """cleanlab's confident learning: probs (N, K), labels (N,) -> score 1 - normalized margin; doubts what it prunes.

    The margin is the label's probability less that of the likeliest other class, which is the suggestion, brought to
    [0, 1]. It needs the extra `cleanlab`.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    present, compact = np.unique(labels, return_inverse=True)
    score, doubts = np.full(len(labels), np.nan), np.zeros(len(labels), bool)
    if len(present) > 1:
        # Only classes that occur: cleanlab's joint counts allow no class without samples.
        some = probs[:, present] / np.maximum(probs[:, present].sum(axis=1, keepdims=True), np.finfo(probs.dtype).tiny)
        doubts = find_label_issues(compact, some, filter_by="prune_by_noise_rate", n_jobs=1)
        score = 1 - get_label_quality_scores(compact, some, method="normalized_margin")
    others = probs.copy()
    others[np.arange(len(labels)), labels] = -1
    return Evidence(score, others.argmax(axis=1), np.asarray(doubts, bool), {})


def kway_votes(counts: np.ndarray, labels: np.ndarray) -> Evidence:
    """K-way votes: counts (N, K) -> score 1 - HSF; suggests the most chosen other label, with its Wilson interval.

    Doubts the label where another one has more votes.

    >>> evidence = kway_votes(np.array([[1, 3], [0, 0]]), np.array([0, 0]))
    >>> evidence.score, evidence.suggested, evidence.doubts
    (array([0.75,  nan]), array([ 1, -1]), array([ True, False]))
    """
    rows, total = np.arange(len(labels)), counts.sum(axis=1)
    given = counts[rows, labels]
    others = counts.copy()
    others[rows, labels] = -1
    best = others.argmax(axis=1)
    most = np.maximum(others[rows, best], 0)
    low, high = wilson(most, total)
    details = {"n": total, "share": _share(most, total), "low": low, "high": high}
    return Evidence(_share(total - given, total), np.where(most > 0, best, -1), most > given, details)


def tick_votes(selected: np.ndarray, shown: np.ndarray) -> Evidence:
    """Tick votes: score 1 - selection frequency; no label is suggested. Doubts where fewer than half ticked it."""
    share, (low, high) = _share(shown - selected, shown), wilson(shown - selected, shown)
    details = {"n": shown, "share": share, "low": low, "high": high}
    return Evidence(share, np.full(len(shown), -1), np.nan_to_num(share) > 0.5, details)


# --- all sources together ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """How many labels are expected to be wrong, with a 95 % interval of sampling."""

    errors: float
    low: float
    high: float


def expected_errors(probs: np.ndarray, labels: np.ndarray) -> Expected:
    """Estimate the number of wrong labels by the confident joint (Northcutt et al. 2021): probs (N, K), labels (N,).

    A sample is counted for the likeliest of the classes whose probability reaches the mean that the class has among the
    samples with that label; the share of a label's counted samples that fall on other classes stands for all of its
    samples. The interval (Wilson's) says how exact the shares are, not how right: confident mistakes of the model count
    as errors of labels, and errors that the model has learned are missed.

    >>> expected_errors(np.array([[0.9, 0.1]] * 8 + [[0.1, 0.9]] * 8), np.array([0] * 7 + [1] * 9)).errors
    1.0
    """
    num_classes = probs.shape[1]
    sizes = np.bincount(labels, minlength=num_classes)
    given = probs[np.arange(len(labels)), labels]
    usual = np.bincount(labels, given, num_classes) / np.maximum(sizes, 1)
    usual[sizes == 0] = np.inf
    counted, elsewhere = np.zeros(num_classes), np.zeros(num_classes)
    for at in range(0, len(labels), _ROWS):
        part, label = probs[at : at + _ROWS], labels[at : at + _ROWS]
        # The mean of float32 numbers that are all equal may be larger than they are.
        likeliest = np.where(part >= usual * (1 - 1e-6), part, -1.0)
        found = likeliest.argmax(axis=1)
        sure = likeliest.max(axis=1) >= 0
        counted += np.bincount(label[sure], minlength=num_classes)
        elsewhere += np.bincount(label[sure & (found != label)], minlength=num_classes)
    share = elsewhere / np.maximum(counted, 1)
    errors = float(sizes @ share)
    variance = float(sizes**2 @ (share * (1 - share) / np.maximum(counted, 1)))
    mean, trials = errors / len(labels), max(1.0, counted.sum())
    if variance > 0:
        trials = mean * (1 - mean) / (variance / len(labels) ** 2)
    low, high = (float(end) * len(labels) for end in wilson(mean * trials, trials))
    return Expected(errors, low, high)


def verdicts(view: pd.DataFrame, rank: pd.Series, doubted: np.ndarray, *, expected: float) -> np.ndarray:
    """Return one of VERDICTS for each sample, "" where the label is not in doubt.

    `view` has the `confidence` in the given label too, `rank` comes from `combine`, `doubted` says that any source
    doubts.
    """
    flat = view["margin"] < FLAT * view["margin"].median()
    wrong = (view["avc_rival"] > view["avc_given"]) & (rank <= round(expected))
    return np.select([wrong, flat & (view["confidence"] < UNSURE), doubted], ["wrong", "ambiguous", "open"], "")


def combine(evidence: Mapping[str, Evidence], num_classes: int) -> pd.DataFrame:
    """Combine all sources: `rank, doubt, suggested, agreement, spoke`, a row per sample.

    doubt: mean rank share of the sample over the sources with evidence on it, in (0, 1). rank: 1 for the highest doubt;
    ties in order of the samples. suggested: the label that most doubting sources name, then that of the highest rank
    shares. agreement: how many doubting sources name it. spoke: how many have evidence.
    """
    shares = np.stack([rank_shares(one.score) for one in evidence.values()])
    names = np.stack([one.suggested for one in evidence.values()])
    doubts = np.stack([one.doubts for one in evidence.values()])
    spoke = (~np.isnan(shares)).sum(axis=0)
    doubt = _share(np.nansum(shares, axis=0), spoke)
    # Sources are few and classes may be many: weights are summed per suggestion, not per class.
    weight = np.nan_to_num(shares) + len(evidence) * doubts
    support = np.stack([np.where(names == one, weight, 0.0).sum(axis=0) for one in names])
    support[names < 0] = -1.0
    best = np.take_along_axis(names, support.argmax(axis=0)[None], 0)[0]
    suggested = np.where(best < num_classes, best, -1)
    agreement = (doubts & (names == suggested) & (suggested >= 0)).sum(axis=0)
    rank = pd.Series(-np.nan_to_num(doubt, nan=-1.0)).rank(method="first").astype(np.int64)
    return pd.DataFrame({"rank": rank, "doubt": doubt, "suggested": suggested, "agreement": agreement, "spoke": spoke})


def _share(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return part / total (N,), NaN where the total is 0."""
    return np.divide(part, total, out=np.full(len(total), np.nan), where=total > 0)
