"""Gates beyond those of the rules, and how well each gate tells right predictions from wrong ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel
from scipy.special import softmax

from avhcurate import scores
from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.measures.stats import detection

#: Gates that are no rules, beside the rules; all train on hard labels. `random` shows what a gate's order is worth.
GATES = ("centred", "gap", "tempered", "dropout", "neighbours", "random")
#: A class says something of a gate from this many right and as many wrong predictions on.
FEWEST = 10


@dataclass(frozen=True, kw_only=True)
class Gated(ModelOutputs):
    """Outputs whose gate on AVC uses another score, (N, K), large = confident."""

    gate: np.ndarray

    def blocks(self, gate: str = "avc") -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """In one block."""
        yield logits_of(self), self.gate


def logits_of(outputs: ModelOutputs) -> np.ndarray:
    """(N, K)."""
    return np.asarray(outputs.features @ outputs.class_weights.T + outputs.bias)


def gate_scores(name: str, outputs: ModelOutputs, seed: int) -> np.ndarray:
    """Return the score (N, K) by which a gate beyond the paper ranks samples of a predicted class.

    centred: AVC of features and class weights less their means, so that both spread over all directions. gap: the
    smallest angle to any other class less the angle to this one. tempered: softmax of logits divided by each class's
    own deviation over the target. dropout: mean probability under 16 dropouts of half the embedding. neighbours: mean
    probability of the ten samples nearest by angle. random: no score at all.
    """
    features, weights, logits = outputs.features, outputs.class_weights, logits_of(outputs)
    if name == "centred":
        return np.concatenate([score for _, score in outputs.blocks("avc-centred")])
    if name == "gap":
        return gaps(np.asarray(scores.angles(features, weights)))
    if name == "tempered":
        return softmax(logits / logits.std(0), axis=1)
    rng = np.random.default_rng(seed)
    if name == "random":
        return rng.random(logits.shape)
    if name == "dropout":
        kept = (2 * rng.integers(0, 2, features.shape).astype(np.float32) for _ in range(16))
        return np.mean([softmax(features * mask @ weights.T + outputs.bias, axis=1) for mask in kept], axis=0)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    return softmax(logits, axis=1)[np.argpartition(-cosine, 10, axis=1)[:, :10]].mean(1)


def gaps(theta: np.ndarray) -> np.ndarray:
    """Return the smallest angle to any other class less the angle to each: (N, K) -> (N, K).

    >>> gaps(np.array([[1.0, 3.0, 2.0]])).tolist()
    [[1.0, -2.0, -1.0]]
    """
    two = np.partition(theta, 1, axis=1)[:, :2]
    others = np.where(theta == two[:, :1], two[:, 1:], two[:, :1])
    return others - theta


class GateReading(BaseModel):
    """How a gate ranks right predictions above wrong ones, before any round, as areas under the ROC curve.

    pooled: over all samples at once. per_class: within each predicted class, which is where a class-balanced selection
    ranks; None where fewer than `FEWEST` predictions are right or wrong. within: their mean.
    """

    pooled: float | None
    per_class: list[float | None]

    @property
    def within(self) -> float | None:
        known = [value for value in self.per_class if value is not None]
        return float(np.mean(known)) if known else None


def read_gates(outputs: ModelOutputs, truth: np.ndarray, seed: int) -> dict[str, GateReading]:
    """Return the reading of every gate on outputs of M samples with true labels (M,)."""
    logits = logits_of(outputs)
    predicted = logits.argmax(1)
    plain = {
        "confidence": softmax(logits, axis=1),
        "avc": np.asarray(scores.avc(outputs.features, outputs.class_weights)),
    }
    by_gate = plain | {name: gate_scores(name, outputs, seed) for name in GATES}
    rows = np.arange(len(predicted))
    return {name: read_gate(values[rows, predicted], predicted, truth) for name, values in by_gate.items()}


def read_gate(score: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> GateReading:
    """Return the reading of scores (M,), large = confident, of the predicted classes (M,)."""
    right = predicted == truth
    classes = range(int(truth.max()) + 1)
    return GateReading(
        pooled=auroc(score, right), per_class=[auroc(score[predicted == k], right[predicted == k]) for k in classes]
    )


def auroc(score: np.ndarray, right: np.ndarray) -> float | None:
    """Return the chance that a right prediction scores above a wrong one; None with fewer than `FEWEST` of either.

    >>> auroc(np.arange(20.0), np.arange(20) >= 10)
    1.0
    """
    if min(right.sum(), (~right).sum()) < FEWEST:
        return None
    return detection.auroc(score, right).value
