"""The two questions about small networks: from images to the table, in tiny."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks import small_trainings
from benchmarks.small_trainings import as_png, main


@pytest.fixture
def file(tmp_path, monkeypatch):
    tiny = {
        name: study._replace(recipe=replace(study.recipe, epochs=1, batch_size=8))
        for name, study in small_trainings.NETWORKS.items()
    }
    monkeypatch.setattr(small_trainings, "NETWORKS", tiny)
    monkeypatch.setattr(small_trainings, "JPEG_RECIPE", replace(small_trainings.JPEG_RECIPE, epochs=1, batch_size=8))
    monkeypatch.setattr(small_trainings, "SEEDS", {"bias": 2, "jpeg": 2})
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 2
    images = [{"bytes": as_png(rng.integers(0, 255, (40, 40, 3), np.uint8)), "path": None} for _ in labels]
    votes = rng.integers(1, 20, (len(labels), 2)).tolist()
    path = tmp_path / "images.parquet"
    pq.write_table(pa.table({"image": images, "label": labels.astype(np.int16), "human_counts": votes}), path)
    return path


def test_each_question_ends_in_its_table_and_trains_nothing_twice(file, tmp_path, capsys):
    out = tmp_path / "bias"
    call = ["bias", "--train", str(file), "--test", str(file), "--out", str(out)]
    assert main(call) == 0
    record = json.loads((out / "vgg-16-none-seed1.json").read_text())
    assert set(record) == {"right", "right_views", "avh", "confidence"}
    assert 0 < abs(record["confidence"]) < 1
    assert len(list(out.iterdir())) == 8  # two networks, two heads, two seeds, and no checkpoint
    first = capsys.readouterr().out
    assert main(call) == 0
    assert capsys.readouterr().out == first[first.index("| network") :]

    assert main(["jpeg", "--test", str(file), "--out", str(tmp_path / "jpeg")]) == 0
    assert "| PNG | JPEG |" in capsys.readouterr().out


def test_the_effect_of_the_bias_is_paired_by_seed(tmp_path):
    for seed, (without, with_bias) in enumerate([(0.1, 0.2), (0.2, 0.3), (0.3, 0.4)]):
        for name in small_trainings.NETWORKS:
            for head, avh in (("none", without), ("bias", with_bias)):
                record = {
                    "right": 0.5,
                    "right_views": 0.5,
                    "avh": float(np.tanh(avh)),
                    "confidence": float(np.tanh(0.5)),
                }
                (tmp_path / f"{name}-{head}-seed{seed}.json").write_text(json.dumps(record))
    # The same in each seed: no spread is left, whatever the seeds differ by.
    assert "moved by the bias |  |  |  | +0.100 (+0.100 to +0.100, n = 3)" in small_trainings.report_bias(tmp_path)


def test_a_jpeg_loses_colour_and_a_png_nothing():
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    as_read = [
        np.asarray(Image.open(small_trainings.io.BytesIO(way(pixels)))) for way in (as_png, small_trainings.as_jpeg)
    ]
    assert (as_read[0] == pixels).all()
    assert np.abs(as_read[1].astype(int) - pixels).mean() > 10
