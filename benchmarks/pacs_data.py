"""PACS from one Parquet file: images, labels and domains; what is trained on and what is left out."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from avhcurate.errors import CurateError
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.workspace.images.decoding import decode

#: The domains, and what AVH's paper calls them.
DOMAINS = {"art_painting": "Painting", "cartoon": "Cartoon", "photo": "Photo", "sketch": "Sketch"}
#: Share of each source domain that is not trained on.
HELD_OUT = 0.1


class Pacs(NamedTuple):
    """Images (N, 3, S, S) uint8, labels (N,) int64, domains (N,) text, K class names."""

    images: Tensor
    labels: Tensor
    domains: np.ndarray
    classes: list[str]


class Split(NamedTuple):
    """Indices: trained on, held out of the same domains, and of the domain left out."""

    train: np.ndarray
    inside: np.ndarray
    target: np.ndarray


class Annotated(NamedTuple):
    """The file with labels (N,) int64, domains (N,) text and K class names."""

    file: pq.ParquetFile
    labels: np.ndarray
    domains: np.ndarray
    classes: list[str]


def open_pacs(path: Path) -> Annotated:
    """Open a Parquet file with image bytes, `label` and `domain`. Raises CurateError for another file."""
    if not path.is_file():
        raise CurateError(f"--data {path} does not exist. Give the Parquet file of PACS.")
    file = pq.ParquetFile(path)
    lacking = {"image", "label", "domain"} - set(file.schema_arrow.names)
    if lacking:
        raise CurateError(
            f"--data {path} has no column {', '.join(sorted(lacking))}: image, label and domain are needed"
        )
    columns = file.read(columns=["label", "domain"])
    labels = columns["label"].to_numpy().astype(np.int64)
    names = (file.schema_arrow.metadata or {}).get(b"classes", b"").decode()
    classes = names.split(",") if names else [str(k) for k in range(int(labels.max()) + 1)]
    return Annotated(file, labels, columns["domain"].to_numpy().astype(str), classes)


def read_pacs(path: Path, size: int) -> Pacs:
    """Return all images as squares of `size` pixels a side."""
    file, labels, domains, classes = open_pacs(path)
    preprocess = Preprocess(resize=size, crop=size)
    images = [
        torch.from_numpy(preprocess.prepare(decode(encoded.as_py()))).permute(2, 0, 1)
        for batch in file.iter_batches(500, columns=["image"])
        for encoded in batch["image"].field("bytes")
    ]
    return Pacs(torch.stack(images).contiguous(), torch.from_numpy(labels), domains, classes)


def split(domains: np.ndarray, target: str, *, seed: int) -> Split:
    """Leave out `target` and a random tenth of each other domain.

    >>> parts = split(np.repeat(["a", "b", "c"], 10), "b", seed=0)
    >>> [len(part) for part in parts], parts.target.tolist() == list(range(10, 20))
    ([18, 2, 10], True)
    """
    rng = np.random.default_rng(seed)
    inside = [
        rng.choice(members, max(1, round(HELD_OUT * len(members))), replace=False)
        for source in sorted(set(domains.tolist()) - {target})
        for members in [np.flatnonzero(domains == source)]
    ]
    held = np.sort(np.concatenate(inside))
    return Split(np.setdiff1d(np.flatnonzero(domains != target), held), held, np.flatnonzero(domains == target))


def channel_statistics(images: Tensor, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return mean and deviation (3,) of pixels in units of [0, 1] over some of the images (N, 3, S, S) uint8."""
    pixels = (images[torch.from_numpy(chosen), channel].flatten() for channel in range(3))
    counts = torch.stack([torch.bincount(values, minlength=256) for values in pixels]).double()
    share, value = counts / counts.sum(1, keepdim=True), torch.arange(256).double() / 255
    mean = share @ value
    return mean.float(), (share @ value.square() - mean.square()).clamp_min(1e-6).sqrt().float()
