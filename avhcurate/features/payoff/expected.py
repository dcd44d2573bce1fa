"""What accepting or excluding all suspects would do to accuracy, told beforehand from the images themselves.

Suspects come from heads that saw every label, so what they change cannot be judged by labels that they saw. Here the
whole procedure runs again inside each fold: heads, suspects and decisions know nothing of the images that judge them.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import softmax

from avhcurate.features.payoff.rules import FACTORS, RIDGES, Difference, Gain, differences, gain
from avhcurate.measures.stats.blas import one_thread
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.measures.stats.softmax_heads import fit_softmax_heads

Action = Literal["accept", "exclude"]
#: The label of images, and the class that they look like most.
Pair = tuple[int, int]
_FOLDS = 5


@one_thread()
def expected_gains(
    x: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    action: Action,
    share: float,
    num_classes: int,
    penalty: float,
    pairs: Sequence[Pair | None] = (None,),
) -> list[Gain]:
    """Return what deciding about a share of the images, those most in doubt, is expected to do to accuracy.

    For each of `pairs`: about those of a pair only, or about all (None). x: (n, d); labels (n,) of two classes or more;
    images of one of the groups (n,) share a fold. Judged by the given labels of each fold.
    """
    of_sample = stratified_folds(labels, groups, folds=_FOLDS, seed=0)
    by_class = np.zeros((len(pairs), len(x), num_classes), np.float32)
    by_head = np.zeros((len(pairs), len(FACTORS) + len(RIDGES), len(x)), np.float32)
    for fold in range(_FOLDS):
        learnt = of_sample != fold
        before = labels[learnt]
        probs = out_of_fold(x[learnt], before, groups[learnt], num_classes=num_classes, penalty=penalty)
        number = round(share * learnt.sum())
        after = [labels_after(probs, before, action=action, number=number, pair=pair) for pair in pairs]
        found = differences(x[learnt], before, after, x[~learnt], labels[~learnt], num_classes, penalty)
        by_class[:, ~learnt] = [one.by_class for one in found]
        by_head[..., ~learnt] = [one.by_head for one in found]
    return [
        gain(one, labels, {}, [], of_heads=Difference(one, of_kinds).of_heads)
        for one, of_kinds in zip(by_class, by_head, strict=True)
    ]


def out_of_fold(
    x: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, num_classes: int, penalty: float
) -> np.ndarray:
    """Return probabilities (n, K) of heads that did not see each image."""
    of_sample = stratified_folds(labels, groups, folds=_FOLDS, seed=1)
    probs = np.empty((len(x), num_classes))
    for fold in range(_FOLDS):
        learnt = of_sample != fold
        heads = fit_softmax_heads(x[learnt], labels[None, learnt], num_classes, penalty=penalty)
        probs[~learnt] = softmax(heads.logits(x[~learnt])[:, 0], axis=1)
    return probs


def labels_after(
    probs: np.ndarray, labels: np.ndarray, *, action: Action, number: int, pair: Pair | None = None
) -> np.ndarray:
    """Return labels (n,) after so many images, those of the least margin, get the likeliest other class, or -1.

    Only those of the pair among them, where one is named.
    """
    rows = np.arange(len(labels))
    others = probs.copy()
    others[rows, labels] = -1
    likeliest = others.argmax(axis=1)
    doubtful = np.argsort(probs[rows, labels] - others.max(axis=1))[:number]
    if pair is not None:
        label, other = pair
        doubtful = doubtful[(labels[doubtful] == label) & (likeliest[doubtful] == other)]
    after = labels.copy()
    after[doubtful] = -1
    if action == "accept":
        after[doubtful] = likeliest[doubtful]
    return after
