"""What every browser test does with a page: open it, wait until it has come to rest, find its charts and tiles."""

import re
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fakes.waiting import wait_until

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

#: Runs in a page before its own scripts, and notes when it last asked the server and last heard of it. What it says
#: while there is a list `held` waits there, see `unheard`. It hears what it is told `lag` milliseconds later, and as on
#: a line nothing before what was said earlier. None of its decisions reaches the server while its storage has
#: `test:held`.
NOTE_TALK = """(() => {
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener('message', () => { window.heardAt = performance.now(); });
    }
    addEventListener(kind, listener, ...rest) {
      const said = [];
      let heard = 0;
      const late = event => {
        if (!window.lag && !said.length) return listener(event);
        said.push(event);
        heard = Math.max(heard, performance.now() + (window.lag ?? 0));
        setTimeout(() => listener(said.shift()), heard - performance.now());
      };
      super.addEventListener(kind, kind === 'message' ? late : listener, ...rest);
    }
    send(data) {
      if (window.held) return window.held.push(() => this.send(data));
      window.askedAt = performance.now();
      super.send(data);
    }
  };
  const ask = window.fetch;
  window.fetch = (...asked) => String(asked[0]).endsWith('/decisions/new') && localStorage.getItem('test:held')
    ? Promise.reject(new TypeError('held')) : ask(...asked);
})();"""
#: True once the server has answered the last that it was asked, Streamlit says that no run of the script is going on,
#: nothing of an earlier run is left, and every chart, component and picture of the details is drawn; it must hold for a
#: moment, since an answer comes before the mark changes.
SETTLED = """moment => {
  const app = document.querySelector('[data-testid=stApp]');
  const plots = [...document.querySelectorAll('.js-plotly-plot')];
  const parts = [...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')];
  const rests = app?.dataset.testScriptState === 'notRunning' && app.dataset.testConnectionState === 'CONNECTED'
    && !document.querySelector('[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]')
    && !(window.askedAt >= (window.heardAt ?? 0))
    && plots.every(plot => plot._fullLayout && plot.querySelector('.main-svg'))
    && parts.every(part => 'mounted' in part.dataset && !part.shadowRoot.querySelector('figure.waiting'));
  if (!rests) window.restsSince = undefined;
  else window.restsSince ??= performance.now();
  return rests && performance.now() - window.restsSince >= moment;
}"""
MOMENT_MS = 250
#: True where this browser keeps no decision any more.
NOTHING_KEPT = "() => Object.keys(localStorage).every(key => !key.startsWith('avhcurate:outbox:'))"
TILES = "[aria-label=Images] .tile"
#: Of pictures, those in sight that have not come; broken ones never come.
LACKING = """pictures => pictures.filter(one => {
  const {top, bottom, height} = one.getBoundingClientRect();
  return height && bottom > 0 && top < innerHeight && one.checkVisibility() && !one.naturalWidth;
}).map(one => one.alt || one.src || 'a picture')"""


def settled(page):
    """Waits until the page has come to rest, and returns it."""
    page.evaluate("window.restsSince = undefined")
    page.wait_for_function(SETTLED, arg=MOMENT_MS, polling=50)
    return page


@contextmanager
def unheard(page):
    """The server hears nothing of the page within, as on a slow line, and all of it at the end."""
    page.evaluate("window.held = []")
    yield
    page.evaluate("() => { const said = window.held; window.held = null; said.forEach(say => say()); }")


def intercept(page, addresses, answer):
    """Has `answer` take what a page asks at some addresses, once that holds: a busy page hears of later keys first."""
    page.route(addresses, answer)
    page.route("**/test/taken", lambda route: route.fulfill(body="taken"))
    page.wait_for_function("async () => origin === 'null' || await (await fetch('/test/taken')).text() === 'taken'")
    page.unroute("**/test/taken")


@contextmanager
def unanswered(page, addresses):
    """What the page asks at some addresses within is answered at the end."""
    routes = []
    intercept(page, addresses, lambda route: routes.append(route))
    yield
    for route in routes:
        route.continue_()
    page.unroute(addresses)


def open_at(page, address):
    """Opens an address and waits until the page has come to rest."""
    page.goto(address)
    return settled(page)


def chart(page, key):
    """The one chart of a key, in the middle of the window."""
    plot = settled(page).locator(f"[class*='st-key-{key}'] .js-plotly-plot")
    centre(plot)
    return plot


def centre(element):
    """Scrolls a chart or a widget to the middle of the window, where nothing that is pinned covers it."""
    element.evaluate("element => element.scrollIntoView({block: 'center', behavior: 'instant'})")


def ids(page, selector=TILES):
    """The ids of the tiles that are shown, in their order."""
    return settled(page).locator(selector).evaluate_all("all => all.map(tile => Number(tile.dataset.id))")


def pictures_in_sight(page, least=1):
    """Waits until so many pictures or more are on the page, and all in sight have come."""
    pictures = settled(page).locator("[data-testid=stMain] img")
    wait_until(lambda: pictures.count() >= least and not pictures.evaluate_all(LACKING))


def parameter(page, name):
    """The value of a parameter of the address, "" where it is absent."""
    return parse_qs(urlsplit(page.url).query).get(name, [""])[0]


def with_parameter(name, value=""):
    """The pattern of an address that has a parameter, and of its value, which is a pattern too."""
    return re.compile(rf"[?&]{re.escape(name)}={value}")


def scatter(page):
    """The stage of the one scatter chart, once all of its points are drawn."""
    expect(settled(page).locator(".scatter-chart[data-drawn]")).to_be_visible()
    return page.locator(".scatter-chart .stage")


def on_stage(stage, *places):
    """Where places on a scatter chart, in the units of its axes, lie in the window."""
    centre(stage)
    return stage.evaluate(
        """(stage, places) => {
            const [left, right, low, high] = stage.closest('.scatter-chart').dataset.view.split(',').map(Number);
            const box = stage.getBoundingClientRect();
            return places.map(([x, y]) => [
                box.x + (box.width * (x - left)) / (right - left), box.y + (box.height * (high - y)) / (high - low),
            ]);
        }""",
        places,
    )


def hover(page, place):
    """Moves the mouse onto a place from beside it, since a chart notices only a movement."""
    x, y = place
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y)


def drag(page, start, *places):
    """Drags the mouse from one place in the window over others."""
    page.mouse.move(*start)
    page.mouse.down()
    for place in places:
        page.mouse.move(*place, steps=4)
    page.mouse.up()


def spot(element, x, y):
    """The place so many pixels from the corner of an element."""
    box = element.bounding_box()
    return box["x"] + x, box["y"] + y


def focused(page):
    """The place of the tile that has the focus."""
    return int(page.evaluate("document.activeElement.shadowRoot.activeElement.dataset.place"))


def drop(page, path, zone):
    """Drops a file or a folder of this machine as its file manager does, entries and all."""
    box = zone.bounding_box()
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    browser = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})


def judged(page, place):
    """The suspect at a place of the queue, once its picture is there and may be judged."""
    expect(page.locator(".review")).to_have_attribute("data-place", str(place))
    expect(page.locator(".review")).to_have_attribute("data-suspect", re.compile(r"\d"))  # who is quick waits for it
    id = page.locator(".review").get_attribute("data-suspect")
    expect(page.locator(".review")).to_have_attribute("data-ready", id)
    expect(page.locator(".stage img.on")).to_be_visible()
    return int(id)
