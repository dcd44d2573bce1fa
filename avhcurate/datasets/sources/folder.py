"""A folder with a sub-folder for each class, possibly below train, val and test."""

import os
import re
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa

from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable, interpret
from avhcurate.errors import CurateError, Option
from avhcurate.workspace.data.workspace import holds_workspace
from avhcurate.workspace.disk.fingerprints import fingerprint_table
from avhcurate.workspace.disk.tabular import PARQUET_SUFFIXES

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k"),
    )
)
SPLITS = frozenset(("train", "val", "valid", "validation", "test"))
_UNREADABLE = "names that cannot be read"
_SHARD = re.compile(r"(?P<split>\w+?)-\d{5}-of-\d{5}")


def split_of(name: str) -> str | None:
    """Return the split in the name or folder of a shard, as on Hugging Face.

    >>> [split_of(name) for name in ("data/all-00000-of-00003.parquet", "default/test/0000.parquet", "a-train-0.tar")]
    ['all', 'test', 'train']
    >>> split_of("pictures.parquet") is None
    True
    """
    path = Path(name)
    if shard := _SHARD.fullmatch(path.stem):
        return shard["split"]
    words = [*re.split(r"[^a-z]+", path.stem.casefold()), path.parent.name.casefold()]
    return next((word for word in words if word in SPLITS), None)


@dataclass
class FolderScan:
    """Files below a folder, as relative paths with "/".

    `images` have their sizes in bytes and times in ns, or what else tells another version of one from it; `skipped`
    counts what is not read, by why.
    """

    images: list[tuple[str, int, int | str]] = field(default_factory=list)
    parquet: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def scan_folder(root: Path) -> FolderScan:
    """Return every file below `root`, sorted.

    Links may lead out of it: links to images are a common way to make a subset. A linked folder that holds `root`, or
    that was read already, is not followed, and neither are hidden folders and workspaces of this program.
    """
    scan = FolderScan()
    seen = {_identity(folder) for folder in (root.resolve(), *root.resolve().parents)}

    def follows(folder: Path) -> bool:
        reason = ""
        if folder.name.startswith("."):
            reason = "hidden files or folders"
        elif holds_workspace(folder):
            reason = "workspaces of this program"
        elif folder.is_symlink() and _identity(folder) in seen:
            reason = "links to folders that were read already"
        seen.add(_identity(folder))
        scan.skipped[reason] += bool(reason)
        return not reason

    for parent, folders, files in os.walk(root, followlinks=True, onerror=lambda _: scan.skipped.update([_UNREADABLE])):
        prefix = Path(parent).relative_to(root).as_posix()
        folders[:] = [name for name in folders if follows(Path(parent, name))]
        for name in files:
            _add_file(os.path.join(parent, name), f"{prefix}/{name}".removeprefix("./"), scan)
    for names in (scan.images, scan.parquet, scan.others):
        names.sort()
    return scan


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _add_file(path: str, name: str, scan: FolderScan) -> None:
    if is_image_in(name, scan):
        try:
            name.encode()  # a table cannot hold every name
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(name)
            scan.images.append((name, status.st_size, status.st_mtime_ns))
        except (OSError, UnicodeEncodeError):
            scan.skipped[_UNREADABLE] += 1


def is_image_in(name: str, scan: FolderScan) -> bool:
    """Return whether a file is an image by its name; another one is added to the scan."""
    suffix = os.path.splitext(name)[1].casefold()
    if os.path.basename(name).startswith("."):
        scan.skipped["hidden files or folders"] += 1
    elif suffix in PARQUET_SUFFIXES:
        scan.parquet.append(name)
    elif suffix not in IMAGE_SUFFIXES:
        scan.others.append(name)
    else:
        return True
    return False


def read_folder(place: Callable[[str], str], scan: FolderScan, options: ImportOptions) -> SourceTable:
    """Return one sample per image, whose `place` is an absolute path or an address.

    Its class is the first folder below the root, or below the split.

    The first level is the split when all of its folders that hold images are called train, val, valid, validation or
    test. An image outside a class folder has no label.
    """
    options.refuse_columns("A folder of images")
    if options.root is not None:
        raise CurateError("The images of a folder are in it.", fix=f"Leave {Option('root')} out")
    paths, sizes, times = zip(*scan.images, strict=True)
    folders = pd.Series(paths).str.extract(r"^([^/]+)/(?:([^/]+)/)?")
    splits = None
    classes = folders[0]
    if classes.notna().any() and classes.dropna().str.casefold().isin(SPLITS).all():
        splits = folders[0]
        classes = folders[1]
    if options.classes is not None and classes.notna().any():
        raise CurateError("The classes of a folder are its sub-folders.", fix=f"Leave {Option('classes')} out")
    skipped = scan.skipped + Counter({"files that are not images by their names": len(scan.others) + len(scan.parquet)})
    messages = [f"{number} {kind} were skipped" for kind, number in skipped.items()]
    if unlabelled := classes.isna().sum():
        messages.append(f"{unlabelled} images are in no class folder and have no label")
    if classes.nunique() == 1:
        messages.append("there is only one class: no score can distinguish images by class")
    return interpret(
        pa.table({"folder": pa.array(classes, pa.string())}),
        ImportOptions(label_column="folder", classes=options.classes),
        pd.DataFrame({"path": paths, "split": splits, "_file": list(map(place, paths))}),
        kind="folder",
        evidence=[fingerprint_table(pa.table({"size": sizes, "time": times}))],
        skipped=skipped.total(),
        messages=messages,
    )
