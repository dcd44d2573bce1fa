"""A folder with a sub-folder for each class, possibly below train, val and test."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from avhcurate.datasets.sources.source_table import ImportOptions, SourceTable, interpret
from avhcurate.errors import CurateError
from avhcurate.workspace.data.workspace import holds_workspace
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.fingerprints import fingerprint_table
from avhcurate.workspace.disk.tabular import PARQUET_SUFFIXES

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k"),
    )
)
SPLITS = frozenset(("train", "val", "valid", "validation", "test"))


@dataclass
class FolderScan:
    """Files below a folder, as relative paths with "/"; hidden names are not read.

    `images` have their sizes in bytes and times in ns; `workspaces` are folders of this program, which are not read.
    """

    images: list[tuple[str, int, int]] = field(default_factory=list)
    parquet: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: int = 0
    unreadable: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    workspaces: list[str] = field(default_factory=list)


def scan_folder(root: Path) -> FolderScan:
    """Return every file below `root`, sorted.

    Links may lead out of it: links to images are a common way to make a subset. A linked folder that holds `root`, or
    that was read already, is not followed.
    """
    scan = FolderScan()
    seen = {_identity(folder) for folder in (root.resolve(), *root.resolve().parents)}
    waiting = [(str(root), "")]
    while waiting:
        folder, prefix = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            scan.unreadable.append(prefix or folder)
            continue
        for entry in entries:
            name = prefix + entry.name
            if entry.name.startswith("."):
                scan.hidden += 1
            elif not entry.is_dir():
                _add_file(entry, name, scan)
            elif holds_workspace(Path(entry.path)):
                scan.workspaces.append(name)
            elif entry.is_symlink() and _identity(entry.path) in seen:
                scan.loops.append(name)
            else:
                seen.add(_identity(entry.path))
                waiting.append((entry.path, f"{name}/"))
    for names in (scan.images, scan.parquet, scan.others, scan.loops, scan.workspaces):
        names.sort()
    return scan


def _identity(folder: Path | str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _add_file(entry: os.DirEntry[str], name: str, scan: FolderScan) -> None:
    suffix = os.path.splitext(entry.name)[1].casefold()
    if suffix in PARQUET_SUFFIXES:
        scan.parquet.append(name)
    elif suffix not in IMAGE_SUFFIXES:
        scan.others.append(name)
    else:
        try:
            name.encode()  # a table cannot hold every name
            if not entry.is_file():
                raise OSError(name)
            status = entry.stat()
            scan.images.append((name, status.st_size, status.st_mtime_ns))
        except (OSError, UnicodeEncodeError):
            scan.unreadable.append(name)


def read_folder(root: Path, scan: FolderScan, options: ImportOptions) -> SourceTable:
    """Return one sample per image; its class is the first folder below the root, or below the split.

    The first level is the split when all of its folders that hold images are called train, val, valid, validation or
    test. An image outside a class folder has no label.
    """
    if options.column is not None:
        raise CurateError(f"A folder of images has no column {options.column!r}. Leave the column options out.")
    if options.classes is not None or options.root is not None:
        raise CurateError("The classes of a folder are its sub-folders. Leave --classes and --root out.")
    paths, sizes, times = zip(*scan.images, strict=True)
    folders = [path.split("/")[:-1] for path in paths]
    tops = {parts[0].casefold() for parts in folders if parts}
    splits = [None] * len(paths)
    if tops and tops <= SPLITS:
        splits = [next(iter(parts[:1]), None) for parts in folders]
        folders = [parts[1:] for parts in folders]
    classes = [next(iter(parts[:1]), None) for parts in folders]
    stats = pa.table({"size": pa.array(sizes, pa.int64()), "time": pa.array(times, pa.int64())})
    return interpret(
        pa.table({"folder": pa.array(classes, pa.string())}),
        ImportOptions(label_column="folder"),
        paths=paths,
        files=[f"{root.absolute()}/{path}" for path in paths],
        splits=splits,
        kind="folder",
        evidence=[fingerprint_table(stats)],
        skipped=len(scan.others) + len(scan.parquet) + scan.hidden + len(scan.unreadable),
        messages=_messages(scan, classes),
    )


def _messages(scan: FolderScan, classes: list[str | None]) -> list[str]:
    unreadable, loops = listed(map(repr, scan.unreadable), 1), listed(map(repr, scan.loops), 1)
    others, unlabelled = len(scan.others) + len(scan.parquet), classes.count(None)
    names = sorted({name for name in classes if name is not None})
    messages = {
        f"{others} files are not images by their names and were skipped": others,
        f"{scan.hidden} hidden files or folders were skipped": scan.hidden,
        f"{len(scan.unreadable)} names could not be read and were skipped: {unreadable}": scan.unreadable,
        f"{len(scan.loops)} links to folders that were read already were not followed: {loops}": scan.loops,
        f"workspaces of this program are not read: {listed(scan.workspaces, 3)}": scan.workspaces,
        f"{unlabelled} images are in no class folder and have no label": unlabelled,
        f"there is only one class, {listed(names)}: no score can distinguish samples by class": len(names) == 1,
    }
    return [text for text, applies in messages.items() if applies]
