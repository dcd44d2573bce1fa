"""The chips of the filters: each says its condition, and its cross takes out that condition alone."""

import json

import pytest

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.components.facets import FacetEvent, decode
from avhcurate.ui.shell.page_header import chips_of, key_of
from avhcurate.ui.shell.sidebar_filters import changed_filters

FILTERED = Filters(
    hsf_bins=(0, 4),
    classes=(3, None),
    splits=(None,),
    tags=("odd", "seen"),
    sets=("hard",),
    ranges=(("avh", 0.04, None), ("norm", 1.0, 2.0), ("loss", None, None)),
    mistakes=True,
    excluded=None,
    where="avh > 0",
)


def test_a_chip_says_its_condition(digits):
    assert [text for _, (text, _) in chips_of(digits.samples, FILTERED)] == [
        *("HSF 0–0.2 or 0.8–1", "AVH from 0.04", "Norm 1–2", "Class 3 or none", "Tag odd", "Tag seen", "Split none"),
        *("Set hard", "Excluded too", "The model disagrees", "avh > 0"),
    ]
    assert list(chips_of(digits.samples, Filters())) == []


def test_taking_out_every_chip_leaves_no_condition(digits):
    filters = FILTERED.with_(ranges=FILTERED.ranges[:2])
    while chips := list(chips_of(digits.samples, filters)):
        field, (_, left) = chips[0]
        filters = filters.with_(**{field: left})
    assert filters == Filters()


def test_each_chip_has_a_key_of_its_own_also_where_its_text_is_cut(digits):
    filters = FILTERED.with_(sets=("a" * 80, "a" * 80 + "b"))
    keys = [key_of(field, getattr(filters, field), left) for field, (_, left) in chips_of(digits.samples, filters)]
    assert len(set(keys)) == len(keys)
    assert {"hsf_bins", "ranges:avh", "tags:odd", "tags:seen", "where"} < set(keys)


def test_a_cross_takes_a_filter_out_of_the_address(open_page, demo_root):
    app = open_page("gallery", demo_root, **{"class": "3", "bin": "0"})
    sent = {
        data.get("label"): (node, data) for node in app.get("bidi_component") for data in [json.loads(node.proto.json)]
    }
    node, data = sent["Filters in force"]
    assert [chip["text"] for chip in data["chips"]] == ["HSF 0–0.2", "Class 3"]
    states = app._tree.get_widget_states()
    event = json.dumps([{"event": "act", "value": [{"key": "classes", "at": 1}, {"key": "tags:no", "at": 2}]}])
    states.widgets.add(id=f"$$STREAMLIT_INTERNAL_KEY_{node.proto.id}__events", json_trigger_value=event)
    app._run(states)
    assert "class" not in app.query_params
    assert app.query_params["bin"] == "0"


# --- facets ----------------------------------------------------------------------------------------------------------


BEFORE = Filters(classes=(3,), tags=("odd",), ranges=(("norm", 1.0, 2.0),), values=(("place", "zoo"),))


@pytest.mark.parametrize(
    ("event", "after"),
    [
        (FacetEvent("classes", "values", [3, 8, None]), {"classes": (3, 8, None)}),
        (FacetEvent("tags", "values"), {"tags": ()}),
        (FacetEvent("splits", "values", [None]), {"splits": (None,)}),
        (FacetEvent("values:place", "values", ["zoo", "park"]), {"values": (("place", "zoo", "park"),)}),
        (FacetEvent("values:place", "values"), {"values": (("place",),)}),
        (FacetEvent("values:place", "remove"), {"values": ()}),
        (FacetEvent("ranges:avh", "range", low=0.1), {"ranges": (("norm", 1.0, 2.0), ("avh", 0.1, None))}),
        (FacetEvent("ranges:norm", "range", low=5.0, high=6.0), {"ranges": (("norm", 5.0, 6.0),)}),
        (FacetEvent("ranges:norm", "range"), {"ranges": (("norm", None, None),)}),
        (FacetEvent("ranges:norm", "remove"), {"ranges": ()}),
        (FacetEvent("ranges:avh", "range"), {}),
        # What makes no sense changes nothing.
        (FacetEvent("classes", "values", ["3"]), {}),
        (FacetEvent("where", "values", ["TRUE"]), {}),
        (FacetEvent("excluded", "values", [1]), {}),
        (FacetEvent("classes", "range", low=1.0), {}),
    ],
)
def test_an_event_changes_its_own_filter_alone(event, after):
    assert changed_filters(BEFORE, event, sort="avh") == BEFORE.with_(**after)


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"kind": "values", "values": [3]},
        {"key": "classes", "kind": "values", "values": [True]},
        {"key": "classes", "kind": "values", "values": 3},
        {"key": "classes", "kind": "values", "values": [[3]]},
        {"key": "ranges:avh", "kind": "range", "low": 2, "high": 1},
        {"key": "classes", "kind": "drop"},
        {"key": "ranges:avh", "kind": "range", "low": "x"},
    ],
)
def test_an_event_that_is_none_does_not_count(sent):
    assert decode(sent) is None
