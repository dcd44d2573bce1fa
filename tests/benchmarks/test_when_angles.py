"""The study of angles beside softmax: what is stopped goes on, what is done is kept, the tables are right."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats
from scipy.special import log_softmax

from benchmarks import when_angles, when_angles_results


def options(planted, out, *more):
    return [f"--train={planted}/train.parquet", f"--test={planted}/test.parquet", f"--out={out}", "--epochs=2", *more]


def kept(out, name="fast-16", seed=0):
    with np.load(when_angles.file_of(out, name, seed)) as arrays:
        return {key: arrays[key] for key in arrays if key != "cpu_seconds"}


@pytest.fixture(scope="module")
def done(planted, tmp_path_factory):
    """A network and its factors, two seeds each."""
    out = tmp_path_factory.mktemp("done")
    only = [f"--only={name}" for name in ("fast-16", "no label smoothing", "AVH loss")]
    when_angles.main(options(planted, out, "--seeds=0,1", *only))
    return out


def made_up(name, seed, shift, rng):
    """A network whose AVH follows HSF the better, the larger `shift` is."""
    hsf = np.linspace(0, 1, 400)
    labels, angles = rng.integers(0, 2, 400), (1 - shift * hsf) + rng.normal(0, 0.3, 400)
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    features[labels == 1] = features[labels == 1][:, ::-1]
    logits = np.zeros((400, 2))
    logits[np.arange(400), labels] = hsf + rng.normal(0, 0.5, 400)
    empty = np.empty((0, 4, 400))
    return when_angles_results.Network(name, seed, features, np.eye(2), logits, empty, 1.0, labels, hsf)


def test_a_training_that_is_stopped_goes_on_to_the_same_outputs(planted, done, tmp_path, monkeypatch):
    only = ("--only=fast-16", "--seeds=0")
    assert when_angles.main(options(planted, tmp_path, *only, "--minutes=0")) == 1
    path = when_angles.file_of(tmp_path, "fast-16", 0)
    assert not path.exists()
    (path.with_suffix("") / "seconds").write_text("1000")
    assert when_angles.main(options(planted, tmp_path, *only)) == 0
    assert np.load(path)["cpu_seconds"] > 1000  # those of the call that was stopped too
    whole, resumed = kept(done), kept(tmp_path)
    assert whole["evaluations"].shape == (2, 4, 60)
    assert all(np.array_equal(whole[key], resumed[key]) for key in whole)
    monkeypatch.setattr(when_angles, "train", None)  # what is done is not trained again
    when_angles.file_of(tmp_path, "fast-16", 0, ".json").unlink()
    when_angles.main(options(planted, tmp_path, *only))
    when_angles.file_of(tmp_path, "fast-16", 0).unlink()
    when_angles.main(options(planted, tmp_path, *only))
    assert when_angles_results.read(tmp_path)[0].images == 60


def test_a_folder_takes_one_number_of_epochs(planted, done, tmp_path, capsys):
    assert when_angles.main([*options(planted, done, "--seeds=0", "--only=fast-16"), "--epochs=1"]) == 2
    assert "holds results with epochs 2: give those, or another --out" in capsys.readouterr().err
    stored = (Path(when_angles.__file__).parent / "records/when_angles/settings.json").read_bytes()
    assert when_angles.Settings.model_validate_json(stored).epochs == "of each recipe"


def test_the_logits_are_those_of_the_loss(done):
    arrays = kept(done, "AVH loss")
    x, w = (arrays[key] / np.linalg.norm(arrays[key], axis=1, keepdims=True) for key in ("features", "class_weights"))
    np.testing.assert_allclose(arrays["logits"], -20 * np.arccos(np.clip(x @ w.T, -1, 1)), atol=1e-2)
    plain = kept(done)
    np.testing.assert_allclose(plain["logits"], plain["features"] @ plain["class_weights"].T, atol=1e-4)


def test_the_report_has_every_table(planted, done, capsys):
    when_angles.main(options(planted, done, "--report"))
    printed = capsys.readouterr().out
    for part in ("| no label smoothing | fast-16 | 2 |", "| AVH loss | no label smoothing | 2 |", "| fast-16 | 1 |"):
        assert part in printed
    assert "| Held-out AUM |" in printed
    assert when_angles.main(options(planted, done / "nothing", "--report")) == 2
    assert "no training has ended" in capsys.readouterr().err


def test_hsf_is_the_share_of_votes_for_the_label(planted):
    hsf = when_angles.read_hsf(planted / "test.parquet")
    table = pq.read_table(planted / "test.parquet").to_pylist()
    assert hsf.tolist() == [row["human_counts"][row["label"]] / 10 for row in table]


def test_agreement_is_spearman_turned_and_the_margin_is_confidence_at_temperature_0():
    rng = np.random.default_rng(0)
    network = made_up("fast-16", 0, 0.5, rng)
    hsf = network.hsf
    assert network.agreement("avh") == pytest.approx(-stats.spearmanr(-network.scores["avh"], hsf)[0])
    assert np.isnan(network.agreement("aum"))  # none of its epochs was evaluated
    cold = network.tempered(0.05)
    assert stats.spearmanr(cold, network.tempered(0.0))[0] > 0.999
    assert network.tempered(2.0) == pytest.approx(log_softmax(network.logits / 2, axis=1)[range(400), network.labels])


def test_a_factor_that_moves_the_gap_is_told_from_one_that_does_not():
    """Of made-up networks: by seed, with Holm's p over both factors."""
    rng = np.random.default_rng(1)
    shifts = {"fast-16": 0.2, "bias in the head": 0.2, "no weight decay": 0.9}
    named = {name: [made_up(name, seed, shift, rng).figures() for seed in range(4)] for name, shift in shifts.items()}
    rows = {row.split(" | ")[0].strip("| "): row for row in when_angles_results.factors(named).splitlines()[2:]}
    p = {name: float(row.rstrip(" |").split(" | ")[-1]) for name, row in rows.items()}
    assert p["no weight decay"] < 0.05 < p["bias in the head"]


def test_a_network_over_all_classes_is_the_network_itself():
    network = made_up("fast-16", 0, 0.5, np.random.default_rng(2))
    avh, confidence = network.subsets(2)
    assert (avh, confidence) == pytest.approx((network.agreement("avh"), network.agreement("confidence")))
