"""Consensus: the most probable class of each image, of people who err and, where there is one, a network that errs too.

Each person has a confusion matrix, as in Dawid and Skene (Applied Statistics 28, 1979), which is that of all people
where the answers are few. Some images are ambiguous: on these all people are torn between the class and one rival, so
equal answers do not add up to certainty. The network is the prior, as in Raykar et al. (JMLR 11, 2010): its
probabilities at a temperature, mixed with how often each class is true where it predicts what it predicts. All of it is
learnt from the answers by expectation maximisation. HSF is the plain share of people: no network enters it.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array
from scipy.special import expit, logit, logsumexp, softmax

from avhcurate.errors import CurateError
from avhcurate.workspace.data.consensus import BOTH, NETWORK, PEOPLE

#: How many answers or images like all others each estimate begins with: of a person, of a row of a person's confusion
#: matrix, of a row of that of all, of a class that the network predicts, and of the share of ambiguous images.
_OF_PERSON, _OF_ROW, _OF_ALL, _OF_CLASS, _OF_AMBIGUOUS = 20.0, 200.0, 10.0, 10.0, 100.0
#: Chances that people see the class of an ambiguous image; of the rest, what is neither the class nor its rival.
_AMBIGUOUS = (0.55, 0.8)
_NEITHER = 0.15
#: The share of ambiguous images to begin with.
_SHARE = 0.1
#: The network's temperature on ambiguous images by that on others: what tears people apart misleads networks too.
_LESS_SURE = 0.5
_STEPS = 60
_LEAST = 1e-12
#: The largest table of probabilities, in numbers.
_MOST_CELLS = 50_000_000


@dataclass(frozen=True, kw_only=True)
class Consensus:
    """The consensus of n images: `probs` (n, K) of each class, and of the people who answered by code their `skill`.

    labels: (n,) the most probable class. of: (n,) `PEOPLE`, `BOTH` or `NETWORK`: whether the network's first class is
    another one; the same, and no class has more answers; the same, and another class has more. answers: (n,).
    skill: (A,) the chance of a right answer about an image that is not ambiguous.
    """

    probs: np.ndarray
    of: np.ndarray
    answers: np.ndarray
    skill: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        return self.probs.argmax(axis=1)


def consensus(
    samples: ArrayLike,
    annotators: ArrayLike,
    answers: ArrayLike,
    probs: ArrayLike | None = None,
    *,
    num_classes: int,
) -> Consensus:
    """Return the consensus of images 0 to n - 1, of answers (A,): codes of the image, of who answered, of the class.

    Every image has an answer, and a person answers once about each. Who is not known has one code together: they count
    as people of equal skill. probs: (n, K) of a network that did not learn these labels, as out of fold, NaN for images
    that it has not seen; without a network, every class is as likely as it is often. Raises CurateError for shapes that
    do not fit.

    Two people say 0 and one says 1 of each image, but that one is right elsewhere and the two are not:

    >>> image = np.repeat(np.arange(4), 3)
    >>> panel = consensus(image, np.tile([0, 1, 2], 4), [0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1], num_classes=2)
    >>> panel.labels.tolist(), panel.of[0], panel.answers.tolist()
    ([0, 0, 1, 1], 'people', [3, 3, 3, 3])
    """
    said = np.asarray(answers, np.int64)
    image = np.asarray(samples, np.int64)
    if not len(said):
        raise CurateError("Nobody has answered, so there is no consensus.")
    if num_classes < 2:
        raise CurateError("All answers are of one class, so there is nothing to agree on. Add classes.")
    panel = _Panel(image, np.unique(annotators, return_inverse=True)[1], said, num_classes)
    if (panel.number == 0).any():
        raise CurateError("An image has no answer. Leave it out.")
    network = None
    if probs is not None:
        shares = np.asarray(probs, float)
        if shares.shape != panel.votes.shape:
            raise CurateError(f"probs has the shape {shares.shape}. Give {panel.votes.shape}: each image, each class.")
        network = _Network(shares)
    found = _fit(panel, network).found
    found /= found.sum(axis=1, keepdims=True)
    return Consensus(probs=found, of=_rests_on(found, panel.votes, network), answers=panel.number, skill=panel.skill)


def without_each(
    samples: ArrayLike, annotators: ArrayLike, answers: ArrayLike, people: Iterable[int], *, num_classes: int
) -> Iterator[np.ndarray]:
    """Yield for each of some `people`, by their code, the consensus (n, K) of the answers of all others.

    How reliable the others are is learnt with that person: two people alone cannot tell which of them errs.
    """
    codes, person = np.unique(annotators, return_inverse=True)
    panel = _Panel(np.asarray(samples, np.int64), person, np.asarray(answers, np.int64), num_classes)
    belief = _fit(panel, None)
    for code in people:
        yield _step(panel.without(int(np.searchsorted(codes, code))), None, belief).found


def _rests_on(found: np.ndarray, votes: np.ndarray, network: "_Network | None") -> np.ndarray:
    labels = found.argmax(axis=1)
    if network is None:
        return np.full(len(labels), PEOPLE, object)
    same = network.predicted == labels
    most = votes[np.arange(len(labels)), labels] == votes.max(axis=1)
    return np.where(same, np.where(most, BOTH, NETWORK), PEOPLE).astype(object)


class _Panel:
    """The people: what they said, and how likely it is by the true class of each image."""

    def __init__(self, image: np.ndarray, person: np.ndarray, said: np.ndarray, num_classes: int) -> None:
        pairs, pair = np.unique(person * num_classes + said, return_inverse=True)
        images = int(image.max()) + 1
        if max(len(pairs), images) * num_classes > _MOST_CELLS:
            raise CurateError("There are too many answers and classes for a consensus. Use a part of the votes.")
        self.person, self.said = pairs // num_classes, pairs % num_classes
        # How often each pair of person and answer was given to each image; which pairs are a person's, a class's.
        self.times = csr_array((np.ones(len(said)), (pair, image)), shape=(len(pairs), images))
        order = np.arange(len(pairs))
        self.by_person = csr_array((np.ones(len(pairs)), (self.person, order)))
        self.by_class = csr_array((np.ones(len(pairs)), (self.said, order)), shape=(num_classes, len(pairs)))
        votes = csr_array((np.ones(len(said)), (image, said)), shape=(images, num_classes)).toarray()
        self.votes = votes
        self.number = votes.sum(axis=1).astype(np.int64)
        self.skill = np.zeros(self.by_person.shape[0])

    def without(self, person: int) -> "_Panel":
        """Return the panel without the answers of a person."""
        others = copy.copy(self)
        kept = (self.person != person).astype(float)
        others.times = csr_array(self.times.multiply(kept[:, None]))
        return others

    def likelihoods(self, plain: np.ndarray, all_kinds: np.ndarray) -> list[np.ndarray]:
        """Return the log-likelihood of the answers (n, K) by class, of plain images and of each kind of ambiguous ones.

        plain, all_kinds: (n, K) how probable it is that an image is of a class, and plain or of any kind.
        """
        classes = self.votes.shape[1]
        given = self.times @ plain  # of a pair of person and answer, by the true class
        of_all = self.by_class @ given
        accuracy = (np.trace(of_all) + 0.95) / (of_all.sum() + 1)
        alike = np.full((classes, classes), (1 - accuracy) / max(classes - 1, 1))
        np.fill_diagonal(alike, accuracy)
        # By the true class, what all people say.
        everybody = of_all.T + _OF_ALL * alike
        everybody /= everybody.sum(axis=1, keepdims=True)
        pair = np.arange(len(self.said))
        right = self.by_person @ given[pair, self.said]
        self.skill = (right + _OF_PERSON * accuracy) / ((self.by_person @ given).sum(axis=1) + _OF_PERSON)
        chance = self._chances(everybody, _log_odds(self.skill) - _log_odds(accuracy))
        shown = (self.by_person @ given)[self.person]
        chance = (given + _OF_ROW * chance) / (shown + _OF_ROW)
        rivals = _rivals(self.by_class @ (self.times @ all_kinds))
        # Who guesses sees nothing of an ambiguous image either.
        sees = np.clip((self.skill * classes - 1) / max(accuracy * classes - 1, 0.01), 0.02, 1)[self.person]
        kinds = [self._ambiguous(seen, sees, rivals) for seen in _AMBIGUOUS]
        return [self.times.T @ np.log(np.maximum(chance, _LEAST)), *kinds]

    def _chances(self, everybody: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """Return the chance of each pair by the true class: as everybody, but right as often as the person is."""
        right = np.diag(everybody)
        of_person = expit(_log_odds(right) + shift[:, None])
        wrong = (everybody / (1 - right)[:, None]).T[self.said] * (1 - of_person[self.person])
        pair = np.arange(len(self.said))
        wrong[pair, self.said] = of_person[self.person, self.said]
        return wrong

    def _ambiguous(self, seen: float, sees: np.ndarray, rivals: np.ndarray) -> np.ndarray:
        """Return the log-likelihood (n, K) of images whose class people see with the chance `seen`, or else a rival.

        The rival is the same for all answers to an image, and summed over, by `rivals` (K, K) of each class.
        """
        classes = self.votes.shape[1]
        others = (1 - seen) * _NEITHER / max(classes - 2, 1)
        chances = seen, (1 - seen) * (1 - _NEITHER), others
        of_class = csr_array(
            (np.ones(len(self.said)), (np.arange(len(self.said)), self.said)), shape=self.by_class.T.shape
        )
        its, rival, other = (
            (self.times.T @ (of_class * np.log(sees * chance + (1 - sees) / classes)[:, None])).toarray()
            for chance in chances
        )
        more = rival - other
        top = more.max(axis=1, keepdims=True)
        either = np.log(np.exp(more - top) @ rivals.T + _LEAST) + top
        return its - other + other.sum(axis=1, keepdims=True) + either


class _Network:
    """The network: how probable each class is before anybody answers, by how often it was right."""

    def __init__(self, probs: np.ndarray) -> None:
        classes = probs.shape[1]
        seen = np.isfinite(probs).all(axis=1)
        self.start = np.where(seen[:, None], probs, 1 / classes)
        self.log_probs = np.log(np.maximum(self.start, 1e-9))
        # What it has not seen is of a class of its own, of which it says nothing.
        self.predicted = np.where(seen, self.start.argmax(axis=1), classes)
        self.trusted = np.append(np.full(classes, 0.9), 0)

    def priors(self, kinds: np.ndarray, found: np.ndarray, often: np.ndarray) -> np.ndarray:
        """Return the log prior of each class of plain and of ambiguous images, (n, 2, K).

        kinds: (n, 2, K) log-likelihoods of the answers of both; found: (n, K) what is believed; often: (K,) how often
        each class is. Learns the temperature, and which share of each predicted class is as the probabilities say.
        """
        images = len(found)
        of_predicted = csr_array((np.ones(images), (self.predicted, np.arange(images))), (len(often) + 1, images))
        number = of_predicted.sum(axis=1)
        true = ((of_predicted @ found + _OF_CLASS * often) / (number + _OF_CLASS)[:, None])[self.predicted]
        likely = np.exp(kinds - kinds.max(axis=(1, 2), keepdims=True))
        trusted = self.trusted[self.predicted][:, None]

        def as_said(sharpness: float) -> np.ndarray:
            scales = (sharpness, _LESS_SURE * sharpness)
            return np.stack([softmax(scale * self.log_probs, axis=1) for scale in scales], axis=1)

        def surprise(log_sharpness: float) -> float:
            prior = trusted[:, :, None] * as_said(np.exp(log_sharpness)) + ((1 - trusted) * true)[:, None]
            return float(-np.log((prior * likely).sum(axis=(1, 2)) + _LEAST).sum() + log_sharpness**2 / 2)

        said = as_said(np.exp(_least(surprise)))
        told = trusted[:, 0] * (said * likely).sum(axis=(1, 2))
        untold = ((1 - trusted) * true * likely.sum(axis=1)).sum(axis=1)
        by_network = told / np.maximum(told + untold, _LEAST)
        self.trusted = (of_predicted @ by_network + _OF_CLASS * by_network.mean()) / (number + _OF_CLASS)
        self.trusted[-1] = 0
        trusted = self.trusted[self.predicted][:, None]
        return np.log(trusted[:, :, None] * said + ((1 - trusted) * true)[:, None] + _LEAST)


class _Belief(NamedTuple):
    """How probable it is that each image is plain and of a class, and of a class, (n, K); shares of ambiguous kinds."""

    plain: np.ndarray
    found: np.ndarray
    shares: np.ndarray


def _fit(panel: _Panel, network: _Network | None) -> _Belief:
    """Return what is believed by expectation maximisation from the shares of the votes."""
    found = panel.votes + 0.5 / panel.votes.shape[1]
    if network is not None:
        found = panel.votes + network.start
    found /= found.sum(axis=1, keepdims=True)
    split = panel.votes.max(axis=1) < panel.number
    # Where people disagree is ambiguous at first, so that those errors are not taken for a person's own.
    plain = found * np.where(split, 0.05, 1)[:, None]
    shares = np.full(len(_AMBIGUOUS), np.clip(split.mean(), _SHARE, 0.9) / len(_AMBIGUOUS))
    belief = _Belief(plain, found, shares)
    for _ in range(_STEPS):
        before = belief.found
        belief = _step(panel, network, belief)
        if np.abs(belief.found - before).max() < 1e-4:
            break
    return belief


def _step(panel: _Panel, network: _Network | None, belief: _Belief) -> _Belief:
    """Return what is believed of the answers of a panel, with people as they were by the belief before."""
    images, classes = panel.votes.shape
    shares = belief.shares
    kinds = np.stack(panel.likelihoods(belief.plain, belief.found), axis=1)
    kinds = kinds + np.log([1 - shares.sum(), *shares])[:, None]
    often = (belief.found.sum(axis=0) + 1) / (images + classes)
    if network is None:
        kinds = kinds + np.log(often)
    else:
        of_both = np.stack([kinds[:, 0], logsumexp(kinds[:, 1:], axis=1)], axis=1)
        prior = network.priors(of_both, belief.found, often)
        kinds = kinds + np.repeat(prior, [1, len(shares)], axis=1)
    joint = np.exp(kinds - logsumexp(kinds, axis=(1, 2), keepdims=True))
    ambiguous = joint[:, 1:].sum(axis=(0, 2))
    shares = (ambiguous + _OF_AMBIGUOUS * _SHARE / len(shares)) / (images + _OF_AMBIGUOUS)
    return _Belief(joint[:, 0], joint.sum(axis=1), shares)


def _rivals(given: np.ndarray) -> np.ndarray:
    """Return how likely each class is the rival of another, (K, K), rows sum to 1, of answers by true class."""
    mixed = given + given.T
    np.fill_diagonal(mixed, 0)
    mixed += (mixed.sum() + 1) / (5 * mixed.size)
    np.fill_diagonal(mixed, 0)
    return mixed / mixed.sum(axis=1, keepdims=True)


def _log_odds(shares: np.ndarray | float) -> np.ndarray:
    return logit(np.clip(shares, 1e-4, 1 - 1e-4))


def _least(value: Callable[[float], float]) -> float:
    return float(minimize_scalar(value, bounds=(-3, 1), method="bounded", options={"xatol": 0.01}).x)
