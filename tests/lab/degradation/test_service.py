"""Degrading a run's images: its own scores at level 0, a job that may be killed at any moment, refusals that help."""

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.lab.degradation.corruptions import KINDS, strengths
from avhcurate.lab.degradation.service import KEYS, degradations, degrade_dataset, example, read
from avhcurate.lab.degradation.settings import DegradeSettings
from avhcurate.networks.models import DIGITS_WEIGHTS
from avhcurate.networks.models.head import FeatureTap
from avhcurate.networks.models.loading import ModelSpec, load_model
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.scoring import service as scoring
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.ui.server.image_routes import read_image
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.datasets import write_images
from tests.fakes.workspaces import copied

SETTINGS = DegradeSettings(dataset="digits", limit=140)
STEPS = 1 + sum(map(len, strengths(KINDS, 8).values()))


def rows_of(folder):
    return pd.read_parquet(folder.scores_path)


@pytest.fixture(scope="module")
def degraded_root(demo_root, tmp_path_factory):
    """The digits, 140 of them degraded; for reading only."""
    root = copied(demo_root, tmp_path_factory.mktemp("degraded") / "demo")
    degrade_dataset(Workspace(root), SETTINGS)
    return root


@pytest.fixture(scope="module")
def folder(degraded_root):
    return degradations(Workspace(degraded_root).dataset("digits").run())[-1]


@pytest.fixture(scope="module")
def opened(degraded_root):
    return open_dataset(Workspace(degraded_root), "digits")


def test_every_image_is_scored_once_at_every_level(folder):
    rows, record = rows_of(folder), folder.record
    assert len(rows) == 140 * STEPS == record.samples * record.steps
    assert not rows.duplicated(["id", "kind", "level"]).any()
    assert rows[list(KEYS)].notna().all(axis=None)
    assert rows["problem"].isna().all()
    sizes = rows[rows["id"] == rows["id"][0]].groupby("kind", sort=False)["level"].apply(list).to_dict()
    assert sizes == {"none": [0]} | {
        kind: list(range(1, len(of_kind) + 1)) for kind, of_kind in record.strengths.items()
    }


def test_level_0_repeats_the_runs_own_scores(folder, digits):
    rows = rows_of(folder).query("level == 0").set_index("id")
    own = pd.read_parquet(digits.run.scores_path).set_index("id").loc[rows.index]
    for key in KEYS:
        np.testing.assert_allclose(rows[key], own[key], rtol=2e-4, atol=2e-5, err_msg=key)
    assert (rows["predicted"] == own["predicted"]).all()


def test_a_level_is_the_network_on_the_picture_that_the_example_shows(folder, opened):
    """Decoded from the example's own PNG and run through the network by hand."""
    model = load_model(ModelSpec(name="avhcurate:digits"))
    rows = rows_of(folder).set_index(["id", "kind", "level"])
    id = int(rows.index[0][0])
    mean, std = model.preprocess.mean[0], model.preprocess.std[0]
    for (kind, level), picture in example(opened.dataset, folder, id).items():
        pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), np.float32) / 255
        with torch.inference_mode():
            features, _ = FeatureTap(model.module, model.head)(torch.from_numpy((pixels - mean) / std)[None, None])
        assert rows.loc[(id, kind, level), "norm"] == pytest.approx(float(features.norm()), rel=1e-3), (kind, level)


def test_a_run_with_products_rounded_on_a_gpu_is_degraded_without_one_exactly(own_demo_root):
    workspace = Workspace(own_demo_root)
    run = workspace.dataset("digits").run()
    run.write_record(run.record.model_copy(update={"precision": "tf32"}))
    degraded = degrade_dataset(workspace, DegradeSettings(dataset="digits", limit=10, device="cpu"))
    assert degraded.record.precision == "float32"


def test_digits_get_harder_level_by_level(folder, opened):
    """What anyone would expect of a network that reads digits well."""
    found = read(opened.samples, folder)
    for kind, levels in found.folder.record.strengths.items():
        accuracy = found.rows[found.rows["kind"].isin(["none", kind])].groupby("level")["correct"].mean()
        assert accuracy[0] > 0.97
        assert accuracy[len(levels)] < accuracy[0] - 0.05
        assert np.corrcoef(accuracy.index, accuracy)[0, 1] < -0.5
    summary = found.summary.set_index(["score", "kind"])
    for kind in KINDS:
        assert summary.loc[("avh", kind), "median"] > 0.5
        assert summary.loc[("confidence", kind), "median"] < -0.5
        assert 132 < summary.loc[("avh", kind), "n"] <= 140
    assert (summary["expected_low"] <= summary["expected"]).all()


def test_filters_choose_the_images_and_bins_part_them(folder, opened):
    whole = read(opened.samples, folder)
    assert sorted(np.concatenate(list(whole.bins.values()))) == sorted(whole.rows["id"].unique())
    ones = read(opened.samples, folder, Filters(classes=(1,)))
    labels = opened.dataset.labels()
    assert set(ones.rows["id"]) == {id for id in whole.rows["id"] if labels[id] == 1}
    assert len(ones.ids) == (labels[whole.ids] == 1).sum()


def test_the_same_again_does_nothing_and_other_settings_are_kept_next_to_it(degraded_root, tmp_path):
    root = copied(degraded_root, tmp_path / "demo")
    said = []
    again = degrade_dataset(Workspace(root), SETTINGS, progress=Progress(lambda *report: said.append(report)))
    assert said == [(140 * STEPS, 140 * STEPS, "complete already")]
    other = degrade_dataset(Workspace(root), DegradeSettings(dataset="digits", kinds=["noise"], limit=140))
    run = Workspace(root).dataset("digits").run()
    assert [folder.name for folder in degradations(run)] == [again.name, other.name]
    first, second = (rows_of(part).set_index(["id", "kind", "level"])["avh"] for part in (again, other))
    np.testing.assert_allclose(second, first[second.index], rtol=1e-4)


def test_a_cancelled_job_keeps_its_shards_and_goes_on_from_there(folder, own_demo_root):
    workspace, seen = Workspace(own_demo_root), []

    def stop():
        return bool(seen) and seen[-1] >= 128 * STEPS

    with pytest.raises(Cancelled, match="resumes"):
        degrade_dataset(workspace, SETTINGS, progress=Progress(lambda done, *_: seen.append(done), stop))
    assert not degradations(workspace.dataset("digits").run())
    again = []
    whole = degrade_dataset(workspace, SETTINGS, progress=Progress(lambda done, *_: again.append(done)))
    assert (again[0], again[-1]) == (128 * STEPS, 140 * STEPS)
    pd.testing.assert_frame_equal(rows_of(whole), rows_of(folder))


#: Killed before or after the rename of that number: record, three shards, table, record.
MOMENTS = ["3 before", "5 after"]

#: Starts from one import of torch, which takes seconds: a child for each moment, which runs until it is killed.
KILLED = """
    import os, sys
    from pathlib import Path
    from avhcurate.lab.degradation.service import degrade_dataset
    from avhcurate.lab.degradation.settings import DegradeSettings
    from avhcurate.networks.models import engine, loading, runtime  # imported once for all children
    from avhcurate.workspace.data.workspace import Workspace
    from tests.fakes.killing import die_at_rename

    for argument in sys.argv[1:]:
        root, number, when = argument.split("|")
        child = os.fork()
        if child == 0:
            die_at_rename(int(number), when == "before")
            degrade_dataset(Workspace(Path(root)), DegradeSettings(dataset="digits", limit=140))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.slow
def test_a_job_killed_at_any_moment_resumes_to_the_very_same_table(folder, demo_root, tmp_path):
    roots = {moment: copied(demo_root, tmp_path / moment) for moment in MOMENTS}
    arguments = [f"{root}|{moment.replace(' ', '|')}" for moment, root in roots.items()]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), *arguments]
    codes = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert [int(code) for code in codes] == [-signal.SIGKILL] * len(MOMENTS)
    for moment, root in roots.items():
        whole = degrade_dataset(Workspace(root), SETTINGS)
        pd.testing.assert_frame_equal(rows_of(whole), rows_of(folder), obj=moment)
        assert not list(whole.root.rglob("*.tmp"))


def test_weights_of_a_file_are_asked_for_and_must_be_the_runs(own_demo_root, tmp_path):
    workspace, file = Workspace(own_demo_root), tmp_path / "other.safetensors"
    save_file({name: tensor * 1.01 for name, tensor in load_file(DIGITS_WEIGHTS).items()}, file)
    settings = DegradeSettings(dataset="digits", weights=str(file), kinds=["jpeg"], limit=10)
    with pytest.raises(CurateError, match=r"other\.safetensors.*not those of run.*digits_cnn\.safetensors"):
        degrade_dataset(workspace, settings)
    other = score_dataset(workspace, "digits", ModelSpec(name="avhcurate:digits", weights=file), limit=80)
    with pytest.raises(CurateError, match=r"--weights"):
        degrade_dataset(workspace, settings.with_(model=other.name, weights=None))
    assert degrade_dataset(workspace, settings.with_(model=other.name)).record.run == other.name


TINY = """
    from torch import nn

    def make(num_classes=2):
        layers = [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes)]
        return nn.Sequential(*layers)
"""


@pytest.fixture
def colours(tmp_path, monkeypatch, workspace):
    """Colour images scored by a network of the user's own with weights drawn at random."""
    (tmp_path / "tiny_colour_net.py").write_text(textwrap.dedent(TINY))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = [f"{label}/{number}.jpg" for label in ("cat", "dog") for number in range(4)]
    pictures = {name: rng.integers(0, 255, (40, 30, 3), np.uint8) for name in names}
    import_dataset(workspace, "pets", write_images(tmp_path / "images", pictures))
    spec = ModelSpec(name="tiny_colour_net:make", weights="random", resize=24, crop=16, seed=5)
    yield workspace, score_dataset(workspace, "pets", spec)
    sys.modules.pop("tiny_colour_net", None)


def test_a_network_of_the_users_with_other_preprocessing_is_rebuilt_from_the_record(colours):
    workspace, run = colours
    folder = degrade_dataset(workspace, DegradeSettings(dataset="pets"))
    own = pd.read_parquet(run.scores_path).set_index("id")
    rows = rows_of(folder).query("level == 0").set_index("id")
    np.testing.assert_allclose(rows["avh"], own["avh"], rtol=1e-4)
    assert folder.record.side == 16
    assert len(example(open_dataset(workspace, "pets").dataset, folder, 0)) == folder.record.steps


def test_an_older_run_is_repeated_with_whole_jpegs_and_never_mixed_with_a_new_one(colours, tmp_path, monkeypatch):
    workspace, _ = colours
    rng = np.random.default_rng(1)
    pictures = {f"{name}/0.jpg": rng.integers(0, 255, (1024, 1200, 3), np.uint8) for name in ("cat", "dog")}
    dataset = import_dataset(workspace, "large", write_images(tmp_path / "large", pictures))
    spec = ModelSpec(name="tiny_colour_net:make", weights="random", resize=24, crop=16, seed=5)
    new = score_dataset(workspace, "large", spec)
    thumbnail = dataset.thumbnails.get(0)
    assert new.record.preprocess["draft"] == 2
    with monkeypatch.context() as older:
        older.setattr(Preprocess, "least", None)
        older.setattr(scoring, "decisive", lambda model: {"weights": model.weights_sha256})
        old = score_dataset(workspace, "large", spec)
    record = json.loads((old.root / "run.json").read_text())
    del record["preprocess"]["draft"]
    (old.root / "run.json").write_text(json.dumps(record))
    assert score_dataset(workspace, "large", spec).name == new.name != old.name
    assert not np.allclose(old.features(), new.features(), rtol=1e-3)
    for run in (old, new):
        settings = DegradeSettings(dataset="large", model=run.name, kinds=["contrast"])
        rows = rows_of(degrade_dataset(workspace, settings)).query("level == 0")
        np.testing.assert_allclose(rows["norm"], pd.read_parquet(run.scores_path)["norm"], rtol=1e-6)
    shutil.rmtree(dataset.thumbnails.folder)
    assert read_image(workspace, "large", 0) == thumbnail, "one made now is that which scoring stored"


def test_images_without_labels_have_the_scores_that_need_none(demo_root, tmp_path):
    rows = pq.read_table(demo_root / "downloads" / "digits" / "digits.parquet", columns=["image"])[:40]
    pq.write_table(rows.replace_schema_metadata(None), tmp_path / "bare.parquet")
    workspace = Workspace(tmp_path / "workspace")
    import_dataset(workspace, "bare", tmp_path / "bare.parquet")
    score_dataset(workspace, "bare", ModelSpec(name="avhcurate:digits"))
    folder = degrade_dataset(workspace, DegradeSettings(dataset="bare", kinds=["noise"]))
    found = read(open_dataset(workspace, "bare").samples, folder)
    counts = found.summary.set_index("score")["n"]
    assert (counts["avh"], counts["norm"], counts["entropy"]) == (0, 40, 40)
    assert found.rows["correct"].isna().all()
    assert found.bins == {}


def test_an_image_that_broke_since_is_skipped_and_the_job_goes_on(colours, tmp_path, cli):
    workspace, _ = colours
    (tmp_path / "images" / "cat" / "1.jpg").write_bytes(b"no image")
    folder = degrade_dataset(workspace, DegradeSettings(dataset="pets", kinds=["contrast"]))
    rows = rows_of(folder)
    assert folder.record.skipped == 1
    assert rows["problem"].notna().sum() == 1
    assert len(rows) == 7 * 8 + 1
    out = cli("degrade", "pets", "--kinds", "contrast", "--workspace", workspace.root).out
    assert "7 images at 8 steps, 1 skipped" in out
    assert re.search(r"\n +1 \S.*\nCheck that these images are still where", out)
    assert len(read(open_dataset(workspace, "pets").samples, folder).ids) == 7
    with pytest.raises(CurateError, match="Image 1 cannot be read"):
        example(open_dataset(workspace, "pets").dataset, folder, 1)


def test_a_dataset_imported_anew_is_refused(colours, tmp_path):
    workspace, _ = colours
    Image.new("RGB", (20, 20)).save(tmp_path / "images" / "cat" / "new.png")

    def import_another(done, total, message):
        if done == 0:
            import_dataset(workspace, "pets", tmp_path / "images", force=True)

    with pytest.raises(CurateError, match="imported again"):
        degrade_dataset(workspace, DegradeSettings(dataset="pets"), progress=Progress(import_another))
    assert workspace.dataset("pets").runs() == []


def test_the_command_line_prints_the_table_and_writes_it(degraded_root, tmp_path, cli):
    command = ["degrade", "digits", "--limit", "140", "--out", tmp_path / "table.csv", "--workspace", degraded_root]
    done = cli(*command)
    assert done.code == 0, done.err
    assert "140 images" in done.out
    assert all(key in done.out for key in KEYS)
    written = pd.read_csv(tmp_path / "table.csv")
    assert len(written) == len(KEYS) * len(KINDS)
    assert set(written["score"]) == set(KEYS)
    done = cli(*command)
    assert (done.code, "table.csv" in done.err) == (2, True)


@pytest.mark.parametrize(("kinds", "said"), [(["fog"], "'contrast', 'noise', 'blur'"), ([], "at least one")])
def test_an_unknown_kind_is_refused(kinds, said):
    with pytest.raises(CurateError, match=said):
        DegradeSettings(dataset="digits", kinds=kinds)
