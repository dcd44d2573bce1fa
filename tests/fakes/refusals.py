"""Asserts what an error is about, whatever its words: what it mentions, and what it advises."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from avhcurate.errors import CurateError, Option, Run


@contextmanager
def refused(*about: object, kind: type[CurateError] = CurateError) -> Iterator[pytest.ExceptionInfo[CurateError]]:
    """Fail unless the block raises a `kind` of error that is `about` these.

    Its options and runs are those given, in their order and no others. What else is given, as a name or a number,
    stands in its text as a whole.
    """
    with pytest.raises(kind) as caught:
        yield caught
    check_about(caught.value, *about)


def check_about(error: CurateError, *about: object) -> None:
    """Fail unless an error is about these, as `refused`."""
    said = str(error)
    parts = [each for each in about if isinstance(each, Option | Run)]
    assert [part for part in (*error.what, *error.fix) if not isinstance(part, str)] == parts, said
    named = [re.escape(str(each)) for each in about if not isinstance(each, Option | Run)]
    assert [name for name in named if not re.search(rf"(?<!\w){name}(?!\w)", said)] == [], said
