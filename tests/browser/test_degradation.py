"""Degradation in a real browser: one button starts the job, and its result appears without another click."""

from tests.browser.pages import expect, open_at, settled, with_parameter


def test_one_button_degrades_and_the_figures_appear(page, serve, own_demo_root):
    open_at(page, f"{serve(own_demo_root)}/degradation")
    images = page.get_by_role("spinbutton", name="Images")
    images.fill("64")
    images.press("Tab")
    settled(page).get_by_role("button", name="Degrade images").click()
    expect(page.get_by_text("rises with the level in")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    pictures = page.locator(".avh-strip img")
    expect(pictures.last).to_be_visible()
    page.wait_for_function("image => image.complete && image.naturalWidth === 8", arg=pictures.last.element_handle())
    settled(page).get_by_role("button", name="JPEG", exact=True).click()
    expect(page).to_have_url(with_parameter("degradation.kinds", "contrast%2Cnoise%2Cblur"))
    expect(page.locator(".avh-strip")).to_have_count(3)
    settled(page).get_by_role("gridcell").first.click()
    expect(page).to_have_url(with_parameter("sample", r"\d+"))
    expect(page.get_by_role("button", name="A typical one")).to_be_visible()
