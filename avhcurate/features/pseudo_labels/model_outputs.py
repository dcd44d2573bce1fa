"""The outputs of a network on unlabelled samples, block by block: what every selection of pseudo-labels reads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from avhcurate.errors import CurateError
from avhcurate.features.pseudo_labels.rules import Blocks, Gate, Rule, Selection, gate_of, held, predictions, select
from avhcurate.measures import scores

#: Elements of one (block, K) or (block, D) matrix.
_BLOCK = 1 << 20

#: (logits, AVC) of consecutive samples; of the gate `avc-centred` the AVC is the centred one.
GateBlocks = Callable[[Gate], Iterator[tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class ModelOutputs:
    """Embeddings, features (M, D), memory-mapped or not, and the last layer: class_weights (K, D) and bias (K,).

    `embed` makes the embeddings of rows of `features`, a block at a time, where they are wider than what they are made
    of. Logits and AVC are computed from these in float64; `logits` gives those of rows, (n, K), where they may be
    others. An embedding that is not finite counts as NaN throughout and does not count in the mean.
    """

    features: np.ndarray
    class_weights: np.ndarray
    bias: np.ndarray
    embed: Callable[[np.ndarray], np.ndarray] | None = None
    logits: Callable[[slice], np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.features)

    def select(self, *, rule: Rule, portion: float) -> Selection:
        """Select pseudo-labels by a rule: see `rules.select`."""
        blocks = self.plain
        if gate_of(rule) == "avc-centred":
            blocks = held(partial(self.blocks, "avc-centred"), len(self))
        return select(blocks, rule=rule, portion=portion)

    @cached_property
    def plain(self) -> Blocks:
        """Return what `blocks` yields, computed once where it fits in memory."""
        return held(self.blocks, len(self))

    def avh(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return AVH of some samples, rows of `features`, to labels (n,)."""
        values = [np.empty(0)]
        for start in range(0, len(rows), self._step):
            part = slice(start, start + self._step)
            values.append(scores.avh(self._embedded(rows[part]), self.class_weights, labels[part]))
        return np.concatenate(values)

    def blocks(self, gate: Gate = "avc") -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (logits, AVC) of consecutive samples; for the gate `avc-centred` the AVC is the centred one."""
        weights = self.class_weights.astype(np.float64)
        origin = np.zeros(1)
        directions = weights
        if gate == "avc-centred":
            origin = self.mean
            directions = weights - weights.mean(0)
            if not directions.any(axis=1).all():
                raise CurateError("Centred AVC needs two classes or more, none with their mean weight. Choose avc.")
        for start, block in zip(range(0, len(self), self._step), self._embeddings(), strict=True):
            if self.logits is None:
                logits = block @ weights.T + self.bias
            else:
                logits = self.logits(slice(start, start + len(block)))
            yield logits, np.asarray(scores.avc(block - origin, directions))

    @cached_property
    def mean(self) -> np.ndarray:
        """Return the mean of the finite embeddings, (D,)."""
        total = np.zeros(self.class_weights.shape[1])
        count = 0
        for block in self._embeddings():
            finite = block[~np.isnan(block[:, 0])]
            total = total + finite.sum(0)
            count = count + len(finite)
        return total / max(1, count)

    @cached_property
    def predictions(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the softmax argmax of each sample, -1 where the embedding is not finite, and its probability."""
        predicted, log_top, _, _ = predictions(self.plain)
        return predicted, np.exp(log_top)

    @property
    def _step(self) -> int:
        return max(1, _BLOCK // max(self.features.shape[1], *self.class_weights.shape))

    def _embeddings(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self), self._step):
            yield self._embedded(slice(start, start + self._step))

    def _embedded(self, rows: np.ndarray | slice) -> np.ndarray:
        """Return embeddings of some samples in float64, whole rows of NaN where one is not finite."""
        block = self.features[rows]
        if self.embed is not None:
            block = self.embed(block)
        block = np.array(block, np.float64)
        block[~np.isfinite(block).all(axis=1)] = np.nan
        return block
