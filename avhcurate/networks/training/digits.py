"""The scans of handwritten digits that come with the program, and which half of them its network was trained on."""

from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits

#: Which images are trained on. Not the seed of the training: another network is compared on the same halves.
SPLIT_SEED = 0


class Digits(NamedTuple):
    """Images (N, 8, 8) uint8, labels (N,) int64, and which half each is in: split (N,) of "train" and "test"."""

    images: np.ndarray
    labels: np.ndarray
    split: np.ndarray


def read_digits() -> Digits:
    """Return the 1797 scans of handwritten digits that scikit-learn has, from the UCI repository (CC BY 4.0).

    Their seventeen grey levels are spread over 0..255. Half of each class is for training, at random.

    >>> digits = read_digits()
    >>> digits.images.shape, int((digits.split == "train").sum())
    ((1797, 8, 8), 901)
    """
    pixels, labels = load_digits(return_X_y=True)
    images = np.rint(pixels * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    return Digits(images, labels.astype(np.int64), halves(labels, seed=SPLIT_SEED))


def halves(labels: np.ndarray, *, seed: int) -> np.ndarray:
    """ "train" or "test" for each label, half of every class each; where that is odd, one more to train on.

    >>> from collections import Counter
    >>> Counter(zip([0, 0, 0, 1, 1], halves(np.array([0, 0, 0, 1, 1]), seed=0).tolist()))[0, "train"]
    2
    """
    draws = np.random.default_rng(seed).random(len(labels))
    split = np.full(len(labels), "test", dtype="<U5")
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        split[members[np.argsort(draws[members])[: (len(members) + 1) // 2]]] = "train"
    return split
