"""Exports votes: every answer that HSF uses, or their counts, as files that this and other tools read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.annotate.annotators import responses
from avhcurate.disk.arrays import create_npy
from avhcurate.disk.files import write_atomic, write_parquet
from avhcurate.disk.json_text import json_text
from avhcurate.disk.provenance import versions
from avhcurate.errors import CurateError
from avhcurate.export.output import atomic_output
from avhcurate.export.text import csv_text, text_file, write_items
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.votes.files.imagenetv2 import hits_of
from avhcurate.votes.files.label_studio import label_config, tasks_of
from avhcurate.votes.responses import RESPONSE_COLUMNS, Design, check_responses, votes_of

#: Answers that are held in memory at once.
_MOST_ANSWERS = 50_000_000
#: Columns of a long file: those of a response, by the names under which it is read again.
_LONG = {
    "classify": {"path": "path", "annotator": "annotator", "answer": "label"},
    "select": {"path": "path", "annotator": "annotator", "answer": "class", "selected": "selected"},
}
_DETAILS = ("control", "expected", "reaction_ms", "task", "at")


def write_votes(table: DatasetTable, format: str, out: Path, *, force: bool = False) -> int:
    """Writes the votes that HSF uses, controls too where the format has a place for them; returns how many.

    A manifest beside the file, `OUT.manifest.json`, says whether the votes are simulated; so does the file itself,
    where it can. An existing file is refused unless `force`. Excluded annotators are left out.
    """
    if format not in FORMATS:
        raise CurateError(f"no format of votes is called {format}: choose from {', '.join(FORMATS)}")
    if table.votes is None:
        raise CurateError(f"dataset {table.dataset.name!r} has no votes to export: import or collect some first")
    with atomic_output(out, folder=False, force=force) as output:
        number, more = FORMATS[format](table, output.path, out.suffix.casefold())
        output.manifest |= describe_votes(table, format, number) | more
    return number


def responses_in_use(table: DatasetTable) -> pd.DataFrame:
    """Every answer behind HSF and the controls of those who gave them, a row each, see `votes.responses`.

    Votes that were imported as counts are answers without an annotator, as many as were counted; ticks among them are
    for the sample's own label.
    """
    assert table.votes is not None
    design: Design = "classify" if table.votes.kind == "k-way" else "select"
    parts = [_attached(table, design)]
    if not table.simulated:
        collected = responses(table, design=design, controls=True)
        parts.append(collected[~collected["excluded"].astype(bool)])
    parts = [check_responses(part) for part in parts if len(part)]
    answers = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    kept = answers["control"] != "none"
    kept.loc[votes_of(answers).index] = True
    return answers[kept].reset_index(drop=True)


def describe_votes(table: DatasetTable, format: str, number: int) -> dict[str, Any]:
    """The manifest of a file of votes."""
    record, votes = table.dataset.record, table.votes
    assert votes is not None
    return {
        "format": format,
        "answers": number,
        "simulated": votes.simulated,
        "dataset": record.name,
        "dataset_fingerprint": record.fingerprint,
        "classes": list(table.counter.classes),
        "votes": votes.model_dump(mode="json"),
        "versions": versions("pyarrow"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _attached(table: DatasetTable, design: Design) -> pd.DataFrame:
    """Imported votes, one row an answer; none where those attached are of another kind than the ones in use."""
    votes, record = table.dataset.votes(), table.dataset.record.votes
    nothing = pd.DataFrame(columns=list(RESPONSE_COLUMNS))
    assert table.votes is not None
    if votes is None or record is None or (record.kind, record.simulated) != (table.votes.kind, table.simulated):
        return nothing
    if record.total > _MOST_ANSWERS:
        raise CurateError(f"{record.total} answers are more than {_MOST_ANSWERS}: export counts instead")
    paths = table.dataset.samples(["path"])["path"].to_numpy(object)
    classes = np.array(table.counter.classes, object)
    if design == "classify":
        counts = np.stack(votes["counts"].to_list())
        rows, labels = np.nonzero(counts)
        times = counts[rows, labels]
        answers = {"path": np.repeat(paths[votes["id"].to_numpy()[rows]], times)}
        answers["answer"] = np.repeat(classes[labels], times)
    else:
        shown, ids = votes["shown"].to_numpy(), votes["id"].to_numpy()
        turn = np.arange(shown.sum()) - np.repeat(np.cumsum(shown) - shown, shown)
        answers = {"path": np.repeat(paths[ids], shown)}
        answers["answer"] = np.repeat(classes[table.dataset.labels()[ids]], shown)
        answers["selected"] = turn < np.repeat(votes["selected"].to_numpy(), shown)
    return pd.DataFrame(answers).assign(design=design)


def _long(table: DatasetTable) -> pd.DataFrame:
    answers = responses_in_use(table)
    names = _LONG[answers["design"].iloc[0]]
    long = answers[list(names)].rename(columns=names)
    rest = answers[list(_DETAILS)].astype({"reaction_ms": "Float64"})
    rest["at"] = pd.to_datetime(rest["at"], utc=True).dt.strftime("%Y-%m-%dT%H:%M:%S.%f%z")
    texts = {str(name): long[name].astype("str") for name in long if name != "selected"}
    return pd.concat([long.assign(**texts), rest], axis=1).assign(simulated=table.simulated)


def _write_csv(table: DatasetTable, path: Path, _: str) -> tuple[int, dict[str, Any]]:
    frame = _long(table)
    write_atomic(path, csv_text(frame))
    return len(frame), {}


def _write_parquet(table: DatasetTable, path: Path, _: str) -> tuple[int, dict[str, Any]]:
    frame = _long(table)
    texts = [name for name in frame if name not in ("selected", "reaction_ms", "simulated")]
    if "selected" in frame:
        frame["selected"] = frame["selected"].astype(bool)
    write_parquet(path, frame.astype(dict.fromkeys(texts, "str")))
    return len(frame), {}


def _write_counts(table: DatasetTable, path: Path, suffix: str) -> tuple[int, dict[str, Any]]:
    """A matrix with a row for every sample in order of id, or a table that names the samples."""
    assert table.votes is not None
    votes = table.vote_counts()
    assert votes is not None
    if suffix == ".npy":
        if table.votes.kind == "tick":
            raise CurateError("ticks have no matrix of counts by class: give --out a name that ends in .parquet")
        shape = (len(table.counter.labels), len(table.counter.classes))
        matrix = create_npy(path, np.int32, shape)
        matrix[votes["id"].to_numpy()] = np.stack(votes["counts"].to_list())
        matrix.flush()
        return int(table.votes.total), {}
    if suffix not in (".parquet", ".pq"):
        raise CurateError("counts are written as .npy (a row for every sample, in order of id) or .parquet")
    paths = table.dataset.samples(["path"])["path"].to_numpy(object)[votes["id"].to_numpy()]
    columns: dict[str, Any] = {"path": pa.array(paths, pa.string())}
    if table.votes.kind == "tick":
        classes = np.array(table.counter.classes, object)
        columns["class"] = pa.array(classes[table.counter.labels[votes["id"].to_numpy()]], pa.string())
        columns |= {name: pa.array(votes[name], pa.int32()) for name in ("selected", "shown")}
    else:
        columns["counts"] = pa.array(votes["counts"].to_list(), pa.list_(pa.int32()))
    columns["simulated"] = pa.array([table.simulated] * len(votes), pa.bool_())
    write_parquet(path, pa.table(columns))
    return int(table.votes.total), {}


def _write_label_studio(table: DatasetTable, path: Path, _: str) -> tuple[int, dict[str, Any]]:
    answers = responses_in_use(table)
    select = answers["design"].iloc[0] == "select"
    with text_file(path) as stream:
        stream.write("[")
        write_items(stream, map(json_text, tasks_of(answers, simulated=table.simulated)))
        stream.write("]\n")
    return len(answers), {"label_config": label_config(() if select else table.counter.classes, select=select)}


def _write_imagenetv2(table: DatasetTable, path: Path, _: str) -> tuple[int, dict[str, Any]]:
    answers = responses_in_use(table)
    if answers["design"].iloc[0] != "select":
        raise CurateError(
            "ImageNetV2's files hold ticks, and these are votes for one of the classes: take another format"
        )
    write_atomic(path, json.dumps(hits_of(answers, simulated=table.simulated)))
    return len(answers), {}


#: What `write_votes` can write: each returns how many answers, and what the manifest says besides.
FORMATS: dict[str, Callable[[DatasetTable, Path, str], tuple[int, dict[str, Any]]]] = {
    "long-csv": _write_csv,
    "long-parquet": _write_parquet,
    "counts": _write_counts,
    "label-studio": _write_label_studio,
    "imagenetv2": _write_imagenetv2,
}
