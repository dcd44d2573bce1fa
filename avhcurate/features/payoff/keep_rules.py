"""Which images to keep where only a share can be trained on: rules, and the accuracy that each gives by share."""

import numpy as np
import pandas as pd
from scipy.stats import t as student

from avhcurate.features.payoff.rules import SHARE
from avhcurate.measures.stats.blas import one_thread
from avhcurate.measures.stats.softmax_heads import fit_softmax_heads

#: What each rule does. The first was never below chance on CIFAR-10 and PACS, clean and with wrong labels (see
#: docs/results/payoff.md); the last is a warning.
RULES = {
    "keep": "the least confident tenth of each class dropped, the rest evenly by confidence",
    "balanced": "by chance, as many of each class as there are",
    "random": "by chance",
    "hardest": "the least confident first",
}
#: Parts of the range of confidence from which as many images are kept, where there are as many (Zheng et al. 2023).
_STRATA = 20
_DROPPED = 0.1
#: Shares of a curve, draws of each, images that are drawn from, and heads that are fitted at once.
SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
_DRAWS = 5
_MOST = 4000
_AT_ONCE = 10


def kept(rule: str, labels: np.ndarray, confidence: np.ndarray, share: float, *, seed: int) -> np.ndarray:
    """Return which samples a rule keeps, (n,) bool: labels (n,), confidence (n,) in them, higher surer, share (0, 1].

    >>> labels, confidence = np.zeros(10, int), np.arange(10) / 10
    >>> kept("hardest", labels, confidence, 0.3, seed=0).nonzero()[0].tolist()
    [0, 1, 2]
    >>> kept("keep", labels, confidence, 0.9, seed=0).nonzero()[0].tolist()
    [1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    rng = np.random.default_rng(seed)
    chance = rng.random(len(labels))
    mask = np.zeros(len(labels), bool)
    if rule in ("random", "hardest"):
        order = np.argsort(confidence if rule == "hardest" else chance, kind="stable")
        mask[order[: round(share * len(labels))]] = True
        return mask
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        number = max(1, round(share * len(members)))
        offered = members[np.argsort(chance[members])]
        if rule == "keep":
            surest = members[np.argsort(-confidence[members], kind="stable")]
            surest = surest[: max(number, round((1 - _DROPPED) * len(members)))]
            offered = offered[np.isin(offered, surest)]
            offered = offered[_evenly(confidence[offered])]
        mask[offered[:number]] = True
    return mask


def _evenly(confidence: np.ndarray) -> np.ndarray:
    """Return an order (n,) that takes one of each part of the range of confidence in turn, in the order given."""
    low, high = confidence.min(), confidence.max()
    strata = np.minimum((confidence - low) / ((high - low) or 1) * _STRATA, _STRATA - 1).astype(int)
    turn = pd.Series(strata).groupby(strata).cumcount().to_numpy()
    return np.argsort(turn, kind="stable")


@one_thread()
def curve(
    x: np.ndarray,
    labels: np.ndarray,
    confidence: np.ndarray,
    locked: np.ndarray,
    locked_labels: np.ndarray,
    *,
    num_classes: int,
    penalty: float,
) -> pd.DataFrame:
    """Return `rule, share, accuracy, less_random, low, high`, a row each: heads of kept images on the locked ones.

    x: (n, d) outside the lock, with labels (n,) and confidence (n,); locked: (L, d), with labels (L,). `less_random` is
    the difference from `random` at that share, and its 95 % interval, over draws of the images that are kept from.
    """
    right = []
    for draw in range(_DRAWS):
        rows = np.random.default_rng(draw).permutation(len(x))[: min(_MOST, round(SHARE * len(x)))]
        cells = [(rule, share) for rule in RULES for share in SHARES]
        for start in range(0, len(cells), _AT_ONCE):
            some = cells[start : start + _AT_ONCE]
            masks = [kept(rule, labels[rows], confidence[rows], share, seed=draw) for rule, share in some]
            learnt = np.where(np.stack(masks), labels[rows], -1)
            heads = fit_softmax_heads(x[rows], learnt, num_classes, penalty=penalty)
            predicted = heads.logits(locked).argmax(axis=2)
            for column, cell in enumerate(some):
                right.append((draw, *cell, np.mean(predicted[:, column] == locked_labels)))
    found = pd.DataFrame(right, columns=["draw", "rule", "share", "accuracy"])
    by_chance = found[found["rule"] == "random"][["draw", "share", "accuracy"]]
    found = found.merge(by_chance, on=["draw", "share"], suffixes=("", "_by_chance"))
    found["less_random"] = found["accuracy"] - found.pop("accuracy_by_chance")
    by_cell = found.drop(columns="draw").groupby(["rule", "share"], sort=False)
    means = by_cell.mean()
    half = student.ppf(0.975, _DRAWS - 1) * by_cell["less_random"].std() / np.sqrt(_DRAWS)
    means["low"] = means["less_random"] - half
    means["high"] = means["less_random"] + half
    return means.reset_index()
