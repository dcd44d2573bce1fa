"""The data of the toy: overlapping Gaussians on the unit sphere or the plane, and their exact Bayes error."""

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr

from avhcurate.errors import CurateError
from avhcurate.stats.ranks import spearman, standard_ranks

#: Points of Gauss and Legendre's rule in each part of a wedge.
_NODES = 100
#: How far the plane is drawn beyond the class centres, in standard deviations.
_BEYOND = 2.5


class MapGrid(NamedTuple):
    """A rectangle of points to draw maps on: axes x (W,) and y (H,), points (H * W, 2 or 3), row by row."""

    x: np.ndarray
    y: np.ndarray
    points: np.ndarray


@dataclass(frozen=True)
class Blobs:
    """K equally likely classes of one width, whose centres lie evenly on the circle of radius 1 (the equator).

    On the plane a class is an isotropic Gaussian N(m_k, sigma^2 I); on the sphere it is such a Gaussian in space with
    every draw scaled to length 1 (the projected normal distribution). `overlap` is sigma over half the distance between
    neighbouring centres: at 1 and two classes, 16 % lie on the wrong side. `noise` is the share of labels that are
    replaced by another class at random. Raises CurateError for values out of range.
    """

    space: str = "sphere"
    classes: int = 2
    overlap: float = 0.6
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise CurateError(f"the toy needs at least 2 classes, not {self.classes}")
        if not self.overlap > 0:
            raise CurateError(f"the toy's overlap must be positive, not {self.overlap}")
        if not 0 <= self.noise < 1 - 1 / self.classes:
            raise CurateError(
                f"label noise of {self.noise} is out of range: it must be at least 0 and below "
                f"{1 - 1 / self.classes:.2g}, where labels carry no information"
            )

    @property
    def sigma(self) -> float:
        """Standard deviation of a class in each direction; the circle of the centres has radius 1."""
        return self.overlap * math.sin(math.pi / self.classes)

    @property
    def centres(self) -> np.ndarray:
        """Class centres (K, 3) on the sphere's equator, or (K, 2)."""
        turn = math.pi * (2 * np.arange(self.classes) + 1) / self.classes - math.pi
        flat = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        return np.column_stack([flat, np.zeros(self.classes)]) if self.space == "sphere" else flat

    def sample(self, n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Points (n, 3 or 2) and labels (n,) int64, classes in equal numbers, order and noise at random."""
        rng = np.random.default_rng(seed)
        origin = rng.permutation(np.arange(n) % self.classes)
        points = self.centres[origin] + self.sigma * rng.standard_normal((n, self.centres.shape[1]))
        if self.space == "sphere":
            points /= np.linalg.norm(points, axis=1, keepdims=True)
        wrong = rng.random(n) < self.noise
        other = (origin + rng.integers(1, self.classes, n)) % self.classes
        return points, np.where(wrong, other, origin)

    def log_densities(self, points: np.ndarray) -> np.ndarray:
        """Logarithm of each class's density at the points, (n, d) -> (n, K): per unit of area, exact on both spaces.

        On the sphere, with t = u . m / sigma: exp(-1 / (2 sigma^2)) (2 pi)^(-3/2) (t + (1 + t^2) Phi(t) / phi(t)), the
        integral of the Gaussian along the ray (Presnell, Morrison and Littell 1998). Phi and phi: normal distribution
        and density.

        >>> everywhere = Blobs(overlap=1e9)  # so wide that it is uniform: 1 / (4 pi)
        >>> float(np.exp(everywhere.log_densities(np.array([[0.0, 0.0, 1.0]])))[0, 0].round(4))
        0.0796
        """
        if self.space == "plane":
            squared = ((points[:, None, :] - self.centres) ** 2).sum(2)
            return -squared / (2 * self.sigma**2) - math.log(2 * math.pi * self.sigma**2)
        t = points @ self.centres.T / self.sigma
        return -0.5 / self.sigma**2 - 1.5 * math.log(2 * math.pi) + _log_ray(t)

    def density(self, points: np.ndarray) -> np.ndarray:
        """Density of all points whatever their class, (n, d) -> (n,), per unit of area."""
        return np.exp(logsumexp(self.log_densities(points), axis=1)) / self.classes

    def posterior(self, points: np.ndarray) -> np.ndarray:
        """Probability of each label at the points, noise included: (n, d) -> (n, K), rows sum to 1."""
        logs = self.log_densities(points)
        clean = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        return clean * (1 - self.noise) + (1 - clean) * self.noise / (self.classes - 1)

    def bayes_error(self, points: np.ndarray) -> np.ndarray:
        """How often the best possible classifier errs at each point, (n, d) -> (n,): 1 - max_k P(k | x).

        >>> Blobs(space="plane", overlap=1.0).bayes_error(np.array([[7.0, 0.0], [0.0, 1.0]])).round(3)  # 1/(1 + e^2)
        array([0.5  , 0.119])
        """
        return 1 - self.posterior(points).max(axis=1)

    @property
    def mean_bayes_error(self) -> float:
        """How often the best possible classifier errs over all points; exact but for rounding.

        It is right where a point lies in the wedge of its class, within pi / K of the centre's direction. In the plane,
        and for the longitude on the sphere, a direction at the angle a from the centre has the density of a projected
        normal: exp(-1 / (2 sigma^2)) / (2 pi) + t Phi(t) exp(-sin(a)^2 / (2 sigma^2)) / sqrt(2 pi), t = cos(a) / sigma.

        >>> round(Blobs(overlap=1.0).mean_bayes_error, 6)  # two classes, a border at one sigma: Phi(-1)
        0.158655
        """
        wedge = math.pi / self.classes
        nodes, weights = np.polynomial.legendre.leggauss(_NODES)
        parts = np.unique(np.minimum([0.0, 4 * self.sigma, 12 * self.sigma, wedge], wedge))
        right = 0.0
        for low, high in itertools.pairwise(parts.tolist()):
            angle = low + (high - low) * (nodes + 1) / 2
            t = np.cos(angle) / self.sigma
            near = t * ndtr(t) * np.exp(-0.5 * (np.sin(angle) / self.sigma) ** 2) / math.sqrt(2 * math.pi)
            density = math.exp(-0.5 / self.sigma**2) / (2 * math.pi) + near
            right += (high - low) * float(weights @ density)  # both halves of the wedge
        return 1 - (right * (1 - self.noise) + (1 - right) * self.noise / (self.classes - 1))

    def grid(self, width: int = 96) -> MapGrid:
        """Points that cover the space evenly, about width^2 / 2.

        The plane: a square around the centres. The sphere: longitude in degrees against the sine of the latitude, which
        is Lambert's cylindrical map: equal areas stay equal.
        """
        if self.space == "plane":
            reach = 1 + _BEYOND * self.sigma
            side = 2 * width // 3
            x = y = (np.arange(side) + 0.5) * 2 * reach / side - reach
            return MapGrid(x, y, np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2))
        x = (np.arange(width) + 0.5) * 360 / width - 180
        y = (np.arange(width // 2) + 0.5) * 4 / width - 1
        longitude, height = (axis.ravel() for axis in np.meshgrid(np.radians(x), y))
        ring = np.sqrt(1 - height**2)
        return MapGrid(x, y, np.column_stack([ring * np.cos(longitude), ring * np.sin(longitude), height]))

    def on_map(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where points (n, d) lie on the map of `grid`: x (n,), y (n,)."""
        if self.space == "plane":
            return points[:, 0], points[:, 1]
        return np.degrees(np.arctan2(points[:, 1], points[:, 0])), points[:, 2]


def follows(values: np.ndarray, bayes_error: np.ndarray) -> float:
    """Spearman of a map with the Bayes error over the same points (n,), those where the map is NaN left out; NaN where
    either does not vary.
    """
    known = np.isfinite(values)
    if not known.any():
        return float("nan")
    return spearman(standard_ranks(values[known]), standard_ranks(bayes_error[known]))


def settled(curve: np.ndarray, *, share: float = 0.95) -> int:
    """First index at which a curve (E,) has made `share` of its way from its first to its last value; the last index
    where it makes none, or either is NaN.

    >>> settled(np.array([1.0, 0.4, 0.1, 0.02, 0.0])), settled(np.array([0.0, 1.0, 2.0, 3.0]))
    (3, 3)
    """
    way = curve[-1] - curve[0]
    if way == 0 or np.isnan(way):
        return len(curve) - 1
    return int(np.argmax((curve - curve[0]) * np.sign(way) >= share * abs(way)))


def _log_ray(t: np.ndarray) -> np.ndarray:
    """log(t + (1 + t^2) Phi(t) / phi(t)). Where t is far below 0 the two terms cancel: its series there, 2 / |t|^3."""
    log_mills = log_ndtr(t) + 0.5 * (t * t + math.log(2 * math.pi))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        above = np.log1p(t * t) + log_mills
        above += np.log1p(t * np.exp(-above))
        far = math.log(2) - 3 * np.log(-t) + np.log1p(-6 / t**2 + 45 / t**4 - 420 / t**6)
    return np.where(t < -30, far, above)
