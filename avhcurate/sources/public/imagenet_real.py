"""ImageNet-ReaL: ImageNet's validation images with new labels and the answers of raters."""

import json
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.data.datasets import DatasetFolder
from avhcurate.disk.download import Wanted
from avhcurate.disk.files import write_parquet
from avhcurate.errors import CurateError
from avhcurate.sources.public.dataset_spec import FetchedFiles, PublicDataset
from avhcurate.sources.public.imagenetv2 import CLASS_INFO, class_info
from avhcurate.votes.files import VoteSheet
from avhcurate.votes.files.sheet import sheet_of_rows

_IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})\.jpe?g", re.IGNORECASE)
_COLUMNS = [
    ("path", pa.string()),
    ("label", pa.int64()),
    ("real_labels", pa.string()),
    ("real_count", pa.int64()),
    ("in_real", pa.bool_()),
]


def _prepare(fetched: FetchedFiles, folder: Path) -> Path:
    """A manifest of the validation images in their folder: given label, ReaL's labels, and whether they hold it."""
    assert fetched.images is not None
    classes, wnids = class_info(fetched)
    real = _labels(fetched.paths["real.json"], len(classes))
    rows = []
    for path in sorted(fetched.images.rglob("*")):
        match = _IMAGE.fullmatch(path.name)
        if match is not None and 1 <= int(match[1]) <= len(real):
            labels, given = real[int(match[1]) - 1], wnids.get(path.parent.name)
            names = "; ".join(classes[index] for index in labels)
            agrees = None if given is None or not labels else given in labels
            rows.append((str(path), given, names, len(labels), agrees))
    if not rows:
        raise CurateError(
            f"{fetched.images} holds no ILSVRC2012_val_00000001.JPEG and so on: give ImageNet's validation set"
        )
    without = sum(row[1] is None for row in rows)
    if without:
        fetched.messages.append(
            f"{without} images lie in no folder called by a WordNet id, as n01440764, and so have no given label"
        )
    columns = [pa.array(values, kind) for values, (_, kind) in zip(zip(*rows, strict=True), _COLUMNS, strict=True)]
    target = folder / "real.parquet"
    write_parquet(target, pa.table(columns, pa.schema(_COLUMNS, {"classes": json.dumps(classes)})))
    return target


def _labels(path: Path, classes: int) -> list[list[int]]:
    try:
        real = [[int(label) for label in labels] for labels in json.loads(path.read_bytes())]
    except (ValueError, TypeError) as problem:
        raise CurateError(f"{path} is not a list of lists of labels ({problem}): fetch it again") from problem
    if any(not 0 <= label < classes for labels in real for label in labels):
        raise CurateError(f"{path} holds labels beyond {classes} classes: fetch it again")
    return real


def _votes(fetched: FetchedFiles, folder: DatasetFolder) -> VoteSheet | None:
    """Each rater's answer to "is this class in the image": yes is a tick, maybe and no are none."""
    path = fetched.paths.get("raters.npz")
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as archive:
            tensor = archive["tensor" if "tensor" in archive else "scores"]
            info, raters = archive["info"], archive.get("ids")
            question_of = [(_text(file), int(_text(label))) for file, label in info]
    except (ValueError, KeyError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as problem:
        raise CurateError(f"{path} is not ReaL's array of raters' answers ({problem})") from problem
    if tensor.ndim != 3 or tensor.shape[1:] != (len(question_of), 3):
        raise CurateError(f"{path} has answers of shape {tensor.shape}, not (raters, {len(question_of)}, 3)")
    classes = folder.record.classes
    if not all(0 <= label < len(classes) for _, label in question_of):
        raise CurateError(f"{path} asks of labels beyond {len(classes)} classes: fetch it again")
    rater, question, answer = np.nonzero(tensor)
    files = np.array([file for file, _ in question_of], object)
    labels = np.array([classes[label] for _, label in question_of], object)
    who = rater if raters is None else np.asarray(raters)[rater]
    rows = pd.DataFrame(
        {
            "image": files[question],
            "class": labels[question],
            "selected": answer == 2,
            "annotator": [_text(one) for one in who],
        }
    )
    return sheet_of_rows(rows, ["image"], ["raters' maybe counts as no tick"], simulated=False)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


_DATA = "https://raw.githubusercontent.com/google-research/reassessed-imagenet/master"

IMAGENET_REAL = PublicDataset(
    name="imagenet-real",
    title="ImageNet-ReaL: new labels and raters' answers for ImageNet's 50,000 validation images",
    home="https://image-net.org",
    licence="labels Apache 2.0; the images under ImageNet's terms, for research and teaching",
    citation="Beyer, Henaff, Kolesnikov, Zhai, van den Oord: Are we done with ImageNet? 2020",
    files=(
        Wanted("real.json", (f"{_DATA}/real.json",)),
        Wanted("raters.npz", (f"{_DATA}/raters.npz",), optional=True),
        CLASS_INFO,
    ),
    size=5_000_000,
    prepare=_prepare,
    votes=_votes,
    needs_images=True,
)
