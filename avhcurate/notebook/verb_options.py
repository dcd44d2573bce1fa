"""Options of verbs as methods take them, written from settings by `python -m tests.fakes.verb_options`."""

from collections.abc import Sequence
from typing import Literal, TypedDict


class ScoreOptions(TypedDict, total=False):
    """Of `avhcurate score`."""

    prompt: str | Sequence[str]
    """For clip: a prompt, as 'a photo of a {}'; repeated, their mean."""
    classes: str | Sequence[str]
    """For clip: names in order, as cat,dog or a file. Default: the dataset's classes."""
    head: str | None
    """Name of the last linear layer; 'fit' fits linear heads on the input of that layer, 'fit:LAYER' on the input of
    LAYER. Default: found."""
    groups: str | None
    """Of fitted heads, a column whose values share a fold, or `auto`: bursts."""
    folds: int | None
    """Of fitted heads, how many folds. Default: 5."""
    seed: int | None
    """Of fitted heads, random seed of the folds. Default: 0."""
    lock: bool
    """Before the first heads are fitted to 200 labels or more, lock a fifth, by which Payoff tells later whether
    decisions helped. Default: True."""
    classes_from_model: bool
    """Take the rows of the model's head that are the dataset's classes by name. Default: False."""
    resize: int | None
    """Shorter side in pixels. Default: the model's."""
    crop: int | None
    """Side of the centre crop in pixels. Default: the model's."""
    mean: float | Sequence[float]
    """One or three numbers, as 0.5 or 0.5,0.5,0.5. Default: the model's."""
    std: float | Sequence[float]
    """As the mean. Default: the model's."""
    device: str
    """auto, cpu, cuda or mps. Default: 'auto'."""
    precision: str
    """float32, bfloat16, float16 or, on an NVIDIA GPU, tf32; auto is tf32 there, float32 elsewhere. Default: 'auto'."""
    batch_size: int | None
    """Images in a forward pass. Default: chosen."""
    limit: int | None
    """Score only so many images, spread evenly. Default: all."""


class AttachOptions(TypedDict, total=False):
    """Of `avhcurate attach`."""

    by: str
    """Which image a row is: order of id, path, or a column that both sides have. Default: 'order'."""
    classes: str | Sequence[str]
    """Class names in the order of K, as cat,dog or a file. Default: that of the dataset."""
    name: str | None
    """Name of the run. Default: that of the file."""


class PredictOptions(TypedDict, total=False):
    """Of `avhcurate predict`."""

    runs: str | Sequence[str]
    """Runs to learn from, as resnet50-1,vit-2. Default: all, at most the 8 newest."""
    level: float
    """Share of HSF that the intervals cover. Default: 0.9."""
    seed: int
    """Seed of the folds. Default: 0."""


class SuspectsOptions(TypedDict, total=False):
    """Of `avhcurate suspects`."""

    sources: (
        Literal["angular", "neighbours", "cleanlab", "votes"]
        | Sequence[Literal["angular", "neighbours", "cleanlab", "votes"]]
    )
    """Some of angular, neighbours, cleanlab, votes. Default: all available."""
    out_of_fold: bool
    """Judge by heads cross-validated on the run's features, for a model that was trained on these images. Default:
    False."""
    folds: int
    """Folds of the cross-validation. Default: 5."""
    where: str
    """Only those that satisfy this SQL condition."""
    limit: int | None
    """So many suspects, the most likely first. Default: all."""


class ProjectOptions(TypedDict, total=False):
    """Of `avhcurate project`."""

    neighbours: int
    """Neighbours of each image: few show detail, many the whole. Default: 15."""
    seed: int | None
    """Makes UMAP repeatable. It then runs on one thread and takes 1.5 times as long. Default: none."""
    limit: int | None
    """So many images, spread evenly. Default: all."""


class NeighboursOptions(TypedDict, total=False):
    """Of `avhcurate neighbours`."""

    count: int
    """Neighbours of each image. Default: 16."""
    seed: int
    """Seed of the search, and of the images that check it. Default: 0."""


class QualityOptions(TypedDict, total=False):
    """Of `avhcurate quality`."""

    near: float | None
    """Lowest cosine of embeddings of near duplicates. Default: from the run."""
    upright: bool
    """Ignore mirrored and turned copies: for letters, digits or arrows, which then mean something else. Default:
    False."""
