"""Arrays for cleanlab: labels.npy, pred_probs.npy, features.npy, and samples.csv beside them."""

from pathlib import Path

import numpy as np
from scipy.special import softmax

from avhcurate.data.runs import RunFolder
from avhcurate.disk.arrays import create_npy
from avhcurate.errors import CurateError
from avhcurate.export.columns import Chosen, frames
from avhcurate.export.text import csv_text, text_file
from avhcurate.table.dataset_table import DatasetTable

_README = """# {name} for cleanlab

    import numpy as np
    import pandas as pd
    from cleanlab.filter import find_label_issues

    labels, pred_probs = np.load("labels.npy"), np.load("pred_probs.npy")
    rows = find_label_issues(labels, pred_probs, return_indices_ranked_by="self_confidence")
    print(pd.read_csv("samples.csv").iloc[rows])

Rows are the same in all files: `labels.npy` (n) curated labels, `pred_probs.npy` (n, K) softmax, `features.npy` (n, D)
embeddings, where the run has any, `samples.csv` all columns. Samples without a label or a prediction are left out.
cleanlab expects probabilities of images that the model has not learnt from.
"""


def write_cleanlab(table: DatasetTable, chosen: Chosen, path: Path) -> int:
    """The files; returns how many samples were left out because they lack a label or a prediction."""
    run = table.run
    if run is None:
        raise CurateError(
            f"cleanlab needs a model's probabilities: run `avhcurate score {table.dataset.name} ...` first"
        )
    if not run.has_logits:
        raise CurateError(f"run {run.name} has no probabilities for cleanlab: attach it again with --logits or --probs")
    labelled = table.frame(chosen.filters, columns=["curated_label", "predicted"])
    usable = labelled[labelled.notna().all(axis=1)]
    if usable.empty:
        raise CurateError(
            "no sample has both a label and a prediction, so there is nothing for cleanlab: widen filters"
        )
    if usable["curated_label"].max() >= run.record.num_classes:
        raise CurateError(f"some labels are of classes that the model does not know: it has {run.record.num_classes}")
    path.mkdir()
    _write_rows(table, run, chosen, path, len(usable))
    (path / "README.md").write_text(_README.format(name=table.dataset.name), encoding="utf-8")
    return len(labelled) - len(usable)


def _write_rows(table: DatasetTable, run: RunFolder, chosen: Chosen, path: Path, n: int) -> None:
    num_classes, width = run.record.num_classes, run.record.width

    def array(name: str, kind: type, *width: int) -> np.memmap:
        return create_npy(path / f"{name}.npy", kind, (n, *width))

    labels, probs = array("labels", np.int64), array("pred_probs", np.float32, num_classes)
    embedded = array("features", np.float32, width) if run.has_features else None
    start, header = 0, True
    with text_file(path / "samples.csv") as stream:
        for frame in frames(table, chosen):
            frame = frame[frame["curated_label"].notna() & frame["predicted"].notna()]
            rows = slice(start, start + len(frame))
            ids = frame["id"].to_numpy(np.int64)
            labels[rows] = frame["curated_label"].astype(np.int64)
            if embedded is not None:
                embedded[rows] = run.features_of(ids)
            probs[rows] = softmax(run.logits_of(ids), axis=1)
            frame["tags"] = frame["tags"].map(";".join)
            stream.write(csv_text(frame, header=header))
            start, header = rows.stop, False
    for written in (labels, embedded, probs):
        if written is not None:
            written.flush()
