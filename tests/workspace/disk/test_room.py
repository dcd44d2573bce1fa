"""A full or write-protected disk is told in one line, what is there can still be read, and nothing is lost."""

import errno
import gc
import os
import shutil
import subprocess
import sys
from contextlib import suppress

import pytest

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.people.log import open_response_log
from avhcurate.workspace.data import logs
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.room import check_room
from tests.fakes.workspaces import copied


@pytest.fixture
def disk(tmp_path):
    """The folder of a small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def full_disk(own_demo_root, disk):
    """A workspace with the digits on it, and a function that fills it up or makes room."""
    root = copied(own_demo_root, disk / "workspace")
    open_response_log(root)
    logs._shared.cache_clear()  # as a process that starts now
    gc.collect()

    def fill(full=True):
        filler = disk / "filler"
        filler.unlink(missing_ok=True)
        if full:
            with suppress(OSError), open(filler, "wb", buffering=0) as stream:
                while True:
                    stream.write(bytes(4096))

    return root, fill


@pytest.mark.slow
def test_on_a_full_disk_writing_is_refused_in_one_line_and_reading_works_until_there_is_room(cli, full_disk):
    root, fill = full_disk
    fill()
    for arguments in (
        ["export", "digits", "--format", "csv", "--out", root.parent / "a.csv"],
        ["quality", "digits"],
        ["tag", "digits", "odd", "--ids", "1,2"],
    ):
        ended = cli(*arguments, "--workspace", root)
        assert ended.code == 2
        assert len(ended.err.strip().splitlines()) == 1
        assert "disk is full" in ended.err or "room" in ended.err
    assert cli("correlate", "digits", "--scores", "avh", "--workspace", root).code == 0
    assert cli("history", "digits", "--workspace", root).code == 0
    opened = open_dataset(Workspace(root), "digits")
    assert opened.samples.count() == 1797
    fill(full=False)
    assert cli("tag", "digits", "odd", "--ids", "1,2", "--workspace", root).code == 0
    opened.refresh()
    assert opened.samples.count(Filters(tags=("odd",))) == 2


@pytest.mark.parametrize("left", [0, 16_000])
@pytest.mark.parametrize("logged", [True, False])
def test_a_full_disk_is_never_called_damage(cli, decided_disk, left, logged):
    root, fill = decided_disk
    fill(left, logged)
    ended = cli("check", "--workspace", root)
    said = ended.out + ended.err
    assert "damaged (" not in said
    assert "--repair" not in said
    assert ended.code == 0 or "annotations.db: its disk is full. It may be whole: make room and check again." in said
    for words in (["tag", "digits", "odd", "--ids", "1"], ["check", "--repair"], ["classes", "digits", "--add", "new"]):
        ended = cli(*words, "--workspace", root)
        said = ended.out + ended.err
        assert ended.code == 0 or "disk is full" in said, said
        assert "damaged (" not in said
    fill(1 << 20, False)
    assert "is intact" in cli("check", "--workspace", root).out
    assert "kept" in cli("history", "digits", "--workspace", root).out


@pytest.fixture
def decided_disk(full_disk):
    """A workspace with a decision on a small disk, and a function that leaves so many bytes, and a log or none."""
    root, _ = full_disk
    annotate(open_dataset(Workspace(root), "digits").decisions, [1], "tag", "kept")
    file, filler = root / "annotations.db", root.parent / "filler"

    def fill(left, logged):
        logs._shared.cache_clear()
        gc.collect()
        if logged:  # as a process that is killed leaves it
            write = "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA journal_mode=WAL'); "
            write += "c.execute('CREATE TABLE other (a)'); c.commit(); os._exit(0)"
            subprocess.run([sys.executable, "-c", write, str(file)], check=True)
            file.with_name("annotations.db-shm").unlink()
        filler.unlink(missing_ok=True)
        filler.write_bytes(bytes(shutil.disk_usage(root).free - left))

    return root, fill


@pytest.mark.slow
def test_reading_works_on_a_write_protected_disk(cli, own_demo_root, disk):
    root = copied(own_demo_root, disk / "workspace")
    annotate(open_dataset(Workspace(root), "digits").decisions, [1, 2, 3], "tag", "blurred")
    logs._shared.cache_clear()  # closes the database
    gc.collect()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert cli("correlate", "digits", "--scores", "avh", "--workspace", root).code == 0
    assert "blurred" in cli("history", "digits", "--workspace", root).out
    assert open_dataset(Workspace(root), "digits").samples.count(Filters(tags=("blurred",))) == 3
    ended = cli("tag", "digits", "odd", "--ids", "1,2", "--workspace", root)
    assert ended.code == 2
    assert "write-protected" in ended.err


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot take room")
def test_arrays_take_their_room_before_they_are_mapped(cli, own_demo_root, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    arguments = ("export", "digits", "--format", "cleanlab", "--workspace", own_demo_root)
    ended = cli(*arguments, "--out", tmp_path / "out" / "arrays")
    assert ended.code == 2
    assert "disk is full" in ended.err
    assert list((tmp_path / "out").iterdir()) == []


def test_work_without_room_is_refused_before_it_begins(tmp_path):
    with pytest.raises(CurateError, match=r"takes 1,000,000,000\.0 MB and .* are free"):
        check_room(tmp_path / "new" / "folder", 10**15, "a run")
    check_room(tmp_path, 1, "a run")
