"""Time from a key to the dimmed tile and from a click to the switched filter: `python -m benchmarks.instant FOLDER`.

FOLDER is a workspace of which a copy is served, the demo's for one. `--load N` keeps N processes busy, `--beside
CHECKOUT` serves an earlier checkout too. A time ends in the frame in which the tile is grey or gone, or the bar and its
chip show the choice.
"""

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.served import browser_page, served

#: `timed(act, done)` resolves with milliseconds from `act` to the end of the frame in which `done` is true.
HELPERS = """() => {
  const all = (root) => [...root.querySelectorAll('*')].flatMap(
    node => [node, ...(node.shadowRoot ? all(node.shadowRoot) : [])]);
  window.find = (selector, text) => all(document).filter(
    node => node.matches(selector) && node.textContent.includes(text));
  window.timed = (act, done) => new Promise((tell, fail) => {
    const start = performance.now();
    act();
    const look = () => {
      if (performance.now() - start > 90000) return fail(new Error(`nothing after ${act}`));
      if (!done()) return requestAnimationFrame(look);
      requestAnimationFrame(() => tell(performance.now() - start));
    };
    requestAnimationFrame(look);
  });
}"""
KEY = """() => {
  const [tile] = find('.tile:not(.muted)', ''), id = tile.dataset.id;
  tile.focus();
  return timed(
    () => tile.dispatchEvent(new KeyboardEvent('keydown', {key: 'x', bubbles: true, composed: true})),
    () => !find(`.tile[data-id='${id}']:not(.muted)`, '').length,
  );
}"""
CLICK = """place => {
  const row = () => find('.facet[aria-label=Class] .row', '')[place];
  return timed(
    () => row().click(),
    () => row().ariaPressed === 'true' && find('button:not(.row)', 'Class ').length,
  );
}"""


def busy() -> None:
    while True:
        pass


def measure(page: Any, address: str, repeats: int) -> dict[str, list[float]]:
    """Return milliseconds of each act."""
    times: dict[str, list[float]] = {"key to dimmed tile": [], "click to switched filter": []}
    for number in range(repeats):
        page.goto(f"{address}/gallery?sort=id&descending=false")
        page.locator(".tile img").first.wait_for()
        page.wait_for_timeout(3000)
        page.evaluate(HELPERS)
        times["key to dimmed tile"].append(page.evaluate(KEY))
        page.wait_for_timeout(3000)
        times["click to switched filter"].append(page.evaluate(CLICK, number % 5))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--load", type=int, default=0, help="processes that keep the machine busy")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="earlier checkout to compare with")
    parser.add_argument("--repeats", type=int, default=10)
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
                    low, middle, high = min(times), statistics.median(times), max(times)
                    print(
                        f"| {checkout.name} | {name} | median {middle:.0f} ms | {low:.0f} to {high:.0f} ms |",
                        flush=True,
                    )
    for worker in workers:
        worker.terminate()


if __name__ == "__main__":
    main()
