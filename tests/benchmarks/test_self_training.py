"""The PACS benchmark of self-training: its gates by slow formulas, trainings on planted domains, tables and resume."""

import numpy as np
import pytest
from scipy.special import softmax

from avhcurate import scores
from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.lab.self_training.probe import ProbeRecipe, train_probe
from avhcurate.lab.self_training.settings import Schedule
from benchmarks import gates, self_training
from benchmarks import self_training_results as results


@pytest.fixture(scope="module")
def benchmark():
    """The script with steps of a moment."""
    heads = {
        "paper": ProbeRecipe(hidden=16, steps=40, learning_rate=0.01),
        "one-layer": ProbeRecipe(hidden=None, steps=40, learning_rate=0.01),
    }
    with pytest.MonkeyPatch.context() as patch:
        small = {"SOURCE_STEPS": 40, "ROUND_STEPS": 5, "SCHEDULE": Schedule(0.3, 0.2, 0.5), "HEADS": heads}
        for name, value in small.items():
            patch.setattr(self_training, name, value)
        yield self_training


@pytest.fixture(scope="module")
def pacs(benchmark):
    """Four domains of three clusters, each domain moved somewhere."""
    rng = np.random.default_rng(0)
    labels, domains = np.tile(np.arange(3), 80), np.repeat(benchmark.DOMAINS, 60)
    moved = dict(zip(benchmark.DOMAINS, rng.normal(0, 0.4, (4, 8)), strict=True))
    features = 2 * np.eye(3, 8)[labels] + rng.normal(0, 0.4, (240, 8)) + np.stack([moved[d] for d in domains])
    return benchmark.Pacs(features.astype(np.float32), labels, domains, list("abc"), "0" * 64)


@pytest.fixture(scope="module")
def outputs():
    rng = np.random.default_rng(1)
    features, weights = np.abs(rng.normal(size=(30, 6))), rng.normal(size=(4, 6))
    return ModelOutputs(features, weights, np.zeros(4))


def test_the_gap_is_the_distance_to_the_next_class(benchmark, outputs):
    theta = np.asarray(scores.angles(outputs.features, outputs.class_weights))
    found = gates.gate_scores("gap", outputs, 0)
    for row, angles in enumerate(theta):
        for k, angle in enumerate(angles):
            assert found[row, k] == pytest.approx(min(np.delete(angles, k)) - angle)


def test_neighbours_are_the_ten_nearest_others(benchmark, outputs):
    found = gates.gate_scores("neighbours", outputs, 0)
    probs = softmax(gates.logits_of(outputs), axis=1)
    for row, x in enumerate(outputs.features):
        near = sorted(
            (np.arccos(np.clip(x @ z / np.linalg.norm(x) / np.linalg.norm(z), -1, 1)), other)
            for other, z in enumerate(outputs.features)
            if other != row
        )[:10]
        assert found[row] == pytest.approx(probs[[other for _, other in near]].mean(0))


def test_a_run_fills_what_is_missing_and_the_report_tells_it(benchmark, pacs, tmp_path, monkeypatch):
    methods = ("source", "confidence", "avc", "centred", "mmd")
    monkeypatch.setattr(benchmark, "ALL", methods)
    monkeypatch.setattr(benchmark, "PAIRS", benchmark.PAIRS[:1])
    monkeypatch.setattr(benchmark, "read_pacs", lambda data, out: pacs)
    wanted = benchmark.tasks(1, 1)
    assert [task.method for task in wanted[:6]] == ["gates", *methods]
    arguments = ["--data", "x", "--out", str(tmp_path), "--seeds", "1"]
    assert benchmark.main(arguments) == 0
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert set(files) == {task.file for task in wanted}
    lost = wanted[3].file
    (tmp_path / lost).unlink()
    assert benchmark.main(arguments) == 0
    again = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert {name for name in files if files[name] != again[name]} == {lost}
    first, second = (results.Result.model_validate_json(bytes[lost]) for bytes in (files, again))
    assert (first.per_class, first.rounds) == (second.per_class, second.rounds)
    text = results.report(tmp_path, methods, ["paper", "one-layer"])
    accuracy = results.Result.model_validate_json(files[wanted[3].file]).accuracy
    row = next(line for line in text.splitlines() if line.startswith("| avc |"))
    assert f"{100 * accuracy:.1f}" in row
    first = results.Result.model_validate_json(files[wanted[3].file]).rounds[0]
    beside = (one["confidence"] for one in (first.jaccard, first.only_ours, first.only_theirs))
    cells = " | ".join("-" if value is None else f"{100 * value:.1f}" for value in beside)
    assert "| overlap, round 1 | only this | only confidence |" in text
    assert any(line.startswith("| avc |") and line.endswith(f"| {cells} |") for line in text.splitlines())


def test_a_folder_of_other_data_or_steps_is_refused(benchmark, pacs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "ALL", ("source",))
    monkeypatch.setattr(benchmark, "PAIRS", benchmark.PAIRS[:1])
    monkeypatch.setattr(benchmark, "read_pacs", lambda data, out: pacs)
    arguments = ["--data", "x", "--out", str(tmp_path), "--seeds", "1", "--only", "source"]
    assert benchmark.main(arguments) == 0
    monkeypatch.setattr(benchmark, "read_pacs", lambda data, out: pacs._replace(sha256="1" * 64))
    assert benchmark.main(arguments) == 2
    assert f"holds results with data_sha256 {pacs.sha256}. Give the same" in capsys.readouterr().err
    monkeypatch.setattr(benchmark, "read_pacs", lambda data, out: pacs)
    monkeypatch.setattr(benchmark, "ROUND_STEPS", 6)
    assert benchmark.main(arguments) == 2
    assert "holds results with round_steps 5" in capsys.readouterr().err


def test_target_labels_change_no_head(benchmark, pacs):
    """The judge's numbers change, what is learnt does not."""
    features, labels = pacs.part("photo")
    begin = train_probe(features, labels, num_classes=3, recipe=benchmark.HEADS["paper"], seed=0)
    shuffled = pacs._replace(labels=np.where(pacs.domains == "sketch", pacs.labels[::-1], pacs.labels))
    for method in ("avc", "mrkld", "mmd"):
        task = benchmark.Task(0, "photo", "sketch", "paper", method)
        one, other = (benchmark.adapt(task, data, begin)[0] for data in (pacs, shuffled))
        assert np.array_equal(one.class_weights, other.class_weights)
