"""The toy in a real browser: trained when asked for, and its epochs stepped through."""

from tests.browser.pages import expect, settled, with_parameter


def test_the_toy_is_trained_and_its_epochs_are_stepped_through(page, serve, tmp_path):
    page.goto(f"{serve(tmp_path)}/toy?toy.epochs=10")
    expect(page.get_by_text("follows the Bayes error at")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(3)
    drawn = settled(page).locator(".js-plotly-plot").first.evaluate("plot => plot.data.map(trace => trace.type)")
    assert drawn.count("heatmap") == 3
    norm = page.get_by_test_id("stMetric").filter(has_text="Mean norm").get_by_test_id("stMetricValue")
    last = norm.inner_text()
    slider = page.locator(".st-key-toy-epoch input[type=range]")
    expect(slider).to_have_value("10")
    slider.focus()
    slider.press("Home")
    expect(page).to_have_url(with_parameter("toy.epoch", "0"))
    expect(norm).not_to_have_text(last)
    first = settled(page) and norm.inner_text()
    slider.press("ArrowRight")
    expect(page).to_have_url(with_parameter("toy.epoch", r"1\b"))
    expect(norm).not_to_have_text(first)
    settled(page)
    slider.press("End")
    expect(page).not_to_have_url(with_parameter("toy.epoch"))
    expect(norm).to_have_text(last)
    assert float(first) < float(last)
