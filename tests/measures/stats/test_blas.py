"""SciPy's linear algebra in one thread, NumPy's in all."""

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import ThreadpoolController

from avhcurate.measures.stats.blas import leave_threads_to_numpy


def threads(place):
    found = [one for one in ThreadpoolController().lib_controllers if place in one.filepath]
    if not found:
        pytest.skip("no wheels: one library for both")
    return found[0]


def test_only_scipys_threads_are_left_out():
    numpy, scipy_ = threads("numpy.libs"), threads("scipy.libs")
    before = numpy.num_threads, scipy_.num_threads
    try:
        scipy_.set_num_threads(2)
        leave_threads_to_numpy.cache_clear()
        leave_threads_to_numpy()
        assert (numpy.num_threads, scipy_.num_threads) == (before[0], 1)
        assert scipy.linalg.solve(np.diag([2.0, 4.0]), [2.0, 4.0]).tolist() == [1, 1]
    finally:
        scipy_.set_num_threads(before[1])
        leave_threads_to_numpy.cache_clear()
