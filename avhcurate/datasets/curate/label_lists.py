"""What every image is labelled as in a file, so that another list of labels can be compared with it."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.datasets.curate.label_files import EXCLUDED, label_column, no_file, read_label_table
from avhcurate.datasets.sources.tool_files import SUFFIXES, images_of_tool
from avhcurate.errors import CurateError
from avhcurate.people.files.sheet import ID_COLUMNS, SAMPLE_COLUMNS
from avhcurate.workspace.disk.columns import declared_classes, listed, plain_cells, plain_values
from avhcurate.workspace.disk.tabular import table_of_frame

_PATHS = [name for name in SAMPLE_COLUMNS if name not in ID_COLUMNS]


@dataclass(frozen=True)
class LabelList:
    """The labels of images: `rows` with `path` or `id` or both, as text, `label`, "" for none, and `excluded`.

    `classes` are names by class index, () where they are not known.
    """

    title: str
    rows: pd.DataFrame
    classes: tuple[str, ...] = ()


def read_label_list(source: Path | pd.DataFrame) -> LabelList:
    """Return the labels of a file or DataFrame, in the forms and columns of `relabel_from`.

    A column `excluded` of truths says which images are excluded. Raise CurateError for a table without a column of
    labels, or without one that names the images.
    """
    if isinstance(source, pd.DataFrame):
        return _listed(table_of_frame(source, "the table"), "the table")
    if not source.is_file():
        raise no_file(source)
    if source.suffix.casefold() in SUFFIXES:
        images, _ = images_of_tool(source)
        texts = {"path": images["named"].fillna(images["path"]), "label": images["label"]}
        return LabelList(source.name, pd.DataFrame(texts, dtype="str").fillna("").assign(excluded=False))
    return _listed(read_label_table(source), source.name)


def _listed(rows: pa.Table, title: str) -> LabelList:
    labels = label_column(rows, title)
    columns = {"label": _texts(plain_values(rows[labels]))}
    for name, titles in (("path", _PATHS), ("id", ["id"])):
        if names := [title for title in titles if title in rows.column_names]:
            columns[name] = _texts(rows[names[0]])
    if len(columns) == 1:
        raise CurateError(f"{title} has no column path or id. Its columns are {listed(rows.column_names)}.")
    frame = pd.DataFrame(columns)
    frame["excluded"] = False
    if EXCLUDED in rows.column_names:
        truths = plain_values(rows[EXCLUDED])
        if pa.types.is_boolean(truths.type):
            frame["excluded"] = truths.fill_null(False).to_numpy()
    return LabelList(title, frame, tuple(declared_classes(rows.schema, labels) or ()))


def _texts(column: pa.ChunkedArray) -> pd.Series:
    """Return a column as text, "" where nothing is; 3.0 is 3, as a column of whole numbers with gaps is written."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
        if pc.all(pc.equal(column, pc.floor(column))).as_py():
            column = column.cast(pa.int64(), safe=False)
    texts = pc.fill_null(plain_cells(pc.utf8_trim_whitespace(column.cast(pa.string()))), "")
    return pd.Series(texts.to_pandas(), dtype="str")
