"""UMAP in a process of its own, which tells its epochs and can be ended at any moment: the library has no cancel."""

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from avhcurate.storage.files import temporary_name
from avhcurate.storage.jobs import Progress

#: Seconds between two looks whether the work shall stop.
_LOOK = 0.2


def lay_out(
    rows: Path,
    *,
    options: dict[str, Any],
    progress: Progress,
) -> np.ndarray:
    """Places (n, 2) float32 of the rows (n, d) of an .npy file, by `umap.UMAP(**options)`.

    `progress` counts the epochs of the optimisation; UMAP says nothing about what precedes it. Raises Cancelled
    when asked to stop, which ends the process at once, and RuntimeError with its reason when it fails.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    out = temporary_name(rows.with_suffix(".out.npy"))
    child = context.Process(target=_child, args=(theirs, str(rows), str(out), options), daemon=True)
    child.start()
    theirs.close()
    try:
        _listen(ours, progress)
        return np.load(out)
    finally:
        child.kill()
        child.join()
        ours.close()
        out.unlink(missing_ok=True)


def _listen(ours: Connection, progress: Progress) -> None:
    """Hears the child until it is done."""
    while True:
        progress.check("cancelled while UMAP worked: the same command begins it anew")
        if not ours.poll(_LOOK):
            continue
        try:
            told = ours.recv()
        except EOFError:
            raise RuntimeError("the process of UMAP ended before it was done: was it killed for memory?") from None
        if told == "done":
            return
        if isinstance(told, str):
            raise RuntimeError(f"UMAP failed: {told}")
        progress.report(told, told, "")


class _Epochs:
    """The file that UMAP's progress bar writes to: a number an epoch."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell

    def write(self, text: str) -> None:
        if text.strip().isdigit():
            self._tell(int(text))

    def flush(self) -> None:
        """Nothing is held back."""


def _child(theirs: Connection, rows: str, out: str, options: dict[str, Any]) -> None:
    """What the process does: import, fit, write. When whoever started it is gone, the pipe breaks and it ends too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both: the other one ends this
    try:
        laid = np.load(rows)
        import umap

        warnings.filterwarnings("ignore", category=UserWarning)  # what they say of seeds and sizes the record says
        bar = {"file": _Epochs(theirs.send), "disable": False, "bar_format": "{n_fmt}", "mininterval": 0, "miniters": 1}
        with open(out, "wb") as stream:
            np.save(stream, umap.UMAP(**options, tqdm_kwds=bar).fit_transform(laid).astype(np.float32))
        theirs.send("done")
    except BrokenPipeError:
        os._exit(1)
    except Exception as problem:
        theirs.send(f"{type(problem).__name__}: {problem}")
