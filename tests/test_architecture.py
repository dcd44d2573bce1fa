"""The house: imports point one way only, heavy libraries stay where they belong, and one name means one thing."""

import ast
import re
import subprocess
from collections import defaultdict
from fnmatch import fnmatch
from functools import cache, cached_property
from pathlib import Path

import pytest

from tests.fakes.walks import walk

ROOT = Path(__file__).parents[1]

#: The rooms in their order, with their folders in order: each imports itself and what comes before it.
ROOMS: dict[str, tuple[str, ...]] = {
    "errors": (),
    "plugins": (),
    "measures": ("scores", "stats"),
    "workspace": ("disk", "images", "data"),
    "networks": ("models", "neighbours", "training", "scoring"),
    "people": (),
    "datasets": ("table", "sources", "curate", "export"),
    "ui": ("base", "server", "charts", "components", "grid", "shell"),
    "features": (
        *("annotate", "correlation", "predicted_hsf", "disagreement", "compare", "map", "suspects", "quality"),
        *("classes", "payoff", "certificate"),
        *("pseudo_labels", "saved", "report", "home"),
    ),
}
#: The experiments of the laboratory, which may be taken away, and what it has besides.
LABORATORY = ("toy", "training_dynamics", "self_training", "degradation") * (ROOT / "avhcurate" / "lab").is_dir()
ROOMS["lab"] = (*LABORATORY, "cli", "pages")
#: A feature imports other features only by ARROWS, an experiment any feature; both import `ui` only where they draw.
FEATURES = (*ROOMS["features"], *LABORATORY)
#: The folders below the features, in their order.
FOUNDATIONS = tuple(
    unit for room, folders in ROOMS.items() if room not in ("features", "lab") for unit in folders or (room,)
)
#: What starts the rest: each imports everything but those after it.
ENTRANCES = ("notebook", "cli", *["lab"] * bool(LABORATORY), "__main__", "pages", "app")
#: Public names of modules whose code is in a room.
PUBLIC = {"avhcurate/scores.py", "avhcurate/training/__init__.py", "avhcurate/training/losses.py"}
#: The most lines of a file, and of the body of a function without its docstring; ruff limits the complexity to 10.
MOST_LINES, LONGEST_BODY = 400, 50
#: The modules that may name the whole open dataset are fewer: functions take the parts that they need.
MOST_WHOLE = 20
#: Walks through the house, each with the most functions that the parameter, or a part of it, is handed to in turn.
WALKS = {
    ("features.suspects.service", "find_suspects", "run"): 14,
    ("features.suspects.service", "find_suspects", "votes"): 16,
    ("features.payoff.service", "payoff", "decisions"): 18,
    ("features.correlation.service", "correlate", "samples"): 10,
    ("lab.self_training.probe", "set_up", "workspace"): 17,
}
#: The most conditional expressions in 1,000 lines of the package.
MOST_CONDITIONALS = 12
#: From feature to feature; an arrow that is not here, or is here and not in the code, fails.
ARROWS = {
    ("home", "quality"),  # copies across splits
    ("report", "correlation"),  # a section of the report each, as are the next five
    ("report", "disagreement"),
    ("report", "payoff"),
    ("report", "quality"),
    ("report", "saved"),
    ("report", "suspects"),
    ("suspects", "annotate"),  # people are asked about a suspect
    ("suspects", "payoff"),  # what accepting all of them would do
    ("saved", "suspects"),  # what changed counts the undecided suspects of two states
}
#: Kinds of files in a feature, from what is imported to what imports: `store.py`, `store_folds.py`, `split_rules.py`.
KINDS = ("rules", "store", "service", "plots", "ui")
#: A file of a feature that is called otherwise is a service, but for these.
KIND_OF = {
    ("compare", "statistics"): "rules",
    ("degradation", "corruptions"): "rules",
    ("degradation", "statistics"): "rules",
    ("map", "projection"): "rules",
    ("quality", "duplicates"): "rules",
    ("quality", "measuring"): "rules",
    ("quality", "settings"): "rules",
    ("quality", "study"): "rules",
    ("predicted_hsf", "conformal"): "rules",
    ("predicted_hsf", "learning_curve"): "rules",
    ("predicted_hsf", "vote_model"): "rules",
    ("payoff", "expected"): "rules",
    ("payoff", "study"): "rules",
    ("classes", "study"): "rules",
    ("correlation", "study"): "rules",
    ("pseudo_labels", "model_outputs"): "rules",
    ("pseudo_labels", "study"): "rules",
    ("disagreement", "study"): "rules",
    ("suspects", "study"): "rules",
    ("payoff", "keep_rules"): "rules",
    ("suspects", "weighing"): "rules",
    ("toy", "truth"): "rules",
}

#: The files of the kit.
DRAWING = tuple(f"{folder}/*" for folder in ROOMS["ui"])
#: Who may import a heavy or telling library: rooms, or patterns of files in them.
KEEPERS = {
    "streamlit": (*DRAWING, "*/ui.py", "*/ui_*.py", "pages/*", "app.py"),
    "starlette": (*DRAWING, "app.py"),
    "plotly": ("charts/*", "*/plots.py", "*/plots_*.py"),
    "torch": (
        *("scores/*", "disk/*", "images/*", "models/*", "training/*", "scoring/*", "sources/*", "data/*"),
        *(
            "degradation/*",
            "suspects/*",
            "self_training/*",
            "training_dynamics/*",
            "toy/*",
            "notebook/torch_samples.py",
        ),
    ),
    "torchvision": ("images/*", "models/*", "training/*", "scoring/*", "sources/*", "degradation/*", "self_training/*"),
    "ray": ("scoring/ray_*.py",),
    "anywidget": ("notebook/grid.py",),
    "faiss": ("neighbours/searches.py",),
    "cleanlab": ("suspects/rules.py",),
    "alembic": ("disk/database.py", "disk/versions/*"),
    "duckdb": ("disk/*", "table/*", "sources/*"),
    "sqlalchemy": ("disk/*", "data/*", "people/*", "table/check.py"),  # it reads a damaged database
}
#: A room whose files import each other in a circle: every component is a package of its own.
CIRCLES = {"components"}
#: Pages that are the face of a foundation or of a feature of another name.
FACES = {"gallery": "ui/grid", "annotators": "annotate", "models": "compare"}
#: Features without a page of their own: verbs alone, or a section of another page.
PAGELESS = {"report", "predicted_hsf"}

UNFORMATTED = 30


def without_room(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return a path or module without the name of its room, if the room has folders."""
    if ROOMS.get(parts[0]) and len(parts) > 1 and parts[1] in ROOMS[parts[0]]:
        return parts[1:]
    return parts


class File:
    """A source file: its house (the room), the folder in it (`room`), its name and its syntax tree."""

    def __init__(self, path: Path) -> None:
        parts = path.relative_to(ROOT).parts
        self.path = path
        self.house = parts[0].removesuffix(".py")
        if parts[0] == "avhcurate":
            parts = parts[1:]
            self.house = parts[0].removesuffix(".py")
            parts = without_room(parts)
        self.where = "/".join(parts)
        self.room = parts[0].removesuffix(".py")
        self.stem = path.stem
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)

    @cached_property
    def imports(self) -> list[str]:
        """Full names of what it imports, also inside functions."""
        found: list[str] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.where}: imports relatively; name the package instead"
                found += [f"{node.module}.{alias.name}" for alias in node.names]
        return found

    @cached_property
    def own(self) -> list[tuple[str, ...]]:
        """What it imports from the package: room, then file, for each."""
        names = [name.split(".") for name in self.imports]
        own = [without_room(tuple(name[1:])) for name in names if name[0] == "avhcurate" and len(name) > 1]
        return [name for name in own if name != ("__version__",)]

    @cached_property
    def words(self) -> set[str]:
        """Every name in it, also those in quoted annotations."""
        return set(re.findall(r"\w+", self.text))

    @property
    def draws(self) -> bool:
        return self.stem == "ui" or self.stem.startswith("ui_")

    def may(self, patterns: tuple[str, ...]) -> bool:
        return any(fnmatch(self.where, pattern) for pattern in patterns)


@cache
def files() -> list[File]:
    found = [*ROOT.glob("avhcurate/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"]
    faces = {ROOT / "avhcurate" / "__init__.py", *(ROOT / name for name in PUBLIC)}
    faces |= {ROOT / "avhcurate" / room / "__init__.py" for room, folders in ROOMS.items() if folders}
    return [File(path) for path in sorted(found) if path not in faces]


def kind_of(feature: str, stem: str) -> str:
    for kind in KINDS:
        if stem == kind or stem.endswith(f"_{kind}") or (kind != "rules" and stem.startswith(f"{kind}_")):
            return kind
    return KIND_OF.get((feature, stem), "service")


@cache
def modules(room: str) -> frozenset[str]:
    return frozenset(file.stem for file in files() if file.room == room)


def say(faults: list[str], rule: str) -> None:
    assert not faults, f"{rule}\n  " + "\n  ".join(sorted(set(faults)))


# --- the order --------------------------------------------------------------------------------------------------


def test_every_room_has_its_place_in_the_order():
    rooms = {file.room for file in files()}
    known = {*FOUNDATIONS, *FEATURES, *ENTRANCES}
    say([*(rooms - known)], "These folders have no place in the order: add them to tests/test_architecture.py")
    say([*(known - rooms)], "These are listed and do not exist: take them out of tests/test_architecture.py")


def test_foundations_import_only_earlier_ones():
    faults = []
    for file in files():
        if file.room in FOUNDATIONS:
            allowed = FOUNDATIONS[: FOUNDATIONS.index(file.room) + 1]
            faults += [f"{file.where} imports {'.'.join(name)}" for name in file.own if name[0] not in allowed]
    say(faults, f"A foundation imports itself and earlier ones only ({' < '.join(FOUNDATIONS)}):")


def test_no_files_of_a_room_import_each_other_in_a_circle():
    for room in {file.room for file in files()} - CIRCLES:
        inside = [file for file in files() if file.room == room]
        left = {file.stem: {name[1] for name in file.own if name[0] == room and len(name) > 1} for file in inside}
        while free := [stem for stem, needs in left.items() if not needs & left.keys() - {stem}]:
            for stem in free:
                del left[stem]
        say([f"{room}/{stem}.py" for stem in left], "These files import each other in a circle:")


def test_nothing_imports_an_entrance_that_comes_after_it():
    faults = []
    for file in files():
        after = ENTRANCES[ENTRANCES.index(file.house) + 1 :] if file.house in ENTRANCES else ENTRANCES
        faults += [f"{file.where} imports {'.'.join(name)}" for name in file.own if name[0] in after]
        faults += [f"{file.where} imports {name}" for name in file.imports if name.split(".")[0] == "pages"]
        if file.house != "lab":
            faults += [f"{file.where} imports {name}" for name in file.imports if name.startswith("avhcurate.lab")]
    say(faults, f"Nothing imports what starts it ({' < '.join(ENTRANCES)}), and nobody imports a page:")


def test_only_files_that_draw_import_ui():
    faults = []
    for file in files():
        if file.room in FEATURES and not file.draws:
            style = ("charts", "chart_style") if kind_of(file.room, file.stem) == "plots" else None
            kit = [name for name in file.own if name[0] in ROOMS["ui"] and name[:2] != style]
            faults += [f"{file.where} imports {'.'.join(name)}" for name in kit]
    say(faults, "In a feature only ui.py and ui_*.py import avhcurate.ui (plots may import the style of charts):")


def test_inside_a_feature_imports_point_from_ui_to_rules():
    faults = []
    for file in files():
        if file.room not in FEATURES:
            continue
        place = KINDS.index(kind_of(file.room, file.stem))
        for room, *rest in file.own:
            if room == file.room and rest and rest[0] in modules(room):
                other = KINDS.index(kind_of(room, rest[0]))
                drawn = {KINDS[place], KINDS[other]} == {"plots", "ui"}  # the two faces: ui calls plots
                if other > place or (drawn and place < other):
                    faults.append(f"{file.where} imports {room}.{rest[0]}")
    say(faults, f"Inside a feature a file imports its own kind and earlier ones only ({' < '.join(KINDS)}):")


def test_arrows_between_features_are_those_that_are_written_down():
    found = defaultdict(set)
    for file in files():
        if file.room in FEATURES:
            for name in file.own:
                above = file.house == "lab" and name[0] not in LABORATORY
                if name[0] in FEATURES and name[0] != file.room and not above:
                    found[file.room, name[0]].add(f"{file.where} imports {'.'.join(name)}")
    new = [line for arrow, lines in found.items() if arrow not in ARROWS for line in lines]
    say(new, "A feature imports another: move what both need to a foundation, or add the arrow to ARROWS:")
    gone = [f"{one} -> {other}" for one, other in ARROWS - found.keys()]
    say(gone, "These arrows of ARROWS are in the code no more: take them out:")
    turned = [f"{one} <-> {other}" for one, other in ARROWS if (other, one) in ARROWS]
    say(turned, "Two features import each other:")


# --- libraries --------------------------------------------------------------------------------------------------


def test_libraries_stay_where_they_belong():
    faults = []
    for file in files():
        for name in {name.split(".")[0] for name in file.imports} & KEEPERS.keys():
            if not file.may(KEEPERS[name]):
                faults.append(f"{file.where} imports {name}")
    say(faults, "These libraries are imported only where KEEPERS says:")


# --- names and sizes --------------------------------------------------------------------------------------------


def test_a_class_name_means_one_thing():
    where = defaultdict(list)
    for file in files():
        for node in ast.walk(file.tree):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(file.where)
    twice = [f"{name}: {', '.join(places)}" for name, places in where.items() if len(places) > 1]
    say(twice, "A class name is defined once in the package:")


def test_conditional_expressions_are_rare_and_never_nested():
    found, nested, lines = 0, [], 0
    for file in files():
        lines += file.text.count("\n")
        for node in ast.walk(file.tree):
            if isinstance(node, ast.IfExp):
                found += 1
                inside = [one for one in ast.walk(node) if isinstance(one, ast.IfExp) and one is not node]
                nested += [f"{file.where}:{node.lineno}"] * bool(inside)
    say(nested, "A conditional expression holds another one: write statements:")
    assert 1000 * found / lines <= MOST_CONDITIONALS


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines from the first statement after the docstring to the last one."""
    statements = function.body[ast.get_docstring(function) is not None :]
    if not statements:
        return 0
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1


def test_files_and_functions_are_short():
    over = set()
    for file in files():
        name = file.path.relative_to(ROOT).as_posix()
        if file.text.count("\n") > MOST_LINES:
            over.add(name)
        functions = [one for one in ast.walk(file.tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        over |= {f"{name}: {one.name}" for one in functions if body_lines(one) > LONGEST_BODY}
    say([*over], f"Over {MOST_LINES} lines a file or {LONGEST_BODY} a function: split it by subject:")


def test_few_modules_name_the_whole_open_dataset():
    whole = [file.where for file in files() if "OpenDataset" in file.words and file.where != "table/open_dataset.py"]
    assert len(whole) < MOST_WHOLE, "Take samples, run, votes, decisions or dataset instead:\n  " + "\n  ".join(whole)


def test_the_command_line_imports_nothing_of_the_ui():
    faults = [file.where for file in files() if file.room == "cli" for name in file.own if name[0] in ROOMS["ui"]]
    say(faults, "The command line imports the kit of the pages:")


def test_a_file_opens_with_what_it_is_for():
    say([file.where for file in files() if not ast.get_docstring(file.tree)], "These files open without a docstring:")


def test_a_page_its_feature_and_its_tests_have_one_name():
    pages = {path.stem for path in (*ROOT.glob("pages/*.py"), *ROOT.glob("avhcurate/lab/pages/*.py"))}
    missing = []
    for page in pages:
        room = FACES.get(page, page)
        home = next((home for home in ("features", "lab") if room in ROOMS[home]), "")
        for folder in (ROOT / "avhcurate" / home / room, ROOT / "tests" / home / room):
            if not folder.is_dir():
                missing.append(f"pages/{page}.py without {folder.relative_to(ROOT)}/")
    say(missing, "A page, its feature and its tests have the same name:")
    say([*(set(FEATURES) - PAGELESS - {FACES.get(page, page) for page in pages})], "These features have no page:")


# --- the repository ---------------------------------------------------------------------------------------------


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / name for name in listed.stdout.splitlines()]


def test_code_is_laid_out_by_the_formatter():
    marks = ("# fmt: " + "skip", "# fmt: " + "off")
    texts = [path.read_text(encoding="utf-8") for path in tracked() if path.suffix == ".py" and path.is_file()]
    assert sum(text.count(mark) for text in texts for mark in marks) < UNFORMATTED, "let ruff format the lines instead"


def test_the_top_level_holds_what_such_projects_carry():
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    allowed = {
        *("app.py", "avhcurate", "pages", "tests", "data", "docs", "benchmarks", "tools", "requirements.txt"),
        *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "Makefile", ".streamlit", ".ci", ".gitignore"),
        *("SECURITY.md", "CITATION.cff", "CODE_OF_CONDUCT.md", ".github", ".pre-commit-config.yaml", "mkdocs.yml"),
        *("Dockerfile", "compose.yaml", ".dockerignore", "examples", "hatch_build.py", "pyproject.toml"),
        *("package.json", "package-lock.json", "biome.json", "tsconfig.json", "locks"),
    }
    assert names <= allowed


def test_no_committed_file_is_large():
    assert [path for path in tracked() if path.is_file() and path.stat().st_size > 1_000_000] == []


if __name__ == "__main__":
    pytest.main([__file__])


@pytest.mark.parametrize("start", WALKS, ids=" ".join)
def test_a_parameter_walks_no_further_than_it_did(start):
    module, function, parameter = start
    if module.startswith("lab") and not LABORATORY:
        pytest.skip("the laboratory is not here")
    entered = walk(f"avhcurate.{module}", function, parameter)
    assert 3 < len(entered) <= WALKS[start], "Open it once and hand down what is needed of it:\n  " + "\n  ".join(
        entered
    )
