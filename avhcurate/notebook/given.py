"""Sources that lie in memory (arrays, DataFrames, Hugging Face datasets), as files that an import can read."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image

from avhcurate.data.workspace import Workspace
from avhcurate.disk.columns import listed
from avhcurate.disk.files import replacing, sha256, temporary_name, write_parquet, write_tables
from avhcurate.disk.image_parquet import IMAGE
from avhcurate.disk.tabular import table_of_frame
from avhcurate.errors import CurateError
from avhcurate.images.decoding import encode_png
from avhcurate.sources.hf_parquet import write_hugging_face
from avhcurate.sources.service import import_dataset

#: Images in memory at once while they are encoded.
_ROWS = 500
_FORMS = "a folder or file, a pandas DataFrame, uint8 images (N, H, W) or (N, H, W, 3), or a Hugging Face Dataset"


@dataclass(frozen=True)
class GivenSource:
    """What `import_dataset` reads: the place of the source, and what its table cannot say."""

    place: Path | str
    root: Path | None = None
    classes: list[str] | None = None
    image_column: str | None = None
    label_column: str | None = None


def import_given(
    workspace: Workspace,
    name: str,
    source: Any,
    labels: Any = None,
    *,
    split_column: str | None = None,
    force: bool = False,
    **given: Any,
) -> None:
    """Imports what lies in memory or at a place, see `avhcurate.dataset`; `given` goes to `source_of`."""
    workspace.check_new(name)
    found = source_of(workspace, name, source, labels, **given)
    import_dataset(
        workspace,
        name,
        found.place,
        label_column=found.label_column,
        image_column=found.image_column,
        split_column=split_column,
        root=found.root,
        classes=found.classes,
        force=force,
    )


def source_of(
    workspace: Workspace,
    name: str,
    source: Any,
    labels: Any = None,
    *,
    classes: Sequence[str] | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    root: str | os.PathLike[str] | None = None,
) -> GivenSource:
    """A source by its type. What lies in memory is written to the workspace, images as they are or as PNG.

    The same content gives the same file, so that a cell that is run again imports nothing anew.
    """
    names = [str(one) for one in classes] if classes is not None else None
    if labels is not None and (isinstance(source, str | os.PathLike | pd.DataFrame) or _is_hugging_face(source)):
        raise CurateError("labels go with an array of images: elsewhere they are a column, named by label_column")
    columns = {"image_column": image_column, "label_column": label_column}
    if isinstance(source, str | os.PathLike):
        return GivenSource(os.fspath(source), None if root is None else Path(root), names, **columns)
    folder = workspace.downloads / "given"
    if isinstance(source, pd.DataFrame):
        return _of_frame(folder, name, source, names, root, columns)
    if _is_hugging_face(source):
        return GivenSource(
            _write_hugging_face(folder, name, source), None if root is None else Path(root), names, **columns
        )
    images = _images(source)
    others = pa.table({"label": _labels(labels, len(images))} if labels is not None else {})
    place = _write_images(folder, name, images, _numbered(len(images)), others)
    return GivenSource(place, classes=names)


# --- arrays ------------------------------------------------------------------------------------------------------


def _images(source: Any) -> Any:
    """Images one by one, checked: an array (N, H, W) or (N, H, W, C), or a list of images."""
    if isinstance(source, list | tuple):
        if not source:
            raise CurateError("the list of images is empty: give at least one")
        return source
    if not hasattr(source, "__array__"):
        raise CurateError(f"a dataset cannot be made of {type(source).__name__}: give {_FORMS}")
    images = np.asarray(source)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3, 4)) or not len(images):
        turn = (
            "; transpose(0, 2, 3, 1) puts the channels last" if images.ndim == 4 and images.shape[1] in (1, 3) else ""
        )
        raise CurateError(f"the images have shape {images.shape}: give (N, H, W) or (N, H, W, 3){turn}")
    _check_uint8(images)
    return images


def _check_uint8(pixels: np.ndarray) -> None:
    if pixels.dtype != np.uint8:
        raise CurateError(
            f"the images are {pixels.dtype}: give uint8 from 0 to 255, as (255 * images).round().astype('uint8')"
        )


def _labels(labels: Any, images: int) -> pa.Array:
    values = np.asarray(labels)
    if values.shape != (images,):
        raise CurateError(f"the labels have shape {values.shape}, but there are {images} images: give one for each")
    try:
        return pa.array(values.tolist())
    except pa.ArrowException as problem:
        raise CurateError(f"the labels are of several types ({problem}): give integers or names") from problem


def _encoded(image: Any) -> bytes | None:
    """The bytes of one image: as they are, or as PNG."""
    if image is None or isinstance(image, float):  # pandas' missing
        return None
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, dict) and isinstance(image.get("bytes"), bytes):
        return image["bytes"]
    if isinstance(image, Image.Image):
        return encode_png(image, compress_level=3)
    if not hasattr(image, "__array__"):
        raise CurateError(f"an image cannot be a {type(image).__name__}: give bytes, a PIL image or a uint8 array")
    pixels = np.asarray(image)
    _check_uint8(pixels)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and (pixels.ndim != 3 or pixels.shape[2] not in (3, 4)):
        raise CurateError(f"an image has shape {pixels.shape}: give (H, W) or (H, W, 3)")
    return encode_png(Image.fromarray(pixels), compress_level=3)


def _numbered(count: int) -> list[str]:
    """
    >>> _numbered(11)[-1]
    '10.png'
    """
    width = len(str(max(count - 1, 0)))
    return [f"{number:0{width}d}.png" for number in range(count)]


def _write_images(
    folder: Path, name: str, images: Sequence[Any], paths: Sequence[str], others: pa.Table, *, column: str = "image"
) -> Path:
    """Images with their paths and the columns of `others` (N rows, or none) as one Parquet file, a block at a time."""

    def blocks() -> Iterator[pa.Table]:
        for start in range(0, len(paths), _ROWS):
            rows = zip(images[start : start + _ROWS], paths[start : start + _ROWS], strict=True)
            encoded = pa.array([{"bytes": _encoded(image), "path": path} for image, path in rows], IMAGE)
            yield pa.table(
                {column: encoded} | {title: others[title].slice(start, _ROWS) for title in others.column_names}
            )

    def write(place: Path) -> None:
        with replacing(place / "images.parquet") as stream:
            write_tables(stream, blocks(), compression="none")

    return _kept(folder, name, write) / "images.parquet"


def _kept(folder: Path, name: str, write: Callable[[Path], None]) -> Path:
    """The folder NAME-DIGEST that holds what `write` puts into a folder; one that is there already stays."""
    folder.mkdir(parents=True, exist_ok=True)
    making = temporary_name(folder / name)
    making.mkdir()
    try:
        write(making)
        digests = [sha256(file) for file in sorted(making.iterdir())]
        digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
        place = folder / f"{name}-{digest[:24]}"
        if not place.exists():
            making.rename(place)
        return place
    finally:
        shutil.rmtree(making, ignore_errors=True)


# --- DataFrames --------------------------------------------------------------------------------------------------


def _of_frame(
    folder: Path,
    name: str,
    frame: pd.DataFrame,
    classes: list[str] | None,
    root: str | os.PathLike[str] | None,
    columns: dict[str, str | None],
) -> GivenSource:
    """A DataFrame with paths, or with images: bytes, PIL images, arrays or what Hugging Face decodes to."""
    if not len(frame):
        raise CurateError("the DataFrame has no rows: give a row for each image")
    missing = [column for column in columns.values() if column is not None and column not in frame.columns]
    if missing:
        raise CurateError(f"the DataFrame has no column {missing[0]!r}: its columns are {listed(frame.columns)}")
    classes = classes or _categories(frame, columns["label_column"])
    column = columns["image_column"] or _image_column(frame)
    if column is None or not _holds_image(frame[column]):
        table = table_of_frame(frame, "the DataFrame")
        place = _kept(folder, name, lambda place: write_parquet(place / "manifest.parquet", table))
        return GivenSource(place / "manifest.parquet", Path(root or "."), classes, **columns)
    paths = _path_column(frame)
    others = table_of_frame(frame.drop(columns=[column, *([paths] if paths else [])]), "the DataFrame")
    names = frame[paths].astype(str).tolist() if paths else _row_names(frame)
    place = _write_images(folder, name, frame[column].tolist(), names, others, column=column)
    return GivenSource(place, None, classes, column, columns["label_column"])


def _image_column(frame: pd.DataFrame) -> str | None:
    """The column that holds images; None where none does."""
    holding = [name for name in frame.columns if _holds_image(frame[name])]
    if len(holding) > 1:
        raise CurateError(f"several columns hold images: {listed(holding)}; choose one with image_column")
    return holding[0] if holding else None


def _holds_image(column: pd.Series) -> bool:
    if not pd.api.types.is_object_dtype(column):
        return False
    first = next((value for value in column if value is not None and not isinstance(value, float)), None)
    pixels = isinstance(first, np.ndarray) and first.ndim > 1
    wrapped = isinstance(first, dict) and "bytes" in first
    return pixels or wrapped or isinstance(first, bytes | bytearray | Image.Image)


def _path_column(frame: pd.DataFrame) -> str | None:
    """The column that says what each image is called."""
    names = [name for name in ("path", "file_name", "filename") if name in frame.columns]
    return next((name for name in names if frame[name].notna().all() and frame[name].is_unique), None)


def _row_names(frame: pd.DataFrame) -> list[str]:
    """The index where it tells rows apart by more than their number."""
    if isinstance(frame.index, pd.RangeIndex) or not frame.index.is_unique:
        return _numbered(len(frame))
    return frame.index.astype(str).tolist()


def _categories(frame: pd.DataFrame, label_column: str | None) -> list[str] | None:
    """The classes in the order of a categorical column of labels."""
    column = frame.get(label_column or "label")
    if column is None or not isinstance(column.dtype, pd.CategoricalDtype):
        return None
    return [str(name) for name in column.cat.categories]


# --- Hugging Face ------------------------------------------------------------------------------------------------


def _is_hugging_face(source: Any) -> bool:
    return type(source).__module__.split(".")[0] == "datasets"


def _write_hugging_face(folder: Path, name: str, source: Any) -> Path:
    """A Dataset as one Parquet file, a DatasetDict as one a split; images stay encoded as they are."""
    splits = dict(source) if isinstance(source, dict) else {None: source}
    for split in splits.values():
        if not hasattr(split, "to_parquet") or not hasattr(split, "features") or not hasattr(split, "__len__"):
            raise CurateError(f"a {type(split).__name__} cannot be imported: load it without streaming=True")

    def write(place: Path) -> None:
        for number, (split, dataset) in enumerate(splits.items()):
            file = "images.parquet" if split is None else f"{split}-{number:05d}-of-{len(splits):05d}.parquet"
            write_hugging_face(dataset, place / file)

    place = _kept(folder, name, write)
    return place if isinstance(source, dict) else place / "images.parquet"
