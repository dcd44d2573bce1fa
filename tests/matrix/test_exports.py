"""States x forms of export: what goes out has the labels and classes of now, or a sentence says why nothing does."""

import json

import pytest

from avhcurate.datasets.table.filters import Filters
from tests.matrix.conftest import cells
from tests.matrix.exports import FORMS
from tests.matrix.states import STATES, rows_of
from tests.matrix.test_verbs import call_on

WITH_SAMPLES = [name for name in STATES if name != "empty"]
#: Forms that have no place for a sample without a label.
LABELLED_ONLY = ("fiftyone", "yolo", "cleanlab")


@pytest.mark.parametrize(("state", "form"), cells(WITH_SAMPLES, [*FORMS], seed=4, quick=15))
def test_an_export_has_the_labels_of_now(state, form, own_state, tmp_path):
    root = own_state(state)
    ending, read = FORMS[form]
    out = tmp_path / f"out{ending}"
    ended = call_on(root, f"export {{name}} --format {form} --out {out}", state, "", "")
    if ended.code:
        assert not out.exists()
        return
    opened = rows_of(root, STATES[state].dataset)
    rows = opened.samples.frame(Filters())
    if form == "cleanlab":  # it has no place for samples that the run does not predict
        rows = rows.dropna(subset=["predicted"])
    want = dict(zip(rows["path"], rows["curated_label_name"].fillna(""), strict=True))
    found = read(out)
    if form in LABELLED_ONLY:
        found = dict.fromkeys(want, "") | found
    assert found == want
    manifest = json.loads(
        (out / "manifest.json" if out.is_dir() else tmp_path / f"{out.name}.manifest.json").read_text()
    )
    assert manifest["classes"] == list(opened.samples.classes)
