"""The chips of the filters: each says its condition, and its cross takes out that condition alone."""

import datetime

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.filter_chips import chips_of

FILTERED = Filters(
    hsf_bins=(0, 4),
    classes=(3, None),
    splits=(None,),
    tags=("odd", "seen"),
    sets=("hard",),
    ranges=(("avh", 0.04, None), ("norm", 1.0, 2.0), ("loss", None, None)),
    dates=(("taken", None, datetime.date(2024, 2, 1)),),
    mistakes=True,
    excluded=None,
    where="avh > 0",
)


def test_a_chip_says_its_condition(digits):
    assert [text for _, (text, _) in chips_of(digits, FILTERED)] == [
        *("HSF 0–0.2 or 0.8–1", "AVH from 0.04", "Norm 1–2", "Class 3 or none", "Tag odd", "Tag seen", "Split none"),
        *("Set hard", "taken to 2024-02-01", "Excluded too", "The model disagrees", "avh > 0"),
    ]
    assert list(chips_of(digits, Filters())) == []


def test_taking_out_every_chip_leaves_no_condition(digits):
    filters = FILTERED.with_(ranges=FILTERED.ranges[:2])
    while chips := list(chips_of(digits, filters)):
        field, (_, left) = chips[0]
        filters = filters.with_(**{field: left})
    assert filters == Filters()


def test_a_cross_takes_a_filter_out_of_the_address(open_page, demo_root):
    app = open_page("gallery", demo_root, **{"class": "3", "bin": "0"})
    chips = {button.label: button for button in app.main.button if str(button.key).startswith("chip.")}
    assert list(chips) == ["HSF 0–0.2", "Class 3"]
    chips["Class 3"].click().run()
    assert "class" not in app.query_params
    assert app.query_params["bin"] == "0"
