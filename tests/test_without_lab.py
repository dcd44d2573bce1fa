"""Without the folder of the laboratory everything else works: it is found, and nothing imports it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from avhcurate.datasets.curate.saved import Saved
from avhcurate.workspace.data.workspace import Workspace

ROOT = Path(__file__).parents[1]
VERBS = {"train", "self-train", "degrade", "toy"}
PAGES = {"training_dynamics", "self_training", "degradation", "toy"}

#: Run in a copy without it: imports every module, opens pages and prints what there is.
USE = """
import importlib, json, pkgutil
import avhcurate
for module in pkgutil.walk_packages(avhcurate.__path__, "avhcurate."):
    if not module.name.endswith(("__main__", ".ui.shell.main")):
        importlib.import_module(module.name)

from streamlit.testing.v1 import AppTest
from typer.main import get_command
from avhcurate.cli import app, demo
from avhcurate.notebook.plots import Plots
from avhcurate.ui.base import navigation
from avhcurate.workspace.disk import app_files

pages = {}
opened = AppTest.from_file(str(app_files.PACKAGE / "ui" / "shell" / "main.py"), default_timeout=180).run()
opened.query_params["saved.part"] = "views"  # of which one is of a page that is gone
for page in ("home", "models", "saved"):
    opened.switch_page(str(app_files.PAGES / f"{page}.py")).run()
    pages[page] = [error.value for error in [*opened.exception, *opened.error]]
views = [text.value for text in opened.markdown]
found = {"pages": pages, "views": views, "titles": navigation.TITLES, "steps": [*demo.steps()], "plots": dir(Plots)}
print(json.dumps(found | {"verbs": [*get_command(app).commands]}))
"""


@pytest.mark.slow
def test_without_the_laboratory_the_rest_works(own_demo_root, tmp_path):
    Saved(Workspace(own_demo_root), "digits").save_view("of Gaussians", {}, "toy")
    copy = tmp_path / "copy"
    for name in ("avhcurate", "pages", "data", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("lab", "__pycache__"))
    for name in ("app.py", "pyproject.toml"):
        shutil.copy(ROOT / name, copy)
    environment = os.environ | {"PYTHONPATH": str(copy), "AVHCURATE_WORKSPACE": str(own_demo_root)}

    def run(*words: str) -> str:
        ended = subprocess.run([sys.executable, *words], cwd=copy, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    found = json.loads(run("-c", USE).splitlines()[-1])
    assert found["pages"] == {"home": [], "models": [], "saved": []}
    assert "of Gaussians" in found["views"]
    assert not VERBS & set(found["verbs"])
    assert not PAGES & set(found["titles"])
    assert len(found["verbs"]) > 35
    assert "training" not in found["plots"]
    assert found["steps"] == ["Digits", "Quality", "Suspects", "Predicted HSF", "Map"]
    told = run("-m", "avhcurate", "--help")
    assert "Workspace:" in told
    assert "Training:" not in told
    assert "digits" in run("-m", "avhcurate", "list")
    assert "avh" in run("-m", "avhcurate", "models", "digits")
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_architecture.py")
