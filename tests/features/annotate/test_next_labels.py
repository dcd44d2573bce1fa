"""Images to label next: every cluster before a second of one, the less certain first, in a queue and in a file."""

import json

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.annotate import setup
from avhcurate.features.annotate.next_labels import next_labels
from avhcurate.people.queues import queue_use
from tests.features.annotate.test_drawn_queue import DRAWN, give


def test_each_cluster_comes_before_a_second_of_one_and_those_with_a_label_are_known(made_up, workspace):
    rng, sizes = np.random.default_rng(0), (200, 60, 40)
    clusters = np.repeat(range(3), sizes)
    labels = np.full(300, -1)
    labels[[200, 260]] = 0, 1
    made_up(20 * np.eye(3, 8)[clusters] + rng.normal(size=(300, 8)), labels)
    table = open_table(workspace, "dots")
    found = next_labels(table, 40)
    assert clusters[found.ids[0]] == 0  # the others have a labelled image each
    assert (found.labelled, found.samples) == (2, 300)
    assert not np.isin([200, 260], found.ids).any()
    assert found.covered[-1] > found.at_random[-1]
    assert (np.diff(found.covered) > 0).all()
    assert set(clusters[found.ids[:6]]) == {0, 1, 2}
    within = next_labels(table, 3, filters=Filters(where="id >= 260"))
    assert (within.ids >= 260).all()
    with pytest.raises(CurateError, match="left to label"):
        next_labels(table, 3, filters=Filters(where="id = 260"))


def test_the_queue_goes_by_the_order_without_chances_and_saving_again_gives_the_next_batch(own_digits):
    order = next_labels(own_digits, 30).ids.tolist()
    avc = own_digits.frame(columns=["avc"])["avc"].rank(pct=True)
    assert avc[order].mean() < 0.4  # the less certain first
    diverse = DRAWN.with_(queue="diverse")
    first = setup.configure(own_digits, diverse, who="lead")
    assert give(own_digits, 20) == order[:20]
    use = queue_use(own_digits.counter)
    assert (use.votes, use.biased, use.weights) == ({"diverse": 20}, 20, None)
    following = next_labels(own_digits, 5).ids.tolist()
    assert not set(following) & set(order[:20])
    assert setup.configure(own_digits, diverse, who="lead").record == first.record + 1
    assert give(own_digits, 5) == following


def test_the_verb_writes_the_order_with_what_it_covers(cli, own_demo_root, tmp_path):
    out, words = tmp_path / "next.csv", ["select", "digits", "--rule", "diverse", "--workspace", own_demo_root]
    code, printed, _ = cli(*words, "--budget", "25", "--where", "split = 'test'", "--out", out)
    assert code == 0
    assert "25 images cover" in printed
    rows, record = pd.read_csv(out), json.loads((tmp_path / "next.csv.manifest.json").read_text())
    assert rows.columns.tolist() == ["id", "path", "order", "covered", "avc"]
    assert rows["order"].tolist() == list(range(1, 26))
    assert (record["rule"], record["drawn"], record["weighted_by"]) == ("diverse", False, "avc")
    assert record["covered"] == pytest.approx(rows["covered"].iloc[-1], abs=1e-6)
    assert record["covered"] > record["covered_at_random"]
    for wrong in (["--out", "x.csv"], ["--out", "x.csv", "--budget", "5", "--portion", "0.5"]):
        assert cli(*words, *wrong)[0] == 2
