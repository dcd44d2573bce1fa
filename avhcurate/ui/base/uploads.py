"""Files that browsers send to Streamlit: only into the sender's own session, and only so many bytes in memory."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import HTTPConnection
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

#: Bytes of uploads that one session, and all together, may hold until the app has stored them.
SESSION_BYTES = 2 << 30
SERVER_BYTES = 4 << 30
#: Seconds after which Streamlit does not give a closed page its session again.
_KEPT_S = 150
_ROUTE = re.compile(r"/_stcore/upload_file/([^/]+)/[^/]+$")
#: The browser of each session that signed in, by the value of its cookie, and the bytes on their way to a session.
_BROWSERS: dict[str, str] = {}
_arriving = Counter[str]()


def session_of(path: str) -> str | None:
    """Return the session into which an address takes files; None for other addresses."""
    match = _ROUTE.search(path)
    return match and match[1]


def remember_browser(cookie: str) -> None:
    """Note that the session of this page belongs to the browser with that cookie."""
    if context := get_script_run_ctx():
        _BROWSERS[context.session_id] = cookie


def is_own(session: str, cookie: str) -> bool:
    """Return whether a session belongs to the browser with that cookie."""
    return bool(cookie) and _BROWSERS.get(session) == cookie


@contextmanager
def counted(request: HTTPConnection, session: str) -> Iterator[tuple[int, str] | None]:
    """Give status and text if the file of a request does not fit, else None; its bytes count while the block works."""
    if request.scope["method"] != "PUT":
        yield None
        return
    size = request.headers.get("content-length", "")
    if not size.isdecimal():
        yield 411, "Say how many bytes the file has."
        return
    stored = Counter(_held()) + _arriving
    if stored[session] + int(size) > SESSION_BYTES or stored.total() + int(size) > SERVER_BYTES:
        yield 413, "Too many files are on their way. Import some first, or import by a path on the server."
        return
    _arriving[session] += int(size)
    try:
        yield None
    finally:
        _arriving[session] -= int(size)


def _held() -> dict[str, int]:
    """Return how many bytes of files each session holds."""
    if not runtime.exists():
        return {}
    files = runtime.get_instance().uploaded_file_mgr.file_storage  # type: ignore[attr-defined]
    return {
        session: sum(len(file.data) for file in list(own_files.values())) for session, own_files in list(files.items())
    }


def free_later() -> None:
    """Free what closed pages hold, once they cannot come back: Streamlit waits for the next page to close."""
    asyncio.get_running_loop().call_later(_KEPT_S, _free)


def _free() -> None:
    server = runtime.get_instance()
    for session in {*_held(), *_BROWSERS}:
        if not server.is_active_session(session):
            server.uploaded_file_mgr.remove_session_files(session)
            _BROWSERS.pop(session, None)
