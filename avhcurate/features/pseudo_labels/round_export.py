"""Pseudo-labels of one round of a self-training as files, each with its manifest."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from avhcurate.datasets.export import service as avhcurate_export
from avhcurate.datasets.export.tabular import write_frame
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.errors import CurateError
from avhcurate.features.pseudo_labels.service import export_columns, manifest
from avhcurate.workspace.data.event_folds import DECIDED
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import safe_name


def pseudo_labels(workspace: Workspace, folder: SelfTrainingFolder, number: int) -> pd.DataFrame:
    """Return the columns of `select` of a round, a row per selected sample; with soft labels also `soft_label`."""
    record = folder.record
    dataset = workspace.dataset(folder.record.target)
    if dataset.record.fingerprint != record.target_fingerprint:
        raise CurateError(
            f"{record.target!r} was imported again since {folder.name}, so its ids have changed. Self-train again."
        )
    rows = folder.selection(number).query("selected")
    result = export_columns(rows, dataset.samples(["id", "path"]), record.classes)
    if "soft_label" in rows:
        result["soft_label"] = [list(map(float, values)) for values in rows["soft_label"]]
    return result


def describe(folder: SelfTrainingFolder, number: int) -> dict[str, Any]:
    """Return the manifest of a round's pseudo-labels: the self-training's record, the portion, and counts per class."""
    record = folder.record
    report = folder.report(number)
    columns = ["label", "label_name", "predicted", "candidates", "selected", "lambda", "beta", "precision", "note"]
    details = {
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
    return manifest(details, folder.classes(number)[columns])


def export_bytes(workspace: Workspace, folder: SelfTrainingFolder, number: int, format: str) -> bytes:
    """Return what `export` writes as a file's content, for a download; a folder is packed as ZIP with its manifest."""
    name = f"{safe_name(folder.record.target)}-round{number}"
    return avhcurate_export.content_of(lambda out: export(workspace, folder, number, format, out), name)


def export(
    workspace: Workspace, folder: SelfTrainingFolder, number: int, format: str, out: Path, *, force: bool = False
) -> int:
    """Write the pseudo-labels of a round with their manifest, and return how many samples have one.

    csv, jsonl and parquet hold `pseudo_labels`. The other formats of `export.FORMATS` hold the selected samples, with
    their pseudo-labels as curated labels. Existing files are refused unless `force`.
    """
    if format not in avhcurate_export.FORMATS:
        raise CurateError(f"Unknown format {format!r}. Choose from {', '.join(avhcurate_export.FORMATS)}.")
    rows = pseudo_labels(workspace, folder, number)
    details = describe(folder, number)
    if format not in avhcurate_export.FOLDERS:
        write_frame(rows, out, details, format=format, force=force)
        return len(rows)
    # A table of the target in which the pseudo-labels are the curated labels.
    curated = {"path": rows["path"], "tags": [[]] * len(rows), "curated_label": rows["pseudo_label"]}
    curated["excluded"] = [False] * len(rows)
    dataset = workspace.dataset(folder.record.target)
    run = None
    if folder.record.target_run:  # a whole network has none, and scores of another network are not its own
        run = dataset.run(folder.record.target_run)
    opened = OpenDataset(workspace, dataset, run)
    opened.samples.annotate(pa.table(curated, schema=DECIDED))
    filters = Filters(excluded=None, ids=tuple(rows["id"].tolist()))
    return avhcurate_export.export(opened, filters, format, out, force=force, details={"pseudo_labels": details})
