"""What is stored says its version: one that this program does not know is refused, and nothing of it is changed."""

import json

import pytest
import sqlalchemy as sa

from avhcurate.people.log import ResponseLog
from avhcurate.workspace.data.events import EVENTS, EventLog
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.provenance import SCHEMA_VERSION, UnknownVersion


@pytest.mark.parametrize(
    "statement",
    ["UPDATE avhcurate_version SET version_num = '1000'", "DROP TABLE avhcurate_version"],
    ids=["another version", "without a version"],
)
def test_a_database_of_another_version_is_refused_and_stays_as_it_is(database, statement):
    log = EventLog(database)
    ResponseLog(database)
    log.annotate("d", "tag", "odd", ["a"], who="ann")
    with log.engine.begin() as connection:
        connection.execute(sa.text(statement))
    for kind in (EventLog, ResponseLog):
        with pytest.raises(UnknownVersion, match=r"The database .* has schema version .* reads only .* Install the"):
            kind(database)
    with log.engine.connect() as connection:
        assert connection.execute(sa.select(EVENTS.c.value)).scalars().all() == ["odd"]


@pytest.mark.parametrize("version", [SCHEMA_VERSION - 1, SCHEMA_VERSION + 1])
def test_a_record_of_another_version_is_refused_and_says_what_to_do(cli, own_demo_root, version):
    run = Workspace(own_demo_root).dataset("digits").run()
    record = run.root / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"schema_version": version}))
    ended = cli("correlate", "digits", "--workspace", own_demo_root)
    assert ended.code == 2
    assert f"The record of run {run.name!r} has schema version {version}" in ended.err
    assert "docs/install.md" in ended.err
