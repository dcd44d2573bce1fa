"""The loop of self-training: nothing leaks, nothing unselected is learnt, a resume comes to the same bits."""

import filecmp
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from avhcurate import scores
from avhcurate.errors import CurateError
from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.features.pseudo_labels.rules import GATES, RULES, select
from avhcurate.lab.self_training.loop import ALL_ROUNDS, NO_CHANGE, TargetEvaluator, pseudo_labels, self_train
from avhcurate.lab.self_training.probe import FILE, ProbeRecipe, ProbeTrainer
from avhcurate.lab.self_training.settings import Schedule
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.refusals import refused

K, WIDTH = 4, 6
CLASSES = list("abcd")
RECIPE = ProbeRecipe(hidden=8, epochs=8, batch_size=32, learning_rate=0.01)
SHORT = Schedule(0.2, 0.15, 0.5)


def planted(n, *, shift, seed):
    """Features of K clusters, moved by `shift`, and their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % K)
    centres = 3 * np.eye(K, WIDTH)
    return (centres[labels] + rng.normal(0, 0.9, (n, WIDTH)) + shift).astype(np.float32), labels


SOURCE, SOURCE_LABELS = planted(120, shift=0.0, seed=0)
TARGET, LABELS = planted(160, shift=np.array([1.2, -0.6, 0.9, 0, 1, 0]), seed=1)
IDS = np.arange(len(TARGET)) * 3 + 5


class Spy(ProbeTrainer):
    """A probe that writes down what it was given to learn."""

    def __init__(self, **changes):
        super().__init__(SOURCE, SOURCE_LABELS, TARGET, num_classes=K, recipe=RECIPE, seed=changes.pop("seed", 0))
        self.seen = {}

    def fit(self, round, pseudo):
        self.seen[round] = pseudo
        super().fit(round, pseudo)


def adapt(root, *, rule="avc", labels=LABELS, trainer=None, **options):
    """A whole self-training in a folder."""
    folder = SelfTrainingFolder(root)
    trainer = trainer or Spy()
    options = {"schedule": SHORT} | options
    ended = self_train(trainer, IDS, rule=rule, evaluator=TargetEvaluator(labels, CLASSES), folder=folder, **options)
    return folder, trainer, ended


def same_bits(first, second):
    """Whether two self-trainings selected and learnt the same in every round."""
    assert first.rounds() == second.rounds()
    for number in first.rounds():
        pair = [folder.round(number) / FILE for folder in (first, second)]
        assert filecmp.cmp(*pair, shallow=False), number
        if number:
            pd.testing.assert_frame_equal(first.selection(number), second.selection(number))
    return True


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """By AVC: the folder, the trainer that was spied on, and how it ended."""
    return adapt(tmp_path_factory.mktemp("adapted"))


@pytest.mark.parametrize("labels", [np.random.default_rng(3).permutation(LABELS), np.full(len(LABELS), -1)])
def test_labels_of_the_target_change_no_selection_and_no_weight(adapted, labels, tmp_path):
    folder, *_ = adapt(tmp_path, labels=labels)
    assert same_bits(folder, adapted[0])
    honest, other = adapted[0].report(3), folder.report(3)
    assert honest.accuracy.value > 0.5
    assert other.accuracy.value is None if labels.max() < 0 else other.accuracy.value < 0.4


def test_only_what_is_selected_is_learnt(adapted):
    folder, trainer, _ = adapted
    assert trainer.seen[0] is None
    for number in folder.rounds()[1:]:
        rows, given = folder.selection(number), trainer.seen[number]
        chosen = rows["selected"].to_numpy()
        np.testing.assert_array_equal(given.rows, np.flatnonzero(chosen))
        np.testing.assert_array_equal(given.targets, np.eye(K)[rows["pseudo_label"][chosen].astype(int)])
        assert 0 < chosen.sum() < len(chosen)
        assert rows["pseudo_label"].isna().to_numpy()[~chosen].all()


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_selects_as_it_would_alone_and_asks_for_its_own_targets(rule, tmp_path):
    folder, trainer, _ = adapt(tmp_path, rule=rule, rounds=1)
    first = Spy()
    first.restore(folder.round(0))
    head = first.head
    features, weights = head.embed(TARGET).astype(float), head.class_weights.astype(float)
    logits = features @ weights.T + head.bias
    if rule == "avc-centred":
        features, weights = features - features.mean(0), weights - weights.mean(0)
    alone = select(lambda: [(logits, scores.avc(features, weights))], rule=rule, portion=0.2)
    rows, given = folder.selection(1), trainer.seen[1]
    np.testing.assert_array_equal(rows["selected"], alone.selected)
    np.testing.assert_array_equal(rows["candidate"], alone.candidate)
    if rule.endswith("lrent"):
        soft = (softmax(logits, axis=1) / alone.lambdas) ** (1 / 0.25)
        np.testing.assert_allclose(given.targets, (soft / soft.sum(1, keepdims=True))[alone.selected], rtol=1e-4)
        np.testing.assert_allclose(np.stack(rows["soft_label"][alone.selected]), given.targets)
    elif rule.endswith("mrkld"):
        np.testing.assert_allclose(given.targets, np.eye(K)[alone.candidate[alone.selected]] + 0.1 / K, rtol=1e-6)
    assert {f"by_{gate}" for gate in GATES} <= set(rows.columns)


def test_a_run_cut_short_comes_to_the_same_bits(adapted, tmp_path):
    calls = []

    def stop():
        calls.append(0)
        return len(calls) == 3

    with pytest.raises(Cancelled, match="resumes"):
        adapt(tmp_path, progress=Progress(should_stop=stop))
    assert SelfTrainingFolder(tmp_path).rounds() == [0, 1]
    seen = []
    folder, trainer, ended = adapt(tmp_path, progress=Progress(lambda done, total, _: seen.append((done, total))))
    assert min(trainer.seen) == 2
    assert (seen[0], seen[-1]) == ((2 * 160, 4 * 160), (4 * 160, 4 * 160))
    assert ended == ALL_ROUNDS
    assert same_bits(folder, adapted[0])


def test_a_round_that_was_not_renamed_into_place_does_not_count(adapted, tmp_path):
    half = tmp_path / "rounds" / ".00.tmp"
    half.mkdir(parents=True)
    (half / "classes.parquet").write_bytes(b"half")
    folder, *_ = adapt(tmp_path)
    assert same_bits(folder, adapted[0])
    assert not half.exists()


class Settled:
    """A trainer that has learnt all there is: it reads the same every time."""

    def __init__(self):
        self.fits = 0

    def fit(self, round, pseudo):
        self.fits += 1

    def outputs(self):
        return ModelOutputs(TARGET, np.eye(K, WIDTH, dtype=np.float32), np.zeros(K, np.float32))

    def save(self, folder):
        pass

    restore = save


def test_it_ends_when_the_selection_no_longer_changes_at_the_full_portion(tmp_path):
    folder, trainer, ended = adapt(tmp_path, trainer=Settled(), rounds=9)
    portions = [folder.report(number).portion for number in folder.rounds()[1:]]
    assert portions == [0.2, 0.35, 0.5]
    assert (trainer.fits, ended) == (4, NO_CHANGE)
    assert [folder.report(number).changed > 0 for number in (1, 2, 3)] == [True] * 3


def test_the_portion_never_falls_and_ends_where_it_should():
    for schedule in (Schedule(), SHORT, Schedule(0.1, 0.0, 0.1), Schedule(0.3, 0.3, 1.0)):
        portions = [schedule.portion(number) for number in range(1, 30)]
        assert np.diff(portions).min() >= 0
        assert portions[0] == schedule.start
        assert portions[schedule.rounds - 1] == schedule.end
        assert schedule.rounds == 1 or portions[schedule.rounds - 2] < schedule.end
    assert Schedule().rounds == 7


@pytest.mark.parametrize("portions", [(0.0, 0.1, 0.5), (0.5, 0.1, 0.2), (0.2, -0.1, 0.5), (0.2, 0.1, 1.1)])
def test_portions_that_make_no_sense_are_refused(portions):
    with pytest.raises(CurateError, match=r"0\.2:0\.5:0\.05"):
        Schedule(*portions)


def test_the_report_agrees_with_pandas(adapted):
    """Every number anew, from the table of the selection, the heads and the labels."""
    folder, trainer, _ = adapted
    for number in folder.rounds()[1:]:
        rows = folder.selection(number).assign(label=LABELS)
        report, classes = folder.report(number), folder.classes(number)
        chosen = rows[rows["selected"]]
        right = chosen["pseudo_label"] == chosen["label"]
        assert (report.selected, report.precision.n) == (len(chosen), len(chosen))
        assert report.precision.value == pytest.approx(right.mean())
        assert report.precision.low < report.precision.value <= report.precision.high
        assert report.recall.value == pytest.approx(right.sum() / len(rows))
        by_class = chosen.groupby("pseudo_label")
        picked = classes.set_index("label")
        assert picked["selected"].to_dict() == by_class.size().to_dict()
        precision = right.groupby(chosen["pseudo_label"].astype(int)).mean().astype(float)
        pd.testing.assert_series_equal(picked["precision"], precision, check_names=False, check_index_type=False)
        recall = chosen[right].groupby("label").size() / rows.groupby("label").size()
        pd.testing.assert_series_equal(picked["recall"], recall, check_names=False, check_index_type=False)
        trainer.restore(folder.round(number - 1))
        before = trainer.head.embed(TARGET)
        angles = np.arccos(np.clip(_unit(before) @ _unit(trainer.head.class_weights).T, -1, 1), dtype=np.float64)[
            rows["selected"]
        ]
        picked_angles = angles[np.arange(len(chosen)), chosen["pseudo_label"].astype(int)]
        assert report.mean_avh == pytest.approx((picked_angles / angles.sum(1)).mean(), rel=1e-4)
        assert report.mean_confidence == pytest.approx(chosen["confidence"].mean())
        trainer.restore(folder.round(number))
        hits = pd.Series(trainer.head.logits(TARGET).argmax(1) == LABELS).groupby(LABELS)
        assert report.accuracy.value == pytest.approx(hits.sum().sum() / len(LABELS))
        assert report.mean_accuracy.value == pytest.approx(hits.mean().mean())
        spread = np.sqrt((hits.mean() * (1 - hits.mean()) / hits.size()).sum()) / K  # of independent shares
        width = (report.mean_accuracy.high - report.mean_accuracy.low) / 2
        assert width == pytest.approx(1.96 * spread, rel=0.15)
        assert report.mean_accuracy.low < report.mean_accuracy.value < report.mean_accuracy.high < 1
        np.testing.assert_allclose(picked["accuracy"], hits.mean())
    assert folder.report(3).accuracy.value > folder.report(0).accuracy.value


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_class_that_gives_nothing_is_named(tmp_path):
    """A target without the last class in sight of the model: no silent hole."""
    trainer = Settled()
    weights = np.eye(K, WIDTH, dtype=np.float32)
    trainer.outputs = lambda: ModelOutputs(TARGET, weights, np.float32([0, 0, 0, -50]))
    folder, *_ = adapt(tmp_path, trainer=trainer, rounds=1)
    assert folder.report(1).empty_classes == ["d"]
    row = folder.classes(1).set_index("label_name").loc["d"]
    assert (row["selected"], row["note"]) == (0, "never predicted")
    assert row["samples"] == (LABELS == 3).sum()


def test_embeddings_made_by_blocks_select_what_kept_ones_select(monkeypatch):
    weights, bias, into = np.eye(K, 9, dtype=np.float32), np.zeros(K, np.float32), np.ones((WIDTH, 9)) * np.arange(9)

    def embed(features):
        return np.maximum(np.pad(features, ((0, 0), (0, 3))) + features @ into / 9, 0)

    kept = ModelOutputs(embed(TARGET), weights, bias)
    monkeypatch.setattr("avhcurate.features.pseudo_labels.model_outputs._BLOCK", 9 * 50)
    made = ModelOutputs(TARGET, weights, bias, embed=lambda block: embed(block) if len(block) <= 50 else None)
    for gate in GATES:
        ours, theirs = (one.select(rule=gate, portion=0.4).table() for one in (made, kept))
        pd.testing.assert_frame_equal(ours, theirs)
    rows = np.arange(7, 150, 2)
    assert made.avh(rows, LABELS[rows]) == pytest.approx(scores.avh(kept.features[rows], weights, LABELS[rows]))


def test_nothing_selected_is_said_in_a_line():
    outputs = ModelOutputs(TARGET, np.eye(K, WIDTH, dtype=np.float32), np.zeros(K, np.float32))
    chosen = select(outputs.blocks, rule="confidence", portion=0.5)
    none = replace(chosen, selected=np.zeros_like(chosen.selected))
    with refused("confidence"):
        pseudo_labels(none, outputs)
