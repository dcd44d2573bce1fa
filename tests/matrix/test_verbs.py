"""States x verbs: each call ends as it should with one sentence, and leaves a workspace that `check` calls whole."""

import pytest
import typer

from avhcurate.cli import app
from tests.matrix.conftest import cells
from tests.matrix.states import STATES, avhcurate
from tests.matrix.verbs import ANYWHERE, ANYWHERE_ON, ELSEWHERE, READING, WRITING


def call_on(root, call, state, inputs, out):
    """Makes a call on a workspace; what it ends with is never a traceback, and a mistake is one line."""
    words = call.format(name=STATES[state].dataset, inputs=inputs, out=out)
    ended = avhcurate(root, words)
    assert ended.code in (0, 2, 3), ended
    assert "Traceback" not in ended.err
    if ended.code:
        last = ended.err.splitlines()[-1]
        assert last.startswith("avhcurate: "), ended
    return ended


@pytest.mark.parametrize(("state", "call"), cells([*STATES], READING, seed=1, quick=25))
def test_what_reads_says_it_or_one_sentence(state, call, own_state, inputs, tmp_path):
    root = own_state(state)
    call_on(root, call, state, inputs, tmp_path / "out")
    if not STATES[state].disk:
        assert avhcurate(root, "check").code == 0


@pytest.mark.parametrize(("state", "call"), cells([*STATES], WRITING, seed=2, quick=25))
def test_what_writes_leaves_a_whole_workspace(state, call, own_state, inputs, tmp_path):
    root = own_state(state)
    call_on(root, call, state, inputs, tmp_path / "out")
    if not STATES[state].disk:
        assert avhcurate(root, "check").code == 0


@pytest.mark.parametrize(("state", "call"), cells(ANYWHERE_ON, ANYWHERE, seed=3, quick=2))
def test_what_needs_no_dataset_works_or_says_why(state, call, own_state, inputs, tmp_path):
    call_on(own_state(state), call, state, inputs, tmp_path / "out")


def test_every_verb_has_a_row():
    named = {call.split()[0] for call in (*READING, *WRITING, *ANYWHERE)}
    assert named | set(ELSEWHERE) == set(typer.main.get_command(app).commands)
