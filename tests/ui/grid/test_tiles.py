"""A row of the table as a tile: what is written under the image."""

from types import SimpleNamespace

import pandas as pd
import pytest

from avhcurate.ui.grid.grid_views import make_tiles

PAGE = SimpleNamespace(dataset=SimpleNamespace(name="pets"), view=SimpleNamespace(caption=""), version="v1")
ROW = {
    "id": 5,
    "label": 1,
    "label_name": "cat",
    "predicted": 0,
    "predicted_name": "dog",
    "curated_label": 1,
    "curated_label_name": "cat",
    "hsf": 0.25,
    "tags": ["dim"],
    "excluded": False,
    "problem": None,
    "avh": 0.08,
}


#: The percentiles of a score whose values run evenly from 0 to 0.1.
MARKS = [share / 1000 for share in range(101)]


def tile(**changes):
    rows = pd.DataFrame([ROW | changes]).astype({"label": "Int32", "predicted": "Int32", "curated_label": "Int32"})
    return make_tiles(PAGE, rows, score="avh", marks=MARKS)[0]


def test_label_score_prediction_and_hsf_are_on_the_tile():
    found = tile()
    assert (found.title, found.predicted, found.percentile, found.note) == ("cat", "dog", 79, "HSF 0.25")
    assert found.src == "/images/pets/5?v=v1"
    assert found.alt == "image 5, label cat, predicted dog, AVH 0.0800, larger than 79 %, HSF 0.25"


def test_a_relabelled_sample_shows_the_new_label_and_what_it_was():
    found = tile(curated_label=0, curated_label_name="dog")
    assert found.title == found.predicted == "dog"
    assert found.badges == ("was cat", "dim")


def test_an_excluded_sample_is_muted_and_says_so():
    found = tile(excluded=True)
    assert found.muted
    assert found.badges[0] == "excluded"


@pytest.mark.parametrize("missing", [None, pd.NA, float("nan")])
def test_what_is_missing_is_left_out_and_never_zero(missing):
    found = tile(hsf=missing, avh=missing, predicted=None, predicted_name=None)
    assert (found.score, found.percentile, found.note, found.predicted) == ("–", None, "", "")
