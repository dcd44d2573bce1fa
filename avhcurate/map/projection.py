"""Principal components of embeddings, from sums over blocks of rows; about the origin they keep angles."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from avhcurate.errors import CurateError

METRICS = ("cosine", "euclidean")


def prepare(rows: np.ndarray, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, D) as float32, and which of them have a place, (n,) bool; with "cosine" scaled to length 1.

    A row that is not finite has no place, nor, with "cosine", one of zeros: it has no direction.

    >>> rows, placed = prepare(np.array([[3.0, 4.0], [0.0, 0.0]]), "cosine")
    >>> rows[placed].tolist(), placed.tolist()
    ([[0.6000000238418579, 0.800000011920929]], [True, False])
    """
    wide = np.asarray(rows, np.float64)
    largest = np.abs(wide).max(axis=1, initial=0.0)
    placed = np.isfinite(largest)
    if metric == "euclidean":
        return wide.astype(np.float32), placed
    placed &= largest > 0
    # Scaled by its largest entry first, so that no square overflows or vanishes.
    scaled = wide / np.where(placed, largest, 1.0)[:, None]
    lengths = np.linalg.norm(scaled, axis=1)
    return (scaled / np.where(placed, lengths, 1.0)[:, None]).astype(np.float32), placed


@dataclass(frozen=True)
class Basis:
    """Orthonormal `axes` (D, c) of a projection, that of the largest share first, after `mean` is subtracted.

    `shares` (c,) of the variance that each holds; of the squared lengths where `mean` is 0.
    """

    mean: np.ndarray
    axes: np.ndarray
    shares: np.ndarray

    def project(self, rows: np.ndarray) -> np.ndarray:
        """(n, c) float32."""
        return (np.asarray(rows, np.float32) - self.mean.astype(np.float32)) @ self.axes.astype(np.float32)


class Moments:
    """Sums over rows that come in blocks, from which principal components follow without holding the rows.

    >>> moments = Moments(2)
    >>> moments.add(np.array([[0.0, 1.0], [0.0, 3.0]], np.float32))
    >>> moments.basis(1, centred=True).project(np.array([[5.0, 3.0]])).tolist()
    [[1.0]]
    """

    def __init__(self, width: int) -> None:
        self.count, self._lengths = 0, 0.0
        self._sum, self._products = np.zeros(width), np.zeros((width, width))

    def add(self, rows: np.ndarray) -> None:
        """Takes a block of rows (n, D)."""
        self.count += len(rows)
        self._sum += rows.sum(axis=0, dtype=np.float64)
        self._products += rows.T @ rows
        self._lengths += float(np.linalg.norm(rows, axis=1).sum(dtype=np.float64))

    @property
    def length(self) -> float:
        """Mean length of the rows: 1 where they are unit vectors."""
        return self._lengths / self.count

    def basis(self, dims: int, *, centred: bool) -> Basis:
        """The `dims` principal directions: about the mean where `centred`, else about the origin.

        Of all projections onto so many dimensions the one about the origin keeps inner products best, and so the
        angles of unit vectors; the one about the mean keeps distances best. The largest component of each direction
        is positive. Raises CurateError without rows, or for more dimensions than rows are wide.
        """
        if not self.count:
            raise CurateError("no sample has an embedding with a direction, so there is nothing to map")
        if not 1 <= dims <= len(self._sum):
            raise CurateError(f"PCA can keep 1 to {len(self._sum)} dimensions here, not {dims}")
        mean = self._sum / self.count if centred else np.zeros_like(self._sum)
        spread = self._products / self.count - np.outer(mean, mean)
        width = len(mean)
        values, axes = eigh(spread, subset_by_index=(width - dims, width - 1))
        values, axes = np.maximum(values[::-1], 0.0), axes[:, ::-1]
        largest = axes[np.abs(axes).argmax(axis=0), np.arange(dims)]
        total = float(np.trace(spread))
        return Basis(mean, axes * np.where(largest < 0, -1.0, 1.0), values / total if total > 0 else values)
