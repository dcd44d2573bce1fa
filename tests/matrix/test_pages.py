"""States x pages in a real browser: every image in sight is loaded, no error is shown or told to the console."""

import re
from contextlib import contextmanager

import pytest

from avhcurate.workspace.disk.app_files import PAGES, added_pages
from tests.browser.pages import open_at
from tests.matrix.conftest import cells
from tests.matrix.states import STATES

pytestmark = pytest.mark.browser
#: Every page, and parts of pages that are drawn only where they are asked for.
ADDRESSES = (
    *sorted(path.stem for path in PAGES.glob("*.py")),
    *sorted(added_pages()),
    "gallery?sample=3",
    "models?models.part=pair",
    "saved?saved.part=changes",
    "classes?classes.part=split",
)
#: What is wrong with the images in sight, "waiting" for one that is on its way: of the page, and of its components.
IMAGES = """() => {
  const all = [], roots = [document];
  while (roots.length) {
    for (const element of roots.pop().querySelectorAll('*')) {
      if (element.shadowRoot) roots.push(element.shadowRoot);
      if (element.tagName === 'IMG' && element.getAttribute('src')) all.push(element);
    }
  }
  const seen = all.filter(image => {
    const {top, bottom, width, height} = image.getBoundingClientRect();
    return width && height && bottom > 0 && top < innerHeight && image.checkVisibility();
  });
  const empty = [];
  for (const root of all.map(image => image.getRootNode()).filter((one, at, every) => every.indexOf(one) === at))
    empty.push(...root.querySelectorAll('.frame.broken, .broken'));
  return {
    images: seen.length,
    waiting: seen.some(image => !image.complete),
    missing: [...seen.filter(image => image.complete && !image.naturalWidth), ...empty]
      .map(one => one.outerHTML.slice(0, 200)),
  };
}"""
#: What a page shows an exception in.
EXCEPTIONS = "[data-testid=stException]"


@contextmanager
def no_console_errors(page):
    """What the page tells the console within is no error."""
    errors = []
    note = lambda message: errors.append(message.text) if message.type == "error" else None  # noqa: E731
    page.on("console", note)
    yield
    page.remove_listener("console", note)
    assert errors == []


@pytest.mark.parametrize(("state", "address"), cells([*STATES], ADDRESSES, seed=5, quick=6))
def test_a_page_shows_its_images_and_no_error(page, serve, own_state, state, address):
    root = own_state(state)
    with no_console_errors(page):
        place = f"{serve(root)}/{address.removeprefix('home')}"
        if state != "empty":
            place += f"{'&' if '?' in place else '?'}dataset={STATES[state].dataset}"
        open_at(page, place)
        page.wait_for_function(f"() => !({IMAGES})().waiting")
        found = page.evaluate(IMAGES)
        assert found["missing"] == []
        assert page.locator(EXCEPTIONS).count() == 0
        if address == "classes":
            _same_pair(page)


def _same_pair(page):
    """The headline of *Classes* names the classes whose pictures are below."""
    headline = page.locator(".proposals .text").first
    if not headline.count() or " and " not in headline.inner_text():
        return
    names = re.match("(.+) and (.+):", headline.inner_text()).groups()
    sides = page.get_by_text(re.compile(r"^.+ · [\d,]+ images?$")).all_inner_texts()
    assert [side.rsplit(" · ", 1)[0] for side in sides] == list(names)
