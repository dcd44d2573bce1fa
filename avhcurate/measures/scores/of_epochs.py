"""The scores of the epochs of a training, of samples held out and of those learnt from."""

from dataclasses import replace
from functools import partial

from avhcurate.measures.scores.score import Score

_of_epochs = partial(Score, needs="training")

_HELD_OUT = (
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


#: Of both: held out first.
OF_EPOCHS = (*_HELD_OUT, *map(_learnt, _HELD_OUT))
