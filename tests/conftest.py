"""Fixtures that tests of every part share; the larger stand-ins live in `tests/fakes`."""

import functools
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
# The programs that tests start find this tree.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
# One thread a process, said before torch is loaded and for the programs that tests start: networks as small as theirs
# only wait for a second one, and results depend on the number to the last bit.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

pytest_plugins = [
    "tests.fakes.databases",
    "tests.fakes.datasets",
    "tests.fakes.digits",
    "tests.fakes.documents",
    "tests.fakes.object_store",
    "tests.fakes.pages",
    "tests.fakes.runs",
    "tests.fakes.steps",
    "tests.fakes.votes",
    "tests.fakes.web",
    "tests.fakes.workspaces",
]

MAIN_SCRIPT = ROOT / "avhcurate" / "ui" / "shell" / "main.py"
#: Seconds that a script run without a browser may take: far more than on a quiet machine.
SCRIPT_TIMEOUT_S = 180


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of larger datasets, which is no part of the repository; the test is skipped where it is absent."""
    folder = Path(os.environ.get("AVHCURATE_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set AVHCURATE_SHARED_DATA to its folder")
    return folder


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests of a card where there is none."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs an NVIDIA GPU: make gpu-check")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Fail a test that leaves torch at more threads: the last bits of later tests change, and a forked child hangs."""
    yield
    torch = sys.modules.get("torch")
    if torch and torch.get_num_threads() != 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        pytest.fail(f"{item.nodeid} leaves torch at {threads} threads.")


class Ended(NamedTuple):
    """How a call of the command line ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Calls the command line in this process; a mistake of the user's must be told in one line."""
    from avhcurate.cli import main

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["avhcurate", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        if arguments and ended.value.code == 2:  # without a verb it prints the help
            assert captured.err.startswith("avhcurate: "), captured.err
            assert captured.err.count("\n") == 1, captured.err
        return Ended(ended.value.code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def components_found_once() -> Iterator[None]:
    """Let Streamlit read the metadata of every installed package once, not each time that a test opens a page."""
    from streamlit.components.v2 import manifest_scanner

    scan = functools.cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, components_found_once: None) -> Callable[..., object]:
    """Opens a page of the app, without a browser, at an address.

    Checks that no run of the script raised, and that components were sent what they expect.
    """
    from streamlit.testing.v1 import AppTest

    from avhcurate.workspace.disk.app_files import page_file
    from tests.fakes import messages

    def run(page: str, root: Path, /, **query: str) -> AppTest:
        monkeypatch.setenv("AVHCURATE_WORKSPACE", str(root))
        app = AppTest.from_file(str(MAIN_SCRIPT), default_timeout=SCRIPT_TIMEOUT_S)
        if page != "home":
            app.switch_page(str(page_file(page)))
        for key, value in query.items():
            app.query_params[key.replace("__", ".")] = value
        app.run()
        assert not app.exception
        for node in [*app.get("bidi_component"), *app.sidebar.get("bidi_component")]:
            messages.check(node.proto.component_name, node.proto.json)
        return app

    return run
