"""Predicted HSF of a dataset: its columns beside the votes, filters, export, resuming, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.export.service import export
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.predicted_hsf.service import predict_hsf
from avhcurate.features.predicted_hsf.settings import PredictSettings
from avhcurate.measures.stats.ranks import spearman, standard_ranks
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.linear_algebra import threads_at


@pytest.fixture(scope="module")
def predicted(predicted_root):
    return open_dataset(Workspace(predicted_root), "digits")


def reopened(opened):
    """The table as another process would open it."""
    return open_dataset(Workspace(opened.dataset.root.parents[1]), "digits")


def test_every_sample_has_a_prediction_and_only_voted_ones_have_votes(predicted):
    frame = predicted.samples.frame()
    assert frame["hsf"].notna().sum() == 250
    assert frame["hsf_predicted"].between(frame["hsf_predicted_low"], frame["hsf_predicted_high"]).all()
    assert frame["human_gap"].to_numpy() == pytest.approx((frame["hsf_predicted"] - frame["confidence"]).to_numpy())
    assert predicted.samples.simulated
    assert predicted.prediction.record.votes_simulated


def test_predictions_follow_votes_that_the_model_never_saw(predicted, demo_root):
    """The demo has votes on all digits, the copy on 250."""
    every = open_dataset(Workspace(demo_root), "digits").samples.frame(columns=["hsf"])["hsf"]
    frame = predicted.samples.frame(
        columns=["hsf", "hsf_predicted", "hsf_predicted_low", "hsf_predicted_high", "confidence"]
    )
    new = frame["hsf"].isna()
    truth = standard_ranks(every[new].to_numpy())
    rho = spearman(standard_ranks(frame["hsf_predicted"][new].to_numpy()), truth)
    assert rho > 0.1 + spearman(standard_ranks(frame["confidence"][new].to_numpy()), truth)
    inside = (frame["hsf_predicted_low"] <= every) & (every <= frame["hsf_predicted_high"])
    assert inside[new].mean() == pytest.approx(0.9, abs=0.06)


def test_inputs_and_models_are_computed_in_one_thread(own_predicted):
    settings = PredictSettings(dataset="digits", seed=1)
    with threads_at(np.linalg, "inv") as threads:
        predict_hsf(own_predicted.samples, own_predicted.run, own_predicted.votes, settings)
    assert threads == {1}


def test_the_record_says_what_was_reached(predicted):
    record = predicted.prediction.record
    assert (record.voted, record.learnt, record.samples, record.level) == (250, 250, 1797, 0.9)
    assert {row.of for row in record.coverage} == {"All", "HSF", "Predicted", "Width"}
    assert record.coverage[0].n == 250
    assert [point.learnt for point in record.curve] == [25, 50, 100, 200]
    assert record.curve[-1].rho > record.confidence_rho
    assert record.gain == pytest.approx(record.curve[-1].rho - record.confidence_rho)
    columns = predicted.samples.frame(columns=["hsf", "hsf_predicted", "confidence"]).dropna().to_numpy(float).T
    rng, drawn = np.random.default_rng(0), []
    for _ in range(400):
        hsf, *others = (standard_ranks(values) for values in columns[:, rng.integers(250, size=250)])
        drawn.append(np.subtract(*(spearman(one, hsf) for one in others)))
    assert record.gain_high - record.gain_low == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.15)


def test_an_export_marks_what_was_predicted(predicted, tmp_path):
    export(predicted, Filters(), "csv", tmp_path / "labels.csv")
    rows = pd.read_csv(tmp_path / "labels.csv")
    parts = ("hsf_predicted", "hsf_predicted_low", "hsf_predicted_high", "hsf_predicted_bin", "human_gap")
    assert ",".join((*parts, "hsf_predicted_from")) in ",".join(rows)
    assert set(rows["hsf_predicted_from"]) == {"simulated votes"}
    assert rows["hsf"].notna().sum() == 250


def test_the_same_call_does_nothing_and_a_cancelled_one_leaves_the_prediction_before(own_predicted):
    opened = own_predicted
    before = opened.prediction.scores_path.stat().st_mtime_ns
    assert predict_hsf(opened.samples, opened.run, opened.votes).scores_path.stat().st_mtime_ns == before
    with pytest.raises(Cancelled):
        predict_hsf(
            opened.samples,
            opened.run,
            opened.votes,
            PredictSettings(dataset="digits", seed=1),
            progress=Progress(lambda *_: None, lambda: True),
        )
    assert reopened(opened).prediction.name == opened.prediction.name


def test_a_killed_job_gives_the_same_numbers_when_it_runs_again(own_predicted):
    opened, folder = own_predicted, own_predicted.prediction
    first, record = folder.table(), folder.record
    folder.scores_path.unlink()
    folder.write_record(record.model_copy(update={"finished": None, "curve": []}))
    assert reopened(opened).prediction is None
    again = predict_hsf(opened.samples, opened.run, opened.votes)
    pd.testing.assert_frame_equal(again.table(), first)
    assert again.record.curve == record.curve


@pytest.mark.slow
def test_all_runs_that_scored_the_same_images_teach_and_what_each_adds_is_said(own_predicted, add_run, cli):
    rng, root, own = np.random.default_rng(0), own_predicted.dataset.root.parents[1], own_predicted.run.name

    def shuffled(rows):
        return rows.assign(**{key: rng.permutation(rows[key]) for key in own_predicted.samples.scores if key in rows})

    add_run(root, "noise-1", shuffled)
    add_run(root, "part-1", lambda rows: rows.head(900))
    record = predict_hsf(
        open_dataset(Workspace(root), "digits", own).samples,
        open_dataset(Workspace(root), "digits", own).run,
        open_dataset(Workspace(root), "digits", own).votes,
    ).record
    assert record.runs == [own, "noise-1"]
    of_own, of_noise = record.added
    assert of_noise.low < 0.01
    assert of_own.adds > of_noise.adds
    assert of_own.low < of_own.adds < of_own.high
    ended = cli("predict", "digits", "--runs", f"{own},noise-1", "--workspace", root)
    assert f"What each run adds to Spearman: {own} {of_own.adds:+.3f}" in ended.out


def test_too_few_votes_and_odd_levels_are_refused(own_predicted):
    opened = own_predicted
    with pytest.raises(CurateError, match="of --level is not valid"):
        predict_hsf(opened.samples, opened.run, opened.votes, PredictSettings(dataset="digits", level=1.0))
    with pytest.raises(CurateError, match="no run 'nothing'"):
        predict_hsf(opened.samples, opened.run, opened.votes, PredictSettings(dataset="digits", runs=("nothing",)))
    opened.votes.counts.asked[:] = np.where(np.arange(1797) < 20, 50, 0)
    with pytest.raises(CurateError, match="needs 30 or more"):
        predict_hsf(opened.samples, opened.run, opened.votes, PredictSettings(dataset="digits", seed=3))


def test_the_verb_prints_what_was_reached(predicted_root, cli):
    ended = cli("predict", "digits", "--workspace", str(predicted_root))
    assert ended.code == 0
    assert "predicted HSF of 1,797 samples from SIMULATED votes on 250" in ended.out
    assert "They claim 90% over all images like the 250 voted ones and by predicted HSF" in ended.out
    assert "They are not for naming the hard ones: by the HSF that people gave they hold " in ended.out
    record = json.loads(cli("predict", "digits", "--workspace", str(predicted_root), "--json").out)["record"]
    assert record["voted"] == 250
