"""Training dynamics in a real browser: a deep link on a fresh server, and a box on the map that brings its images."""

import numpy as np
import pytest

import avhcurate
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.lab.training_dynamics import service as training_dynamics_service
from avhcurate.ui.charts.regions import read_region
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import TILES, chart, drag, expect, ids, open_at, parameter, settled, spot, with_parameter
from tests.fakes.waiting import wait_until

ONE = f"avhcurate-digits-cross-entropy-0-{0:08x}"


@pytest.fixture
def address(serve, trained_root):
    return serve(trained_root)


def region_of(page):
    return read_region(parameter(page, "dynamics.region"))


@pytest.mark.slow
def test_a_deep_link_draws_the_curves_and_a_box_on_the_map_brings_its_images(page, address, trained_root):
    open_at(page, f"{address}/training_dynamics?dynamics.trainings={ONE}")
    drawn = chart(page, "dynamics-curves").evaluate(
        "plot => plot._fullData.filter(t => t.legendgroup === 'all' && t.hovertemplate).map(t => t.y.length)"
    )
    assert drawn == [11] * 4  # a look before training and one after each of ten epochs, in four panels
    expect(page.get_by_text("1 · AVH settles early")).to_be_visible()
    expect(page.locator(TILES)).to_have_count(0)

    area = chart(page, "dynamics-map-0").locator(".draglayer .xy .nsewdrag")
    box = area.bounding_box()
    drag(page, *(spot(area, x * box["width"], y * box["height"]) for x, y in ((0.4, 0.1), (0.95, 0.7))))
    expect(page).to_have_url(with_parameter("dynamics.region"))
    expect(page.locator(TILES).first).to_be_visible()
    opened = open_dataset(Workspace(trained_root), "digits")
    points = training_dynamics_service.data_map(opened.samples, opened.dataset.training(ONE))
    inside = points[region_of(page).holds(points["variability"], points["confidence_mean"])]
    assert 5 < len(inside) < 500
    expect(page.get_by_text(f"{len(inside)} of 896 images in the region")).to_be_visible()
    expected = inside.sort_values("confidence_mean", kind="stable")["id"].tolist()
    assert ids(page) == expected[: page.locator(TILES).count()]

    page.locator(TILES).nth(1).click(modifiers=["Control"])
    expect(page.get_by_text("1 selected", exact=True)).to_be_visible()
    settled(page).get_by_role("button", name="Clear", exact=True).first.click()
    expect(page).not_to_have_url(with_parameter("dynamics.region"))
    expect(page.locator(TILES)).to_have_count(0)


def test_a_running_training_of_the_users_own_is_judged_and_its_next_epoch_knows(page, serve, own_demo_root):
    digits = avhcurate.open(own_demo_root, "digits")
    samples = digits.to_torch("id < 200", ids=True)
    wrong = [77, 40, 3]  # the least believed first

    def learn(epoch):
        logits = np.eye(10)[samples.labels] * (1 + np.arange(len(samples))[:, None] / 999) * epoch
        logits[[samples.ids.index(id) for id in wrong]] *= -1
        digits.heard(samples.ids, logits)

    learn(1)
    open_at(page, f"{serve(own_demo_root)}/training_dynamics")
    expect(page.get_by_text("98.5 % of 200 images learnt from right after epoch 1.")).to_be_visible()
    page.get_by_role("button", name="Least believed tenth").click()
    expect(page.locator(TILES).first).to_be_visible()
    assert ids(settled(page))[:3] == wrong
    page.locator(TILES).first.click(modifiers=["Control"])
    expect(page.get_by_text("1 selected", exact=True)).to_be_visible()
    page.keyboard.press("x")
    wait_until(lambda: len(digits.frame("id < 200")) == 199)
    samples = digits.to_torch("id < 200", ids=True)
    assert wrong.pop(0) not in samples.ids
    learn(2)
    expect(page.get_by_text("99.0 % of 199 images learnt from right after epoch 2.")).to_be_visible(timeout=30_000)
