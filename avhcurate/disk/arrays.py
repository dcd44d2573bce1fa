"""Arrays of numbers in files of other people's: .npy, .npz, safetensors, Parquet and Arrow lists, read block by block.

The header is checked against the file's size before a value is read, and nothing is ever unpickled. No more than a
block of rows is in memory. Those of our own are made with their room on the disk.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import DTypeLike
from safetensors import SafetensorError, safe_open

from avhcurate.disk.archives import check_packing
from avhcurate.disk.columns import is_list, listed
from avhcurate.disk.files import replacing
from avhcurate.disk.room import take_room
from avhcurate.errors import CurateError

#: The forms that are read, as messages name them.
FORMS = "a .npy, .npz, safetensors, Parquet or Arrow file"
#: Arrays stored column by column inside an archive must fit in memory to be turned.
_MOST_TURNED = 1 << 28

_MALFORMED = (
    *(ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError, EOFError, TokenError, OSError),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, SafetensorError, pa.ArrowException),
)


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
        """Consecutive blocks of at most `rows` rows, in memory; a file that ends early is refused."""
        seen = 0
        with _as_user_errors(self.title):
            for block in self.read_blocks(rows):
                seen += len(block)
                yield block
        if seen != self.shape[0]:
            raise CurateError(f"{self.title} ends after {seen} of {self.shape[0]} rows: save it again")

    def read(self) -> np.ndarray:
        """The whole array, in memory."""
        parts = list(self.blocks(max(1, self.shape[0])))
        return np.concatenate(parts) if parts else np.empty(self.shape, self.dtype)


def read_npy(path: Path) -> np.memmap:
    """The array of a .npy, mapped from disk, once its header fits the file; never unpickles.

    Raises CurateError where the file is no array of numbers or texts, or ends before the header says it does.
    """
    with _as_user_errors(path.name):
        with open(path, "rb") as stream:
            shape, fortran, dtype = read_npy_header(stream)
            offset = stream.tell()
            size = stream.seek(0, io.SEEK_END)
        _check_size(path.name, shape, dtype, size - offset)
        if not math.prod(shape):
            return np.empty(shape, dtype)  # type: ignore[return-value]  # nothing can be mapped of it
        order: Any = "F" if fortran else "C"
        return np.memmap(path, dtype, "r", offset, shape, order)


def create_npy(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    """A new .npy of zeros, mapped for writing.

    Its room on the disk is taken first: a full disk is then an OSError, where writing into the map would end the
    process.
    """
    with replacing(path) as stream:
        write_zeros(stream, dtype, shape)
    array: np.memmap = np.lib.format.open_memmap(path, "r+")
    return array


def write_zeros(stream: BinaryIO, dtype: DTypeLike, shape: tuple[int, ...], *, some: bool = False) -> None:
    """A .npy of zeros, with its room on the disk; where only `some` rows will come, they take it as they do."""
    dtype = np.dtype(dtype)
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    size = stream.tell() + math.prod(shape) * dtype.itemsize
    if some:
        stream.truncate(size)
    else:
        take_room(stream, size)


def read_npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, column order and type that the header of a .npy states; ValueError where it is not one of numbers."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version[0]}.{version[1]} of the format is not one of numbers")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject or dtype.names or dtype.subdtype or dtype.kind not in "fiubUS" or not dtype.itemsize:
        raise ValueError(f"it holds values of type {dtype}, not numbers")
    if any(side < 0 for side in shape):
        raise ValueError(f"its shape is {shape}")
    return tuple(int(side) for side in shape), bool(fortran), dtype


def open_array(
    path: Path, *, member: str | None = None, names: Sequence[str] = (), title: str | None = None
) -> ArrayInFile:
    """An array of numbers in a file; of several `member`, else the only one, else the first of `names` that is there.

    Raises CurateError where there is none, several of equal claim, or a header that does not fit the file.
    """
    found = _arrays_of(path)
    if not found:
        raise CurateError(f"{path.name} holds no array of numbers: give {FORMS}")
    if member is not None:
        if member not in found:
            raise CurateError(f"{path.name} has no array {member!r}; it holds {listed(found)}")
        chosen = member
    else:
        usual = [name for wanted in names for name in found if name.casefold() == wanted]
        if len(found) > 1 and not usual:
            raise CurateError(f"{path.name} holds several arrays, {listed(found)}: choose one by {path.name}:NAME")
        chosen = next(iter(found)) if len(found) == 1 else usual[0]
    array = found[chosen]
    if array.dtype.kind not in "fiub":
        raise CurateError(f"{array.title} holds values of type {array.dtype}, not numbers")
    return ArrayInFile(title or array.title, path, array.shape, array.dtype, array.read_blocks)


def columns_of(path: Path) -> list[str]:
    """Names of the columns and arrays of a file; none where it holds a single array without a name."""
    kind = _kind(path)
    with _as_user_errors(path.name):
        if kind == "npz":
            with zipfile.ZipFile(path) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
        if kind == "parquet":
            return list(pq.read_schema(path).names)
        return list(_arrow_schema(path).names) if kind == "arrow" else []


def read_texts(path: Path, column: str) -> pa.ChunkedArray:
    """The values of a column that stands beside the arrays of a file, one a row; `CurateError` where it has none."""
    if column not in columns_of(path):
        raise CurateError(
            f"{path.name} has no column {column!r} beside its numbers: give a table with it by --rows, or the rows in "
            "order of id and --by order"
        )
    kind = _kind(path)
    with _as_user_errors(path.name):
        if kind == "npz":
            with zipfile.ZipFile(path) as archive:
                return pa.chunked_array([pa.array(_whole_member(archive, f"{column}.npy").tolist())])
        if kind == "parquet":
            return pq.ParquetFile(path).read(columns=[column])[column]
        return pa.chunked_array([batch[column] for batch in _arrow_batches(path)])


# --- kinds of files ----------------------------------------------------------------------------------------------


def _kind(path: Path) -> str:
    if not path.is_file():
        raise CurateError(f"{path} is not a file: give {FORMS}")
    with open(path, "rb") as stream:
        start = stream.read(16)
    if start.startswith(b"\x93NUMPY"):
        return "npy"
    if start.startswith(b"PK\x03\x04"):
        return "npz"
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"ARROW1") or start.startswith(b"\xff\xff\xff\xff"):
        return "arrow"
    if start[8:9] == b"{":
        return "safetensors"
    raise CurateError(f"{path.name} is not an array that can be read: give {FORMS}")


def _arrays_of(path: Path) -> dict[str, ArrayInFile]:
    """The arrays of a file by name, their rows unread."""
    of_kind = {
        "npy": _of_npy,
        "npz": _of_npz,
        "safetensors": _of_safetensors,
        "parquet": _of_parquet,
        "arrow": _of_arrow,
    }
    read = of_kind[_kind(path)]
    with _as_user_errors(path.name):
        return {array.title.removeprefix(f"{path.name}:"): array for array in read(path)}


def _of_npy(path: Path) -> Iterator[ArrayInFile]:
    mapped = read_npy(path)
    shape, dtype = mapped.shape, mapped.dtype
    if not shape:
        raise CurateError(f"{path.name} holds a single number, not an array")

    def blocks(rows: int) -> Iterator[np.ndarray]:
        for start in range(0, shape[0], rows):
            # Mapped anew for each block: pages of a mapping that is closed no longer count as this process's memory.
            yield np.array(read_npy(path)[start : start + rows])

    yield ArrayInFile(path.name, path, shape, dtype, blocks)


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
                    shape, fortran, dtype = read_npy_header(stream)  # type: ignore[arg-type]
                except ValueError:
                    continue  # texts of objects, say: another member may be what is wanted
                _check_size(title, shape, dtype, info.file_size - stream.tell())
            if not shape:
                continue
            if fortran and len(shape) > 1 and math.prod(shape) * dtype.itemsize > _MOST_TURNED:
                raise CurateError(f"{title} is stored column by column: save np.ascontiguousarray of it as a .npy")

            def blocks(rows: int, member: str = info.filename, turned: bool = fortran) -> Iterator[np.ndarray]:
                return _npz_blocks(path, member, rows, turned=turned)

            yield ArrayInFile(title, path, shape, dtype, blocks)


def _npz_blocks(path: Path, member: str, rows: int, *, turned: bool) -> Iterator[np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        if turned:
            whole = _whole_member(archive, member)
            yield from (whole[at : at + rows] for at in range(0, len(whole), rows))
            return
        with archive.open(member) as stream:
            shape, _, dtype = read_npy_header(stream)  # type: ignore[arg-type]
            width = math.prod(shape[1:])
            for start in range(0, shape[0], rows):
                count = min(rows, shape[0] - start)
                data = stream.read(count * width * dtype.itemsize)
                yield np.frombuffer(data, dtype, count * width).reshape(count, *shape[1:])


def _whole_member(archive: zipfile.ZipFile, member: str) -> np.ndarray:
    info = archive.getinfo(member)
    check_packing(info)
    with archive.open(info) as stream:
        shape, fortran, dtype = read_npy_header(stream)  # type: ignore[arg-type]
        _check_size(member, shape, dtype, info.file_size - stream.tell())
        flat = np.frombuffer(stream.read(math.prod(shape) * dtype.itemsize), dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _of_safetensors(path: Path) -> Iterator[ArrayInFile]:
    with safe_open(path, framework="np") as tensors:
        about = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118  # not a dict
        found = {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in about.items()}
    for name, (shape, kind) in found.items():
        if not shape or kind not in _TENSOR_TYPES:
            continue

        def blocks(rows: int, name: str = name, kind: str = kind, size: int = shape[0]) -> Iterator[np.ndarray]:
            for start in range(0, size, rows):
                # NumPy has no bfloat16, torch has.
                with safe_open(path, framework="pt" if kind == "BF16" else "np") as tensors:
                    part = tensors.get_slice(name)[start : min(size, start + rows)]
                yield part.float().numpy() if kind == "BF16" else part

        yield ArrayInFile(f"{path.name}:{name}", path, shape, np.dtype(_TENSOR_TYPES[kind]), blocks)


#: Types of safetensors and what is read of them.
_TENSOR_TYPES = {
    **{"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "f4", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1"},
    **{"U8": "u1", "U16": "u2", "U32": "u4", "U64": "u8", "BOOL": "?"},
}


def _of_parquet(path: Path) -> Iterator[ArrayInFile]:
    file = pq.ParquetFile(path)
    for field in file.schema_arrow:

        def batches(rows: int, name: str = field.name) -> Iterator[pa.RecordBatch]:
            return pq.ParquetFile(path).iter_batches(rows, columns=[name])

        yield from _lists_of(path, field, file.metadata.num_rows, batches)


def _of_arrow(path: Path) -> Iterator[ArrayInFile]:
    rows_in_file = sum(len(batch) for batch in _arrow_batches(path))
    for field in _arrow_schema(path):

        def batches(rows: int, name: str = field.name) -> Iterator[pa.RecordBatch]:
            for batch in _arrow_batches(path):
                yield from (batch.select([name])[at : at + rows] for at in range(0, len(batch), rows))

        yield from _lists_of(path, field, rows_in_file, batches)


def _arrow_schema(path: Path) -> pa.Schema:
    with pa.memory_map(str(path)) as source:
        return _arrow_reader(source).schema


def _arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of an Arrow file, or of a stream as `datasets` writes them."""
    with pa.memory_map(str(path)) as source:
        reader = _arrow_reader(source)
        if isinstance(reader, pa.RecordBatchFileReader):
            yield from (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            yield from reader


def _arrow_reader(source: pa.MemoryMappedFile) -> Any:
    try:
        return pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source)


def _lists_of(
    path: Path, field: pa.Field, rows_in_file: int, batches: Callable[[int], Iterator[pa.RecordBatch]]
) -> Iterator[ArrayInFile]:
    """The array of a column of numbers, or of lists of numbers of one length; nothing for another column."""
    dtype = number_type(field.type)
    if dtype is None:
        return
    title = f"{path.name}:{field.name}"
    if not is_list(_storage(field.type)):
        yield ArrayInFile(title, path, (rows_in_file,), dtype, lambda rows: _numbers(title, batches(rows)))
        return
    width = _width(field.type, batches)
    yield ArrayInFile(
        title, path, (rows_in_file, width), dtype, lambda rows: list_blocks(title, (b.column(0) for b in batches(rows)))
    )


def _numbers(title: str, batches: Iterator[pa.RecordBatch]) -> Iterator[np.ndarray]:
    for batch in batches:
        if batch.column(0).null_count:
            raise CurateError(f"{title} has rows without a number: fill them in")
        yield batch.column(0).to_numpy(zero_copy_only=False)


def _width(kind: pa.DataType, batches: Callable[[int], Iterator[pa.RecordBatch]]) -> int:
    """The length of the lists: stated by the type, else that of the first row."""
    storage = _storage(kind)
    if pa.types.is_fixed_size_list(storage):
        return int(storage.list_size)
    first = next((batch.column(0) for batch in batches(1) if len(batch)), None)
    return 0 if first is None or not first[0].is_valid else len(first[0])


def list_blocks(title: str, columns: Iterator[pa.Array]) -> Iterator[np.ndarray]:
    """Rows (n, D) of columns of lists; a row that is missing or of another length than the first is refused, named."""
    width, seen = None, 0
    for column in columns:
        storage = column.storage if isinstance(column, pa.ExtensionArray) else column
        lengths = pc.list_value_length(storage).fill_null(-1).to_numpy(zero_copy_only=False)
        if not len(lengths):
            continue
        width = int(lengths[0]) if width is None else width
        if len(odd := np.flatnonzero((lengths != width) | (lengths < 0))):
            length = int(lengths[odd[0]])
            what = "no list" if length < 0 else f"{length} numbers"
            raise CurateError(f"row {seen + odd[0]} of {title} has {what}, the first has {width}: give equal lengths")
        flat = storage.flatten()
        if flat.null_count:
            gaps = np.flatnonzero(flat.is_null().to_numpy(zero_copy_only=False))
            raise CurateError(f"row {seen + gaps[0] // max(1, width)} of {title} has a list with a gap: fill it in")
        yield flat.to_numpy(zero_copy_only=False).reshape(len(lengths), width)
        seen += len(lengths)


def number_type(kind: pa.DataType) -> np.dtype | None:
    """The NumPy type of a column of numbers or of lists of numbers; None for another column."""
    storage = _storage(kind)
    value = storage.value_type if is_list(storage) else storage
    if pa.types.is_floating(value) or pa.types.is_integer(value):
        return np.dtype(value.to_pandas_dtype())
    return None


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _check_size(title: str, shape: tuple[int, ...], dtype: np.dtype, size: int) -> None:
    """Refuses a header that promises more than the `size` bytes that follow it."""
    if math.prod(shape) * dtype.itemsize > size:
        raise CurateError(
            f"{title} says that it holds {' x '.join(map(str, shape)) or 'one'} values of {dtype.itemsize} bytes, and "
            f"{max(0, size)} bytes follow: it is cut short or damaged, save it again"
        )


@contextmanager
def _as_user_errors(title: str) -> Iterator[None]:
    """Raises `CurateError` for a file that is not what it says it is."""
    try:
        yield
    except CurateError:
        raise
    except FileNotFoundError as problem:
        raise CurateError(f"{title} does not exist: check the path") from problem
    except _MALFORMED as problem:
        reason = str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__
        raise CurateError(f"{title} cannot be read as an array of numbers ({reason}): save it again") from problem
