"""The Self-training page without a browser: rounds, rules, classes, who chose what, the export, and the start."""

import io
import zipfile

import numpy as np
import pytest

from avhcurate.datasets.export.service import FORMATS
from avhcurate.features.pseudo_labels import round_export
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.workspaces import copied


@pytest.fixture
def runs(self_trained_root):
    """The self-trainings by rule and seed."""
    found = Workspace(self_trained_root).dataset("digits").self_trainings()
    return {(folder.record.rule, folder.record.seed): folder for folder in found}


@pytest.fixture
def address(runs):
    """The runs of confidence and AVC with seed 0, one round of AVC's, and what else is asked."""

    def of(**query):
        names = ",".join(runs[rule, 0].name for rule in ("avc", "confidence"))
        asked = {"runs": names, "run": runs["avc", 0].name} | query
        return {f"selftrain__{key}": value for key, value in asked.items()}

    return of


@pytest.fixture
def labels(self_trained_root):
    return Workspace(self_trained_root).dataset("digits").samples(["id", "label"]).set_index("id")["label"]


def test_rounds_are_curves_and_runs_stand_side_by_side(open_page, self_trained_root, runs, address, words, figures):
    app = open_page("self_training", self_trained_root, **address())
    text = words(app)
    for rule in ("avc", "confidence"):
        report = runs[rule, 0].report(3).accuracy
        assert f"{100 * report.value:.1f} %<small>{100 * report.low:.1f} to {100 * report.high:.1f}</small>" in text
    names = [trace["name"] for trace in figures(app)[0]["data"] if trace.get("showlegend")]
    assert [name.split(" · ")[0] for name in names] == ["AVC", "Confidence"]
    assert "Labels of the target are only used in reports" in text
    assert "60 images id" in text
    assert len(app.selectbox(key="selftrain.format").options) == len(FORMATS)
    assert f"avhcurate select digits --self-training {runs['avc', 0].name} --round 3 --format csv" in text
    app.selectbox(key="selftrain.format").set_value("folder").run()
    assert "--format folder --out FOLDER" in words(app)


def test_each_class_stands_before_and_after(open_page, self_trained_root, runs, address):
    app = open_page("self_training", self_trained_root, **address(round="2"))
    folder, shown = runs["avc", 0], app.dataframe[0].value
    before, after = (folder.classes(number).set_index("label_name")["accuracy"] for number in (0, 2))
    np.testing.assert_allclose(shown["Source"], 100 * before[shown["Class"]])
    np.testing.assert_allclose(shown["Change"], 100 * (after - before)[shown["Class"]])
    assert shown["Selected"].sum() == folder.report(2).selected
    assert shown["Precision"].notna().any()


def test_what_avc_chose_and_softmax_did_not_least_sure_first(
    open_page, self_trained_root, runs, address, labels, grids, words, asked
):
    app = open_page("self_training", self_trained_root, **address(round="1"))
    rows = runs["avc", 0].selection(1).set_index("id")
    only = rows[rows["by_avc"] & ~rows["by_confidence"]].sort_values("confidence", kind="stable")
    tiles = grids(app)["Images"]["tiles"]
    assert len(tiles) == min(60, len(only)) > 5
    assert [tile["id"] for tile in tiles] == only.index[:60].tolist()
    assert all(tile["sub"] == f"as {only['candidate'][tile['id']]}" for tile in tiles)
    assert [tile["differs"] for tile in tiles] == [only["candidate"][t["id"]] != labels[t["id"]] for t in tiles]
    right = (only["candidate"].to_numpy() == labels[only.index].to_numpy()).mean()
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics[f"AVC, not Confidence ({len(only)})"] == f"{100 * right:.1f} % right"
    assert f"n {len(only)}" in words(app)
    app.selectbox(key="selftrain.one").set_value("confidence").run()
    assert asked(app, "selftrain.one") == "confidence"
    assert app.selectbox(key="selftrain.other").value == "avc"
    assert "Confidence" not in app.selectbox(key="selftrain.other").options
    other = rows[~rows["by_avc"] & rows["by_confidence"]].sort_values("avc", kind="stable")
    assert [tile["id"] for tile in grids(app)["Images"]["tiles"]] == other.index[:60].tolist()
    digit = int(labels[other.index].mode()[0])
    app = open_page("self_training", self_trained_root, **address(round="1", one="confidence"), **{"class": str(digit)})
    kept = set(other.index[labels[other.index] == digit])
    assert {tile["id"] for tile in grids(app)["Images"]["tiles"]} == kept
    assert app.dataframe[0].value["n"].sum() == len(rows)  # the tables stay whole


def test_the_newest_runs_are_shown_and_others_can_be_chosen(open_page, self_trained_root, runs, asked):
    app = open_page("self_training", self_trained_root)
    assert app.multiselect(key="selftrain.runs").value == [runs["confidence", 1].name, runs["avc", 1].name]
    app.multiselect(key="selftrain.runs").set_value([runs["mrkld", 0].name]).run()
    assert asked(app, "selftrain.runs") == runs["mrkld", 0].name
    assert app.selectbox(key="selftrain.run").value == runs["mrkld", 0].name


def test_the_download_holds_the_selection_of_the_round(self_trained_root, runs):
    folder = runs["avc", 0]
    content = round_export.export_bytes(Workspace(self_trained_root), folder, 2, "folder")
    names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    assert sum(name.endswith(".png") for name in names) == folder.report(2).selected
    assert any(name.endswith("/manifest.json") for name in names)


def test_before_any_run_the_page_says_what_to_do(open_page, demo_root, words):
    text = words(open_page("self_training", demo_root))
    assert "No model has been adapted to digits yet" in text
    assert "avhcurate self-train --source=digits --target=digits" in text
    assert "split by conditions" in text


def test_the_form_starts_the_command_with_what_was_chosen(open_page, self_trained_root, start):
    app = open_page("self_training", self_trained_root)
    assert app.text_input(key="selftrain.start_source_where").value == "split = 'train'"
    app.selectbox(key="selftrain.start_rule").set_value("lrent")
    app.number_input(key="selftrain.start_seed").set_value(2)
    app.number_input(key="selftrain.start_rounds").set_value(4)
    options = {"rule": "lrent", "seed": 2, "rounds": 4, "source_where": "split = 'train'"}
    wanted = SelfTrainSettings(source="digits", target="digits", model="avhcurate:digits", **options)
    assert start(app, "Start self-training") == [wanted.argv]


def test_runs_of_an_older_import_are_left_out(open_page, self_trained_root, tmp_path, words):
    root = copied(self_trained_root, tmp_path / "own")
    folder = Workspace(root).dataset("digits")
    folder.write_record(folder.record.model_copy(update={"fingerprint": "0" * 64}))
    assert "5 of 5 self-trainings are left out" in words(open_page("self_training", root))
