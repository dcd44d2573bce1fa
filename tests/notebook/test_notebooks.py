"""The notebooks of the documentation run from the first cell to the last, in one namespace, as a kernel runs them."""

import ast
import json
import os
import sys
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from avhcurate.notebook import server

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


class NoServer:
    """In place of the app, which has tests of its own."""

    address, running = "http://127.0.0.1:8501", True

    def __init__(self, workspace: object) -> None:
        pass

    def stop(self) -> None:
        pass


def run_cell(source: str, names: dict[str, Any]) -> tuple[str, str]:
    """What a cell prints, and the value of its last expression as text, "" for none."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(StringIO()) as printed:
        exec(compile(tree, "cell", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None
    return printed.getvalue(), "" if value is None else repr(value)


def run_notebook(notebook: Path) -> list[tuple[dict[str, Any], str, str]]:
    """Its code cells with what each prints and shows; files go to the current folder."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    return [(cell, *run_cell("".join(cell["source"]), names)) for cell in cells]


@pytest.fixture
def ran(notebook, tmp_path, monkeypatch):
    """The cells of a notebook, run in an empty folder without the app."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(server, "AppServer", NoServer)
    monkeypatch.setattr(server, "_servers", {})
    return run_notebook(NOTEBOOKS / f"{notebook}.ipynb")


def check_outputs(ran, fewest: int) -> str:
    """Every cell that shows something has its output in the file; what all of them printed."""
    shown = [bool(printed or value) for _, printed, value in ran]
    assert sum(shown) >= fewest
    assert [bool(cell["outputs"]) for cell, *_ in ran] == shown
    return "".join(printed for _, printed, _ in ran)


@pytest.mark.parametrize("notebook", ["curate"])
def test_from_arrays_to_a_label_file(ran, tmp_path):
    assert "12 of the 12 planted errors" in check_outputs(ran, 6)
    labels = pd.read_csv(tmp_path / "labels.csv")
    assert (labels["curated_label"] != labels["label"]).sum() > 7
    assert (labels["hsf_source"] == "simulated").all()


@pytest.mark.parametrize("notebook", ["human_votes"])
def test_which_score_follows_people(ran, tmp_path):
    check_outputs(ran, 7)
    hard = pd.read_csv(tmp_path / "hard_for_people.csv")
    assert len(hard) > 3
    assert (hard["hsf"] < 0.5).all()


@pytest.mark.parametrize("notebook", ["avh_loss"])
def test_digits_are_learnt_with_either_loss(ran):
    lines = check_outputs(ran, 2).split("\n")
    by_loss = {name: ast.literal_eval(figures) for name, figures in (line.split(" ", 1) for line in lines[:2])}
    assert set(by_loss) == {"softmax", "avh"}
    assert min(value for figures in by_loss.values() for value in figures["right"]) > 0.85
    assert max(value for figures in by_loss.values() for value in figures["gap"]) < -10


def test_every_notebook_is_run():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {"curate", "human_votes", "avh_loss"}


def write_outputs(notebook: Path) -> None:
    """Writes what each cell prints and shows into the notebook, as text."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    server.AppServer = NoServer  # type: ignore[assignment, misc]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        ran = iter(run_notebook(notebook))
    number = 0
    for cell in content["cells"]:
        if cell["cell_type"] != "code":
            continue
        _, printed, value = next(ran)
        number += 1
        cell["execution_count"] = number
        cell["outputs"] = [
            *([{"name": "stdout", "output_type": "stream", "text": printed.splitlines(True)}] if printed else []),
            *([_result(value, number)] if value else []),
        ]
    notebook.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _result(value: str, number: int) -> dict[str, Any]:
    text = {"text/plain": value.splitlines(True)}
    return {"data": text, "execution_count": number, "metadata": {}, "output_type": "execute_result"}


if __name__ == "__main__":  # python tests/notebook/test_notebooks.py: the outputs anew
    pd.set_option("display.width", 100)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        write_outputs(path.absolute())
    sys.exit()
