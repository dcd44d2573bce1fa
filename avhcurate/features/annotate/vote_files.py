"""Votes as files: every answer that HSF uses, or their counts, out; and the answers of a file into the log."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from avhcurate.datasets.export import service
from avhcurate.datasets.export.output import atomic_output
from avhcurate.datasets.export.text import csv_text
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Option
from avhcurate.features.annotate.annotator_matrix import CLEANLAB, write_annotators
from avhcurate.features.annotate.annotators import responses
from avhcurate.people.files import VoteSheet, read_vote_files
from avhcurate.people.hsf import class_indices, without_blanks
from avhcurate.people.hsf_source import DESIGN_OF
from avhcurate.people.responses import DESIGNS, RESPONSE_COLUMNS, Design, check_responses, ticks_of, votes_of
from avhcurate.people.row_matching import match_samples
from avhcurate.people.votes_first import add_classes, classes_to_add, label_by_votes
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.files import write_atomic, write_parquet
from avhcurate.workspace.disk.provenance import versions

#: What `write_votes` writes, by how the file ends; standard output has no ending.
FORMATS = {".csv": "every answer", ".parquet": "counts", "": "every answer"}
#: The formats of `export` that have votes, or HSF.
LABEL_STUDIO = "label-studio"
OF_EXPORT = (LABEL_STUDIO, "fiftyone")
#: Answers that are held in memory at once.
_MOST_ANSWERS = 50_000_000
#: Columns of a long file in their order; the answer is called label or class, the names that are read again.
_LONG = ("path", "annotator", "answer", "selected", "control", "expected", "reaction_ms", "task", "at")
#: Namespace of the names of imported tasks.
_IMPORTED = uuid.UUID("0b9d5a1e-52c4-5f0c-8d57-3f4c1f0e7a66")
#: The reaction time of an answer without one.
UNKNOWN_MS = -1


def votes_out(opened: OpenDataset, out: Path, format: str | None = None, *, force: bool = False) -> int:
    """Write the votes as `write_votes` does; return how many.

    `format` may also be label-studio or fiftyone, what `export` writes of the samples with votes: a folder with their
    images, votes or HSF, and curated labels. Then the number is that of the samples. cleanlab is a folder as well, see
    `annotator_matrix`.
    """
    if format == CLEANLAB:
        return write_annotators(opened, out, force=force)
    if format in OF_EXPORT and opened.samples.votes is not None:
        return service.export(opened, Filters(excluded=None, where="votes > 0"), format, out, force=force)
    return write_votes(opened.samples, opened.votes, out, format, force=force)


def write_votes(
    samples: SampleTable, votes: Votes, out: Path, format: str | None = None, *, force: bool = False
) -> int:
    """Write the votes that HSF uses, every answer with controls or counts by the ending of `out`; return how many.

    `format`: csv or parquet, whatever the ending is. A manifest next to the file, `OUT.manifest.json`, says whether the
    votes are simulated; so does the file itself, where it can. An existing file is refused unless `force`. Excluded
    annotators are left out.
    """
    record = samples.votes
    if record is None:
        raise CurateError(f"Dataset {samples.name!r} has no votes to export. Import or collect some first.")
    ending, unknown = out.suffix.casefold(), f"The name {out.name} does not say its format."
    if format is not None:
        ending, unknown = f".{format}", f"Votes are not written as {format}."
    kind = FORMATS.get(ending)
    if kind is None:
        raise CurateError(
            unknown,
            fix="End it with .csv for every answer or .parquet for counts, or give csv, parquet, label-studio, "
            f"fiftyone or cleanlab by {Option('format')}",
        )
    with atomic_output(out, folder=False, force=force) as (path, manifest):
        if kind == "counts":
            number = record.total
            _write_counts(samples, votes, path)
        else:
            answers = responses_in_use(votes)
            number = len(answers)
            _write_answers(answers, path, simulated=record.simulated)
        manifest |= {
            "format": kind,
            "answers": number,
            "simulated": record.simulated,
            "dataset": votes.dataset.record.name,
            "dataset_fingerprint": votes.dataset.record.fingerprint,
            "classes": list(votes.classes),
            "votes": record.model_dump(mode="json"),
            "versions": versions("pyarrow"),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
    return number


def responses_in_use(votes: Votes) -> pd.DataFrame:
    """Return every answer behind HSF and the controls of those who gave them, a row each, see `votes.responses`.

    Votes that were imported as counts are answers without an annotator, as many as were counted.
    """
    source = votes.source
    parts = []
    if source.imported:
        parts.append(_attached(votes))
    if source.collected:
        collected = responses(votes, design=DESIGN_OF[source.key], controls=True)
        parts.append(collected[~collected["excluded"]])
    answers = pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)
    return _votes_and_controls(check_responses(answers))


def _votes_and_controls(answers: pd.DataFrame) -> pd.DataFrame:
    counted = answers["control"] != "none"
    counted.loc[votes_of(answers).index] = True
    return answers[counted].reset_index(drop=True)


def _attached(votes: Votes) -> pd.DataFrame:
    """Return imported votes, a row per answer; ticks are for the sample's own label."""
    attached = votes.dataset.votes()
    record = votes.dataset.record.votes
    assert attached is not None
    assert record is not None
    if record.total > _MOST_ANSWERS:
        raise CurateError(f"There are {record.total} answers, more than {_MOST_ANSWERS}. Export counts instead.")
    paths = votes.dataset.samples(["path"])["path"].to_numpy(object)
    classes = np.array(votes.classes, object)
    ids = attached["id"].to_numpy()
    if record.kind == "k-way":
        counts = np.stack(attached["counts"].to_list())
        rows, labels = np.nonzero(counts)
        answers = pd.DataFrame({"path": paths[ids[rows]], "answer": classes[labels], "design": "classify"})
        return answers.loc[answers.index.repeat(counts[rows, labels])]
    answers = pd.DataFrame({"path": paths[ids], "answer": classes[votes.labels[ids]], "design": "select"})
    answers = answers.loc[answers.index.repeat(attached["shown"])]
    turn = answers.groupby(level=0).cumcount().to_numpy()
    return answers.assign(selected=turn < attached["selected"].reindex(answers.index).to_numpy())


def _write_answers(answers: pd.DataFrame, path: Path, *, simulated: bool) -> None:
    """Write single answers, a row each."""
    long = answers[list(_LONG)]
    name = "class"
    if answers["design"].iloc[0] == "classify":
        name = "label"
        long = long.drop(columns="selected")
    long = long.rename(columns={"answer": name})
    long["at"] = long["at"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f%z")
    kinds = {"reaction_ms": "Float64", "selected": "bool"}
    long = long.astype({column: kinds.get(str(column), "str") for column in long}).assign(simulated=simulated)
    write_atomic(path, csv_text(long))


def _write_counts(samples: SampleTable, votes: Votes, path: Path) -> None:
    """Write a table of counts that names the samples."""
    rows = votes.by_sample()
    assert rows is not None
    ids = rows["id"].to_numpy()
    columns: dict[str, Any] = {"path": pa.array(votes.dataset.samples(["path"])["path"].iloc[ids], pa.string())}
    if "counts" in rows:
        columns["counts"] = pa.array(rows["counts"].to_list(), pa.list_(pa.int32()))
    else:
        columns["class"] = pa.array(np.array(votes.classes, object)[votes.labels[ids]], pa.string())
        columns |= {name: pa.array(rows[name], pa.int32()) for name in ("selected", "shown")}
    write_parquet(path, pa.table(columns | {"simulated": pa.array([samples.simulated] * len(ids))}))


# --- in -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Logged:
    """New answers in the log, their number of annotators, answers that it had already, and messages."""

    answers: int
    annotators: int
    known: int
    messages: list[str]


def responses_of(sheet: VoteSheet, folder: DatasetFolder, added: Sequence[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """Return the answers of a file as responses (`votes.responses`) about samples of a dataset, and messages.

    Rows that match no sample are left out, but for controls, which may be images from elsewhere. added: classes that
    the dataset is about to have more.
    """
    classes = [*folder.record.classes, *added]
    if sheet.answers is None:
        raise CurateError(
            "The file holds counts and not single answers.",
            fix=f"Attach it with `votes`, without {Option('log', True)}",
        )
    samples = folder.samples(["path", "label"])
    paths = pa.chunked_array([pa.array(samples["path"], pa.string())])
    ids, messages = match_samples(sheet, paths)
    parts = [_named(sheet.answers[ids >= 0].assign(control="none"), classes, samples.iloc[ids[ids >= 0]])]
    if sheet.controls is not None and sheet.controls.answers is not None:
        answers = sheet.controls.answers
        try:
            ids, _ = match_samples(sheet.controls, paths)
        except CurateError:  # none of them is a sample
            ids = np.full(len(answers), -1)
        texts = [column.cast(pa.string()) for column in sheet.controls.samples.values()]
        names = pc.coalesce(*texts, "unknown").to_pandas().to_numpy(object)
        shown = samples.reindex(ids)
        shown["path"] = np.where(ids >= 0, shown["path"].to_numpy(object), names)
        parts.append(_named(answers, classes, shown))
    answers = pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)
    return check_responses(answers), [*sheet.messages, *messages]


def log_votes(votes: Votes, *files: Path | str, classes: Sequence[str] = ()) -> Logged:
    """Write the answers of files into the log of votes, next to those given in the app, whole or not at all.

    Every answer needs an annotator: a file that is one labeler's has its name. An answer that is in the log already is
    not written twice, so that the same file can be read again. Where a file has no time, that of the import holds.
    Simulated votes are refused. Images that came without labels are labelled by the votes, and `classes` are those
    that these may name, by default what is answered; the dataset is to be opened again then.
    """
    titles = listed([Path(file).name for file in files], 5)
    sheet = read_vote_files([Path(file) for file in files])
    if sheet.simulated:
        raise CurateError(
            f"{titles} holds simulated votes, which are never mixed with people's.",
            fix=f"Leave out {Option('log', True)}",
        )
    added, sheet = classes_to_add(votes.dataset, sheet, classes)
    answers, messages = responses_of(sheet, votes.dataset, added)
    unsigned = int(answers["annotator"].isna().sum())
    if unsigned:
        raise CurateError(
            f"{unsigned} of {len(answers)} answers in {titles} have no annotator.",
            fix=f"Leave out {Option('log', True)}",
        )
    answers = _votes_and_controls(answers)
    answers["at"] = answers["at"].fillna(pd.Timestamp(datetime.now(UTC)))
    folder = votes.dataset
    number = votes.present_id()
    workspace = Workspace(folder.root.parents[1])
    with workspace.lock(folder.name):
        messages += add_classes(folder, added, sheet)
    with votes.log.transaction(number) as log:
        new = sum(
            log.record_all(design, _rows(votes.dataset.id, design, answers[answers["design"] == design]))
            for design in DESIGNS
        )
    if not added:
        votes.refresh()
    attached = votes.dataset.record.votes
    if attached is not None and not attached.simulated:
        messages.append(
            f"{attached.total} votes from {attached.source} are attached as well: if they are the same answers, HSF "
            "counts them twice"
        )
    with workspace.lock(folder.name):
        if labelled := label_by_votes(folder):
            messages.append(str(labelled))
    return Logged(new, int(answers["annotator"].nunique()), len(answers) - new, messages)


def _named(answers: pd.DataFrame, classes: Sequence[str], samples: pd.DataFrame) -> pd.DataFrame:
    """Return answers about these samples, a row each, with the columns of responses and class names of the dataset."""
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


def _rows(naming: str, design: Design, answers: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows of the log for answers of a design, those of a task together, oldest task first.

    A grid is a task, a single image is one of its own; their names follow from what they hold, and from `naming`.
    """
    answers = answers.reset_index(drop=True)
    select = design == "select"
    question = [answers["path"], answers["control"]]
    if select:  # without tasks, what an annotator said about a class is one
        question = [answers["answer"]]
    task = answers["task"].astype(object).fillna("")
    parts = [part.astype(str) for part in (answers["annotator"], task, *question)]
    codes, keys = pd.factorize(pd.MultiIndex.from_arrays(parts))
    names = np.array([str(uuid.uuid5(_IMPORTED, "\0".join([naming, design, *key]))) for key in keys], object)
    milliseconds = pd.to_numeric(answers["reaction_ms"]).fillna(UNKNOWN_MS).clip(upper=2**31 - 1)
    rows = answers[["annotator", "path", "answer", "control"]].astype(object)
    rows["task"] = rows["nonce"] = names[codes]
    rows["place"] = rows.groupby(codes).cumcount()
    rows["reaction_ms"] = milliseconds.round().astype(np.int64)
    rows["at"] = answers["at"].astype("datetime64[us, UTC]").astype(np.int64) / 1e6
    rows["selected"] = None
    if select:
        rows["selected"] = ticks_of(answers["selected"]) == 1
    rows["expected"] = answers["expected"].astype(object).where(answers["expected"].notna(), None)
    started = rows.groupby(codes)["at"].transform("min")
    return cast(list[dict[str, Any]], rows.iloc[np.lexsort((codes, started))].to_dict("records"))
