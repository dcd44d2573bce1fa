"""Which threads linear algebra takes."""

from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def leave_threads_to_numpy() -> None:
    """Let SciPy's linear algebra run in the thread that calls it, for the rest of the process.

    As wheels, NumPy and SciPy each bring an OpenBLAS, whose threads keep a core busy while they wait. A fit by L-BFGS
    goes from the one to the other and back at every step, and takes 2.7 times as long with the threads of both.
    """
    for library in ThreadpoolController().lib_controllers:
        if "scipy.libs" in library.filepath:
            library.set_num_threads(1)
