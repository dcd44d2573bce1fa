"""The Pseudo-labels page without a browser: what it selects, judges, compares and exports; its empty states."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.pseudo_labels import round_export
from avhcurate.features.pseudo_labels.service import portion_curve, select
from avhcurate.features.pseudo_labels.ui import file_of
from avhcurate.lab.self_training import service as self_training_service
from avhcurate.lab.self_training.probe import FILE, ProbeHead, ProbeRecipe
from avhcurate.lab.self_training.service import self_train_dataset
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.measures.stats.intervals import wilson
from avhcurate.workspace.data.workspace import Workspace

BY_AVC, BY_SOFTMAX = "Selected by AVC and not by softmax", "Selected by softmax and not by AVC"


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def test_galleries_hold_what_only_one_rule_selects(open_page, demo_root, digits, grids, words, asked):
    app = open_page("pseudo_labels", demo_root)
    found = {
        rule: select(digits.samples, digits.run, digits.dataset, rule=rule, portion=0.2)
        for rule in ("avc", "confidence")
    }
    assert metrics(app)["Selected"] == f"{len(found['avc'].selected):,}"
    judged = len(found["avc"].selected)
    low, high = wilson([round(found["avc"].accuracy * judged)], [judged])
    assert metrics(app)["Accuracy"] == f"{100 * found['avc'].accuracy:.1f} %"
    assert f"{100 * low[0]:.1f}–{100 * high[0]:.1f} %, n {judged:,}" in words(app)
    classes = app.dataframe[0].value
    assert classes["selected"].tolist() == found["avc"].classes["selected"].tolist()
    np.testing.assert_allclose(classes["lambda"], found["avc"].classes["lambda"])
    shown, labels = grids(app), dict(zip(found["avc"].ids, found["avc"].selection.candidate, strict=True))
    for title, one, other in ((BY_AVC, "avc", "confidence"), (BY_SOFTMAX, "confidence", "avc")):
        only = np.setdiff1d(found[one].selected, found[other].selected)
        assert len(shown[title]["tiles"]) == min(60, len(only)) > 0
        assert f"n {len(only):,} · accuracy" in words(app)
        for tile in shown[title]["tiles"]:
            assert tile["id"] in only
            assert tile["sub"] == f"as {labels[tile['id']]}"
            assert tile["differs"] == (tile["title"] != str(labels[tile["id"]]))
    scores = [float(tile["score"]) for tile in shown[BY_AVC]["tiles"]]
    assert scores == sorted(scores), "what softmax doubts most comes first"
    app.segmented_control(key="pseudo.rule").set_value("lrent").run()
    app.slider(key="pseudo.portion").set_value(0.5).run()
    assert (asked(app, "pseudo.rule"), asked(app, "pseudo.portion")) == ("lrent", "0.5")
    assert int(metrics(app)["Selected"].replace(",", "")) > judged


def test_the_filters_of_the_frame_apply_and_simulated_votes_are_called_so(open_page, demo_root, words):
    text = words(open_page("pseudo_labels", demo_root, split='"test"'))
    assert "**896** of 1,797 images" in text
    assert "of 896 scored images" in text
    assert "Simulated votes" in text


def test_the_curve_agrees_with_single_selections(digits):
    curve = portion_curve(digits.samples, digits.run, digits.dataset, Filters(splits=("test",))).set_index(
        ["rule", "portion"]
    )
    for rule, portion in (("confidence", 0.5), ("avc", 1.0), ("lrent", 0.1)):
        found = select(
            digits.samples, digits.run, digits.dataset, rule=rule, portion=portion, filters=Filters(splits=("test",))
        )
        assert curve.loc[(rule, portion), "selected"] == len(found.selected)
        assert curve.loc[(rule, portion), "accuracy"] == pytest.approx(found.accuracy)
    assert (curve["low"] <= curve["accuracy"]).all()
    assert (curve["accuracy"] <= curve["high"]).all()


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_an_export_is_the_file_that_the_command_line_writes(digits, form):
    found = select(digits.samples, digits.run, digits.dataset, rule="avc", portion=0.2)
    data = io.BytesIO(file_of(digits.samples, digits.run, digits.dataset, found, form, soft=True))
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "jsonl": lambda file: pd.read_json(file, lines=True)}
    rows = read[form](data)
    assert rows["id"].tolist() == found.selected.tolist()
    soft = rows["soft_label"].map(json.loads) if form == "csv" else rows["soft_label"]
    np.testing.assert_allclose([sum(values) for values in soft], 1, atol=1e-5)


def test_it_needs_a_run_but_no_votes(open_page, workspace, unscored_root, voteless_root, words):
    text = words(open_page("pseudo_labels", voteless_root))
    assert "Where the gates differ" in text
    assert "Simulated" not in text
    assert "No model has scored these images" in words(open_page("pseudo_labels", unscored_root))
    assert "No dataset yet" in words(open_page("pseudo_labels", workspace.root))


@pytest.mark.slow
def test_page_command_line_and_first_round_of_self_training_select_the_same(
    own_demo_root, open_page, words, tmp_path, cli
):
    """Also at ties and thresholds: every sample of the target has a twin. Two have no finite embedding."""
    space, where = Workspace(own_demo_root), "split = 'test'"
    run = space.dataset("digits").run()
    ids = space.dataset("digits").samples(["id", "split"]).query(where.replace("=", "==", 1))["id"].to_numpy()
    features = np.load(run.root / "features.npy")
    twins = ids[: 2 * (len(ids) // 2)]
    features[twins[1::2]] = features[twins[::2]]
    features[ids[4]], features[ids[5], 0] = np.nan, np.inf
    np.save(run.root / "features.npy", features)
    for rule in ("lrent", "avc-centred"):
        settings = SelfTrainSettings(
            source="digits", target="digits", model=run.name, rule=rule, portion="0.3", target_where=where
        )
        folder = self_train_dataset(space, settings, recipe=ProbeRecipe(hidden=None, epochs=3))
        head = ProbeHead.load(folder.round(0) / FILE)  # the head that round 1 selects by becomes the run's
        np.save(run.root / "class_weights.npy", head.class_weights)
        np.save(run.root / "bias.npy", head.bias)
        columns = ["id", "path", "pseudo_label", "confidence", "avc", "threshold", "rank_in_class"]
        expected = round_export.pseudo_labels(space, folder, 1)[columns].astype({"pseudo_label": "int64"})
        score = expected["avc" if "avc" in rule else "confidence"]
        twice = expected["id"].isin(twins) & (score == expected["threshold"])
        assert twice.sum() >= 10  # at the threshold, two of a class
        ranks = expected["rank_in_class"][expected["id"].isin(twins)]
        assert ranks.groupby(expected["pseudo_label"]).apply(lambda of_class: of_class.duplicated().sum()).min() > 0

        out = tmp_path / f"{rule}.parquet"
        chosen = ["--rule", rule, "--portion", "0.3", "--where", where]
        ended = cli("select", "digits", *chosen, "--out", out, "--workspace", own_demo_root)
        assert (ended.code, "note: 2 samples have no finite embedding and are left out\n" in ended.err) == (0, True)
        pd.testing.assert_frame_equal(pd.read_parquet(out)[columns], expected, check_dtype=False)

        opened = open_dataset(space, "digits")
        found = select(opened.samples, opened.run, opened.dataset, rule=rule, portion=0.3, filters=Filters(where=where))
        rows = pd.read_parquet(
            io.BytesIO(file_of(opened.samples, opened.run, opened.dataset, found, "parquet", soft=False))
        )
        pd.testing.assert_frame_equal(rows[columns], expected, check_dtype=False)
        assert self_training_service.summary(folder)["left_out"] == 2
    app = open_page("pseudo_labels", own_demo_root, pseudo__rule=rule, pseudo__portion="0.3", where=where)
    assert metrics(app)["Selected"] == f"{len(expected):,}"
    assert "2 images in view have no finite embedding" in words(app)
