"""Images to train and evaluate on, in memory or mapped from disk, and their augmentation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as colours

from avhcurate.training.recipe import Recipe

#: Pixels that a batch without gradients holds at most, and images.
_PIXELS, _IMAGES = 256 * 64 * 64, 500


@dataclass(frozen=True)
class LabelledImages:
    """Images (N, C, H, W) uint8, labels (N,) int64 with -1 for none, and per-channel statistics (C,).

    Labels to train on may be soft: what each sample asks of each class, (N, K) float32, to minimise -sum_c t_c log p_c.
    `images` is a tensor, or an array that may be mapped from disk. `mean` and `std` are in units of [0, 1] pixel
    values. With `rows` (M,) the set holds those rows of `images`, and `labels` are (M,).
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
        """Images (n, C, H, W) uint8 of some of the samples, in memory."""
        if isinstance(self.images, Tensor):
            return self.images[index if self.rows is None else torch.from_numpy(self.rows)[index]]
        rows = index.numpy() if self.rows is None else self.rows[index.numpy()]
        return torch.from_numpy(np.asarray(self.images[rows]))

    def part(self, chosen: np.ndarray) -> "LabelledImages":
        """Some of the samples, by position, without copying any image."""
        rows = chosen if self.rows is None else self.rows[chosen]
        return replace(self, labels=torch.as_tensor(self.labels)[torch.from_numpy(chosen)], rows=rows)

    def labels_of(self, index: Tensor) -> Tensor:
        """Labels (n,) int64 of some of the samples, or soft ones (n, K)."""
        labels = torch.as_tensor(self.labels)[index]
        return labels.long() if labels.ndim == 1 else labels

    def statistics(self, device: torch.device, kind: torch.dtype) -> tuple[Tensor, Tensor]:
        """`mean` and `std` as tensors (C,)."""
        mean, std = (torch.as_tensor(values).to(device=device, dtype=kind) for values in (self.mean, self.std))
        return mean, std

    def batches(self, device: torch.device, kind: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
        """Positions (n,) and normalised images (n, C, H, W) on the device, as many at once as fit its memory."""
        mean, std = self.statistics(device, kind)
        size = max(1, min(_IMAGES, _PIXELS // (self.shape[1] * self.shape[2])))
        for index in torch.arange(len(self)).split(size):
            yield index, normalise(self.take(index).to(device), mean, std)


@dataclass(frozen=True)
class Stacked:
    """The images of two sets as one array to take rows of: the first's, then the second's."""

    first: LabelledImages
    second: LabelledImages

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Images, channels, height and width."""
        return len(self.first) + len(self.second), *self.first.shape

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Images (n, C, H, W) uint8 at some rows (n,)."""
        images = np.empty((len(rows), *self.first.shape), np.uint8)
        for part, of_part, start in (
            (self.first, rows < len(self.first), 0),
            (self.second, rows >= len(self.first), len(self.first)),
        ):
            images[of_part] = part.take(torch.from_numpy(rows[of_part] - start)).numpy()
        return images


class Augmentation(NamedTuple):
    """Random changes of n images: offsets of crops (n, 1), whether mirrored (n,), colour factors (n, 3)."""

    top: Tensor | None = None
    left: Tensor | None = None
    mirrored: Tensor | None = None
    factors: Tensor | None = None

    def part(self, chosen: slice) -> "Augmentation":
        """Those of some of the images."""
        return Augmentation(*(None if draw is None else draw[chosen] for draw in self))


def draw_augmentation(n: int, recipe: Recipe, generator: torch.Generator) -> Augmentation:
    """Random changes of each sample, as the recipe wants them; mirroring in turn is not by chance.

    See `mirrored_in_turn`.
    """
    top = left = mirrored = factors = None
    if recipe.crop_padding:
        top, left = torch.randint(0, 2 * recipe.crop_padding + 1, (2, n, 1), generator=generator)
    if recipe.flip and not recipe.alternate_flips:
        mirrored = torch.rand(n, generator=generator) < 0.5
    if recipe.jitter:
        factors = 1 + recipe.jitter * (2 * torch.rand(n, 3, generator=generator) - 1)
    return Augmentation(top, left, mirrored, factors)


def mirrored_in_turn(samples: int, epoch: int, *, seed: int) -> Tensor:
    """Whether each of all samples is mirrored in an epoch, (samples,) bool: half of them, and in the next the others.

    >>> first, second = (mirrored_in_turn(8, epoch, seed=0) for epoch in (0, 1))
    >>> bool((first ^ second).all())
    True
    """
    first = torch.rand(samples, generator=torch.Generator().manual_seed(seed)) < 0.5
    return first ^ bool(epoch % 2)


def augment(images: Tensor, recipe: Recipe, augmentation: Augmentation) -> Tensor:
    """The images with their augmentation, on the device that they are on."""
    n, channels, height, width = images.shape
    device = images.device
    if augmentation.top is not None and augmentation.left is not None:
        pad = recipe.crop_padding
        if recipe.crop_fill == "black":
            images = F.pad(images, (pad, pad, pad, pad))
        rows, columns = (
            _positions(draws, size, recipe).to(device)
            for draws, size in ((augmentation.top, height), (augmentation.left, width))
        )
        samples, planes = torch.arange(n, device=device), torch.arange(channels, device=device)
        images = images[
            samples[:, None, None, None], planes[:, None, None], rows[:, None, :, None], columns[:, None, None, :]
        ]
    if augmentation.mirrored is not None:
        images = torch.where(augmentation.mirrored.to(device)[:, None, None, None], images.flip(3), images)
    return images if augmentation.factors is None else _coloured(images, augmentation.factors.to(device))


def _positions(draws: Tensor, size: int, recipe: Recipe) -> Tensor:
    """Rows or columns (n, size) of the crops at offsets `draws` (n, 1): of the padded image, or folded at its edges."""
    positions = draws + torch.arange(size)
    if recipe.crop_fill == "black":
        return positions
    last = size - 1
    return last - (last - (positions - recipe.crop_padding).abs()).abs()


def _coloured(images: Tensor, factors: Tensor) -> Tensor:
    """Brightness, contrast and saturation by a factor each, as torchvision's transforms have them, a draw a sample."""
    brightness, contrast, saturation = factors.float()[:, :, None, None, None].unbind(1)
    pixels = (images.float() * brightness).clamp(0, 255)
    pixels = _blended(pixels, _grey(pixels).mean((1, 2, 3), keepdim=True), contrast)
    if images.shape[1] == 3:
        pixels = _blended(pixels, _grey(pixels), saturation)
    return pixels.round().to(torch.uint8)


def _grey(pixels: Tensor) -> Tensor:
    return colours.rgb_to_grayscale(pixels) if pixels.shape[1] == 3 else pixels


def _blended(pixels: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (factor * pixels + (1 - factor) * other).clamp(0, 255)


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 pixels to zero mean and unit deviation, in the type of `mean`, channels last in memory."""
    scaled = images.to(mean.dtype).div_(255).sub_(mean[:, None, None]).div_(std[:, None, None])
    return scaled.contiguous(memory_format=torch.channels_last)
