"""Scores that plugins add to a finished run, from what the run keeps: no image is read and no network is run."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avhcurate.measures import scores
from avhcurate.measures.scores import SCORES
from avhcurate.networks.scoring.fitted_heads import scores_by_head
from avhcurate.networks.scoring.shard_scores import score_columns
from avhcurate.workspace.data.runs import SHARD, RunFolder
from avhcurate.workspace.disk.files import replacing, write_tables
from avhcurate.workspace.disk.jobs import SILENT, Progress


def add_scores(run: RunFolder, labels: np.ndarray, *, progress: Progress = SILENT) -> list[str]:
    """Add what the run of `labels` (N,) lacks and has the outputs for; the keys that were added.

    The table is replaced whole, and the record written again, by which pages see that the run has changed.
    """
    outputs = {"features": run.has_features, "class_weights": run.has_heads, "logits": run.has_logits}
    columns = pq.read_schema(run.scores_path).names
    keys = [key for key, score in SCORES.items() if score.plugin and key not in columns and outputs[score.needs]]
    if not keys:
        return []
    with replacing(run.scores_path) as stream, pq.ParquetFile(run.scores_path) as table:
        write_tables(stream, _with(table, run, labels, keys, progress), compression="zstd")
    run.write_record(run.record)
    return keys


def _with(
    table: pq.ParquetFile, run: RunFolder, labels: np.ndarray, keys: list[str], progress: Progress
) -> Iterator[pa.Table]:
    done = 0
    for batch in table.iter_batches(SHARD * 64):
        rows = pa.Table.from_batches([batch])
        usable = rows["problem"].is_null().to_numpy()
        columns = score_columns(_values(run, rows["id"].to_numpy()[usable], labels, keys), usable)
        for key in keys:
            rows = rows.add_column(rows.column_names.index("problem"), key, columns[key])
        done += len(rows)
        progress.tell(done, table.metadata.num_rows, f"adding {', '.join(keys)}")
        yield rows


def _values(run: RunFolder, ids: np.ndarray, labels: np.ndarray, keys: list[str]) -> dict[str, np.ndarray]:
    """Return the scores of some ids, each by the head that has scored it."""
    features = logits = None
    if run.has_features or run.has_heads:
        features = run.features_of(ids)
    if run.has_logits:
        logits = run.logits_of(ids).astype(np.float32)
    if not run.has_heads:
        return scores.per_sample(features, None, logits, labels[ids], keys=keys)
    assert features is not None
    return scores_by_head(run, ids, features, labels[ids], keys=keys, logits=logits)
