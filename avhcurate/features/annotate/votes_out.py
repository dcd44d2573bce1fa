"""Exports votes: every answer that HSF uses, or their counts, as files that this and other tools read."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.export.output import atomic_output
from avhcurate.datasets.export.text import csv_text, text_file, write_items
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.errors import CurateError
from avhcurate.features.annotate.annotators import responses
from avhcurate.people.files.imagenetv2 import hits_of
from avhcurate.people.files.label_studio import label_config, tasks_of
from avhcurate.people.hsf_source import DESIGN_OF
from avhcurate.people.responses import check_responses, votes_of
from avhcurate.workspace.disk.arrays import create_npy
from avhcurate.workspace.disk.files import write_atomic, write_parquet
from avhcurate.workspace.disk.json_text import json_text
from avhcurate.workspace.disk.provenance import versions

#: What `write_votes` can write, and how a file of it ends; counts may be .npy too.
FORMATS = {
    "long-csv": ".csv",
    "long-parquet": ".parquet",
    "counts": ".parquet",
    "label-studio": ".json",
    "imagenetv2": ".json",
}
#: Answers that are held in memory at once.
_MOST_ANSWERS = 50_000_000
#: Columns of a long file in their order; the answer is called label or class, the names that are read again.
_LONG = ("path", "annotator", "answer", "selected", "control", "expected", "reaction_ms", "task", "at")


def write_votes(table: DatasetTable, format: str, out: Path, *, force: bool = False) -> int:
    """Write the votes that HSF uses, with controls where the format has them; return how many.

    A manifest next to the file, `OUT.manifest.json`, says whether the votes are simulated; so does the file itself,
    where it can. An existing file is refused unless `force`. Excluded annotators are left out.
    """
    record = table.dataset.record
    votes = table.votes
    if votes is None:
        raise CurateError(f"Dataset {table.dataset.name!r} has no votes to export. Import or collect some first.")
    with atomic_output(out, folder=False, force=force) as (path, manifest):
        if format == "counts":
            number = votes.total
            _write_counts(table, path, out.suffix.casefold())
        else:
            answers = responses_in_use(table)
            number = len(answers)
            manifest |= _write(table, format, answers, path)
        manifest |= {
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
    return number


def responses_in_use(table: DatasetTable) -> pd.DataFrame:
    """Return every answer behind HSF and the controls of those who gave them, a row each, see `votes.responses`.

    Votes that were imported as counts are answers without an annotator, as many as were counted.
    """
    source = table.counter.source
    parts = []
    if source.imported:
        parts.append(_attached(table))
    if source.collected:
        collected = responses(table, design=DESIGN_OF[source.key], controls=True)
        parts.append(collected[~collected["excluded"]])
    answers = pd.concat([part.dropna(axis=1, how="all") for part in parts], ignore_index=True)
    answers = check_responses(answers)
    counted = answers["control"] != "none"
    counted.loc[votes_of(answers).index] = True
    return answers[counted].reset_index(drop=True)


def _attached(table: DatasetTable) -> pd.DataFrame:
    """Return imported votes, a row per answer; ticks are for the sample's own label."""
    votes = table.dataset.votes()
    record = table.dataset.record.votes
    assert votes is not None
    assert record is not None
    if record.total > _MOST_ANSWERS:
        raise CurateError(f"There are {record.total} answers, more than {_MOST_ANSWERS}. Export counts instead.")
    paths = table.dataset.samples(["path"])["path"].to_numpy(object)
    classes = np.array(table.counter.classes, object)
    ids = votes["id"].to_numpy()
    if record.kind == "k-way":
        counts = np.stack(votes["counts"].to_list())
        rows, labels = np.nonzero(counts)
        answers = pd.DataFrame({"path": paths[ids[rows]], "answer": classes[labels], "design": "classify"})
        return answers.loc[answers.index.repeat(counts[rows, labels])]
    answers = pd.DataFrame({"path": paths[ids], "answer": classes[table.counter.labels[ids]], "design": "select"})
    answers = answers.loc[answers.index.repeat(votes["shown"])]
    turn = answers.groupby(level=0).cumcount().to_numpy()
    return answers.assign(selected=turn < votes["selected"].reindex(answers.index).to_numpy())


def _write(table: DatasetTable, format: str, answers: pd.DataFrame, path: Path) -> dict[str, Any]:
    """Write single answers; return what the manifest says in addition."""
    select = answers["design"].iloc[0] == "select"
    simulated = table.simulated
    if format == "label-studio":
        with text_file(path) as stream:
            stream.write("[")
            write_items(stream, map(json_text, tasks_of(answers, simulated=simulated)))
            stream.write("]\n")
        return {"label_config": label_config([] if select else table.counter.classes, select=select)}
    if format == "imagenetv2":
        if not select:
            raise CurateError("ImageNetV2's files hold ticks, and these are votes for classes. Choose another format.")
        write_atomic(path, json.dumps(hits_of(answers, simulated=simulated)))
        return {}
    name = "label"
    kinds = {"reaction_ms": "Float64"}
    if select:
        name = "class"
        kinds = kinds | {"selected": "bool"}
    else:
        answers = answers.drop(columns="selected")
    long = answers[[column for column in _LONG if column in answers]].rename(columns={"answer": name})
    long["at"] = pd.to_datetime(long["at"], utc=True).dt.strftime("%Y-%m-%dT%H:%M:%S.%f%z")
    long = long.astype({column: kinds.get(str(column), "str") for column in long}).assign(simulated=simulated)
    if format == "long-csv":
        write_atomic(path, csv_text(long))
    else:
        write_parquet(path, long)
    return {}


def _write_counts(table: DatasetTable, path: Path, suffix: str) -> None:
    """Write a matrix with a row for every sample in order of id, or a table that names the samples."""
    votes = table.vote_counts()
    counter = table.counter
    assert votes is not None
    ids = votes["id"].to_numpy()
    if suffix not in (".npy", ".parquet", ".pq") or (suffix == ".npy" and "counts" not in votes):
        raise CurateError("Counts are written as .npy (K-way: a row for every sample, in order of id) or .parquet.")
    if suffix == ".npy":
        matrix = create_npy(path, np.int32, (len(counter.labels), len(counter.classes)))
        matrix[ids] = np.stack(votes["counts"].to_list())
        matrix.flush()
        return
    columns: dict[str, Any] = {"path": pa.array(table.dataset.samples(["path"])["path"].iloc[ids], pa.string())}
    if "counts" in votes:
        columns["counts"] = pa.array(votes["counts"].to_list(), pa.list_(pa.int32()))
    else:
        columns["class"] = pa.array(np.array(counter.classes, object)[counter.labels[ids]], pa.string())
        columns |= {name: pa.array(votes[name], pa.int32()) for name in ("selected", "shown")}
    write_parquet(path, pa.table(columns | {"simulated": pa.array([table.simulated] * len(ids))}))
