"""Imports the answers of a file, with annotators, times and controls, into the response log."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.data.datasets import DatasetFolder
from avhcurate.errors import CurateError
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.votes.files import VoteSheet, read_votes
from avhcurate.votes.hsf import class_indices, without_blanks
from avhcurate.votes.responses import DESIGNS, RESPONSE_COLUMNS, Design, check_responses, ticks_of, votes_of
from avhcurate.votes.row_matching import match_samples

#: Namespace of the names of imported tasks.
_IMPORTED = uuid.UUID("0b9d5a1e-52c4-5f0c-8d57-3f4c1f0e7a66")
#: The reaction time of an answer without one.
UNKNOWN_MS = -1


@dataclass(frozen=True)
class Logged:
    """New answers in the log, their number of annotators, answers that it had already, and remarks."""

    answers: int
    annotators: int
    known: int
    messages: list[str]


def responses_of(sheet: VoteSheet, folder: DatasetFolder) -> tuple[pd.DataFrame, list[str]]:
    """The answers of a file as responses (`votes.responses`) about samples of a dataset, and what was left out.

    Rows about no sample are left out, but for controls, which may be images from elsewhere.
    """
    if sheet.answers is None:
        raise CurateError("the file holds counts and not single answers: attach it with `votes`, without --log")
    samples = folder.samples(["path", "label"])
    paths = pa.chunked_array([pa.array(samples["path"], pa.string())])
    ids, messages = match_samples(sheet, paths)
    rows = np.flatnonzero(ids >= 0)
    votes = sheet.answers.iloc[rows].assign(path=samples["path"].to_numpy(object)[ids[rows]], control="none")
    parts = [_named(votes, folder, samples, ids[rows], strict=True)]
    if sheet.controls is not None and sheet.controls.answers is not None:
        places, _ = _match_if_any(sheet.controls, paths)
        names = np.where(places >= 0, samples["path"].to_numpy(object)[places], _first_name(sheet.controls))
        controls = sheet.controls.answers.assign(path=names)
        parts.append(_named(controls, folder, samples, places, strict=False))
    responses = pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)
    return check_responses(responses), [*sheet.messages, *messages]


def log_votes(table: DatasetTable, file: Path | str) -> Logged:
    """Writes the answers of a file into the log of votes, beside those given in the app, whole or not at all.

    Every answer needs an annotator. An answer that is in the log already is not written twice, so that the same file
    can be read again. Where the file says no time, that of the import stands. Simulated votes are refused: they are
    never mixed with people's.
    """
    sheet = read_votes(Path(file))
    if sheet.simulated:
        raise CurateError(f"{file} holds simulated votes, which are never mixed with people's: attach it without --log")
    responses, messages = responses_of(sheet, table.dataset)
    nobody = int(responses["annotator"].isna().sum())
    if nobody:
        raise CurateError(
            f"{nobody} of {len(responses)} answers in {file} have no annotator, so they cannot be told apart: attach "
            "the file without --log"
        )
    standing = responses["control"] != "none"
    standing.loc[votes_of(responses).index] = True
    responses = responses[standing].reset_index(drop=True)
    responses["at"] = responses["at"].fillna(pd.Timestamp(datetime.now(UTC)))
    with table.response_log.transaction(table.present_name()) as log:
        naming = log.naming()
        rows = {name: _rows(naming, name, responses[responses["design"] == name]) for name in DESIGNS}
        new = sum(log.record_all(name, rows[name]) for name in DESIGNS if rows[name])
    table.refresh()
    attached = table.dataset.record.votes
    if attached is not None and not attached.simulated:
        messages.append(
            f"{attached.total} votes from {attached.source} are attached as well: if they are the same answers, HSF "
            "counts them twice"
        )
    return Logged(new, int(responses["annotator"].nunique()), len(responses) - new, messages)


def _match_if_any(sheet: VoteSheet, paths: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """As `match_samples`, where no row need name a sample."""
    try:
        return match_samples(sheet, paths)
    except CurateError:
        return np.full(len(next(iter(sheet.samples.values()))), -1, np.int64), []


def _named(
    answers: pd.DataFrame, folder: DatasetFolder, samples: pd.DataFrame, ids: np.ndarray, *, strict: bool
) -> pd.DataFrame:
    """Answers with the columns of responses and class names of the dataset in them."""
    classes = folder.record.classes
    if "selected" in answers:
        design = "select"
        if "class" not in answers:
            labels = samples["label"].fillna(-1).to_numpy(np.int64)[ids]
            answers = answers.assign(**{"class": np.array([*classes, None], object)[labels]})[labels >= 0]
        answer = answers["class"]
    else:
        design = "classify"
        answer = without_blanks(answers["label"], classes)
    answers = answers[answer.notna().to_numpy()]
    answer = answer.dropna()
    named = np.array(classes, object)[class_indices(answer, classes)] if strict else _class_names(answer, classes)
    table = answers.assign(answer=named, design=design)
    if "expected" in table:
        table["expected"] = _class_names(without_blanks(table["expected"], classes), classes)
    return table.reindex(columns=list(RESPONSE_COLUMNS))


def _class_names(values: pd.Series, classes: list[str]) -> np.ndarray:
    """Class names, by index when no value is a class name; other values stay as they are."""
    texts = [None if pd.isna(value) else str(value) for value in values]
    names: dict[str, str] = {}
    if not set(classes) & set(texts):
        names = {str(index): str(name) for index, name in enumerate(classes)}
    return np.array([None if text is None else names.get(text, text) for text in texts], object)


def _first_name(sheet: VoteSheet) -> np.ndarray:
    """The name of each row's image in the first column that has one."""
    columns = [np.array(values.cast(pa.string()).to_pylist(), object) for values in sheet.samples.values()]
    names = columns[0]
    for column in columns[1:]:
        names = np.where(pd.isna(names), column, names)
    return np.where(pd.isna(names), "unknown", names)


def _rows(naming: str, design: Design, responses: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the log, those of a task one after the other, oldest task first.

    A grid is a task, a single image is one of its own; their names follow from what they hold, and from `naming`.
    """
    given = responses["task"].astype("str").fillna("")
    if design == "select":
        # Without tasks, what an annotator said about a class is one.
        parts = [responses["annotator"], given, responses["answer"]]
    else:
        parts = [responses["annotator"], given, responses["path"], responses["control"]]
    keys = pd.MultiIndex.from_arrays([part.astype("str") for part in parts])
    codes, unique = pd.factorize(keys)
    names = [str(uuid.uuid5(_IMPORTED, "\0".join([naming, design, *key]))) for key in unique]
    at = responses["at"].astype("datetime64[us, UTC]").astype(np.int64).to_numpy() / 1e6
    started = pd.Series(at).groupby(codes).transform("min").to_numpy()
    milliseconds = pd.to_numeric(responses["reaction_ms"]).fillna(UNKNOWN_MS).clip(upper=2**31 - 1)
    nothing = responses["expected"].isna()
    columns: dict[str, list[Any]] = {
        "annotator": responses["annotator"].astype(str).to_list(),
        "task": np.array(names, object)[codes].tolist(),
        "place": pd.Series(codes).groupby(codes).cumcount().to_list(),
        "reaction_ms": milliseconds.round().astype(np.int64).to_list(),
        "at": at.tolist(),
        "path": responses["path"].to_list(),
        "answer": responses["answer"].to_list(),
        "selected": (ticks_of(responses["selected"]) == 1).tolist() if design == "select" else [None] * len(responses),
        "control": responses["control"].to_list(),
        "expected": responses["expected"].astype(object).where(~nothing, None).to_list(),
    }
    columns["nonce"] = columns["task"]
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [rows[place] for place in np.lexsort((codes, started))]
