"""Scores of how each sample was learnt, summed epoch by epoch: memory does not grow with the epochs."""

from collections.abc import Mapping

import numpy as np

#: Columns of an epoch, a value a sample.
NEEDED = ("correct", "confidence", "margin", "el2n")
#: The scores, in the order of the table of scores.
KEYS = ("aum", "confidence_mean", "variability", "correctness", "forgetting", "el2n_mean", "learning_speed")


class EpochScores:
    """The scores of `n` samples over the epochs added so far, oldest first.

    Sources: AUM, Pleiss et al., NeurIPS 2020. Mean and deviation of confidence, and correctness: the data map of
    Swayamdipta et al., EMNLP 2020. Forgetting: Toneva et al., ICLR 2019. EL2N over epochs: Paul et al., NeurIPS 2021.
    Learning speed: the "iteration learned" of Baldock et al., NeurIPS 2021, asked of the given label.

    >>> dynamics = EpochScores(2)
    >>> for right, p in (([True, False], [0.8, 0.1]), ([True, True], [0.6, 0.7])):
    ...     dynamics.add({"correct": right, "confidence": p, "margin": p, "el2n": p})
    >>> scores = dynamics.scores()
    >>> scores["correctness"].tolist(), scores["learning_speed"].tolist(), scores["forgetting"].tolist()
    ([1.0, 0.5], [1.0, 0.5], [0.0, 0.0])
    """

    def __init__(self, n: int) -> None:
        #: Epochs added so far.
        self.epochs = 0
        # Epochs at which a sample had a probability, a margin, an EL2N: one that it lacks is left out of its scores.
        self._known, self._margins, self._el2ns = (np.zeros(n, np.int32) for _ in range(3))
        self._margin = np.zeros(n)
        self._el2n = np.zeros(n)
        # Mean and squared deviations by Welford's rule: sums of squares would lose the digits of a small deviation.
        self._confidence = np.zeros(n)
        self._squares = np.zeros(n)
        self._right, self._streak, self._forgotten = (np.zeros(n, np.int32) for _ in range(3))
        self._before = np.zeros(n, bool)

    def add(self, epoch: Mapping[str, np.ndarray]) -> None:
        """Add one epoch: `NEEDED` columns (n,); confidence is NaN for a sample without a label or an output."""
        correct = np.asarray(epoch["correct"], bool)
        confidence, margin, el2n = (np.asarray(epoch[key], np.float64) for key in NEEDED[1:])
        labelled = ~np.isnan(confidence)
        self.epochs += 1
        self._known += labelled
        self._margin += np.nan_to_num(margin)
        self._margins += ~np.isnan(margin)
        self._el2n += np.nan_to_num(el2n)
        self._el2ns += ~np.isnan(el2n)
        off = np.where(labelled, confidence - self._confidence, 0)
        self._confidence += off / np.maximum(1, self._known)
        self._squares += np.where(labelled, off * (confidence - self._confidence), 0)
        self._right += correct & labelled
        self._streak += correct & labelled
        self._streak[labelled & ~correct] = 0
        self._forgotten += labelled & self._before & ~correct
        self._before = np.where(labelled, correct, self._before)

    def scores(self) -> dict[str, np.ndarray]:
        """Return `KEYS`, each (n,) float32, NaN where not defined.

        aum: mean margin. confidence_mean, variability: mean and (population) standard deviation of the probability of
        the given label. correctness: share of epochs in which the sample was right. forgetting: how often it went from
        right to wrong between two epochs; where it was never right, the number of epochs, which is more than a sample
        that was learnt can have: Toneva et al. count the never learnt as the most forgotten. el2n_mean: mean EL2N.
        learning_speed: length of the unbroken run of right epochs that reaches the last one, over the epochs: 1 when
        right in every epoch, 0 when wrong at the end. Epochs are those at which the sample has a value. All are NaN
        without such an epoch, as for a sample without a label.
        """
        unlabelled = self._known == 0
        epochs = np.maximum(1, self._known)
        scores = {
            "aum": np.where(self._margins, self._margin / np.maximum(1, self._margins), np.nan),
            "confidence_mean": self._confidence,
            "variability": np.sqrt(self._squares / epochs),
            "correctness": self._right / epochs,
            "forgetting": np.where(self._right > 0, self._forgotten, epochs),
            "el2n_mean": np.where(self._el2ns, self._el2n / np.maximum(1, self._el2ns), np.nan),
            "learning_speed": self._streak / epochs,
        }
        return {key: np.where(unlabelled, np.nan, scores[key]).astype(np.float32) for key in KEYS}
