"""A file is on the disk before it has its name, and the name before the call returns."""

import os
import stat

from avhcurate.workspace.disk.files import write_atomic


def test_content_and_name_are_flushed_around_the_rename(tmp_path, monkeypatch):
    seen, fsync, replace = [], os.fsync, os.replace

    def flushed(handle):
        seen.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def renamed(source, target):
        assert source.read_bytes() == b"content"
        seen.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    write_atomic(tmp_path / "a", b"content")
    assert seen == ["file", "rename", "folder"]
