"""The toy from settings to maps: trained by the command line in a process of its own, stored in the workspace."""

import io
import json
import subprocess
import threading
import time
import zipfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.data.background import launch, reason
from avhcurate.data.people import Role, require
from avhcurate.disk.files import write_atomic
from avhcurate.disk.provenance import now, settings_digest
from avhcurate.errors import CurateError
from avhcurate.toy.settings import ToySettings
from avhcurate.toy.truth import Blobs, follows, settled

TRAINED_ON, HELD_OUT = 1000, 2000
#: Units of each hidden layer.
_WIDTH = 64

#: To be raised when the same settings give another result than before.
_VERSION = 2
#: Results kept in a workspace, and trainings at the same time in one server.
_KEPT, _AT_ONCE = 40, 2


def blobs_of(settings: ToySettings) -> Blobs:
    """Return the data that the settings describe."""
    return Blobs(settings.space, settings.classes, settings.overlap, settings.noise)


@dataclass(frozen=True)
class ToyResult:
    """A trained toy. E = epochs + 1: the first entry is the network before training. Maps are (H, W) over x and y.

    points (n, 2) and labels (n,): the training data on the map; bayes (H, W); avh, norm, predicted (E, H, W), AVH being
    that of the most likely label there; curves: a row for each entry with the means over held-out points and the
    Spearman correlations with the Bayes error, `*_samples` over held-out points (AVH of the given label, so dense
    regions count more), `*_map` over the map, every area equally.
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
    best_error: float
    seconds: float
    versions: dict[str, str]
    created: str

    @property
    def settled(self) -> dict[str, int]:
        """Epoch by which the means of AVH and norm have made 95 % of their way to the end."""
        return {name: settled(self.curves[name].to_numpy()) for name in ("avh", "norm")}


_ARRAYS = ("x", "y", "points", "labels", "bayes", "avh", "norm", "predicted")


def folder_of(workspace: Path) -> Path:
    """Where results lie in a workspace."""
    return workspace / "toy"


def result_path(folder: Path, settings: ToySettings) -> Path:
    """The file of a result."""
    digest = settings_digest([_VERSION, TRAINED_ON, HELD_OUT, settings.model_dump()])
    return folder / f"{digest[:20]}.npz"


def run(folder: Path, settings: ToySettings, *, force: bool = False) -> ToyResult:
    """The result of `settings`: read from `folder`, else trained and written there, whole or not at all."""
    if not force and (stored := read(folder, settings)):
        return stored
    result = _compute(settings)
    write_atomic(result_path(folder, settings), _to_bytes(result))
    _prune(folder)
    return result


def read(folder: Path, settings: ToySettings) -> ToyResult | None:
    """The result of `settings` in `folder`; None where it is missing or not readable."""
    try:
        with np.load(result_path(folder, settings), allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            curves = pd.DataFrame(stored["curves"], columns=about.pop("columns"))
            curves["epoch"] = curves["epoch"].astype(int)
            return ToyResult(settings, **{name: stored[name] for name in _ARRAYS}, curves=curves, **about)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None


def summary(result: ToyResult) -> dict[str, Any]:
    """The figures of a result as plain values: the last epoch's, and when angles and norm settled."""
    last = result.curves.iloc[-1]
    spearman = {key: _number(last[key]) for key in ("avh_samples", "norm_samples", "avh_map", "norm_map")}
    return {
        **result.settings.model_dump(),
        "bayes_error": result.best_error,
        "error": 1 - float(last["accuracy"]),
        "spearman": spearman,
        "settled": result.settled,
        "seconds": result.seconds,
        "versions": result.versions,
        "created": result.created,
    }


# --- in the background ----------------------------------------------------------------------------------------

_lock = threading.Lock()
_running: set[Path] = set()
_failed: dict[Path, str] = {}


def ensure(workspace: Path, settings: ToySettings) -> bool:
    """Whether the result exists; if not, its training starts in the background, for curators, unless enough others run.

    To be called again until it is true. Raises CurateError when the training failed, until `retry`.
    """
    target = result_path(folder_of(workspace), settings)
    with _lock:
        if target.exists():
            return True
        if target in _failed:
            raise CurateError(f"the toy's training failed: {_failed[target]}")
        if target not in _running and len(_running) < _AT_ONCE:
            require(Role.CURATOR, "training the toy")
            argv = [*settings.argv, "--workspace", str(workspace)]
            threads = {"OMP_NUM_THREADS": "1"}
            process = launch(argv, environment=threads, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            _running.add(target)
            threading.Thread(target=_await, args=(target, process), daemon=True).start()
    return False


def retry(workspace: Path, settings: ToySettings) -> None:
    """Lets `ensure` start again after a training that failed, or a result that cannot be read."""
    require(Role.CURATOR, "training the toy")
    target = result_path(folder_of(workspace), settings)
    with _lock:
        _failed.pop(target, None)
        target.unlink(missing_ok=True)


def _await(target: Path, process: "subprocess.Popen[bytes]") -> None:
    """Records how a training ended."""
    _, error = process.communicate()
    with _lock:
        _running.discard(target)
        if not target.exists():
            _failed[target] = reason(error, process.returncode).removeprefix("avhcurate: ")


# --- making and keeping ---------------------------------------------------------------------------------------


def _compute(settings: ToySettings) -> ToyResult:
    from avhcurate.toy.train import EvalPoints, train_toy

    blobs = blobs_of(settings)
    points, labels = blobs.sample(TRAINED_ON, seed=2 * settings.seed)
    held, held_labels = blobs.sample(HELD_OUT, seed=2 * settings.seed + 1)
    grid = blobs.grid()
    shape = (len(grid.y), len(grid.x))
    places = [EvalPoints(held, held_labels), EvalPoints(grid.points, blobs.posterior(grid.points).argmax(1))]
    options = {name: getattr(settings, name) for name in ("classes", "epochs", "loss", "seed")}
    started = time.perf_counter()
    samples, drawn = train_toy(points, labels, places, width=_WIDTH, **options)
    seconds = time.perf_counter() - started

    at_held, on_grid = blobs.bayes_error(held), blobs.bayes_error(grid.points)
    curves = pd.DataFrame(
        {
            "epoch": np.arange(settings.epochs + 1),
            # An embedding whose every ReLU is at 0 has no angle.
            "avh": np.ma.masked_invalid(samples.avh).mean(1, dtype=float).filled(np.nan),
            "norm": samples.norm.mean(1, dtype=float),
            "loss": samples.loss.mean(1, dtype=float),
            "accuracy": (samples.predicted == held_labels).mean(1),
            "avh_samples": [follows(values, at_held) for values in samples.avh],
            "norm_samples": [follows(values, at_held) for values in samples.norm],
            "avh_map": [follows(values, on_grid) for values in drawn.avh],
            "norm_map": [follows(values, on_grid) for values in drawn.norm],
        }
    )
    return ToyResult(
        settings=settings,
        x=grid.x,
        y=grid.y,
        points=np.stack(blobs.on_map(points), axis=1),
        labels=labels,
        bayes=on_grid.reshape(shape),
        avh=drawn.avh.reshape(-1, *shape).astype(np.float16),
        norm=drawn.norm.reshape(-1, *shape).astype(np.float16),
        predicted=drawn.predicted.reshape(-1, *shape).astype(np.int8),
        curves=curves,
        best_error=blobs.mean_bayes_error,
        seconds=seconds,
        versions={name: version(name) for name in ("avhcurate", "numpy", "scipy", "torch")},
        created=now().isoformat(timespec="seconds"),
    )


def _to_bytes(result: ToyResult) -> bytes:
    """The result as .npz: arrays, curves as a matrix, and the rest as JSON."""
    about = {name: getattr(result, name) for name in ("best_error", "seconds", "versions", "created")}
    about |= {"columns": list(result.curves.columns)}
    stream = io.BytesIO()
    arrays = {name: getattr(result, name) for name in _ARRAYS}
    settings = json.dumps(result.settings.model_dump())
    np.savez(stream, **arrays, curves=result.curves.to_numpy(float), about=json.dumps(about), settings=settings)
    return stream.getvalue()


def _prune(folder: Path) -> None:
    """Keeps the newest results; the others are quickly trained again."""
    stored = [(path.stat().st_mtime_ns, path) for path in folder.glob("*.npz")]
    for _, path in sorted(stored)[:-_KEPT]:
        path.unlink(missing_ok=True)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
