"""From a number to its images: every mark of every chart leads to the gallery of what it counts, and back."""

import itertools
import json
from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import pytest

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.ui.base import url_state
from avhcurate.ui.charts.show import CLICKED
from avhcurate.workspace.data.workspace import Workspace

#: Charts of which no mark counts images of the dataset, and why.
NOWHERE = {
    "models.ranks": "each cell is of two runs, over the images of the table above",
    "annotators.time": "it counts votes, not images",
    "annotators.coverage": "it is of images that nobody has answered yet",
    "predicted.curve": "it is a forecast",
    "pseudo.by_portion": "the page lists the images of the portion that is chosen",
    "selftrain.curves": "its images are of another split or dataset",
    "toy.maps": "the toy has no images",
    "toy.course": "the toy has no images",
    "toy.agreement": "the toy has no images",
    "detail.bars": "it is of one image",
    # A point is an image, which a click opens, or a region of them.
    "gap.chart.0": "",
    "dynamics.map.0": "",
}
SLOW = pytest.mark.slow
#: Pages with charts, at addresses that draw them.
PAGES = [
    ("home", {}),
    ("home", {"bin": "0,1,2", "where": "avh > 0.02"}),
    pytest.param("models", {}, marks=SLOW),
    pytest.param("models", {"models__part": "confusion", "bin": "1,2,3"}, marks=SLOW),
    ("models", {"models__part": "pair"}),
    pytest.param(
        "models",
        {"models__part": "slices", "models__by": "sharpness,split,hsf_bin,label", "range": '["sharpness",null,40.0]'},
        marks=SLOW,
    ),
    pytest.param("correlation", {"correlation__more": "classes", "where": "relative_avh < 1.2"}, marks=SLOW),
    ("correlation", {"correlation__against": "contrast"}),
    pytest.param("quality", {"class": "4"}, marks=SLOW),
    ("quality", {"quality__view": "duplicates", "quality__cut": "1"}),
    ("degradation", {"degradation__bins": "1", "class": "1,2,3,4,5"}),
    ("training_dynamics", {"class": "0,1,2,3"}),
    ("annotators", {}),
]


def charts_of(app):
    """The key of each chart and its traces, as the browser gets them."""
    for node in app.get("plotly_chart"):
        yield node.proto.id.split("-", 2)[-1], json.loads(node.proto.spec)["data"]


@pytest.mark.parametrize(("page", "query"), PAGES)
def test_every_mark_leads_to_as_many_images_as_it_counts(open_page, filled_root, asked, page, query):
    app = open_page(page, filled_root, **query)
    assert app.get("plotly_chart")
    tables, view = {}, url_state.parse({key: asked(app, key) for key in app.query_params})[0]
    within = view.filters
    if page in ("home", "annotators"):  # filters do not change these pages
        within = Filters()
    counted = 0
    for key, traces in charts_of(app):
        leading = [trace for trace in traces if trace.get("meta")]
        assert leading or key in NOWHERE, f"{key} leads nowhere"
        for trace in leading:
            numbers, to = trace["meta"]["n"], trace["meta"]["to"]
            addresses = itertools.repeat(to) if isinstance(to, str) else to
            assert isinstance(to, str) or len(to) == len(numbers)
            for n, address in dict.fromkeys(zip(numbers, addresses, strict=False)):
                assert address, f"{key} has a mark of {n} images that leads nowhere"
                wanted, notices = url_state.parse(dict(parse_qsl(address)))
                assert not notices
                run = wanted.run or view.run
                if run not in tables:
                    tables[run] = open_dataset(Workspace(filled_root), "digits", run)
                assert tables[run].samples.count(within.narrowed(wanted.filters)) == n, f"{key}: {address}"
                counted += 1
    assert counted


def test_a_click_opens_the_gallery_of_the_mark_and_the_way_back_is_the_page_as_it_was(
    open_page, filled_root, grids, asked
):
    app = open_page("models", filled_root, models__part="confusion", bin="0,1,2,3")
    key = next(key for key, _ in charts_of(app) if key.startswith("models.confusion"))
    trace = next(traces for one, traces in charts_of(app) if one == key)[1]
    mark = int(np.argmax(trace["meta"]["n"]))
    before = {name: asked(app, name) for name in app.query_params}
    app.session_state[CLICKED] = trace["meta"]["to"][mark]
    app.run()
    assert not app.exception
    assert grids(app)["Images"]["count"] == trace["meta"]["n"][mark] > 0
    assert {"class", "predicted", "bin", "run"} <= set(app.query_params)
    (back,) = [node.proto for node in app.get("page_link") if node.proto.label == "Back to Models"]
    assert dict(parse_qsl(back.query_string)) == before
    assert not any("gallery.back" in node.proto.query_string for node in app.get("page_link") if node.proto is not back)


def test_ids_are_in_the_address_and_a_text_that_is_none_is_left_out():
    filters = Filters(ids=(3, 70, 1_000_000))
    view = url_state.parse(filters.to_query())[0]
    assert view.filters == filters
    assert replace(view.filters, ids=None) == Filters()
    for text in ("!", "abc", "eJw"):
        found, notices = url_state.parse({"ids": text})
        assert (found.filters, len(notices)) == (Filters(), 1)
