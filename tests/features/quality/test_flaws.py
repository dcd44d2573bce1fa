"""Tiny, black, blank and blurred images are found by their thresholds, each once, and others are spared."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.quality.odd_files import USUAL, compared, flaw_of, odd_files
from avhcurate.features.quality.service import measure_dataset
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.images.decoding import decode_image, fitted
from avhcurate.workspace.images.pixels import SIDE, measure_pixels


@pytest.fixture(scope="module")
def flawed(tmp_path_factory):
    """The table of twelve pictures as they should be, and one of each flaw: `black, blank, blurred, tiny`."""
    folder = tmp_path_factory.mktemp("flawed")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)

    def picture():
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize((96, 96))
        return Image.fromarray(np.clip(np.asarray(coarse) + rng.normal(0, 12, (96, 96, 3)), 0, 255).astype(np.uint8))

    for number in range(12):
        picture().save(folder / "images" / f"fine{number:02}.png")
    flaws = {
        "black": picture().point(lambda value: value // 24),
        "blank": Image.new("RGB", (96, 96), (250, 248, 251)),
        "blurred": picture().filter(ImageFilter.GaussianBlur(4)),
        "tiny": picture().resize((20, 96)),
    }
    for name, image in flaws.items():
        image.save(folder / "images" / f"{name}.png")
    space = Workspace(folder / "workspace")
    import_dataset(space, "flawed", folder / "images")
    measure_dataset(space, "flawed")
    return open_table(space, "flawed")


def test_each_flaw_is_found_once_and_nothing_else_is_odd(flawed):
    found = odd_files(flawed)
    kinds = {Path(row.path).stem: row.kind for row in found.files.itertuples()}
    assert kinds == {kind: kind for kind in ("tiny", "black", "blank", "blurred")}
    assert found.files["kind"].tolist() == ["tiny", "black", "blank", "blurred"]
    assert found.limits["tiny"] == 24  # a quarter of the median of 96
    assert found.files["odd"][0] == "tiny: shorter side 20"


def test_thresholds_and_filters_decide_what_is_odd(flawed):
    assert odd_files(flawed, limits=USUAL | {"tiny": 20}).counts["tiny"] == 0
    assert odd_files(flawed, limits=USUAL | {"tiny": 97}).counts["tiny"] == 16  # before any other flaw
    assert odd_files(flawed, limits=dict.fromkeys(USUAL, 0.0)).counts["blurred"] == 0
    found = odd_files(flawed, Filters(where="width = 96"))
    assert found.limits["tiny"] == 24  # of the whole dataset, whatever is in view
    assert len(found.files) == 3


def test_photos_are_spared_and_found_when_they_are_blurred_or_darkened(shared_data):
    table = pq.read_table(shared_data / "imagenet_sample_300.parquet", columns=["image"])
    encoded = table["image"].slice(0, 40).to_pylist()
    photos = [np.asarray(fitted(decode_image(one["bytes"])[0], SIDE)) for one in encoded]

    limits = {"black": 0.03, "blank": 0.02, "blurred": 1.5}

    def flaws(images):
        return pd.Series(flaw_of(compared(pd.concat(pd.DataFrame(measure_pixels([rgb])) for rgb in images)), limits))

    assert set(flaws(photos)) == {""}
    blurred = [np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(3))) for rgb in photos]
    assert (flaws(blurred) == "blurred").all()
    assert (flaws([rgb // 32 for rgb in photos]) == "black").mean() > 0.8
