"""The outputs of a network on unlabelled samples, block by block: what every selection of pseudo-labels reads."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from avhcurate import scores
from avhcurate.data.runs import RunFolder
from avhcurate.pseudo_labels.rules import RULES, Gate, Rule, Selection, predictions, select

#: Elements of one (block, K) or (block, D) matrix.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class ModelOutputs:
    """Embeddings, features (M, D), memory-mapped or not, and the last layer: class_weights (K, D) and bias (K,).

    The N samples are the rows `rows` (N,) of `features`, by default all. Logits and AVC are computed from these in
    float64. An embedding that is not finite counts as NaN throughout and takes no part in the mean.
    """

    features: np.ndarray
    class_weights: np.ndarray
    bias: np.ndarray
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.features if self.rows is None else self.rows)

    def blocks(self, gate: Gate = "avc") -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(logits, AVC) of consecutive samples; for the gate `avc-centred` the AVC is the centred one."""
        weights = self.class_weights.astype(np.float64)
        centred = gate == "avc-centred"
        origin, directions = (self.mean, weights - weights.mean(0)) if centred else (0.0, weights)
        for block in self._embeddings():
            yield block @ weights.T + self.bias, np.asarray(scores.avc(block - origin, directions))

    def select(self, *, rule: Rule, portion: float, alpha: float | None = None) -> Selection:
        """Selects pseudo-labels by a rule: see `rules.select`."""
        # An unknown rule has no gate, and `select` refuses it before it reads a block.
        gate = RULES[rule].gate if rule in RULES else "avc"
        return select(partial(self.blocks, gate), rule=rule, portion=portion, alpha=alpha)

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean of the finite embeddings, (D,)."""
        total, count = np.zeros(self.features.shape[1]), 0
        for block in self._embeddings():
            finite = block[~np.isnan(block[:, 0])]
            total, count = total + finite.sum(0), count + len(finite)
        return total / max(1, count)

    @cached_property
    def predictions(self) -> tuple[np.ndarray, np.ndarray]:
        """Softmax argmax of each sample, (N,), -1 where the embedding is not finite, and its probability, NaN there."""
        predicted, log_top, _, _ = predictions(self.blocks)
        return predicted, np.exp(log_top)

    def _embeddings(self) -> Iterable[np.ndarray]:
        """Consecutive embeddings in float64, whole rows of NaN where one is not finite."""
        step = max(1, _BLOCK // max(self.features.shape[1], len(self.class_weights)))
        for start in range(0, len(self), step):
            rows = slice(start, start + step)
            block = np.array(self.features[rows if self.rows is None else self.rows[rows]], np.float64)
            block[~np.isfinite(block).all(axis=1)] = np.nan
            yield block


@dataclass(frozen=True)
class StoredOutputs:
    """As `ModelOutputs`, of samples `ids` (N,) of an attached run: its logits may not be those of its class weights.

    AVC is NaN where the run has no class weights, so that only gates on the softmax output can select.
    """

    run: RunFolder
    ids: np.ndarray

    def blocks(self, gate: Gate = "avc") -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(logits, AVC) of consecutive samples, as `ModelOutputs.blocks`."""
        own = None
        if self.run.has_class_weights:
            own = ModelOutputs(self.run.features(), self.run.class_weights(), self.run.bias(), self.ids).blocks(gate)
        start = 0
        while start < len(self.ids):
            avc = None if own is None else next(own)[1]
            size = max(1, _BLOCK // self.run.record.num_classes) if avc is None else len(avc)
            logits = self.run.logits_of(self.ids[start : start + size])
            yield logits, np.full(logits.shape, np.nan) if avc is None else avc
            start += size

    def select(self, *, rule: Rule, portion: float, alpha: float | None = None) -> Selection:
        """Selects pseudo-labels by a rule: see `rules.select`."""
        gate = RULES[rule].gate if rule in RULES else "avc"
        return select(partial(self.blocks, gate), rule=rule, portion=portion, alpha=alpha)
