"""Measuring a dataset: planted copies and flaws are found, others never; it resumes; what it finds are columns."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter

import avhcurate
from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.history import history_entries
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.quality import service as quality_service
from avhcurate.features.quality.odd_files import odd_files
from avhcurate.features.quality.service import find_duplicates, keep_one, measure_dataset
from avhcurate.features.quality.study import USUAL, compared, flaw_of
from avhcurate.workspace.data.quality import QualityFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Progress
from avhcurate.workspace.images.decoding import decode_image, fitted
from avhcurate.workspace.images.measures import MEASURES, of_plugin
from avhcurate.workspace.images.pixels import SIDE, measure_pixels
from tests.fakes.workspaces import copied

#: The planted copies: each set is one group, in the order of ids.
COPIES = ({"a00.jpg", "exact.jpg"}, {"a01.jpg", "again.jpg", "small.png"}, {"a02.jpg", "bright.jpg"})


@pytest.fixture
def own_root(planted_root, tmp_path):
    """A copy of the planted images that the test may change."""
    return copied(planted_root, tmp_path / "planted")


@pytest.fixture
def own(own_root):
    return open_dataset(Workspace(own_root), "pets")


@pytest.fixture
def examined(monkeypatch):
    """The paths of the images that are measured."""
    paths, examine = [], quality_service.examine
    noted = lambda images: paths.extend(path for _, path in images) or examine(images)  # noqa: E731
    monkeypatch.setattr(quality_service, "examine", noted)
    return paths


@pytest.fixture
def opened(planted_root):
    return open_dataset(Workspace(planted_root), "pets")


@pytest.fixture(scope="module")
def measured_digits():
    """120 digits, measured, with image 20 made a copy of image 10 in the eyes of the network; for reading only."""
    made = avhcurate.example(fresh=True)
    run = made.opened.run
    features = np.load(run.root / "features.npy", mmap_mode="r+")
    features[20] = 3 * features[10]
    features.flush()
    measure_dataset(made.workspace, "digits")
    return open_dataset(made.workspace, "digits")


def names(opened, ids):
    return set(opened.samples.paths_of(list(ids)))


def test_planted_copies_are_grouped_and_nothing_else_is(opened):
    """Leaks come first, then the larger; conflicts are told."""
    found = find_duplicates(opened.samples, opened.dataset)
    groups = [names(opened, found.of([group])["id"]) for group in found.groups["group"]]
    assert groups == list(COPIES)
    assert len(found.members) == sum(map(len, COPIES))
    assert found.groups[["how", "n", "leak", "conflict"]].values.tolist() == [
        ["bytes", 2, True, True],
        ["hash", 3, True, False],
        ["hash", 2, False, False],
    ]
    kept = names(opened, found.members["id"][found.members["keep"]])
    assert kept == {"exact.jpg", "again.jpg", "bright.jpg"}  # the test copy of a leak, else the sharper one


def test_keep_one_leaves_one_a_group_in_one_entry_and_undo_restores(own):
    before, found = own.samples.frame(), find_duplicates(own.samples, own.dataset)
    assert keep_one(own.decisions, found.members) == 4
    left = own.samples.frame(Filters(ids=tuple(found.members["id"].tolist())))
    assert sorted(left["id"]) == sorted(found.members["id"][found.members["keep"]])
    taken = own.samples.frame(Filters(excluded=True))
    assert set(taken["id"]) == set(found.extra)
    assert all("duplicate" in tags for tags in taken["tags"])
    assert find_duplicates(own.samples, own.dataset).groups.empty
    assert len(find_duplicates(own.samples, own.dataset, Filters(excluded=None)).groups) == 3
    with pytest.raises(CurateError, match="excluded already"):
        keep_one(own.decisions, find_duplicates(own.samples, own.dataset, Filters(excluded=None)).members)
    (event,) = history_entries(own.decisions)[0]
    assert (event.action, event.value, event.samples) == ("exclude", "duplicate", 4)
    undo(own.decisions)
    pd.testing.assert_frame_equal(own.samples.frame(), before)
    small = find_duplicates(
        own.samples, own.dataset, Filters(where="path = 'small.png'")
    )  # a group comes with any member in view
    assert names(own, small.members["id"]) == COPIES[1]
    assert keep_one(own.decisions, small.members) == 2
    assert len(find_duplicates(own.samples, own.dataset).groups) == 2
    first = find_duplicates(own.samples, own.dataset).members.iloc[:2]
    annotate(
        own.decisions, [int(first["id"].iloc[1])], "relabel", own.samples.classes.index(first["label_name"].iloc[0])
    )
    assert find_duplicates(own.samples, own.dataset).groups["conflict"].sum() == 0, (
        "a corrected label settles a conflict"
    )


def test_odd_files_say_what_is_odd_and_the_pass_goes_on(opened):
    found = odd_files(opened.samples, opened.dataset)
    odd = dict(found.files[["path", "odd"]].itertuples(index=False))
    assert found.counts == {"file": 4, "tiny": 0, "black": 0, "blank": 0, "blurred": 21}  # they are drawn smooth
    odd = {path: said for path, said in odd.items() if not said.startswith("blurred")}
    assert odd.pop("cut.jpg").startswith("damaged")
    assert odd == {"page.jpg": "HTML, not an image", "wrong.png": "JPEG named .png", "moving.gif": "several frames"}
    record = opened.dataset.quality.record
    assert (record.samples, record.skipped) == (opened.samples.size, 2)
    unreadable = opened.samples.frame(Filters(where="problem IS NOT NULL"))
    assert set(unreadable["path"]) == {"cut.jpg", "page.jpg"}
    assert unreadable["brightness"].isna().all()
    assert unreadable["file_bytes"].tolist() == [len(opened.dataset.images().read_one(id)) for id in unreadable["id"]]


@pytest.mark.parametrize(("value", "said"), [(lambda: 1 / 0, "ZeroDivisionError"), (lambda: [1, 2], "TypeError")])
def test_a_plugins_measure_that_fails_names_the_image_and_goes_on_once_corrected(
    tmp_path, monkeypatch, examined, value, said
):
    workspace, mending = Workspace(tmp_path / "ws"), []
    (tmp_path / "blue").mkdir()
    for shade in range(4):
        Image.new("RGB", (8, 6), (0, 0, 40 * shade)).save(tmp_path / "blue" / f"{shade}.png")
    import_dataset(workspace, "blue", tmp_path / "blue")
    mine = replace(MEASURES["colour"], key="mine", pixels=lambda rgb: value() if rgb.max() == 80 and not mending else 5)
    monkeypatch.setitem(MEASURES, "mine", of_plugin("mine", mine))
    monkeypatch.setattr(quality_service, "SHARD", 1)
    with pytest.raises(CurateError, match=rf"2\.png: mine, which a plugin adds to the measures, failed \({said}"):
        measure_dataset(workspace, "blue")
    mending.append(True)
    examined.clear()
    folder = measure_dataset(workspace, "blue")
    assert 0 < len(examined) < 4
    assert folder.measures()["brightness"].notna().all()


def test_a_job_that_is_cancelled_resumes_without_measuring_an_image_twice(own_root, examined, monkeypatch):
    space, reports = Workspace(own_root), []
    folder = space.dataset("pets").quality
    before = pd.read_parquet(folder.columns_path)
    folder.clear()
    monkeypatch.setattr(quality_service, "SHARD", 8)
    with pytest.raises(Cancelled):
        measure_dataset(space, "pets", progress=Progress(should_stop=lambda: len(examined) >= 16))
    assert not open_dataset(space, "pets").samples.measured
    first = len(examined)
    measure_dataset(space, "pets", progress=Progress(lambda *report: reports.append(report[:2])))
    assert 0 < first < len(before)
    assert sorted(examined) == sorted(open_dataset(space, "pets").samples.paths())
    assert (reports[0][0], reports[-1]) == (first, (len(before), len(before)))
    pd.testing.assert_frame_equal(pd.read_parquet(folder.columns_path), before)
    examined.clear()
    measure_dataset(space, "pets", upright=True)  # searched again, not measured
    assert examined == []


def test_measures_of_whole_and_of_smaller_jpegs_never_share_a_table(own_root, examined, monkeypatch):
    space = Workspace(own_root)
    folder = space.dataset("pets").quality
    folder.write_record(folder.record.model_copy(update={"draft": 0}))
    measure_dataset(space, "pets")
    assert (examined, folder.record.draft) == ([], 0), "those of an older version stand, and say what they are"
    folder.clear()
    monkeypatch.setattr(quality_service, "SHARD", 8)
    with pytest.raises(Cancelled):
        measure_dataset(space, "pets", progress=Progress(should_stop=lambda: len(examined) >= 16))
    folder.write_record(folder.record.model_copy(update={"draft": 0}))
    examined.clear()
    measure_dataset(space, "pets")
    assert sorted(examined) == sorted(open_dataset(space, "pets").samples.paths())
    assert folder.record.draft == 2


def test_embeddings_alone_find_a_copy_without_joining_a_tight_class(measured_digits):
    found = find_duplicates(measured_digits.samples, measured_digits.dataset)
    assert sorted(found.members["id"]) == [10, 20]
    assert found.groups["how"].tolist() == ["embedding"]
    nearest = measured_digits.samples.frame()["nearest_similarity"]
    assert nearest[[10, 20]].to_list() == pytest.approx([1, 1])
    assert (nearest > 0.95).mean() > 0.5  # so that a fixed cosine of 0.95 would have joined most digits


def test_photos_mirrored_or_turned_are_found_and_no_other_pair_is(shared_data, tmp_path):
    """Some photos and copies of them, by their hashes."""
    encoded = pq.read_table(shared_data / "imagenet_sample_300.parquet", columns=["image"])["image"].to_pylist()[:24]
    photos = [Image.open(io.BytesIO(one["bytes"])).convert("RGB") for one in encoded]
    turns = [Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180]
    turns.append(Image.Transpose.ROTATE_270)
    (tmp_path / "images").mkdir()
    for number, photo in enumerate(photos):
        photo.save(tmp_path / "images" / f"{number:02}-0.jpg", quality=90)
        photo.transpose(turns[number % 4]).save(tmp_path / "images" / f"{number:02}-1.jpg", quality=75)
    space = Workspace(tmp_path / "space")
    import_dataset(space, "photos", tmp_path / "images")
    measure_dataset(space, "photos")
    opened = open_dataset(space, "photos")
    groups = find_duplicates(opened.samples, opened.dataset)
    assert set(groups.groups["how"]) == {"turned"}
    pairs = [names(opened, ids) for _, ids in groups.members.groupby("group")["id"]]
    assert sorted(map(sorted, pairs)) == [[f"{number:02}-0.jpg", f"{number:02}-1.jpg"] for number in range(24)]
    measure_dataset(space, "photos", upright=True)
    assert find_duplicates(open_dataset(space, "photos").samples, open_dataset(space, "photos").dataset).groups.empty


def test_the_command_line_measures_lists_and_writes(own_root, tmp_path, cli):
    command = ["quality", "pets", "--workspace", own_root]
    out = tmp_path / "quality.csv"
    code, said, err = cli(*command, "--out", out)
    assert code == 0, err
    assert "3 groups of near duplicates (4 copies)\n2 across splits, 1 with" in said
    assert "images of test have a copy in the training split" in said
    assert pd.read_csv(out)["duplicate_group"].notna().sum() == 7
    assert cli(*command, "--out", out).code == 2
    found = json.loads(cli(*command, "--json").out)
    assert found["record"]["groups"] == 3
    assert {row["measure"] for row in found["measures"]} == set(MEASURES)
    code, _, err = cli(*command, "--near", "2")
    assert (code, "--near" in err) == (2, True)


def test_a_search_that_was_killed_is_not_taken_for_the_one_before(own, monkeypatch):
    folder = own.dataset.quality
    before, write = folder.pairs(), QualityFolder.write_groups

    def killed(folder, columns, pairs):
        write(folder, columns, pairs)
        raise KeyboardInterrupt

    workspace = Workspace(own.dataset.root.parents[1])
    monkeypatch.setattr(QualityFolder, "write_groups", killed)
    with pytest.raises(KeyboardInterrupt):
        measure_dataset(workspace, "pets", upright=True)
    monkeypatch.setattr(QualityFolder, "write_groups", write)
    measure_dataset(workspace, "pets")
    pd.testing.assert_frame_equal(folder.pairs(), before)


# --- flaws --------------------------------------------------------------------------------------------------------


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
    return open_dataset(space, "flawed")


def test_each_flaw_is_found_once_and_nothing_else_is_odd(flawed):
    found = odd_files(flawed.samples, flawed.dataset)
    assert found.files["kind"].tolist() == ["tiny", "black", "blank", "blurred"]
    assert found.files["path"].map(lambda path: Path(path).stem).tolist() == found.files["kind"].tolist()
    assert found.limits["tiny"] == 24  # a quarter of the median of 96
    assert found.files["odd"][0] == "tiny: shorter side 20"


def test_thresholds_and_filters_decide_what_is_odd(flawed):
    assert odd_files(flawed.samples, flawed.dataset, limits=USUAL | {"tiny": 20}).counts["tiny"] == 0
    assert (
        odd_files(flawed.samples, flawed.dataset, limits=USUAL | {"tiny": 97}).counts["tiny"] == 16
    )  # before any other flaw
    assert odd_files(flawed.samples, flawed.dataset, limits=dict.fromkeys(USUAL, 0.0)).counts["blurred"] == 0
    found = odd_files(flawed.samples, flawed.dataset, Filters(where="width = 96"))
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
