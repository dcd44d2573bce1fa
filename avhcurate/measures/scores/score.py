"""What a score is, and whether one that a plugin adds is one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from avhcurate.errors import CurateError
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
