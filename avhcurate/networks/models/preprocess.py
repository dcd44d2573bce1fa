"""From a decoded image to the square that a network wants: resize, centre crop, greyscale."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from avhcurate.errors import CurateError, Option
from avhcurate.workspace.images.decoding import DRAFT, THUMBNAIL

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

#: A strip longer than this many times its shorter side is cut first: resized whole it could fill the memory.
_LONGEST_ASPECT = 8

#: Luma of ITU-R BT.601 in units of 1/65536, as Pillow has it; the sum is 65536, so grey stays exactly grey.
_LUMA = np.array([19595, 38470, 7471], dtype=np.uint32)

#: Options of torch's interpolation that give the pixels of torchvision's transforms.
_ANTIALIASED = {"align_corners": False, "antialias": True}
_INTERPOLATIONS: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest-exact"},
    "bilinear": {"mode": "bilinear", **_ANTIALIASED},
    "bicubic": {"mode": "bicubic", **_ANTIALIASED},
}


@dataclass(frozen=True)
class Preprocess:
    """How a network wants its images.

    resize: pixels of the shorter side after resizing (antialiased); None leaves the size alone.
    crop: pixels a side of the central square that is kept.
    mean, std: per channel, in units of [0, 1] pixel values, applied on the device; their length is the channel
        count, 3 for RGB or 1 for luma.
    interpolation: "nearest", "bilinear" or "bicubic".
    squash: resize both sides to `resize`, at any aspect ratio.
    draft: how many times the pixels of `resize` and of a thumbnail a JPEG must keep to be decoded at a smaller size;
        0: it never is.

    Raises CurateError, naming the value, when these make no sense together.
    """

    resize: int | None
    crop: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bilinear"
    squash: bool = False
    draft: int = DRAFT

    def __post_init__(self) -> None:
        if self.crop < 1 or (self.resize is not None and self.resize < self.crop):
            raise CurateError(
                f"{Option('resize')} {self.resize} and {Option('crop')} {self.crop} are not valid. Give 1 pixel or "
                "more, and a crop of at most the size after resizing."
            )
        channels = len(self.mean) in (1, 3) and len(self.std) == len(self.mean)
        if not (channels and all(0 <= m <= 1 for m in self.mean) and all(0 < s < math.inf for s in self.std)):
            raise CurateError(
                f"{Option('mean')} {self.mean} and {Option('std')} {self.std} are not valid. Give one number or three "
                "of each, for pixel values from 0 to 1: divide by 255."
            )
        if self.interpolation not in _INTERPOLATIONS:
            raise CurateError(f"The interpolation {self.interpolation!r} is not one of {', '.join(_INTERPOLATIONS)}.")

    @property
    def channels(self) -> int:
        """3 for RGB, 1 for luma."""
        return len(self.mean)

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> "Preprocess":
        """Return the preprocessing that a record keeps as JSON; older records know no smaller size of a JPEG."""
        return cls(**{"draft": 0, **values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})

    @property
    def least(self) -> int | None:
        """Pixels that the shorter side of a JPEG keeps at least where it is decoded at a smaller size; None: all.

        A network that takes pixels as they are, or one of many, would see another image in the smaller one.
        """
        if self.resize is None or self.interpolation == "nearest" or not self.draft:
            return None
        return self.draft * max(self.resize, THUMBNAIL)

    def random_images(self) -> torch.Tensor:
        """Two images (2, C, S, S) float32 of normal noise, always the same: to try a network with."""
        return torch.randn(2, self.channels, self.crop, self.crop, generator=torch.Generator().manual_seed(0))

    def prepare(self, rgb: np.ndarray) -> np.ndarray:
        """Turn one image (H, W, 3) uint8 into (crop, crop, channels) uint8, the pixels of torchvision's own transforms.

        An image smaller than the crop is enlarged, not padded. Safe to call from many threads; the resize, which is
        nearly all the time, runs without the GIL.

        >>> Preprocess(resize=4, crop=2).prepare(np.full((8, 10, 3), 7, np.uint8)).tolist()
        [[[7, 7, 7], [7, 7, 7]], [[7, 7, 7], [7, 7, 7]]]
        """
        square = self._centre(self._resized(_shortened(rgb)))
        if self.channels == 1:
            square = ((square @ _LUMA + 0x8000) >> 16).astype(np.uint8)[..., None]
        return np.ascontiguousarray(square)

    def overridden(
        self, *, resize: int | None = None, crop: int | None = None, **statistics: tuple[float, ...] | None
    ) -> "Preprocess":
        """Return the same with the user's values in place; None keeps. `statistics` are mean and std, one number for
        all channels or one for each.

        When only one of resize and crop is given, the other follows if it must: crop never exceeds resize.

        >>> small = Preprocess(resize=256, crop=224).overridden(resize=64, mean=(0.5,))
        >>> small.resize, small.crop, small.mean
        (64, 64, (0.5, 0.5, 0.5))
        """
        if crop is None and resize is not None:
            crop = min(self.crop, resize)
        elif resize is None and crop is not None and self.resize is not None:
            resize = max(self.resize, crop)
        changes: dict[str, Any] = {"resize": resize, "crop": crop}
        for name, values in statistics.items():
            changes[name] = values
            if values is not None and len(values) == 1:
                changes[name] = values * self.channels
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def greyscale(self) -> "Preprocess":
        """Return the same for a network with one input channel: luma, with the mean of the channels' statistics."""
        return replace(self, mean=(sum(self.mean) / self.channels,), std=(sum(self.std) / self.channels,))

    def _resized(self, rgb: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        side = self.resize or self.crop
        if self.resize is None and min(height, width) >= side:
            return rgb
        shorter = min(height, width)
        size = (side, side) if self.squash else (side * height // shorter, side * width // shorter)
        if size == (height, width):
            return rgb
        # A writable array spares torch's warning; a batch of one, then channels last, is its fast path for uint8.
        image = torch.from_numpy(np.require(rgb, requirements=["C", "W"]))[None].permute(0, 3, 1, 2)
        resized = torch.nn.functional.interpolate(image, size, **_INTERPOLATIONS[self.interpolation])
        return resized[0].permute(1, 2, 0).numpy()

    def _centre(self, rgb: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        # Python rounds halves to even, and so does torchvision's center_crop.
        top = round((height - self.crop) / 2)
        left = round((width - self.crop) / 2)
        return rgb[top : top + self.crop, left : left + self.crop]


def _shortened(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    longest = _LONGEST_ASPECT * min(height, width)
    top = max(0, height - longest) // 2
    left = max(0, width - longest) // 2
    return rgb[top : top + longest, left : left + longest]
