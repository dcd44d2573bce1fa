"""Thumbnails: what was written comes back, and damage is absence."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate.workspace.disk import files
from avhcurate.workspace.disk.files import temporary_name
from avhcurate.workspace.images.thumbnails import SHARD, ThumbnailStore


def test_thumbnails_come_back_by_id(tmp_path: Path) -> None:
    store = ThumbnailStore(tmp_path / "thumbnails")
    store.write_shard(2, {2 * SHARD: b"first", 3 * SHARD - 1: b"last"})
    assert store.get(2 * SHARD) == b"first"
    assert store.get(3 * SHARD - 1) == b"last"
    assert store.get(2 * SHARD + 1) is None
    assert (store.get(5), store.has_shard(0), store.get(-1)) == (None, False, None)


def test_nothing_but_the_shard_is_left_in_the_folder_also_of_a_killed_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary_name(tmp_path / "000007.thumbs").write_bytes(b"begun")
    monkeypatch.setattr(files, "_is_alive", lambda pid: False)
    ThumbnailStore(tmp_path).write_shard(7, {})
    assert [path.name for path in tmp_path.iterdir()] == ["000007.thumbs"]


@settings(deadline=None)
@given(st.data())
def test_damaged_file_never_gives_wrong_bytes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    store = ThumbnailStore(tmp_path_factory.mktemp("store"))
    thumbnails = {id: bytes([id]) * 50 for id in range(5)}
    store.write_shard(0, thumbnails)
    (path,) = store.folder.iterdir()
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.one_of(st.integers(0, 100), st.integers(len(content) - 250, len(content) - 1)))
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert all(store.get(id) in (None, thumbnails[id]) for id in range(5))
