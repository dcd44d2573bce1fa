"""A running app and a real Chromium; the tests are skipped where there is none.

Tests wait as a person does: after an act for what it changes (`expect`), and before the next act until the page has
come to rest (`settled`), which Streamlit marks in the page.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from tests.fakes import app_process
from tests.fakes.web import free_port, wait_for_app

ROOT = Path(__file__).parents[2]
#: The shell alone draws no window around the pages: the tests take a fifth less time.
CHROMIUMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, CHROMIUMS)), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    # The pages of tests live for seconds, and code that is optimised pays later.
    "--js-flags=--no-opt --no-maglev",
]
WINDOW = {"width": 1360, "height": 900}
#: Generous: on two busy cores the first page of a fresh server takes its time. Nothing waits longer than it must.
TIMEOUT_MS = 120_000
#: Empties what a page keeps in the browser, and lets it keep nothing more; a page that was never opened has no storage.
FORGET = "origin === 'null' || (Storage.prototype.setItem = () => {}, localStorage.clear(), sessionStorage.clear())"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


class Server:
    """A server of a script at a free port, where it can be killed and started again."""

    def __init__(self, log: Path, script: str, **environment: str) -> None:
        self._log, self._script, self._environment = log, script, environment
        self._port = free_port()
        self.address = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        what = (self._script, self._port, str(self._log), self._environment)
        self.process = app_process.STARTER.Process(target=app_process.run, args=what)
        # A process first imports the main module, which may be a page that a test has drawn and whose file is gone.
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "__main__", ModuleType("__main__"))
            self.process.start()
        wait_for_app(self.process.is_alive, self.address, self._log)

    def kill(self) -> None:
        """End it at once, as when the machine stops."""
        self.process.kill()
        self.process.join()


@pytest.fixture(scope="session")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts a server of a script; all servers end with the session."""
    servers: list[Server] = []

    def make(script: str, **environment: str) -> Server:
        server = Server(tmp_path_factory.mktemp("server") / "log.txt", script, **environment)
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        server.process.terminate()
    for server in servers:
        server.process.join(timeout=20)
        server.kill()  # one that still runs would keep the tests from ending


@pytest.fixture(scope="session")
def server(make_server: Callable[..., Server]) -> str:
    """Address of the one server of all tests that need no fresh one."""
    return make_server("tests/fakes/browser_app.py").address


@pytest.fixture
def serve(server: str) -> Callable[[Path], str]:
    """Puts a workspace behind the app and returns the app's address."""

    def put(root: Path) -> str:
        httpx.post(f"{server}/test/workspace", params={"root": str(root)}).raise_for_status()
        return server

    return put


@pytest.fixture
def slow_down(server: str) -> Iterator[Callable[[float], None]]:
    """Makes the filters of each page come some seconds later, until the test ends."""

    def put(seconds: float) -> None:
        httpx.post(f"{server}/test/pause", params={"seconds": seconds}).raise_for_status()

    yield put
    put(0)


@pytest.fixture
def serve_fresh(make_server: Callable[..., Server]) -> Callable[..., Server]:
    """Starts the app itself on a workspace, where one likes with a home of its own."""
    return lambda root, **home: make_server("app.py", AVHCURATE_WORKSPACE=str(root), **home)


@pytest.fixture(scope="package")
def chromium() -> Iterator[object]:
    """The browser of these tests; it ends with them: its driver keeps an event loop, which other tests would meet."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on the path: install the package `chromium`")
    sync_api.expect.set_options(timeout=TIMEOUT_MS)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def new_context(chromium) -> Callable[[], object]:
    """Makes a fresh browser profile."""
    from tests.browser.pages import NOTE_TALK

    def make() -> object:
        context = chromium.new_context(viewport=WINDOW, accept_downloads=True)
        context.set_default_timeout(TIMEOUT_MS)
        context.add_init_script(NOTE_TALK)
        return context

    return make


@pytest.fixture(scope="package")
def context(new_context) -> Iterator[object]:
    """The profile of most tests: it reads the scripts of Streamlit once, which takes half the time of a first page."""
    made = new_context()
    yield made
    made.close()


@pytest.fixture
def unwatched_page(context) -> Iterator[object]:
    """The first page of a profile, blank: it has compiled the scripts of Streamlit, two fifths of the work of a page.

    It leaves nothing in the profile. What would stay in it, `add_init_script` and `on`, is for `own_page`.
    """
    page = next(iter(context.pages), None) or context.new_page()
    page.set_viewport_size(WINDOW)
    yield page
    for opened in context.pages:  # a test may have closed its own page, and opened others
        opened.evaluate(FORGET)
        if opened is not page:
            opened.close()
    context.clear_cookies()
    if not page.is_closed():
        page.unroute_all()
        page.emulate_media(color_scheme="null")
        page.goto("about:blank")


@pytest.fixture
def page(unwatched_page) -> Iterator[object]:
    """The same, where an error in its console fails the test."""
    with _watched(unwatched_page):
        yield unwatched_page


@pytest.fixture
def own_page(page) -> Iterator[object]:
    """A page of this test alone, whose errors count too."""
    own = page.context.new_page()
    with _watched(own):
        yield own


@contextmanager
def _watched(page) -> Iterator[None]:
    errors: list[str] = []

    def note(error: object) -> None:
        errors.append(str(error))

    page.on("pageerror", note)
    yield
    page.remove_listener("pageerror", note)
    assert errors == []
