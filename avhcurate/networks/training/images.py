"""Images to train and evaluate on, in memory or mapped from disk, and their augmentation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from avhcurate.networks.training.recipe import Recipe

#: Largest number of pixels and of images in a batch without gradients.
_PIXELS = 256 * 64 * 64
_IMAGES = 500


@dataclass(frozen=True)
class LabelledImages:
    """Images (N, C, H, W) uint8, labels (N,) int64 with -1 for none, and statistics (C,) per channel.

    Labels to train on may be soft, (N, K) float32 targets t: -sum_c t_c log p_c is minimised. `images` is a tensor, or
    an array that may be mapped from disk. `mean` and `std` are in units of [0, 1] pixel values. With `rows` (M,) the
    set holds those rows of `images`, and `labels` are (M,).
    """

    images: "Tensor | np.ndarray | Stacked"
    labels: Tensor | np.ndarray
    mean: Sequence[float] | Tensor
    std: Sequence[float] | Tensor
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        channels, height, width = self.images.shape[1:]
        return int(channels), int(height), int(width)

    def take(self, index: Tensor) -> Tensor:
        """Return images (n, C, H, W) uint8 of some of the samples, in memory."""
        rows = index.numpy()
        if self.rows is not None:
            rows = self.rows[rows]
        if isinstance(self.images, Tensor):
            return self.images[torch.from_numpy(rows)]
        return torch.from_numpy(np.asarray(self.images[rows]))

    def part(self, numbers: np.ndarray) -> "LabelledImages":
        """Return some of the samples, by position, without copying any image."""
        rows = numbers
        if self.rows is not None:
            rows = self.rows[numbers]
        return replace(self, labels=torch.as_tensor(self.labels)[torch.from_numpy(numbers)], rows=rows)

    def labels_of(self, index: Tensor) -> Tensor:
        """Return labels (n,) int64 of some of the samples, or soft ones (n, K)."""
        labels = torch.as_tensor(self.labels)[index]
        if labels.ndim == 2:
            return labels
        return labels.long()

    def statistics(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return `mean` and `std` as tensors (C,)."""
        mean, std = (torch.as_tensor(values).to(device=device, dtype=dtype) for values in (self.mean, self.std))
        return mean, std

    def batches(self, device: torch.device, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield positions (n,) and normalised images (n, C, H, W) on the device, in batches that fit its memory."""
        mean, std = self.statistics(device, dtype)
        size = max(1, min(_IMAGES, _PIXELS // (self.shape[1] * self.shape[2])))
        for index in torch.arange(len(self)).split(size):
            yield index, normalise(self.take(index).to(device), mean, std)


@dataclass(frozen=True)
class Stacked:
    """The images of two sets as one array to take rows of: those of the first, then those of the second."""

    first: LabelledImages
    second: LabelledImages

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height and width."""
        return len(self.first) + len(self.second), *self.first.shape

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Return images (n, C, H, W) uint8 at some rows (n,)."""
        images = np.empty((len(rows), *self.first.shape), np.uint8)
        later = rows >= len(self.first)
        images[~later] = self.first.take(torch.from_numpy(rows[~later])).numpy()
        images[later] = self.second.take(torch.from_numpy(rows[later] - len(self.first))).numpy()
        return images


class Augmentation(NamedTuple):
    """Random changes of n images: offsets of crops (n, 1), and whether each is mirrored (n,)."""

    top: Tensor | None = None
    left: Tensor | None = None
    mirrored: Tensor | None = None

    def part(self, rows: slice) -> "Augmentation":
        """Return the changes of some of the images."""
        return Augmentation(*(draw if draw is None else draw[rows] for draw in self))


def draw_augmentation(n: int, recipe: Recipe, generator: torch.Generator) -> Augmentation:
    """Draw random changes of n samples. A `fast` recipe mirrors in turn: see `mirrored_in_turn`."""
    top = left = mirrored = None
    if recipe.crop_padding:
        top, left = torch.randint(0, 2 * recipe.crop_padding + 1, (2, n, 1), generator=generator)
    if recipe.flip and not recipe.fast:
        mirrored = torch.rand(n, generator=generator) < 0.5
    return Augmentation(top, left, mirrored)


def mirrored_in_turn(samples: int, epoch: int, *, seed: int) -> Tensor:
    """Return whether each sample is mirrored in an epoch, (samples,) bool: half of them, the others in the next epoch.

    >>> first, second = (mirrored_in_turn(8, epoch, seed=0) for epoch in (0, 1))
    >>> bool((first ^ second).all())
    True
    """
    first = torch.rand(samples, generator=torch.Generator().manual_seed(seed)) < 0.5
    return first ^ bool(epoch % 2)


def augment(images: Tensor, recipe: Recipe, augmentation: Augmentation) -> Tensor:
    """Return the images with their augmentation, on their device."""
    top, left, mirrored = augmentation
    if top is not None and left is not None:
        n, channels, height, width = images.shape
        padding = recipe.crop_padding or 0
        rows = top + torch.arange(height)
        columns = left + torch.arange(width)
        if recipe.fast:
            rows = _folded(rows, height, padding)
            columns = _folded(columns, width, padding)
        else:
            images = F.pad(images, (padding,) * 4)
        device = images.device
        samples = torch.arange(n, device=device)
        planes = torch.arange(channels, device=device)
        rows = rows.to(device)[:, None, :, None]
        columns = columns.to(device)[:, None, None, :]
        images = images[samples[:, None, None, None], planes[:, None, None], rows, columns]
    if mirrored is not None:
        images = torch.where(mirrored.to(images.device)[:, None, None, None], images.flip(3), images)
    return images


def _folded(positions: Tensor, size: int, padding: int) -> Tensor:
    """Turn positions in a padded image into positions in the image, folded back at its edges."""
    last = size - 1
    return last - (last - (positions - padding).abs()).abs()


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Scale uint8 pixels to zero mean and unit deviation, in the type of `mean`, channels last in memory."""
    scaled = images.to(mean.dtype).div_(255).sub_(mean[:, None, None]).div_(std[:, None, None])
    return scaled.contiguous(memory_format=torch.channels_last)
