"""Dynamics over a real training of the digits: curves, data map, models and findings against a recount."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from avhcurate.datasets.export.service import describe_export, export_bytes
from avhcurate.datasets.export.tabular import export_columns
from avhcurate.datasets.table.columns import STANDARD
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.correlation.service import correlate, to_latex
from avhcurate.features.disagreement.service import disagree, gap_table
from avhcurate.lab.training_dynamics import service
from avhcurate.measures.scores import SCORES
from avhcurate.measures.stats.epoch_scores import KEYS
from avhcurate.people.bins import bin_labels
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.workspaces import copied

DYNAMICS = tuple(key for key, score in SCORES.items() if score.training)


@pytest.fixture(scope="module")
def trained(trained_root):
    """The digits with the run of the better training open."""
    return of_seed(trained_root, 0)


@pytest.fixture(scope="module")
def folder(trained_root):
    """The better training."""
    return training(trained_root, 0)


def of_seed(root, seed):
    workspace = Workspace(root)
    dataset = workspace.dataset("digits")
    weights = training(root, seed).record.weights_sha256
    run = next(run for run in dataset.runs() if run.record.weights_sha256 == weights)
    return open_dataset(workspace, "digits", run.name)


def training(root, seed):
    found = Workspace(root).dataset("digits").trainings()
    return next(training for training in found if training.record.seed == seed)


def history(folder, column):
    """A column of every evaluation at a whole epoch, a row a sample by id, a column an epoch."""
    epochs = folder.evaluations()["epoch"]
    evaluations = {epoch: folder.samples(i).set_index("id")[column] for i, epoch in enumerate(epochs) if epoch >= 1}
    return pd.DataFrame(evaluations)


# --- the table -----------------------------------------------------------------------------------------------


def test_the_scores_of_the_epochs_join_the_run_of_the_trained_weights(trained, folder):
    assert trained.training is not None
    assert trained.training.name == folder.name
    assert trained.samples.scores[-len(DYNAMICS) :] == DYNAMICS == (*KEYS, *(f"train_{key}" for key in KEYS))
    frame = trained.samples.frame(columns=["id", "split", *KEYS]).set_index("id")
    seen = frame.loc[folder.ids()]
    confidence, correct = history(folder, "confidence").astype(float), history(folder, "correct")
    np.testing.assert_allclose(seen["confidence_mean"], confidence.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(seen["variability"], confidence.std(axis=1, ddof=0), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(seen["aum"], history(folder, "margin").astype(float).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(seen["correctness"], correct.mean(axis=1), rtol=1e-6)
    forgotten = (
        (correct.shift(axis=1, fill_value=False) & ~correct).sum(axis=1).where(correct.any(axis=1), correct.shape[1])
    )
    np.testing.assert_array_equal(seen["forgetting"].astype(float), forgotten)
    # Those that the training learnt from have no score of samples held out: missing, not 0.
    assert set(seen["split"]) == {"test"}
    assert frame.drop(folder.ids())[list(KEYS)].isna().all(axis=None)


def test_a_run_of_other_weights_has_no_such_columns(digits, trained_root):
    own = open_dataset(
        Workspace(trained_root), "digits", digits.run.name
    )  # the committed network, in the same workspace
    for opened in (digits, own):
        assert opened.training is None
        assert not set(DYNAMICS) & {*opened.samples.columns, *opened.samples.scores, *opened.samples.standard}
        assert export_columns(opened.samples)[: len(STANDARD)] == list(STANDARD)


def test_their_columns_follow_the_scores_in_an_export_and_the_manifest_names_the_training(trained):
    columns = export_columns(trained.samples)
    place = columns.index("prototype_distance") + 1
    assert columns[place : place + len(DYNAMICS)] == list(DYNAMICS)
    assert [name for name in columns if name not in DYNAMICS] == list(STANDARD)
    header = export_bytes(trained, Filters(ids=(4,)), "csv").decode().splitlines()[0]
    assert header.replace("hsf_bin,hsf_source", "hsf_bin").replace(",deciders", "") == ",".join(columns)
    assert (
        describe_export(trained.decisions, trained.votes, trained.run, Filters(), "csv", 1)["training"]
        == trained.training.name
    )


def test_they_are_correlated_sorted_by_and_filtered_by_like_any_score(trained):
    found = correlate(trained.samples, trained.run, trained.votes)
    assert list(dict.fromkeys(found.table["score"])) == list(trained.samples.scores)
    frame = trained.samples.frame(columns=["aum", "hsf"]).dropna()
    row = found.table[(found.table["score"] == "aum") & (found.table["bin"] == "all")].iloc[0]
    assert row["n"] == len(frame) == 896
    assert row["spearman"] == pytest.approx(stats.spearmanr(frame["aum"], frame["hsf"]).statistic, abs=1e-9)
    assert "Held-out learning speed" in to_latex(found)
    hardest = trained.samples.page(sort="aum", limit=3)
    assert hardest["aum"].tolist() == sorted(trained.samples.frame()["aum"].dropna())[:3]
    assert trained.samples.count(Filters(ranges=(("aum", -np.inf, float(hardest["aum"][2])),))) == 3
    assert trained.samples.count(Filters(where="forgetting >= 1")) == int(
        (trained.samples.frame()["forgetting"] >= 1).sum()
    )
    assert set(KEYS) <= set(trained.samples.percentiles(4))
    gap = disagree(trained.samples, trained.run, trained.prediction, key="confidence_mean")
    assert set(KEYS) < set(gap_table(trained.samples, gap).columns)


# --- curves and map ------------------------------------------------------------------------------------------


def test_curves_are_means_of_the_looks_over_all_and_in_each_bin(trained, folder):
    found = service.curves(trained.samples, trained.votes, folder)
    assert list(dict.fromkeys(found["bin"])) == ["all", *bin_labels()]
    whole = found[found["bin"] == "all"].reset_index(drop=True)
    overall = folder.evaluations()
    for key in ("epoch", "step", "n", "avh", "norm", "accuracy", "loss", "confidence"):
        np.testing.assert_allclose(whole[key], overall[key], rtol=1e-5)
    last = folder.samples(-1).merge(trained.samples.frame(columns=["id", "hsf_bin"]), on="id")
    for name, rows in last.groupby("hsf_bin"):
        row = found[(found["bin"] == name) & (found["epoch"] == 10)].iloc[0]
        assert row["n"] == len(rows)
        assert row["accuracy"] == pytest.approx(rows["correct"].mean())
        assert row["avh"] == pytest.approx(rows["avh"].mean(), rel=1e-5)
        assert row["avh_se"] == pytest.approx(stats.sem(rows["avh"].astype(float)), rel=1e-4)
    assert found[found["bin"] != "all"].groupby("epoch")["n"].sum().tolist() == [896] * 11


def test_curves_keep_to_the_filters_and_the_edges(trained, trained_root, folder):
    halves = open_dataset(Workspace(trained_root), "digits", trained.run.name, edges=(0, 0.5, 1))
    found = service.curves(halves.samples, halves.votes, folder, filters=Filters(classes=(3,)))
    some = trained.samples.frame(Filters(classes=(3,), splits=("test",)), columns=["id", "hsf"])
    assert found["n"][0] == len(some)
    assert list(dict.fromkeys(found["bin"])) == ["all", "[0, 0.5)", "[0.5, 1]"]
    assert found["n"][1] == (some["hsf"] < 0.5 - 1e-9).sum()
    assert service.curves(trained.samples, trained.votes, folder, filters=Filters(splits=("train",)))["n"].eq(0).all()


def test_the_data_map_has_a_row_a_recorded_sample_in_view(trained, folder):
    found = service.data_map(trained.samples, folder)
    assert list(found.columns) == ["id", "label_name", "hsf", "hsf_bin", "avh", *KEYS]
    assert found["id"].tolist() == sorted(folder.ids())
    last = folder.samples(-1).set_index("id")
    np.testing.assert_array_equal(found["avh"], last.loc[found["id"], "avh"])
    some = service.data_map(trained.samples, folder, filters=Filters(classes=(1,)))
    assert set(some["label_name"]) == {"1"}
    assert service.parts(trained.dataset, folder) == ["held out", "learnt from"]
    learnt = service.data_map(trained.samples, folder, part="learnt from").set_index("id")
    assert sorted(learnt.index) == sorted(folder.ids("learnt from"))
    own = (
        trained.samples.frame(columns=["id", "train_variability"])
        .set_index("id")
        .loc[learnt.index, "train_variability"]
    )
    np.testing.assert_allclose(learnt["variability"], own, rtol=1e-6)


# --- models and findings -------------------------------------------------------------------------------------


def test_models_are_the_runs_on_the_samples_that_all_saw(trained, trained_root):
    chosen = Workspace(trained_root).dataset("digits").trainings()
    found, samples = service.compared_models(trained.samples, trained.run, trained.votes, chosen)
    by_name = {model.name: model for model in found}
    assert set(by_name) == {"avhcurate:digits", *(f"digits · cross-entropy · seed {seed}" for seed in (0, 1))}
    assert {len(model.correct) for model in found} == {len(samples)} == {896}
    model, frame = by_name["digits · cross-entropy · seed 0"], trained.samples.frame(Filters(splits=("test",)))
    assert model.accuracy == pytest.approx((frame["predicted"] == frame["label"]).mean())
    assert model.avh.mean() == pytest.approx(frame["avh"].astype(float).mean(), rel=1e-5)


def test_a_network_that_learnt_the_samples_is_not_compared_on_them(trained, trained_root, monkeypatch):
    """As where a training held out another part: it may know those of the first by heart."""
    every = service._held_out(trained.dataset)
    learnt = {weights: np.setdiff1d(np.arange(trained.samples.size), ids) for weights, ids in every.items()}
    monkeypatch.setattr(service, "_held_out", lambda _: learnt)
    chosen = Workspace(trained_root).dataset("digits").trainings()
    found, _ = service.compared_models(trained.samples, trained.run, trained.votes, chosen)
    assert [model.name for model in found] == ["avhcurate:digits"]


def test_the_five_findings_of_real_trainings(trained, trained_root):
    found = service.findings(
        trained.samples, trained.run, trained.votes, Workspace(trained_root).dataset("digits").trainings()
    )
    assert [finding.discovery for finding in found] == [1, 2, 3, 4, 5]
    by_number = {finding.discovery: finding for finding in found}
    assert len(by_number[1].figures) == 2  # without the unfinished one
    assert by_number[4].verdict == "holds"  # the simulated panel and AVH agree: see docs/results.md
    assert by_number[4].sentence(simulated=True).endswith("HSF comes from simulated votes.")
    frame = trained.samples.frame(Filters(splits=("test",)))
    expected = stats.spearmanr(frame["avh"], frame["hsf"]).statistic
    (figure,) = (one for one in by_number[4].figures if one.name.endswith("seed 0"))
    assert figure.value == pytest.approx(expected, abs=1e-6)


def test_findings_without_votes_or_trainings_say_what_is_missing(trained_root, tmp_path):
    root = copied(trained_root, tmp_path / "voteless")
    dataset = Workspace(root).dataset("digits")
    dataset.write_record(dataset.record.model_copy(update={"votes": None}))
    opened = of_seed(root, 0)
    found = {
        finding.discovery: finding
        for finding in service.findings(opened.samples, opened.run, opened.votes, [opened.training])
    }
    assert [found[number].verdict for number in (2, 4, 5)] == ["too little data"] * 3
    assert "human votes" in found[4].sentence()
    assert found[1].verdict != "too little data"
    assert set(service.curves(opened.samples, opened.votes, opened.training)["bin"]) == {"all"}
    none = {finding.discovery: finding for finding in service.findings(opened.samples, opened.run, opened.votes, [])}
    assert none[1].verdict == none[3].verdict == "too little data"
