"""Zero-shot scoring: class names are enough, labels are not needed, and the run says what was asked."""

import numpy as np
import pandas as pd
import pytest

import avhcurate
from avhcurate import scores
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring.dataset_model import rebuild_model
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.datasets import add_dataset
from tests.fakes.networks import save_clip

pytest.importorskip("transformers", reason="the extra transformers is not installed")

COLOURS = ("red", "green", "blue", "black", "white", "navy")
TEMPLATES = ("a photo of a {}", "a drawing of a {}")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    save_clip(folder)
    return f"clip:{folder}"


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    """A workspace with six images in no class folder."""
    root = tmp_path_factory.mktemp("unlabelled")
    add_dataset(Workspace(root / "workspace"), root, {f"{colour}.png": colour for colour in COLOURS})
    return Workspace(root / "workspace")


@pytest.fixture(scope="module")
def run(unlabelled, clip):
    spec = ModelSpec(name=clip, prompts=TEMPLATES, class_names=("cat", "dog", "fox"))
    return score_dataset(unlabelled, "pets", spec)


def test_every_image_without_a_label_has_avc_and_confidence_but_not_the_length_that_all_share(unlabelled, run):
    table = pd.read_parquet(run.scores_path)
    assert table[["predicted", "avc", "max_confidence", "entropy"]].notna().all(axis=None)
    assert table[["avh", "confidence", "loss", "prototype_distance", "norm"]].isna().all(axis=None)
    avc = scores.avc(np.asarray(run.features()), run.class_weights())
    np.testing.assert_allclose(table["avc"], avc[np.arange(6), table["predicted"]], rtol=1e-5)
    assert list(open_dataset(unlabelled, "pets").samples.classes) == ["cat", "dog", "fox"]
    lengths = np.linalg.norm(run.features(), axis=1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-5)


def test_the_record_holds_the_prompts_and_gives_the_model_back(run):
    assert run.record.prompts.templates == TEMPLATES
    assert list(run.record.prompts.names) == run.record.classes == ["cat", "dog", "fox"]
    np.testing.assert_array_equal(rebuild_model(run, None).class_weights, run.class_weights())


def test_a_notebook_says_the_same_and_leaves_a_job_that_can_be_resumed(unlabelled, run, clip):
    dataset = avhcurate.open(unlabelled.root, "pets").score(clip, prompt=TEMPLATES, classes=["cat", "dog", "fox"])
    assert dataset.table["avc"].notna().all()
    argv = Jobs(unlabelled.root).newest().argv
    assert {f"--prompt={template}" for template in TEMPLATES} | {"--classes=cat,dog,fox"} < set(argv)
    assert len(unlabelled.dataset("pets").runs()) == 1


def test_labels_get_avh_by_the_names_of_the_dataset_and_without_names_it_asks_for_them(
    unlabelled, workspace, tmp_path, clip
):
    with pytest.raises(CurateError, match=r"has no class names.*--classes cat,dog"):
        score_dataset(unlabelled, "pets", ModelSpec(name=clip))
    add_dataset(workspace, tmp_path, {f"{name}/{c}.png": c for name in ("cat", "dog") for c in COLOURS[:2]})
    run = score_dataset(workspace, "pets", ModelSpec(name=clip))
    table = pd.read_parquet(run.scores_path)
    expected = scores.avh(np.asarray(run.features()), run.class_weights(), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(table["avh"], expected, rtol=1e-5)
    assert run.record.prompts.names == ("cat", "dog")
