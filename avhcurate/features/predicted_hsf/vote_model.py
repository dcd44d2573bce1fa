"""The model of votes: a beta-binomial regression on standardised inputs with a ridge penalty, chosen by folds.

Log odds of a vote for the label are linear in the inputs. Each vote counts, yet a sample has a chance of its own, so
that 50 votes on one hard image do not outweigh all others, as they would in a binomial model. The penalty, and how far
to trust the wide inputs (embeddings), are the likeliest for votes held out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from avhcurate.measures.stats.beta_binomial import vote_likelihood
from avhcurate.measures.stats.blas import one_thread
from avhcurate.measures.stats.climb import climb

#: Penalties, and weights of the wide inputs in relation to the scores, each with the place where a climb begins.
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_PENALTY_AT = 2
WIDE_WEIGHTS = (0.05, 0.1, 0.2, 0.4)
_WEIGHT_AT = 1
#: Parts of the choice of a penalty.
_PARTS = 3
_STEPS = 60
_PRECISE = 1e-7
#: Bounds of the log of the precision, and where it starts; what keeps the constant finite where all votes agree.
_PRECISIONS = (-4.0, 9.0)
_LOG_PRECISION = 1.0
_ON_CONSTANT = 1e-3

#: Called between fits; may raise to stop.
Check = Callable[[], object]


@dataclass(frozen=True)
class Design:
    """Inputs of the model, standardised: scores and class (N, S), trusted, and wide ones (N, W), shrunk further."""

    narrow: np.ndarray
    wide: np.ndarray

    def of(self, rows: np.ndarray) -> "Design":
        return Design(self.narrow[rows], self.wide[rows])

    def matrix(self, weight: float) -> np.ndarray:
        """Return both, the wide inputs times a weight, and a constant: (N, d + 1)."""
        return np.concatenate([self.narrow, weight * self.wide, np.ones((len(self.narrow), 1))], axis=1)


@dataclass(frozen=True)
class VotedSamples:
    """Samples with votes, (n,) each: ids, inputs, hits of votes, folds from 0, how many samples each stands for."""

    ids: np.ndarray
    design: Design
    hits: np.ndarray
    votes: np.ndarray
    folds: np.ndarray
    weights: np.ndarray

    def of(self, rows: np.ndarray) -> "VotedSamples":
        arrays = (self.hits[rows], self.votes[rows], self.folds[rows], self.weights[rows])
        return VotedSamples(self.ids[rows], self.design.of(rows), *arrays)

    @property
    def hsf(self) -> np.ndarray:
        return self.hits / self.votes

    @property
    def usual(self) -> int:
        """The median number of votes, which intervals are for."""
        return max(1, round(float(np.median(self.votes))))


@dataclass(frozen=True)
class Strength:
    """How a model is regularised."""

    penalty: float
    weight: float


@dataclass(frozen=True)
class VoteModel:
    """Coefficients (d + 1,) of the log odds, the constant last; the log of the precision; the strength they came by."""

    coefficients: np.ndarray
    log_precision: float
    strength: Strength
    _covariance: Callable[[], np.ndarray]

    @cached_property
    def spread(self) -> np.ndarray:
        """The inverse information of the coefficients, the posterior's covariance, (d + 1, d + 1)."""
        return self._covariance()

    def odds(self, design: Design) -> np.ndarray:
        """Return the log odds of a vote for the label, (N,)."""
        return design.matrix(self.strength.weight) @ self.coefficients

    def variance(self, design: Design) -> np.ndarray:
        """Return the variance of these log odds that the coefficients leave, (N,)."""
        x = design.matrix(self.strength.weight)
        return np.einsum("nd,nd->n", x @ self.spread, x)


@one_thread()
def fit_votes(voted: VotedSamples, strength: Strength) -> VoteModel:
    """Return the likeliest coefficients for the hits of votes, 1 or more each, less the penalty on their squares."""
    x = voted.design.matrix(strength.weight)
    hits = voted.hits
    votes = voted.votes
    penalties = np.full(x.shape[1], strength.penalty)
    penalties[-1] = _ON_CONSTANT

    def covariance(beta: np.ndarray, log_precision: float) -> np.ndarray:
        weights = information(x @ beta, log_precision, votes)
        return np.linalg.inv((x * weights[:, None]).T @ x + np.diag(penalties))

    share = (hits.sum() + 0.5) / (votes.sum() + 1)
    first = np.zeros(x.shape[1])
    first[-1] = np.log(share / (1 - share))
    # In coordinates in which the information is about the identity, a few steps are enough.
    turn = np.linalg.cholesky(covariance(first, _LOG_PRECISION))

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        beta = first + turn @ at[:-1]
        log_precision = at[-1]
        likelihood = vote_likelihood(x @ beta, log_precision, hits, votes)
        gradient = turn.T @ (x.T @ likelihood.by_odds - penalties * beta)
        return float(penalties @ beta**2 / 2 - likelihood.values.sum()), -np.append(gradient, likelihood.by_precision)

    bounds = [(None, None)] * len(first) + [_PRECISIONS]
    options = {"maxiter": _STEPS, "ftol": _PRECISE}
    start = np.append(np.zeros(len(first)), _LOG_PRECISION)
    at = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    beta = first + turn @ at[:-1]
    log_precision = float(at[-1])
    return VoteModel(beta, log_precision, strength, partial(covariance, beta, log_precision))


def information_gain(odds: np.ndarray, log_precision: float, votes: float, variance: np.ndarray) -> np.ndarray:
    """Return what so many more votes on each sample tell a model whose log odds have this variance, in nats, (n,)."""
    return np.asarray(np.log1p(information(odds, log_precision, votes) * variance) / 2)


def information(odds: np.ndarray, log_precision: float, votes: np.ndarray | float) -> np.ndarray:
    """Return what votes say of a sample's log odds, (n,): that of independent ones over their inflation of variance."""
    chance = expit(odds)
    return votes * chance * (1 - chance) / (1 + (votes - 1) * expit(-log_precision))


def choose_strength(voted: VotedSamples, check: Check = lambda: None) -> Strength:
    """Return the strength whose models, each of all folds but one, give the votes of that one the highest likelihood.

    Spearman of so few samples is too noisy to choose by: on CIFAR-10H it cost 0.005 of the Spearman over new images.
    First the penalty at the usual weight of the wide inputs, then the weight at that penalty, each by a climb.
    """

    def likelihood(strength: Strength) -> float:
        total = 0.0
        for fold in np.unique(voted.folds):
            held_out = voted.of(voted.folds == fold)
            model = fit_votes(voted.of(voted.folds != fold), strength)
            odds = model.odds(held_out.design)
            total += float(vote_likelihood(odds, model.log_precision, held_out.hits, held_out.votes).values.sum())
        check()
        return total

    best, _ = climb([Strength(penalty, WIDE_WEIGHTS[_WEIGHT_AT]) for penalty in PENALTIES], _PENALTY_AT, likelihood)
    if not voted.design.wide.shape[1]:
        return best
    return climb([Strength(best.penalty, weight) for weight in WIDE_WEIGHTS], _WEIGHT_AT, likelihood)[0]


@dataclass(frozen=True)
class CrossFit:
    """Models that predict each voted sample without its votes: log odds (n,), and the models by fold.

    log_precision: the likeliest for these log odds; a model's own is that of votes it has learnt, and too high.
    """

    odds: np.ndarray
    log_precision: float
    models: Sequence[VoteModel]

    @property
    def strength(self) -> Strength:
        """The median of the strengths of the folds' models."""
        penalty, weight = np.median([(model.strength.penalty, model.strength.weight) for model in self.models], axis=0)
        return Strength(penalty, weight)


def cross_fit(voted: VotedSamples, check: Check) -> CrossFit:
    """Return a model for each fold of the votes of all others, its strength chosen within these."""
    odds = np.empty(len(voted.hits))
    models = []
    folds = int(voted.folds.max()) + 1
    for fold in range(folds):
        held_out = voted.folds == fold
        others = voted.of(~held_out)
        strength = choose_strength(replace(others, folds=(others.folds - fold - 1) % folds % _PARTS), check)
        models.append(fit_votes(others, strength))
        odds[held_out] = models[-1].odds(voted.design.of(held_out))

    def loss(log_precision: float) -> float:
        return -float(vote_likelihood(odds, log_precision, voted.hits, voted.votes).values.sum())

    return CrossFit(odds, float(minimize_scalar(loss, bounds=_PRECISIONS, method="bounded").x), models)


def held_out_odds(
    voted: VotedSamples,
    models: Sequence[VoteModel],
    check: Check,
    choose: Callable[[np.ndarray], np.ndarray] = lambda others: others,
) -> np.ndarray:
    """Return the log odds (n,) of each fold by a model as strong as its own, fitted to what is chosen of the others."""
    odds = np.empty(len(voted.hits))
    for fold, model in enumerate(models):
        check()
        held_out = voted.folds == fold
        learnt = voted.of(choose(np.flatnonzero(~held_out)))
        odds[held_out] = fit_votes(learnt, model.strength).odds(voted.design.of(held_out))
    return odds
