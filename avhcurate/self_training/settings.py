"""Source, target and method of a self-training, and the trainer that is set up from them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from avhcurate.data.self_trainings import SelfTrainingFolder
from avhcurate.errors import CurateError
from avhcurate.pseudo_labels.rules import RULES, Rule
from avhcurate.self_training.loop import Schedule, Trainer
from avhcurate.table.subset import Subset
from avhcurate.training.recipe import Recipe

# Torch takes seconds to import, and a page that only reads results does without it.
if TYPE_CHECKING:
    from avhcurate.training.probe import ProbeRecipe


@dataclass(frozen=True)
class Settings:
    """Source, target and method of a self-training. Raises CurateError for values out of range.

    source, target: datasets with the same classes, or twice the same one with a condition on each.
    model: as for scoring, or of a probe the name of a run of the target; weights: a file, "random", None for the
        model's own.
    rule, schedule, rounds, alpha: see `self_training.loop.self_train`.
    how: a `ProbeRecipe`, or None for its defaults, trains a head on frozen features; a `Recipe` the whole network, with
        the `seed` and, unless "auto", the `precision` given here: crops move by up to an eighth of the network's input,
        and colour images are mirrored.
    """

    source: str
    target: str
    model: str | None = None
    weights: Path | Literal["random"] | None = None
    rule: Rule = "avc"
    schedule: Schedule = field(default_factory=Schedule)
    rounds: int | None = None
    alpha: float | None = None
    seed: int = 0
    how: "ProbeRecipe | Recipe | None" = None
    source_where: str = ""
    target_where: str = ""
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise CurateError(f"there is no rule {self.rule!r}: choose one of {', '.join(RULES)}")
        if self.rounds is not None and self.rounds < 1:
            raise CurateError(f"--rounds {self.rounds}: give 1 or more")
        if self.seed < 0:
            raise CurateError(f"seed {self.seed}: give a whole number from 0 on")
        if self.alpha is not None and not 0 < self.alpha < np.inf:
            raise CurateError(f"--alpha {self.alpha:g}: give a number above 0, as 0.25")

    @property
    def most_rounds(self) -> int:
        """The largest number of rounds."""
        return self.schedule.rounds if self.rounds is None else self.rounds


@dataclass(frozen=True)
class TrainerSetup:
    """The samples, the fields of the record about network and trainer, and a function that makes the trainer."""

    source: Subset
    target: Subset
    about: dict[str, Any]
    make_trainer: Callable[[SelfTrainingFolder], Trainer]
