"""Staged files: the same in a folder and in S3."""

import pytest

from avhcurate.disk.staging import Staging
from avhcurate.errors import CurateError


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_files_are_written_read_and_removed_wherever_they_lie(where, tmp_path, request):
    if where == "s3":
        request.getfixturevalue("s3")
    place = "s3://pictures/staging/run" if where == "s3" else str(tmp_path / "run")
    staging, other = Staging(place), Staging(f"{place}/")
    assert not staging.has("a")
    staging.clear()  # nothing is there yet
    staging.write("a", b"1")
    staging.write("a", b"22")
    staging.write("b", b"3")
    assert (other.has("a"), other.read("a"), other.has("c")) == (True, b"22", False)
    other.remove("a")
    assert (staging.has("a"), staging.has("b")) == (False, True)
    staging.clear()
    assert not other.has("b")


def test_a_web_page_is_no_place_to_write_to():
    with pytest.raises(CurateError, match="--staging"):
        Staging("https://example.org/here")
