"""Which images to keep: what each rule takes, what the curve shows of them, and the file that select writes."""

import json

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.curate.locked import lock, locked_mask
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.payoff import keep_rules
from avhcurate.features.payoff.keep_service import keep, keep_curve
from avhcurate.features.payoff.service import label_changes
from tests.fakes.refusals import refused
from tests.fakes.workspaces import lock_before_scoring


@pytest.fixture(scope="module")
def doubtful():
    """Labels of two classes, one four times as large, and how confident a network is in each."""
    rng = np.random.default_rng(0)
    return np.repeat([0, 1], [80, 20]), rng.random(100)


@pytest.mark.parametrize("rule", keep_rules.RULES)
def test_a_rule_keeps_the_share_it_was_asked_for(rule, doubtful):
    for share in keep_rules.SHARES:
        assert keep_rules.kept(rule, *doubtful, share, seed=0).sum() == pytest.approx(100 * share, abs=1)


def test_the_least_confident_of_each_class_are_never_kept_while_there_are_others(doubtful):
    labels, confidence = doubtful
    for seed in range(20):
        chosen = keep_rules.kept("keep", labels, confidence, 0.5, seed=seed)
        for label, size in ((0, 80), (1, 20)):
            least = np.sort(confidence[labels == label])[size // 10]
            assert confidence[chosen & (labels == label)].min() >= least
            assert (chosen & (labels == label)).sum() == size / 2


def test_images_of_rare_confidence_come_before_their_share():
    confidence = np.concatenate([np.full(160, 0.9), np.linspace(0.3, 0.8, 40)])
    labels = np.zeros(200, int)
    # Of 40 rare ones 20 are dropped, and the others are a tenth of what is offered.
    assert keep_rules.kept("keep", labels, confidence, 0.1, seed=0)[160:].sum() > 5


@pytest.mark.slow
def test_the_curve_shows_that_hard_images_are_the_worst_to_train_on(own_digits):
    opened = lock_before_scoring(own_digits)
    now = label_changes(opened.decisions, opened.run)
    curve = keep_curve(opened.samples, opened.run, opened.dataset, now).set_index(["rule", "share"])
    assert set(curve.index.get_level_values("rule")) == set(keep_rules.RULES)
    assert curve.loc[("hardest", 0.1), "high"] < -0.1
    assert curve.loc[("keep", 0.1), "high"] > 0
    assert (curve.xs(1.0, level="share")["less_random"].abs() < 1e-9).all()  # all are kept: one and the same head
    assert curve.loc[("random", 1.0), "accuracy"] > 0.85


def test_select_writes_what_is_kept_with_its_labels_and_no_locked_image(cli, own_digits, tmp_path):
    lock(own_digits.decisions, own_digits.run)
    file = tmp_path / "keep.csv"
    root = own_digits.workspace.root
    code, out, err = cli(
        "select", "digits", "--rule", "keep", "--portion", "0.5", "--out", file, "--json", "--workspace", root
    )
    assert code == 0, err
    rows = pd.read_csv(file)
    assert json.loads(out) == {"rule": "keep", "portion": 0.5, "samples": len(rows)}
    assert not locked_mask(own_digits.dataset)[rows["id"]].any()
    assert len(rows) == pytest.approx(0.5 * (~locked_mask(own_digits.dataset)).sum(), abs=6)
    manifest = json.loads(file.with_name("keep.csv.manifest.json").read_text())
    assert (manifest["rule"], manifest["portion"]) == ("keep", 0.5)


def test_a_portion_that_is_none_is_refused(own_digits):
    with refused(0, 1):
        keep(own_digits.samples, own_digits.dataset, 0, filters=Filters())
