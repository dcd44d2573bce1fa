"""How a network is trained, as a value: loss, steps, schedule, precision, augmentation, seed."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from avhcurate.errors import CurateError

Loss = Literal["softmax", "avh", "cosine"]
Schedule = Literal["one-cycle", "step", "cosine", "constant"]
Precision = Literal["float32", "bfloat16", "float16"]
Fill = Literal["black", "reflect"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
FILLS: tuple[Fill, ...] = get_args(Fill)

#: Of a "step" schedule without drops of its own: where the rate falls, as shares of the training.
_USUAL_DROPS = (0.5, 0.75)


@dataclass(frozen=True)
class Recipe:
    """How to train: all that decides the numbers besides the network and the data.

    learning_rate: the peak, of which `share` gives a part at each step.
    schedule: "one-cycle" rises linearly over the share `warmup` of the training and falls linearly to zero;
        "step" multiplies by `drop_factor` at each epoch of `drops`, half and three quarters of the way where there
        are none; "cosine" falls as half a cosine wave after a rise over `warmup`; "constant" stays.
    loss: "softmax" cross-entropy on the network's logits; "avh" or "cosine", on `scale` times minus the angle or the
        cosine to each class, in which the head's bias plays no part; `learn_scale` trains the scale too.
    precision: that of autocast in the forward pass, "float32", "bfloat16" or "float16".
    clip: largest length of the gradient, None for any. ema: decay a step of the average of the weights that is
        evaluated and kept in the end, None for none; early on it is lower, so that the first weights are forgotten.
    freeze: train the head alone.
    bias_rate: how many times as fast the biases of batch norms learn, with as much decay a step.
    crop_padding: pixels by which crops may wander, 0 for none; crop_fill: what lies beyond the edge, "black" or
        "reflect"; flip: mirror images; alternate_flips: each in every other epoch, in place of by chance;
        jitter: largest change of brightness, contrast and saturation, in [0, 1).

    Raises CurateError, naming the value, where one is out of range.
    """

    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "one-cycle"
    warmup: float = 0.15
    drops: tuple[float, ...] = ()
    drop_factor: float = 0.1
    loss: str = "softmax"
    scale: float = 20.0
    learn_scale: bool = False
    label_smoothing: float = 0.0
    precision: str = "float32"
    clip: float | None = None
    ema: float | None = None
    freeze: bool = False
    crop_padding: int = 4
    flip: bool = True
    jitter: float = 0.0
    seed: int = 0
    bias_rate: float = 1.0
    crop_fill: str = "black"
    alternate_flips: bool = False

    def __post_init__(self) -> None:
        # So that 1 and 1.0 are one recipe also in its fingerprint.
        for name in _FLOATS:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, float(getattr(self, name)))
        object.__setattr__(self, "drops", tuple(float(epoch) for epoch in self.drops))
        for name, choices in _CHOICES:
            if getattr(self, name) not in choices:
                raise CurateError(f"{name.replace('_', ' ')} {getattr(self, name)!r}: choose from {', '.join(choices)}")
        for name, low, high in _LIMITS:
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise CurateError(f"{name.replace('_', ' ')} is {value:g}: give a number from {low:g} to {high:g}")
        if self.drops and self.schedule != "step":
            raise CurateError(f"drops belong to the schedule step, not {self.schedule}: give --schedule step")
        if any(not 0 < epoch < self.epochs for epoch in self.drops):
            raise CurateError(f"the rate is to drop at {self.drops}, but epochs lie between 0 and {self.epochs}")

    def share(self, step: int, steps: int) -> float:
        """Share of the peak rate at a step of all `steps`.

        >>> Recipe(epochs=4, schedule="step", drops=(2,), drop_factor=0.5).share(20, 40)
        0.5
        """
        if self.schedule == "step":
            return self.drop_factor ** sum(step * self.epochs / steps >= drop for drop in self.rate_drops)
        if self.schedule == "constant":
            return 1.0
        return (one_cycle if self.schedule == "one-cycle" else warm_cosine)(step / steps, self.warmup)

    @property
    def rate_drops(self) -> tuple[float, ...]:
        """Epochs at which the rate drops."""
        if self.schedule != "step":
            return ()
        return self.drops or tuple(share * self.epochs for share in _USUAL_DROPS)


def one_cycle(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` in [0, 1]: linear up to `warmup`, then linear down to zero.

    >>> one_cycle(0.1, 0.2), one_cycle(0.2, 0.2), one_cycle(0.6, 0.2)
    (0.5, 1.0, 0.5)
    """
    return progress / warmup if progress < warmup else (1 - progress) / (1 - warmup)


def warm_cosine(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` in [0, 1]: linear up to `warmup`, then half a cosine wave down to zero.

    >>> warm_cosine(0.1, 0.2), warm_cosine(0.2, 0.2), round(warm_cosine(0.6, 0.2), 6)
    (0.5, 1.0, 0.5)
    """
    if progress < warmup:
        return progress / warmup
    return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


_CHOICES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("schedule", SCHEDULES),
    ("loss", LOSSES),
    ("precision", PRECISIONS),
    ("crop_fill", FILLS),
)
_LIMITS: tuple[tuple[str, float, float], ...] = (
    ("epochs", 1, 100_000),
    ("batch_size", 2, 1 << 20),
    ("learning_rate", 0, 1e6),
    ("momentum", 0, 0.9999),
    ("weight_decay", 0, 1e3),
    ("warmup", 0, 0.95),
    ("drop_factor", 0, 1),
    ("scale", 1e-3, 1e6),
    ("label_smoothing", 0, 0.99),
    ("clip", 1e-12, 1e12),
    ("ema", 0, 0.999999),
    ("crop_padding", 0, 4096),
    ("jitter", 0, 0.99),
    ("seed", 0, 2**62),
    ("bias_rate", 1e-3, 1e3),
)
_FLOATS = [name for name, *_ in _LIMITS if name not in ("epochs", "batch_size", "crop_padding", "seed")]


#: Options that came later: where they change nothing they are left out, so that a training of before keeps its name.
_LATER = ("bias_rate", "crop_fill", "alternate_flips")


def as_numbers(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values, for a record or a fingerprint."""
    usual = {field.name: field.default for field in fields(Recipe)}
    kept = {name: value for name, value in vars(recipe).items() if name not in _LATER or value != usual[name]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in kept.items()}


@dataclass(frozen=True)
class NamedRecipe:
    """A recipe under a name, and the network that it is meant for."""

    model: str
    recipe: Recipe


#: Recipes by the name that `avhcurate train --recipe` takes. "cifar-fast" is for small images in colour: few epochs at
#: a high rate, which a first layer that is not learnt, quick biases and an average of the weights allow.
RECIPES = {
    "cifar-fast": NamedRecipe(
        "avhcurate:cifar-fast",
        Recipe(
            epochs=16,
            batch_size=512,
            learning_rate=0.75,
            momentum=0.85,
            weight_decay=0.00133,
            warmup=0.2,
            label_smoothing=0.2,
            precision="bfloat16",
            ema=0.99,
            crop_padding=2,
            bias_rate=64,
            crop_fill="reflect",
            alternate_flips=True,
        ),
    )
}


def find_recipe(name: str) -> NamedRecipe:
    """The recipe of that name. Raises CurateError where there is none."""
    if name not in RECIPES:
        raise CurateError(f"--recipe {name}: choose from {', '.join(RECIPES)}")
    return RECIPES[name]
