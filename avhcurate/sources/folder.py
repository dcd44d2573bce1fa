"""A folder with a sub-folder for each class, perhaps below train, val and test."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from avhcurate.data.workspace import holds_workspace
from avhcurate.disk.columns import listed
from avhcurate.disk.fingerprints import fingerprint_table
from avhcurate.disk.tabular import PARQUET_SUFFIXES
from avhcurate.errors import CurateError
from avhcurate.sources.source_table import ImportOptions, SourceTable, interpret

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k"),
    )
)
SPLITS = frozenset(("train", "val", "valid", "validation", "test"))


@dataclass
class FolderScan:
    """Files below a folder, as relative paths with "/"; links are followed, hidden names are not read.

    `images` have their sizes in bytes and times in ns; `loops` are links that were not followed, `workspaces` folders
    of this program, which are not read.
    """

    images: list[tuple[str, int, int]] = field(default_factory=list)
    parquet: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    hidden: int = 0
    unreadable: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    workspaces: list[str] = field(default_factory=list)


def scan_folder(root: Path) -> FolderScan:
    """Every file below `root`, sorted. Links may lead out of it: links to images are a common way to make a subset."""
    scan = FolderScan()
    _walk(root, scan)
    for names in (scan.images, scan.parquet, scan.others, scan.loops, scan.workspaces):
        names.sort()
    return scan


def _walk(root: Path, scan: FolderScan) -> None:
    """Adds every file below `root` to the scan.

    A link to a folder that holds it, or holds `root`, is not followed. Within a linked folder another link is followed
    only where nothing has led there before: folders full of links to each other are walked once, not in every order.
    """
    above = frozenset(_identity(folder) for folder in (root.resolve(), *root.resolve().parents[:-1], Path("/")))
    waiting = [(str(root), "", above - {_identity(root)}, False)]
    seen: set[tuple[int, int]] = set()
    while waiting:
        folder, prefix, above, linked = waiting.pop()
        try:
            identity, entries = _identity(folder), list(os.scandir(folder))
        except OSError:
            scan.unreadable.append(prefix or folder)
            continue
        seen.add(identity)
        for entry in entries:
            name = prefix + entry.name
            if entry.name.startswith("."):
                scan.hidden += 1
            elif not _is_folder(entry):
                _add_file(entry, name, scan)
            elif holds_workspace(Path(entry.path)):
                scan.workspaces.append(name)
            elif not entry.is_symlink():
                waiting.append((entry.path, f"{name}/", above | {identity}, linked))
            elif (target := _identity(entry.path)) in above | {identity} or (linked and target in seen):
                scan.loops.append(name)
            else:
                seen.add(target)
                waiting.append((entry.path, f"{name}/", above | {identity}, True))


def _identity(folder: Path | str) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _add_file(entry: os.DirEntry[str], name: str, scan: FolderScan) -> None:
    suffix = os.path.splitext(entry.name)[1].casefold()
    if suffix not in IMAGE_SUFFIXES:
        (scan.parquet if suffix in PARQUET_SUFFIXES else scan.others).append(name)
        return
    try:
        name.encode()
        status = entry.stat()
    except (OSError, UnicodeEncodeError):  # a dead link, or a name that no table can hold
        status = None
    if status is None or not stat.S_ISREG(status.st_mode):
        scan.unreadable.append(name)
    else:
        scan.images.append((name, status.st_size, status.st_mtime_ns))


def read_folder(root: Path, scan: FolderScan, options: ImportOptions) -> SourceTable:
    """One sample an image; its class is the first folder below the root, or below the split.

    The first level are splits when all of its folders that hold images are called train, val, valid, validation or
    test. An image that lies in no class folder has no label.
    """
    if options.column is not None:
        raise CurateError(f"a folder of images has no column {options.column!r}: leave the column options out")
    if options.classes is not None or options.root is not None:
        raise CurateError("a folder's classes are its sub-folders: leave --classes and --root out")
    base, paths = root.absolute(), [name for name, _, _ in scan.images]
    parts = [path.split("/") for path in paths]
    tops = {part[0] for part in parts if len(part) > 1}
    in_splits = bool(tops) and all(top.casefold() in SPLITS for top in tops)
    level = 1 if in_splits else 0
    classes = [part[level] if len(part) > level + 1 else None for part in parts]
    sizes, times = (pa.array([image[place] for image in scan.images], pa.int64()) for place in (1, 2))
    return interpret(
        pa.table({"folder": pa.array(classes, pa.string())}),
        ImportOptions(label_column="folder"),
        paths=paths,
        files=[f"{base}/{path}" for path in paths],
        splits=[part[0] if in_splits and len(part) > 1 else None for part in parts],
        kind="folder",
        evidence=[fingerprint_table(pa.table({"size": sizes, "time": times}))],
        skipped=len(scan.others) + len(scan.parquet) + scan.hidden + len(scan.unreadable),
        messages=_messages(scan, classes),
    )


def _messages(scan: FolderScan, classes: list[str | None]) -> list[str]:
    messages = []
    others = len(scan.others) + len(scan.parquet)
    if others:
        messages.append(f"{others} files are no images by their names and were skipped")
    if scan.hidden:
        messages.append(f"{scan.hidden} hidden files or folders were skipped")
    if scan.unreadable:
        messages.append(
            f"{len(scan.unreadable)} names could not be read and were skipped, first {scan.unreadable[0]!r}"
        )
    if scan.loops:
        loops = f"{len(scan.loops)} links lead to folders that hold them or were read already"
        messages.append(f"{loops}, and were not followed, first {scan.loops[0]!r}")
    if scan.workspaces:
        messages.append(f"workspaces of this program are not read: {listed(scan.workspaces, 3)}")
    without = classes.count(None)
    if without:
        messages.append(f"{without} images lie in no class folder and are unlabelled")
    if len(names := {name for name in classes if name is not None}) == 1:
        messages.append(f"there is one class only, {names.pop()!r}: no score can distinguish samples by class")
    return messages
