"""Which threads linear algebra takes."""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Let linear algebra run in the thread that calls it, within a block or a decorated function.

    For products of small matrices: OpenBLAS keeps its threads busy while they wait for each other. While other
    processes were busy, a fit took 60 times the processor time of one thread. NumPy and SciPy may each bring an
    OpenBLAS.
    """
    import scipy.linalg  # noqa: F401 - what is loaded later would not be limited

    with threadpool_limits(1, user_api="blas"):
        yield
