"""Bursts: images taken in a row, as frames of a film, of which two of three agree: names, times and embeddings."""

import re
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.images.exif import read_exif

#: In place of a column of groups: bursts.
AUTO = "auto"
#: Names follow each other up to this difference of their last numbers, times up to these seconds.
_STEP = 3
_SECONDS = 2.0
#: Pairs of images of one label that tell their usual angle, of which half is near; pairs that are compared at once.
_PAIRS = 20_000
_AT_ONCE = 4096
_WAY = "bursts "
_NUMBER = re.compile(r"^(.*?)(\d+)(\D*)$", re.DOTALL)


def bursts(dataset: DatasetFolder, features: np.ndarray | None, ids: np.ndarray) -> dict[str, np.ndarray]:
    """Return groups (n,) of samples that are of one burst by each two sources that agree.

    None is found by embeddings without features (N, D), nor by times of images that are no files of this machine.
    """
    series, numbers = _numbered(dataset.samples(["path"])["path"].iloc[ids])
    cameras, times = _taken(dataset, ids)
    named = np.lexsort((numbers, series))
    timed = np.lexsort((times, cameras))
    in_row = _follows(named, series, numbers, _STEP)
    ways = {"names and times": _chains(named, in_row & _follows(named, cameras, times, _SECONDS))}
    if features is not None:
        near = _nearness(features, ids, dataset.labels()[ids])
        ways["names and embeddings"] = _chains(named, in_row & near(named[:-1], named[1:]))
        at_once = _follows(timed, cameras, times, _SECONDS)
        ways["times and embeddings"] = _chains(timed, at_once & near(timed[:-1], timed[1:]))
    return {f"{_WAY}by {way}": groups for way, groups in ways.items()}


def found_text(joined: Mapping[str, int]) -> str:
    """Return how many images are in bursts, by which sources, of what `sample_groups` says of each way.

    >>> found_text({"features": 2, "bursts by names and times": 12})
    'In bursts are 12 images by names and times.'
    """
    parts = [f"{n:,} images {way.removeprefix(_WAY)}" for way, n in joined.items() if way.startswith(_WAY)]
    return f"In bursts are {listed(parts)}."


def _follows(order: np.ndarray, series: np.ndarray, numbers: np.ndarray, step: float) -> np.ndarray:
    """Return which rows but the first, in an order, are of the series of the one before and near it, (n - 1,) bool."""
    return (np.diff(series[order]) == 0) & (np.abs(np.diff(numbers[order])) <= step)


def _chains(order: np.ndarray, follows: np.ndarray) -> np.ndarray:
    """Return the group of each row: a row that follows is of the group of the one before it in the order.

    >>> _chains(np.array([2, 0, 1]), np.array([True, False])).tolist()
    [0, 1, 0]
    """
    groups = np.empty(len(order), np.int64)
    groups[order] = np.cumsum(np.append(False, ~follows))
    return groups


def _numbered(paths: "pd.Series[str]") -> tuple[np.ndarray, np.ndarray]:
    """Return what names are without their last number, (n,), and this, NaN for none."""
    parts = paths.str.rpartition(".")[0].where(paths.str.contains(".", regex=False), paths).str.extract(_NUMBER)
    series = pd.factorize(parts[0].fillna("") + "\0" + parts[2].fillna(""))[0]
    return series, parts[1].astype(float).to_numpy()


def _taken(dataset: DatasetFolder, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the camera of each image (n,) and when it was taken, in seconds, NaN where its file does not say."""
    source = dataset.images()
    cameras = []
    times = []
    for id in ids.tolist():
        camera, time = "", np.nan
        file = source.local_file(id)
        if file is not None:
            exif = read_exif(file)
            camera = exif.camera
            if exif.taken is not None:
                time = exif.taken.timestamp()
        cameras.append(camera)
        times.append(time)
    return pd.factorize(np.array(cameras, object))[0], np.array(times)


def _nearness(features: np.ndarray, ids: np.ndarray, labels: np.ndarray) -> Callable[..., np.ndarray]:
    """Return what says of rows (m,) and others whether their angles are below half of the usual one of their label."""

    def angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        result = np.empty(len(first))
        for start in range(0, len(first), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            rows, others = (features[ids[side[part]]].astype(np.float64) for side in (first, second))
            lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(others, axis=1)
            with np.errstate(invalid="ignore"):
                result[part] = np.arccos(np.clip((rows * others).sum(axis=1) / lengths, -1, 1))
        return result

    rng = np.random.default_rng(0)
    first, second = rng.integers(len(ids), size=(2, _PAIRS))
    drawn = (first != second) & (labels[first] == labels[second])
    cut = pd.Series(angles(first[drawn], second[drawn])).median() / 2
    return lambda first, second: angles(first, second) < cut
