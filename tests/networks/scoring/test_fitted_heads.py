"""Fitted heads: nothing is scored by a head that saw it, its copy or its group; resumed runs, and pages that agree."""

import io
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

import avhcurate
from avhcurate import scores
from avhcurate.datasets.export.tabular import ExportSelection
from avhcurate.datasets.export.tools import write_cleanlab
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.sample import inspect
from avhcurate.datasets.table.titles import titles
from avhcurate.errors import CurateError, Option
from avhcurate.lab.degradation.service import degrade_dataset
from avhcurate.lab.degradation.settings import DegradeSettings
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring import heads
from avhcurate.networks.scoring import service as scoring_service
from avhcurate.networks.scoring.fitted_heads import heads_to_fit
from avhcurate.networks.scoring.heads import Samples, fit_head
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.data.sample_groups import sample_groups
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs
from avhcurate.workspace.images import thumbnails
from tests.fakes.datasets import add_dataset
from tests.fakes.refusals import refused
from tests.fakes.workspaces import copied

SPEC = ModelSpec(name="avhcurate:digits")
FIT = heads_to_fit(folds=3, groups="patient")
#: A copy of image 0 under another label; a group over two classes; images without a label.
COPY, GROUP, UNLABELLED = 5, [3, 4, 8], [60, 61, 62]


def stripes() -> pa.Table:
    """Noisy stripes, three classes by their height; a copied file, a patient over several images, three unlabelled."""
    rng = np.random.default_rng(0)
    labels = np.arange(63) % 3
    encoded = []
    for label in labels:
        pixels = rng.integers(0, 120, (8, 8))
        pixels[2 * label : 2 * label + 3] += 110
        stream = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
        encoded.append({"bytes": stream.getvalue(), "path": None})
    encoded[COPY] = encoded[0]
    given = pa.array([f"c{label}" for label in labels], mask=np.isin(np.arange(63), UNLABELLED))
    patients = ["p" if id in GROUP else None for id in range(63)]
    return pa.table({"image": encoded, "label": given, "patient": pa.array(patients, pa.string())})


@pytest.fixture(scope="module", autouse=True)
def few_strengths():
    """Three strengths of the penalty are tried, which takes a fifth of the time of all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "STRENGTHS", (64.0, 1.0, 0.02))
        yield


@pytest.fixture(scope="module")
def scored_root(tmp_path_factory, few_strengths):
    files = tmp_path_factory.mktemp("stripes")
    add_dataset(Workspace(files / "space"), files, stripes(), "stripes")
    score_dataset(Workspace(files / "space"), "stripes", SPEC, fit=FIT)
    return files / "space"


@pytest.fixture
def opened(scored_root):
    return open_dataset(Workspace(scored_root), "stripes")


def rows_of(run):
    return pd.read_parquet(run.scores_path).set_index("id")


def test_every_labelled_sample_is_scored_by_a_head_that_never_saw_it_its_copy_or_its_group(opened):
    """Every number again, by hand, from heads fitted on the other folds alone."""
    run, labels = opened.run, opened.dataset.labels()
    folds, features, rows = run.folds(), np.array(run.features()), rows_of(run)
    assert folds[0] == folds[COPY]
    assert len(set(folds[GROUP])) == 1
    assert np.flatnonzero(folds == -1).tolist() == UNLABELLED
    assert sorted(set(folds.tolist())) == [-1, 0, 1, 2]
    labelled = np.flatnonzero(labels >= 0)
    groups, _ = sample_groups(opened.dataset, run.features(), labelled, column="patient")
    for fold in (-1, 0, 1, 2):
        seen = (folds[labelled] != fold) if fold >= 0 else np.ones(len(labelled), bool)
        ids = labelled[seen]
        head, _ = fit_head(Samples(features, ids, labels[ids].astype(np.int64), groups[seen], 3))
        np.testing.assert_array_equal(head.class_weights, run.head(fold)[0])
        scored = np.flatnonzero(folds == fold)
        expected = scores.avh(features[scored], head.class_weights, labels[scored])
        np.testing.assert_allclose(rows.loc[scored, "avh"], expected, rtol=1e-5)
        logits = head.logits(features[scored])
        assert rows.loc[scored, "predicted"].tolist() == logits.argmax(axis=1).tolist()
    assert rows.loc[UNLABELLED, "avh"].isna().all()
    assert rows.loc[UNLABELLED, "avc"].notna().all()


def test_the_record_says_how_the_heads_were_fitted_and_how_good_they_are(opened):
    run, labels = opened.run, opened.dataset.labels()
    fitted, rows = run.record.fitted, rows_of(run)
    known = labels >= 0
    assert (fitted.folds, fitted.seed, fitted.groups, fitted.samples) == (3, 0, "patient", 60)
    assert fitted.duplicates["files"] == 2
    assert fitted.accuracy == pytest.approx((rows["predicted"][known] == labels[known]).mean())
    assert fitted.accuracy > 0.9
    assert fitted.loss == pytest.approx(rows["loss"].mean(), rel=1e-5)
    assert 0.5 < fitted.agreement < 1
    assert run.record.head == "head"
    assert run.record.classes == ["c0", "c1", "c2"]
    assert titles(opened.dataset)[run.name] == "avhcurate:digits · fitted head"


def test_details_exports_and_degraded_images_take_the_head_that_scored_each_sample(opened, tmp_path):
    rows, labels = rows_of(opened.run), opened.dataset.labels()
    for id in (0, 7, COPY, UNLABELLED[0]):
        shown = inspect(opened.samples, opened.run, opened.votes, id)
        assert shown.softmax.max() == pytest.approx(rows.loc[id, "max_confidence"], rel=1e-5)
        near = np.pi - shown.angles
        assert near[rows.loc[id, "predicted"]] / near.sum() == pytest.approx(rows.loc[id, "avc"], rel=1e-5)
    opened.hand(write_cleanlab, ExportSelection(Filters()), tmp_path / "out")
    probs = np.load(tmp_path / "out" / "pred_probs.npy")
    known = np.flatnonzero(labels >= 0)
    np.testing.assert_allclose(probs[np.arange(len(known)), labels[known]], rows.loc[known, "confidence"], rtol=1e-5)
    workspace = Workspace(shutil.copytree(opened.dataset.root.parents[1], tmp_path / "space"))
    folder = degrade_dataset(workspace, DegradeSettings(dataset="stripes", kinds=["noise"]))
    plain = pd.read_parquet(folder.scores_path).query("level == 0").set_index("id").sort_index()
    np.testing.assert_allclose(plain["avh"], rows["avh"], rtol=1e-4)


def test_a_shard_without_a_usable_image_has_no_scores_and_stops_nothing(workspace, tmp_path, monkeypatch):
    for module in (scoring_service, thumbnails):
        monkeypatch.setattr(module, "SHARD", 31)
    images = stripes()["image"].to_pylist()
    broken = stripes().set_column(0, "image", pa.array([*images[:62], {"bytes": b"no image", "path": None}]))
    add_dataset(workspace, tmp_path, broken, "stripes")
    rows = rows_of(score_dataset(workspace, "stripes", SPEC, fit=FIT))
    assert (len(rows), rows["avc"].notna().sum(), rows.index[rows["problem"].notna()].tolist()) == (63, 62, [62])


def test_near_duplicates_of_image_quality_share_a_fold(scored_root, tmp_path):
    from avhcurate.features.quality.service import measure_dataset

    workspace = Workspace(copied(scored_root, tmp_path / "space"))
    folder = measure_dataset(workspace, "stripes", near=0.97)
    groups = pd.read_parquet(folder.columns_path).set_index("id")["duplicate_group"].dropna()
    several = groups[groups.index.isin(range(60))].groupby(groups).filter(lambda one: len(one) > 1)
    run = score_dataset(workspace, "stripes", SPEC, fit=FIT)
    assert run.name not in [one.name for one in Workspace(scored_root).dataset("stripes").runs()], "they were unknown"
    assert len(several) > 2
    assert (pd.Series(run.folds()[several.index]).groupby(several.to_numpy()).nunique() == 1).all()
    assert run.record.fitted.duplicates["quality"] == len(several)


KILLED = """
    import os, sys
    from pathlib import Path
    import sklearn.linear_model  # imported once for all children
    from avhcurate.workspace.data.workspace import Workspace
    from avhcurate.networks.models.loading import ModelSpec
    from avhcurate.networks.scoring import heads
    from avhcurate.networks.scoring.fitted_heads import heads_to_fit
    from avhcurate.networks.scoring.service import score_dataset
    from tests.fakes.killing import die_at_rename

    heads.STRENGTHS = (64.0, 1.0, 0.02)
    for argument in sys.argv[1:]:
        root, number = argument.split("|")
        child = os.fork()
        if child == 0:
            die_at_rename(int(number), False)
            fit = heads_to_fit(folds=3, groups="patient")
            score_dataset(Workspace(Path(root)), "stripes", ModelSpec(name="avhcurate:digits"), fit=fit)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.slow
def test_a_run_killed_while_its_heads_are_fitted_resumes_to_the_very_same_table(scored_root, opened, tmp_path):
    """Renames: room for features, record, shard; bias and weights of the head of all, of each fold; the rest."""
    roots = {}
    for moment in ("7", "9"):
        roots[moment] = copied(scored_root, tmp_path / moment)
        shutil.rmtree(roots[moment] / "datasets" / "stripes" / "runs")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), *(f"{root}|{moment}" for moment, root in roots.items())]
    codes = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert [int(code) for code in codes] == [-signal.SIGKILL] * len(roots)
    for moment, root in roots.items():
        (left,) = (root / "datasets" / "stripes" / "runs").iterdir()
        assert len(list((left / "heads").glob("*/class_weights.npy"))) == {"7": 1, "9": 2}[moment]
        run = score_dataset(Workspace(root), "stripes", SPEC, fit=FIT)
        pd.testing.assert_frame_equal(rows_of(run), rows_of(opened.run), obj=moment)
        fitted, expected = (each.record.fitted.model_copy(update={"seconds": None}) for each in (run, opened.run))
        assert fitted == expected


def test_the_command_line_fits_and_says_how_well(scored_root, tmp_path, cli, monkeypatch):
    root = copied(scored_root, tmp_path / "space")
    score = ("score", "stripes", "--model", "avhcurate:digits", "--workspace", root)
    ended = cli(*score, "--head", "fit", "--folds", 2, "--seed", 1)
    assert ended.code == 0
    assert "heads fitted on 60 labels in 2 folds: out of fold" in ended.out
    for wrong, message in {
        ("--head", "fit", "--groups", "ward"): "--groups ward: dataset 'stripes' has the columns path, split, patient",
        ("--head", "fit", "--folds", "40", "--limit", "20"): "folds must lie between",
        ("--folds", "3"): "Add --head fit",
        ("--head", "fit", "--classes-from-model"): "Leave it or --head fit out",
    }.items():
        ended = cli(*score, *wrong)
        assert (ended.code, message in ended.err) == (2, True), ended.err


def test_a_notebook_fits_the_same_heads_and_the_app_can_resume_its_job(scored_root, tmp_path, opened):
    root = copied(scored_root, tmp_path / "space")
    found = avhcurate.open(root, "stripes").score("avhcurate:digits", head="fit", groups="patient", folds=3, seed=0)
    assert found.table["avh"].astype(float).tolist() == pytest.approx(rows_of(opened.run)["avh"].tolist(), nan_ok=True)
    options = ["--model=avhcurate:digits", "--head=fit", "--groups=patient", "--folds=3", "--seed=0"]
    assert set(options) <= set(Jobs(root).newest().argv)
    assert len(list((root / "datasets" / "stripes" / "runs").iterdir())) == 1


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (["cat/a.png", "cat/b.png"], "labels of 1 class, and a head needs two or more"),
        (["cat/a.png", "dog/b.png", "fox/c.png"], "No class of dataset 'pets' has two labelled images"),
    ],
)
def test_labels_that_no_head_can_be_judged_on_are_refused_before_the_pass(workspace, tmp_path, images, reason):
    add_dataset(workspace, tmp_path, dict.fromkeys(images, "red"), "pets")
    with pytest.raises(CurateError, match=reason):
        score_dataset(workspace, "pets", SPEC, fit=heads_to_fit())


def test_a_model_of_other_classes_offers_its_own_rows_by_name_or_a_fitted_head(workspace, tmp_path):
    pytest.importorskip("efficientnet_lite_pytorch")
    from avhcurate.networks.models.loading import load_model

    spec = ModelSpec(name="efficientnet-lite0")
    pictures = {"Goldfish/a.png": "red", "n01440764 tench/b.png": "blue", "great_white-shark/c.png": "green"}
    add_dataset(workspace, tmp_path, pictures, "fish")
    with refused(1000, 3, Option("head", "fit"), Option("weights", "FILE"), Option("classes_from_model", True)):
        score_dataset(workspace, "fish", spec)
    run = score_dataset(workspace, "fish", spec, classes_from_model=True)
    assert run.record.rows == [1, 2, 0]
    model = load_model(spec)
    np.testing.assert_array_equal(run.class_weights(), model.class_weights[[1, 2, 0]])
    features = np.array(run.features())
    expected = (features @ model.class_weights[[1, 2, 0]].T + model.bias[[1, 2, 0]]).argmax(axis=1)
    assert rows_of(run)["predicted"].tolist() == expected.tolist()
