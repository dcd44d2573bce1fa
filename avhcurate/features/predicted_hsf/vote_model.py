"""The model of votes: a ridge regression of the rank of HSF, by scores, class and a kernel on embeddings.

Ranks make one hard image outweigh no other, however many votes it has. HSF follows from the predicted rank by a
logistic curve through images predicted without their own votes. Neither a penalty chosen by folds nor a beta-binomial
likelihood of the votes predicted better on CIFAR-10H (`docs/results/few-votes.md`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from avhcurate.measures.stats.blas import one_thread
from avhcurate.measures.stats.ranks import rank_shares

if TYPE_CHECKING:
    from sklearn.linear_model import Ridge

#: The penalty of the ridge, for inputs of variance about 1; 100 to 300 are alike on CIFAR-10H.
PENALTY = 200.0
#: The least slope of HSF by predicted rank: models that say nothing do not turn the order round.
_LEAST_SLOPE = 1e-3

#: Called between fits; may raise to stop.
Check = Callable[[], object]


@dataclass(frozen=True)
class VotedSamples:
    """Samples with votes, (n,) each: ids, inputs (n, d), hits of votes, folds from 0, how many samples each is for."""

    ids: np.ndarray
    inputs: np.ndarray
    hits: np.ndarray
    votes: np.ndarray
    folds: np.ndarray
    weights: np.ndarray

    def of(self, rows: np.ndarray) -> "VotedSamples":
        arrays = (self.hits[rows], self.votes[rows], self.folds[rows], self.weights[rows])
        return VotedSamples(self.ids[rows], self.inputs[rows], *arrays)

    @property
    def hsf(self) -> np.ndarray:
        return self.hits / self.votes


@dataclass(frozen=True)
class VoteModel:
    """A ridge regression, and the inputs (n, d) that it has learnt from."""

    ridge: "Ridge"
    learnt: np.ndarray

    @cached_property
    def _spread(self) -> np.ndarray:
        centred = self.learnt - self.learnt.mean(axis=0)
        return np.linalg.inv(centred.T @ centred + PENALTY * np.eye(centred.shape[1]))

    def ranks(self, inputs: np.ndarray) -> np.ndarray:
        """Return the predicted rank of HSF, (n,): the share of samples below, less 1/2."""
        return np.asarray(self.ridge.predict(inputs))

    def information(self, inputs: np.ndarray) -> np.ndarray:
        """Return what the votes of each sample would tell the model, in nats, (n,): much where inputs are unlike."""
        centred = inputs - self.learnt.mean(axis=0)
        return np.asarray(np.log1p(np.einsum("nd,nd->n", centred @ self._spread, centred)) / 2)


@one_thread()
def fit_votes(voted: VotedSamples) -> VoteModel:
    """Return the model of the votes of these samples."""
    from sklearn.linear_model import Ridge

    return VoteModel(Ridge(PENALTY).fit(voted.inputs, rank_shares(voted.hsf) - 0.5), voted.inputs)


def cross_fit(
    voted: VotedSamples, check: Check, choose: Callable[[np.ndarray], np.ndarray] = lambda others: others
) -> list[VoteModel]:
    """Return a model for each fold, of the votes of what is chosen of all others."""
    models = []
    for fold in range(int(voted.folds.max()) + 1):
        check()
        models.append(fit_votes(voted.of(choose(np.flatnonzero(voted.folds != fold)))))
    return models


def held_out_ranks(voted: VotedSamples, models: Sequence[VoteModel]) -> np.ndarray:
    """Return the predicted rank (n,) of each sample by the model that did not know its fold."""
    ranks = np.empty(len(voted.hits))
    for fold, model in enumerate(models):
        held_out = voted.folds == fold
        ranks[held_out] = model.ranks(voted.inputs[held_out])
    return ranks


@dataclass(frozen=True)
class Curve:
    """HSF by predicted rank: a logistic curve, which never falls."""

    middle: float
    slope: float

    def hsf(self, ranks: np.ndarray) -> np.ndarray:
        """Return HSF to expect, (n,) in (0, 1)."""
        return np.asarray(expit(np.clip(self.middle + self.slope * ranks, -12, 12)))


def curve_through(ranks: np.ndarray, hsf: np.ndarray, weights: np.ndarray) -> Curve:
    """Return the likeliest curve for predicted ranks, HSF and how many samples each stands for, (n,) each.

    One more sample of rank 0, half for the label, keeps it finite where all votes agree.
    """
    from sklearn.linear_model import LogisticRegression

    shares = np.concatenate([weights * hsf, weights * (1 - hsf), [0.5, 0.5]])
    votes = np.repeat([1, 0, 1, 0], [len(hsf), len(hsf), 1, 1])
    at = np.concatenate([ranks, ranks, [0, 0]])[:, None]
    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky").fit(at, votes, shares)
    return Curve(float(fitted.intercept_[0]), max(float(fitted.coef_[0, 0]), _LEAST_SLOPE))
