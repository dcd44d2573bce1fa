"""CIFAR-10H: CIFAR-10's test images, and about fifty answers on each."""

from pathlib import Path

import numpy as np
from PIL import Image

from avhcurate.data.datasets import DatasetFolder
from avhcurate.disk.archives import entries
from avhcurate.disk.download import Wanted
from avhcurate.disk.image_parquet import LabelledImage, write_images
from avhcurate.errors import CurateError
from avhcurate.images.decoding import encode_png
from avhcurate.sources.public.dataset_spec import FetchedFiles, PublicDataset
from avhcurate.votes.files import VoteSheet, read_votes

_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD = 1 + 3 * 32 * 32


def _prepare(fetched: FetchedFiles, folder: Path) -> Path:
    batches = dict(entries(fetched.paths["cifar-10-binary.tar.gz"], lambda name: Path(name).name == "test_batch.bin"))
    if not batches:
        raise CurateError("There is no test_batch.bin in what was given as CIFAR-10. Give its binary version.")
    labels, pixels = _binary_batch(next(iter(batches.values())))
    rows = (
        LabelledImage(f"test/{index:05d}.png", _png(image), int(label))
        for index, (label, image) in enumerate(zip(labels, pixels, strict=True))
    )
    return write_images(folder / "test-00000-of-00001.parquet", rows, list(_CLASSES))


def _binary_batch(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) and pixels (N, 32, 32, 3) of the binary version: a byte for the label, then three planes."""
    if not content or len(content) % _RECORD:
        raise CurateError(f"test_batch.bin has {len(content)} bytes, no whole number of records of {_RECORD}")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    return _cifar(records[:, 0], records[:, 1:])


def _cifar(labels: np.ndarray, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if planes.shape != (len(labels), 3072) or not np.all((labels >= 0) & (labels < 10)):
        raise CurateError("test_batch holds other than 32 x 32 images of ten classes: it is not CIFAR-10's")
    return labels, planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _png(pixels: np.ndarray) -> bytes:
    return encode_png(Image.fromarray(np.ascontiguousarray(pixels)), compress_level=1)


def _votes(fetched: FetchedFiles, _: DatasetFolder) -> VoteSheet:
    raw = fetched.paths.get("cifar10h-raw.zip")
    if raw is not None:
        fetched.messages.append(
            f"each annotator's answers lie in {raw}: unpack it, and `avhcurate votes cifar10h cifar10h-raw.csv --log` "
            "adds them to the log"
        )
    return read_votes(fetched.paths["cifar10h-counts.npy"])


_DATA = "https://raw.githubusercontent.com/jcpeterson/cifar-10h/master/data"

CIFAR10H = PublicDataset(
    name="cifar10h",
    title="CIFAR-10H: CIFAR-10's 10,000 test images with about 51 human answers each",
    home="https://github.com/jcpeterson/cifar-10h",
    licence="CIFAR-10H: CC BY-NC-SA 4.0 (no commercial use); CIFAR-10's authors ask to be cited",
    citation="Peterson, Battleday, Griffiths, Russakovsky: Human uncertainty makes classification more robust. "
    "ICCV 2019; Krizhevsky: Learning multiple layers of features from tiny images. 2009",
    files=(
        Wanted(
            "cifar-10-binary.tar.gz",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
            ),
            170_052_171,
            "md5:c32a1d4ab5d03f1284b67883e8d87530",
        ),
        Wanted("cifar10h-counts.npy", (f"{_DATA}/cifar10h-counts.npy",)),
        Wanted(
            "cifar10h-raw.zip",
            ("https://github.com/jcpeterson/cifar-10h/raw/master/data/cifar10h-raw.zip",),
            optional=True,
        ),
    ),
    size=180_000_000,
    prepare=_prepare,
    votes=_votes,
    trees=("cifar-10-batches-bin",),
)
