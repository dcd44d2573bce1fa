"""The example plugin installs, and all that it adds is there; a broken one is named and the rest works."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from avhcurate import plugins, scores
from avhcurate.datasets.export.service import _written
from avhcurate.datasets.sources.reading import _table_or_path
from avhcurate.datasets.table.columns import EXTRA, PREDICTED_COLUMNS, STANDARD
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.measures.scores import PREDICTIONS, SCORES
from avhcurate.measures.scores.score import of_plugin
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.app_files import added_pages
from avhcurate.workspace.images.measures import MEASURES

ROOT = Path(__file__).parents[1]

pytest.importorskip("hatchling", reason="hatchling is not installed: pip install 'avhcurate[test]'")

#: Run where the plugins are installed: what they add, in the app and by the services.
USE = """
import contextlib, io, json, sys
from pathlib import Path
from avhcurate.cli import main
from avhcurate.workspace.data.workspace import Workspace

def call(*arguments, code=0):
    sys.argv = ["avhcurate", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert ended.code == code, arguments

root, found = Path.cwd() / "demo", {}
with contextlib.redirect_stdout(io.StringIO()) as listed, contextlib.redirect_stderr(io.StringIO()) as said:
    call("plugins", "--json", code=2)
found["plugins"], found["said"] = json.loads(listed.getvalue())["plugins"], said.getvalue()
call("score", "digits", "--model", "avhcurate:digits", "--workspace", str(root))
call("quality", "digits", "--workspace", str(root))
call("export", "digits", "--format", "csv", "--out", "all.csv", "--workspace", str(root))
call("export", "digits", "--format", "counts", "--out", "counts.csv", "--workspace", str(root))
call("correlate", "digits", "--scores", "avh,rivalry,detail", "--out", "rows.csv", "--workspace", str(root))
call("import", "new", "newest:imports", "--workspace", str(root))
call("score", "digits", "--model", "average:8", "--limit", "20", "--workspace", str(root))
found["new"] = Workspace(root).dataset("new").record.classes
with contextlib.redirect_stdout(io.StringIO()) as printed:
    call("--workspace", str(root), "sizes", "digits")
found["sizes"] = printed.getvalue()
import avhcurate
found["drawn"] = [int(n) for n in avhcurate.open(root, "digits").plot.sizes(where="label_name = '3'").data[0].y]

import streamlit.testing.v1 as testing
from avhcurate.workspace.disk.app_files import PACKAGE, page_file
app = testing.AppTest.from_file(str(PACKAGE / "ui" / "shell" / "main.py"), default_timeout=180)
app.run()
found["home"] = [warning.value for warning in app.warning]
app.switch_page("../../../pages/gallery.py")
app.query_params["run"] = "avhcurate:digits"
app.query_params["sort"] = "rivalry"
app.run()
found["errors"] = [error.value for error in [*app.exception, *app.error]]
(sort,) = [box for box in app.selectbox if box.label == "Sort by"]
found["sort"] = sort.value
app.switch_page(str(page_file("class_sizes"))).run()
found["page"] = [int(n) for n in app.dataframe[0].value["n"]]
found["links"] = [link.proto.label for link in app.main.get("page_link")]
found["errors"] += [error.value for error in [*app.exception, *app.error]]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a Python that sees the example, and a plugin whose module fails when it is imported."""
    target = tmp_path_factory.mktemp("plugins")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(ROOT / "examples" / "plugin")], check=True)
    about = target / "broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[avhcurate.scores]\nbroken = broken:score\navh = broken:score\npredicted = broken:score\n"
        "[avhcurate.exports]\nnothing = math:pi\n"
    )
    (target / "broken.py").write_text("import a_module_that_is_not_there\n")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(target), str(ROOT)])}


def batch(n=3):
    return scores.Batch(np, np.ones((n, 2)), np.eye(2), np.ones((n, 2)), np.array([0, 1, -1])[:n])


def planted(**changes):
    settings = {"key": "mine", "harder": "high", "needs": "logits", "function": lambda given: given.logits[:, 0]}
    return scores.Score(name="Mine", formula="", sentence="", reference="", **settings | changes)


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (math.pi, "It is a float, not an avhcurate.measures.scores.Score"),
        (planted(key="other"), "Its key is 'other'"),
        (planted(function=None), "It lacks a function"),
        (planted(needs="training"), "needs that are class_weights"),
        (planted(harder=""), "a harder end"),
    ],
)
def test_a_score_that_does_not_fit_is_left_out_and_says_why(thing, said):
    with pytest.raises(CurateError, match=said):
        of_plugin("mine", thing)


def test_a_plugins_score_is_missing_without_a_label_and_its_failure_names_it():
    assert of_plugin("mine", planted()).function(batch()).tolist() == pytest.approx([1, 1, np.nan], nan_ok=True)
    assert of_plugin("mine", planted(needs_label=False)).function(batch()).tolist() == [1, 1, 1]
    with pytest.raises(CurateError, match=r"mine, which a plugin adds to the scores, failed \(ZeroDivisionError"):
        of_plugin("mine", planted(function=lambda _: 1 / 0)).function(batch())
    with pytest.raises(CurateError, match=r"values of shape \(3, 2\), not one for each image"):
        of_plugin("mine", planted(function=lambda given: given.logits)).function(batch())


def test_no_score_or_measure_of_a_plugin_can_be_called_as_a_column_is(demo_root):
    opened = open_dataset(Workspace(demo_root), "digits")
    there = {*opened.samples.columns, *STANDARD, *EXTRA, *PREDICTED_COLUMNS, *MEASURES, *PREDICTIONS}
    assert there - set(SCORES) - plugins.COLUMN_NAMES == set()
    assert not plugins.COLUMN_NAMES & set(SCORES)


@pytest.mark.parametrize(
    ("then", "made", "said"),
    [
        (_table_or_path, 5, "TypeError: expected str"),
        (_written, None, "it wrote nothing at the path"),
        (_written, "all", "cannot be interpreted as an integer"),
    ],
)
def test_what_a_plugins_function_returns_is_checked_and_named(tmp_path, then, made, said):
    out = tmp_path / "out"
    if made is not None:
        out.touch()
    call = plugins.checked_function("exports", then)("mine", lambda *_: made)
    with pytest.raises(CurateError, match=f"mine, which a plugin adds to the exports, failed .*{said}"):
        call(None, None, out)


def test_of_two_packages_with_one_name_the_first_adds_it_and_is_named_where_it_fails(monkeypatch):
    def entry(package, function):
        return SimpleNamespace(name="same", dist=SimpleNamespace(name=package, version="1"), load=lambda: function)

    entries = [entry("first", lambda: 1 / 0), entry("second", len)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries)
    monkeypatch.setattr(plugins, "found", {})
    added = plugins.load("models", plugins.checked_function("models"))
    with pytest.raises(CurateError, match="same, which first adds to the models, failed"):
        added["same"]()
    assert [(one.package, one.problem) for one in plugins.found.values()] == [
        ("first", ""),
        ("second", "the name is taken"),
    ]
    plugins.note("models", "same", "it fails")
    assert plugins.found["models", "same", "first"].problem == "it fails"


def test_what_is_not_a_page_or_has_the_name_of_one_is_left_out(monkeypatch):
    page = plugins.Page("Mine", "star", "Why?", "Data", ROOT / "mine.py")
    things = {"gallery": page, "number": 3, "mine": page}
    entries = [SimpleNamespace(name=name, dist=None, load=lambda one=one: one) for name, one in things.items()]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries)
    monkeypatch.setattr(plugins, "found", {})
    added = added_pages.__wrapped__()
    assert list(added) == [*plugins.names("pages")[:-3], "mine"]
    assert plugins.adding("pages", "gallery").problem == "the name is taken"
    assert "TypeError" in plugins.adding("pages", "number").problem


@pytest.fixture
def raising(monkeypatch):
    """Makes the one plugin there is raise an error at its import."""

    def load(error):
        def fail():
            raise error

        monkeypatch.setattr(plugins, "entry_points", lambda group: [SimpleNamespace(name="ends", load=fail, dist=None)])
        monkeypatch.setattr(plugins, "found", {})
        return plugins.load("models", lambda name, thing: thing)

    return load


def test_a_plugin_that_ends_the_program_at_its_import_is_left_out_and_named(raising):
    assert raising(SystemExit(3)) == {}
    assert "SystemExit" in plugins.adding("models", "ends").problem


def test_ctrl_c_ends_the_import_and_the_call_of_a_plugin(raising):
    with pytest.raises(KeyboardInterrupt):
        raising(KeyboardInterrupt())

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plugins.checked_function("models")("ends", interrupted)()


@pytest.mark.slow
def test_plugins_are_listed_and_tried_and_what_they_add_is_as_what_was_there_before(installed, own_demo_root):
    folder = own_demo_root.parent
    for number, name in enumerate(("old", "new")):
        images = folder / "imports" / name / "cat"
        images.mkdir(parents=True)
        Image.new("RGB", (9, 9), (number * 90, 20, 30)).save(images / "a.png")
        os.utime(images.parent, (number, number))
    environment = installed | {"AVHCURATE_WORKSPACE": str(own_demo_root)}
    ended = subprocess.run([sys.executable, "-c", USE], cwd=folder, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout.splitlines()[-1])
    listed = {(plugin["group"], plugin["name"]): plugin for plugin in said["plugins"]}
    works = {key for key, plugin in listed.items() if not plugin["problem"]}
    assert works == {
        *(("scores", "rivalry"), ("measures", "detail"), ("models", "average"), ("sources", "newest")),
        *(("exports", "counts"), ("pages", "class_sizes"), ("verbs", "sizes"), ("figures", "sizes")),
    }
    assert listed["scores", "rivalry"]["package"] == "avhcurate-example"
    assert "ModuleNotFoundError" in listed["scores", "broken"]["problem"]
    assert listed["scores", "avh"]["problem"] == listed["scores", "predicted"]["problem"] == "the name is taken"
    assert listed["exports", "nothing"]["problem"] == "it is a float, not a function"
    assert said["said"].startswith("avhcurate: 4 of 12 plugins are left out: avh of broken (the name is taken)")
    assert said["said"].count("\n") == 1
    assert said["errors"] == []
    assert (said["sort"], said["new"]) == ("rivalry", ["cat"])
    assert (said["drawn"], sum(said["page"]), "Class sizes" in said["links"]) == ([183], 1797, True)
    assert all(str(n) in said["sizes"] for n in said["page"])
    assert sum("of the plugin broken is left out" in line for line in said["home"]) == 4
    rows = pd.read_csv(folder / "all.csv")
    run = Workspace(own_demo_root).dataset("digits").run("avhcurate:digits")
    nearest = np.sort(scores.angles(np.array(run.features()), run.class_weights()), axis=1)
    assert rows["rivalry"].to_numpy() == pytest.approx(nearest[:, 0] / nearest[:, 1], rel=1e-5)
    assert rows["detail"].between(0.01, 0.5).all()
    correlations = pd.read_csv(folder / "rows.csv").query("bin == 'all'").set_index("score")["spearman"]
    assert correlations["rivalry"] < -0.2
    assert "detail" in correlations
    assert pd.read_csv(folder / "counts.csv")["n"].sum() == len(rows)
