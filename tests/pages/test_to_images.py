"""From a number to its images: every mark of every chart leads to the gallery of what it counts, and back."""

import itertools
import json
from dataclasses import replace
from urllib.parse import parse_qsl

import numpy as np
import plotly.graph_objects as go
import pytest

from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.annotate import setup
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.features.quality.service import measure_dataset
from avhcurate.lab.degradation.service import degrade_dataset
from avhcurate.lab.degradation.settings import DegradeSettings
from avhcurate.ui.base import url_state
from avhcurate.ui.charts import show
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.votes import answer_all, truth
from tests.fakes.workspaces import copied

#: Charts of which no mark counts images of the dataset, and why.
NOWHERE = {
    "models.ranks": "each cell is of two runs, over the images of the table above",
    "models.transfer": "a dot is of two datasets",
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
    ("models", {}),
    pytest.param("models", {"models__part": "confusion", "bin": "1,2,3"}, marks=SLOW),
    ("models", {"models__part": "pair"}),
    pytest.param("correlation", {"correlation__more": "classes", "where": "relative_avh < 1.2"}, marks=SLOW),
    ("correlation", {"correlation__against": "contrast"}),
    pytest.param("quality", {"class": "4"}, marks=SLOW),
    ("quality", {"quality__view": "duplicates", "quality__cut": "1"}),
    ("degradation", {"degradation__bins": "1", "class": "1,2,3,4,5"}),
    ("training_dynamics", {"class": "0,1,2,3"}),
    ("annotators", {}),
]


@pytest.fixture(scope="module")
def filled(trained_root, tmp_path_factory):
    """The digits with three runs, two trainings, degraded images, measures, and the votes of three annotators."""
    root = copied(trained_root, tmp_path_factory.mktemp("filled") / "workspace")
    space = Workspace(root)
    degrade_dataset(space, DegradeSettings(dataset="digits", kinds=["jpeg", "noise"], limit=60))
    measure_dataset(space, "digits")
    table = open_table(space, "digits")
    setup.configure(table, CollectionSettings(design="classify", queue="hardest", target=3), who="lead")
    right = truth(table)
    for name in ("ann", "bob"):
        answer_all(table, name, right, 12)
    answer_all(table, "mal", lambda id: (right(id) + 1) % 10, 7)
    return root


def charts_of(app):
    """The key of each chart and its traces, as the browser gets them."""
    for node in app.get("plotly_chart"):
        yield node.proto.id.split("-", 2)[-1], json.loads(node.proto.spec)["data"]


@pytest.mark.parametrize(("page", "query"), PAGES)
def test_every_mark_leads_to_as_many_images_as_it_counts(open_page, filled, asked, page, query):
    app = open_page(page, filled, **query)
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
                    tables[run] = open_table(Workspace(filled), "digits", run)
                assert tables[run].count(within.narrowed(wanted.filters)) == n, f"{key}: {address}"
                counted += 1
    assert counted


def test_a_click_opens_the_gallery_of_the_mark_and_the_way_back_is_the_page_as_it_was(open_page, filled, grids, asked):
    app = open_page("models", filled, models__part="confusion", bin="0,1,2,3")
    key = next(key for key, _ in charts_of(app) if key.startswith("models.confusion"))
    trace = next(traces for one, traces in charts_of(app) if one == key)[1]
    mark = int(np.argmax(trace["meta"]["n"]))
    before = {name: asked(app, name) for name in app.query_params}
    app.session_state[key] = {"selection": {"points": [{"curve_number": 1, "point_index": mark}]}}
    app.run()
    assert not app.exception
    assert grids(app)["Images"]["count"] == trace["meta"]["n"][mark] > 0
    assert {"class", "predicted", "bin", "run"} <= set(app.query_params)
    (back,) = [node.proto for node in app.get("page_link") if node.proto.label == "Back to Models"]
    assert dict(parse_qsl(back.query_string)) == before
    assert not any("gallery.back" in node.proto.query_string for node in app.get("page_link") if node.proto is not back)


def test_what_a_browser_sends_in_place_of_a_mark_leads_nowhere():
    figure = go.Figure(go.Bar(x=[1], y=[2], meta={"n": [2], "to": ["class=1"]}))
    wrong = [{}, {"curve_number": 5, "point_index": 0}, {"curve_number": 0, "point_index": 9}, {"curve_number": "0"}]
    for point in wrong:
        assert show.clicked_address(figure, {"selection": {"points": [point]}}) == ""
    right = {"selection": {"points": [{"curve_number": 0, "point_index": 0}]}}
    assert (show.clicked_address(figure, right), show.clicked_address(figure, None)) == ("class=1", "")


def test_ids_are_in_the_address_and_a_text_that_is_none_is_left_out():
    filters = Filters(ids=(3, 70, 1_000_000))
    view = url_state.parse(filters.to_query())[0]
    assert view.filters == filters
    assert replace(view.filters, ids=None) == Filters()
    for text in ("!", "abc", "eJw"):
        found, notices = url_state.parse({"ids": text})
        assert (found.filters, len(notices)) == (Filters(), 1)
