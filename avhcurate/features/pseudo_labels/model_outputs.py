"""The outputs of a network on unlabelled samples, block by block: what every selection of pseudo-labels reads."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from avhcurate.errors import CurateError
from avhcurate.features.pseudo_labels.rules import Blocks, Gate, Rule, Selection, gate_of, held, predictions, select
from avhcurate.measures import scores
from avhcurate.workspace.data.runs import RunFolder

#: Elements of one (block, K) or (block, D) matrix.
_BLOCK = 1 << 20

#: (logits, AVC) of consecutive samples; of the gate `avc-centred` the AVC is the centred one.
GateBlocks = Callable[[Gate], Iterator[tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class ModelOutputs:
    """Embeddings, features (M, D), memory-mapped or not, and the last layer: class_weights (K, D) and bias (K,).

    `embed` makes the embeddings of rows of `features`, a block at a time, where they are wider than what they are made
    of. Logits and AVC are computed from these in float64. An embedding that is not finite counts as NaN throughout and
    does not count in the mean.
    """

    features: np.ndarray
    class_weights: np.ndarray
    bias: np.ndarray
    embed: Callable[[np.ndarray], np.ndarray] | None = None

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
        for block in self._embeddings():
            yield block @ weights.T + self.bias, np.asarray(scores.avc(block - origin, directions))

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


def blocks_of(run: RunFolder, ids: np.ndarray) -> GateBlocks:
    """Return the outputs of a run for some samples.

    The logits of an attached run may not be those of its class weights. Without class weights its AVC is NaN, so that
    only gates on the softmax output can select.
    """
    if not run.has_class_weights:
        return partial(_without_avc, run, ids)
    # By id, since the pages of a mapped array would stay in memory.
    outputs = ModelOutputs(
        ids[:, None], run.class_weights(), run.bias(), embed=lambda block: run.features_of(block[:, 0])
    )
    if run.record.attached is None:
        return outputs.blocks
    return partial(_attached, run, ids, outputs)


def _attached(
    run: RunFolder, ids: np.ndarray, outputs: ModelOutputs, gate: Gate
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    start = 0
    for _, avc in outputs.blocks(gate):
        yield run.logits_of(ids[start : start + len(avc)]), avc
        start += len(avc)


def _without_avc(run: RunFolder, ids: np.ndarray, _: Gate) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    step = max(1, _BLOCK // run.num_classes)
    for start in range(0, len(ids), step):
        logits = run.logits_of(ids[start : start + step])
        yield logits, np.full(logits.shape, np.nan)
