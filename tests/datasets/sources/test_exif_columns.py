"""When and where photos were taken, as columns of the import."""

import datetime
import math

import pytest

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.workspace.images.exif import read_exif
from tests.fakes.photographs import photo
from tests.fakes.sources import png, write_csv


@pytest.fixture
def photos(tmp_path):
    """Three photos, of which one says when and where, one when, and one nothing; and a screenshot."""
    files = {
        "cat/a.jpg": photo(1, taken="2024:05:01 23:30:00", north=(52, 30, 36), east=(-13, 24, 0)),
        "cat/b.jpg": photo(2, taken="2024:05:02 00:10:00"),
        "dog/c.jpg": photo(3),
        "dog/d.png": png(4),
    }
    for name, data in files.items():
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(data)
    return tmp_path / "photos"


def test_time_and_place_of_photos_are_columns(workspace, photos):
    rows = import_dataset(workspace, "d", photos).samples().set_index("path")
    assert rows.loc["cat/a.jpg", "taken"] == datetime.datetime(2024, 5, 1, 23, 30)
    assert rows.loc["cat/a.jpg", "latitude"] == pytest.approx(52 + 30 / 60 + 36 / 3600)
    assert rows.loc["cat/a.jpg", "longitude"] == pytest.approx(-(13 + 24 / 60))
    assert rows["taken"].isna().tolist() == [False, False, True, True]
    assert rows["latitude"].isna().tolist() == [False, True, True, True]


def test_they_filter_by_day_and_place(workspace, photos):
    import_dataset(workspace, "d", photos)
    samples = open_dataset(workspace, "d").samples

    def found(condition):
        return samples.frame(Filters(where=condition), columns=["path"])["path"].tolist()

    assert samples.kinds["taken"] == "date"
    assert found("taken < '2024-05-02'") == ["cat/a.jpg"]
    assert found("taken >= '2024-05-02'") == ["cat/b.jpg"]
    assert found("latitude > 50 AND longitude < 0") == ["cat/a.jpg"]


def test_photos_that_say_nothing_have_no_such_columns(workspace, photos):
    for name in ("a", "b"):
        (photos / "cat" / f"{name}.jpg").unlink()
    columns = import_dataset(workspace, "d", photos).samples().columns
    assert not {"taken", "latitude", "longitude"} & set(columns)


def test_a_column_of_the_source_stays_as_it_is(workspace, photos):
    rows = "path,label,Taken\ncat/a.jpg,cat,spring\ndog/c.jpg,dog,autumn\n"
    samples = import_dataset(workspace, "d", write_csv(photos / "m.csv", rows)).samples()
    assert samples["Taken"].tolist() == ["spring", "autumn"]
    assert "taken" not in samples.columns
    assert samples["latitude"].notna().tolist() == [True, False]


def test_what_was_imported_before_there_were_such_columns_has_not_changed(workspace, photos, monkeypatch):
    monkeypatch.setattr("avhcurate.datasets.sources.exif_columns.with_exif", lambda samples, _: samples)
    before = import_dataset(workspace, "d", photos)
    assert "taken" not in before.samples().columns
    monkeypatch.undo()
    assert import_dataset(workspace, "d", photos).record.fingerprint == before.record.fingerprint


@pytest.mark.parametrize(
    "told",
    [
        {"taken": "0000:00:00 00:00:00"},
        {"taken": "yesterday"},
        {"north": (91, 0, 0), "east": (0, 0, 0)},
        {"north": (1, 2, 3), "east": (181, 0, 0)},
    ],
)
def test_what_no_clock_or_map_has_is_not_taken(tmp_path, told):
    (tmp_path / "a.jpg").write_bytes(photo(1, **told))
    exif = read_exif(tmp_path / "a.jpg")
    assert exif.taken is None
    assert math.isnan(exif.latitude)
    assert math.isnan(exif.longitude)
    (tmp_path / "a.jpg").write_bytes(photo(1, **told)[:60])
    assert read_exif(tmp_path / "a.jpg").taken is None
