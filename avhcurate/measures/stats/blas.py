"""Which threads linear algebra takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from threadpoolctl import threadpool_limits

_LOCK = Lock()
#: For each block that runs, in any thread: how to undo the limit, which the first one has set, and the last one undoes.
_BLOCKS: list[threadpool_limits | None] = []


@contextmanager
def one_thread() -> Iterator[None]:
    """Let linear algebra run in the thread that calls it, within a block or a decorated function.

    For products of small matrices: OpenBLAS keeps its threads busy while they wait for each other. While other
    processes were busy, a fit took 60 times the processor time of one thread. NumPy and SciPy may each bring an
    OpenBLAS, whose limit is that of the process: blocks may overlap in several threads.
    """
    import scipy.linalg  # noqa: F401 - what is loaded later would not be limited

    with _LOCK:
        limits = None
        if not _BLOCKS:
            limits = threadpool_limits(1, user_api="blas")
        _BLOCKS.append(limits)
    try:
        yield
    finally:
        with _LOCK:
            limits = _BLOCKS.pop()
            if limits:
                limits.restore_original_limits()
