"""Workspaces in every state, and the part of the matrix that `make test` runs."""

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.browser.conftest import (  # noqa: F401 -- fixtures
    chromium,
    context,
    make_server,
    new_context,
    page,
    serve,
    server,
    unwatched_page,
)
from tests.fakes.object_store import serving_s3
from tests.fakes.workspaces import Once, copied
from tests.matrix import states
from tests.matrix.states import STATES, NoDisk


def cells(*sides: Sequence[str], seed: int, quick: int) -> list[object]:
    """Return every combination as parameters of a test, all but `quick` of them, drawn by the seed, marked slow.

    The states that take long to make are always slow.
    """
    every = [(row, column) for row in sides[0] for column in sides[1]]
    drawable = [cell for cell in every if not STATES[cell[0]].slow]
    drawn = set(random.Random(seed).sample(drawable, quick))
    return [pytest.param(*cell, marks=[pytest.mark.slow] * (cell not in drawn)) for cell in every]


@pytest.fixture(scope="session")
def inputs(once: Once) -> Path:
    """The folder that states are made from."""
    return once("matrix inputs", states.write_inputs)


@pytest.fixture(scope="session")
def bucket(inputs: Path) -> Iterator[None]:
    """A bucket of this process with the photos."""
    with pytest.MonkeyPatch.context() as patch, serving_s3(patch) as client:
        for path in (inputs / "photos").rglob("*.png"):
            client.put_object(Bucket="pictures", Key=path.relative_to(inputs).as_posix(), Body=path.read_bytes())
        yield


@pytest.fixture(scope="session")
def state_of(once: Once, inputs: Path, request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Returns the workspace of a state, to read only."""

    def find(name: str) -> Path:
        if STATES[name].bucket:
            request.getfixturevalue("bucket")
        return once(f"matrix {name}", lambda root: states.make(root, name, find, inputs))

    return find


@pytest.fixture
def own_state(state_of: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Returns a copy of the workspace of a state that the test may change, on its disk."""
    with ExitStack() as disks:

        def put(name: str) -> Path:
            root = state_of(name)
            if not STATES[name].disk:
                return copied(root, tmp_path / "workspace")
            own = tmp_path / "disk"
            try:
                return disks.enter_context(states.on_disk(root, own, STATES[name].disk))
            except NoDisk:
                pytest.skip("no disk can be mounted here")

        yield put
    shutil.rmtree(tmp_path / "workspace", ignore_errors=True)  # thousands of them are several gigabytes
