"""The one table of scores: pages, command line, exports, documents and tests iterate over it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Literal

from avhcurate.scores import angular, softmax
from avhcurate.scores.inputs import Array


@dataclass
class Batch:
    """What the scores of a block of samples are made of; angles and log-probabilities are worked out once."""

    xp: ModuleType
    features: Array  # (n, D)
    unit_class_weights: Array  # (K, D)
    logits: Array  # (n, K)
    labels: Array  # (n,) int64, -1 for none

    @cached_property
    def angles(self) -> Array:
        return angular.unit_angles(self.xp, angular.unit(self.xp, self.features), self.unit_class_weights)

    @cached_property
    def log_probs(self) -> Array:
        return softmax.log_probs(self.xp, self.logits)

    @cached_property
    def predicted(self) -> Array:
        return self.xp.argmax(self.logits, axis=1)


@dataclass(frozen=True)
class Score:
    """One score: how it is called, computed, read and cited.

    `harder` says which end means a harder sample; `low` and `high` are its bounds as text, since some depend on K.
    `function` is None for a score that needs more than one pass over the data: a second one, or the epochs of a
    training (`training`), in which case a table has it only where its run comes from a recorded training.
    """

    key: str
    name: str
    formula: str
    sentence: str
    low: str
    high: str
    unit: str
    harder: Literal["high", "low"]
    needs_label: bool
    reference: str
    function: Callable[[Batch], Array] | None
    training: bool = False

    @property
    def sign(self) -> int:
        """+1 when a larger value means a harder sample, -1 when a smaller one does."""
        return 1 if self.harder == "high" else -1


_CHEN = "Chen et al., Angular Visual Hardness, ICML 2020"

_ALL = (
    Score(
        "avh", "AVH", r"\mathcal{A}(x, w_y) \,/\, \sum_k \mathcal{A}(x, w_k)",
        "Share of the angle to the label's class weights in the sum over all classes.",
        "0", "1", "", "high", True, _CHEN,
        lambda b: angular.avh_of(b.xp, b.angles, b.labels),
    ),
    Score(
        "relative_avh", "Relative AVH", r"K \cdot \mathrm{AVH}(x)",
        "Angle to the label over the mean angle: 1 means no evidence for the label; comparable across class counts.",
        "0", "K", "", "high", True, _CHEN,
        lambda b: angular.avh_of(b.xp, b.angles, b.labels) * b.angles.shape[1],
    ),
    Score(
        "target_angle", "Target angle", r"\mathcal{A}(x, w_y)",
        "Angle between the embedding and the label's class weights.",
        "0", "π", "rad", "high", True, _CHEN,
        lambda b: angular.target_angle_of(b.xp, b.angles, b.labels),
    ),
    Score(
        "angular_gap", "Angular gap", r"\mathcal{A}(x, w_y) - \min_{k \neq y} \mathcal{A}(x, w_k)",
        "Angle to the label minus the angle to the nearest other class; positive when another class is closer.",
        "-π", "π", "rad", "high", True, "Angular Gap, after AVH",
        lambda b: angular.angular_gap_of(b.xp, b.angles, b.labels),
    ),
    Score(
        "avc", "AVC", r"(\pi - \mathcal{A}(x, w_c)) \,/\, \sum_k (\pi - \mathcal{A}(x, w_k)),\; c = \arg\max f",
        "Angular confidence of the predicted class; flat by nature, so compare ranks, not values.",
        "0", "1", "", "low", False, _CHEN,
        lambda b: b.xp.take_along_axis(angular.avc_of(b.xp, b.angles), b.predicted[:, None], axis=1)[:, 0],
    ),
    Score(
        "confidence", "Confidence", r"p_y = \mathrm{softmax}(f)_y",
        "Softmax probability of the given label.",
        "0", "1", "", "low", True, "model confidence of " + _CHEN,
        lambda b: softmax.confidence_of(b.xp, b.log_probs, b.labels),
    ),
    Score(
        "max_confidence", "Max confidence", r"\max_k p_k",
        "Softmax probability of the predicted class.",
        "1/K", "1", "", "low", False, "Hendrycks and Gimpel 2017",
        lambda b: softmax.max_confidence_of(b.xp, b.log_probs),
    ),
    Score(
        "margin", "Margin", r"f_y - \max_{k \neq y} f_k",
        "Logit of the label minus the largest other logit; negative when misclassified.",
        "-∞", "∞", "", "low", True, "Pleiss et al. 2020 (AUM, one epoch)",
        lambda b: softmax.margin_of(b.xp, b.logits, b.labels),
    ),
    Score(
        "entropy", "Entropy", r"-\sum_k p_k \ln p_k",
        "Spread of the softmax output over the classes.",
        "0", "ln K", "nat", "high", False, "Shannon 1948",
        lambda b: softmax.entropy_of(b.xp, b.log_probs),
    ),
    Score(
        "loss", "Loss", r"-\ln p_y",
        "Cross-entropy of the given label.",
        "0", "∞", "nat", "high", True, "cross-entropy",
        lambda b: softmax.loss_of(b.xp, b.log_probs, b.labels),
    ),
    Score(
        "el2n", "EL2N", r"\lVert p - e_y \rVert_2",
        "Distance of the softmax output from the one-hot label.",
        "0", "√2", "", "high", True, "Paul et al. 2021",
        lambda b: softmax.el2n_of(b.xp, b.log_probs, b.labels),
    ),
    Score(
        "norm", "Norm", r"\lVert x \rVert_2",
        "Length of the embedding; the paper finds it no sign of human hardness.",
        "0", "∞", "", "low", False, _CHEN,
        lambda b: b.xp.linalg.vector_norm(b.features, axis=1),
    ),
    Score(
        "prototype_distance", "Prototype distance", r"1 - \cos(x, \bar{x}_y)",
        "Cosine distance to the mean embedding of the label's class.",
        "0", "2", "", "high", True, "nearest class mean",
        None,
    ),
    Score(
        "aum", "AUM", r"\frac{1}{T} \sum_t \left(f_y - \max_{k \neq y} f_k\right)_t",
        "Margin, mean over the epochs of the training.",
        "-∞", "∞", "", "low", True, "Pleiss et al. 2020", None, training=True,
    ),
    Score(
        "confidence_mean", "Mean confidence", r"\hat\mu = \frac{1}{T} \sum_t p_{y,t}",
        "Probability of the given label, mean over the epochs: one axis of the data map.",
        "0", "1", "", "low", True, "Swayamdipta et al. 2020", None, training=True,
    ),
    Score(
        "variability", "Variability", r"\sqrt{\frac{1}{T} \sum_t (p_{y,t} - \hat\mu)^2}",
        "Deviation of the label's probability over the epochs: the other axis of the data map; large = ambiguous.",
        "0", "1/2", "", "high", True, "Swayamdipta et al. 2020", None, training=True,
    ),
    Score(
        "correctness", "Correctness", r"\frac{1}{T} \sum_t [\arg\max f_t = y]",
        "Share of the epochs in which the label was predicted.",
        "0", "1", "", "low", True, "Swayamdipta et al. 2020", None, training=True,
    ),
    Score(
        "forgetting", "Forgetting", r"\sum_t [\arg\max f_t = y \neq \arg\max f_{t+1}]",
        "How often a right prediction turned wrong from one epoch to the next; missing where none was ever right.",
        "0", "T/2", "", "high", True, "Toneva et al. 2019", None, training=True,
    ),
    Score(
        "el2n_mean", "Mean EL2N", r"\frac{1}{T} \sum_t \lVert p_t - e_y \rVert_2",
        "EL2N, mean over the epochs.",
        "0", "√2", "", "high", True, "Paul et al. 2021", None, training=True,
    ),
    Score(
        "learning_speed", "Learning speed", r"\frac{1}{T} \max\{s : \arg\max f_t = y \text{ for all } t > T - s\}",
        "Share of the epochs, counted back from the last, through which the label was predicted without a break.",
        "0", "1", "", "low", True, "iteration learned of Baldock et al. 2021", None, training=True,
    ),
)  # fmt: skip

#: Every score by its key, in the order in which tables and menus show them.
SCORES: dict[str, Score] = {score.key: score for score in _ALL}
