"""From a network's outputs to the rows of a shard, in whichever process the network runs."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from avhcurate.measures import scores
from avhcurate.networks.scoring.image_pass import ShardOutputs, score_columns
from avhcurate.networks.scoring.shards import ShardResult


@dataclass(frozen=True)
class ShardScores:
    """Scores by one head: its `class_weights` (K, D) and the labels (N,) of all samples.

    `one_length` as of `score_columns`.
    """

    class_weights: np.ndarray
    labels: np.ndarray
    one_length: bool

    def __call__(self, outputs: ShardOutputs) -> ShardResult:
        usable = _usable(outputs)
        logits = outputs.logits[usable]
        labels = self.labels[outputs.ids[usable]]
        values = scores.per_sample(outputs.features[usable], self.class_weights, logits, labels)
        return _result(outputs, score_columns(values, usable, one_length=self.one_length))


def digest_rows(outputs: ShardOutputs) -> ShardResult:
    """Return features and the digest of each file, for a run that fits its heads when all features are there."""
    _usable(outputs)
    return _result(outputs, {"digest": pa.array(map(outputs.digests.get, outputs.ids.tolist()), pa.binary())})


def _usable(outputs: ShardOutputs) -> np.ndarray:
    """Return which samples can be scored; the others gain a problem and lose their features."""
    finite = np.isfinite(outputs.features).all(axis=1) & ~np.isinf(outputs.logits.max(axis=1))
    for id in outputs.ids[~finite].tolist():
        outputs.problems.setdefault(id, "the network's outputs are not finite")
    usable = ~np.isin(outputs.ids, list(outputs.problems))
    outputs.features[~usable] = 0
    return usable


def _result(outputs: ShardOutputs, columns: dict[str, pa.Array]) -> ShardResult:
    problems = pa.array(map(outputs.problems.get, outputs.ids.tolist()), pa.string())
    rows = pa.table({"id": pa.array(outputs.ids, pa.int64())} | columns | {"problem": problems})
    return ShardResult(outputs.shard, rows, outputs.seconds, outputs.features, outputs.thumbnails)
