"""Asserts what an error is about, whatever its words: what it mentions, and what it advises."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from avhcurate.errors import CurateError, Option, Run


@contextmanager
def refused(*about: object, kind: type[CurateError] = CurateError) -> Iterator[pytest.ExceptionInfo[CurateError]]:
    """Fail unless the block raises a `kind` of error that is `about` these.

    Its options and runs are those given, in their order and no others; each other thing is mentioned in its words.
    """
    with pytest.raises(kind) as caught:
        yield caught
    check_about(caught.value, *about)


def check_about(error: CurateError, *about: object) -> None:
    """Fail unless an error is about these, as `refused`."""
    parts = [part for part in about if isinstance(part, Option | Run)]
    said = str(error)
    assert [part for part in error.text if not isinstance(part, str)] == parts, said
    missing = [str(name) for name in about if not isinstance(name, Option | Run) and str(name) not in said]
    assert missing == [], said
