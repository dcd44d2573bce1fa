"""What decisions were worth, from the history of a dataset with a locked part; and checks of locked images."""

import json

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.curate.locked import lock, locked_mask
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError, Option, Run
from avhcurate.features.payoff import service, study, texts
from avhcurate.features.suspects.store import suspects_of
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.refusals import refused
from tests.fakes.sources import attach
from tests.fakes.workspaces import lock_before_scoring


@pytest.fixture
def opened(own_digits):
    """The digits with a locked fifth."""
    return lock_before_scoring(own_digits)


def outside(opened, label):
    """Ids of the images with a label that are not locked."""
    labels = opened.dataset.labels()
    return np.flatnonzero((labels == label) & ~locked_mask(opened.dataset)).tolist()


def test_spoilt_labels_hurt_by_hand_and_in_bulk(opened):
    nothing = service.payoff(opened.decisions, opened.run).result()
    assert (nothing["gain"], nothing["low"], nothing["high"]) == (0, 0, 0)
    assert (nothing["decisions"], nothing["verdict"]) == (0, "cannot tell")
    annotate(opened.decisions, outside(opened, 3)[:100], "relabel", 8)
    annotate(opened.decisions, outside(opened, 4)[:1], "relabel", 9)
    annotate(opened.decisions, outside(opened, 5)[:20], "exclude")
    said = service.payoff(opened.decisions, opened.run)
    assert dict(said.decisions) == {"by_hand": 1, "in_bulk": 100, "excluded": 20}
    assert said.gain.verdict == "hurt"
    assert said.kinds["in_bulk"].verdict == "hurt"
    assert said.kinds["by_hand"].verdict == "cannot tell"
    assert said.gain.locked == locked_mask(opened.dataset).sum()
    result = json.loads(json.dumps(said.result()))
    assert list(result["kinds"]) == ["by_hand", "in_bulk", "excluded"]
    assert str(result["penalty"]["value"]) in result["penalty"]["losses"]
    assert "121 decisions" in texts.sentence(said)
    assert "they hurt" in texts.sentence(said)


def test_only_decisions_after_an_entry_count_and_what_is_undone_does_not(opened):
    annotate(opened.decisions, outside(opened, 3)[:30], "relabel", 8)
    entry = opened.samples.entry
    annotate(opened.decisions, outside(opened, 6)[:5], "exclude")
    assert dict(service.payoff(opened.decisions, opened.run, since=entry).decisions) == {"excluded": 5}
    undo(opened.decisions)
    assert not service.payoff(opened.decisions, opened.run, since=entry).decisions
    with refused(0, 1, 4, Option("since")):
        service.payoff(opened.decisions, opened.run, since=0)


@pytest.mark.slow
def test_checks_are_entries_that_replace_the_given_label_and_can_be_undone(opened):
    annotate(opened.decisions, outside(opened, 3)[:100], "relabel", 8)
    compared = service.compare(
        opened.samples, opened.run, opened.dataset, service.label_changes(opened.decisions, opened.run)
    )
    before = service.payoff_of(opened.decisions, compared)
    labels = opened.dataset.labels()
    while (said := service.payoff_of(opened.decisions, compared)).unchecked:
        id = said.unchecked[0]
        service.check(opened.decisions, id, int(labels[id]))
    assert said.gain.checked == len(service.checks(opened.decisions)) == len(before.unchecked)
    assert said.gain.gain == pytest.approx(before.gain.gain, abs=1e-9)  # the given labels are right here
    assert "as narrow as it gets" in " ".join(texts.way_on(said))
    for _ in range(said.gain.checked):
        undo(opened.decisions)
    assert service.checks(opened.decisions) == {}
    assert service.payoff_of(opened.decisions, compared).gain == before.gain


def test_a_check_changes_no_label_and_no_exclusion(opened):
    first, second = np.flatnonzero(locked_mask(opened.dataset) & (opened.dataset.labels() == 3))[:2].tolist()
    annotate(opened.decisions, [second], "relabel", 5)
    before = opened.samples.frame()
    for id, label in ((first, 8), (second, None)):
        service.check(opened.decisions, id, label)
    assert service.checks(opened.decisions) == {first: 8, second: -1}
    pd.testing.assert_frame_equal(opened.samples.frame(), before)
    again = open_dataset(Workspace(opened.workspace.root), "digits")
    pd.testing.assert_frame_equal(again.samples.frame(), before)


def test_what_cannot_judge_is_refused_in_words(own_digits):
    with refused("'digits'", Run("lock", "digits")):
        service.payoff(own_digits.decisions, own_digits.run)
    opened = lock_before_scoring(own_digits, where="label != 3", share=0.2)
    annotate(opened.decisions, outside(opened, 4)[:3], "exclude")
    with refused(3, Run("lock", "digits", share="0.3")):
        service.payoff(opened.decisions, opened.run)


def test_decisions_about_locked_images_only_are_refused(opened):
    annotate(opened.decisions, np.flatnonzero(locked_mask(opened.dataset))[:3].tolist(), "relabel", 1)
    with pytest.raises(CurateError, match="All decisions are about locked images"):
        service.payoff(opened.decisions, opened.run)
    with pytest.raises(CurateError, match="is not locked"):
        service.check(opened.decisions, outside(opened, 1)[0], 1)


def test_the_command_says_it_in_words_and_as_json(cli, opened):
    annotate(opened.decisions, outside(opened, 3)[:100], "relabel", 8)
    root = opened.workspace.root
    code, out, err = cli("payoff", "digits", "--workspace", root)
    assert code == 0, err
    assert out.startswith("digits: 100 decisions changed accuracy on")
    assert f"Holds for {study.HOLDS_FOR}." in out
    code, out, err = cli("payoff", "digits", "--json", "--workspace", root)
    assert code == 0, err
    result = json.loads(out)
    assert {"gain", "low", "high", "locked", "checked", "decisions", "earlier", "verdict"} <= set(result)
    assert result["holds_for"] == study.HOLDS_FOR
    assert result["verdict"] == "hurt"


def test_labels_that_came_in_a_file_are_decided_in_bulk(opened, tmp_path):
    file = tmp_path / "labels.csv"
    rows = "".join(f"{id},8\n" for id in outside(opened, 3)[:4])
    file.write_text(f"id,label\n{rows}")
    relabel_from(opened.decisions, file)
    again = open_dataset(Workspace(opened.workspace.root), "digits")
    assert dict(service.payoff(again.decisions, again.run).decisions) == {"in_bulk": 4}


@pytest.mark.slow
def test_what_accepting_suspects_would_do_is_told_without_locked_labels(opened, monkeypatch):
    (said,) = service.beforehand(opened.samples, opened.run, opened.dataset, "accept", 60)
    assert said.low <= said.gain <= said.high < 0.05
    labels = opened.dataset.labels().copy()
    labels[locked_mask(opened.dataset)] = 0
    frame = SampleTable.frame

    def with_other_labels(self, *asked, **how):
        rows = frame(self, *asked, **how)
        return rows.assign(curated_label=labels[rows["id"]]) if "curated_label" in rows else rows

    monkeypatch.setattr(SampleTable, "frame", with_other_labels)
    assert service.beforehand(opened.samples, opened.run, opened.dataset, "accept", 60) == [said]


# --- a lock after the first score ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_lock_after_a_fitted_head_fits_it_again_and_says_which_decisions_count(cli, own_demo_root):
    root = own_demo_root
    assert cli("score", "digits", "--model", "avhcurate:digits", "--head", "fit", "--workspace", root).code == 0
    before = Workspace(root).dataset("digits").runs()[-1]
    assert not before.record.locked, "what is scored already is not locked by itself"
    opened = open_dataset(Workspace(root), "digits", before.name)
    assert cli("suspects", "digits", "--model", before.name, "--workspace", root).code == 0
    annotate(opened.decisions, np.flatnonzero(opened.dataset.labels() == 3)[:5].tolist(), "relabel", 8)
    lock(opened.decisions, opened.run)
    out = cli("payoff", "digits", "--model", before.name, "--workspace", root)
    assert out.code == 0, out.err
    assert "Its head was fitted again without the locked labels" in out.err
    assert "Nothing was decided since. Your 5 decisions were made before" in out.out
    again = next(run for run in Workspace(root).dataset("digits").runs() if run.record.locked and run.record.fitted)
    assert np.array_equal(again.features(), before.features())
    assert not np.array_equal(again.class_weights(), before.class_weights())
    locked = opened.dataset.locked()
    assert (again.folds()[locked] == -1).all(), "no fold has a locked image"
    listed = suspects_of(again)[-1].suspects()["id"]
    assert len(listed)
    assert not locked[listed].any()
    finished = again.record.finished
    scored = cli("score", "digits", "--model", "avhcurate:digits", "--head", "fit", "--workspace", root)
    assert "nothing ran now" in scored.out, "the run is the one that score makes after the lock"
    assert again.record.finished == finished
    after = open_dataset(Workspace(root), "digits", again.name)
    annotate(after.decisions, outside(after, 4)[:100], "relabel", 9)
    said = service.payoff(after.decisions, after.run)
    assert (dict(said.decisions), said.earlier) == ({"in_bulk": 100}, 5)
    assert said.gain.verdict == "hurt"


def test_features_that_learnt_nothing_here_are_valid_after_a_lock(own_digits, tmp_path):
    space = own_digits.workspace
    np.save(tmp_path / "features.npy", own_digits.run.features())
    np.save(tmp_path / "logits.npy", own_digits.run.logits_of(np.arange(own_digits.samples.size)))
    alone = attach(space, "digits", str(tmp_path / "features.npy"), name="alone")
    with_logits = attach(
        space, "digits", str(tmp_path / "features.npy"), logits=str(tmp_path / "logits.npy"), name="all"
    )
    lock(own_digits.decisions, own_digits.run)
    for run in (own_digits.run.name, alone.name):
        opened = open_dataset(space, "digits", run)
        annotate(opened.decisions, outside(opened, 3)[:100], "relabel", 8)
        assert service.payoff(opened.decisions, opened.run).gain.verdict == "hurt"
        undo(opened.decisions)
    with refused("all", "'digits'", Run("attach", "digits", "...")):
        service.payoff(open_dataset(space, "digits").decisions, with_logits)
