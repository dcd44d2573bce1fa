"""Who gave the answers of a file: a column for each labeler, and one labeler's own file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.errors import CurateError
from avhcurate.people.files.sheet import VoteSheet
from avhcurate.workspace.disk.columns import MISSING, is_text, listed

#: The class that a tick is about, beside the columns of samples.
_TICKED = "class of a tick"


def labeler_columns(table: pa.Table, others: Sequence[str]) -> list[str]:
    """Return the columns of a table that hold the answers of a labeler each: texts or whole numbers that columns share.

    `others` name samples and details. A column with no answer in common with another one, such as notes, is none.

    >>> labeler_columns(pa.table({"path": ["1", "2"], "ann": ["cat", "dog"], "bob": ["dog", "dog"]}), ["path"])
    ['ann', 'bob']
    """
    answers = {}
    for field in table.schema:
        plain = is_text(field.type) or pa.types.is_integer(field.type)
        if plain and field.name not in others:
            texts = _texts(table[field.name]).drop_null().unique().to_pylist()
            answers[field.name] = set(texts)
    return [
        name
        for name, given in answers.items()
        if any(given & theirs for other, theirs in answers.items() if other != name)
    ]


def long_rows(table: pa.Table, columns: Sequence[str], samples: Sequence[str]) -> pa.Table:
    """Return a table with a row for each answer: the columns `samples`, `label`, and `annotator`, the column's name."""
    parts = []
    for name in columns:
        kept = {sample: table[sample] for sample in samples}
        annotator = pa.array([name] * len(table), pa.string())
        parts.append(pa.table(kept | {"label": _texts(table[name]), "annotator": annotator}))
    rows = pa.concat_tables(parts)
    return rows.filter(rows["label"].is_valid())


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return answers as text, null where a cell is empty."""
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.is_in(texts, pa.array(["", *MISSING])), pa.scalar(None, pa.string()), texts)


def signed(sheet: VoteSheet, title: str) -> VoteSheet:
    """Return a sheet whose answers have the name of their file as annotator, where it may be one labeler's.

    That is where no column names one, and no image is answered twice.

    >>> rows = pd.DataFrame({"label": ["cat", "dog"]})
    >>> sheet = VoteSheet({"path": pa.chunked_array([["1.png", "2.png"]])}, answers=rows)
    >>> signed(sheet, "votes/ann.csv").answers["annotator"].tolist()
    ['ann', 'ann']
    """
    answers = sheet.answers
    if answers is None or "annotator" in answers or sheet.controls is not None:
        return sheet
    about = pd.DataFrame({name: column.to_pandas() for name, column in sheet.samples.items()})
    if "class" in answers:
        about[_TICKED] = answers["class"].to_numpy()
    ticked = [name for name in about if name == _TICKED]
    # Whichever column names the images, each is there once.
    if any(about.duplicated([name, *ticked]).any() for name in sheet.samples):
        return sheet
    return replace(sheet, answers=answers.assign(annotator=PurePath(title).stem))


def together(sheets: Sequence[VoteSheet], titles: Sequence[str]) -> VoteSheet:
    """Return the answers of several files as one sheet; one alone stays as it is."""
    if len(sheets) == 1:
        return sheets[0]
    kinds = {sheet.answers is not None and "selected" in sheet.answers for sheet in sheets}
    if len(kinds) > 1 or any(sheet.answers is None for sheet in sheets):
        raise CurateError(
            f"{listed(titles, 5)} are not all of one kind. Give several files of single answers, or one of counts."
        )
    if len({sheet.simulated for sheet in sheets}) > 1:
        raise CurateError(f"{listed(titles, 5)} are in part simulated, which are never mixed with people's votes.")
    controls = [sheet.controls for sheet in sheets if sheet.controls is not None]
    return VoteSheet(
        _columns(sheets),
        answers=pd.concat([sheet.answers for sheet in sheets], ignore_index=True),
        messages=[message for sheet in sheets for message in sheet.messages],
        controls=together(controls, titles) if controls else None,
        simulated=sheets[0].simulated,
    )


def _columns(sheets: Sequence[VoteSheet]) -> dict[str, pa.ChunkedArray]:
    """Return the columns that may name samples, one under another; null where a file lacks one."""
    names = list(dict.fromkeys(name for sheet in sheets for name in sheet.samples))
    columns = {}
    for name in names:
        parts = []
        for sheet in sheets:
            rows = len(next(iter(sheet.samples.values())))
            parts.append(sheet.samples.get(name, pa.chunked_array([pa.nulls(rows)])))
        kinds = {part.type for part in parts if not pa.types.is_null(part.type)}
        kind = kinds.pop() if len(kinds) == 1 else pa.string()
        columns[name] = pa.chunked_array([chunk for part in parts for chunk in part.cast(kind).chunks], kind)
    return columns
