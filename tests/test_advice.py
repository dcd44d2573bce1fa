"""Every command that the app, a message or a document of the program advises can be given as it is written."""

import ast
import inspect
import re
import shlex
from collections import defaultdict
from pathlib import Path

import pytest
import typer

from avhcurate.cli import app
from avhcurate.errors import Option, Run
from avhcurate.features.home.ui_guide import HAVE
from avhcurate.notebook.dataset import Dataset
from avhcurate.notebook.errors import in_python
from avhcurate.ui.base.navigation import TITLES
from avhcurate.ui.base.user_errors import PLACES
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
    "str(number)": "1",
}
#: Options whose name the code has from elsewhere: each is checked where it is made.
FROM_ELSEWHERE = {"name", "option", "path.stem", "self.name"}
#: What reads the parts in an f-string.
READERS = {"Text", "CurateError", "NothingFound", "Unavailable", "NotAllowed", "OtherClasses"}
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


def parts_of(tree):
    """The options and runs that a module makes, what depends on the user's data filled in."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("Option", "Run"):
            continue
        if isinstance(node.args[0], ast.Constant):
            kind = {"Option": Option, "Run": Run}[node.func.id]
            yield kind(*map(filled, node.args), **{each.arg: filled(each.value) for each in node.keywords})
        elif node.func.id == "Option":
            assert ast.unparse(node.args[0]) in FROM_ELSEWHERE


def filled(node):
    if isinstance(node, ast.Constant):
        return node.value
    return FILLED.get(ast.unparse(node), "digits")


SOURCES = {
    str(file.relative_to(ROOT)): file.read_text("utf-8")
    for folder in (ROOT / "avhcurate", ROOT / "pages")
    for file in sorted(folder.rglob("*.py"))
}
TREES = {file: ast.parse(source) for file, source in SOURCES.items()}
PARTS = {f"{file}: {part!s}"[:110]: part for file, tree in TREES.items() for part in parts_of(tree)}


def advised():
    for file, tree in TREES.items():
        commands = [part.command for part in parts_of(tree) if isinstance(part, Run)]
        for text in [*(texts(tree) if "avhcurate " in SOURCES[file] else ()), *commands]:
            for verb, rest in COMMAND.findall(text):
                yield pytest.param(verb, rest, id=f"{file}: {verb}{rest}"[:110])


VERBS = typer.main.get_command(app).commands
OPTIONS = defaultdict(list)
for each in (typer.main.get_command(app), *VERBS.values(), *VERBS["roles"].commands.values()):
    for param in each.params:
        if param.param_type_name == "option":
            OPTIONS[param.name].append(param)
METHODS = {name: inspect.signature(call).parameters for name, call in inspect.getmembers(Dataset, inspect.isfunction)}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_fix_names_a_verb_an_option_and_a_method_that_exist(part):
    if isinstance(part, Option):
        assert any(param.is_flag == (part.value is True) for param in OPTIONS[part.name])
        return
    flags = {flag for param in VERBS[part.verb].params for flag in param.opts}
    assert {str(Option(name)) for name in part.options} <= flags
    if found := re.search(r"`(\w+\.\w+\(.*\))`", in_python(part)):
        call = ast.parse(found[1].replace("...", ""), mode="eval").body
        assert {each.arg for each in call.keywords} <= METHODS[call.func.attr].keys()


def test_there_are_fixes():
    assert sum(isinstance(part, Option) for part in PARTS.values()) > 80
    assert sum(isinstance(part, Run) for part in PARTS.values()) > 20


def test_an_f_string_with_parts_is_read_at_once():
    """Its marks are met by nobody else: it is what `Text` or an error is made of."""
    left = {
        f"{file}:{node.lineno}"
        for file, tree in TREES.items()
        for node in unread(tree)
        if any(isinstance(one, ast.Call) and ast.unparse(one.func) in ("Option", "Run") for one in ast.walk(node))
    }
    assert left == set()


def unread(node):
    """The f-strings below a node, but for those of which a text or an error is made and those in another one."""
    for one in ast.iter_child_nodes(node):
        if isinstance(one, ast.JoinedStr):
            yield one
        elif not (isinstance(one, ast.Call) and ast.unparse(one.func) in READERS):
            yield from unread(one)


def test_pages_have_a_place_for_verbs_and_forms_that_exist():
    for verb, (_, page, form) in PLACES.items():
        assert verb in VERBS
        assert page in TITLES
        assert form in ("", *HAVE)


def test_only_the_command_line_writes_options_as_it_has_them():
    """Elsewhere they are an `Option`, which each interface says in its own words; those of other programs stay."""
    raised = [
        text
        for file, tree in TREES.items()
        if not file.startswith("avhcurate/cli")
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        for text in texts(node)
    ]
    assert [text for text in raised if re.search(r"(?<![\w-])--[a-z]", text) and "pg_dump" not in text] == []


def test_each_option_that_the_command_line_names_is_one_that_it_has():
    flags = {flag for each in OPTIONS.values() for param in each for flag in (*param.opts, *param.secondary_opts)}
    named = {
        flag
        for file, tree in TREES.items()
        if file.startswith("avhcurate/cli")
        for text in texts(tree)
        for flag in re.findall(r"(?<![\w.-])--[a-z][a-z-]+(?![\w.-]*\.)", text)
    }
    assert len(named) > 20
    assert named <= flags | {"--help", "--digits"}  # what stands for a name that the code puts in


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
