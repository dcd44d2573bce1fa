"""The data of the toy: overlapping Gaussians on the unit sphere, and their exact Bayes error."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, softmax

from avhcurate.measures.stats.ranks import spearman, standard_ranks


class MapGrid(NamedTuple):
    """A rectangle of points to draw maps on: axes x (W,) and y (H,), points (H * W, 3), row by row."""

    x: np.ndarray
    y: np.ndarray
    points: np.ndarray


@dataclass(frozen=True)
class Blobs:
    """K equally likely classes of one width, whose centres lie evenly on the equator of the unit sphere.

    A class is a Gaussian N(m_k, sigma^2 I) in space with every draw scaled to length 1 (the projected normal
    distribution). `overlap` is sigma over half the distance between neighbouring centres: at 1 and two classes, 16 %
    lie on the wrong side. `noise` is the share of labels that are replaced by another class at random.
    """

    classes: int = 2
    overlap: float = 0.6
    noise: float = 0.0

    @property
    def sigma(self) -> float:
        """Return the standard deviation of a class in each direction."""
        return self.overlap * math.sin(math.pi / self.classes)

    @property
    def centres(self) -> np.ndarray:
        """Return the class centres (K, 3)."""
        turn = math.pi * (2 * np.arange(self.classes) + 1) / self.classes - math.pi
        return np.stack([np.cos(turn), np.sin(turn), np.zeros(self.classes)], axis=1)

    def sample(self, n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return points (n, 3) and labels (n,) int64, classes in equal numbers, order and noise at random."""
        rng = np.random.default_rng(seed)
        origin = rng.permutation(np.arange(n) % self.classes)
        points = self.centres[origin] + self.sigma * rng.standard_normal((n, 3))
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        wrong = rng.random(n) < self.noise
        other = (origin + rng.integers(1, self.classes, n)) % self.classes
        return points, np.where(wrong, other, origin)

    def log_densities(self, points: np.ndarray) -> np.ndarray:
        """Return the logarithm of each class's density per unit of area at the points, (n, 3) -> (n, K).

        With t = u . m / sigma: exp(-1 / (2 sigma^2)) (2 pi)^(-3/2) (t + (1 + t^2) Phi(t) / phi(t)), the integral of the
        Gaussian along the ray (Presnell, Morrison and Littell 1998). Phi and phi: normal distribution and density.

        >>> everywhere = Blobs(overlap=1e9)  # so wide that it is uniform: 1 / (4 pi)
        >>> float(np.exp(everywhere.log_densities(np.array([[0.0, 0.0, 1.0]])))[0, 0].round(4))
        0.0796
        """
        t = points @ self.centres.T / self.sigma
        return -0.5 / self.sigma**2 - 1.5 * math.log(2 * math.pi) + _log_ray(t)

    def posterior(self, points: np.ndarray) -> np.ndarray:
        """Return the probability of each label at the points, noise included: (n, 3) -> (n, K), rows sum to 1."""
        clean = softmax(self.log_densities(points), axis=1)
        return clean * (1 - self.noise) + (1 - clean) * self.noise / (self.classes - 1)

    def bayes_error(self, points: np.ndarray) -> np.ndarray:
        """Return how often the best possible classifier errs at each point, (n, 3) -> (n,): 1 - max_k P(k | x)."""
        return 1 - self.posterior(points).max(axis=1)

    @property
    def mean_bayes_error(self) -> float:
        """Return how often the best possible classifier errs, over 200,000 draws: to about 0.0003.

        >>> round(Blobs(overlap=1.0).mean_bayes_error, 2)  # two classes, a border at one sigma: Phi(-1)
        0.16
        """
        return float(self.bayes_error(self.sample(200_000, seed=0)[0]).mean())

    def grid(self, width: int = 96) -> MapGrid:
        """Return points that cover the sphere evenly, about width^2 / 2.

        Longitude in degrees against the sine of the latitude is Lambert's cylindrical map: equal areas stay equal.
        """
        x = (np.arange(width) + 0.5) * 360 / width - 180
        y = (np.arange(width // 2) + 0.5) * 4 / width - 1
        longitude, height = np.meshgrid(np.radians(x), y)
        ring = np.sqrt(1 - height**2)
        points = np.stack([ring * np.cos(longitude), ring * np.sin(longitude), height], axis=2)
        return MapGrid(x, y, points.reshape(-1, 3))


def on_map(points: np.ndarray) -> np.ndarray:
    """Return where points (n, 3) lie on the map of `Blobs.grid`: (n, 2)."""
    return np.stack([np.degrees(np.arctan2(points[:, 1], points[:, 0])), points[:, 2]], axis=1)


def follows(values: np.ndarray, bayes_error: np.ndarray) -> float:
    """Return Spearman of a map with the Bayes error over the same points (n,), without those where the map is NaN."""
    finite = np.isfinite(values)
    if not finite.any():
        return float("nan")
    return spearman(standard_ranks(values[finite]), standard_ranks(bayes_error[finite]))


def settled(curve: np.ndarray) -> int:
    """Return the first index at which a curve (E,) has made 95 % of its way from its first to its last value.

    The last index where it makes none, or either is NaN.

    >>> settled(np.array([1.0, 0.4, 0.1, 0.02, 0.0])), settled(np.array([0.0, 1.0, 2.0, 3.0]))
    (3, 3)
    """
    way = curve[-1] - curve[0]
    if way == 0 or np.isnan(way):
        return len(curve) - 1
    return int(np.argmax((curve - curve[0]) / way >= 0.95))


def _log_ray(t: np.ndarray) -> np.ndarray:
    """Return log(t + (1 + t^2) Phi(t) / phi(t)). Far below 0 the two terms cancel: its series there, 2 / |t|^3."""
    log_mills = log_ndtr(t) + 0.5 * (t * t + math.log(2 * math.pi))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        above = np.log1p(t * t) + log_mills
        above += np.log1p(t * np.exp(-above))
        series = math.log(2) - 3 * np.log(-t) + np.log1p(-6 / t**2 + 45 / t**4 - 420 / t**6)
    return np.where(t < -30, series, above)
