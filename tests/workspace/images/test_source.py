"""Reading images by id: from files, from Parquet, from the web; in order, within bounds, with reasons."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avhcurate.workspace.images import source as images_source
from avhcurate.workspace.images.decoding import BrokenImage
from avhcurate.workspace.images.source import ImageSource


def body(row: int) -> bytes:
    """In place of an encoded image, whose content is never read."""
    return f"image {row}".encode()


def places(files: list[str], rows: list[int | None]) -> pd.DataFrame:
    return pd.DataFrame({"_file": files, "_row": pd.array(rows, "Int64")})


def write_parquet(path: Path, bodies: list[bytes | None], *, group: int, plain: bool = False, page: int = 1024) -> None:
    column = bodies if plain else [{"bytes": data, "path": None} for data in bodies]
    kind = pa.binary() if plain else pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(column, kind), "label": np.zeros(len(bodies), np.int64)})
    pq.write_table(table, path, row_group_size=group, write_batch_size=page)


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    """Ten rows in three row groups."""
    path = tmp_path / "images.parquet"
    write_parquet(path, [body(row) for row in range(10)], group=4)
    return path


@pytest.mark.parametrize("plain", [True, False])
def test_parquet_of_three_row_groups_gives_every_row(tmp_path: Path, plain: bool) -> None:
    path = tmp_path / "images.parquet"
    write_parquet(path, [body(row) for row in range(10)], group=4, plain=plain)
    source = ImageSource(places([str(path)] * 10, list(range(10))))
    assert list(source.read(range(10))) == [body(row) for row in range(10)]
    assert [source.read_one(id) for id in (9, 0, 5)] == [body(9), body(0), body(5)]


@pytest.mark.parametrize("ids", [[0, 3, 9], [9, 8, 0, 8], [5, 5, 5], [], [7]])
def test_any_order_of_ids_is_answered_in_that_order(parquet: Path, ids: list[int]) -> None:
    shuffled = np.random.default_rng(0).permutation(10)
    source = ImageSource(places([str(parquet)] * 10, shuffled.tolist()))
    assert list(source.read(ids)) == [body(shuffled[id]) for id in ids]


def test_only_row_groups_that_hold_a_wanted_row_are_read(parquet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    chunks = images_source._ParquetImages.chunks
    monkeypatch.setattr(
        images_source._ParquetImages, "chunks", lambda self, row: groups.append(self.group(row)) or chunks(self, row)
    )
    source = ImageSource(places([str(parquet)] * 10, list(range(10))))
    list(source.read([1, 2, 8, 9]))
    assert groups == [0, 2]


def test_large_row_group_is_streamed_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.parquet"
    noise = np.random.default_rng(0)
    bodies = [noise.bytes(100_000) for _ in range(200)]
    write_parquet(path, bodies, group=200, page=5)
    monkeypatch.setattr(images_source, "_CHUNK_BYTES", 1 << 20)
    source = ImageSource(places([str(path)] * 200, list(range(200))))
    before = pa.total_allocated_bytes()
    most = 0
    for id, data in enumerate(source.read(range(200))):
        assert data == bodies[id]
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 6 << 20


def test_read_one_keeps_its_neighbours_but_not_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "images.parquet"
    write_parquet(path, [bytes([row]) * 10_000 for row in range(100)], group=10)
    monkeypatch.setattr(images_source, "_KEPT_BYTES", 300_000)
    source = ImageSource(places([str(path)] * 100, list(range(100))))
    assert all(source.read_one(id) == bytes([id]) * 10_000 for id in range(100))
    assert 1 <= len(source._chunks) <= 3


def test_read_one_from_many_threads_mixes_nothing_up(parquet: Path) -> None:
    source = ImageSource(places([str(parquet)] * 10, list(range(10))))
    ids = np.random.default_rng(0).integers(0, 10, 400).tolist()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(source.read_one, ids)) == [body(id) for id in ids]


def test_named_image_column_is_read_where_several_hold_bytes(tmp_path: Path) -> None:
    path = tmp_path / "two.parquet"
    pq.write_table(pa.table({"left": [b"l"], "right": [b"r"]}), path)
    assert ImageSource(places([str(path)], [0]), image_column="right").read_one(0) == b"r"
    with pytest.raises(BrokenImage, match="left, right"):
        ImageSource(places([str(path)], [0])).read_one(0)


def reason(source: ImageSource, id: int) -> str:
    (answer,) = source.read([id])
    assert isinstance(answer, BrokenImage)
    with pytest.raises(BrokenImage) as broken:
        source.read_one(id)
    assert broken.value.reason == answer.reason
    return answer.reason


def test_what_cannot_be_read_says_why_and_the_rest_goes_on(tmp_path: Path) -> None:
    holes = tmp_path / "holes.parquet"
    write_parquet(holes, [None, body(1)], group=2)
    (tmp_path / "good.jpg").write_bytes(b"good")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "text.parquet").write_text("no parquet")
    os.mkfifo(tmp_path / "pipe.jpg")
    files = ["gone.jpg", "folder.jpg", "pipe.jpg", "nul\0.jpg", "good.jpg"]
    parquets = ["holes.parquet", "holes.parquet", "holes.parquet", "gone.parquet", "text.parquet"]
    rows: list[int | None] = [None] * 5 + [0, 1, 2, 0, 0]
    source = ImageSource(places([str(tmp_path / name) for name in files + parquets], rows))
    expected = {0: "not found", 1: "regular", 2: "regular", 3: "read", 5: "no bytes", 7: "no longer", 8: "not found"}
    for id, words in (expected | {9: "text.parquet"}).items():
        assert words in reason(source, id)
    answers = list(source.read(range(10)))
    assert (answers[4], answers[6]) == (b"good", body(1))


def test_damaged_row_group_does_not_take_the_others_along(tmp_path: Path) -> None:
    path = tmp_path / "damaged.parquet"
    noise = np.random.default_rng(0)
    bodies = [noise.bytes(5000) for _ in range(12)]
    write_parquet(path, bodies, group=4)
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).dictionary_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 200] = b"\xff" * 200
    path.write_bytes(data)
    answers = list(ImageSource(places([str(path)] * 12, list(range(12)))).read(range(12)))
    assert answers[:4] == bodies[:4]
    assert answers[8:] == bodies[8:]
    assert all("is damaged" in answer.reason for answer in answers[4:8])


def test_oversized_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images_source, "MAX_BYTES", 3 << 20)
    with open(tmp_path / "huge.jpg", "wb") as stream:
        stream.truncate(5 << 20)
    assert "5 MiB" in reason(ImageSource(places([str(tmp_path / "huge.jpg")], [None])), 0)


def test_only_an_image_of_its_own_file_has_a_local_file() -> None:
    source = ImageSource(places(["/data/a.jpg", "https://host/a.jpg", "/data/b.parquet"], [None, None, 0]))
    assert [source.local_file(id) for id in range(3)] == [Path("/data/a.jpg"), None, None]


def test_other_addresses_are_read_by_fsspec(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://pictures/a.jpg", "wb") as stream:
        stream.write(b"in memory")
    source = ImageSource(places(["memory://pictures/a.jpg", "memory://pictures/gone.jpg"], [None, None]))
    assert source.read_one(0) == b"in memory"
    assert "not found" in reason(source, 1)
