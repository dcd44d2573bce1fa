"""Pseudo-labels of one round of a self-training as files, each with its manifest."""

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from avhcurate.data.self_trainings import SelfTrainingFolder
from avhcurate.data.workspace import Workspace
from avhcurate.errors import CurateError
from avhcurate.export import service as avhcurate_export
from avhcurate.export.tabular import write_frame
from avhcurate.pseudo_labels.service import export_columns, manifest
from avhcurate.table.dataset_table import DatasetTable
from avhcurate.table.filters import Filters


def pseudo_labels(workspace: Workspace, folder: SelfTrainingFolder, number: int, *, all: bool = False) -> pd.DataFrame:
    """The columns of `select` of a round, a row a selected sample; with `all` also the others, whose label is null.

    Where the run learns soft labels, the last column is `soft_label`.
    """
    record, dataset = folder.record, workspace.dataset(folder.record.target)
    if dataset.record.fingerprint != record.target_fingerprint:
        raise CurateError(
            f"{record.target!r} was imported again since {folder.name}, whose ids named other samples: self-train again"
        )
    rows = folder.selection(number)
    rows = rows if all else rows[rows["selected"]]
    paths = dataset.samples(["id", "path"])
    result = export_columns(rows.rename(columns={"rank": "rank_in_class"}), paths, record.classes)
    if "soft_label" in rows:
        soft = [None if values is None else list(map(float, values)) for values in rows["soft_label"]]
        result["soft_label"] = pd.Series(soft, dtype=object)
    return result


def describe(folder: SelfTrainingFolder, number: int) -> dict[str, Any]:
    """The manifest of a round's pseudo-labels: the self-training's record, the portion, and the counts per class."""
    record, report = folder.record, folder.report(number)
    columns = ["label", "label_name", "predicted", "candidates", "selected", "lambda", "beta", "precision", "note"]
    about = {
        "self_training": record.model_dump(mode="json"),
        **{key: getattr(record, key) for key in ("rule", "alpha", "model", "weights_sha256", "versions")},
        "round": number,
        "portion": report.portion,
        "samples": report.samples,
        "accuracy_against_given_labels": report.precision.value,
        "run": record.target_run,
        "dataset": record.target,
        "dataset_fingerprint": record.target_fingerprint,
    }
    return manifest(about, folder.classes(number)[columns])


def export_bytes(
    workspace: Workspace, folder: SelfTrainingFolder, number: int, format: str, *, all: bool = False
) -> bytes:
    """What `export` writes as a file's content, for a download; a folder is packed as ZIP, its manifest within."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / f"{avhcurate_export.safe_name(folder.record.target)}-round{number}"
        export(workspace, folder, number, format, out, all=all)
        return avhcurate_export.zipped(out) if out.is_dir() else out.read_bytes()


def export(
    workspace: Workspace,
    folder: SelfTrainingFolder,
    number: int,
    format: str,
    out: Path,
    *,
    all: bool = False,
    force: bool = False,
) -> int:
    """Writes the pseudo-labels of a round with their manifest, and returns how many samples have one there.

    csv, jsonl and parquet hold `pseudo_labels`. The other formats of `export.FORMATS` hold the selected samples, with
    their pseudo-labels as curated labels. Existing files are refused unless `force`.
    """
    if format not in avhcurate_export.FORMATS:
        raise CurateError(f"no format is called {format}: choose from {', '.join(avhcurate_export.FORMATS)}")
    if format in avhcurate_export.FOLDERS:
        return _export_folder(workspace, folder, number, format, out, force=force)
    rows = pseudo_labels(workspace, folder, number, all=all)
    write_frame(rows, out, describe(folder, number), format=format, force=force)
    return int(rows["selected"].sum())


def _export_folder(
    workspace: Workspace, folder: SelfTrainingFolder, number: int, format: str, out: Path, *, force: bool
) -> int:
    """Exports from a table of the target in which the pseudo-labels are the curated labels."""
    chosen = pseudo_labels(workspace, folder, number)
    annotations = chosen[["path"]].assign(curated_label=chosen["pseudo_label"], excluded=False)
    annotations["tags"] = pd.Series([[]] * len(chosen), index=chosen.index, dtype=object)
    dataset, name = workspace.dataset(folder.record.target), folder.record.target_run
    run = dataset.run(name) if name else None  # a whole network has none, and another network's scores are not its own
    table = DatasetTable(workspace, dataset, run)
    table.annotate(annotations)
    about = {"pseudo_labels": describe(folder, number)}
    return avhcurate_export.export(table, Filters(), format, out, force=force, only=chosen["id"].tolist(), about=about)
