"""How to train a network: loss, steps, learning rate, precision, augmentation, seed."""

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field
from pydantic.dataclasses import dataclass

from avhcurate.errors import CurateError

Loss = Literal["softmax", "avh", "cosine"]
Precision = Literal["float32", "bfloat16", "float16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

#: Factor of the learning rate at a drop.
_DROP = 0.1


class Pace(NamedTuple):
    """How the optimizer moves: momentum, share of the steps in which the rate rises, rate of batch norm biases."""

    momentum: float
    warmup: float
    bias_rate: float


_USUAL_PACE = Pace(momentum=0.9, warmup=0.15, bias_rate=1.0)
_FAST_PACE = Pace(momentum=0.85, warmup=0.2, bias_rate=64.0)


@dataclass(frozen=True)
class Recipe:
    """How to train: everything that decides the numbers except the network and the data.

    learning_rate: the peak, of which `share` gives the part at each step. It rises and falls once, or without a rise
        falls to a tenth at each epoch of `drops`.
    loss: "softmax" cross-entropy on the network's logits; "avh" or "cosine" on `scale` times minus the angle, or the
        cosine, to each class. These two ignore the bias of the head.
    precision: of autocast in the forward pass.
    clip: largest norm of the gradient, None for no limit.
    freeze: train only the head.
    crop_padding: pixels by which random crops move, 0 for none; None for an eighth of the side.
    flip: random mirror images; None for those in colour.
    fast: what `cifar-fast` needs in few epochs: quick biases of batch norms, crops that mirror the image beyond its
        edge, mirror images in every other epoch, and an average of the weights.

    Raises ValueError for values that are out of range.
    """

    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Annotated[float, Field(ge=0)] = 0.1
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    drops: tuple[float, ...] = ()
    loss: Loss = "softmax"
    scale: Annotated[float, Field(gt=0)] = 20.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    precision: Precision = "float32"
    clip: Annotated[float | None, Field(gt=0)] = None
    freeze: bool = False
    crop_padding: Annotated[int | None, Field(ge=0)] = None
    flip: bool | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    fast: bool = False

    def __post_init__(self) -> None:
        if any(not 0 < epoch < self.epochs for epoch in self.drops):
            raise CurateError(f"The rate cannot drop at {self.drops}. Give epochs between 0 and {self.epochs}.")

    @property
    def pace(self) -> Pace:
        """Momentum, warm-up and rate of biases."""
        if self.fast:
            return _FAST_PACE
        return _USUAL_PACE

    def for_images(self, channels: int, side: int) -> "Recipe":
        """Return the recipe with its augmentation chosen for such images."""
        padding = self.crop_padding
        flip = self.flip
        if padding is None:
            padding = side // 8
        if flip is None:
            flip = channels == 3
        return replace(self, crop_padding=padding, flip=flip)

    def share(self, step: int, steps: int) -> float:
        """Return the share of the peak rate at one of all `steps`: a line up, then a line down to zero, or drops.

        >>> Recipe(epochs=4, drops=(2,)).share(20, 40), Recipe(epochs=4, fast=True).share(8, 80)
        (0.1, 0.5)
        """
        if self.drops:
            return _DROP ** sum(step * self.epochs / steps >= drop for drop in self.drops)
        progress = step / steps
        warmup = self.pace.warmup
        if progress < warmup:
            return progress / warmup
        return (1 - progress) / (1 - warmup)


def as_numbers(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as plain values, for a record or a fingerprint."""
    return asdict(recipe) | {"drops": list(recipe.drops)}


class NamedRecipe(NamedTuple):
    """A recipe with a name, and the network that it is for."""

    model: str
    recipe: Recipe


#: Recipes by the name that `avhcurate train --recipe` takes. "cifar-fast" is for small colour images.
RECIPES = {
    "cifar-fast": NamedRecipe(
        "avhcurate:cifar-fast",
        Recipe(
            epochs=16,
            batch_size=512,
            learning_rate=0.75,
            weight_decay=0.00133,
            label_smoothing=0.2,
            precision="bfloat16",
            crop_padding=2,
            fast=True,
        ),
    )
}
