"""UMAP in its own process, which reports epochs and can be ended at any moment: the library cannot be cancelled."""

import json
import subprocess
import sys
import tempfile
import warnings
from collections import deque
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from avhcurate.data.background import launch, reason
from avhcurate.disk.files import temporary_name
from avhcurate.disk.jobs import Progress

#: Seconds between two polls of the process.
_POLL = 0.2


def lay_out(rows: Path, *, nearest: Path | None = None, options: dict[str, Any], progress: Progress) -> np.ndarray:
    """Places (n, 2) float32 of the rows (n, d) of an .npy file, by `umap.UMAP(**options)`.

    `nearest`: a file with `near` and `distances` of each row, itself first; without it UMAP searches them.

    `progress` counts the epochs of the optimisation; UMAP reports nothing before it. Raises Cancelled when asked to
    stop, which ends the process at once, and RuntimeError with its reason when it fails.
    """
    out = temporary_name(rows.with_suffix(".out.npy"))
    with tempfile.TemporaryFile() as errors:
        argv = [str(rows), str(out), json.dumps(options), *([str(nearest)] if nearest else [])]
        process = launch(argv, module=__name__, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
        lines: deque[bytes] = deque()
        reader = Thread(target=lines.extend, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            _follow(reader, lines, progress)
            process.wait()
            if process.returncode < 0:
                raise RuntimeError("the process of UMAP ended before it was done: was it killed for memory?")
            if process.returncode:
                errors.seek(0)
                raise RuntimeError(f"UMAP failed: {reason(errors.read(), process.returncode)}")
            return np.load(out)
        finally:
            process.kill()
            process.wait()
            reader.join()
            process.stdout.close()  # type: ignore[union-attr]
            out.unlink(missing_ok=True)


def _follow(reader: Thread, lines: deque[bytes], progress: Progress) -> None:
    """Reports the epochs that the process prints, a line each, until it ends."""
    while reader.is_alive() or lines:
        progress.check("cancelled while UMAP worked: the same command starts it again")
        reader.join(_POLL)
        while lines:
            epoch = int(lines.popleft())
            progress.report(epoch, epoch, "")


class _Epochs:
    """The file that UMAP's progress bar writes to: a number an epoch, printed as a line."""

    def write(self, text: str) -> None:
        if text.strip().isdigit():
            print(text.strip(), flush=True)

    def flush(self) -> None:
        """Every line is flushed already."""


def _lay_out(rows: str, out: str, options: str, nearest: str | None = None) -> None:
    """The work of the process. When its parent is gone, printing an epoch fails and ends it too."""
    laid = np.load(rows)
    import umap

    warnings.filterwarnings("ignore", category=UserWarning)  # on seeds and sizes, which the record has
    bar = {"file": _Epochs(), "disable": False, "bar_format": "{n_fmt}", "mininterval": 0, "miniters": 1}
    given = json.loads(options)
    if nearest:
        with np.load(nearest) as file:
            given["precomputed_knn"] = file["near"], file["distances"]
    with open(out, "wb") as stream:
        np.save(stream, umap.UMAP(**given, tqdm_kwds=bar).fit_transform(laid).astype(np.float32))


if __name__ == "__main__":
    _lay_out(*sys.argv[1:])
