"""Every export and notebook call after a change of classes, and after its undo, beside a run of before."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

import avhcurate
from avhcurate.datasets.curate import classes
from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.export.service import FORMATS
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.workspace.data.event import CLASS_ACTIONS
from tests.fakes.workspaces import copied

NAMES = [str(digit) for digit in range(10)]


def _split(opened):
    return classes.split(opened.decisions, opened.workspace, "1", classes.parts_by(opened.samples, "1", "bold"))


#: Each change, the classes after it, and of each the classes that its probability is the sum of.
CHANGES = {
    "rename": (
        lambda opened: classes.rename(opened.decisions, opened.workspace, "3", "three"),
        [*NAMES[:3], "three", *NAMES[4:]],
        {"three": "3"},
    ),
    "merge": (
        lambda opened: classes.merge(opened.decisions, opened.workspace, ["3", "5"], "x"),
        [*NAMES[:3], "x", "4", *NAMES[6:]],
        {"x": "35"},
    ),
    "add": (lambda opened: classes.add(opened.decisions, opened.workspace, "new"), [*NAMES, "new"], {"new": ""}),
    "split": (_split, [*NAMES, "1 bold"], {"1 bold": ""}),
    "retire": (lambda opened: classes.retire(opened.decisions, opened.workspace, "4"), [*NAMES[:4], *NAMES[5:]], {}),
}


@pytest.fixture(scope="module")
def example_root(once):
    """The example's 120 digits with a tag."""

    def make(root):
        digits = avhcurate.example(fresh=True)
        ones = digits.opened.samples.order(Filters(classes=(1,)))[:4]
        annotate(digits.opened.decisions, ones, "tag", "bold")
        copied(digits.workspace.root, root / "workspace")

    return once("example with a tag", make) / "workspace"


@pytest.fixture(params=[*CHANGES, *(f"{name}, undone" for name in CHANGES)])
def changed(request, example_root, tmp_path):
    """The example after a change: it, its classes, and what the run's probabilities are by these, (N, K)."""
    name, _, undone = request.param.partition(", ")
    change, names, sums = CHANGES[name]
    root = copied(example_root, tmp_path / "workspace")
    digits = avhcurate.open(root, "digits")
    before = pd.DataFrame(softmax(digits.opened.run.logits_of(np.arange(120)), axis=1), columns=NAMES)
    change(digits.opened)
    if undone:
        _ = avhcurate.open(root, "digits").table  # what is made for the classes between
        undo(avhcurate.open(root, "digits").opened.decisions, actions=CLASS_ACTIONS)
        names, sums = NAMES, {}
    probs = np.stack([before[list(sums.get(name, name))].sum(axis=1) for name in names], axis=1)
    return avhcurate.open(root, "digits"), names, probs / probs.sum(axis=1, keepdims=True)


def test_every_export_has_the_classes_of_today(changed, tmp_path):
    digits, names, probs = changed
    wanted = digits.table["curated_label_name"]
    for format in FORMATS:
        ending = f".{format}" if format in ("csv", "jsonl", "parquet") else ""
        assert digits.export(tmp_path / f"{format}{ending}", format) > 100
    rows = pd.read_csv(tmp_path / "cleanlab" / "samples.csv")["id"].to_numpy()
    np.testing.assert_allclose(np.load(tmp_path / "cleanlab" / "pred_probs.npy"), probs[rows], atol=1e-6)
    assert [names[label] for label in np.load(tmp_path / "cleanlab" / "labels.npy")] == wanted[rows].tolist()
    texts = {"label_name": str, "curated_label_name": str}
    for table in (
        pd.read_csv(tmp_path / "csv.csv", dtype=texts),
        pd.read_json(tmp_path / "jsonl.jsonl", lines=True, dtype=texts),
        pd.read_parquet(tmp_path / "parquet.parquet"),
    ):
        pairs = table.loc[table["curated_label"].notna(), ["curated_label", "curated_label_name"]]
        assert [names[int(label)] for label in pairs["curated_label"]] == pairs["curated_label_name"].tolist()
        assert pairs["curated_label_name"].tolist() == wanted.dropna().tolist()
    coco = json.loads((tmp_path / "coco" / "annotations.json").read_text())
    assert [category["name"] for category in coco["categories"]] == names
    labels = {one["image_id"]: names[one["category_id"] - 1] for one in coco["annotations"]}
    assert labels == wanted.dropna().to_dict()
    assert json.loads((tmp_path / "fiftyone" / "labels.json").read_text())["classes"] == names
    assert {path.parent.name for path in (tmp_path / "folder").rglob("*.png")} >= set(wanted.dropna())


def test_notebook_calls_have_the_classes_of_today(changed):
    digits, names, probs = changed
    table = digits.table
    assert digits.classes == names
    for column in ("label", "predicted", "curated_label"):
        known = table[column].dropna().astype(int)
        assert [names[label] for label in known] == table.loc[known.index, f"{column}_name"].tolist()
    np.testing.assert_array_equal(table["predicted"].dropna(), probs.argmax(axis=1)[table["predicted"].notna()])
    samples = digits.to_torch()
    assert [names[label] if label >= 0 else None for label in samples.labels] == [
        name if isinstance(name, str) else None for name in table["curated_label_name"]
    ]
    chosen = digits.select("confidence", 0.3, soft=True)
    assert [names[label] for label in chosen["pseudo_label"]] == chosen["pseudo_label_name"].tolist()
    assert set(map(len, chosen["soft_label"])) == {len(names)}
    np.testing.assert_allclose(chosen["soft_label"].map(sum), 1)
    assert set(digits.suspects(sources=["votes"])["suggested"].dropna()) <= set(range(len(names)))
    by_class = digits.correlate("avh", analysis="classes")
    assert set(by_class["class"]) <= {*names, "mean of classes"}
    assert digits.models()["classes"].tolist() == [len(names)]


def test_a_rule_by_angle_says_that_the_run_does_not_know_the_classes_of_today(changed):
    digits, names, _ = changed
    if not set(names) - {*NAMES, "three"}:
        assert len(digits.select("avc", 0.3))
        return
    with pytest.raises(CurateError, match=r"no class weights of .*: classes changed after it was made\. Fit a head"):
        digits.select("avc", 0.3)
