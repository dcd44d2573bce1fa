"""The embedded digits: whole after one call, left alone by the next, and honest about who voted."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from avhcurate.datasets.sources.demo import prepare_demo
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.people.attach import attach_votes
from avhcurate.people.hsf import from_ticks, selections
from avhcurate.workspace.data.runs import FittedHeads
from avhcurate.workspace.data.workspace import Workspace


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("demo") / "workspace")


@pytest.fixture(scope="module")
def folder(space):
    return prepare_demo(space)


@pytest.fixture(scope="module")
def table(folder):
    counts = np.stack(folder.votes()["counts"])
    return (
        folder.samples()
        .join(pq.read_table(folder.run().scores_path).to_pandas().drop(columns="id"))
        .join(from_ticks(*selections(counts, folder.labels())))
    )


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


def test_votes_are_marked_as_simulated(folder):
    votes = folder.record.votes
    assert votes.simulated
    assert votes.kind == "k-way"
    assert (votes.samples, votes.total) == (1797, 1797 * 50)
    assert "not human" in votes.note


def test_every_sample_is_scored_by_the_network(folder, table):
    run = folder.run("avhcurate:digits")
    assert run.complete
    assert run.features().shape == (1797, 64)
    assert table["problem"].isna().all()
    right = table["predicted"] == table["label"]
    assert right[table["split"] == "test"].mean() > 0.98
    assert right[table["split"] == "train"].mean() > 0.995


def test_every_default_bin_holds_thirty_images(table):
    bins = pd.cut(table["hsf"] + 1e-9, [0, 0.2, 0.4, 0.6, 0.8, 1.1])
    assert bins.value_counts().min() >= 30


def test_a_second_call_changes_nothing_and_needs_no_torch(folder, space):
    def files():
        kept = (path for path in space.root.rglob("*") if path.is_file() and path.suffix != ".lock")
        return {path: path.stat().st_mtime_ns for path in kept}

    before = files()
    code = (
        "import sys; from avhcurate.datasets.sources.demo import prepare_demo;"
        "from avhcurate.workspace.data.workspace import Workspace;"
        "prepare_demo(Workspace(sys.argv[1])); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(space.root)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert files() == before


def test_a_demo_cut_short_is_completed_by_the_next_call(tmp_path):
    space = Workspace(tmp_path)
    whole = prepare_demo(space)
    (whole.run().scores_path).unlink()
    assert prepare_demo(space).run().complete


def test_a_head_fitted_on_the_demo_is_not_the_networks_own(tmp_path):
    space = Workspace(tmp_path)
    run = prepare_demo(space).run()
    heads = FittedHeads(folds=2, seed=0, groups=None, recipe={})
    run.write_record(run.record.model_copy(update={"fitted": heads, "name": "digits-fit-1"}))
    run.root.rename(run.root.with_name("digits-fit-1"))
    assert sorted(one.record.fitted is None for one in prepare_demo(space).runs()) == [False, True]


def test_real_votes_on_the_digits_are_kept(folder, space, tmp_path):
    space = Workspace(tmp_path / "other")
    import_dataset(space, "digits", _copy_of_source(folder, space))
    real = tmp_path / "votes.npy"
    np.save(real, np.ones((1797, 10), np.int64))
    attach_votes(space, "digits", real)
    assert not prepare_demo(space).record.votes.simulated


def _copy_of_source(folder, space):
    source = space.downloads / "digits" / "digits.parquet"
    source.parent.mkdir(parents=True)
    source.write_bytes(Path(folder.samples()["_file"][0]).read_bytes())
    return source


def test_a_dataset_of_the_users_under_that_name_is_left_alone(tmp_path):
    space = Workspace(tmp_path / "workspace")
    for label in ("a", "b"):
        (tmp_path / "mine" / label).mkdir(parents=True)
        Image.new("L", (9, 9)).save(tmp_path / "mine" / label / "x.png")
    mine = import_dataset(space, "digits", tmp_path / "mine").record
    with pytest.raises(CurateError, match="of your own"):
        prepare_demo(space)
    assert space.dataset("digits").record == mine
