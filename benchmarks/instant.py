"""Time from a key to the dimmed tile and from a click to the switched filter: `python -m benchmarks.instant FOLDER`.

FOLDER is a workspace of which a copy is served, the demo's for one. `--load N` keeps N processes busy, `--beside
CHECKOUT` serves an earlier checkout too. A time goes, by the browser's own clock, from the event to the end of the
frame in which the tile is grey or gone, or the bar and its chip show the choice; for another window to the tile there.
"""

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.served import browser_page, served

#: `timed(act, done)` resolves with milliseconds from `act` to the end of the frame in which `done` is true: a message
#: that is sent in it arrives after it was drawn. `inside(key)` is the root of the component of a key.
HELPERS = """() => {
  window.inside = key =>
    [...document.querySelectorAll(`[class*=st-key-${key}] *`)].find(node => node.shadowRoot).shadowRoot;
  window.timed = (act, done) => new Promise((tell, fail) => {
    const start = performance.now();
    act();
    const look = () => {
      if (performance.now() - start > 90000) return fail(new Error(`nothing after ${act}`));
      if (!done()) return requestAnimationFrame(look);
      const drawn = new MessageChannel();
      drawn.port1.onmessage = () => tell(performance.now() - start);
      drawn.port2.postMessage(null);
    };
    requestAnimationFrame(look);
  });
}"""
KEY = """() => {
  const tile = inside('samples').querySelector('.tile:not(.muted)'), id = tile.dataset.id;
  tile.focus();
  return timed(
    () => tile.dispatchEvent(new KeyboardEvent('keydown', {key: 'x', bubbles: true, composed: true})),
    () => tile.dataset.id !== id || tile.classList.contains('muted'),
  );
}"""
CLICK = """place => {
  const [facets, chips] = ['facets', 'chips'].map(inside);
  const row = () => facets.querySelectorAll('.facet[aria-label=Class] .row')[place];
  const on = row().ariaPressed !== 'true';
  return timed(
    () => row().click(),
    () => (row().ariaPressed === 'true') === on && chips.textContent.includes('Class ') === on,
  );
}"""
FIRST = "() => inside('samples').querySelector('.tile').dataset.id"
SHOWS = "id => inside('samples').querySelector('.tile').dataset.id === id"
#: The first tile of another window that shows the same: the time of the day at which it is another image.
SEEN = """() => {
  const first = () => inside('samples').querySelector('.tile').dataset.id, before = first();
  window.seen = timed(() => {}, () => first() !== before).then(() => Date.now());
}"""
PAUSE_MS = 1500


def busy() -> None:
    while True:
        pass


def measure(page: Any, address: str, repeats: int) -> dict[str, list[float]]:
    """Return milliseconds of each act."""
    key, click, elsewhere = "key to dimmed tile", "click to switched filter", "key to another window"
    times: dict[str, list[float]] = {key: [], click: [], elsewhere: []}
    _open(page, address)
    for number in range(repeats):
        times[key].append(page.evaluate(KEY))
        for _ in range(2):  # on, and off again
            page.wait_for_timeout(PAUSE_MS)
            times[click].append(page.evaluate(CLICK, number % 10))
        page.wait_for_timeout(PAUSE_MS)
    other = page.context.new_page()  # later, since its frames would take time from those of the first
    _open(other, address)
    for _ in range(repeats):
        page.wait_for_function(SHOWS, arg=other.evaluate(FIRST))
        other.evaluate(SEEN)
        pressed = page.evaluate("Date.now()")
        page.evaluate(KEY)
        times[elsewhere].append(other.evaluate("seen") - pressed)
    return times


def _open(page: Any, address: str) -> None:
    page.goto(f"{address}/gallery?sort=id&descending=false")
    page.locator(".tile img").first.wait_for()
    page.wait_for_timeout(3 * PAUSE_MS)
    page.evaluate(HELPERS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--load", type=int, default=0, help="processes that keep the machine busy")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="earlier checkout to compare with")
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    checkouts = [Path(__file__).parents[1], *filter(None, [arguments.beside])]
    workers = [multiprocessing.Process(target=busy, daemon=True) for _ in range(arguments.load)]
    for worker in workers:
        worker.start()
    for checkout in checkouts:
        with tempfile.TemporaryDirectory() as folder, browser_page() as page:
            root = shutil.copytree(arguments.workspace, Path(folder) / "workspace")
            with served(root, checkout) as (address, _):
                for name, times in measure(page, address, arguments.repeats).items():
                    middle, most = statistics.median(times), statistics.quantiles(times, n=20)[-1]
                    line = f"| {checkout.name} | {name} | n {len(times)} | {middle:.0f} ms | {most:.0f} ms |"
                    print(line, flush=True)
    for worker in workers:
        worker.terminate()


if __name__ == "__main__":
    main()
