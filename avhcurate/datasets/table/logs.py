"""The logs of what people decide, opened in the database of a workspace."""

import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from avhcurate.people.log import ResponseLog
from avhcurate.people.log_tables import METADATA
from avhcurate.workspace.data.events import TABLES, EventLog
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.database import open_engine

_Log = TypeVar("_Log")


def open_events(workspace: Workspace) -> EventLog:
    """Return the log of what people decide in a workspace."""
    return _shared(EventLog, *_url_and_file(workspace))


def open_response_log(workspace: Workspace) -> ResponseLog:
    """The response log, in the same database; one for the whole process, since it keeps the responses in memory."""
    return _shared(ResponseLog, *_url_and_file(workspace))


@lru_cache(maxsize=16)
def _shared(log: Callable[[str], _Log], url: str, _file: int) -> _Log:
    # The tables of both logs at once: a step finds all, and on a disk that is full later none could be created.
    open_engine(url, TABLES, METADATA).dispose()
    return log(url)


def _url_and_file(workspace: Workspace) -> tuple[str, int]:
    """Return the database and the inode of its file, which differs once a workspace was removed and made again."""
    url, path = database_url(workspace), workspace.annotations_path
    if not url.endswith(str(path)):
        return url, 0
    if not path.exists():
        path.touch()
    return url, path.stat().st_ino


def database_url(workspace: Workspace) -> str:
    """AVHCURATE_DATABASE_URL, else annotations.db in the workspace."""
    url = os.environ.get("AVHCURATE_DATABASE_URL")
    if url:
        # By its plain names SQLAlchemy means another driver than the one that comes with the extra.
        return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    workspace.root.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{workspace.annotations_path}"
