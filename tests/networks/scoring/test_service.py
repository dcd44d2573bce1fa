"""Scoring: right numbers, and a run that is killed, cancelled or repeated comes to the same table."""

import io
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from avhcurate import scores
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError, Unavailable
from avhcurate.measures.scores import SCORES
from avhcurate.networks.models.head import FeatureTap
from avhcurate.networks.models.loading import ModelSpec, load_model
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from tests.fakes.datasets import add_dataset, write_images

SPEC = ModelSpec(name="avhcurate:digits")


def table(run):
    return pd.read_parquet(run.scores_path)


def test_scores_equal_a_direct_float64_reference(digits):
    """The network applied image by image in float64, and the scores of its features by their public functions."""
    model = load_model(SPEC)
    tap = FeatureTap(model.module, model.head).double()
    chosen = list(range(0, 1797, 90))
    source = digits.dataset.images()
    mean, std = model.preprocess.mean[0], model.preprocess.std[0]
    pixels = []
    for id in chosen:
        with Image.open(io.BytesIO(source.read_one(id))) as image:
            pixels.append((np.asarray(image.convert("L"), np.float64) / 255 - mean) / std)
    with torch.inference_mode():
        features, logits = tap(torch.from_numpy(np.stack(pixels)[:, None]))
    labels = digits.dataset.labels()[chosen]
    weights = model.class_weights.astype(np.float64)
    expected = scores.per_sample(features.numpy(), weights, logits.numpy(), labels)
    got = table(digits.run).set_index("id").loc[chosen]
    for key in SCORES:
        if key in expected:
            np.testing.assert_allclose(got[key], expected[key], rtol=2e-4, atol=2e-5, err_msg=key)
    np.testing.assert_allclose(digits.run.features()[chosen], features.numpy(), rtol=1e-4, atol=1e-4)
    every, labels = np.asarray(digits.run.features(), np.float64), digits.dataset.labels()
    distance = scores.prototype_distance(every, scores.prototypes(every, labels, 10), labels)
    np.testing.assert_allclose(table(digits.run)["prototype_distance"], distance, atol=1e-5)


#: Every commit point of a run is a rename: class weights, bias, room for features, record; thumbnails and scores of
#: two shards; the table, the record. Killed before or after the one of that number.
MOMENTS = ["3 after", "7 before", "9 before"]

#: Starts from one import of torch, which takes seconds: a child for each moment, which runs until it is killed.
KILLED = """
    import os, sys
    from pathlib import Path
    from avhcurate.networks.models.loading import ModelSpec
    from avhcurate.networks.scoring.service import score_dataset
    from avhcurate.workspace.data.workspace import Workspace
    from tests.fakes.killing import die_at_rename

    for argument in sys.argv[1:]:
        root, number, when = argument.split("|")
        child = os.fork()
        if child == 0:
            die_at_rename(int(number), when == "before")
            score_dataset(Workspace(Path(root)), "digits", ModelSpec(name="avhcurate:digits"))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.slow
def test_a_run_killed_at_any_moment_resumes_to_the_very_same_table(fresh, digits, tmp_path):
    roots = {moment: Path(shutil.copytree(fresh.root, tmp_path / moment)) for moment in MOMENTS}
    arguments = [f"{root}|{moment.replace(' ', '|')}" for moment, root in roots.items()]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), *arguments]
    codes = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert [int(code) for code in codes] == [-signal.SIGKILL] * len(MOMENTS)
    for moment, root in roots.items():
        run = score_dataset(Workspace(root), "digits", SPEC)
        pd.testing.assert_frame_equal(table(run), table(digits.run), obj=moment)
        assert table(run)["id"].tolist() == list(range(1797))
        np.testing.assert_array_equal(run.features(), digits.run.features())
        thumbnails = Workspace(root).dataset("digits").thumbnails
        assert all(thumbnails.get(id) == digits.dataset.thumbnails.get(id) for id in range(0, 1797, 50))
        assert not list(run.root.rglob("*.tmp"))


def test_a_cancelled_run_keeps_its_shards_and_goes_on_from_there(fresh, digits):
    seen = []

    progress = Progress(lambda done, *_: seen.append(done), lambda: bool(seen) and seen[-1] >= 1024)
    with pytest.raises(Cancelled, match="resumes"):
        score_dataset(fresh, "digits", SPEC, progress=progress)
    again = []
    run = score_dataset(fresh, "digits", SPEC, progress=Progress(lambda done, *_: again.append(done)))
    assert again == sorted(again)
    assert (again[0], again[-1]) == (1024, 1797)
    pd.testing.assert_frame_equal(table(run), table(digits.run))
    said = []
    score_dataset(fresh, "digits", SPEC, progress=Progress(lambda *report: said.append(report)))
    assert said == [(1797, 1797, "complete already")]
    with run.alone(), pytest.raises(Unavailable, match="Another process is writing"):
        score_dataset(fresh, "digits", SPEC)


def test_other_settings_make_another_run_and_a_limit_spreads_over_the_dataset(fresh):
    whole = score_dataset(fresh, "digits", SPEC)
    some = score_dataset(fresh, "digits", SPEC, limit=100)
    assert whole.name != some.name
    ids = table(some)["id"]
    assert len(ids) == 100
    assert (ids.min(), ids.diff().min() >= 17) == (0, True)
    shared = table(whole).set_index("id").loc[ids]
    np.testing.assert_allclose(table(some)["avh"], shared["avh"], rtol=1e-4)


def test_reduced_precision_says_how_well_it_keeps_the_order_of_float32(fresh):
    record = score_dataset(fresh, "digits", SPEC, precision="bfloat16").record
    assert record.precision == "bfloat16"
    assert record.rank_agreement.samples == 200
    assert 0.98 < record.rank_agreement.spearman["avh"] <= 1
    assert record.rank_agreement.predicted > 0.97


TINY = """
    import torch
    from torch import nn

    def make(num_classes=2):
        layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(8, num_classes))
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A network of the user's own, beside the images."""
    (tmp_path / "tiny_net.py").write_text(textwrap.dedent(TINY))
    monkeypatch.chdir(tmp_path)
    yield ModelSpec(name="tiny_net:make", resize=16, crop=16)
    sys.modules.pop("tiny_net", None)


@pytest.fixture
def mixed(tmp_path, workspace):
    """A folder of good, broken, truncated, odd and huge images."""
    rng = np.random.default_rng(0)
    pixels = [Image.fromarray(rng.integers(0, 255, (30, 20, 3), np.uint8)) for _ in range(10)]
    pictures = {f"{number // 5}/{number % 5}.jpg": image for number, image in enumerate(pixels)}
    stream = io.BytesIO()
    pixels[0].save(stream, "JPEG")
    pictures |= {
        "0/truncated.jpg": stream.getvalue()[: stream.tell() // 2],
        "0/empty.png": b"",
        "1/text.png": b"no image",
    }
    pictures |= {"1/cmyk.jpg": Image.new("CMYK", (20, 20)), "1/deep.png": rng.integers(0, 65535, (20, 20), np.uint16)}
    add_dataset(workspace, tmp_path, pictures, "mixed")
    return workspace


def test_broken_images_are_recorded_and_the_run_goes_on(mixed, net):
    run = score_dataset(mixed, "mixed", net)
    rows = table(run).set_index("id")
    names = mixed.dataset("mixed").samples().set_index("id")["path"]
    broken = set(names[rows["problem"].notna()])
    assert broken == {"0/truncated.jpg", "0/empty.png", "1/text.png"}
    assert run.record.skipped == 3
    columns = [*(key for key in SCORES if key in rows), "predicted"]
    assert rows.loc[rows["problem"].notna(), columns].isna().all(axis=None)
    assert rows.loc[rows["problem"].isna(), "avh"].notna().all()


def test_a_dataset_of_broken_images_only_is_refused(tmp_path, workspace, net):
    add_dataset(workspace, tmp_path, {"a/x.png": b"nothing"}, "broken")
    with pytest.raises(CurateError, match="None of the 1 images"):
        score_dataset(workspace, "broken", net)
    assert workspace.dataset("broken").runs() == []


def test_an_import_under_way_stops_the_run_and_gets_no_thumbnail_of_it(fresh, tmp_path):
    write_images(tmp_path / "other", {f"cat/{number}.png": "red" for number in range(3)})

    def import_another(done, total, message):
        if 0 < done < total and fresh.dataset("digits").record.samples == total:
            import_dataset(fresh, "digits", tmp_path / "other", force=True)

    with pytest.raises(CurateError, match="imported again"):
        score_dataset(fresh, "digits", SPEC, progress=Progress(import_another))
    after = fresh.dataset("digits")
    assert after.record.samples == 3
    assert after.thumbnails.get(0) is None
    assert after.runs() == []


def test_classes_that_only_the_model_knows_have_its_names_or_numbers(demo_root, tmp_path):
    rows = pq.read_table(demo_root / "downloads" / "digits" / "digits.parquet", columns=["image"])[:64]
    pq.write_table(rows.replace_schema_metadata(None), tmp_path / "bare.parquet")
    workspace = Workspace(tmp_path / "workspace")
    import_dataset(workspace, "bare", tmp_path / "bare.parquet")
    score_dataset(workspace, "bare", SPEC)
    opened = open_dataset(workspace, "bare")
    assert len(opened.samples.classes) == 10
    frame = opened.samples.frame()
    assert frame["label"].isna().all()
    assert frame["avh"].isna().all()
    assert frame["predicted_name"].to_list() == [opened.samples.classes[label] for label in frame["predicted"]]
    assert annotate(opened.decisions, [0], "relabel", 7) == 1
    assert opened.samples.sample(0)["curated_label_name"] == opened.samples.classes[7]


def test_every_image_counts_once_whatever_the_batch_size(mixed, net):
    """Batches of any size, and of few bytes, give the same rows."""
    whole = table(score_dataset(mixed, "mixed", net))
    for size in (1, 4):
        shutil.rmtree(mixed.dataset("mixed").root / "runs")
        again = table(score_dataset(mixed, "mixed", net, batch_size=size))
        pd.testing.assert_frame_equal(again, whole, rtol=1e-4)


CONTRAST = """
    class Contrast(nn.Module):
        def forward(self, x):
            red = x[:, :1]
            return x / (red.amax((2, 3), keepdim=True) - red.amin((2, 3), keepdim=True))
"""


def test_features_that_are_not_finite_are_a_problem_of_the_sample(mixed, net, tmp_path):
    """A network that divides by each image's contrast has nothing to say of one flat colour."""
    source = textwrap.dedent(TINY).replace("[nn.Conv2d", "[Contrast(), nn.Conv2d") + textwrap.dedent(CONTRAST)
    (tmp_path / "contrast_net.py").write_text(source)
    run = score_dataset(mixed, "mixed", net.model_copy(update={"name": "contrast_net:make"}))
    problems = table(run).set_index("id")["problem"]
    names = mixed.dataset("mixed").samples().set_index("id")["path"]
    assert names[problems.str.contains("not finite", na=False)].tolist() == ["1/cmyk.jpg"]
    assert np.isfinite(run.features()).all()
