"""The embedded digits: whole after one call, left alone by the next, and honest about who voted."""

import io
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from avhcurate.datasets.sources.demo import prepare_demo
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data.run_records import FittedHeads
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.sources import grey_images


@pytest.fixture(scope="module")
def folder(demo_root):
    return Workspace(demo_root).dataset("digits")


@pytest.fixture(scope="module")
def table(folder):
    return folder.samples().join(pq.read_table(folder.run().scores_path).to_pandas().drop(columns="id"))


def test_the_digits_are_imported_with_their_classes_and_halves(folder):
    samples = folder.samples()
    assert folder.record.classes == list("0123456789")
    assert folder.record.classes_declared
    assert folder.record.skipped == 0
    assert samples["split"].value_counts().to_dict() == {"train": 901, "test": 896}
    assert samples["path"].is_unique


def test_images_are_the_scans_themselves_at_their_own_size(folder):
    pixels, labels = load_digits(return_X_y=True)
    images = [np.asarray(Image.open(io.BytesIO(data))) for data in folder.images().read(range(1797))]
    assert np.array_equal(np.rint(np.stack(images) / 255 * 16).reshape(1797, 64), pixels)
    assert np.array_equal(folder.labels(), labels)


def test_every_sample_is_scored_by_the_network(folder, table):
    run = folder.run("avhcurate:digits")
    assert run.complete
    assert run.features().shape == (1797, 64)
    assert table["problem"].isna().all()
    right = table["predicted"] == table["label"]
    assert right[table["split"] == "test"].mean() > 0.98
    assert right[table["split"] == "train"].mean() > 0.995


def test_a_second_call_changes_nothing_and_needs_no_torch(demo_root):
    def files():
        kept = (path for path in demo_root.rglob("*") if path.is_file() and path.suffix != ".lock")
        return {path: path.stat().st_mtime_ns for path in kept}

    before = files()
    code = (
        "import sys; from avhcurate.datasets.sources.demo import prepare_demo;"
        "from avhcurate.workspace.data.workspace import Workspace;"
        "prepare_demo(Workspace(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(demo_root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert files() == before


def test_a_head_fitted_on_the_demo_is_not_the_networks_own_and_real_votes_are_kept(own_demo_root, tmp_path):
    space = Workspace(own_demo_root)
    run = space.dataset("digits").run()
    heads = FittedHeads(folds=2, seed=0, groups=None, recipe={})
    run.write_record(run.record.model_copy(update={"fitted": heads, "name": "digits-fit-1"}))
    run.root.rename(run.root.with_name("digits-fit-1"))
    np.save(tmp_path / "votes.npy", np.ones((1797, 10), np.int64))
    attach_votes(space, "digits", tmp_path / "votes.npy", force=True)
    folder = prepare_demo(space)
    assert sorted(one.record.fitted is None for one in folder.runs()) == [False, True]
    assert not folder.record.votes.simulated


def test_a_dataset_of_the_users_under_that_name_is_left_alone(tmp_path):
    space = Workspace(tmp_path / "workspace")
    grey_images(tmp_path / "mine", "a/x.png", "b/x.png")
    mine = import_dataset(space, "digits", tmp_path / "mine").record
    with pytest.raises(CurateError, match="of your own"):
        prepare_demo(space)
    assert space.dataset("digits").record == mine
