"""Whether the pictures that a page draws have come."""

from tests.browser.pages import settled
from tests.fakes.waiting import wait_until

#: Of each picture in the window: what is told of it, and whether it has pixels. None while a tile waits for its row.
_SEEN = """images => images.filter(image => {
  const {top, bottom, width} = image.getBoundingClientRect();
  return width && bottom > 0 && top < innerHeight && image.checkVisibility({visibilityProperty: true});
}).map(image => [image.alt, image.complete && image.naturalWidth > 0])"""


def all_loaded(page):
    """Waits until each picture in the window is drawn, and returns how many there are; none may stay without pixels."""

    def seen():
        found = settled(page).locator("img").evaluate_all(_SEEN)
        return found if all(drawn for _, drawn in found) else None

    count = len(wait_until(lambda: (found := seen()) is not None and [found])[0])
    assert page.locator(".frame.broken").count() == 0
    return count
