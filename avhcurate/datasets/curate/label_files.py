"""Labels corrected elsewhere, taken from a table or from a tool's JSON as one entry of the history."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.datasets.sources.folder import IMAGE_SUFFIXES
from avhcurate.datasets.sources.tool_files import SUFFIXES, images_of_tool
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.errors import CurateError
from avhcurate.people.files.sheet import SAMPLE_COLUMNS
from avhcurate.people.row_matching import match_rows
from avhcurate.workspace.data.class_lists import stored_class
from avhcurate.workspace.data.event import IMPORT_LABELS
from avhcurate.workspace.disk.columns import (
    LABEL_NAMES,
    MISSING,
    NAME_NAMES,
    find_label_column,
    is_text,
    listed,
    plain_cell,
    plain_values,
)
from avhcurate.workspace.disk.files import safe_name
from avhcurate.workspace.disk.tabular import read_json_lines, read_table, table_of_frame

#: Columns of class names and of class indices; the first that the table has counts.
_COLUMNS = ("curated_label_name", "curated_label", "label_name", "label")
#: The column that says which samples are excluded, where a table has it.
EXCLUDED = "excluded"
_NONE = -1
_UNKNOWN = -2


@dataclass(frozen=True)
class LabelCounts:
    """How many rows of a file of labels, or images of a tool's JSON, were used or left out.

    applied: samples with another label than before; same: they had it already. Left out: unknown_path, rows that name
    no sample; unknown_class, labels that are not a class of the dataset; no_label, rows without a label;
    several_classes, images of a JSON file with several classes. by_part: rows that name only a part of the path of
    their sample, as a file name.
    """

    applied: int
    same: int
    unknown_path: int
    unknown_class: int
    no_label: int = 0
    several_classes: int = 0
    by_part: int = 0

    def __str__(self) -> str:
        """
        >>> str(LabelCounts(12, 3, 1, 0))
        '12 applied, 3 same, 1 unknown path'
        """
        counts = {name.replace("_", " "): count for name, count in vars(self).items()}
        return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "applied")


def relabel_from(decisions: Decisions, labels: Path | pd.DataFrame) -> LabelCounts:
    """Relabel samples by a file or DataFrame: one entry of the history, so that one undo takes it back.

    A row names its sample by path (or by its end, where no other sample has the same) or id, and its class by
    `label_name` or by `label` (a name, or an index from 0 where no value is a class); `curated_label_name` and
    `curated_label`, as in our own exports, go before these. JSON of COCO gives an image the category of its
    annotations, of FiftyOne (image classification) its label, of Label Studio the ground truth or else the one choice
    of its annotations. Everything is checked before anything is written; rows without a sample or a class are left out
    and counted. Raise CurateError where no label can be used, or where two rows give one sample different labels.
    """
    several = 0
    paths = decisions.dataset.column("path")
    if isinstance(labels, pd.DataFrame):
        title = "the table"
        rows = table_of_frame(labels, title)
    elif labels.suffix.casefold() in SUFFIXES:
        title = labels.name
        images, several = images_of_tool(labels)
        rows = _rows_of(images[images["label"].notna()], paths.to_pylist())
    elif labels.is_file():
        title = labels.name
        rows = read_label_table(labels)
    else:
        raise no_file(labels)
    codes = _codes(rows, decisions.samples.classes, title)
    samples = {name: rows[name] for name in SAMPLE_COLUMNS if name in rows.column_names}
    if not samples:
        raise CurateError(f"{title} has no column path or id. Its columns are {listed(rows.column_names)}.")
    matches = match_rows(samples, paths)
    ids = matches.ids
    usable = pd.DataFrame({"id": ids, "code": codes})[(ids >= 0) & (codes >= 0)].drop_duplicates()
    repeated = usable["id"][usable["id"].duplicated()]
    if len(repeated):
        name = paths[int(repeated.iloc[0])].as_py()
        raise CurateError(f"{title} gives {repeated.nunique()} images different labels, first {name!r}. Keep one row.")
    curated = decisions.samples.frame(columns=["id", "curated_label"])["curated_label"].fillna(_NONE).to_numpy(np.int64)
    changed = usable[curated[usable["id"]] != usable["code"]]
    counts = LabelCounts(
        applied=len(changed),
        same=len(usable) - len(changed),
        unknown_path=int((ids < 0).sum()),
        unknown_class=int(((codes == _UNKNOWN) & (ids >= 0)).sum()),
        no_label=int(((codes == _NONE) & (ids >= 0)).sum()),
        several_classes=several,
        by_part=matches.by_part,
    )
    if usable.empty:
        raise CurateError(f"{title} changes nothing: {counts}. The classes are {listed(decisions.samples.classes)}.")
    if len(changed):
        decisions.log.annotate(
            decisions.present_id(),
            IMPORT_LABELS,
            title,
            paths.take(pa.array(changed["id"])).to_pylist(),
            labels=[stored_class(code, decisions.own_classes) for code in changed["code"].tolist()],
        )
        decisions.refresh()
    return counts


def no_file(path: Path) -> CurateError:
    """Return the error for a path without a file of labels."""
    return CurateError(
        f"{path} is not a file. Give labels as CSV, Parquet or JSON lines, JSON of COCO, FiftyOne or Label Studio, or "
        "XML of CVAT."
    )


def read_label_table(path: Path) -> pa.Table:
    """Return a table of labels: CSV or Parquet, or of JSON lines (.jsonl) what may name a sample or its label."""
    texts = (*SAMPLE_COLUMNS, *LABEL_NAMES, *NAME_NAMES, *_COLUMNS)
    if path.suffix.casefold() == ".jsonl":
        return read_json_lines(path, (*texts, EXCLUDED))
    return read_table(path, texts=texts)


def label_column(rows: pa.Table, title: str) -> str:
    """Return the column of a table's labels: what people decided goes before what was given, names before indices."""
    name = next((column for column in _COLUMNS if column in rows.column_names), None)
    name = name or find_label_column(pa.schema([field for field in rows.schema if field.name not in SAMPLE_COLUMNS]))
    if name is None:
        raise CurateError(f"{title} has no column label or label_name. Its columns are {listed(rows.column_names)}.")
    return name


def _codes(rows: pa.Table, classes: tuple[str, ...], title: str) -> np.ndarray:
    """Return the class index of each row, _NONE without a label, _UNKNOWN where it is not one of the classes.

    Texts are names, or indices where none of them is a class; a column `curated_label` has indices only.
    """
    name = label_column(rows, title)
    numbers = plain_values(rows[name])
    if is_text(rows[name].type) and name != "curated_label":
        codes = _codes_of_names(rows[name], classes)
        if is_text(numbers.type) or (codes >= 0).any():
            return codes
    try:
        values = numbers.cast(pa.int64()).fill_null(_NONE).to_numpy()
    except pa.ArrowException as problem:
        raise CurateError(f"The labels are neither class names nor whole numbers ({problem}).") from problem
    return np.where(values >= len(classes), _UNKNOWN, np.maximum(values, _NONE))


def _codes_of_names(column: pa.ChunkedArray, classes: tuple[str, ...]) -> np.ndarray:
    """Return class indices of names; a word for a missing value is a label only where a class has that name."""
    codes = dict.fromkeys(("", *MISSING), _NONE) | {text: code for code, text in enumerate(classes)}
    texts = pc.utf8_trim_whitespace(column.cast(pa.string())).to_pandas()
    matches = texts.map(codes)
    # As a CSV of ours writes a name, and a column of whole numbers with gaps.
    for spelled in (texts.map(plain_cell, na_action="ignore"), texts.str.removesuffix(".0")):
        matches = matches.fillna(spelled.map(codes))
    return np.where(texts.isna(), _NONE, matches.fillna(_UNKNOWN)).astype(np.int64)


def exported_stem(path: str, id: int) -> str:
    """Return what an export calls the image of a sample, without its ending.

    >>> exported_stem("cat/a.PNG", 3), exported_stem("train.parquet#5", 5)
    ('a-3', 'train-5')
    """
    return f"{safe_name(PurePosixPath(path.replace(chr(92), '/')).stem)}-{id}"


def _rows_of(images: pd.DataFrame, paths: list[str]) -> pa.Table:
    """Return `path, file_name, label_name` of images with a label.

    Where every file has the name that an export gave it, that says which sample it is; a name without an ending is of
    the only sample so called. A folder `images` of all of them is the file's own, not the dataset's.
    """
    names = images["path"]
    if names.str.startswith("images/").all():
        names = names.str.removeprefix("images/")
    path_of = {exported_stem(path, id): path for id, path in enumerate(paths)}
    stems = names.map(lambda name: PurePosixPath(_bare(name)).name)
    if not stems.isin(path_of).all():
        path_of = {_bare(path): path for path in paths}
        stems = names
        called = Counter(PurePosixPath(path).name for path in path_of)
        path_of |= {name: path for bare, path in path_of.items() if called[name := PurePosixPath(bare).name] == 1}
    columns = {"path": images["named"].fillna(stems.map(path_of)), "file_name": names, "label_name": images["label"]}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _bare(name: str) -> str:
    """Return a path without the ending of an image."""
    suffix = PurePosixPath(name).suffix
    if suffix.casefold() in IMAGE_SUFFIXES:
        return name.removesuffix(suffix)
    return name
