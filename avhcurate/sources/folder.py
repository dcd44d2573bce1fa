"""A folder with a sub-folder for each class, perhaps below train, val and test."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from avhcurate.disk.fingerprints import fingerprint_table
from avhcurate.disk.labels import encode_labels
from avhcurate.disk.tabular import PARQUET_SUFFIXES
from avhcurate.errors import CurateError
from avhcurate.sources.source_table import Options, SourceTable

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k"),
    )
)
SPLITS = frozenset(("train", "val", "valid", "validation", "test"))


@dataclass
class Found:
    """Files below a folder, as sorted relative paths with "/"; links are followed, hidden names are not read."""

    images: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    parquet: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: int = 0
    unreadable: list[str] = field(default_factory=list)


def scan(root: Path) -> Found:
    """Every file below `root`. A link may lead out of it: links to images are a common way to make a subset."""
    found = Found()
    _walk(str(root), "", [], found)
    order = sorted(range(len(found.images)), key=found.images.__getitem__)
    for name in ("images", "sizes", "times"):
        values = getattr(found, name)
        setattr(found, name, [values[index] for index in order])
    found.parquet.sort()
    found.others.sort()
    return found


def _walk(folder: str, prefix: str, above: list[tuple[int, int]], found: Found) -> None:
    try:
        here = os.stat(folder)
        entries = list(os.scandir(folder))
    except OSError:
        found.unreadable.append(prefix or folder)
        return
    # A link to a folder that holds it would lead round for ever.
    if (here.st_dev, here.st_ino) in above:
        return
    above = [*above, (here.st_dev, here.st_ino)]
    for entry in entries:
        if entry.name.startswith("."):
            found.hidden += 1
        elif _is_folder(entry):
            _walk(entry.path, f"{prefix}{entry.name}/", above, found)
        else:
            _note_file(entry, prefix + entry.name, found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _note_file(entry: os.DirEntry[str], name: str, found: Found) -> None:
    suffix = os.path.splitext(entry.name)[1].casefold()
    if suffix not in IMAGE_SUFFIXES:
        (found.parquet if suffix in PARQUET_SUFFIXES else found.others).append(name)
        return
    try:
        name.encode()
        status = entry.stat()
    except (OSError, UnicodeEncodeError):  # a dead link, or a name that no table can hold
        found.unreadable.append(name)
        return
    if not stat.S_ISREG(status.st_mode):
        found.unreadable.append(name)
        return
    found.images.append(name)
    found.sizes.append(status.st_size)
    found.times.append(status.st_mtime_ns)


def read_folder(root: Path, found: Found, options: Options) -> SourceTable:
    """One sample an image; its class is the first folder below the root, or below the split.

    The first level are splits when all of its folders that hold images are called train, val, valid, validation or
    test. An image that lies in no class folder has no label.
    """
    if options.column is not None:
        raise CurateError(f"a folder of images has no column {options.column!r}: leave the column options out")
    if options.classes is not None or options.root is not None:
        raise CurateError("a folder's classes are its sub-folders: leave --classes and --root out")
    parts = [path.split("/") for path in found.images]
    tops = {part[0] for part in parts if len(part) > 1}
    in_splits = bool(tops) and all(top.casefold() in SPLITS for top in tops)
    level = 1 if in_splits else 0
    splits = [part[0] if in_splits and len(part) > 1 else None for part in parts]
    names = [part[level] if len(part) > level + 1 else None for part in parts]
    labels = encode_labels(pa.chunked_array([pa.array(names, pa.string())]), title="folder")
    base = str(root.absolute())
    samples = pa.table(
        {
            "path": pa.array(found.images, pa.string()),
            "split": pa.array(splits, pa.string()),
            "label": labels.codes,
            "_file": pa.array([f"{base}/{path}" for path in found.images], pa.string()),
            "_row": pa.nulls(len(parts), pa.int64()),
        }
    )
    stats = pa.table({"size": np.array(found.sizes, np.int64), "time": np.array(found.times, np.int64)})
    skipped = len(found.others) + len(found.parquet) + found.hidden + len(found.unreadable)
    return SourceTable(
        kind="folder",
        samples=samples,
        classes=labels.classes,
        classes_declared=bool(labels.classes),
        evidence=[fingerprint_table(stats)],
        skipped=skipped,
        messages=_messages(found, names, labels.classes),
    )


def _messages(found: Found, names: list[str | None], classes: list[str]) -> list[str]:
    messages = []
    others = len(found.others) + len(found.parquet)
    if others:
        messages.append(f"{others} files are no images by their names and were skipped")
    if found.hidden:
        messages.append(f"{found.hidden} hidden files or folders were skipped")
    if found.unreadable:
        messages.append(
            f"{len(found.unreadable)} names could not be read and were skipped, first {found.unreadable[0]!r}"
        )
    without = sum(name is None for name in names)
    if without:
        messages.append(f"{without} images lie in no class folder and are unlabelled")
    if len(classes) == 1:
        messages.append(f"there is one class only, {classes[0]!r}: no score can distinguish samples by class")
    return messages
