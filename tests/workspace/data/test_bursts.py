"""Bursts that are known: found where two of names, times and embeddings agree, and kept in one fold or locked whole."""

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from PIL import ExifTags, Image

from avhcurate.datasets.curate.locked import lock, locked_mask, told
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.saved.split_service import make_split
from avhcurate.workspace.data.bursts import AUTO, bursts
from avhcurate.workspace.data.sample_groups import sample_groups
from avhcurate.workspace.data.workspace import Workspace

#: Images of each burst in order of name: bursts of three, and single images between them.
KNOWN = np.array([0, 0, 0, 1, 2, 2, 2, 3, 4, 4, 4, 5] * 4) + np.repeat(10 * np.arange(4), 12)


def write(folder, *, times, numbered=True):
    """Photos of a camera in a row; without numbers their names say nothing, without times their files do not."""
    clock = datetime(2024, 5, 1, 9)
    rng = np.random.default_rng(0)
    folder.mkdir()
    names = [f"IMG_{n:04d}.jpg" for n in range(len(KNOWN))]
    if not numbered:
        names = [
            f"{'abcdefghijklmnopqrstuvwxyz'[n // 26]}{'abcdefghijklmnopqrstuvwxyz'[n % 26]}.jpg" for n in range(48)
        ]
    for n, name in enumerate(names):
        clock += timedelta(seconds=1 if n and KNOWN[n] == KNOWN[n - 1] else 300)
        exif = Image.Exif()
        exif[ExifTags.Base.Model] = "one"
        if times:
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"{clock:%Y:%m:%d %H:%M:%S}"
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / name, exif=exif)


def embedded(seed=0):
    """Embeddings of which those of a burst lie together, and the others in directions of their own."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(60, 32))[KNOWN] + rng.normal(0, 0.1, (len(KNOWN), 32))).astype(np.float32)


@pytest.fixture
def photos(tmp_path):
    def make(**how):
        write(tmp_path / "photos", **how)
        return import_dataset(Workspace(tmp_path / "w"), "photos", tmp_path / "photos")

    return make


def in_bursts(ways):
    return {
        way.removeprefix("bursts by "): groups for way, groups in ways.items() if len(np.unique(groups)) < len(groups)
    }


@pytest.mark.parametrize(
    ("how", "features", "expected"),
    [
        ({"times": True}, True, {"names and times", "names and embeddings", "times and embeddings"}),
        ({"times": True}, False, {"names and times"}),
        ({"times": False}, True, {"names and embeddings"}),
        ({"times": True, "numbered": False}, True, {"times and embeddings"}),
        ({"times": False}, False, set()),  # names alone would join all
    ],
)
def test_two_sources_that_agree_find_the_known_bursts_and_no_other(photos, how, features, expected):
    dataset = photos(**how)
    ids = np.arange(len(KNOWN))
    ways = in_bursts(bursts(dataset, embedded() if features else None, ids))
    assert set(ways) == expected
    for groups in ways.values():
        assert pd.factorize(groups)[0].tolist() == pd.factorize(KNOWN)[0].tolist()


def test_a_lock_and_folds_keep_bursts_whole_and_say_how_many_there_are(photos, tmp_path):
    dataset = photos(times=True)
    joined = sample_groups(dataset, embedded(), np.arange(len(KNOWN)), column=AUTO)
    assert (pd.Series(joined[0]).groupby(KNOWN).nunique() == 1).all()
    assert joined[1]["bursts by names and times"] == 36
    rows = pd.DataFrame({"path": dataset.samples(["path"])["path"], "label": np.where(KNOWN % 2, "a", "b")})
    rows.to_csv(tmp_path / "photos" / "list.csv", index=False)
    import_dataset(Workspace(tmp_path / "w"), "labelled", tmp_path / "photos" / "list.csv")
    opened = open_dataset(Workspace(tmp_path / "w"), "labelled")
    lock(opened.decisions, opened.run, share=0.3, groups=AUTO)
    assert pd.Series(locked_mask(opened.dataset)).groupby(KNOWN).nunique().eq(1).all()
    assert "In bursts are 36 images by names and times." in str(told(opened.decisions, opened.run))
    parts = make_split(opened.decisions, opened.votes, opened.run, (0.5, 0.5), group=AUTO)
    assert parts.rows["part"].groupby(KNOWN).nunique().eq(1).all()
    assert parts.manifest["joined"]["bursts by names and times"] == 36
