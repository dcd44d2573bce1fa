"""UMAP in its own process, which reports epochs and can be ended at any moment: the library cannot be cancelled."""

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from select import select
from typing import Any

import numpy as np

from avhcurate.workspace.data.background import launch, reason
from avhcurate.workspace.disk.files import temporary_name
from avhcurate.workspace.disk.jobs import Progress

#: Seconds between two looks at the process.
_POLL = 0.2
#: Bytes read at once: more than all epochs write, so that no number is read in part.
_MOST = 1 << 12


def lay_out(rows: Path, *, nearest: Path, options: dict[str, Any], progress: Progress) -> np.ndarray:
    """Return places (n, 2) float32 of the rows (n, d) of an .npy file, by `umap.UMAP(**options)`.

    `nearest`: a file with `near` and `distances` of each row, itself first; if it is missing, UMAP searches them.
    `progress` counts the epochs of the optimisation; UMAP reports nothing before it. Raises Cancelled when asked to
    stop, which ends the process at once, and RuntimeError with the reason of a failure.
    """
    out = temporary_name(rows.with_suffix(".out.npy"))
    argv = [str(rows), str(out), json.dumps(options), str(nearest)]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "bufsize": 0, "start_new_session": True}
    with tempfile.TemporaryFile() as errors, launch(argv, module=__name__, stderr=errors, **streams) as process:
        stdout: Any = process.stdout
        try:
            printed = b" "
            while printed:
                progress.check("Cancelled while UMAP worked. The same command starts it again.")
                if not select([stdout], [], [], _POLL)[0]:
                    continue
                printed = stdout.read(_MOST)
                for epoch in map(int, printed.split()):
                    progress.report(epoch, epoch, "")
            if process.wait() < 0:
                raise RuntimeError("UMAP's process was killed before it was done, perhaps for lack of memory.")
            if process.returncode:
                errors.seek(0)
                raise RuntimeError(f"UMAP failed: {reason(errors.read(), process.returncode)}")
            return np.load(out)
        finally:
            process.kill()
            process.wait()
            out.unlink(missing_ok=True)


def _lay_out(rows: str, out: str, options: str, nearest: str) -> None:
    """Do the work of the process. When its parent is gone, printing an epoch fails and ends it too."""
    laid = np.load(rows)
    import umap

    warnings.filterwarnings("ignore", category=UserWarning)  # on seeds and sizes, which the record has
    # A number an epoch, each on a line.
    bar = {"file": sys.stdout, "disable": False, "bar_format": "{n_fmt}\n", "mininterval": 0, "miniters": 1}
    settings = json.loads(options)
    if Path(nearest).exists():
        with np.load(nearest) as file:
            settings["precomputed_knn"] = file["near"], file["distances"]
    with open(out, "wb") as stream:
        np.save(stream, umap.UMAP(**settings, tqdm_kwds=bar).fit_transform(laid).astype(np.float32))


if __name__ == "__main__":
    _lay_out(*sys.argv[1:])
