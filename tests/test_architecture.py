"""The house: imports point downward only, heavy libraries stay where they belong, and no file names a machine."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Level of each layer; a module may import its own layer and those below it, not another of the same level.
LEVELS = {
    "errors": 0,
    "scores": 1,
    "curation": 2,
    "analysis": 2,
    "storage": 3,
    "models": 3,
    "training": 3,
    "services": 4,
    "plots": 4,
    "terminal": 4,
    "ui": 5,
    "cli": 5,
    "__main__": 6,
    "pages": 6,
    "app": 6,
}
#: Same level, and yet allowed: training fits models and writes their files.
SIDEWAYS = {("training", "models"), ("training", "storage")}
#: Who may import a heavy or telling library at all.
KEEPERS = {
    "streamlit": {"ui", "pages", "app"},
    "torch": {"models", "training", "scores", "services", "storage"},
    "torchvision": {"models", "training", "storage", "services"},
    "plotly": {"plots"},
    "duckdb": {"storage"},
    "sqlalchemy": {"storage"},
    "starlette": {"ui", "app"},
}


def sources():
    for path in sorted([*ROOT.glob("avhcurate/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"]):
        parts = path.relative_to(ROOT).parts
        layer = parts[1] if parts[0] == "avhcurate" else parts[0]
        yield pytest.param(path, layer.removesuffix(".py"), id="/".join(parts))


SOURCES = list(sources())


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively: name the package"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("path", "layer"), SOURCES)
def test_imports_point_downward(path, layer):
    if layer == "__init__":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "pages":
            pytest.fail(f"{path} imports a page")
        if parts[0] != "avhcurate" or len(parts) < 2 or parts[1] not in LEVELS:
            continue
        below = LEVELS[parts[1]] < LEVELS[layer]
        assert parts[1] == layer or below or (layer, parts[1]) in SIDEWAYS, f"{layer} imports {name}"


@pytest.mark.parametrize(("path", "layer"), SOURCES)
def test_libraries_stay_in_their_layers(path, layer):
    for name in imports(path):
        keepers = KEEPERS.get(name.split(".")[0])
        assert keepers is None or layer in keepers, f"{layer} imports {name}"


@pytest.mark.parametrize(("path", "layer"), SOURCES)
def test_a_file_opens_with_what_it_is_for(path, layer):
    first = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert first, f"{path} says nothing"


def tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listed.stdout.splitlines()]


def test_the_top_level_holds_what_such_projects_carry():
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    allowed = {
        "app.py", "avhcurate", "pages", "tests", "data", "requirements.txt", "README.md", "pyproject.toml", "Makefile",
        "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", ".streamlit", ".ci", "docs", "benchmarks", ".gitignore",
    }  # fmt: skip
    assert names <= allowed


def test_no_committed_file_is_large():
    assert [path for path in tracked() if path.is_file() and path.stat().st_size > 1_000_000] == []
