"""A made-up step of the database, after those that there are, for tests of the way to a new version."""

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from avhcurate.workspace.disk import database

NEXT = str(int(database.VERSIONS[-1]) + 1)
_STEP = """
    import sqlalchemy as sa
    from alembic import op

    revision, down_revision = "{next}", "{newest}"

    def upgrade():
        with open({log!r}, "a") as log:
            log.write("taken ")
        op.add_column("events", sa.Column("length", sa.Integer))
        op.create_index("events_by_length", "events", ["dataset", "length"])
        op.execute("UPDATE events SET length = 7 * samples")
        {end}
"""


@pytest.fixture
def update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Lets this process and its children know a version more; returns a file to which each step adds a word.

    `end` is the last line of the step.
    """

    def go(end: str = "") -> Path:
        folder, log = tmp_path / "update", tmp_path / "taken"
        shutil.copytree(Path(database.__file__).parent / "versions", folder / "versions")
        text = textwrap.dedent(_STEP).format(next=NEXT, newest=database.VERSIONS[-1], log=str(log), end=end)
        (folder / "versions" / f"version_{NEXT}.py").write_text(text)
        monkeypatch.setattr(database, "_FOLDER", folder)
        monkeypatch.setattr(database, "VERSIONS", (*database.VERSIONS, NEXT))
        return log

    return go
