"""Results of self-trainings, round by round: read, compared, exported as pseudo-labels."""

import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from avhcurate import export as avhcurate_export
from avhcurate.data.workspace import Workspace
from avhcurate.disk.files import write_atomic
from avhcurate.errors import CurateError
from avhcurate.export.tabular import write_frame
from avhcurate.pseudo_labels.rules import RULES
from avhcurate.pseudo_labels.service import export_columns
from avhcurate.self_training.store import BY, SelfTrainingFolder, self_trainings
from avhcurate.stats.intervals import mean_over_seeds
from avhcurate.table.dataset_table import DatasetTable, open_log, open_response_log, open_saved
from avhcurate.table.filters import Filters

#: Columns of `compare`.
_COMPARED = ["rule", "round", "n", "mean", "low", "high"]

#: Shares of a report; `table` has the value of each, the ends of its interval and n.
_SHARES = ("accuracy", "precision", "recall", "ece")

#: Fields of the record that comparable self-trainings have in common.
_SHARED = {
    "source", "source_fingerprint", "source_where", "source_samples", "target", "target_fingerprint", "target_where",
    "target_samples", "model", "weights_sha256", "head", "preprocess", "trainer", "recipe", "schedule", "rounds",
}  # fmt: skip


def trainings(workspace: Workspace, target: str) -> list[SelfTrainingFolder]:
    """The self-trainings of a target dataset, complete or not, oldest first."""
    return self_trainings(workspace.dataset(target).root)


def training(workspace: Workspace, target: str, name: str) -> SelfTrainingFolder:
    """The self-training of that name; an unknown one is refused."""
    found = {folder.name: folder for folder in trainings(workspace, target)}
    if name not in found:
        known = ", ".join(found) or "none"
        raise CurateError(f"dataset {target!r} has no self-training {name!r}; it has {known}")
    return found[name]


def comparable(folders: Sequence[SelfTrainingFolder]) -> list[list[SelfTrainingFolder]]:
    """Groups of comparable self-trainings, which differ only in rule, alpha and seed."""
    groups: dict[str, list[SelfTrainingFolder]] = {}
    for folder in folders:
        record = folder.record.model_dump(mode="json", include=_SHARED)
        groups.setdefault(json.dumps(record, sort_keys=True), []).append(folder)
    return list(groups.values())


def table(folder: SelfTrainingFolder) -> pd.DataFrame:
    """A row a round, from 0 (the source alone): the numbers of a `RoundReport`, missing as NaN.

    A share is the columns `accuracy, accuracy_low, accuracy_high, accuracy_n`, so also `precision`, `recall`, `ece`;
    `empty_classes` is a list of names, and the overlaps stand in `overlaps`.
    """
    rows = []
    for number in folder.rounds():
        row = folder.report(number).model_dump(exclude={"overlaps"})
        for name in _SHARES:
            row |= _flat(name, row[name])
        rows.append(row)
    frame = pd.DataFrame(rows)
    texts = frame[["empty_classes"]] if len(frame) else frame
    numbers = frame.drop(columns="empty_classes", errors="ignore").astype("float64")
    whole = ["round", "samples", "selected", "changed", "left_out", *(f"{name}_n" for name in _SHARES)]
    return numbers.astype(dict.fromkeys(whole, "int64")).join(texts) if len(frame) else frame


def overlaps(folder: SelfTrainingFolder) -> pd.DataFrame:
    """A row a round from 1 on and a gate that is not the run's own: `round, gate, selected, both, jaccard`, and the
    shares `precision`, `only_ours`, `only_theirs`, each with `_low`, `_high` and `_n`.
    """
    rows = []
    for number in folder.rounds()[1:]:
        for found in folder.report(number).overlaps:
            row = {"round": number} | found.model_dump()
            for name in ("precision", "only_ours", "only_theirs"):
                row |= _flat(name, row[name])
            rows.append(row)
    return pd.DataFrame(rows)


def classes(folder: SelfTrainingFolder, number: int) -> pd.DataFrame:
    """A row a class of a round: `label, label_name, samples, right, accuracy, accuracy_low, accuracy_high`; and from
    round 1 on `predicted, candidates, selected, lambda, beta, note, labelled, correct, precision, precision_low,
    precision_high, recall, accuracy_before`.
    """
    return folder.classes(number)


def selection(folder: SelfTrainingFolder, number: int) -> pd.DataFrame:
    """A row a sample of the target: see `SelfTrainingFolder.selection`."""
    return folder.selection(number)


def gates(folder: SelfTrainingFolder, number: int) -> list[str]:
    """The gates whose selection a round has stored, the run's own first."""
    own = RULES[folder.record.rule].gate  # type: ignore[index]
    columns = pq.read_schema(folder.round(number) / "selection.parquet").names
    found = [name.removeprefix(BY) for name in columns if name.startswith(BY)]
    return sorted(found, key=lambda gate: gate != own)


def difference(folder: SelfTrainingFolder, number: int, first: str, second: str) -> dict[str, list[int]]:
    """Ids that two gates select from the same outputs in a round: `both, first, second`, the latter two those that only
    one selects, best rank at the run's own gate first.
    """
    known = gates(folder, number)
    if missing := [gate for gate in (first, second) if gate not in known]:
        raise CurateError(f"round {number} knows no gate {missing[0]!r}: choose from {', '.join(known)}")
    rows = folder.selection(number, list(dict.fromkeys(["id", "rank", BY + first, BY + second])))
    rows = rows.sort_values(["rank", "id"])
    a, b = (rows[BY + gate].to_numpy(bool) for gate in (first, second))
    return {
        name: rows["id"][chosen].tolist() for name, chosen in (("both", a & b), ("first", a & ~b), ("second", b & ~a))
    }


def difference_of_runs(first: SelfTrainingFolder, second: SelfTrainingFolder, number: int) -> dict[str, list[int]]:
    """Ids that two self-trainings select in one round, each from its own network's outputs: as `difference`, and
    `relabelled`, those of `both` with different pseudo-labels.
    """
    a, b = (folder.selection(number, ["id", "rank", "candidate", "selected"]) for folder in (first, second))
    a, b = (rows[rows["selected"]].sort_values(["rank", "id"]) for rows in (a, b))
    both = a.merge(b, on="id", suffixes=("", "_b"))
    return {
        "both": both["id"].tolist(),
        "first": a["id"][~a["id"].isin(b["id"])].tolist(),
        "second": b["id"][~b["id"].isin(a["id"])].tolist(),
        "relabelled": both["id"][both["candidate"] != both["candidate_b"]].tolist(),
    }


def compare(folders: Sequence[SelfTrainingFolder], key: str = "accuracy") -> pd.DataFrame:
    """A row a rule and round, over the seeds: `rule, round, n, mean, low, high`, of a column of `table`.

    The interval is Student's t at 95 % over seeds, NaN for one seed. A run that ended early because nothing changed
    stands at its last round from then on.
    """
    parts = []
    most = max((folder.rounds()[-1] for folder in folders if folder.rounds()), default=0)
    for folder in folders:
        reports = table(folder)
        if reports.empty:
            continue
        values = reports.set_index("round")[key]
        kept = values.reindex(range(most + 1)).ffill() if folder.complete else values
        parts.append(pd.DataFrame({"rule": folder.record.rule, "round": kept.index, "value": kept.to_numpy()}))
    if not parts:
        return pd.DataFrame(columns=_COMPARED)
    grouped = pd.concat(parts).dropna().groupby(["rule", "round"], sort=False)["value"]
    rows = [(*key, *mean_over_seeds(values)[:4]) for key, values in grouped]
    return pd.DataFrame(rows, columns=_COMPARED)


def summary(folder: SelfTrainingFolder) -> dict[str, Any]:
    """Name of a self-training, accuracies on the target before and after, and its last selection."""
    record, last = folder.record, folder.rounds()[-1]
    first, final = folder.report(0), folder.report(last)
    return {
        "self_training": folder.name,
        "source": record.source,
        "target": record.target,
        "model": record.model,
        "rule": record.rule,
        "seed": record.seed,
        "rounds": last,
        "stopped": record.stopped,
        "samples": record.target_samples,
        "left_out": record.target_left_out + final.left_out,
        "source_only": first.accuracy.value,
        "accuracy": final.accuracy.value,
        "accuracy_low": final.accuracy.low,
        "accuracy_high": final.accuracy.high,
        "mean_accuracy_before": first.mean_accuracy,
        "mean_accuracy": final.mean_accuracy,
        "mean_accuracy_low": final.mean_accuracy_low,
        "mean_accuracy_high": final.mean_accuracy_high,
        "selected": final.selected,
        "empty_classes": final.empty_classes,
        "precision": final.precision.value,
        "ece": final.ece.value,
        "seconds": record.seconds,
    }


# --- export ------------------------------------------------------------------------------------------------------


def pseudo_labels(workspace: Workspace, folder: SelfTrainingFolder, number: int, *, all: bool = False) -> pd.DataFrame:
    """The columns of `select` of a round, a row a selected sample; with `all` also the others, whose label is null.

    Where the run learns soft labels, `soft_label` stands behind them.
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
    per_class = folder.classes(number)[columns].astype(object).replace({np.nan: None})
    return {
        "self_training": record.model_dump(mode="json"),
        "rule": record.rule,
        "round": number,
        "portion": report.portion,
        "alpha": record.alpha,
        "samples": report.samples,
        "selected": report.selected,
        "classes": record.classes,
        "per_class": per_class.to_dict("records"),
        "accuracy_against_given_labels": report.precision.value,
        "model": record.model,
        "run": record.target_run,
        "weights_sha256": record.weights_sha256,
        "dataset": record.target,
        "dataset_fingerprint": record.target_fingerprint,
        "versions": record.versions,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def manifest_text(folder: SelfTrainingFolder, number: int) -> str:
    """The manifest as written beside the file of a round's pseudo-labels."""
    return json.dumps(describe(folder, number), indent=2) + "\n"


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

    csv, jsonl and parquet hold `pseudo_labels`. The other formats of `export.FORMATS` are what it makes of the
    selected samples, with their pseudo-labels for curated ones. What exists is refused unless `force`.
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
    decided = chosen[["path"]].assign(curated_label=chosen["pseudo_label"], excluded=False)
    decided["tags"] = pd.Series([[]] * len(chosen), index=chosen.index, dtype=object)
    dataset, run = workspace.dataset(folder.record.target), folder.record.target_run
    own = dataset.run(run) if run else None  # a whole network has none, and another network's scores say nothing here
    table = DatasetTable(dataset, own, open_log(workspace), open_response_log(workspace), open_saved(workspace))
    table.annotate(decided)
    count = avhcurate_export.export(table, Filters(), format, out, force=force, only=chosen["id"].tolist())
    manifest = out / "manifest.json"
    content = json.loads(manifest.read_bytes()) | {"pseudo_labels": describe(folder, number)}
    write_atomic(manifest, json.dumps(content, indent=2) + "\n")
    return count


def _flat(name: str, share: dict[str, Any]) -> dict[str, Any]:
    return {name: share["value"], f"{name}_low": share["low"], f"{name}_high": share["high"], f"{name}_n": share["n"]}
