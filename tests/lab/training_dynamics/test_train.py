"""Training as a job: what is held out, what is written, and that a training cut short comes to the same."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.datasets.table.subset import Subset
from avhcurate.errors import CurateError, Option
from avhcurate.lab.training_dynamics.held_out import held_out_copies, stratified, train_and_held_out
from avhcurate.lab.training_dynamics.train import _name, summary, train_model, train_seeds
from avhcurate.networks.models import DIGITS_WEIGHTS
from avhcurate.networks.models.loading import ModelSpec, new_model
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.networks.training.image_cache import ImageCache
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.refusals import refused
from tests.lab.training_dynamics.conftest import PHOTOS, SETTINGS, photos


@pytest.fixture(scope="module")
def trained(imported, tmp_path_factory):
    """A finished training, with its workspace; for reading only."""
    workspace = Workspace(shutil.copytree(imported.root, tmp_path_factory.mktemp("trained") / "space"))
    calls = []
    training = train_model(workspace, SETTINGS, progress=Progress(lambda *call: calls.append(call)))
    return workspace, training, calls


# What is trained on and what is held out


def test_split_train_is_trained_on_and_the_rest_held_out(fresh):
    known, held = train_and_held_out(fresh, SETTINGS)
    split = fresh.dataset("digits").samples(["split"])["split"].to_numpy()
    assert set(split[known.ids]) == {"train"}
    assert set(split[held.ids]) == {"test"}
    assert len(known.ids) + len(held.ids) == 1797
    np.testing.assert_array_equal(known.labels, fresh.dataset("digits").labels()[known.ids])


def test_without_a_split_a_tenth_of_each_class_is_held_out(fresh, tmp_path):
    import_dataset(fresh, "photos", photos(tmp_path, "photos", 20))
    known, held = train_and_held_out(fresh, PHOTOS)
    assert np.bincount(held.labels).tolist() == [2, 2, 2]
    assert np.bincount(known.labels).tolist() == [18, 18, 18]
    assert not set(known.ids) & set(held.ids)


def test_a_class_of_two_keeps_one_to_train_on_and_a_class_of_one_its_only_sample():
    chosen = stratified(np.array([0, 1, 1]), 0.1)
    assert [int(chosen[:1].sum()), int(chosen[1:].sum())] == [0, 1]


def test_conditions_choose_both_parts_or_one_and_the_rest(fresh):
    known, held = train_and_held_out(fresh, SETTINGS.with_(train_where="id < 1000"))
    assert (known.ids.max(), held.ids.min(), len(held.ids)) == (999, 1000, 797)
    known, held = train_and_held_out(fresh, SETTINGS.with_(held_out_where="id < 100"))
    assert (held.ids.max(), known.ids.min()) == (99, 100)
    both = SETTINGS.with_(train_where="id < 100", held_out_where="id >= 50")
    with refused(50, Option("train_where"), Option("held_out_where")):
        train_and_held_out(fresh, both)
    with refused("'digits'", "id < 0"):
        train_and_held_out(fresh, SETTINGS.with_(train_where="id < 0", held_out_where="id > 5"))


def test_with_one_condition_what_satisfies_it_is_never_in_the_rest(fresh, demo_root, tmp_path):
    rows = pq.read_table(demo_root / "downloads" / "digits" / "digits.parquet").slice(0, 60)
    labels = [None if row == 3 else label for row, label in enumerate(rows["label"].to_pylist())]
    place = rows.column_names.index("label")
    pq.write_table(rows.set_column(place, "label", pa.array(labels, pa.int64())), tmp_path / "few.parquet")
    import_dataset(fresh, "few", tmp_path / "few.parquet")
    opened, condition = open_dataset(fresh, "few"), "id % 6 < 4"
    annotate(opened.decisions, [0, 1], "exclude")
    annotate(opened.decisions, [3], "relabel", opened.samples.classes[0])
    known, held = train_and_held_out(fresh, SETTINGS.with_(dataset="few", train_where=condition))
    assert (held.ids % 6 >= 4).all()
    assert not {0, 1} & set(known.ids.tolist())
    assert held.where == f"({condition}) IS NOT TRUE"
    known, held = train_and_held_out(fresh, SETTINGS.with_(dataset="few", held_out_where=condition))
    assert (known.ids % 6 >= 4).all()
    assert {0, 1} < set(held.ids.tolist())


def test_excluded_samples_are_not_trained_on_and_relabelled_ones_by_their_new_label(fresh):
    before, _ = train_and_held_out(fresh, SETTINGS)
    opened = open_dataset(fresh, "digits")
    first, second = before.ids[:2].tolist()
    annotate(opened.decisions, [first], "exclude")
    annotate(opened.decisions, [second], "relabel", "9" if before.labels[1] != 9 else "8")
    known, held = train_and_held_out(fresh, SETTINGS)
    assert first not in known.ids
    assert known.labels[known.ids == second].item() == (9 if before.labels[1] != 9 else 8)
    assert len(held.ids) == 896


def test_another_dataset_is_held_out_when_its_classes_are_the_same(fresh, tmp_path):
    import_dataset(fresh, "photos", photos(tmp_path, "photos", 4))
    import_dataset(fresh, "other", photos(tmp_path, "other", 2))
    import_dataset(fresh, "named", photos(tmp_path, "named", 2, classes=("a", "b", "c")))
    known, held = train_and_held_out(fresh, PHOTOS.with_(held_out="other"))
    assert (known.dataset.name, len(known.ids), held.dataset.name, len(held.ids)) == ("photos", 12, "other", 6)
    with refused("'photos'", "'named'", "dark, light, mid", "a, b, c"):
        train_and_held_out(fresh, PHOTOS.with_(held_out="named"))


def _parts(dataset):
    """Subsets of the pets by split; of the test split, both images are copies of training ones."""
    samples = dataset.samples(["id", "split"])
    ids = {split: rows["id"].to_numpy(np.int64) for split, rows in samples.groupby("split")}
    return {split: Subset(dataset, chosen, np.zeros(len(chosen), int)) for split, chosen in ids.items()}


def test_copies_across_splits_and_datasets_are_counted(planted_root, tmp_path):
    pets = _parts(Workspace(planted_root).dataset("pets"))
    assert len(pets["test"].ids) == 2
    assert held_out_copies(pets["train"], pets["test"]) == 2
    assert held_out_copies(pets["test"], pets["train"].only(pets["train"].ids > 3)) < 2
    again = _parts(DatasetFolder(shutil.copytree(pets["train"].dataset.root, tmp_path / "again")))
    assert held_out_copies(pets["train"], again["test"]) == 2
    assert held_out_copies(pets["train"], again["train"]) == len(pets["train"].ids)


def test_without_measures_nothing_is_claimed(planted_root, tmp_path):
    folder = DatasetFolder(shutil.copytree(planted_root / "datasets" / "pets", tmp_path / "pets"))
    folder.quality.clear()
    unmeasured = _parts(folder)
    assert held_out_copies(unmeasured["train"], unmeasured["test"]) is None


# Images


def test_images_are_decoded_once_as_the_network_wants_them_and_broken_ones_left_out(fresh, tmp_path):
    import_dataset(fresh, "photos", photos(tmp_path, "photos", 10, broken=1))
    dataset = fresh.dataset("photos")
    model = new_model(ModelSpec(name="avhcurate:resnet20"), 3)
    store = ImageCache(tmp_path / "cache", dataset, model.preprocess)
    ids = np.arange(len(dataset.labels()))
    with pytest.raises(Cancelled):
        store.decode(ids, progress=Progress(should_stop=lambda: True))
    store.decode(ids[5:])
    assert set(store.missing(ids)) <= {0, 1, 2, 3, 4}
    store.decode(ids)
    assert (~store.whole(ids)).sum() == 3
    for id in (0, 20):
        with Image.open(io.BytesIO(dataset.images().read_one(id))) as image:
            expected = model.preprocess.prepare(np.asarray(image.convert("RGB")))
        np.testing.assert_array_equal(store.images()[id].transpose(1, 2, 0), expected)
    whole = ImageCache(tmp_path / "cache", dataset, replace(model.preprocess, draft=0))
    assert whole.path != store.path, "squares of whole and of smaller JPEGs lie apart"
    training = train_model(fresh, PHOTOS.with_(epochs=1))
    assert training.record.recipe["broken_images"] == 3
    assert training.record.train_samples + training.record.held_out_samples == 30


def test_a_disk_without_room_is_refused_before_anything_is_decoded(fresh, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(CurateError, match="Make room"):
        train_model(fresh, SETTINGS)


# What is written


def test_a_training_writes_its_record_looks_weights_and_a_scored_run(trained):
    workspace, training, _ = trained
    record, evaluations = training.record, training.evaluations()
    split = workspace.dataset("digits").samples(["split"])["split"]
    assert training.complete
    assert training.ids().tolist() == np.flatnonzero(split == "test").tolist()
    assert (record.train_samples, record.held_out_samples, record.num_classes) == (901, 896, 10)
    assert record.held_out_where == "split <> 'train'"
    assert (record.recipe["crop_padding"], record.recipe["flip"]) == (1, False)
    assert evaluations["epoch"].round(2).tolist() == [0, 0.22, 0.44, 0.78, 1, 2, 3]
    assert evaluations["accuracy"].iloc[-1] > evaluations["accuracy"].iloc[0] + 0.3
    assert not training.checkpoint_path.exists()
    run = workspace.dataset("digits").run()
    assert run.record.weights_sha256 == record.weights_sha256
    scored = pd.read_parquet(run.scores_path).set_index("id").loc[training.ids()]
    last = training.samples(len(evaluations) - 1)
    for key in ("avh", "norm", "confidence", "margin"):
        np.testing.assert_allclose(scored[key], last[key], rtol=2e-3, atol=2e-4, err_msg=key)
    assert summary(training)["accuracy"] == pytest.approx(evaluations["accuracy"].iloc[-1], abs=1e-6)


def test_the_name_depends_on_what_decides_numbers_and_samples(fresh):
    train, held_out = train_and_held_out(fresh, SETTINGS)
    model = new_model(ModelSpec(name=SETTINGS.model), 10)

    def name(settings):
        return _name(settings, settings.make_recipe(), model, train, held_out)

    others = [name(SETTINGS.with_(train_sample=0)), name(SETTINGS.with_(batch_size=50))]
    assert len({name(SETTINGS), *others}) == 3
    assert name(SETTINGS.with_(device="cpu")) == name(SETTINGS)


def test_a_share_of_each_class_trained_on_is_evaluated_too_and_kept_apart(trained):
    workspace, training, _ = trained
    ids, opened = training.ids("learnt from"), open_dataset(workspace, "digits")
    frame = opened.samples.frame(columns=["id", "split", "label", "aum", "train_aum", "train_correctness"]).set_index(
        "id"
    )
    learnt = frame.loc[ids]
    assert set(learnt["split"]) == {"train"}
    shares = learnt["label"].value_counts() / frame[frame["split"] == "train"]["label"].value_counts()
    np.testing.assert_allclose(shares, 200 / 901, atol=0.01)
    at_epochs = [training.samples(number, ["margin", "correct"], part="learnt from") for number in (4, 5, 6)]
    np.testing.assert_allclose(learnt["train_aum"], sum(one["margin"] for one in at_epochs) / 3, rtol=1e-5)
    np.testing.assert_allclose(learnt["train_correctness"], sum(one["correct"] for one in at_epochs) / 3, rtol=1e-6)
    assert learnt["aum"].isna().all()
    assert frame.drop(ids)["train_aum"].isna().all()
    assert frame.loc[training.ids(), "aum"].notna().all()


@pytest.mark.slow
def test_samples_learnt_by_another_label_are_evaluated_by_the_given_one_as_their_run_is(fresh):
    settings, opened = SETTINGS.with_(epochs=1, train_sample=901), open_dataset(fresh, "digits")
    changed = opened.samples.frame(Filters(where="split = 'train' AND label <> 9"))["id"][:20].to_list()
    annotate(opened.decisions, changed, "relabel", 9)
    training = train_model(fresh, settings)
    last = training.samples(-1, part="learnt from").set_index("id")
    scored = pd.read_parquet(fresh.dataset("digits").run().scores_path).set_index("id").loc[last.index]
    for key in ("avh", "confidence", "margin"):
        np.testing.assert_allclose(scored[key], last[key], rtol=2e-3, atol=2e-4, err_msg=key)
    assert set(changed) < set(last.index)


def test_samples_learnt_from_another_dataset_join_that_ones_table_once_its_run_has_the_weights(fresh, tmp_path):
    import_dataset(fresh, "photos", photos(tmp_path, "photos", 4))
    import_dataset(fresh, "other", photos(tmp_path, "other", 2))
    settings = PHOTOS.with_(epochs=1, batch_size=6, held_out="other")
    training = train_model(fresh, settings)
    score_dataset(fresh, "photos", ModelSpec(name="avhcurate:digits", weights=training.weights_path))
    photos_table, other = open_dataset(fresh, "photos"), open_dataset(fresh, "other")
    assert photos_table.samples.frame()["train_aum"].notna().all()
    assert "aum" not in photos_table.samples.columns
    assert other.samples.frame()["aum"].notna().all()
    assert "train_aum" not in other.samples.columns
    none = train_model(fresh, settings.with_(train_sample=0), seed=1)
    assert (len(none.ids("learnt from")), none.train_dynamics_path) == (0, None)


def test_progress_counts_images_to_read_and_then_samples_trained_on(trained):
    _, _, calls = trained
    done = [call[0] for call in calls]
    assert {call[1] for call in calls} == {1797 + 3 * 901}
    assert done == sorted(done)
    assert any("epoch 2 of 3" in call[2] for call in calls)
    assert any(call[2].startswith("scoring") for call in calls)


@pytest.mark.slow
def test_the_same_again_does_nothing_and_another_seed_is_another_training(fresh):
    settings = SETTINGS.with_(epochs=1, seeds=(0, 1))
    first, second = train_seeds(fresh, settings)
    assert first.name != second.name
    weights = [load_file(training.weights_path)["head.weight"] for training in (first, second)]
    assert not torch.equal(*weights)
    written = first.weights_path.stat().st_mtime_ns
    assert [training.name for training in train_seeds(fresh, settings)] == [first.name, second.name]
    assert first.weights_path.stat().st_mtime_ns == written


#: The command in children of one import of torch, which takes seconds: killed after a rename, then left alone.
KILLED = """
    import os, sys
    import torch._dynamo  # by the first optimiser of each child, otherwise
    import avhcurate.networks.scoring.service, avhcurate.lab.training_dynamics.train
    import avhcurate.networks.training.image_cache, avhcurate.networks.training.loop as loop
    from avhcurate.cli import main
    from tests.fakes.killing import die_at_rename

    loop._SOON = 0.0  # a checkpoint after every epoch
    sys.argv = ["avhcurate", *sys.argv[1:]]
    for dies in (True, False):
        child = os.fork()
        if child == 0:
            if dies:
                die_at_rename(1, False, "000000018.json")
            main()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_the_command_killed_at_an_evaluation_resumes_to_the_same(fresh, trained):
    _, whole, _ = trained
    command = [sys.executable, "-c", textwrap.dedent(KILLED), *SETTINGS.argv, "--workspace", fresh.root, "--json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    *killed, printed, last = ended.stdout.split("\n")[:-1]
    assert [int(code) for code in (*killed, last)] == [-signal.SIGKILL, 0], ended.stderr
    (found,) = json.loads(printed)["trainings"]
    training = fresh.dataset("digits").training(found["training"])
    assert training.weights_path.read_bytes() == whole.weights_path.read_bytes()
    assert training.evaluations()["accuracy"].tolist() == whole.evaluations()["accuracy"].tolist()
    assert found["accuracy"] == pytest.approx(whole.evaluations()["accuracy"].iloc[-1], abs=1e-6)


def test_a_training_under_way_in_another_process_is_refused(fresh, trained):
    _, whole, _ = trained
    folder = fresh.dataset("digits").root / "training" / whole.name
    shutil.copytree(whole.root, folder)
    os.unlink(folder / "dynamics.parquet")
    with TrainingFolder(folder).alone(), pytest.raises(CurateError, match="Another process"):
        train_model(fresh, SETTINGS)


# Networks


def test_tuning_takes_all_but_the_head_from_weights_of_another_class_count(fresh, tmp_path):
    import_dataset(fresh, "photos", photos(tmp_path, "photos", 12))
    settings = PHOTOS.with_(batch_size=100, epochs=8, freeze=True, learning_rate=0.1, weights=DIGITS_WEIGHTS)
    training = train_model(fresh, settings)
    before, after = load_file(DIGITS_WEIGHTS), load_file(training.weights_path)
    assert after["head.weight"].shape == (3, 64)
    assert all(torch.equal(before[name], after[name]) for name in before if not name.startswith("head."))
    assert training.record.recipe["new_head"] is True
    assert fresh.dataset("photos").run().record.num_classes == 3


def test_networks_of_torchvision_train_at_a_small_size(fresh, tmp_path):
    import_dataset(fresh, "photos", photos(tmp_path, "photos", 6))
    network = {"model": "torchvision:mobilenet_v3_small", "resize": 32, "crop": 32}
    settings = PHOTOS.with_(epochs=1, batch_size=8, loss="cosine", **network)
    training = train_model(fresh, settings)
    assert training.record.recipe["crop_padding"] == 4
    assert training.record.recipe["flip"] is True
    assert training.complete


# The command

TRAIN = ("train", "digits", "--model", "avhcurate:digits")


@pytest.mark.slow
def test_the_command_says_how_good_it_is_and_what_to_run_next(fresh, cli):
    code, out, err = cli(*TRAIN, "--epochs", 1, "--seeds", "1", "--loss", "avh", "--workspace", fresh.root)
    assert code == 0, err
    assert "901 images of digits, 896 of digits held out, avh loss" in out
    assert "avhcurate-digits-avh-seed1-" in out
    assert f"Now try:\n  avhcurate suspects digits --workspace {fresh.root}\n" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "2", "--drops", "5"], "drop"),
        (["--seeds", "one"], "--seeds"),
        (["--train-where", "label = 0"], "only one class"),
        (["--weights", "x", "--pretrained"], "exclude each other"),
        (["--model", "avhcurate:digit"], "avhcurate:digits"),
        (["--batch-size", "1"], "--batch-size"),
    ],
)
def test_a_mistake_of_training_is_one_line_and_exit_code_2(fresh, cli, options, message):
    code, _, err = cli(*TRAIN, *options, "--workspace", fresh.root)
    assert (code, message in err) == (2, True), err
