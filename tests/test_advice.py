"""Every command that the app, a message or a document of the program advises can be given as it is written."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer

from avhcurate.cli import app
from avhcurate.workspace.data.workspace import Workspace
from tests.conftest import ROOT

#: What stands for the parts of an advised command that depend on the user's data, by the expression in the code.
FILLED = {
    "form": "csv",
    "format": "csv",
    "chosen.number": "1",
    "source": "digits",
    "kind": "run",
    "option": "features",
    "kept[name].role": "features",
    "file_option": "--features FILE",
    "shlex.join(self.argv)": "toy",
    "line": "select digits --out a.csv",
}
COMMAND = re.compile(r"(?:^|`|\n)avhcurate ([a-z-]+)([^`\n]*)")
#: Words of prose after a verb that is only named.
NAMED = re.compile(r"^\s*(\.\.\.|$)")


def texts(node):
    """The texts in a module, the changing parts of each filled in; docstrings are no advice."""
    docstrings = {
        id(one.body[0].value)
        for one in ast.walk(node)
        if isinstance(one, ast.Module | ast.ClassDef | ast.FunctionDef)
        and one.body
        and isinstance(one.body[0], ast.Expr)
    }
    within = {id(part) for one in ast.walk(node) if isinstance(one, ast.JoinedStr) for part in one.values}
    for one in ast.walk(node):
        if isinstance(one, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else FILLED.get(ast.unparse(part.value), "digits")
                for part in one.values
            )
        elif isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in within | docstrings:
            yield one.value


def advised():
    for folder in (ROOT / "avhcurate", ROOT / "pages"):
        for file in sorted(folder.rglob("*.py")):
            source = file.read_text("utf-8")
            for text in texts(ast.parse(source)) if "avhcurate " in source else ():
                for verb, rest in COMMAND.findall(text):
                    yield pytest.param(verb, rest, id=f"{file.relative_to(ROOT)}: {verb}{rest}"[:110])


VERBS = typer.main.get_command(app).commands


@pytest.mark.parametrize(("verb", "rest"), dict.fromkeys(advised()))
def test_an_advised_command_is_one_that_the_command_line_takes(verb, rest, tmp_path, monkeypatch):
    assert verb in VERBS
    if NAMED.match(rest) or rest.rstrip().endswith("..."):  # the verb alone is meant, or the user's own command again
        return
    monkeypatch.chdir(tmp_path)
    for name in re.findall(r"\b[\w.-]+\.(?:csv|npy|safetensors)\b|\bFILE\b", rest):
        Path(name).write_text("")
    _check(verb, shlex.split(rest))


def _check(verb: str, given: list[str]) -> None:
    taken = VERBS[verb].make_context(verb, given).params
    if verb == "train":
        assert taken["model"] or taken["recipe"], "a training wants --model or --recipe"


@pytest.mark.parametrize("verb", ["score", "train"])
def test_a_command_without_what_it_needs_is_found(verb):
    with pytest.raises(Exception, match="model"):
        _check(verb, ["digits"])


def test_a_command_shown_while_an_older_run_is_open_names_it(open_page, own_demo_root, add_run):
    older = Workspace(own_demo_root).dataset("digits").run().name
    add_run(own_demo_root, "zz-newer-1", lambda rows: rows)
    apps = {page: open_page(page, own_demo_root, run=older) for page in ("map", "quality", "correlation")}
    shown = {page: [code.value for code in app.code] for page, app in apps.items()}
    assert f"avhcurate project digits --model={older}" in shown["map"]
    assert f"avhcurate quality digits --model={older}" in shown["quality"]
    assert "avhcurate predict digits" in shown["correlation"]  # by all runs
