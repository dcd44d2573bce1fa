"""The options of a training."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from avhcurate.errors import CurateError, Option
from avhcurate.networks.training.recipe import RECIPES, Loss, Recipe
from avhcurate.workspace.data.settings import VerbSettings, option

#: Peak learning rates from scratch and from weights.
RATE = 0.05
TUNING_RATE = 0.01

#: How to train from scratch by default.
USUAL = Recipe(epochs=20, learning_rate=RATE, clip=1.0)


class TrainSettings(VerbSettings):
    """Train a network, evaluate it on held-out images, and score them. The same command resumes.

    >>> TrainSettings(dataset="pets", model="avhcurate:cnn9", held_out="pets2", seeds=(0, 1), drops=(10, 15)).argv
    ['train', 'pets', '--model=avhcurate:cnn9', '--drops=10.0,15.0', '--held-out=pets2', '--seeds=0,1']
    """

    verb = "train"
    dataset: str = option(help="Dataset to learn from.", label="Learn from", argument=True)
    model: str | None = option(
        None,
        "avhcurate:NAME, torchvision:NAME, timm:NAME, efficientnet-lite0/1/2, transformers:FOLDER-or-HUB or "
        "PACKAGE.MODULE:FACTORY.",
        usual="the recipe's",
        label="Network",
    )
    recipe: str | None = option(None, f"{' or '.join(RECIPES)}: a network and how to train it; given options win.")
    loss: Loss = option("softmax", "softmax, or avh or cosine, which use only directions.")
    epochs: int | None = option(None, "Passes over the training images.", low=1, usual="20")
    batch_size: int | None = option(None, "Images per step, of all processes together.", low=2, usual="128")
    learning_rate: float | None = option(None, "Peak learning rate.", low=0, usual="0.05; 0.01 from weights")
    drops: tuple[float, ...] = option(
        (), "Epochs at which the rate falls to a tenth, such as 10,15.", usual="one cycle", label="Rate drops"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", "Precision of the forward pass: auto is float32, or the recipe's."
    )
    weights: Path | None = option(None, "File of weights to start from; the head may differ.")
    pretrained: bool = option(False, "Start from the published weights.", label="Start from published weights")
    freeze: bool = option(False, "Train only the head.")
    resize: int | None = option(None, "Shorter side in pixels.", low=1, usual="the model's")
    crop: int | None = option(None, "Side of the centre crop in pixels.", low=1, usual="the model's")
    held_out: str | None = option(
        None,
        "Dataset to evaluate on, with the same classes. By default what is not of the split train, or else a tenth of "
        "each class.",
        label="Evaluate on",
    )
    folds: int | None = option(
        None,
        "Train so many networks, each without one fold, into a run in which every image is judged by a network that "
        "never saw it.",
        low=2,
        high=50,
        usual="one network",
    )
    train_where: str = option("", "Train on images that satisfy this SQL condition.", label="Learn only from")
    held_out_where: str = option("", "Evaluate on images that satisfy this SQL condition.", label="Evaluate only on")
    seeds: tuple[int, ...] = option((0,), "Seeds of weights and order, one training each, such as 0,1,2.")
    train_sample: int = option(
        2000,
        "Number of training images to evaluate too, a share of each class.",
        low=0,
        label="Evaluated of those learnt from",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where the network runs.")

    @model_validator(mode="after")
    def _check(self) -> "TrainSettings":
        if self.weights and self.pretrained:
            raise CurateError(
                f"{Option('weights')} and {Option('pretrained', True)} exclude each other. Give one of them."
            )
        if self.recipe is not None and self.recipe not in RECIPES:
            raise CurateError(f"Unknown recipe {self.recipe!r}. Choose from {', '.join(RECIPES)}.")
        if not (self.model or self.recipe):
            raise CurateError(
                "No network is given.", fix=f"Use {Option('model')}, or {Option('recipe')} {' or '.join(RECIPES)}"
            )
        if self.folds and (self.held_out or self.held_out_where):
            raise CurateError(
                f"{Option('folds')} holds out each fold in turn.",
                fix=f"Leave out {Option('held_out')} and {Option('held_out_where')}",
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise CurateError(f"{Option('seeds')} must be different numbers, such as 0,1,2.")
        self.make_recipe()
        return self

    @property
    def subject(self) -> str:
        """The dataset held out."""
        return self.held_out or self.dataset

    @property
    def network(self) -> str:
        """The network to train."""
        if self.model or not self.recipe:
            return str(self.model)
        return RECIPES[self.recipe].model

    def make_recipe(self, seed: int = 0) -> Recipe:
        """Return how to train, by the named recipe and the options given."""
        recipe = USUAL
        if self.recipe:
            recipe = RECIPES[self.recipe].recipe
        elif self.weights or self.pretrained:
            recipe = replace(recipe, learning_rate=TUNING_RATE)
        changes = self.model_dump(include={"epochs", "batch_size", "learning_rate"}, exclude_none=True)
        if self.precision != "auto":
            changes["precision"] = self.precision
        return replace(recipe, loss=self.loss, drops=self.drops, freeze=self.freeze, seed=seed, **changes)
