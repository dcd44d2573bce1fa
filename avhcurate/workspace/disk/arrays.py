"""Arrays of numbers in files of other people: .npy, .npz, safetensors and lists in Parquet, read block by block.

A header is checked against the file's size before a value is read, nothing is ever unpickled, and only a block of rows
is in memory.
"""

import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import DTypeLike
from safetensors import safe_open

from avhcurate.errors import CurateError, Option
from avhcurate.workspace.disk.archives import check_packing
from avhcurate.workspace.disk.budget import check_budget, check_file
from avhcurate.workspace.disk.columns import is_list, listed
from avhcurate.workspace.disk.files import replacing
from avhcurate.workspace.disk.room import take_room
from avhcurate.workspace.disk.tabular import parquet_batches, parquet_table

_FORMS = "a .npy, .npz, safetensors or Parquet file"
#: Kinds of NumPy types that are numbers, and those that are texts.
_NUMBERS = "fiub"
_TEXTS = "US"


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

    def blocks(self, rows: int, *, first: int = 0) -> Iterator[np.ndarray]:
        """Yield consecutive blocks of at most `rows` rows from row `first` on, in memory.

        A file that ends early is refused.
        """
        seen = 0
        with _as_user_errors(self.title):
            for block in self.read_blocks(rows):
                before = max(0, first - seen)
                seen += len(block)
                if before < len(block):
                    yield block[before:]
        if seen != self.shape[0]:
            raise CurateError(f"{self.title} ends after {seen} of {self.shape[0]} rows. Save it again.")

    def read(self) -> np.ndarray:
        parts = list(self.blocks(max(1, self.shape[0])))
        return np.concatenate([np.empty((0, *self.shape[1:]), self.dtype), *parts])


def read_npy(path: Path) -> np.memmap:
    """Return the array of a .npy, mapped from disk, once its header fits the file; never unpickle.

    Raise CurateError where the file is not an array of numbers or texts, or ends before the header says it does.
    """
    with _as_user_errors(path.name), np.errstate(all="raise"):
        array: np.memmap = np.lib.format.open_memmap(path, "r")
        if array.dtype.kind not in _NUMBERS + _TEXTS:
            raise ValueError(f"it holds values of type {array.dtype}")
        return array


def create_npy(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    """Return a new .npy of zeros, mapped for writing.

    Its room on the disk is taken first: a full disk is then an OSError, where writing into the map would end the
    process.
    """
    with replacing(path) as stream:
        write_zeros(stream, dtype, shape)
    array: np.memmap = np.lib.format.open_memmap(path, "r+")
    return array


def write_zeros(stream: BinaryIO, dtype: DTypeLike, shape: tuple[int, ...], *, sparse: bool = False) -> None:
    """Write a .npy of zeros, with its room on the disk; where few rows will come (`sparse`), they take it then."""
    dtype = np.dtype(dtype)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    size = stream.tell() + math.prod(shape) * dtype.itemsize
    if sparse:
        stream.truncate(size)
    else:
        take_room(stream, size)


def open_array(path: Path, *, member: str | None = None, names: Sequence[str] = ()) -> ArrayInFile:
    """Return an array of numbers in a file: `member`, else the only one, else the first of `names` that is there.

    Raise CurateError where there is none, several of equal claim, or a header that does not fit the file.
    """
    arrays = _arrays_of(path)
    if not arrays:
        raise CurateError(f"{path.name} has no array of numbers. Give {_FORMS}.")
    usual = [name for wanted in names for name in arrays if name.casefold() == wanted]
    if member is None and len(arrays) > 1 and not usual:
        raise CurateError(f"{path.name} has several arrays, {listed(arrays)}. Choose one by {path.name}:NAME.")
    member = member or [*usual, *arrays][0]
    if member not in arrays:
        raise CurateError(f"{path.name} has no array {member!r}. It has {listed(arrays)}.")
    array = arrays[member]
    if array.dtype.kind not in _NUMBERS:
        raise CurateError(f"{array.title} has values of type {array.dtype}, not numbers.")
    check_budget(path, math.prod(array.shape) * max(4, array.dtype.itemsize), array.title)  # float32 at least
    return array


def read_texts(path: Path, *names: str) -> pa.ChunkedArray:
    """Return the first of some columns that stands next to the arrays of a file, a value for each row."""
    with _as_user_errors(path.name):
        if _kind(path) == "parquet":
            for name in names:
                if name in pq.read_schema(path).names:
                    return parquet_table(path, [name])[name]
        else:
            arrays = _arrays_of(path)
            for name in names:
                if name in arrays:
                    return pa.chunked_array([pa.array(arrays[name].read().tolist())])
    raise CurateError(
        f"{path.name} has no column {names[0]!r} next to its numbers.",
        fix=f"Give a table with it by {Option('rows')}, or the rows in order of id and {Option('by', 'order')}",
    )


def number_type(kind: pa.DataType) -> np.dtype | None:
    """Return the NumPy type of a column of numbers or of lists of numbers; None for another column."""
    value = _storage(kind)
    if is_list(value):
        value = value.value_type
    if pa.types.is_floating(value) or pa.types.is_integer(value):
        return np.dtype(value.to_pandas_dtype())
    return None


# --- kinds of files ----------------------------------------------------------------------------------------------


def _kind(path: Path) -> str:
    if not path.is_file():
        raise CurateError(f"{path} is not a file. Give {_FORMS}.")
    with _as_user_errors(path.name), open(path, "rb") as stream:
        check_file(path)
        start = stream.read(9)
    for kind, magic in (("npy", b"\x93NUMPY"), ("npz", b"PK\x03\x04"), ("parquet", b"PAR1")):
        if start.startswith(magic):
            return kind
    if start[8:] == b"{":
        return "safetensors"
    raise CurateError(f"{path.name} is not an array that can be read. Give {_FORMS}.")


def _arrays_of(path: Path) -> dict[str, ArrayInFile]:
    """Return the arrays of a file by name, their rows unread."""
    readers = {"npy": _of_npy, "npz": _of_npz, "safetensors": _of_safetensors, "parquet": _of_parquet}
    read = readers[_kind(path)]
    with _as_user_errors(path.name):
        return {array.title.removeprefix(f"{path.name}:"): array for array in read(path) if array.shape}


def _of_npy(path: Path) -> Iterator[ArrayInFile]:
    mapped = read_npy(path)

    def blocks(rows: int) -> Iterator[np.ndarray]:
        for start in range(0, len(mapped), rows):
            # Mapped again for each block: pages of a closed mapping no longer count as this process's memory.
            yield np.array(read_npy(path)[start : start + rows])

    yield ArrayInFile(path.name, path, mapped.shape, mapped.dtype, blocks)


def _of_npz(path: Path) -> Iterator[ArrayInFile]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            check_packing(info)
            title = f"{path.name}:{info.filename.removesuffix('.npy')}"
            with archive.open(info) as stream:
                shape, fortran, dtype = _read_header(stream)
            if dtype.kind not in _NUMBERS + _TEXTS:
                continue  # such as texts as objects: another member may be what is wanted
            if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > info.file_size:
                raise CurateError(f"{title} has a header of {shape} values and fewer in it. Save it again.")
            if fortran and len(shape) > 1:
                raise CurateError(f"{title} is stored column by column. Save np.ascontiguousarray of it.")
            yield ArrayInFile(title, path, shape, dtype, partial(_npz_blocks, path, info.filename))


def _npz_blocks(path: Path, member: str, rows: int) -> Iterator[np.ndarray]:
    with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
        shape, _, dtype = _read_header(stream)
        width = math.prod(shape[1:])
        for start in range(0, shape[0], rows):
            count = min(rows, shape[0] - start)
            data = stream.read(count * width * dtype.itemsize)
            yield np.frombuffer(data, dtype, count * width).reshape(count, *shape[1:])


def _read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Return shape, column order and type that the header of a .npy states."""
    if np.lib.format.read_magic(stream) == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)


def _of_safetensors(path: Path) -> Iterator[ArrayInFile]:
    with safe_open(path, framework="pt") as tensors:  # NumPy has no bfloat16
        shapes = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    for name, shape in shapes.items():
        if math.prod(shape) and shape:
            dtype = next(_tensor_blocks(path, name, 1, 1)).dtype
            yield ArrayInFile(f"{path.name}:{name}", path, shape, dtype, partial(_tensor_blocks, path, name, shape[0]))


def _tensor_blocks(path: Path, name: str, size: int, rows: int) -> Iterator[np.ndarray]:
    """Yield rows of a tensor; fractions of fewer than 32 bits, as bfloat16, become the float32 that equals them."""
    for start in range(0, size, rows):
        # Opened again for each block, as a .npy is mapped again.
        with safe_open(path, framework="pt") as tensors:
            block = tensors.get_slice(name)[start : start + rows]
        if block.is_floating_point() and block.itemsize < 4:
            block = block.float()
        yield block.numpy()


def _of_parquet(path: Path) -> Iterator[ArrayInFile]:
    """Yield the columns of numbers, and of lists of numbers that are as long as the first."""
    file = pq.ParquetFile(path)
    for field in file.schema_arrow:
        if (dtype := number_type(field.type)) is None:
            continue
        sides: tuple[int, ...] = ()
        if is_list(_storage(field.type)):
            first = next(_columns(path, field.name, 1), pa.nulls(1, _storage(field.type)))
            sides = (pc.list_value_length(first).fill_null(0)[0].as_py(),)
        title = f"{path.name}:{field.name}"
        shape = (file.metadata.num_rows, *sides)
        yield ArrayInFile(title, path, shape, dtype, partial(_column_blocks, path, field.name, sides))


def _columns(path: Path, name: str, rows: int) -> Iterator[pa.Array]:
    for batch in parquet_batches(path, [name], rows):
        yield getattr(batch.column(0), "storage", batch.column(0))


def _column_blocks(path: Path, name: str, sides: tuple[int, ...], rows: int) -> Iterator[np.ndarray]:
    """Yield rows of numbers, NaN where they are missing; a list of another length is refused, by number."""
    seen = 0
    for column in _columns(path, name, rows):
        count = len(column)
        if sides:
            lengths = pc.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False)
            if len(odd := np.flatnonzero(lengths != sides[0])):
                raise CurateError(
                    f"Row {seen + odd[0]} of {path.name}:{name} has {max(0, lengths[odd[0]])} numbers, the first has "
                    f"{sides[0]}. Give lists of one length."
                )
            column = column.flatten()
        yield column.to_numpy(zero_copy_only=False).reshape(count, *sides)
        seen += count


def _storage(kind: pa.DataType) -> pa.DataType:
    return getattr(kind, "storage_type", kind)


@contextmanager
def _as_user_errors(title: str) -> Iterator[None]:
    """Raise `CurateError` for a file that is not what it says it is."""
    try:
        yield
    except CurateError:
        raise
    except FileNotFoundError as problem:
        raise CurateError(f"{title} does not exist. Check the path.") from problem
    except Exception as problem:  # a damaged file makes its reader raise almost anything
        reason = (str(problem).splitlines() or [type(problem).__name__])[0][:200]
        raise CurateError(f"{title} cannot be read as an array of numbers ({reason}). Save it again.") from problem
