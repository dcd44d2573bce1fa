"""Class-balanced pseudo-labels: which samples self-training may use, and with which label.

Thresholds. Of the n_k samples whose softmax argmax is k, a portion p is to be trusted: lambda_k is the m-th highest
softmax probability of k among them, beta_k the m-th highest AVC of k, m = max(1, floor(p n_k)). A class that is never
predicted has no threshold (NaN), is left out of the argmax below and selects nothing.

Label and gate. The candidate label is k = argmax_c p_c / lambda_c over the predicted classes, the lowest index in a
tie. It is used when

- `confidence` (CBST, Zou et al. 2018): p_k >= lambda_k;
- `avc` (Chen et al. 2020): AVC_k >= beta_k, the label still from softmax;
- `avc-centred` (ours): as `avc`, with the AVC of embeddings and class weights less their means. Ahead of
  the other gates on the twelve pairs of domains that it was found on, which is not established: see docs/results.md;
- `lrent` (CRST, Zou et al. 2019): sum_c (p_c / lambda_c)^(1/alpha) >= 1, where the regularised loss of the soft label
  y_c ~ (p_c / lambda_c)^(1/alpha) is not worse than that of no label. Every sample that `confidence` selects, and a few
  that lie just under two thresholds at once;
- `mrkld` (CRST): as `confidence`;
- `avc-lrent`, `avc-mrkld`: as `avc`.

Target. The training target of a selected sample is the hard label, with `lrent` and `avc-lrent` the soft label y above,
and with `mrkld` and `avc-mrkld` the hard label with alpha / K added for every class: the cross-entropy to that is the
hard label's plus MRKLD's term alpha mean_c(-log p_c).

The papers write p_k > lambda_k. A threshold is itself the value of a sample, so `>` would drop that sample and empty
every class of one; CBST's code keeps it, and so does this. Ties with the threshold are all kept: which of them stand
first in a file must not matter. `m` is at least 1, where CBST's code selects nothing of a class with floor(p n_k) = 0.

The portion is met before relabelling: the argmax over p / lambda moves samples between classes, by design towards rare
ones, so the selected share of a class may differ from p. A larger portion lowers every lambda, so `confidence`,
`mrkld` and `lrent` select a superset; the gates on AVC need not, since a sample whose label moves meets another class's
gate.

Arithmetic is float64 and on log-probabilities, where confident samples stay apart that softmax rounds to 1.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import logsumexp, softmax

from avhcurate.errors import CurateError
from avhcurate.measures.scores.softmax import log_probs

Rule = Literal["confidence", "avc", "avc-centred", "lrent", "mrkld", "avc-lrent", "avc-mrkld"]
Gate = Literal["confidence", "avc", "avc-centred", "lrent"]
#: The rules named after their gate: every other rule selects what one of these does.
GATES: tuple[Gate, ...] = get_args(Gate)


class RuleSpec(NamedTuple):
    """The gate of a rule, the training target of a selected sample, and the weight alpha of the regulariser.

    Rules with hard targets use alpha for `soft_labels` alone.
    """

    gate: Gate
    targets: Literal["hard", "lrent", "mrkld"]
    alpha: float


RULES: dict[Rule, RuleSpec] = {
    "confidence": RuleSpec("confidence", "hard", 0.25),
    "avc": RuleSpec("avc", "hard", 0.25),
    "avc-centred": RuleSpec("avc-centred", "hard", 0.25),
    "lrent": RuleSpec("lrent", "lrent", 0.25),
    "mrkld": RuleSpec("confidence", "mrkld", 0.1),
    "avc-lrent": RuleSpec("avc", "lrent", 0.25),
    "avc-mrkld": RuleSpec("avc", "mrkld", 0.1),
}

#: The gates on AVC.
ANGULAR: tuple[Gate, ...] = ("avc", "avc-centred")

#: Gives (logits, avc) of consecutive samples, (n, K) each; called once a pass, with the same values every time. For the
#: gate `avc-centred` the AVC is that of centred embeddings.
Blocks = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]
#: What a first pass over blocks finds: see `predictions`.
Predictions = tuple[np.ndarray, np.ndarray, np.ndarray, int]

#: Elements of a block of targets.
_BLOCK = 1 << 21
#: Logits, and as many AVC, that are kept in memory between passes.
_HELD = 1 << 24


@dataclass(frozen=True)
class Selection:
    """Which of N samples are selected, with which label, and why. Per sample, (N,); -1 or NaN where there is none.

    predicted: softmax argmax, -1 where the logits are not usable (NaN).
    candidate: label by the class-balanced argmax, whether or not it is used.
    confidence, avc: softmax probability and AVC of the candidate label, for `avc-centred` the centred AVC.
    rank_in_class: 1 for the best score at the gate among samples with the same candidate; ties share the best rank; 0
        where there is nothing to rank.
    selected: whether the candidate is used as a pseudo-label.
    Per class, (K,): log_lambdas and betas, NaN for a class never predicted.
    """

    rule: Rule
    portion: float
    predicted: np.ndarray
    candidate: np.ndarray
    confidence: np.ndarray
    avc: np.ndarray
    rank_in_class: np.ndarray
    selected: np.ndarray
    log_lambdas: np.ndarray
    betas: np.ndarray

    @property
    def lambdas(self) -> np.ndarray:
        """Return the thresholds of the softmax probability, (K,)."""
        return np.exp(self.log_lambdas)

    @property
    def threshold(self) -> np.ndarray:
        """Return lambda of the candidate's class, for gates on AVC its beta, (N,); NaN for what is not usable."""
        of_class = self.lambdas
        if RULES[self.rule].gate in ANGULAR:
            of_class = self.betas
        return np.where(self.predicted < 0, np.nan, of_class[self.candidate])

    @property
    def alpha(self) -> float:
        """Return the weight of the rule's regulariser."""
        return RULES[self.rule].alpha

    @property
    def left_out(self) -> int:
        """Return how many samples have no usable logits, as where the embedding is not finite."""
        return int((self.predicted < 0).sum())

    def table(self) -> pd.DataFrame:
        """Return `pseudo_label, confidence, avc, threshold, rank_in_class, selected`, N rows.

        Only selected samples have a label. The other columns are about the candidate.
        """
        return pd.DataFrame(
            {
                "pseudo_label": pd.arrays.IntegerArray(np.where(self.selected, self.candidate, 0), ~self.selected),
                "confidence": self.confidence,
                "avc": self.avc,
                "threshold": self.threshold,
                "rank_in_class": pd.arrays.IntegerArray(self.rank_in_class, self.rank_in_class == 0),
                "selected": self.selected,
            }
        )

    def classes(self, labels: ArrayLike | None = None) -> pd.DataFrame:
        """Return one row a class: `label, predicted, candidates, selected, lambda, beta, note`, counts and thresholds.

        `note` says why a class selects nothing. With true labels (N,), -1 for none, also `labelled, correct, accuracy`
        of the selected samples of the class.
        """
        size = len(self.lambdas)
        table = pd.DataFrame(
            {
                "label": np.arange(size),
                "predicted": _count(self.predicted, size),
                "candidates": _count(self.candidate, size),
                "selected": _count(self.candidate[self.selected], size),
                "lambda": self.lambdas,
                "beta": self.betas,
                "note": pd.Series("", index=range(size), dtype="str"),
            }
        )
        table.loc[table["selected"] == 0, "note"] = "no candidate passes the gate"
        table.loc[table["candidates"] == 0, "note"] = "all its images suit another class better"
        table.loc[table["predicted"] == 0, "note"] = "never predicted"
        if labels is None:
            return table
        labels = np.asarray(labels)
        evaluated = self.selected & (labels >= 0)
        labelled = _count(self.candidate[evaluated], size)
        correct = _count(self.candidate[evaluated & (labels == self.candidate)], size)
        accuracy = np.divide(correct, labelled, out=np.full(size, np.nan), where=labelled > 0)
        return table.assign(labelled=labelled, correct=correct, accuracy=accuracy)


def select(blocks: Blocks, *, rule: Rule, portion: float, first: Predictions | None = None) -> Selection:
    """Select by class in two passes over blocks: thresholds, then labels. Memory: a block and O(N + K).

    first: the `predictions` of the blocks, where they are known. Logits may be log-probabilities. portion in (0, 1].
    Raises CurateError for an unknown rule and a portion out of it.

    >>> probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6]])
    >>> select(lambda: [(np.log(probs), probs)], rule="confidence", portion=0.4).table()["pseudo_label"].to_list()
    [0, <NA>, <NA>, 1]
    """
    gate = gate_of(rule)
    if not 0 < portion <= 1:
        raise CurateError(f"The portion must be above 0 and at most 1, such as 0.2, not {portion}.")
    predicted, log_top, avc_top, num_classes = first or predictions(blocks)
    log_lambdas = _thresholds(predicted, log_top, num_classes, portion)
    betas = _thresholds(predicted, avc_top, num_classes, portion)
    columns = list(map(np.empty_like, (predicted, log_top, avc_top, log_top)))
    start = 0
    for block in blocks():
        for column, part in zip(columns, _candidates(*block, log_lambdas, rule), strict=True):
            column[start : start + len(part)] = part
        start += len(part)
    unknown = predicted < 0
    candidate, log_prob, avc, softness = columns
    candidate[unknown] = -1
    for values in columns[1:]:
        values[unknown] = np.nan
    if gate in ANGULAR:
        ranked_by = avc
        passes = avc >= betas[candidate]
    else:
        ranked_by = log_prob
        passes = softness >= 0
    if gate == "lrent":
        ranked_by = softness
    ranks = _ranks(candidate, ranked_by)
    return Selection(
        rule=rule,
        portion=portion,
        predicted=predicted,
        candidate=candidate,
        confidence=np.exp(log_prob, out=log_prob),
        avc=avc,
        rank_in_class=ranks,
        selected=passes,
        log_lambdas=log_lambdas,
        betas=betas,
    )


def gate_of(rule: str) -> Gate:
    """Return the gate of a rule; refuse an unknown one."""
    if rule not in RULES:
        raise CurateError(f"Unknown rule {rule!r}. Choose one of {', '.join(RULES)}.")
    return RULES[rule].gate


def held(blocks: Blocks, samples: int) -> Blocks:
    """Return the same blocks of so many samples, computed once where they fit in memory, for several passes over them.

    >>> passes = iter([[(np.zeros((1, 2)), np.zeros((1, 2)))]])
    >>> again = held(lambda: next(passes), 1)
    >>> len(list(again())), len(list(again()))
    (1, 1)
    """
    in_memory: list[tuple[np.ndarray, np.ndarray]] = []
    for block in blocks():
        if samples * block[0].shape[1] > _HELD:
            return blocks
        in_memory.append(block)
    return lambda: in_memory


def soft_labels(selection: Selection, blocks: Blocks) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield soft labels of the selected samples, block by block: row numbers (s,) and labels (s, K), rows sum to 1.

    y_c ~ (p_c / lambda_c)^(1/alpha) (LRENT), 0 for classes never predicted; of rules with MRKLD their targets, scaled.
    """
    if RULES[selection.rule].targets == "mrkld":
        for rows, goals in targets(selection, blocks):
            yield rows, goals / goals.sum(axis=1, keepdims=True)
        return
    start = 0
    for logits, _ in blocks():
        selected = np.flatnonzero(selection.selected[start : start + len(logits)])
        ratios = _log_ratios(_log_softmax(logits[selected]), selection.log_lambdas)
        yield start + selected, softmax(ratios / selection.alpha, axis=1).astype(np.float32)
        start += len(logits)


def targets(selection: Selection, blocks: Blocks) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield training targets of the selected samples: row numbers (s,) and goals t (s, K), to minimise -t . log p.

    Rows sum to 1, with MRKLD to 1 + alpha; the head of this file has the targets of each rule.

    >>> probs = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> blocks = lambda: [(np.log(probs), probs)]
    >>> for rows, goals in targets(select(blocks, rule="mrkld", portion=0.5), blocks):
    ...     print(rows, goals.tolist() == np.float32([[1.05, 0.05], [0.05, 1.05]]).tolist())
    [0 2] True
    """
    kind = RULES[selection.rule].targets
    if kind == "lrent":
        yield from soft_labels(selection, blocks)
        return
    size = len(selection.lambdas)
    goals = np.eye(size, dtype=np.float32)
    if kind == "mrkld":
        goals += np.float32(selection.alpha / size)
    rows = np.flatnonzero(selection.selected)
    for block in np.array_split(rows, 1 + len(rows) * size // _BLOCK):
        yield block, goals[selection.candidate[block]]


def predictions(blocks: Blocks) -> Predictions:
    """First pass: return the softmax argmax of each sample (-1 unusable), its log-probability and AVC, and K."""
    parts = []
    num_classes = 0
    for logits, avc in blocks():
        log_probs = _log_softmax(logits)
        predicted = np.argmax(log_probs, axis=1)
        log_top, avc_top = (_at(values, predicted) for values in (log_probs, avc))
        usable = np.where(np.isnan(log_probs).any(axis=1), -1, predicted)
        parts.append((usable.astype(np.int32), log_top, avc_top))
        num_classes = logits.shape[1]
    if not parts:
        raise CurateError("There are no images to select from.")
    predicted, log_top, avc_top = (np.concatenate(part) for part in zip(*parts, strict=True))
    return predicted, log_top, avc_top, num_classes


def _thresholds(predicted: np.ndarray, scores: np.ndarray, num_classes: int, portion: float) -> np.ndarray:
    """Return per class the m-th highest score of the samples predicted so, m = max(1, floor(portion n)); or NaN."""
    usable = (predicted >= 0) & ~np.isnan(scores)
    predicted = predicted[usable]
    scores = scores[usable]
    ordered = scores[np.lexsort((-scores, predicted))]
    sizes = np.bincount(predicted, minlength=num_classes)
    # 0.29 * 100 is 28.999999999999996: the nudge makes it the 29 that was meant.
    trusted = np.maximum(1, np.floor(portion * sizes + 1e-9).astype(np.int64))
    last = np.cumsum(sizes) - sizes + trusted - 1
    thresholds = np.full(num_classes, np.nan)
    thresholds[sizes > 0] = ordered[last[sizes > 0]]
    return thresholds


def _candidates(
    logits: np.ndarray, avc: np.ndarray, log_lambdas: np.ndarray, rule: Rule
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Second pass over a block: candidate label, its log p and AVC, and what the softmax gate compares with 0.

    That is log(p / lambda), with the gate `lrent` the logarithm of its sum.
    """
    log_probs = _log_softmax(logits)
    ratios = _log_ratios(log_probs, log_lambdas)
    candidate = np.argmax(ratios, axis=1)
    softness = _at(ratios, candidate)
    if RULES[rule].gate == "lrent":
        softness = logsumexp(ratios / RULES[rule].alpha, axis=1)
    return candidate, _at(log_probs, candidate), _at(avc, candidate), softness


def _log_ratios(log_probs: np.ndarray, log_lambdas: np.ndarray) -> np.ndarray:
    """Return log(p / lambda), minus infinity for classes never predicted."""
    return log_probs - np.where(np.isnan(log_lambdas), np.inf, log_lambdas)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    return np.asarray(log_probs(np, np.asarray(logits, np.float64)))


def _at(values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.take_along_axis(values, columns[:, None], axis=1)[:, 0].astype(np.float64)


def _ranks(candidate: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the rank of each score among those with the same candidate, 1 for the highest; 0 for NaN."""
    ranks = np.zeros_like(candidate)
    order = np.argsort(candidate, kind="stable")
    # Class by class, since ranking all at once takes six times the memory of the scores.
    for rows in np.split(order, np.flatnonzero(np.diff(candidate[order])) + 1):
        ranks[rows] = pd.Series(scores[rows]).rank(method="min", ascending=False).fillna(0)
    return ranks


def _count(labels: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(labels[labels >= 0], minlength=size)
