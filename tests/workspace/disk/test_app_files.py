"""The command that adds an extra: to a checkout and to an installed wheel, from one place."""

import shlex
import sys

import pytest

from avhcurate.workspace.disk import app_files
from tests.conftest import ROOT


@pytest.mark.parametrize(("checkout", "what"), [(ROOT, ["-e", f"{ROOT}[timm]"]), (None, ["avhcurate[timm]"])])
def test_an_extra_is_added_to_the_python_that_runs(monkeypatch, checkout, what):
    monkeypatch.setattr(app_files, "CHECKOUT", checkout)
    assert shlex.split(app_files.install_command("timm")) == [sys.executable, "-m", "pip", "install", *what]


def test_no_other_message_says_how_to_install_an_extra():
    for path in (ROOT / "avhcurate").rglob("*.py"):
        assert "pip install" not in path.read_text(encoding="utf-8"), path
