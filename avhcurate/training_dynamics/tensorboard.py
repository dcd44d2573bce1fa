"""A log of a training for TensorBoard."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from avhcurate.data.trainings import EpochEval
from avhcurate.errors import CurateError


@contextmanager
def board(root: Path, begun: int) -> Iterator[Callable[[EpochEval], None]]:
    """Writes evaluations to a log in the training's folder; what was logged after step `begun` no longer shows."""
    with summary_writer()(str(root / "tensorboard"), purge_step=begun + 1) as writer:
        yield lambda found: _log(writer, found)


def summary_writer() -> Any:
    """TensorBoard's writer; CurateError where the package is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise CurateError("--tensorboard needs the package tensorboard: pip install 'avhcurate[tensorboard]'") from None
    return SummaryWriter


def _log(writer: Any, found: EpochEval) -> None:
    """Means of an evaluation, by step."""
    rows = {
        "learning_rate": found.learning_rate,
        "train/loss": found.train_loss,
        "train/accuracy": found.train_accuracy,
    }
    means = {f"held_out/{key}": float(np.nanmean(values)) for key, values in found.samples.items() if len(values)}
    for key, value in (rows | means).items():
        if value is not None:
            writer.add_scalar(key, value, found.step)
    writer.flush()
