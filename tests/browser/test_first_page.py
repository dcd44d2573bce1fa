"""What a first visit loads, in a real browser: few requests of the app's own, few bytes, and every icon."""

from base64 import b64encode
from collections import Counter
from urllib.parse import urlsplit

from tests.browser.pages import open_at, settled
from tests.fakes.icons import STATIC, names

#: Requests and bytes of the gallery, most of them Streamlit's scripts, which import each other by name.
MOST, MOST_BYTES = 120, 1_200_000
#: Thumbnails that one request asks for.
BATCH = 24
#: The names that are an icon in Streamlit's font, and those of them that are letters in the one that is sent.
DRAWN = """async ([whole, names]) => {
  const bytes = Uint8Array.from(atob(whole), letter => letter.charCodeAt(0));
  document.fonts.add(await new FontFace('Whole', bytes.buffer).load());
  await document.fonts.load('100px "Material Symbols Rounded"', 'home');
  const span = document.body.appendChild(document.createElement('span'));
  const isIcon = (font, name) => {
    span.style.cssText = `position: absolute; white-space: nowrap; font: 100px "${font}"`;
    span.textContent = name;
    return Math.round(span.getBoundingClientRect().width) === 100;
  };
  const icons = names.filter(name => isIcon('Whole', name));
  return [icons, icons.filter(name => !isIcon('Material Symbols Rounded', name))];
}"""


def test_a_first_page_asks_for_little_of_the_app_and_for_no_chart(new_context, serve, demo_root):
    address = serve(demo_root)
    page = new_context().new_page()
    listener = page.context.new_cdp_session(page)
    listener.send("Network.enable")
    asked, loaded = {}, {}
    listener.on("Network.requestWillBeSent", lambda sent: asked.update({sent["requestId"]: sent["request"]["url"]}))
    listener.on("Network.loadingFinished", lambda come: loaded.update({come["requestId"]: come["encodedDataLength"]}))
    open_at(page, f"{address}/gallery")
    tiles = page.locator("[aria-label=Images] .tile img[src^='blob:']")
    tiles.last.wait_for()
    urls = {number: urlsplit(url).path for number, url in asked.items() if url.startswith(address)}
    paths = {number: path for number, path in urls.items() if not path.startswith("/changes/")}  # asked again and again
    ours = Counter(path.split("/")[1] for path in paths.values() if not path.startswith("/static/"))
    batches = -(-tiles.count() // BATCH)
    ours.pop("favicon.png", None)  # which a busy browser asks for later
    assert ours == {"gallery": 1, "scripts": 1, "images": batches, "_stcore": 2}
    assert not [path for path in paths.values() if "Plotly" in path]
    assert len(paths) <= MOST
    assert sum(loaded.get(number, 0) for number in paths) <= MOST_BYTES
    page.context.close()


def test_every_icon_is_in_the_font_that_is_sent(page, serve, demo_root):
    open_at(page, serve(demo_root))
    (whole,) = STATIC.glob("media/MaterialSymbols-Rounded.*")
    icons, missing = settled(page).evaluate(DRAWN, [b64encode(whole.read_bytes()).decode(), names()])
    assert {"whatshot", "grid_view", "keyboard_arrow_down"} < set(icons)
    assert missing == [], "run: python -m tests.fakes.icons"
