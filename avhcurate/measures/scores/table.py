"""The one table of scores: pages, command line, exports, documents and tests iterate over it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from avhcurate.errors import CurateError
from avhcurate.measures.scores import formulas
from avhcurate.measures.scores.formulas import Batch
from avhcurate.measures.scores.inputs import Array, where_labelled
from avhcurate.plugins import guarded

#: What a score is computed from. "class_weights": with embeddings; "prototypes": embeddings and labels; "neighbours":
#: the run's graph; "training": recorded epochs; "votes": a model of the votes; "table": it is a column of the user's.
Needs = Literal[
    "class_weights", "logits", "features", "prototypes", "neighbours", "training", "images", "votes", "table"
]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score: its name, formula, function, range and reference.

    `harder` says which end means a harder sample, "" where that is not known; `low` and `high` are its bounds as text,
    since some depend on K. `needs` is what it is computed from: a table has the scores whose needs its run meets.
    `function` is None for a score that needs more than one pass over the data: a second one, or the epochs of a
    training. `within_class` names the score that it is, in standard deviations from the mean of its label's class: the
    sample table computes it. `plugin`: another package has added it.
    """

    key: str
    name: str
    formula: str
    sentence: str
    harder: Literal["high", "low", ""]
    needs: Needs
    reference: str
    low: str = "0"
    high: str = "1"
    unit: str = ""
    needs_label: bool = True
    function: Callable[[Batch], Array] | None = None
    within_class: str = ""
    plugin: bool = False

    @property
    def training(self) -> bool:
        """Whether it comes from the epochs of a recorded training."""
        return self.needs == "training"

    @property
    def hard_end(self) -> Literal["high", "low"]:
        """Return the end that means a harder sample, of a score of which it is known."""
        assert self.harder, f"It is not known which end of {self.key} is harder."
        return self.harder

    @property
    def sign(self) -> int:
        """Return +1 when a larger value means a harder sample, -1 when a smaller one does, 0 where it is not known."""
        return {"high": 1, "low": -1, "": 0}[self.harder]


_CHEN = "Chen et al., Angular Visual Hardness, ICML 2020"

_ALL = (
    Score(
        key="avh",
        name="AVH",
        formula=r"\mathcal{A}(x, w_y) \,/\, \sum_k \mathcal{A}(x, w_k)",
        sentence="Share of the angle to the label's class weights in the sum over all classes.",
        harder="high",
        needs="class_weights",
        reference=_CHEN,
        function=formulas.avh,
    ),
    Score(
        key="relative_avh",
        name="Relative AVH",
        formula=r"K \cdot \mathrm{AVH}(x)",
        sentence="Angle to the label over the mean angle: 1 means no evidence for the label; comparable across "
        "class counts.",
        high="K",
        harder="high",
        needs="class_weights",
        reference=_CHEN,
        function=formulas.relative_avh,
    ),
    Score(
        key="target_angle",
        name="Target angle",
        formula=r"\mathcal{A}(x, w_y)",
        sentence="Angle between the embedding and the label's class weights.",
        high="π",
        unit="rad",
        harder="high",
        needs="class_weights",
        reference=_CHEN,
        function=formulas.target_angle,
    ),
    Score(
        key="angular_gap",
        name="Angular gap",
        formula=r"\mathcal{A}(x, w_y) - \min_{k \neq y} \mathcal{A}(x, w_k)",
        sentence="Angle to the label minus the angle to the nearest other class; positive when another is closer.",
        low="-π",
        high="π",
        unit="rad",
        harder="high",
        needs="class_weights",
        reference="Angular Gap, after AVH",
        function=formulas.angular_gap,
    ),
    Score(
        key="class_angular_gap",
        name="Angular gap within class",
        formula=r"(g - \bar{g}_y) \,/\, \sigma_y,\; g = \mathcal{A}(x, w_y) - \min_{k \neq y} \mathcal{A}(x, w_k)",
        sentence="Angular gap in standard deviations from the mean of its label's class: what sets a whole class apart "
        "is taken out.",
        low="-∞",
        high="∞",
        harder="high",
        needs="class_weights",
        reference="after the class-wise calibration of Angular Gap (Peng et al. 2022)",
        within_class="angular_gap",
    ),
    Score(
        key="avc",
        name="AVC",
        formula=r"(\pi - \mathcal{A}(x, w_c)) \,/\, \sum_k (\pi - \mathcal{A}(x, w_k)),\; c = \arg\max f",
        sentence="Angular confidence of the predicted class; flat by nature, so compare ranks, not values.",
        harder="low",
        needs="class_weights",
        needs_label=False,
        reference=_CHEN,
        function=formulas.avc,
    ),
    Score(
        key="confidence",
        name="Confidence",
        formula=r"p_y = \mathrm{softmax}(f)_y",
        sentence="Softmax probability of the given label.",
        harder="low",
        needs="logits",
        reference="model confidence of " + _CHEN,
        function=formulas.confidence,
    ),
    Score(
        key="max_confidence",
        name="Max confidence",
        formula=r"\max_k p_k",
        sentence="Softmax probability of the predicted class.",
        low="1/K",
        harder="low",
        needs="logits",
        needs_label=False,
        reference="Hendrycks and Gimpel 2017",
        function=formulas.max_confidence,
    ),
    Score(
        key="margin",
        name="Margin",
        formula=r"f_y - \max_{k \neq y} f_k",
        sentence="Logit of the label minus the largest other logit; negative when misclassified.",
        low="-∞",
        high="∞",
        harder="low",
        needs="logits",
        reference="Pleiss et al. 2020 (AUM, one epoch)",
        function=formulas.margin,
    ),
    Score(
        key="entropy",
        name="Entropy",
        formula=r"-\sum_k p_k \ln p_k",
        sentence="Spread of the softmax output over the classes.",
        high="ln K",
        unit="nat",
        harder="high",
        needs="logits",
        needs_label=False,
        reference="Shannon 1948",
        function=formulas.entropy,
    ),
    Score(
        key="loss",
        name="Loss",
        formula=r"-\ln p_y",
        sentence="Cross-entropy of the given label.",
        high="∞",
        unit="nat",
        harder="high",
        needs="logits",
        reference="cross-entropy",
        function=formulas.loss,
    ),
    Score(
        key="el2n",
        name="EL2N",
        formula=r"\lVert p - e_y \rVert_2",
        sentence="Distance of the softmax output from the one-hot label.",
        high="√2",
        harder="high",
        needs="logits",
        reference="Paul et al. 2021",
        function=formulas.el2n,
    ),
    Score(
        key="grand",
        name="GraNd, last layer",
        formula=r"\lVert (p - e_y) \otimes [x, 1] \rVert_F = \lVert p - e_y \rVert_2 \sqrt{\lVert x \rVert_2^2 + 1}",
        sentence="Length of the loss's gradient in class weights and bias: how hard the image pulls at them.",
        high="∞",
        harder="high",
        needs="class_weights",
        reference="Paul et al. 2021, of the last layer",
        function=formulas.grand,
    ),
    Score(
        key="norm",
        name="Norm",
        formula=r"\lVert x \rVert_2",
        sentence="Length of the embedding; Chen et al. find it no sign of human hardness.",
        high="∞",
        harder="low",
        needs="features",
        needs_label=False,
        reference=_CHEN,
        function=formulas.norm,
    ),
    Score(
        key="prototype_distance",
        name="Prototype distance",
        formula=r"1 - \cos(x, \bar{x}_y)",
        sentence="Cosine distance to the mean embedding of the label's class.",
        high="2",
        harder="high",
        needs="features",
        reference="nearest class mean",
    ),
    Score(
        key="prototype_hardness",
        name="Prototype hardness",
        formula=r"\mathcal{A}(x, \bar{x}_y^{-x}) \,/\, \sum_k \mathcal{A}(x, \bar{x}_k)",
        sentence="Share of the angle to the prototype of the label's class in the sum over all prototypes, the image "
        "left out of its own: the form of AVH, but of class means, not of a classifier.",
        harder="high",
        needs="prototypes",
        reference="after " + _CHEN,
        function=formulas.prototype_hardness,
    ),
    Score(
        key="prototype_angle",
        name="Prototype angle",
        formula=r"\mathcal{A}(x, \bar{x}_y^{-x})",
        sentence="Angle between the embedding and the mean embedding of the label's class without the image.",
        high="π",
        unit="rad",
        harder="high",
        needs="prototypes",
        reference="nearest class mean, leave-one-out",
        function=formulas.prototype_angle,
    ),
    Score(
        key="prototype_gap",
        name="Prototype gap",
        formula=r"\mathcal{A}(x, \bar{x}_y^{-x}) - \min_{k \neq y} \mathcal{A}(x, \bar{x}_k)",
        sentence="Angle to the label's prototype, the image left out, minus the angle to the nearest other one; "
        "positive when another class is closer.",
        low="-π",
        high="π",
        unit="rad",
        harder="high",
        needs="prototypes",
        reference="nearest class mean, leave-one-out",
        function=formulas.prototype_gap,
    ),
    Score(
        key="prototype_confidence",
        name="Prototype confidence",
        formula=r"(\pi - \mathcal{A}(x, \bar{x}_c)) \,/\, \sum_k (\pi - \mathcal{A}(x, \bar{x}_k)),\; "
        r"c = \arg\min_k \mathcal{A}(x, \bar{x}_k)",
        sentence="Angular confidence of the nearest prototype's class: the form of AVC, but of class means, not of a "
        "classifier.",
        harder="low",
        needs="prototypes",
        needs_label=False,
        reference="after " + _CHEN,
        function=formulas.prototype_confidence,
    ),
    Score(
        key="neighbour_angle",
        name="Neighbour angle",
        formula=r"\frac{1}{12} \sum_{j \in \mathcal{N}_{12}(x)} \mathcal{A}(x, x_j)",
        sentence="Mean angle to the twelve nearest images of the run: large for an outlier.",
        high="π",
        unit="rad",
        harder="high",
        needs="neighbours",
        needs_label=False,
        reference="Angiulli and Pizzuti 2002, by angle",
    ),
)

_of_epochs = partial(Score, needs="training")

#: Of the epochs of a training, for samples held out.
_OF_EPOCHS = (
    _of_epochs(
        key="aum",
        name="Held-out AUM",
        formula=r"\frac{1}{T} \sum_t \left(f_y - \max_{k \neq y} f_k\right)_t",
        sentence="Margin of images held out, mean over the epochs of the training.",
        low="-∞",
        high="∞",
        harder="low",
        reference="Pleiss et al. 2020",
    ),
    _of_epochs(
        key="confidence_mean",
        name="Held-out mean confidence",
        formula=r"\hat\mu = \frac{1}{T} \sum_t p_{y,t}",
        sentence="Probability of the given label of images held out, mean over the epochs: one axis of the data map.",
        harder="low",
        reference="Swayamdipta et al. 2020",
    ),
    _of_epochs(
        key="variability",
        name="Held-out variability",
        formula=r"\sqrt{\frac{1}{T} \sum_t (p_{y,t} - \hat\mu)^2}",
        sentence="Deviation over the epochs of the label's probability of images held out: the other axis of the data "
        "map; large = ambiguous.",
        high="1/2",
        harder="high",
        reference="Swayamdipta et al. 2020",
    ),
    _of_epochs(
        key="correctness",
        name="Held-out correctness",
        formula=r"\frac{1}{T} \sum_t [\arg\max f_t = y]",
        sentence="Share of the epochs in which the label was predicted, of images held out.",
        harder="low",
        reference="Swayamdipta et al. 2020",
    ),
    _of_epochs(
        key="forgetting",
        name="Held-out forgetting",
        formula=r"\sum_t [\arg\max f_t = y \neq \arg\max f_{t+1}]",
        sentence="How often a right prediction turned wrong from one epoch to the next, of images held out; T, the "
        "most, where none was ever right.",
        high="T",
        harder="high",
        reference="Toneva et al. 2019",
    ),
    _of_epochs(
        key="el2n_mean",
        name="Held-out mean EL2N",
        formula=r"\frac{1}{T} \sum_t \lVert p_t - e_y \rVert_2",
        sentence="EL2N of images held out, mean over the epochs.",
        high="√2",
        harder="high",
        reference="Paul et al. 2021",
    ),
    _of_epochs(
        key="learning_speed",
        name="Held-out learning speed",
        formula=r"\frac{1}{T} \max\{s : \arg\max f_t = y \text{ for all } t > T - s\}",
        sentence="Share of the epochs, counted back from the last, through which the label was predicted without a "
        "break, of images held out.",
        harder="low",
        reference="iteration learned of Baldock et al. 2021",
    ),
)


def _learnt(score: Score) -> Score:
    """Return the same score of samples that the training learnt from, as in the papers."""
    sentence = score.sentence.replace("images held out", "images learnt from")
    return replace(score, key=f"train_{score.key}", name=score.name.replace("Held-out", "Training"), sentence=sentence)


#: Every score by its key, in the order in which tables and menus show them; plugins add theirs (see `scores`).
SCORES: dict[str, Score] = {score.key: score for score in (*_ALL, *_OF_EPOCHS, *map(_learnt, _OF_EPOCHS))}


_of_votes = partial(Score, needs="votes")
_INTERVAL = "Conformal ends: Vovk et al. 2005; Barber et al., Annals of Statistics 49, 2021."

#: Predicted columns of numbers by key. They come from the votes of other samples, and are never counted as votes.
PREDICTIONS: dict[str, Score] = {
    score.key: score
    for score in (
        _of_votes(
            key="hsf_predicted",
            name="Predicted HSF",
            formula=r"\widehat{\mathrm{HSF}}(x)",
            sentence="The HSF that a model of the votes expects, from scores, embedding and class; not votes. An image "
            "that has votes is predicted without its own.",
            harder="low",
            reference="Ridge regression of the rank of HSF, cross-fitted (avhcurate predict).",
        ),
        _of_votes(
            key="hsf_predicted_low",
            name="Predicted HSF, low",
            formula="",
            sentence="Lower end of the interval of HSF of as many votes as usual; not for naming the hard ones.",
            harder="low",
            reference=_INTERVAL,
        ),
        _of_votes(
            key="hsf_predicted_high",
            name="Predicted HSF, high",
            formula="",
            sentence="Upper end of the interval of HSF of as many votes as usual; not for naming the hard ones.",
            harder="low",
            reference=_INTERVAL,
        ),
        _of_votes(
            key="human_gap",
            name="Human gap",
            formula=r"\widehat{\mathrm{HSF}}(x) - p_y(x)",
            sentence="Predicted HSF minus the confidence in the label: above 0 the label is clearer to people than to "
            "the network, below 0 clearer to the network.",
            harder="",
            reference="Predicted HSF and confidence of the open run.",
            low="-1",
        ),
    )
}


def of_plugin(name: str, thing: object) -> Score:
    """Return the score that a plugin adds under a name; CurateError says what is wrong with it."""
    if not isinstance(thing, Score):
        raise CurateError(f"It is a {type(thing).__name__}, not an avhcurate.measures.scores.Score.")
    if thing.key != name or not name.isidentifier() or name != name.lower():
        raise CurateError(f"Its key is {thing.key!r}. Key and entry point must have the same name, in small letters.")
    if thing.function is None or thing.needs not in ("class_weights", "logits", "features") or not thing.harder:
        raise CurateError("It lacks a function, a harder end, or needs that are class_weights, logits or features.")
    return replace(thing, function=guarded("scores", name, partial(_one_per_sample, thing)), plugin=True)


def _one_per_sample(score: Score, batch: Batch) -> Array:
    """Return a plugin's values of a block, NaN without the label that they need."""
    assert score.function is not None
    values = score.function(batch)
    if tuple(values.shape) != tuple(batch.labels.shape):
        raise CurateError(f"The score {score.key} has values of shape {tuple(values.shape)}, not one for each image.")
    if not score.needs_label:
        return values
    return where_labelled(batch.xp, values, batch.labels)
