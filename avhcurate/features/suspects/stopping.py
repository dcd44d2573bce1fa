"""Whether it is worth going on with suspects: how many of the next ones would be changed, told from those before."""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from avhcurate.measures.stats.softmax_heads import fit_softmax_heads

#: Decisions from which a forecast is made, and suspects that it is about.
FROM = 50
NEXT = 50
#: Below so many changes in the next ones accuracy stays what it is: by 0.02 points (-0.04 to +0.08) in 63 reviews of
#: CIFAR-10, PACS and another photo collection, see docs/results/payoff.md.
FEW = 10
#: The binomial interval is too short: on CIFAR-10 and PACS one and a half times as wide held in 87 and 78 of 100.
_WIDER = 2.0


@dataclass(frozen=True)
class NextChanges:
    """How many of the `following` suspects would be changed, and the ends of the 95 % interval."""

    changes: float
    low: float
    high: float
    following: int

    @property
    def text(self) -> str:
        """What is to be expected, in words."""
        span = f"{self.low:.0f} to {self.high:.0f}"
        said = f"About {self.changes:.0f} of the next {self.following} would be changed ({span})."
        if self.changes < FEW * self.following / NEXT:
            said += " Going on will not change accuracy measurably, and tired decisions lower it."
        return said


def forecast(doubt: np.ndarray, changed: np.ndarray, following: np.ndarray) -> NextChanges:
    """Return how many suspects of some doubt `following` (m,) would be changed, by what became of others.

    `changed`: whether the label of each reviewed suspect, of doubt (k,), was changed. A logistic regression of it.

    >>> reviewed = np.arange(60)[::-1]
    >>> forecast(reviewed, reviewed > 30, np.arange(-50, 0)).changes < 1
    True
    """
    middle = doubt.mean()
    scale = doubt.std() or 1.0
    x = ((doubt - middle) / scale).astype(np.float32)[:, None]
    heads = fit_softmax_heads(x, changed.astype(np.int64)[None], 2, penalty=0.1, steps=200)
    ahead = ((following - middle) / scale).astype(np.float32)[:, None]
    chances = softmax(heads.logits(ahead)[:, 0], axis=1)[:, 1]
    changes = float(chances.sum())
    half = _WIDER * 1.96 * float(np.sqrt((chances * (1 - chances)).sum()))
    return NextChanges(changes, max(0.0, changes - half), min(len(following), changes + half), len(following))
