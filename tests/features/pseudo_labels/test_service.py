"""Selection over a real table: its files, its gates, and what plays no part in it."""

import json

import numpy as np
import pandas as pd
import pytest

from avhcurate import scores
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.pseudo_labels import model_outputs, rules, service
from avhcurate.features.pseudo_labels.plots import accuracy_by_portion
from tests.fakes.datasets import bare_dataset
from tests.fakes.sources import attach


@pytest.mark.parametrize("rule", ["confidence", "avc", "lrent"])
def test_selection_writes_selected_samples_only_with_a_manifest_that_adds_up(digits, tmp_path, rule):
    found = service.select(digits.samples, digits.run, digits.dataset, rule=rule, portion=0.3)
    out = tmp_path / "pseudo.csv"
    count = service.write_pseudo_labels(digits.samples, digits.run, digits.dataset, found, out, soft=True)
    rows = pd.read_csv(out)
    manifest = json.loads((tmp_path / "pseudo.csv.manifest.json").read_text())
    assert list(rows.columns) == [*service.COLUMNS, "soft_label"]
    assert count == len(rows) == manifest["selected"] == sum(row["selected"] for row in manifest["per_class"])
    assert rows["selected"].all()
    assert rows["pseudo_label"].notna().all()
    soft = np.array([json.loads(text) for text in rows["soft_label"]])
    np.testing.assert_allclose(soft.sum(1), 1, atol=1e-5)
    assert manifest["classes"] == list(digits.samples.classes)
    truth = digits.samples.frame(columns=["id", "label"]).set_index("id")["label"]
    share = (rows["pseudo_label"].to_numpy() == truth[rows["id"]].to_numpy()).mean()
    assert manifest["accuracy_against_given_labels"] == pytest.approx(share)


def test_the_centred_gate_takes_the_means_away(digits, monkeypatch):
    run = digits.run
    features, weights = np.asarray(run.features(), np.float64), run.class_weights().astype(np.float64)
    centred = scores.avc(features - features.mean(0), weights - weights.mean(0))
    logits = features @ weights.T + run.bias()
    expected = rules.select(lambda: [(logits, centred)], rule="avc-centred", portion=0.3)
    monkeypatch.setattr(model_outputs, "_BLOCK", 300 * features.shape[1])
    found = service.select(
        digits.samples, digits.run, digits.dataset, rule="avc-centred", portion=0.3, filters=Filters(excluded=None)
    )
    np.testing.assert_array_equal(found.selection.selected, expected.selected)
    np.testing.assert_allclose(found.selection.avc, expected.avc)
    assert (
        found.selection.selected
        != service.select(digits.samples, digits.run, digits.dataset, rule="avc", portion=0.3).selection.selected
    ).any()


def test_one_class_has_no_centred_gate_and_says_so(workspace, tmp_path):
    bare_dataset(workspace, [f"{n}.png" for n in range(6)], [0] * 6, ["cat"])
    np.savez(tmp_path / "outputs.npz", features=np.random.default_rng(0).normal(size=(6, 4)), weight=np.ones((1, 4)))
    attach(workspace, "d", str(tmp_path / "outputs.npz"), str(tmp_path / "outputs.npz"))
    with pytest.raises(CurateError, match="Centred AVC needs two classes or more"):
        service.select(
            open_dataset(workspace, "d").samples,
            open_dataset(workspace, "d").run,
            open_dataset(workspace, "d").dataset,
            rule="avc-centred",
            portion=0.5,
        )


def test_the_run_features_give_the_scores_that_the_table_holds(digits):
    """Selection works the logits and AVC out again: they must be those of the scoring pass."""
    found = service.select(digits.samples, digits.run, digits.dataset, rule="avc", portion=1.0)
    frame = digits.samples.frame(Filters())
    assert (found.selection.predicted == frame["predicted"].to_numpy()).all()
    same = found.selection.candidate == found.selection.predicted
    np.testing.assert_allclose(found.selection.avc[same], frame["avc"].to_numpy()[same], rtol=1e-4)


def test_given_labels_play_no_part_in_the_selection(digits, monkeypatch):
    before = service.select(digits.samples, digits.run, digits.dataset, rule="avc", portion=0.3)
    frame = digits.samples.frame

    def shuffled(filters=None, *, columns=None):
        found = frame(filters, columns=columns)
        return found.assign(label=found["label"].sample(frac=1, random_state=0).to_numpy())

    monkeypatch.setattr(digits.samples, "frame", shuffled)
    after = service.select(digits.samples, digits.run, digits.dataset, rule="avc", portion=0.3)
    assert (before.selected == after.selected).all()
    assert (before.selection.candidate == after.selection.candidate).all()


def test_several_rules_select_what_each_alone_does_from_outputs_computed_once(digits, monkeypatch):
    names = ("confidence", "avc", "avc-centred", "lrent")
    alone = {rule: service.select(digits.samples, digits.run, digits.dataset, rule=rule, portion=0.3) for rule in names}
    gates, blocks = [], model_outputs.ModelOutputs.blocks
    monkeypatch.setattr(
        model_outputs.ModelOutputs, "blocks", lambda own, gate="avc": gates.append(gate) or blocks(own, gate)
    )
    together = service.select_by_each(digits.samples, digits.run, digits.dataset, names, portion=0.3)
    assert gates == ["avc", "avc-centred"]
    for rule, found in together.items():
        pd.testing.assert_frame_equal(found.selection.table(), alone[rule].selection.table())
        pd.testing.assert_frame_equal(found.classes, alone[rule].classes)
    with pytest.raises(CurateError, match="Unknown rule 'other'"):
        service.select_by_each(digits.samples, digits.run, digits.dataset, ("avc", "other"))


def test_a_line_a_rule_with_the_interval_of_the_rule_in_use():
    shares = {("confidence", p): p / 4 for p in (0.5, 0.1)} | {("avc", p): p / 2 for p in (0.5, 0.1)}
    rows = [(*key, 100, 1 - share, 0.9 - share, 1.0) for key, share in shares.items()]
    curve = pd.DataFrame(rows, columns=["rule", "portion", "n", "accuracy", "low", "high"])
    figure = accuracy_by_portion(curve, rule="avc", portion=0.1, names={"confidence": "Confidence", "avc": "AVC"})
    lines = {trace.name: trace for trace in figure.data if trace.mode == "lines+markers"}
    assert list(lines) == ["Confidence", "AVC"]
    assert list(lines["AVC"].x) == [0.1, 0.5]
    np.testing.assert_allclose(lines["AVC"].y, [0.95, 0.75])
    (band,) = [trace for trace in figure.data if trace.fill == "toself"]
    np.testing.assert_allclose(band.y, [1.0, 1.0, 0.65, 0.85])
    assert figure.layout.shapes[0].x0 == 0.1
