"""Labels corrected elsewhere, taken from a table or a COCO file as one entry of the history."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from avhcurate.curate.annotations import user
from avhcurate.data.annotation_log import IMPORT_LABELS
from avhcurate.disk.columns import LABEL_NAMES, MISSING, find_label_column, is_text, listed, plain_values
from avhcurate.disk.formulas import plain_cell
from avhcurate.disk.tabular import read_table, table_of_frame
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.votes.files.label_studio import read_json
from avhcurate.votes.files.sheet import SAMPLE_COLUMNS
from avhcurate.votes.row_matching import BY_END, BY_NAME, match_rows

#: Columns of labels, the first pair of which the table has any: class names, and class indices.
_PAIRS = (("curated_label_name", "curated_label"), ("label_name", "label"))
#: Columns of a CSV that are text whatever they look like.
_TEXTS = (*SAMPLE_COLUMNS, *LABEL_NAMES, *(name for pair in _PAIRS for name in pair))
_NONE, _UNKNOWN = -1, -2


@dataclass(frozen=True)
class LabelCounts:
    """What became of the rows of a file of labels; one count a row, or an image of a COCO file.

    applied: samples with another label than before; same: they had it already. Left out: unknown_path, rows that name
    no sample; unknown_class, labels that are no class of the dataset; no_label, rows without a label; several_classes,
    images of a COCO file with annotations of several classes. by_end, by_file_name: rows whose path ends as that of
    their sample, or which give no more than a file name.
    """

    applied: int
    same: int
    unknown_path: int
    unknown_class: int
    no_label: int = 0
    several_classes: int = 0
    by_end: int = 0
    by_file_name: int = 0

    def __str__(self) -> str:
        """
        >>> str(LabelCounts(12, 3, 1, 0))
        '12 applied, 3 the same already, 1 with an unknown path, 0 of an unknown class'
        """
        parts = [
            f"{self.applied} applied",
            f"{self.same} the same already",
            f"{self.unknown_path} with an unknown path",
            f"{self.unknown_class} of an unknown class",
            *([f"{self.no_label} without a label"] if self.no_label else []),
            *([f"{self.several_classes} of several classes"] if self.several_classes else []),
            *([f"{self.by_end} matched by the end of their path"] if self.by_end else []),
            *([f"{self.by_file_name} matched by file name alone"] if self.by_file_name else []),
        ]
        return ", ".join(parts)


def relabel_from(table: DatasetTable, labels: Path | pd.DataFrame, *, who: str = "") -> LabelCounts:
    """Relabels samples as a file or DataFrame says: one entry of the history, so that one undo takes it back.

    A row names its sample by path (or so much of its end as no other has) or id, and its class by `label_name` or by
    `label` (a name, or an index from 0 where no value is a class); `curated_label_name` and `curated_label`, as our own
    exports have them, go before these. A COCO file (.json) gives an image the category of its annotations. Everything
    is checked before anything is written; rows that name no sample or no class are left out and counted. Raises
    CurateError where no row names a sample, where two rows give one sample different labels, and where no label can be
    used.
    """
    if isinstance(labels, pd.DataFrame):
        rows, title, several = table_of_frame(labels, "the table"), "the table", 0
    else:
        rows, several = _read(labels)
        title = labels.name
    if not len(rows):
        raise CurateError(f"{title} gives no label: each row should name a sample and its class")
    codes = _codes(rows, table.classes, title)
    paths = pq.read_table(table.dataset.samples_path, columns=["path"])["path"]
    samples = {name: rows[name] for name in SAMPLE_COLUMNS if name in rows.column_names}
    if not samples:
        raise CurateError(f"{title} names no samples: its columns are {listed(rows.column_names)}; call one path or id")
    matches = match_rows(samples, paths)
    ids = matches.ids
    usable = (ids >= 0) & (codes >= 0)
    _refuse_contradictions(ids[usable], codes[usable], paths, title)
    chosen, first = np.unique(ids[usable], return_index=True)
    new = codes[usable][first]
    curated = table.frame(columns=["id", "curated_label"])["curated_label"].fillna(_NONE).to_numpy(np.int64)
    changed = curated[chosen] != new
    counts = LabelCounts(
        applied=int(changed.sum()),
        same=int((~changed).sum()),
        unknown_path=int((ids < 0).sum()),
        unknown_class=int(((codes == _UNKNOWN) & (ids >= 0)).sum()),
        no_label=int(((codes == _NONE) & (ids >= 0)).sum()),
        several_classes=several,
        by_end=matches.count(BY_END),
        by_file_name=matches.count(BY_NAME),
    )
    if not len(chosen):
        raise CurateError(f"{title} changes nothing: {counts}. The classes are {listed(table.classes)}")
    if changed.any():
        changed_paths = paths.take(pa.array(chosen[changed])).to_pylist()
        table.log.append(
            table.present_name(),
            IMPORT_LABELS,
            title,
            changed_paths,
            labels=new[changed].tolist(),
            who=who or user(),
            classes=table.class_lists,
        )
        table.refresh()
    return counts


def _refuse_contradictions(ids: np.ndarray, codes: np.ndarray, paths: pa.ChunkedArray, title: str) -> None:
    """Raises CurateError where rows give one sample different labels."""
    pairs = np.unique(np.stack([ids, codes], axis=1), axis=0)
    repeated = pairs[1:, 0][pairs[1:, 0] == pairs[:-1, 0]]
    if len(repeated):
        name = paths[int(repeated[0])].as_py()
        raise CurateError(
            f"{title} gives {len(np.unique(repeated))} samples different labels in different rows, first {name!r}: "
            "keep one row a sample"
        )


# --- tables ------------------------------------------------------------------------------------------------------


def _read(file: Path) -> tuple[pa.Table, int]:
    """The rows of a file, and how many images were left out because they have annotations of several classes."""
    if not file.is_file():
        raise CurateError(f"{file} is not a file: give a CSV or Parquet table of labels, or COCO JSON")
    if file.suffix.casefold() == ".json":
        return _rows_of_coco(read_json(file), file.name)
    return read_table(file, texts=_TEXTS), 0


def _codes(rows: pa.Table, classes: tuple[str, ...], title: str) -> np.ndarray:
    """Class index of each row, _NONE without a label, _UNKNOWN where it is none of the classes."""
    pair = next((pair for pair in _PAIRS if set(pair) & set(rows.column_names)), None)
    if pair is None:
        others = pa.schema([field for field in rows.schema if field.name not in SAMPLE_COLUMNS])
        column = find_label_column(others)
        if column is None:
            raise CurateError(
                f"{title} gives no labels: its columns are {listed(rows.column_names)}; call one label or label_name"
            )
        return _codes_of(rows[column], classes, column)
    name, number = pair
    if number == "label" and name not in rows.column_names:
        return _codes_of(rows[number], classes, number)
    # Beside names, and in an export of ours, numbers are indices, also where classes are called 1, 2 and so on.
    numbers = plain_values(rows[number]) if number in rows.column_names else None
    if name not in rows.column_names:
        return _codes_of(numbers, classes, number)
    by_name = _codes_of_names(rows[name], classes)
    if numbers is None:
        return by_name
    by_number = _codes_of(numbers, classes, number)
    differ = np.flatnonzero((by_name != by_number) & (by_name != _NONE) & (by_number != _NONE))
    if len(differ):
        row = int(differ[0])
        said = f"{name} {rows[name][row].as_py()!r} and {number} {numbers[row].as_py()!r}"
        raise CurateError(f"row {row + 1} of {title} says {said}, which are two classes: keep one of the columns")
    return np.where(by_name == _NONE, by_number, by_name)


def _codes_of(column: pa.ChunkedArray, classes: tuple[str, ...], name: str) -> np.ndarray:
    """Class indices of names or of numbers; texts are names, or numbers where none of them is a class."""
    if is_text(column.type):
        codes, numbers = _codes_of_names(column, classes), plain_values(column)
        if is_text(numbers.type) or (codes >= 0).any():
            return codes
        column = numbers
    try:
        numbers = column.cast(pa.int64()).fill_null(_NONE).to_numpy()
    except pa.ArrowException as problem:
        raise CurateError(f"column {name!r} holds neither class names nor whole numbers ({problem})") from problem
    return np.where(numbers >= len(classes), _UNKNOWN, np.where(numbers < 0, _NONE, numbers))


def _codes_of_names(column: pa.ChunkedArray, classes: tuple[str, ...]) -> np.ndarray:
    """Class indices of names; NaN as programs write it for none is one only where a class is called so."""
    codes = dict.fromkeys(("", *MISSING), _NONE) | {text: code for code, text in enumerate(classes)}
    rows, texts = pd.factorize(pc.utf8_trim_whitespace(column.cast(pa.string())).to_pandas())
    return np.array([*(_code(text, codes) for text in texts), _NONE], np.int64)[rows]  # row -1 for a missing one


def _code(text: str, codes: dict[str, int]) -> int:
    """The class of a name, as a CSV of ours may write it too, or as a column of whole numbers with gaps does."""
    spellings = (text, plain_cell(text), text.removesuffix(".0"))
    return next((codes[name] for name in spellings if name in codes), _UNKNOWN)


# --- COCO --------------------------------------------------------------------------------------------------------


def _rows_of_coco(content: Any, title: str) -> tuple[pa.Table, int]:
    """`path, file_name, label_name` of the images that have annotations of one category; how many have several.

    A folder `images` of all of them is the file's own, not the dataset's.
    """
    try:
        categories = {category["id"]: str(category["name"]) for category in content["categories"]}
        said: dict[Any, set[str]] = {}
        for annotation in content["annotations"]:
            said.setdefault(annotation["image_id"], set()).add(categories[annotation["category_id"]])
        images = [image for image in content["images"] if len(said.get(image["id"], ())) == 1]
        names = [str(image["file_name"]).replace("\\", "/") for image in images]
        if all(name.startswith("images/") for name in names):
            names = [name.removeprefix("images/") for name in names]
        rows = [(_own_path(image), name, *said[image["id"]]) for image, name in zip(images, names, strict=True)]
    except (KeyError, TypeError) as problem:
        raise CurateError(
            f"{title} is no COCO file ({problem!r} is missing or no list): it has images, annotations and categories"
        ) from problem
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    kinds = dict(zip(("path", "file_name", "label_name"), columns, strict=True))
    table = pa.table({name: pa.array(values, pa.string()) for name, values in kinds.items()})
    return table, sum(len(several) > 1 for several in said.values())


def _own_path(image: Mapping[str, Any]) -> str | None:
    """The sample's path where the file is an export of ours, which names images otherwise."""
    attributes = image.get("attributes")
    return attributes.get("path") if isinstance(attributes, dict) else None
