"""UMAP in its own process, which reports epochs and can be ended at any moment: the library cannot be cancelled."""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from avhcurate.data.background import launch, reason
from avhcurate.disk.files import temporary_name
from avhcurate.disk.jobs import Progress

#: Seconds between two polls of the process.
_POLL = 0.2


def lay_out(rows: Path, *, options: dict[str, Any], progress: Progress) -> np.ndarray:
    """Places (n, 2) float32 of the rows (n, d) of an .npy file, by `umap.UMAP(**options)`.

    `progress` counts the epochs of the optimisation; UMAP reports nothing before it. Raises Cancelled when asked to
    stop, which ends the process at once, and RuntimeError with its reason when it fails.
    """
    out = temporary_name(rows.with_suffix(".out.npy"))
    with tempfile.TemporaryFile() as errors:
        argv = [str(rows), str(out), json.dumps(options)]
        process = launch(argv, module=__name__, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)
        try:
            _follow(process, progress)
            if process.returncode < 0:
                raise RuntimeError("the process of UMAP ended before it was done: was it killed for memory?")
            if process.returncode:
                errors.seek(0)
                raise RuntimeError(f"UMAP failed: {reason(errors.read(), process.returncode)}")
            return np.load(out)
        finally:
            process.kill()
            process.communicate()
            out.unlink(missing_ok=True)


def _follow(process: "subprocess.Popen[bytes]", progress: Progress) -> None:
    """Reports the epochs that the process prints until it ends."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    while True:
        progress.check("cancelled while UMAP worked: the same command starts it again")
        ended = process.poll() is not None
        for epoch in (process.stdout.read() or b"").split():
            progress.report(int(epoch), int(epoch), "")
        if ended:
            return
        time.sleep(_POLL)


class _Epochs:
    """The file that UMAP's progress bar writes to: a number an epoch, printed as a line."""

    def write(self, text: str) -> None:
        if text.strip().isdigit():
            print(text.strip(), flush=True)

    def flush(self) -> None:
        """Every line is flushed already."""


def _lay_out(rows: str, out: str, options: str) -> None:
    """The work of the process. When its parent is gone, printing an epoch fails and ends it too."""
    laid = np.load(rows)
    import umap

    warnings.filterwarnings("ignore", category=UserWarning)  # on seeds and sizes, which the record has
    bar = {"file": _Epochs(), "disable": False, "bar_format": "{n_fmt}", "mininterval": 0, "miniters": 1}
    with open(out, "wb") as stream:
        np.save(stream, umap.UMAP(**json.loads(options), tqdm_kwds=bar).fit_transform(laid).astype(np.float32))


if __name__ == "__main__":
    _lay_out(*sys.argv[1:])
