"""Sources in memory (arrays, DataFrames, Hugging Face datasets), as files that an import can read."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from avhcurate.datasets.sources.parquet import write_hugging_face
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.files import replacing, sha256, temporary_name, write_parquet, write_tables
from avhcurate.workspace.disk.image_parquet import IMAGE
from avhcurate.workspace.disk.tabular import table_of_frame
from avhcurate.workspace.images.decoding import encode_png

#: Images in memory at once while they are encoded.
_ROWS = 500
_FORMS = (
    "a folder or file, a pandas DataFrame, uint8 images (N, H, W) or (N, H, W, 3), a Hugging Face Dataset or an "
    "ImageFolder of torchvision"
)


def import_given(
    workspace: Workspace,
    name: str,
    source: Any,
    labels: Any = None,
    *,
    classes: Sequence[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    **options: Any,
) -> None:
    """Import what is in memory or at a place, see `avhcurate.dataset`; `options` go to `import_dataset`.

    What is in memory is written to the workspace, images encoded as they are or as PNG. The same content gives the same
    file, so that a cell that runs again imports nothing new.
    """
    workspace.check_new(name)
    if type(source).__module__.startswith("torchvision.datasets.folder"):
        files, numbers = zip(*source.samples, strict=True)
        classes = source.classes
        root = source.root
        paths = [os.path.relpath(file, root) for file in files]
        source = pd.DataFrame({"path": paths, "label": [classes[number] for number in numbers]})
    options |= {"classes": classes and [str(label) for label in classes], "root": root and Path(root)}
    is_path = isinstance(source, str | os.PathLike)
    is_frame = isinstance(source, pd.DataFrame)
    is_hugging_face = type(source).__module__.split(".")[0] == "datasets"
    folder = workspace.downloads / "given"
    if labels is not None and (is_path or is_frame or is_hugging_face):
        raise CurateError("labels go with an array of images. Elsewhere they are a column; name it by label_column.")
    if is_path:
        path: Path | str = os.fspath(source)
    elif is_hugging_face:
        path = _write_hugging_face(folder, name, source)
    else:
        if not is_frame:
            source = _frame_of(source, labels)
        path = _write_frame(folder, name, source, options)
    import_dataset(workspace, name, path, **options)


def _frame_of(images: Any, labels: Any) -> pd.DataFrame:
    """Return an array (N, H, W) or (N, H, W, C), or a list of images, as a DataFrame with a row an image."""
    if not isinstance(images, list | tuple):
        if not hasattr(images, "__array__"):
            raise CurateError(f"A dataset cannot be made of a {type(images).__name__}. Give {_FORMS}.")
        images = np.asarray(images)
        if images.ndim not in (1, 3, 4):
            raise CurateError(f"The images have shape {images.shape}. Give (N, H, W) or (N, H, W, 3).")
    frame = pd.DataFrame({"image": pd.Series(list(images), dtype=object)})
    if labels is not None:
        values = np.asarray(labels)
        if values.shape != (len(frame),):
            raise CurateError(f"The labels have shape {values.shape} for {len(frame)} images. Give one for each.")
        frame["label"] = values.tolist()
    return frame


def _encoded(image: Any) -> bytes | None:
    """Return the bytes of one image: as they are, or as PNG."""
    if isinstance(image, dict):
        image = image.get("bytes")
    if image is None or isinstance(image, float):  # pandas' missing
        return None
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, Image.Image):
        return encode_png(image, compress_level=3)
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.dtype != np.uint8:
        raise CurateError(
            f"An image is {pixels.dtype}. Give uint8 from 0 to 255, as (255 * images).round().astype('uint8')."
        )
    if pixels.ndim != 2 and (pixels.ndim != 3 or pixels.shape[2] not in (3, 4)):
        raise CurateError(f"An image has shape {pixels.shape}. Give (H, W) or (H, W, 3), channels last.")
    return encode_png(Image.fromarray(pixels), compress_level=3)


def _kept(folder: Path, name: str, write: Callable[[Path], None]) -> Path:
    """Return the folder NAME-DIGEST with what `write` puts into a folder; one that is there already stays."""
    folder.mkdir(parents=True, exist_ok=True)
    making = temporary_name(folder / name)
    making.mkdir()
    try:
        write(making)
        digests = "".join(sha256(file) for file in sorted(making.iterdir()))
        path = folder / f"{name}-{hashlib.sha256(digests.encode()).hexdigest()[:24]}"
        if not path.exists():
            making.rename(path)
        return path
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _write_frame(folder: Path, name: str, frame: pd.DataFrame, options: dict[str, Any]) -> Path:
    """Write a DataFrame with paths, or with images: bytes, PIL images, arrays or what Hugging Face decodes to.

    `options` of the import are completed by what its table cannot say.
    """
    if not len(frame):
        raise CurateError("There are no images. Give at least one.")
    for column in (options["image_column"], options["label_column"]):
        if column is not None and column not in frame.columns:
            raise CurateError(f"The DataFrame has no column {column!r}. Its columns are {listed(frame.columns)}.")
    labels = frame.get(options["label_column"] or "label")
    if options["classes"] is None and labels is not None and isinstance(labels.dtype, pd.CategoricalDtype):
        options["classes"] = [str(category) for category in labels.cat.categories]
    column = options["image_column"] or _image_column(frame)
    if column is None or not _holds_image(frame[column]):
        table = table_of_frame(frame, "the DataFrame")
        options["root"] = options["root"] or Path(".")
        imported = _kept(folder, name, lambda path: write_parquet(path / "manifest.parquet", table))
        return imported / "manifest.parquet"
    options |= {"root": None, "image_column": column}
    names = _names(frame)
    others = table_of_frame(frame.drop(columns=[column, names.name], errors="ignore"), "the DataFrame")

    def blocks() -> Iterator[pa.Table]:
        for start in range(0, len(frame), _ROWS):
            rows = zip(frame[column][start : start + _ROWS], names[start : start + _ROWS], strict=True)
            encoded = pa.array([{"bytes": _encoded(image), "path": path} for image, path in rows], IMAGE)
            columns = {name: others[name].slice(start, _ROWS) for name in others.column_names}
            yield pa.table({column: encoded} | columns)

    def write(path: Path) -> None:
        with replacing(path / "images.parquet") as stream:
            write_tables(stream, blocks(), compression="none")

    return _kept(folder, name, write) / "images.parquet"


def _image_column(frame: pd.DataFrame) -> str | None:
    """Return the column that holds images; None without one."""
    holding = [name for name in frame.columns if _holds_image(frame[name])]
    if len(holding) > 1:
        raise CurateError(f"Several columns hold images: {listed(holding)}. Choose one with image_column.")
    if not holding:
        return None
    return holding[0]


def _holds_image(column: pd.Series) -> bool:
    first: Any = next((value for value in column if value is not None and not isinstance(value, float)), None)
    if isinstance(first, dict):
        return "bytes" in first
    return isinstance(first, bytes | bytearray | Image.Image) or np.ndim(first) > 1


def _names(frame: pd.DataFrame) -> pd.Series:
    """Return a unique name for each image: a column of paths, else an index of names, else the number of the row."""
    for name in ("path", "file_name", "filename"):
        if name in frame.columns and frame[name].notna().all() and frame[name].is_unique:
            return frame[name].astype(str)
    if isinstance(frame.index, pd.RangeIndex) or not frame.index.is_unique:
        width = len(str(len(frame) - 1))
        return pd.Series([f"{number:0{width}d}.png" for number in range(len(frame))])
    return pd.Series(frame.index.astype(str))


def _write_hugging_face(folder: Path, name: str, source: Any) -> Path:
    """Write a Dataset as one Parquet file, a DatasetDict as one a split; images stay encoded as they are."""
    splits = {"images.parquet": source}
    if isinstance(source, dict):
        count = len(source)
        splits = {
            f"{split}-{number:05d}-of-{count:05d}.parquet": part for number, (split, part) in enumerate(source.items())
        }
    for part in splits.values():
        if not hasattr(part, "to_parquet") or not hasattr(part, "__len__"):
            raise CurateError(f"A {type(part).__name__} cannot be imported. Load it without streaming=True.")

    def write(path: Path) -> None:
        for file, part in splits.items():
            write_hugging_face(part, path / file)

    path = _kept(folder, name, write)
    if isinstance(source, dict):
        return path
    return path / "images.parquet"


# --- outputs of a network --------------------------------------------------------------------------------------------


@contextmanager
def as_files(workspace: Workspace, values: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Each array or table as a file in the workspace while the block works; "" for None, text and paths as they are."""
    workspace.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".given-", dir=workspace.root) as folder:
        yield {name: _as_file(Path(folder) / name, value) for name, value in values.items()}


def in_memory(values: Iterable[Any]) -> bool:
    """Whether any of what is given is neither a file nor a text, so that its file goes with the block."""
    return any(value is not None and not isinstance(value, str | os.PathLike) for value in values)


def _as_file(path: Path, value: Any) -> str:
    if value is None:
        return ""
    if not in_memory([value]):
        return os.fspath(value)
    if isinstance(value, pd.DataFrame):
        file = path.with_suffix(".parquet")
        write_parquet(file, table_of_frame(value, path.name))
        return str(file)
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.dtype.kind not in "fiub":
        raise CurateError(f"{path.name} holds {array.dtype} values: give an array of numbers")
    file = path.with_suffix(".npy")
    np.save(file, array)
    return str(file)
