"""The wheel, built from the sdist and installed in an environment of its own, serves its pages from an empty folder.

The environment sees the libraries of this one, which take minutes to install, but not this checkout. `make wheel` tries
one with libraries of its own: AVHCURATE_INSTALLED is its folder.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path

import httpx
import pytest

from avhcurate import __version__
from tests.fakes.outside import Outside
from tests.fakes.web import free_port, wait_for_app
from tests.notebook.test_torch_samples import LOADERS

pytest.importorskip("hatchling", reason="hatchling is not installed: pip install 'avhcurate[test]'")

ROOT = Path(__file__).parents[1]
PROGRAMS = "Scripts" if os.name == "nt" else "bin"

#: Run by the installed Python: opens pages as a session would and prints what each says.
PAGES = """
import json, sys
from streamlit import config
from streamlit.testing.v1 import AppTest
from avhcurate.workspace.disk import app_files

config._main_script_path = str(app_files.SCRIPT)
found = {"statistics": config.get_option("browser.gatherUsageStats"), "theme": config.get_option("theme.baseRadius")}
pages, app = {}, AppTest.from_file(str(app_files.PACKAGE / "ui" / "shell" / "main.py"), default_timeout=180).run()
for page in ("gallery", "correlation", "map"):
    app.switch_page(str(app_files.PAGES / f"{page}.py")).run()
    pages[page] = [error.value for error in [*app.exception, *app.error]]
print(json.dumps(found | {"package": str(app_files.PACKAGE), "pages": pages}))
"""


def built(folder: Path) -> Path:
    """The wheel that the sdist, unpacked somewhere else, builds."""
    hatchling = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run([*hatchling, "-t", "sdist"], cwd=ROOT, check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    subprocess.run([*hatchling, "-t", "wheel"], cwd=source, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The folder of an environment's programs in which the wheel is installed."""
    if given := os.environ.get("AVHCURATE_INSTALLED"):
        return Path(given).absolute() / PROGRAMS
    place = tmp_path_factory.mktemp("installed")
    venv.create(place, with_pip=False, symlinks=os.name != "nt")
    library = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    # As a line of a .pth file, the other folder's own .pth files, of which one leads to this checkout, do not count.
    (library / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(place), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-compile", str(request.getfixturevalue("wheel"))], check=True)
    return place / PROGRAMS


def test_the_sdist_holds_every_file_of_the_repository(wheel):
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    source = wheel.parent / f"avhcurate-{__version__}"
    assert [name for name in listed.stdout.splitlines() if not (source / name).exists()] == []


def test_the_wheel_holds_the_package_and_the_app(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith("dist-info/METADATA"))
        said = BytesParser().parsebytes(archive.read(metadata))
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "avhcurate").rglob("*") if path.is_file()}
    assert {name for name in package if "__pycache__" not in name} <= names
    app = {"app.py", ".streamlit/config.toml", "data/README.md", "data/digits_cnn.safetensors"}
    app |= {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")}
    assert {f"avhcurate/_app/{name}" for name in app} == {name for name in names if "/_app/" in name}
    assert {name.split("/")[0] for name in names} == {"avhcurate", Path(metadata).parent.name}
    required = {line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")}
    # A wheel writes names with hyphens.
    plain = {"".join(sorted(line.replace("_", "-"))) for line in required}
    assert {"".join(sorted(line)) for line in said.get_all("Requires-Dist") if "extra ==" not in line} == plain
    assert said["Version"] == __version__


@pytest.mark.slow
def test_from_an_empty_folder_the_installed_app_serves_its_pages(programs, tmp_path):
    outside = Outside(tmp_path)
    environment = outside.environment
    del environment["PYTHONPATH"]
    empty = tmp_path / "empty"
    empty.mkdir()
    environment["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def run(*command: str) -> str:
        program = shutil.which(command[0], path=environment["PATH"])
        done = subprocess.run([program, *command[1:]], cwd=empty, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "digits: 1797 images" in run("avhcurate", "demo")
    found = json.loads(run("python", "-c", PAGES))
    assert not Path(found["package"]).is_relative_to(ROOT / "avhcurate")  # `make wheel` tries it in build/
    assert (found["statistics"], found["theme"]) == (False, "0.5rem")
    assert found["pages"] == {"gallery": [], "correlation": [], "map": []}
    assert "forkserver" in run("python", "-c", LOADERS)  # the default of Python 3.14

    port = free_port()
    command = outside.command(str(programs / "avhcurate"), "serve", "--port", str(port))
    with open(tmp_path / "log", "wb") as log:
        # A group of their own: what watches the server does not pass signals on.
        server = subprocess.Popen(command, cwd=empty, env=environment, stdout=log, stderr=log, process_group=0)
    try:
        wait_for_app(lambda: server.poll() is None, f"http://127.0.0.1:{port}", tmp_path / "log")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            assert "<title>" in client.get("/gallery").text
            assert client.get("/images/digits/0").headers["content-type"].startswith("image/")
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
    assert [path.name for path in empty.iterdir()] == ["workspace"]
    assert (outside.left(), outside.asked()) == ([], [])
    assert "No runtime found" not in (tmp_path / "log").read_text()  # what looks like an error and is none
