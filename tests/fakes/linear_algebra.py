"""How many threads linear algebra has where a function is called."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits


@contextmanager
def threads_at(module: Any, *names: str) -> Iterator[set[int]]:
    """Give two threads to linear algebra, and collect how many it has where functions of a module are called."""
    counts: set[int] = set()

    def counted(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            counts.update(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
            return function(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch, threadpool_limits(2, user_api="blas"):
        for name in names:
            patch.setattr(module, name, counted(getattr(module, name)))
        yield counts
