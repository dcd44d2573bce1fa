"""Every page in a real browser: axe finds nothing in either theme, and the labels of a toolbar stand on one line."""

from pathlib import Path

import pytest

from avhcurate.lab.degradation.service import degrade_dataset
from avhcurate.lab.degradation.settings import DegradeSettings
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import open_at, settled
from tests.fakes.workspaces import copied

axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
SCRIPT = Path(axe.__file__).with_name("axe.min.js")
#: Pages and dialogs of the demo after all its work, by address, with the fixture of a workspace that has it.
PAGES = {
    "": "trained_root",
    "gallery?sample=5": "demo_root",
    "map": "mapped_root",
    "disagreement": "demo_root",
    "correlation": "demo_root",
    "models": "trained_root",
    "models?models.part=pair": "trained_root",
    "suspects": "suspects_root",
    "quality": "planted_root",
    "annotate": "demo_root",
    "annotators": "demo_root",
    "saved": "demo_root",
    "saved?saved.part=changes": "demo_root",
    "classes": "demo_root",
    "payoff": "demo_root",
    "certificate": "demo_root",
    "pseudo_labels": "demo_root",
    "self_training": "self_trained_root",
    "training_dynamics": "trained_root",
    "degradation": "mapped_root",
    "toy": "demo_root",
}
#: Those of which another file here has a quick story, or another address.
SLOW = (
    *("gallery?sample=5", "map", "models?models.part=pair", "suspects", "annotate", "training_dynamics", "payoff"),
    *("saved?saved.part=changes", "classes"),
)
#: Pages that begin with what they have found, in words, before anything is chosen.
SAID_FIRST = ("disagree", "correlation", "models", "pseudo_labels", "self_training", "training_dynamics", "degradation")
#: What axe finds, a line each: rule, element, and why; not in Streamlit's drop zone, whose role and label disagree.
VIOLATIONS = """async rules => {
  const all = {exclude: [['[data-testid=stFileUploaderDropzone]']]};
  const found = await axe.run(all, {resultTypes: ['violations'], ...rules});
  return found.violations.flatMap(({id, nodes}) => nodes.map(({target, html, failureSummary}) =>
    `${id}: ${target.flat().join(' ')} ${html.slice(0, 120)} ${failureSummary.slice(0, 240)}`));
}"""
#: That a name holds what is seen, axe calls experimental.
NAMES = {"rules": {"label-content-name-mismatch": {"enabled": True}}}
#: Of each line of widgets, the labels that stand above their widget: their texts and tops.
LINES = """() => [...document.querySelectorAll('[data-testid=stHorizontalBlock]')].flatMap(line => {
  const labels = [...line.querySelectorAll('[data-testid=stWidgetLabel]')].filter(label =>
    label.checkVisibility() && label.offsetHeight && !label.closest('[data-testid=stCheckbox]')
    && label.closest('[data-testid=stHorizontalBlock]') === line);
  const boxes = labels.map(label => {
    const {bottom} = label.closest('[data-testid=stElementContainer]').getBoundingClientRect();
    return {text: label.innerText, top: label.getBoundingClientRect().top, bottom};
  });
  const rows = Object.groupBy(boxes, box => Math.round(box.bottom / 8));
  return Object.values(rows).filter(row => row.length > 1);
})"""


@pytest.fixture(scope="module")
def mapped_root(demo_root, tmp_path_factory, plant_map):
    """The demo with a map and some degraded images."""
    root = copied(demo_root, tmp_path_factory.mktemp("every") / "demo")
    plant_map(root)
    degrade_dataset(Workspace(root), DegradeSettings(dataset="digits", kinds=["jpeg"], limit=20))
    return root


@pytest.mark.parametrize("place", [pytest.param(place, marks=[pytest.mark.slow] * (place in SLOW)) for place in PAGES])
def test_axe_finds_nothing_and_labels_of_a_line_stand_on_one_line(page, serve, request, place):
    page.set_viewport_size({"width": 1440, "height": 900})
    open_at(page, f"{serve(request.getfixturevalue(PAGES[place]))}/{place}")
    if place.startswith(SAID_FIRST):
        assert any(character.isdigit() for character in page.locator(".st-key-page-result").inner_text())
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    # What differs between the themes is colours.
    for theme, rules in (("light", NAMES), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=theme)
        background = "rgb(18, 21, 28)" if theme == "dark" else "rgb(255, 255, 255)"
        page.wait_for_function(
            "color => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor === color",
            arg=background,
        )
        assert settled(page).evaluate(VIOLATIONS, rules) == [], theme
    for line in page.evaluate(LINES):
        tops = [label["top"] for label in line]
        assert max(tops) - min(tops) < 1, line
