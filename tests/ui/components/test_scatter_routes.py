"""Points over HTTP: exact within a step of a coordinate, kept by the browser."""

import gc

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from avhcurate.ui.charts.regions import Region
from avhcurate.ui.components import scatter
from avhcurate.ui.components.scatter import NO_SHADE, ChartEvent, decode, point_cloud
from tests.fakes.scatter import read_points

client = TestClient(Starlette(routes=scatter.routes()))


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    return rng.normal(size=1000).astype(np.float32), 1e6 * rng.random(1000), rng.integers(0, 256, 1000)


def test_points_come_as_they_lie_within_a_step_of_their_coordinates(points):
    x, y, shades = points
    cloud = point_cloud(x, y, shades)
    answer = client.get(cloud.url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert len(answer.content) == 5 * len(x)
    left, right, low, high = cloud.bounds
    assert (left, right, low, high) == (x.min(), x.max(), y.min(), y.max())
    found_x, found_y, found_shades = read_points(answer.content, cloud.bounds)
    assert np.abs(found_x - x).max() <= (right - left) / 65535 / 2 * 1.001
    assert np.abs(found_y - y).max() <= (high - low) / 65535 / 2 * 1.001
    assert found_shades.tolist() == shades.tolist()


def test_the_browser_keeps_points_and_gets_others_under_another_key(points):
    x, y, shades = points
    cloud = point_cloud(x, y, shades)
    answer = client.get(cloud.url)
    assert "immutable" in answer.headers["cache-control"]
    again = client.get(cloud.url, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert point_cloud(x, y, shades) is cloud
    assert point_cloud(x, y, shades + 1).url != cloud.url
    assert point_cloud(x + 1, y, shades).url != cloud.url


def test_points_of_one_place_and_none_at_all_are_points_too():
    same = point_cloud(np.full(3, 7.0), np.full(3, 7.0), np.full(3, NO_SHADE))
    x, y, shades = read_points(same.body, same.bounds)
    assert (x.tolist(), y.tolist(), shades.tolist()) == ([7] * 3, [7] * 3, [NO_SHADE] * 3)
    assert point_cloud(np.empty(0), np.empty(0), np.empty(0)).body == b""


@pytest.mark.slow
def test_a_key_that_nobody_holds_gives_nothing(points):
    url = point_cloud(*points).url
    gc.collect()
    answer = client.get(url)
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert client.get("/points/..%2F..%2Fapp.py").status_code == 404


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        ({}, ChartEvent()),
        ({"region": {"lasso": [{"x": [0, 2, 1], "y": [0, 0, 3]}]}}, ChartEvent(region=Region((0, 2, 1), (0, 0, 3)))),
        ({"region": "x", "window": [0, 1, 2, 4], "clicked": 0}, ChartEvent(window=(0, 1, 2, 4), clicked=0)),
        *(({"window": window}, ChartEvent()) for window in (None, [0, 1, 2], [1, 0, 0, 1], [0, 1, 2, "x"], 7)),
        *(({"clicked": clicked}, ChartEvent()) for clicked in (-1, True, "3", 2.5, None)),
    ],
)
def test_only_a_valid_message_of_the_browser_counts(sent, event):
    assert decode(sent) == event
