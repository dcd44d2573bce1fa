"""Imports the answers of a file, with annotators, times and controls, into the response log."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError, Option
from avhcurate.people.files import VoteSheet, read_votes
from avhcurate.people.hsf import class_indices, without_blanks
from avhcurate.people.responses import DESIGNS, RESPONSE_COLUMNS, Design, check_responses, ticks_of, votes_of
from avhcurate.people.row_matching import match_samples
from avhcurate.workspace.data.datasets import DatasetFolder

#: Namespace of the names of imported tasks.
_IMPORTED = uuid.UUID("0b9d5a1e-52c4-5f0c-8d57-3f4c1f0e7a66")
#: The reaction time of an answer without one.
UNKNOWN_MS = -1


@dataclass(frozen=True)
class Logged:
    """New answers in the log, their number of annotators, answers that it had already, and messages."""

    answers: int
    annotators: int
    known: int
    messages: list[str]


def responses_of(sheet: VoteSheet, folder: DatasetFolder) -> tuple[pd.DataFrame, list[str]]:
    """Return the answers of a file as responses (`votes.responses`) about samples of a dataset, and messages.

    Rows that match no sample are left out, but for controls, which may be images from elsewhere.
    """
    if sheet.answers is None:
        raise CurateError(
            "The file holds counts and not single answers.",
            fix=f"Attach it with `votes`, without {Option('log', True)}",
        )
    samples = folder.samples(["path", "label"])
    paths = pa.chunked_array([pa.array(samples["path"], pa.string())])
    ids, messages = match_samples(sheet, paths)
    parts = [_named(sheet.answers[ids >= 0].assign(control="none"), folder, samples.iloc[ids[ids >= 0]])]
    if sheet.controls is not None and sheet.controls.answers is not None:
        answers = sheet.controls.answers
        try:
            ids, _ = match_samples(sheet.controls, paths)
        except CurateError:  # none of them is a sample
            ids = np.full(len(answers), -1)
        texts = [column.cast(pa.string()) for column in sheet.controls.samples.values()]
        names = pc.coalesce(*texts, pa.scalar("unknown")).to_pandas().to_numpy(object)
        shown = samples.reindex(ids)
        shown["path"] = np.where(ids >= 0, shown["path"].to_numpy(object), names)
        parts.append(_named(answers, folder, shown))
    responses = pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)
    return check_responses(responses), [*sheet.messages, *messages]


def log_votes(table: DatasetTable, file: Path | str) -> Logged:
    """Write the answers of a file into the log of votes, next to those given in the app, whole or not at all.

    Every answer needs an annotator. An answer that is in the log already is not written twice, so that the same file
    can be read again. Where the file has no time, that of the import holds. Simulated votes are refused.
    """
    sheet = read_votes(Path(file))
    if sheet.simulated:
        raise CurateError(
            f"{file} holds simulated votes, which are never mixed with people's.",
            fix=f"Leave out {Option('log', True)}",
        )
    responses, messages = responses_of(sheet, table.dataset)
    unsigned = int(responses["annotator"].isna().sum())
    if unsigned:
        raise CurateError(
            f"{unsigned} of {len(responses)} answers in {file} have no annotator.",
            fix=f"Leave out {Option('log', True)}",
        )
    counted = responses["control"] != "none"
    counted.loc[votes_of(responses).index] = True
    responses = responses[counted].reset_index(drop=True)
    responses["at"] = responses["at"].fillna(pd.Timestamp(datetime.now(UTC)))
    with table.response_log.transaction(table.present_id()) as log:
        new = sum(
            log.record_all(design, _rows(table.dataset.id, design, responses[responses["design"] == design]))
            for design in DESIGNS
        )
    table.refresh()
    attached = table.dataset.record.votes
    if attached is not None and not attached.simulated:
        messages.append(
            f"{attached.total} votes from {attached.source} are attached as well: if they are the same answers, HSF "
            "counts them twice"
        )
    return Logged(new, int(responses["annotator"].nunique()), len(responses) - new, messages)


def _named(answers: pd.DataFrame, folder: DatasetFolder, samples: pd.DataFrame) -> pd.DataFrame:
    """Return answers about these samples, a row each, with the columns of responses and class names of the dataset."""
    classes = folder.record.classes
    answers = answers.assign(path=samples["path"].to_numpy(object))
    if "selected" not in answers:
        answers = answers.assign(answer=without_blanks(answers["label"], classes), design="classify")
    elif "class" in answers:
        answers = answers.assign(answer=answers["class"], design="select")
    else:
        names = np.array([*classes, None], object)[samples["label"].fillna(-1).to_numpy(np.int64)]
        answers = answers.assign(answer=names, design="select")
    answers = answers[answers["answer"].notna()]
    # Controls may be of other classes.
    for name in {"answer", "expected"} & set(answers):
        texts = without_blanks(answers[name], classes)
        if name == "answer" and (answers["control"] == "none").all():
            answers[name] = np.array(classes, object)[class_indices(texts, classes)]
        elif not texts.astype(str).isin(classes).any():
            numbers = {str(number): label for number, label in enumerate(classes)}
            answers[name] = texts.astype(str).replace(numbers).where(texts.notna())
    return answers.reindex(columns=list(RESPONSE_COLUMNS))


def _rows(naming: str, design: Design, responses: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows of the log for responses of a design, those of a task together, oldest task first.

    A grid is a task, a single image is one of its own; their names follow from what they hold, and from `naming`.
    """
    responses = responses.reset_index(drop=True)
    select = design == "select"
    about = [responses["path"], responses["control"]]
    if select:  # without tasks, what an annotator said about a class is one
        about = [responses["answer"]]
    task = responses["task"].astype(object).where(responses["task"].notna(), "")
    parts = [part.astype(str) for part in (responses["annotator"], task, *about)]
    codes, keys = pd.factorize(pd.MultiIndex.from_arrays(parts))
    names = np.array([str(uuid.uuid5(_IMPORTED, "\0".join([naming, design, *key]))) for key in keys], object)
    milliseconds = pd.to_numeric(responses["reaction_ms"]).fillna(UNKNOWN_MS).clip(upper=2**31 - 1)
    rows = responses[["annotator", "path", "answer", "control"]].astype(object)
    rows["task"] = rows["nonce"] = names[codes]
    rows["place"] = rows.groupby(codes).cumcount()
    rows["reaction_ms"] = milliseconds.round().astype(np.int64)
    rows["at"] = responses["at"].astype("datetime64[us, UTC]").astype(np.int64) / 1e6
    rows["selected"] = None
    if select:
        rows["selected"] = ticks_of(responses["selected"]) == 1
    rows["expected"] = responses["expected"].astype(object).where(responses["expected"].notna(), None)
    started = rows.groupby(codes)["at"].transform("min")
    return cast(list[dict[str, Any]], rows.iloc[np.lexsort((codes, started))].to_dict("records"))
