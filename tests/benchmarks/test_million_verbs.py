"""What verbs cost: each runs on the made-up workspace, and its own use is read."""

import pytest

from benchmarks.million import make
from benchmarks.million_verbs import VERBS, cost_of


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("made-up")
    make(root, 240, 220)
    return root


def test_a_verb_of_the_table_runs_and_its_use_is_its_own(workspace):
    cost = cost_of(VERBS["quality"], workspace)
    assert cost.code == 0, cost.said
    assert cost.processor > 0
    assert 0.05 < cost.peak < 5
    assert "20 groups of near duplicates" in cost.said
