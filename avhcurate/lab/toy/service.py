"""The toy from settings to maps: trained by the command line in a process of its own, stored in the workspace."""

import io
import json
import subprocess
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError
from avhcurate.lab.toy.settings import ToySettings
from avhcurate.lab.toy.truth import Blobs, follows, on_map, settled
from avhcurate.workspace.data.background import launch, reason
from avhcurate.workspace.data.people import Role, require
from avhcurate.workspace.disk.files import write_atomic
from avhcurate.workspace.disk.provenance import now, settings_digest, versions

TRAINED_ON = 1000
HELD_OUT = 2000
#: To be raised when the same settings give another result than before.
_VERSION = 4
#: Results kept in a workspace.
_KEPT = 40
#: At most two trainings at the same time in one server.
_free = threading.BoundedSemaphore(2)


@dataclass(frozen=True)
class ToyResult:
    """A trained toy. E = epochs + 1: the first entry is the network before training. Maps are (H, W) over x and y.

    points (n, 2) and labels (n,): the training data on the map; bayes (H, W); avh, norm, predicted (E, H, W), AVH being
    that of the most likely label there. curves: a row for each entry with the means over held-out points and the
    Spearman correlations with the Bayes error: `*_samples` over held-out points (AVH of the given label), `*_map` over
    the map, every area equally. details: `bayes_error`, `seconds`, `versions` and `created`.
    """

    settings: ToySettings
    x: np.ndarray
    y: np.ndarray
    points: np.ndarray
    labels: np.ndarray
    bayes: np.ndarray
    avh: np.ndarray
    norm: np.ndarray
    predicted: np.ndarray
    curves: pd.DataFrame
    details: dict[str, Any]

    @property
    def settled(self) -> dict[str, int]:
        """Return the epoch by which the means of AVH and norm have made 95 % of their way to the end."""
        return {name: settled(self.curves[name].to_numpy()) for name in ("avh", "norm")}


_ARRAYS = ("x", "y", "points", "labels", "bayes", "avh", "norm", "predicted")


def result_path(workspace: Path, settings: ToySettings) -> Path:
    """Return the file of a result in a workspace."""
    return workspace / "toy" / f"{settings_digest([_VERSION, settings.model_dump()])[:20]}.npz"


def run(workspace: Path, settings: ToySettings) -> ToyResult:
    """Return the result of `settings`: read from the workspace, or trained and written there."""
    stored = read(workspace, settings)
    if stored is not None:
        return stored
    result = _compute(settings)
    path = result_path(workspace, settings)
    write_atomic(path, _to_bytes(result))
    for old in sorted(path.parent.glob("*.npz"), key=lambda path: path.stat().st_mtime_ns)[:-_KEPT]:
        old.unlink(missing_ok=True)
    return result


def trained(workspace: Path, settings: ToySettings) -> ToyResult:
    """Return the result of `settings`, which is trained in a process of its own unless it is stored; for curators."""
    stored = read(workspace, settings)
    if stored is not None:
        return stored
    require(Role.CURATOR, "training the toy")
    argv = [*settings.argv, "--workspace", str(workspace)]
    with _free:
        process = launch(argv, environment={"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, error = process.communicate()
    stored = read(workspace, settings)
    if stored is None:
        why = reason(error, process.returncode).removeprefix("avhcurate: ")
        raise CurateError(f"The training of the toy failed: {why}")
    return stored


def read(workspace: Path, settings: ToySettings) -> ToyResult | None:
    """Return the result of `settings` in a workspace; None where it is missing or not readable."""
    try:
        with np.load(result_path(workspace, settings), allow_pickle=False) as stored:
            details = json.loads(str(stored["about"]))
            curves = pd.DataFrame(stored["curves"], columns=details.pop("columns"))
            arrays = {name: stored[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return ToyResult(settings=settings, curves=curves.astype({"epoch": int}), details=details, **arrays)


def summary(result: ToyResult) -> dict[str, Any]:
    """Return the figures of a result: the last epoch's, and when angles and norm settled."""
    last = result.curves.iloc[-1]
    return {
        **result.settings.model_dump(),
        **result.details,
        "error": 1 - float(last["accuracy"]),
        "spearman": last[["avh_samples", "norm_samples", "avh_map", "norm_map"]].to_dict(),
        "settled": result.settled,
    }


def _compute(settings: ToySettings) -> ToyResult:
    from avhcurate.lab.toy.train import train_toy

    blobs = Blobs(settings.classes, settings.overlap, settings.noise)
    points, labels = blobs.sample(TRAINED_ON, seed=2 * settings.seed)
    held_out, held_out_labels = blobs.sample(HELD_OUT, seed=2 * settings.seed + 1)
    grid = blobs.grid()
    shape = (-1, len(grid.y), len(grid.x))
    started = time.perf_counter()
    on_map_too = (grid.points, blobs.posterior(grid.points).argmax(1))
    samples, drawn = train_toy(points, labels, [(held_out, held_out_labels), on_map_too], settings)
    seconds = time.perf_counter() - started
    bayes = blobs.bayes_error(grid.points)
    curves = {
        "epoch": np.arange(settings.epochs + 1),
        # An embedding whose every ReLU is at 0 has no angle.
        "avh": np.ma.masked_invalid(samples.avh).mean(1, dtype=float).filled(np.nan),
        "norm": samples.norm.mean(1, dtype=float),
        "loss": samples.loss.mean(1, dtype=float),
        "accuracy": (samples.predicted == held_out_labels).mean(1),
    }
    for name, history, error in (("samples", samples, blobs.bayes_error(held_out)), ("map", drawn, bayes)):
        curves[f"avh_{name}"] = [follows(values, error) for values in history.avh]
        curves[f"norm_{name}"] = [follows(values, error) for values in history.norm]
    return ToyResult(
        settings=settings,
        x=grid.x,
        y=grid.y,
        points=on_map(points),
        labels=labels,
        bayes=bayes.reshape(shape[1:]),
        avh=drawn.avh.reshape(shape).astype(np.float16),
        norm=drawn.norm.reshape(shape).astype(np.float16),
        predicted=drawn.predicted.reshape(shape).astype(np.int8),
        curves=pd.DataFrame(curves),
        details={
            "bayes_error": blobs.mean_bayes_error,
            "seconds": seconds,
            "versions": versions("numpy", "scipy", "torch"),
            "created": now().isoformat(timespec="seconds"),
        },
    )


def _to_bytes(result: ToyResult) -> bytes:
    """Return the result as .npz: arrays, curves as a matrix, and the rest as JSON."""
    details = result.details | {"columns": list(result.curves.columns)}
    arrays = {name: getattr(result, name) for name in _ARRAYS}
    stream = io.BytesIO()
    np.savez(stream, **arrays, curves=result.curves.to_numpy(float), about=json.dumps(details))
    return stream.getvalue()
