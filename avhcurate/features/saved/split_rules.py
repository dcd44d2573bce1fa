"""Splits of a dataset into parts of given shares, by stratum, group and seed."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError


def check_shares(shares: Sequence[float]) -> np.ndarray:
    """Return shares as fractions that sum to 1. There are two or more, each above 0."""
    values = np.asarray(shares, float)
    if len(values) < 2 or not np.isfinite(values).all() or (values <= 0).any() or not math.isclose(values.sum(), 1):
        raise CurateError("The shares are not valid. Give two or more numbers above 0 that sum to 1, as 0.8,0.1,0.1.")
    return values / values.sum()


def apportion(n: int, quotas: np.ndarray, behind: np.ndarray | None = None) -> np.ndarray:
    """Divide `n` seats by largest remainder: (P,) whole numbers that sum to n, each less than 1 off n * quota / sum.

    Between equal remainders the part that is further `behind` (P,) goes first, then the earlier one.

    >>> apportion(10, np.array([0.8, 0.1, 0.1])).tolist(), apportion(3, np.array([0.8, 0.1, 0.1])).tolist()
    ([8, 1, 1], [3, 0, 0])
    """
    exact = n * quotas / quotas.sum()
    seats = np.floor(exact + 1e-9).astype(np.int64)
    remainders = np.round(exact - seats, 9)
    if behind is None:
        behind = np.zeros(len(quotas))
    order = np.lexsort((-behind, -remainders))
    seats[order[: n - seats.sum()]] += 1
    return seats


def split(strata: np.ndarray, shares: Sequence[float], *, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the part of each sample, (N,) from 0 to P - 1.

    `strata` (N,) are codes from 0. Without groups every stratum is divided by largest remainder. `groups` (N,) are
    codes, -1 for none. Groups are placed whole, the largest first, each into the part that lacks most of what it holds.
    Samples without a group then fill each stratum, which is exact if the groups leave room.
    """
    fractions = check_shares(shares)
    generator = np.random.default_rng(seed)
    parts = np.full(len(strata), -1, np.int64)
    targets = _targets(np.bincount(strata), fractions)
    if groups is not None:
        _place_groups(parts, strata, groups, targets, generator)
    ends = np.cumsum(targets.sum(axis=1))
    for target, members in zip(targets, np.split(np.argsort(strata, kind="stable"), ends[:-1]), strict=True):
        left = members[parts[members] < 0]
        if len(left):
            placed = np.bincount(parts[members][parts[members] >= 0], minlength=len(fractions))
            seats = apportion(len(left), np.maximum(target - placed, 0))
            parts[generator.permutation(left)] = np.repeat(np.arange(len(fractions)), seats)
    return parts


def _targets(sizes: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Return the samples of each stratum in each part, (S, P). A part that small strata round down goes first next."""
    targets = np.zeros((len(sizes), len(fractions)), np.int64)
    behind = np.zeros(len(fractions))
    for stratum, size in enumerate(sizes.tolist()):
        targets[stratum] = apportion(size, fractions, behind)
        behind += size * fractions - targets[stratum]
    return targets


def _place_groups(
    parts: np.ndarray, strata: np.ndarray, groups: np.ndarray, targets: np.ndarray, generator: np.random.Generator
) -> None:
    lacking = targets.astype(float)
    frame = pd.DataFrame({"group": groups})[groups >= 0]
    members = [rows.to_numpy() for rows in frame.groupby("group").groups.values()]
    shuffled = [members[place] for place in generator.permutation(len(members))]
    for group in sorted(shuffled, key=len, reverse=True):
        held, counts = np.unique(strata[group], return_counts=True)
        parts[group] = part = int(np.argmax(counts @ lacking[held]))
        lacking[held, part] -= counts
