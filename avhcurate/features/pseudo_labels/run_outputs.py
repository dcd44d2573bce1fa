"""The outputs of a run on some of its samples, block by block."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from avhcurate.features.pseudo_labels.model_outputs import GateBlocks, ModelOutputs
from avhcurate.features.pseudo_labels.rules import Gate
from avhcurate.workspace.data.runs import RunFolder

#: Logits of a block.
_BLOCK = 1 << 20


def blocks_of(run: RunFolder, ids: np.ndarray) -> GateBlocks:
    """Return the outputs of a run for some samples.

    The logits of an attached run may not be those of its class weights. Without class weights its AVC is NaN, so that
    only gates on the softmax output can select.
    """
    if not run.has_class_weights:
        return partial(_without_avc, run, ids)
    logits = None
    if run.record.attached is not None:
        logits = partial(_logits, run, ids)
    # By id, since the pages of a mapped array would stay in memory.
    outputs = ModelOutputs(
        ids[:, None],
        run.class_weights(),
        run.bias(),
        embed=lambda block: run.features_of(block[:, 0]),
        logits=logits,
    )
    return outputs.blocks


def _without_avc(run: RunFolder, ids: np.ndarray, _: Gate) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    step = max(1, _BLOCK // run.num_classes)
    for start in range(0, len(ids), step):
        logits = run.logits_of(ids[start : start + step])
        yield logits, np.full(logits.shape, np.nan)


def _logits(run: RunFolder, ids: np.ndarray, rows: slice) -> np.ndarray:
    return run.logits_of(ids[rows])
