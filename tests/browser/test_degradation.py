"""Degradation in a real browser: one button starts the job, and its result appears without another click."""

import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


def test_one_button_degrades_and_the_figures_appear(page, serve, own_demo_root):
    page.goto(f"{serve(own_demo_root)}/degradation")
    images = page.get_by_role("spinbutton", name="Images")
    images.fill("64")
    images.press("Tab")
    page.get_by_role("button", name="Degrade images").click()
    expect(page.get_by_text("rises with the level in")).to_be_visible(timeout=90_000)
    expect(page.locator(".js-plotly-plot")).to_have_count(2, timeout=60_000)
    pictures = page.locator(".avh-strip img")
    expect(pictures.last).to_be_visible(timeout=60_000)
    assert pictures.last.evaluate("picture => picture.complete && picture.naturalWidth") == 8
    page.get_by_role("button", name="JPEG", exact=True).click()
    expect(page).to_have_url(re.compile(r"degradation\.kinds=contrast%2Cnoise%2Cblur"))
    expect(page.locator(".avh-strip")).to_have_count(3)
    page.get_by_role("gridcell").first.click()
    expect(page).to_have_url(re.compile(r"sample=\d+"))
    expect(page.get_by_role("button", name="A typical one")).to_be_visible()
