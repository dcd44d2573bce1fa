"""Simulated annotators: each sees a noisy, blurred, shifted view of an image and answers by what it remembers.

No network takes part, so how hard an image is for them does not depend on how hard it is for a CNN. The answers are
marked as simulated everywhere.

    python -m benchmarks.simulated_annotators

writes the votes that the embedded digits come with, to the same bits.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from avhcurate.datasets.sources import demo
from avhcurate.errors import CurateError
from avhcurate.networks.training.digits import read_digits


@dataclass(frozen=True)
class SimulatedAnnotators:
    """Settings of the annotators. Each observer draws its own value from every (low, high) range, uniformly.

    common: images of each class that all of them know; images unlike these are hard for everyone.
    memories: how many of these an observer remembers, whole numbers, both ends possible.
    blur: standard deviation of its eyes' Gaussian blur, pixels.
    noise: standard deviation of the noise on each pixel of each view, in units of the image's range [0, 1].
    shift: how far off centre a view falls, pixels, drawn again for each view, the same for every observer.
    lapse: share of views answered at random.

    The defaults suit 8 x 8 digits: they spread the human selection frequency over the whole of [0, 1].
    """

    observers: int = 50
    common: int = 10
    memories: tuple[int, int] = (2, 5)
    blur: tuple[float, float] = (0.2, 0.8)
    noise: tuple[float, float] = (0.05, 0.2)
    shift: float = 0.3
    lapse: tuple[float, float] = (0.0, 0.04)
    seed: int = 0


def simulate_answers(images: np.ndarray, labels: np.ndarray, group: SimulatedAnnotators | None = None) -> np.ndarray:
    """Return the class that each observer chose for each image, (observers, N) int64.

    images (N, H, W) in [0, 1], labels (N,) in 0..K-1. An observer answers with the class of the remembered image
    nearest to its view; what it remembers is blurred by the same eyes, and never holds the very image it is shown.

    Raises CurateError when there are fewer than two images, or shapes do not fit.
    """
    if images.ndim != 3 or labels.shape != images.shape[:1] or len(images) < 2:
        raise CurateError("Simulated annotators need at least two images (N, H, W) with labels (N,).")
    group = group or SimulatedAnnotators()
    rng = np.random.default_rng(group.seed)
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    common = [_some(m, group.common, rng) for m in members]
    pixels = images.astype(np.float64)
    return np.stack([_observe(pixels, labels, common, group, child) for child in rng.spawn(group.observers)])


def answer_counts(answers: np.ndarray, num_classes: int) -> np.ndarray:
    """Return votes for each class: answers (observers, N) to counts (N, K) int64.

    >>> answer_counts(np.array([[0, 2], [0, 1], [1, 2]]), 3).tolist()
    [[2, 1, 0], [0, 1, 2]]
    """
    return (answers[:, :, None] == np.arange(num_classes)).sum(axis=0)


def _observe(
    images: np.ndarray,
    labels: np.ndarray,
    common: list[np.ndarray],
    group: SimulatedAnnotators,
    rng: np.random.Generator,
) -> np.ndarray:
    blur = rng.uniform(*group.blur)
    noise = rng.uniform(*group.noise)
    lapse = rng.uniform(*group.lapse)
    n = len(images)
    seen = gaussian_filter(images, (0, blur, blur), mode="constant")
    views = _shift(seen, rng.uniform(-group.shift, group.shift, (2, n))) + rng.normal(0, noise, images.shape)
    memories = int(rng.integers(*group.memories, endpoint=True))
    remembered = np.concatenate([_some(images_of_class, memories, rng) for images_of_class in common])
    distances = cdist(views.reshape(n, -1), seen[remembered].reshape(len(remembered), -1), "sqeuclidean")
    distances[remembered, np.arange(len(remembered))] = np.inf
    answers = labels[remembered[distances.argmin(axis=1)]]
    return np.where(rng.random(n) < lapse, rng.choice(np.unique(labels), n), answers)


def _some(members: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(members, min(size, len(members)), replace=False)


def _shift(images: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return each image moved by its own (down, right) pixels, offsets (2, N), by linear interpolation over black."""
    down, right = (_interpolation(o, side) for o, side in zip(offsets, images.shape[1:], strict=True))
    return down @ images @ right.transpose(0, 2, 1)


def _interpolation(offsets: np.ndarray, side: int) -> np.ndarray:
    """(N, side, side): row i has the value at position i - offset, weighting the two pixels around it."""
    positions = np.arange(side)[None, :] - offsets[:, None]
    return np.clip(1 - np.abs(positions[:, :, None] - np.arange(side)), 0, None)


def digits_votes() -> dict[str, np.ndarray]:
    """Return the counts (N, 10) of all digits, and those of the first 120, whose annotators know no other image."""
    digits = read_digits()
    votes = {}
    for name, part in {"all": slice(None), "first_120": slice(120)}.items():
        answers = simulate_answers(digits.images[part] / 255, digits.labels[part])
        votes[name] = answer_counts(answers, len(demo.CLASSES)).astype(np.uint8)
    return votes


if __name__ == "__main__":
    np.savez_compressed(Path(demo.__file__).with_name("digits_votes.npz"), **digits_votes())
