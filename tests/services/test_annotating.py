"""Curation through the table: what is decided shows at once, for chosen ids and for filters, and undo takes it back."""

import pandas as pd
import pytest

from avhcurate.curation.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.services.annotating import annotate, history, undo
from avhcurate.services.tables import open_table
from avhcurate.storage.workspace import Workspace


def test_a_tag_on_a_filter_reaches_all_that_match_and_no_other(own_digits):
    filters = Filters(classes=(3,), splits=("test",))
    count = annotate(own_digits, filters, "tag", "threes")
    frame = own_digits.frame()
    tagged = frame["tags"].map(lambda tags: "threes" in tags)
    assert count == tagged.sum() > 0
    assert (tagged == ((frame["label"] == 3) & (frame["split"] == "test"))).all()
    assert own_digits.count(Filters(tags=("threes",))) == count


def test_a_relabel_changes_the_curated_label_only_and_undo_brings_it_back(own_digits):
    before = own_digits.sample(5)
    annotate(own_digits, [5], "relabel", (before["label"] + 1) % 10)
    after = own_digits.sample(5)
    assert after["label"] == before["label"]
    assert after["curated_label"] == (before["label"] + 1) % 10
    assert after["curated_label_name"] == own_digits.classes[after["curated_label"]]
    assert undo(own_digits).action == "relabel"
    assert own_digits.sample(5) == before


def test_an_excluded_sample_leaves_the_view_until_it_is_included_again(own_digits):
    everything = own_digits.count(Filters())
    annotate(own_digits, [7, 8], "exclude")
    assert own_digits.count(Filters()) == everything - 2
    assert own_digits.frame(Filters(excluded=True))["id"].tolist() == [7, 8]
    annotate(own_digits, Filters(excluded=True), "include")
    assert own_digits.count(Filters()) == everything


def test_another_process_sees_it_and_history_names_who(own_digits, own_demo_root):
    annotate(own_digits, [1, 2, 3], "tag", "odd", who="ann")
    undo(own_digits, who="bob")
    again = open_table(Workspace(own_demo_root), "digits")
    assert again.count(Filters(tags=("odd",))) == 3
    assert [(event.who, event.action, event.samples) for event in history(again)] == [("ann", "tag", 3)]


def test_annotations_outlive_a_new_import_of_the_dataset(own_digits, own_demo_root):
    annotate(own_digits, [4], "tag", "kept")
    path = own_digits.sample(4)["path"]
    again = open_table(Workspace(own_demo_root), "digits").frame(Filters(tags=("kept",)))
    assert again["path"].tolist() == [path]


@pytest.mark.parametrize(
    ("action", "value", "message"),
    [
        ("tag", "", "1 to 60"),
        ("tag", "x" * 61, "1 to 60"),
        ("tag", "a\nb", "printable"),
        ("relabel", 10, "0 to 9"),
        ("delete", None, "choose from"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(own_digits, action, value, message):
    with pytest.raises(CurateError, match=message):
        annotate(own_digits, [1], action, value)
    assert history(own_digits) == []


def test_an_empty_choice_and_unknown_ids_are_refused(own_digits):
    with pytest.raises(CurateError, match="select some"):
        annotate(own_digits, Filters(where="avh > 5"), "exclude")
    with pytest.raises(CurateError, match="reload"):
        annotate(own_digits, [999_999], "exclude")


def test_the_notebook_table_is_a_data_frame_with_the_contracts_columns(demo_root):
    import avhcurate

    table = avhcurate.open(demo_root, "digits").table
    assert isinstance(table, pd.DataFrame)
    assert len(table) == 1797
    assert table["relative_avh"].dropna().to_numpy() == pytest.approx(10 * table["avh"].dropna().to_numpy(), rel=1e-5)
