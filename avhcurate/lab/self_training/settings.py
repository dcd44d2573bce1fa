"""The options of a self-training, and the portions of its rounds."""

import math
from dataclasses import dataclass
from typing import Literal

from pydantic import model_validator

from avhcurate.errors import CurateError, Option
from avhcurate.workspace.data.settings import VerbSettings, option


@dataclass(frozen=True)
class Schedule:
    """The portion of each class to trust: `start` in round 1, `step` more each round, up to `end`.

    >>> [Schedule(0.2, 0.1, 0.35).portion(number) for number in (1, 2, 3, 4)]
    [0.2, 0.3, 0.35, 0.35]
    """

    start: float = 0.2
    step: float = 0.05
    end: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.start <= self.end <= 1 or not 0 <= self.step <= 1:
            raise CurateError(
                f"The portions {self.start:g}:{self.end:g}:{self.step:g} are not valid. Give a start above 0, an end "
                "from there to 1 and a step of 0 or more, as 0.2:0.5:0.05."
            )

    @classmethod
    def read(cls, text: str) -> "Schedule":
        """Read START:END:STEP, or one number for all rounds.

        >>> Schedule.read("0.2:0.4:0.1"), Schedule.read("0.3")
        (Schedule(start=0.2, step=0.1, end=0.4), Schedule(start=0.3, step=0.0, end=0.3))
        """
        try:
            start, *others = map(float, text.split(":"))
            end, step = others or (start, 0.0)
        except ValueError:
            raise CurateError(
                f"{Option('portion')} {text!r} is not valid.", fix="Give START:END:STEP or one number, as 0.2:0.5:0.05"
            ) from None
        return cls(start, step, end)

    def portion(self, number: int) -> float:
        """Return the portion of round `number`, from 1 on, in (0, 1]."""
        return min(self.end, round(self.start + self.step * (number - 1), 10))

    @property
    def rounds(self) -> int:
        """How many rounds it takes to reach the end."""
        if not self.step:
            return 1
        return 1 + math.ceil((self.end - self.start) / self.step - 1e-9)


class SelfTrainSettings(VerbSettings):
    """Adapt a model to a dataset by class-balanced pseudo-labels, round by round. The same command resumes.

    >>> SelfTrainSettings(source="photo", target="sketch", rule="lrent", rounds=4).argv
    ['self-train', '--source=photo', '--target=sketch', '--rule=lrent', '--rounds=4']
    """

    verb = "self-train"
    source: str = option(help="Dataset with labels to learn from.", label="Learn from")
    target: str = option(help="Dataset to adapt to; its labels are only used in reports.")
    model: str | None = option(
        None, "As for score, or the name of a run.", usual="the newest that scored both", label="Network"
    )
    weights: str | None = option(None, "File of the model's weights; 'random' for untrained ones.")
    rule: Literal["confidence", "avc", "avc-centred", "lrent", "mrkld", "avc-lrent", "avc-mrkld"] = option(
        "avc", "Rule that selects pseudo-labels. The page Pseudo-labels explains them."
    )
    portion: str = option(
        "0.2:0.5:0.05", "Share of each predicted class to trust: START:END:STEP by round, or one number for all."
    )
    rounds: int | None = option(None, "Rounds of selecting and learning.", low=1, usual="to END")
    trainer: Literal["probe", "full"] = option("probe", "probe: a head on frozen features; full: the whole network.")
    epochs: int = option(10, "Passes over source and selected images in a round.", low=1, label="Epochs a round")
    learning_rate: float | None = option(
        None, "Peak learning rate of a round.", low=1e-12, usual="0.001 for a head, 0.01 for a network"
    )
    seed: int = option(0, "Seed of weights and order.", low=0)
    source_where: str = option("", "Learn from source images that satisfy this SQL condition.")
    target_where: str = option("", "Adapt to target images that satisfy this SQL condition.")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where the network runs.")

    @model_validator(mode="after")
    def _check(self) -> "SelfTrainSettings":
        Schedule.read(self.portion)
        return self

    @property
    def subject(self) -> str:
        """The dataset to adapt to."""
        return self.target

    @property
    def schedule(self) -> Schedule:
        """The portions by round."""
        return Schedule.read(self.portion)

    @property
    def most_rounds(self) -> int:
        """The largest number of rounds."""
        return self.rounds or self.schedule.rounds
