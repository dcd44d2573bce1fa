"""Arrays of numbers in files of other people: .npy, .npz, safetensors and lists in Parquet, read block by block.

A header is checked against the file's size before a value is read, nothing is ever unpickled, and only a block of rows
is in memory.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import DTypeLike
from safetensors import SafetensorError, safe_open

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.archives import check_packing
from avhcurate.workspace.disk.columns import is_list, listed
from avhcurate.workspace.disk.files import replacing
from avhcurate.workspace.disk.room import take_room

_FORMS = "a .npy, .npz, safetensors or Parquet file"
_MALFORMED = (
    *(ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError, EOFError, TokenError, OSError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, SafetensorError, pa.ArrowException),
)
#: Types of safetensors and what is read of them.
_TENSOR_TYPES = {
    **{"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "f4", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1"},
    **{"U8": "u1", "U16": "u2", "U32": "u4", "U64": "u8", "BOOL": "?"},
}


@dataclass(frozen=True)
class ArrayInFile:
    """An array of numbers whose shape is known and whose rows are not read yet.

    `title` names it in a message, `path` is its file. `read_blocks` gives consecutive rows, so many at a time.
    """

    title: str
    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    read_blocks: Callable[[int], Iterator[np.ndarray]]

    def blocks(self, rows: int) -> Iterator[np.ndarray]:
        """Yield consecutive blocks of at most `rows` rows, in memory; a file that ends early is refused."""
        seen = 0
        with _as_user_errors(self.title):
            for block in self.read_blocks(rows):
                seen += len(block)
                yield block
        if seen != self.shape[0]:
            raise CurateError(f"{self.title} ends after {seen} of {self.shape[0]} rows. Save it again.")

    def read(self) -> np.ndarray:
        """Return the whole array, in memory."""
        parts = list(self.blocks(max(1, self.shape[0])))
        return np.concatenate([np.empty((0, *self.shape[1:]), self.dtype), *parts])


def read_npy(path: Path) -> np.memmap:
    """Return the array of a .npy, mapped from disk, once its header fits the file; never unpickle.

    Raise CurateError where the file is not an array of numbers or texts, or ends before the header says it does.
    """
    with _as_user_errors(path.name):
        with open(path, "rb") as stream:
            shape, fortran, dtype = _read_header(stream)
            offset = stream.tell()
            size = stream.seek(0, io.SEEK_END)
        _check_size(path.name, shape, dtype, size - offset)
        if not math.prod(shape):
            return np.empty(shape, dtype)  # type: ignore[return-value]  # nothing can be mapped of it
        order: Any = "F" if fortran else "C"
        return np.memmap(path, dtype, "r", offset, shape, order)


def create_npy(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    """Return a new .npy of zeros, mapped for writing.

    Its room on the disk is taken first: a full disk is then an OSError, where writing into the map would end the
    process.
    """
    with replacing(path) as stream:
        write_zeros(stream, dtype, shape)
    array: np.memmap = np.lib.format.open_memmap(path, "r+")
    return array


def write_zeros(stream: BinaryIO, dtype: DTypeLike, shape: tuple[int, ...], *, some: bool = False) -> None:
    """Write a .npy of zeros, with its room on the disk; where only `some` rows will come, they take it as they do."""
    dtype = np.dtype(dtype)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    size = stream.tell() + math.prod(shape) * dtype.itemsize
    if some:
        stream.truncate(size)
    else:
        take_room(stream, size)


def open_array(
    path: Path, *, member: str | None = None, names: Sequence[str] = (), title: str | None = None
) -> ArrayInFile:
    """Return an array of numbers in a file: `member`, else the only one, else the first of `names` that is there.

    Raise CurateError where there is none, several of equal claim, or a header that does not fit the file.
    """
    found = _arrays_of(path)
    if not found:
        raise CurateError(f"{path.name} has no array of numbers. Give {_FORMS}.")
    if member is not None and member not in found:
        raise CurateError(f"{path.name} has no array {member!r}. It has {listed(found)}.")
    usual = [name for wanted in names for name in found if name.casefold() == wanted]
    if member is None and len(found) > 1 and not usual:
        raise CurateError(f"{path.name} has several arrays, {listed(found)}. Choose one by {path.name}:NAME.")
    array = found[member or [*usual, *found][0]]
    if array.dtype.kind not in "fiub":
        raise CurateError(f"{array.title} has values of type {array.dtype}, not numbers.")
    return ArrayInFile(title or array.title, path, array.shape, array.dtype, array.read_blocks)


def columns_of(path: Path) -> list[str]:
    """Return the names of the columns and arrays of a file; none where it has a single array without a name."""
    kind = _kind(path)
    with _as_user_errors(path.name):
        if kind == "npz":
            with zipfile.ZipFile(path) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
        if kind == "parquet":
            return list(pq.read_schema(path).names)
    return []


def read_texts(path: Path, column: str) -> pa.ChunkedArray:
    """Return the values of a column next to the arrays of a file, one for each row."""
    if column not in columns_of(path):
        raise CurateError(
            f"{path.name} has no column {column!r} next to its numbers. Give a table with it by --rows, or the rows in "
            "order of id and --by order."
        )
    with _as_user_errors(path.name):
        if _kind(path) == "npz":
            return pa.chunked_array([pa.array(_arrays_of(path)[column].read().tolist())])
        return pq.ParquetFile(path).read(columns=[column])[column]


def number_type(kind: pa.DataType) -> np.dtype | None:
    """Return the NumPy type of a column of numbers or of lists of numbers; None for another column."""
    storage = _storage(kind)
    value = storage.value_type if is_list(storage) else storage
    if pa.types.is_floating(value) or pa.types.is_integer(value):
        return np.dtype(value.to_pandas_dtype())
    return None


# --- kinds of files ----------------------------------------------------------------------------------------------


def _kind(path: Path) -> str:
    if not path.is_file():
        raise CurateError(f"{path} is not a file. Give {_FORMS}.")
    with open(path, "rb") as stream:
        start = stream.read(16)
    for kind, magic in (("npy", b"\x93NUMPY"), ("npz", b"PK\x03\x04"), ("parquet", b"PAR1")):
        if start.startswith(magic):
            return kind
    if start[8:9] == b"{":
        return "safetensors"
    raise CurateError(f"{path.name} is not an array that can be read. Give {_FORMS}.")


def _arrays_of(path: Path) -> dict[str, ArrayInFile]:
    """Return the arrays of a file by name, their rows unread."""
    readers = {"npy": _of_npy, "npz": _of_npz, "safetensors": _of_safetensors, "parquet": _of_parquet}
    read = readers[_kind(path)]
    with _as_user_errors(path.name):
        return {array.title.removeprefix(f"{path.name}:"): array for array in read(path)}


def _of_npy(path: Path) -> Iterator[ArrayInFile]:
    mapped = read_npy(path)
    if not mapped.shape:
        raise CurateError(f"{path.name} has a single number, not an array.")

    def blocks(rows: int) -> Iterator[np.ndarray]:
        for start in range(0, len(mapped), rows):
            # Mapped again for each block: pages of a closed mapping no longer count as this process's memory.
            yield np.array(read_npy(path)[start : start + rows])

    yield ArrayInFile(path.name, path, mapped.shape, mapped.dtype, blocks)


def _of_npz(path: Path) -> Iterator[ArrayInFile]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if name == info.filename:
                continue
            check_packing(info)
            title = f"{path.name}:{name}"
            with archive.open(info) as stream:
                try:
                    shape, fortran, dtype = _read_header(stream)  # type: ignore[arg-type]
                except ValueError:
                    continue  # such as texts as objects: another member may be what is wanted
                _check_size(title, shape, dtype, info.file_size - stream.tell())
            if fortran and len(shape) > 1:
                raise CurateError(f"{title} is stored column by column. Save np.ascontiguousarray of it.")
            if shape:
                yield ArrayInFile(title, path, shape, dtype, partial(_npz_blocks, path, info.filename))


def _npz_blocks(path: Path, member: str, rows: int) -> Iterator[np.ndarray]:
    with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        shape, _, dtype = _read_header(stream)  # type: ignore[arg-type]
        width = math.prod(shape[1:])
        for start in range(0, shape[0], rows):
            count = min(rows, shape[0] - start)
            data = stream.read(count * width * dtype.itemsize)
            yield np.frombuffer(data, dtype, count * width).reshape(count, *shape[1:])


def _of_safetensors(path: Path) -> Iterator[ArrayInFile]:
    with safe_open(path, framework="np") as tensors:
        about = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118  # not a dict
        found = {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in about.items()}
    for name, (shape, kind) in found.items():
        if shape and kind in _TENSOR_TYPES:
            blocks = partial(_tensor_blocks, path, name, shape[0], kind)
            yield ArrayInFile(f"{path.name}:{name}", path, shape, np.dtype(_TENSOR_TYPES[kind]), blocks)


def _tensor_blocks(path: Path, name: str, size: int, kind: str, rows: int) -> Iterator[np.ndarray]:
    for start in range(0, size, rows):
        with safe_open(path, framework="pt") as tensors:  # torch has all types, also bfloat16
            part = tensors.get_slice(name)[start : min(size, start + rows)]
        if kind == "BF16":
            part = part.float()
        yield part.numpy()


def _of_parquet(path: Path) -> Iterator[ArrayInFile]:
    """Yield the columns of numbers, and of lists of numbers of one length."""
    file = pq.ParquetFile(path)
    count = file.metadata.num_rows
    for field in file.schema_arrow:
        dtype, title = number_type(field.type), f"{path.name}:{field.name}"
        if dtype is None:
            continue
        if is_list(_storage(field.type)):
            shape = (count, _width(path, field))
            yield ArrayInFile(title, path, shape, dtype, partial(_list_blocks, path, field.name))
        else:
            yield ArrayInFile(title, path, (count,), dtype, partial(_number_blocks, path, field.name))


def _columns(path: Path, name: str, rows: int) -> Iterator[pa.Array]:
    for batch in pq.ParquetFile(path).iter_batches(rows, columns=[name]):
        column = batch.column(0)
        yield column.storage if isinstance(column, pa.ExtensionArray) else column


def _number_blocks(path: Path, name: str, rows: int) -> Iterator[np.ndarray]:
    for column in _columns(path, name, rows):
        if column.null_count:
            raise CurateError(f"{path.name}:{name} has rows without a number. Fill them in.")
        yield column.to_numpy(zero_copy_only=False)


def _list_blocks(path: Path, name: str, rows: int) -> Iterator[np.ndarray]:
    """Yield rows (n, D) of lists; a row that is missing or of another length than the first is refused, by number."""
    width, seen, title = -1, 0, f"{path.name}:{name}"
    for column in _columns(path, name, rows):
        lengths = pc.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False)
        if not seen:
            width = int(lengths[0])
        if len(odd := np.flatnonzero((lengths != width) | (lengths < 0))):
            length = max(0, int(lengths[odd[0]]))
            raise CurateError(
                f"Row {seen + odd[0]} of {title} has {length} numbers, the first has {width}. Give lists of one length."
            )
        flat = column.flatten()
        if flat.null_count:
            gaps = np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))
            raise CurateError(f"Row {seen + gaps[0] // width} of {title} has a list with a gap. Fill it in.")
        yield flat.to_numpy(zero_copy_only=False).reshape(len(lengths), width)
        seen += len(lengths)


def _width(path: Path, field: pa.Field) -> int:
    """Return the length of the lists: stated by the type, else that of the first row."""
    storage = _storage(field.type)
    if pa.types.is_fixed_size_list(storage):
        return int(storage.list_size)
    first = next((column[0] for column in _columns(path, field.name, 1)), None)
    return len(first) if first is not None and first.is_valid else 0


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _read_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, column order and type that the header of a .npy states; ValueError where it is not of numbers."""
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version[0]}.{version[1]} of the format is not one of numbers")
    shape, fortran, dtype = readers[version](stream)
    if dtype.hasobject or dtype.names or dtype.subdtype or dtype.kind not in "fiubUS" or not dtype.itemsize:
        raise ValueError(f"it holds values of type {dtype}, not numbers")
    if any(side < 0 for side in shape):
        raise ValueError(f"its shape is {shape}")
    return tuple(int(side) for side in shape), bool(fortran), dtype


def _check_size(title: str, shape: tuple[int, ...], dtype: np.dtype, size: int) -> None:
    """Refuse a header that promises more than the `size` bytes that follow it."""
    if math.prod(shape) * dtype.itemsize > size:
        raise CurateError(
            f"{title} should have {' x '.join(map(str, shape))} values of {dtype.itemsize} bytes, but only "
            f"{max(0, size)} bytes follow its header. It is damaged: save it again."
        )


@contextmanager
def _as_user_errors(title: str) -> Iterator[None]:
    """Raise `CurateError` for a file that is not what it says it is."""
    try:
        yield
    except CurateError:
        raise
    except FileNotFoundError as problem:
        raise CurateError(f"{title} does not exist. Check the path.") from problem
    except _MALFORMED as problem:
        reason = (str(problem).splitlines() or [type(problem).__name__])[0][:200]
        raise CurateError(f"{title} cannot be read as an array of numbers ({reason}). Save it again.") from problem
