"""A record of an older version is taken up to this one as it is read; its file stays until the record is written."""

import json

import pytest

from avhcurate.errors import CurateError
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.folders import RecordFolder
from avhcurate.workspace.disk.provenance import SCHEMA_VERSION, StoredRecord, UnknownVersion
from tests.fakes.child import in_child
from tests.fakes.killing import die_at_change

FIRST = '{"schema_version": 2, "name": "pets", "size": 3}'


def count_in_dozens(values):
    return {"name": values["name"], "dozens": values["size"] / 12}


def name_everybody(values):
    return {**values, "names": [values["name"]]}


class CrateRecord(StoredRecord):
    """The record of a made-up kind, of which nothing has the form of two versions ago."""

    STEPS = (count_in_dozens, name_everybody)

    names: list[str]
    dozens: float


class Crate(RecordFolder[CrateRecord]):
    FILE, KIND, WHAT, AGAIN = "crate.json", CrateRecord, "crate", "pack it again"


@pytest.fixture
def crate(tmp_path):
    (tmp_path / Crate.FILE).write_text(FIRST)
    return Crate(tmp_path)


@pytest.mark.parametrize(
    "stored",
    [
        {"schema_version": 2, "name": "pets", "size": 3},
        {"schema_version": 3, "name": "pets", "dozens": 0.25},
        {"schema_version": 4, "names": ["pets"], "dozens": 0.25},
    ],
)
def test_the_steps_that_are_missing_are_taken(crate, stored):
    (crate.root / Crate.FILE).write_text(json.dumps(stored))
    assert crate.record == CrateRecord(names=["pets"], dozens=0.25)
    assert crate.record.schema_version == 4


def test_the_file_stays_as_it_is_until_the_record_is_written(crate):
    for _ in range(2):
        assert crate.record.names == ["pets"]
    assert (crate.root / Crate.FILE).read_text() == FIRST
    crate.write_record(crate.record)
    assert json.loads((crate.root / Crate.FILE).read_text()) == {"schema_version": 4, "names": ["pets"], "dozens": 0.25}


def test_a_kill_while_it_is_written_loses_nothing(crate):
    def write(number):
        die_at_change(number, crate.root)
        crate.write_record(crate.record)

    number, code = 0, -9
    while code == -9:
        number += 1
        (crate.root / Crate.FILE).write_text(FIRST)
        code = in_child(lambda number=number: write(number)).code
        assert crate.record == CrateRecord(names=["pets"], dozens=0.25)
    assert (code, number > 2) == (0, True)


@pytest.mark.parametrize("version", [1, 5, "x", None, [2]])
def test_an_unknown_version_is_refused(crate, version):
    (crate.root / Crate.FILE).write_text(json.dumps({"schema_version": version, "name": "pets", "size": 3}))
    with pytest.raises(UnknownVersion, match=r"The record of crate .* reads only 2, 3, 4\. Install the avhcurate"):
        _ = crate.record


def test_a_record_that_no_step_can_read_is_damaged(crate):
    for text in ("{", "[]", '{"schema_version": 2, "name": "pets"}', '{"schema_version": 4, "names": 3}'):
        (crate.root / Crate.FILE).write_text(text)
        with pytest.raises(CurateError, match=r"The record of crate .* cannot be read .* pack it again"):
            _ = crate.record


def test_a_kind_without_steps_has_the_version_of_the_first_release():
    assert StoredRecord().schema_version == SCHEMA_VERSION
    assert json.loads(StoredRecord().model_dump_json()) == {"schema_version": 2}


@pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
def test_a_record_of_another_version_is_refused_and_says_what_to_do(cli, own_demo_root, version):
    run = Workspace(own_demo_root).dataset("digits").run()
    record = run.root / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"schema_version": version}))
    ended = cli("correlate", "digits", "--workspace", own_demo_root)
    assert ended.code == 2
    assert f"The record of run {run.name!r} has schema version {version}" in ended.err
    assert "docs/install.md" in ended.err
