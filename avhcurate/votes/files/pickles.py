"""Pickles of plain data, such as ImageNetV2's answers: read in another process, with limits, and never trusted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from avhcurate.errors import CurateError

_SCRIPT = Path(__file__).with_name("unpickle.py")
#: Bytes of a file, and of its data as JSON.
_MOST_BYTES = 1 << 30
#: Memory in bytes and processor time in seconds that reading may take.
_MEMORY, _SECONDS = 4 << 30, 300


def load_pickle(path: Path) -> Any:
    """The data in a pickle; `CurateError` naming what is not plain, broken or too large in it."""
    if path.stat().st_size > _MOST_BYTES:
        raise CurateError(f"{path.name} is larger than {_MOST_BYTES >> 30} GiB: convert a part of it at a time")
    return plain(path.read_bytes(), path.name)


def plain(content: bytes, title: str = "the pickle") -> Any:
    """The same from bytes, as JSON has it: arrays, tuples and sets are lists, times and bytes text.

    >>> import pickle
    >>> plain(pickle.dumps({"a": [1, 2.5, "x", b"y", None, (True,)]}))
    {'a': [1, 2.5, 'x', 'y', None, [True]]}
    """
    limits = [str(limit) for limit in (_MEMORY, _SECONDS, _MOST_BYTES)]
    done = subprocess.run([sys.executable, "-P", str(_SCRIPT), *limits], input=content, capture_output=True)
    reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:300]
    if not done.returncode:
        try:
            return json.loads(done.stdout)
        except (ValueError, RecursionError) as problem:
            reason = str(problem)
    reason = reason if done.returncode >= 0 else "reading it takes too much memory or time"
    raise CurateError(f"{title} is not opened: {reason}")
