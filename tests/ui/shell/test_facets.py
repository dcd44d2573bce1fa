"""What an event of the facets makes of the filters, and what the facets show of many values."""

import pytest

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.components.facets import FacetEvent, decode
from avhcurate.ui.shell.sidebar_filters import changed_filters

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
