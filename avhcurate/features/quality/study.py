"""Copies and flaws among images, as functions of their measures, and of a list of images."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from PIL import Image

from avhcurate.errors import CurateError
from avhcurate.features.quality import duplicates
from avhcurate.features.quality.measuring import examine
from avhcurate.features.quality.settings import QualitySettings
from avhcurate.measures.stats.neighbours import nearest_of
from avhcurate.workspace.images.decoding import encode_png
from avhcurate.workspace.images.pixels import HASH_SIDE, HASHES, UNIFORM

#: Flaws in the order in which they are tried: what is below a threshold, the smallest of some measures.
FLAWS = {
    "tiny": ("shorter side", ["width", "height"]),
    "black": ("brightness", ["brightness"]),
    "blank": ("contrast", ["contrast"]),
    "blurred": ("sharpness", ["sharpness"]),
}
#: The thresholds unless others are given. Apart from two small ones of 300 ImageNet photos, they spare these, 2,000
#: images of CIFAR-10, 2,000 of PACS and the digits; `docs/results.md` has the figures.
USUAL: dict[str, float | None] = {key: QualitySettings.model_fields[key].get_default() for key in FLAWS}
#: A side is tiny below this share of the dataset's median, where no number of pixels is given.
TINY_SHARE = 0.25
#: The flaw of an image that cannot be read.
BROKEN = "broken"
#: Images that are compared with all others at a time.
_ROWS = 1024


@dataclass(frozen=True)
class Copies:
    """Near duplicates among N images.

    `pairs`: `first, second, how`, rows of images and the most certain way in which they were found. `groups` (N,): the
    number of each image's group from 1, 0 for none. `nearest` (N,): the cosine of the nearest embedding, NaN without.
    `similarity`: the cosine from which on embeddings are of copies, None without embeddings.
    """

    pairs: pd.DataFrame
    groups: np.ndarray
    nearest: np.ndarray
    similarity: float | None


@dataclass(frozen=True)
class ImageQuality:
    """What a pass over N images found.

    `table`, a row an image: the measures, `oddity` and `problem` of its file, `flaw` ("" for none, `broken`, or the
    first of `tiny, black, blank, blurred`) and `group`, the number of its near duplicates, 0 for none. `limits`: the
    threshold of each flaw.
    """

    table: pd.DataFrame
    copies: Copies
    limits: dict[str, float]


def quality(
    images: Sequence[bytes | str | os.PathLike[str] | np.ndarray],
    features: ArrayLike | None = None,
    *,
    near: float | None = None,
    upright: bool = False,
    limits: Mapping[str, float | None] = USUAL,
) -> ImageQuality:
    """Return the measures of N images, the files and pixels that are odd, and near duplicates.

    images: each a path, an encoded image, or uint8 (H, W) or (H, W, 3). features: (N, D) embeddings, by which copies
    are found that look otherwise. near: the lowest cosine of copies, by default from the embeddings
    (`duplicates.similarity_cut`). upright: whether mirrored and turned copies are none. limits: the threshold of each
    flaw, as the verb has them. Raises CurateError for features of another length; a file that cannot be read has a
    `problem`.

    >>> even = np.full((64, 64, 3), 128, np.uint8)
    >>> noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    >>> found = quality([noise, even, noise, b"no image"])
    >>> found.table["flaw"].tolist(), found.table["group"].tolist()
    (['', 'blank', '', 'broken'], [1, 0, 1, 0])
    """
    near_ids = cosines = None
    if features is not None:
        vectors = np.asarray(features)
        if vectors.ndim != 2 or len(vectors) != len(images):
            raise CurateError(f"features has the shape {vectors.shape} for {len(images)} images. Give (N, D).")
        near_ids, cosines = _nearest(vectors)
    columns = ["width", "height", "contrast", *HASHES, "sha256", "problem", "oddity"]
    rows = pd.DataFrame([examine([_encoded(image)])[0] for image in images])
    measured = rows.reindex(columns=list(dict.fromkeys([*rows, *columns])))
    found = copies(measured, near_ids, cosines, near=near, upright=upright)
    values = compared(measured)
    thresholds = thresholds_of(values, limits)
    flaws = np.where(measured["problem"].notna(), BROKEN, flaw_of(values, thresholds))
    table = measured.drop(columns=[*HASHES, "sha256"]).assign(flaw=flaws, group=found.groups)
    return ImageQuality(table=table, copies=found, limits=thresholds)


def _encoded(image: bytes | str | os.PathLike[str] | np.ndarray) -> tuple[bytes, str]:
    """Return an image as an encoded one with its path."""
    if isinstance(image, bytes):
        return image, ""
    if isinstance(image, np.ndarray):
        return encode_png(Image.fromarray(image), compress_level=1), ""
    try:
        return Path(image).read_bytes(), os.fspath(image)
    except OSError:
        return b"", os.fspath(image)


def _nearest(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the nearest rows (N, k) of each row of features (N, D), -1 for none, and their cosines."""
    blocks = np.split(np.arange(len(features)), range(_ROWS, len(features), _ROWS))
    found = [nearest_of(features, block, count=duplicates.NEIGHBOURS) for block in blocks]
    near, angles = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return near, np.cos(angles, dtype=np.float64)


# --- copies ------------------------------------------------------------------------------------------------------


def copies(
    measured: pd.DataFrame,
    near_ids: np.ndarray | None = None,
    cosines: np.ndarray | None = None,
    *,
    near: float | None = None,
    upright: bool = False,
) -> Copies:
    """Return the near duplicates among N images.

    measured: a row an image, `width, height, contrast, sha256` and `HASHES`. near_ids: (N, k) the nearest images by
    embedding, the best first, -1 for none, and cosines (N, k), None for none. near, upright: as in `quality`.
    """
    # Smaller and even images have no meaningful hash.
    large = measured[["width", "height"]].min(axis=1) >= HASH_SIDE
    clear = np.flatnonzero(measured["phash"].notna() & (measured["contrast"] >= UNIFORM) & large)
    hashes = measured[list(HASHES)].iloc[clear].to_numpy(np.uint64)
    pairs_by = {
        "bytes": duplicates.equal_pairs(measured["sha256"]),
        "hash": clear[duplicates.hash_pairs(hashes[:, 0])],
    }
    if not upright:
        pairs_by["turned"] = clear[duplicates.turned_pairs(hashes[:, 0], hashes[:, 1:])]
    nearest = np.full(len(measured), np.nan)
    similarity = None
    if near_ids is not None and cosines is not None:
        nearest = cosines[:, 0]
        similarity = near or duplicates.similarity_cut(cosines)
        pairs_by["embedding"] = duplicates.near_pairs(near_ids, cosines, similarity)
    frames = [pd.DataFrame(rows, columns=["first", "second"]).assign(how=way) for way, rows in pairs_by.items()]
    pairs = pd.concat(frames).drop_duplicates(["first", "second"])  # keeps the strongest reason
    groups = duplicates.groups(len(measured), pairs[["first", "second"]].to_numpy())
    return Copies(pairs=pairs, groups=groups, nearest=nearest, similarity=similarity)


# --- flaws -------------------------------------------------------------------------------------------------------


def compared(measured: pd.DataFrame) -> pd.DataFrame:
    """Return what is compared with the threshold of each flaw whose measures are columns, NaN where not measured."""
    return pd.DataFrame(
        {
            key: measured[measures].astype(float).min(axis=1)
            for key, (_, measures) in FLAWS.items()
            if set(measures) <= set(measured)
        }
    )


def flaw_of(values: pd.DataFrame, limits: Mapping[str, float]) -> np.ndarray:
    """Return the first flaw of each row of what is `compared`, "" for none and if nothing was measured.

    >>> rows = pd.DataFrame({"width": [9, 64, 64], "height": 64, "contrast": [0.2, 0.0, 0.2]})
    >>> flaw_of(compared(rows), {"tiny": 16, "blank": 0.02}).tolist()
    ['tiny', 'blank', '']
    """
    below = [values[key] < limit for key, limit in limits.items()]
    return np.select([*below, np.ones(len(values), bool)], [*limits, ""], "").astype(object)


def thresholds_of(values: pd.DataFrame, limits: Mapping[str, float | None]) -> dict[str, float]:
    """Return the threshold of each flaw that is `compared`; for `tiny` without one, a quarter of the median."""
    thresholds = {key: limit or 0.0 for key, limit in limits.items() if key in values}
    if "tiny" in thresholds and not thresholds["tiny"]:
        thresholds["tiny"] = TINY_SHARE * float(np.nan_to_num(values["tiny"].median()))
    return thresholds
