"""What to train, on what, and how."""

from dataclasses import dataclass
from pathlib import Path

from avhcurate.training.recipe import Recipe

#: Evaluations within the first epoch, where angles move most, and one before it.
EARLY = (0.0, 0.25, 0.5, 0.75)
#: Peak learning rates from scratch and from weights, and the limit of the gradient.
RATE, TUNING_RATE, CLIP = 0.05, 0.01, 1.0

#: How to train from scratch unless the user says otherwise.
USUAL = Recipe(epochs=20, learning_rate=RATE, clip=CLIP)


@dataclass(frozen=True)
class TrainSettings:
    """What to train, on what, how; what is None is chosen.

    model: as for scoring; weights: a file to start from, or "pretrained" for those of the name, None for random ones.
    recipe: how; what it says of crops and mirror images gives way to `crop_padding` and `flip`, and where those are
        None to the network's input: crops wander by an eighth of its side, and images in colour are mirrored.
    held_out: a dataset with the same classes to evaluate on; train_where, held_out_where: conditions on the samples.
        Without any of them split "train" is trained on and the rest held out, or where there is no such split a
        tenth of each class, by `split_seed`.
    early, every: when to evaluate, as in `training.evaluation.EvalSchedule`.
    """

    model: str
    recipe: Recipe = USUAL
    weights: Path | str | None = None
    crop_padding: int | None = None
    flip: bool | None = None
    head: str | None = None
    resize: int | None = None
    crop: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    held_out: str | None = None
    train_where: str = ""
    held_out_where: str = ""
    split_seed: int = 0
    early: tuple[float, ...] = EARLY
    every: int = 1
    device: str = "auto"
    sync_batchnorm: bool = False
    tensorboard: bool = False
