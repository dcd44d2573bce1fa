"""Directions of embeddings, and the plane and the subspace in which they are seen."""

import numpy as np
from sklearn.decomposition import PCA, TruncatedSVD

from avhcurate.errors import CurateError


def directions(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (n, D) scaled to length 1 as float32, and which of them have a direction, (n,) bool.

    A row of zeros, or one that is not finite, has none.

    >>> rows, placed = directions(np.array([[3.0, 4.0], [0.0, 0.0]]))
    >>> rows[placed].tolist(), placed.tolist()
    ([[0.6000000238418579, 0.800000011920929]], [True, False])
    """
    wide = np.asarray(rows, np.float64)
    largest = np.abs(wide).max(axis=1, initial=0.0)
    placed = np.isfinite(largest) & (largest > 0)
    # Divide by the largest entry first, so that no square overflows or vanishes.
    scaled = wide / np.where(placed, largest, 1.0)[:, None]
    lengths = np.linalg.norm(scaled, axis=1)
    return (scaled / np.where(placed, lengths, 1.0)[:, None]).astype(np.float32), placed


def plane(rows: np.ndarray) -> PCA:
    """Return the fitted plane of largest variance of directions (n, D), which keeps distances best."""
    if min(rows.shape) < 2:
        raise CurateError("A map needs at least two samples with an embedding of at least two dimensions.")
    return PCA(2, svd_solver="covariance_eigh").fit(rows.astype(np.float64))


def subspace(rows: np.ndarray, width: int) -> TruncatedSVD:
    """Return the fitted subspace of `width` dimensions about the origin, which keeps the angles of (n, D) best."""
    return TruncatedSVD(width, random_state=0).fit(rows)
