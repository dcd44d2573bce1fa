"""Files that are whole or absent: written under a temporary name, flushed, renamed into place."""

import hashlib
import io
import itertools
import os
import platform
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.errors import CurateError, Option
from avhcurate.workspace.disk.provenance import StoredRecord

if TYPE_CHECKING:
    import pandas as pd

Item = TypeVar("Item")
#: This machine in temporary names: a process number means something on its own machine only.
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:6]
_TEMPORARY = re.compile(r"\.(?P<host>[0-9a-f]{6})-(?P<pid>\d+)-[0-9a-f]{8}\.tmp$")
_ROWS_A_GROUP = 100_000
#: Bytes of a safe name: file systems take 255, and a suffix that distinguishes files follows.
_LONGEST = 100
#: Names that Windows keeps for devices, also before a dot.
_DEVICE = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)", re.ASCII | re.IGNORECASE)
#: Folders whose files are the system's own.
_SYSTEM = ("/dev", "/proc", "/sys")


def user_path(text: Path | str) -> Path:
    """Return a path as people write it, in which ~ is a home folder; CurateError for an unknown user's home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise CurateError(
            f"{text} begins with the home of a user whom this machine does not know. Write the whole path, or ./~NAME."
        ) from None


def safe_name(name: str) -> str:
    """Return a name for a file or folder that stays in its folder, is not hidden and is valid on every system.

    >>> safe_name("../cat/dog"), safe_name("oil filter"), safe_name("..."), safe_name("CON"), safe_name("nul.1")
    ('cat_dog', 'oil filter', '_', 'CON_', 'nul_.1')
    """
    cleaned = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', "_", name).strip(" ._")
    short = cleaned.encode()[:_LONGEST].decode(errors="ignore").rstrip(" .") or "_"
    return _DEVICE.sub(r"\1_", short)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content replaces `path` at the end of the block; an error or a crash leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        with open(temporary, "wb") as stream:
            yield stream
            flush(stream)
        os.replace(temporary, path)
        flush_folder(path.parent)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk is named by its file
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Replace `path` by `content`; a crash at any moment leaves the old file or the new one."""
    with replacing(path) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array as .npy, whole or not at all."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array))
    write_atomic(path, stream.getvalue())


def write_json(path: Path, record: StoredRecord) -> None:
    """Write a record as indented JSON, whole or not at all."""
    write_atomic(path, record.model_dump_json(indent=2) + "\n")


def derived(source: Path, key: str, write: Callable[[Path], None]) -> Path:
    """Return the file that `write` makes of a source, beside it; made again for another key or a newer source.

    Of those of other keys the newest stays, which another process may be about to read.
    """
    name = f"{source.stem}-today-{hashlib.sha256(key.encode()).hexdigest()[:16]}{source.suffix}"
    path = source.with_name(name)
    if not path.exists() or path.stat().st_mtime_ns < source.stat().st_mtime_ns:
        remove_leftovers(path.parent)
        write(path)
        for old in derived_of(source)[:-2]:
            old.unlink(missing_ok=True)
    return path


def derived_of(source: Path) -> list[Path]:
    """Return the files that `derived` has made of a source, oldest first."""
    copies = source.parent.glob(f"{source.stem}-today-*{source.suffix}")
    return sorted(copies, key=lambda copy: copy.stat().st_mtime_ns)


def write_parquet(path: Path, table: "pa.Table | pd.DataFrame") -> None:
    """Write a table as zstd-compressed Parquet, whole or not at all."""
    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False)
    with replacing(path) as stream:
        pq.write_table(table, stream, compression="zstd", row_group_size=_ROWS_A_GROUP)


def write_tables(stream: BinaryIO, tables: Iterable[pa.Table], *, compression: str) -> int:
    """Write tables as one Parquet file, a row group each; return the number of rows."""
    rows = 0
    with ExitStack() as stack:
        writer = None
        for table in tables:
            writer = writer or stack.enter_context(pq.ParquetWriter(stream, table.schema, compression=compression))
            writer.write_table(table)
            rows += len(table)
    return rows


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items, the last one shorter."""
    remaining = iter(items)
    return iter(lambda: list(itertools.islice(remaining, size)), [])


def check_free(path: Path, *, force: bool) -> None:
    """Refuse a place for a result: a link, a folder, a device or a file of the system's, without `force` any file."""
    if path.is_symlink():
        raise CurateError(f"{path} is a link. Give another name.")
    if path.is_dir():
        raise CurateError(f"{path} is a folder. Give the name of a file.")
    folder = path.parent.resolve()
    of_system = not folder.is_relative_to("/dev/shm") and any(map(folder.is_relative_to, _SYSTEM))
    if of_system or (path.exists() and not path.is_file()):
        raise CurateError(f"{path} is a device or belongs to the system, and is never replaced. Choose another name.")
    if path.exists() and not force:
        raise taken(path)


def taken(path: object) -> CurateError:
    """Return the error for a place where something is."""
    return CurateError(f"{path} exists.", fix=f"Choose another name, or give {Option('force', True)} to replace it")


def temporary_name(path: Path) -> Path:
    """Return a name next to `path` that no other writer takes and no reader looks for, with the process number.

    `remove_leftovers` knows by it what a process left that was killed.
    """
    return path.with_name(f".{path.name}.{_HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp")


def final_name(path: Path) -> Path | None:
    """Return the path for which `temporary_name` made this one; None for another name.

    >>> final_name(temporary_name(Path("a.csv"))) == Path("a.csv"), final_name(Path("a.csv"))
    (True, None)
    """
    if ending := _TEMPORARY.search(path.name):
        return path.with_name(path.name[1 : ending.start()])
    return None


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes of this machine left in a folder under temporary names."""
    for path in list(folder.glob(".*.tmp")):
        if (writer := _TEMPORARY.search(path.name)) and writer["host"] == _HOST and not _is_alive(int(writer["pid"])):
            remove(path)


def link(path: Path, file: Path) -> None:
    """Make a link at `path` to a file; a copy where the disk has no links."""
    try:
        path.symlink_to(file)
    except OSError:
        if path.exists():
            raise
        shutil.copyfile(file, path)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def flush(stream: BinaryIO) -> None:
    """Force what was written to the disk, so that a rename never precedes its content."""
    stream.flush()
    os.fsync(stream.fileno())


def flush_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, so that a rename outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as problem:
        return not isinstance(problem, ProcessLookupError)  # another user's may not be asked
    return True
