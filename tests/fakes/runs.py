"""Finished runs out of features and labels, without images or a network."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from avhcurate import scores
from avhcurate.workspace.data.run_records import RunRecord
from avhcurate.workspace.data.runs import RunFolder
from tests.fakes.datasets import bare_dataset


@pytest.fixture
def made_up(workspace):
    """Makes the dataset dots with a finished run out of features (N, D) and labels (N,), -1 for none."""

    def make(features, labels, *, broken=()):
        features, labels = np.asarray(features, np.float32), np.asarray(labels)
        n, k = len(labels), int(labels.max()) + 1
        paths, classes = [f"{i}.png" for i in range(n)], [f"c{i}" for i in range(k)]
        dataset = bare_dataset(workspace, paths, [None if y < 0 else y for y in labels.tolist()], classes, "dots")
        run = RunFolder(dataset.root / "runs" / "made-up")
        weights = np.stack([features[labels == i].mean(axis=0) for i in range(k)]).astype(np.float32)
        about = RunRecord(
            name="made-up",
            model="made:up",
            weights_sha256="0" * 64,
            weights_source="none",
            preprocess={},
            classes=classes,
            num_classes=k,
            width=features.shape[1],
            dataset_fingerprint=dataset.record.fingerprint,
            samples=n,
            started=datetime(2026, 1, 1, tzinfo=UTC),
        )
        run.create(about, weights, np.zeros(k, np.float32), rows=n)
        run.write_rows("features.npy", np.arange(n), features)
        columns = scores.per_sample(features, weights, None, labels, keys=["confidence", "avh"])
        problems = ["broken" if i in broken else None for i in range(n)]
        table = pa.table({"id": np.arange(n), **columns, "problem": pa.array(problems, pa.string())})
        run.finish([table], {"finished": about.started})
        return dataset, run

    return make
