"""From a decoded image to the square that a network wants: resize, centre crop, greyscale."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from avhcurate.errors import CurateError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

#: A strip longer than this many times its shorter side is cut first: resized whole it could fill the memory.
_LONGEST_ASPECT = 8

#: Luma of ITU-R BT.601 in units of 1/65536, as Pillow has it; the sum is 65536, so grey stays exactly grey.
_LUMA = np.array([19595, 38470, 7471], dtype=np.uint32)

_INTERPOLATIONS = {
    "nearest": InterpolationMode.NEAREST_EXACT,
    "bilinear": InterpolationMode.BILINEAR,
    "bicubic": InterpolationMode.BICUBIC,
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

    Raises CurateError, naming the value, when these make no sense together.
    """

    resize: int | None
    crop: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bilinear"
    squash: bool = False

    def __post_init__(self) -> None:
        for option, pixels in (("--resize", self.resize), ("--crop", self.crop)):
            if pixels is not None and pixels < 1:
                raise CurateError(f"{option} is {pixels}. Give a number of pixels, 1 or more.")
        if self.resize is not None and self.resize < self.crop:
            raise CurateError(
                f"--crop {self.crop} is larger than --resize {self.resize}. Crop at most what is resized."
            )
        if len(self.mean) not in (1, 3) or len(self.std) != len(self.mean):
            raise CurateError(f"--mean {_text(self.mean)}, --std {_text(self.std)}: give one number or three of each.")
        if not all(0 <= m <= 1 for m in self.mean):
            raise CurateError(f"--mean {_text(self.mean)}: pixel values count from 0 to 1, so divide by 255")
        if not all(0 < s < float("inf") for s in self.std):
            raise CurateError(f"--std {_text(self.std)}: give numbers above 0")
        if self.interpolation not in _INTERPOLATIONS:
            raise CurateError(f"interpolation {self.interpolation!r}: choose from {', '.join(_INTERPOLATIONS)}")

    @property
    def channels(self) -> int:
        """3 for RGB, 1 for luma."""
        return len(self.mean)

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> "Preprocess":
        """Return the preprocessing that a record keeps as JSON."""
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})

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
            square = _luma(square)
        return np.ascontiguousarray(square)

    def overridden(
        self,
        *,
        resize: int | None = None,
        crop: int | None = None,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> "Preprocess":
        """The same with the user's values in place; None keeps. One number for mean or std is that of all channels.

        When only one of resize and crop is given, the other follows if it must: crop never exceeds resize.

        >>> small = Preprocess(resize=256, crop=224).overridden(resize=64, mean=(0.5,))
        >>> small.resize, small.crop, small.mean
        (64, 64, (0.5, 0.5, 0.5))
        """
        if crop is None and resize is not None:
            crop = min(self.crop, resize)
        elif resize is None and crop is not None and self.resize is not None:
            resize = max(self.resize, crop)
        changes: dict[str, Any] = {
            "resize": resize,
            "crop": crop,
            "mean": self._per_channel("--mean", mean),
            "std": self._per_channel("--std", std),
        }
        return replace(self, **{name: value for name, value in changes.items() if value not in (None, ())})

    def greyscale(self) -> "Preprocess":
        """Return the same for a network with one input channel: luma, with the mean of the channels' statistics."""
        return replace(self, mean=(sum(self.mean) / self.channels,), std=(sum(self.std) / self.channels,))

    def _per_channel(self, option: str, values: tuple[float, ...] | None) -> tuple[float, ...]:
        if values is None:
            return ()
        if len(values) not in (1, self.channels):
            raise CurateError(f"{option} {_text(values)}: give one number, or {self.channels}, one for each channel")
        return values * (self.channels // len(values))

    def _resized(self, rgb: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        side = self.resize
        if side is None and min(height, width) < self.crop:
            side = self.crop
        if side is None:
            return rgb
        # A writable array spares torch's warning; channels last in memory is also its fast path for uint8.
        tensor = torch.from_numpy(np.require(rgb, requirements=["C", "W"])).permute(2, 0, 1)
        size = [side] * (1 + self.squash)
        resized = F.resize(tensor, size, interpolation=_INTERPOLATIONS[self.interpolation], antialias=True)
        return resized.permute(1, 2, 0).numpy()

    def _centre(self, rgb: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        # Python rounds halves to even, and so does torchvision's center_crop.
        top, left = round((height - self.crop) / 2), round((width - self.crop) / 2)
        return rgb[top : top + self.crop, left : left + self.crop]


def _shortened(rgb: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    longest = _LONGEST_ASPECT * min(height, width)
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    return rgb[top : top + longest, left : left + longest]


def _luma(rgb: np.ndarray) -> np.ndarray:
    return ((rgb @ _LUMA + 0x8000) >> 16).astype(np.uint8)[..., None]


def _text(values: tuple[float, ...]) -> str:
    return ",".join(f"{v:g}" for v in values)
