"""Rows of the grid over HTTP: by the key of a view that a session holds, in its order, behind the sign-in."""

import gc

from starlette.applications import Starlette
from starlette.testclient import TestClient

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.url_state import View
from avhcurate.ui.grid import grid_routes
from avhcurate.ui.grid.grid_views import list_view, table_view
from avhcurate.workspace.data.workspace import Workspace

client = TestClient(Starlette(routes=grid_routes.routes()))


def opened(root, **choices):
    table = open_table(Workspace(root), "digits")
    view = View("digits", **choices)
    return Opened(Workspace(root), view, table, table.count(view.filters))


def ids(view, start, stop):
    answer = client.get(f"{view.url}/rows", params={"start": start, "stop": stop})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    return [tile["id"] for tile in answer.json()["tiles"]]


def test_windows_are_those_of_the_pages_that_the_table_gives(demo_root):
    page = opened(demo_root, filters=Filters(classes=(3, 4)), sort="loss", descending=False)
    view = table_view(page)
    rows = page.table.page(page.filters, sort="loss", limit=400)["id"].tolist()
    assert ids(view, 0, 60) == rows[:60]
    assert ids(view, 300, 900) == rows[300:]
    assert page.count == len(rows)


def test_a_list_keeps_its_order_and_its_look(demo_root):
    view = list_view(opened(demo_root), range(200, 0, -1), about="mine", score="id")
    assert ids(view, 100, 103) == [100, 99, 98]
    answer = client.get(f"{view.url}/rows?start=199&stop=260").json()["tiles"]
    assert answer[0]["src"].startswith("/images/digits/1?v=")


def test_a_key_changes_with_the_decisions_and_ends_with_its_session(own_demo_root):
    page = opened(own_demo_root)
    view, address = table_view(page), table_view(page).url
    assert table_view(page).url == address
    annotate(page.table, [0], "tag", "odd")
    other = table_view(page)
    assert other.url != address
    assert client.get(f"{address}/rows?start=0&stop=1").status_code == 200
    del view
    gc.collect()
    assert client.get(f"{address}/rows?start=0&stop=1").status_code == 404
