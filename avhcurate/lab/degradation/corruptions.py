"""Image degradations on decoded pixels: contrast, noise, blur and JPEG at the levels of the literature.

They act on the network's square input, after resizing and cropping and before normalisation, so that the published
levels, made for 224 x 224, keep their meaning for images of any size. Torch is not needed.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import fft

from avhcurate.lab.degradation.statistics import ORIGINAL

_GEIRHOS = "Geirhos et al., Generalisation in humans and deep neural networks, NeurIPS 2018"
_HENDRYCKS = "Hendrycks and Dietterich, Benchmarking neural network robustness, ICLR 2019"
#: Pixels a side of the images that the published blur levels were made for.
_PUBLISHED_SIDE = 224

#: Standard deviation in pixels below which a blur changes no 8-bit value.
_NARROWEST_BLUR = 0.05

#: Returns the degraded image at a strength.
Degrade = Callable[[float], np.ndarray]


def _contrast(image: np.ndarray, _: int) -> Degrade:
    values = np.arange(256, dtype=np.float64)
    return lambda share: _pixels(127.5 + share * (values - 127.5))[image]


def _noise(image: np.ndarray, id: int) -> Degrade:
    pattern = np.random.default_rng((0, id)).random((*image.shape[:2], 1), dtype=np.float32) * 510 - 255
    return lambda width: _pixels(image + np.float32(width) * pattern)


def _blur(image: np.ndarray, _: int) -> Degrade:
    """By the cosine transform, in which a Gaussian blur of the image mirrored at its edges is a product.

    It keeps the mean, costs the same for every width, and is exact below a pixel too, where a sampled kernel does
    nothing.
    """
    sides = image.shape[:2]
    spectrum = fft.dctn(image.astype(np.float32), axes=(0, 1), norm="ortho")
    down, across = (np.pi * np.arange(side, dtype=np.float32) / side for side in sides)
    squared = (down[:, None] ** 2 + across**2)[..., None]

    def at(share: float) -> np.ndarray:
        sigma = share * min(sides)
        return _pixels(fft.idctn(spectrum * np.exp(-(sigma**2) / 2 * squared), axes=(0, 1), norm="ortho"))

    return at


def _jpeg(image: np.ndarray, _: int) -> Degrade:
    picture = Image.fromarray(image.squeeze())

    def at(quality: float) -> np.ndarray:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=int(quality), subsampling="4:2:0")
        return np.asarray(Image.open(stream)).reshape(image.shape)

    return at


def _pixels(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Kind:
    """One degradation: `strengths` are those of levels 1, 2, ..., from mild to harsh.

    `text` formats a strength, `unit` is that of the texts, `untouched` is the text of level 0. `begin` takes an image
    and the id of its sample, and returns what degrades the image at a strength.
    """

    name: str
    unit: str
    sentence: str
    reference: str
    strengths: tuple[float, ...]
    text: str
    untouched: str
    begin: Callable[[np.ndarray, int], Degrade]

    def ticks(self, strengths: Sequence[float]) -> list[str]:
        """Return what to write at levels 0, 1, ...

        >>> KINDS["contrast"].ticks((0.5, 0.1))
        ['100%', '50%', '10%']
        """
        return [self.untouched, *(self.text.format(strength) for strength in strengths)]


#: Every kind by its key, in the order in which pages and tables show them.
KINDS = {
    "contrast": Kind(
        name="Contrast",
        unit="contrast",
        sentence="Every pixel moves towards mid-grey until this share of its distance is left.",
        reference=_GEIRHOS,
        strengths=(0.5, 0.3, 0.15, 0.1, 0.05, 0.03, 0.01),
        text="{:.0%}",
        untouched="100%",
        begin=_contrast,
    ),
    "noise": Kind(
        name="Noise",
        unit="noise width",
        sentence="Uniform noise up to this share of the full range either way, one draw a pixel for all channels, then "
        "clipped. An image keeps its pattern of noise over the levels.",
        reference=_GEIRHOS,
        strengths=(0.03, 0.05, 0.1, 0.2, 0.35, 0.6, 0.9),
        text="{:g}",
        untouched="0",
        begin=_noise,
    ),
    "blur": Kind(
        name="Blur",
        unit="blur σ, share of the side",
        sentence="Gaussian blur whose standard deviation is a share of the image's side: 1 to 40 of 224 pixels.",
        reference=f"{_GEIRHOS} (low-pass)",
        strengths=tuple(sigma / _PUBLISHED_SIDE for sigma in (1, 3, 5, 7, 10, 15, 40)),
        text="{:.2%}",
        untouched="0",
        begin=_blur,
    ),
    "jpeg": Kind(
        name="JPEG",
        unit="JPEG quality",
        sentence="Encoded as JPEG of this quality, colour at half the resolution, and decoded again.",
        reference=f"{_HENDRYCKS} (ImageNet-C from 25 on, CIFAR-10-C above)",
        strengths=(80, 50, 25, 18, 15, 10, 7),
        text="{:g}",
        untouched="–",
        begin=_jpeg,
    ),
}


def strengths(kinds: Iterable[str], side: int) -> dict[str, tuple[float, ...]]:
    """Return the strengths of levels 1, 2, ... of each kind for images of `side` pixels.

    A blur that is too narrow to change an image of this size is left out.

    >>> len(strengths(["blur"], 224)["blur"]), len(strengths(["blur"], 8)["blur"])
    (7, 6)
    """
    return {
        key: tuple(share for share in KINDS[key].strengths if key != "blur" or share * side >= _NARROWEST_BLUR)
        for key in kinds
    }


def steps(levels: Mapping[str, Sequence[float]]) -> list[tuple[str, int]]:
    """Return kind and level of each image of `variants`, in its order.

    >>> steps({"jpeg": (80, 50)})
    [('none', 0), ('jpeg', 1), ('jpeg', 2)]
    """
    return [(ORIGINAL, 0), *((kind, level + 1) for kind, of_kind in levels.items() for level in range(len(of_kind)))]


def variants(image: np.ndarray, levels: Mapping[str, Sequence[float]], *, id: int) -> np.ndarray:
    """Return one image (S, S, C) uint8 at every step: (steps, S, S, C) uint8, the image itself first.

    Only the sample's `id` decides the noise, so neither batches nor a resume change it.
    """
    parts = [degrade(image, kind, of_kind, id=id) for kind, of_kind in levels.items()]
    return np.concatenate([image[None], *parts])


def degrade(image: np.ndarray, kind: str, strengths: Sequence[float], *, id: int = 0) -> np.ndarray:
    """Return one image (H, W, C) uint8, C = 1 or 3, at some strengths of a kind: (strengths, H, W, C) uint8.

    >>> degrade(np.array([[[100]], [[200]]], np.uint8), "contrast", [1, 0.5]).tolist()
    [[[[100]], [[200]]], [[[114]], [[164]]]]
    """
    return np.stack(list(map(KINDS[kind].begin(image, id), strengths)))
