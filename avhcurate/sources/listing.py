"""Lists of images with a line `path label_index` each, as in VisDA and DomainNet."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from avhcurate.disk.fingerprints import fingerprint_table
from avhcurate.disk.labels import MAX_CLASSES
from avhcurate.errors import CurateError
from avhcurate.sources.manifest import existing, one_row_a_path
from avhcurate.sources.source_table import Options, SourceTable, interpret

#: Class orders that may be called by name in `--classes`.
KNOWN_CLASSES = {
    "visda17": (
        *("aeroplane", "bicycle", "bus", "car", "horse", "knife", "motorcycle", "person", "plant", "skateboard"),
        *("train", "truck"),
    )
}


def read_list(path: Path, options: Options) -> SourceTable:
    """One sample a line. Paths start at `options.root`, else at the list's own folder; a path may hold spaces.

    Classes are those of the options, else the names of the first folders where each class has one of its own, as
    VisDA's training list has them; else numbers.
    """
    if options.column is not None:
        raise CurateError(f"a list of images has no column {options.column!r}: leave the column options out")
    if not path.is_file():
        raise CurateError(f"the list {path} does not exist: give list:FILE with a line `path label_index` an image")
    root = (options.root or path.parent).absolute()
    names, labels = _lines(path)
    table = pa.table({"path": names, "label": pa.array(labels, pa.int64())})
    table, messages, skipped = one_row_a_path(table, "path")
    paths = table["path"]
    files = pa.chunked_array([[str(root / name) for name in paths.to_pylist()]])
    stats, missing = existing(files, f"{path.name} names", f"Paths start at {root}: give another folder with --root")
    classes = options.classes or _by_folders(paths.to_pylist(), table["label"].to_pylist())
    return interpret(
        table.drop_columns(["path"]),
        Options(classes=classes),
        paths=paths,
        files=files,
        kind="list",
        evidence=[fingerprint_table(stats)],
        skipped=skipped,
        messages=[*messages, *missing],
    )


def _lines(path: Path) -> tuple[list[str], list[int]]:
    """Paths and labels; a line without a number at its end is refused, naming it."""
    names, labels = [], []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise CurateError(f"{path} is not UTF-8 text: a list has a line `path label_index` an image") from problem
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        parts = line.strip().rsplit(maxsplit=1)
        if len(parts) != 2 or not parts[1].isdecimal() or int(parts[1]) >= MAX_CLASSES:
            raise CurateError(
                f"line {number} of {path} is {line.strip()[:60]!r}: each line is `path label_index`, the index from 0"
            )
        names.append(parts[0].removeprefix("./"))
        labels.append(int(parts[1]))
    if not names:
        raise CurateError(f"{path} is empty: a list has a line `path label_index` an image")
    return names, labels


def _by_folders(paths: list[str], labels: list[int]) -> list[str] | None:
    """The first folder of each class, where the classes from 0 on have one each and share none."""
    tops = np.array([path.split("/", 1)[0] if "/" in path else "" for path in paths], object)
    codes = np.array(labels)
    pairs = sorted(set(zip(codes.tolist(), tops.tolist(), strict=True)))
    names = [name for _, name in pairs]
    if [code for code, _ in pairs] != list(range(len(pairs))) or len(set(names)) < len(names) or "" in names:
        return None
    return names


def class_list(text: str | None) -> list[str] | None:
    """What `--classes` means: a known order, a file with a name a line, or names with commas between.

    >>> class_list("cat, dog")
    ['cat', 'dog']
    """
    if text is None:
        return None
    if text in KNOWN_CLASSES:
        return list(KNOWN_CLASSES[text])
    path = Path(text).expanduser()
    if path.is_file():
        names = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    else:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if len(names) < 2 or path.suffix:
            known = ", ".join(KNOWN_CLASSES)
            raise CurateError(
                f"--classes {text!r} is no file, no list as cat,dog, and no known order ({known}): give one of them"
            )
    if len(set(names)) < len(names):
        raise CurateError(f"--classes {text!r} names a class twice: give each class its own name")
    return names
