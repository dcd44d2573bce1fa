"""Time the gallery in Chromium: `python -m benchmarks.grid FOLDER`.

FOLDER is a workspace, of `benchmarks.million` or the demo's. Timed are the next screenful, from the key to the frame in
which its last picture is drawn, and a jump, from the request for a row to its screenful. Then the memory of the tab is
read while a fair number of rows passes.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

from benchmarks.served import browser_page, served

#: Finds the grid, and resolves with milliseconds from `act` to the frame in which every picture in sight is drawn.
HELPERS = """() => {
  const roots = (root) => [...root.querySelectorAll('*')].flatMap(
    node => node.shadowRoot ? [node.shadowRoot, ...roots(node.shadowRoot)] : []);
  const grid = () => roots(document).find(root => root.querySelector('.tile img'));
  window.gridRoot = grid();
  window.tilesInSight = () => {
    const root = window.gridRoot, scroller = root.querySelector('.scroller');
    const box = scroller ? scroller.getBoundingClientRect() : {top: 0, bottom: innerHeight};
    return [...root.querySelectorAll('.tile')].filter(tile => {
      const {top, bottom} = tile.getBoundingClientRect();
      return bottom > box.top + 2 && top < box.bottom - 2;
    });
  };
  window.timed = (act, differs) => new Promise((done, failed) => {
    const start = performance.now();
    act();
    const look = () => {
      const tiles = window.tilesInSight();
      const whole = tiles.length && tiles.every(tile => {
        const image = tile.querySelector('img');
        return tile.dataset.id !== undefined && image.complete && image.naturalWidth;
      });
      const waited = performance.now() - start;
      if (waited > 30000) return failed(new Error(`${tiles.length} tiles, whole: ${whole} after ${act}`));
      if (!whole || !differs(tiles)) return requestAnimationFrame(look);
      requestAnimationFrame(() => done(performance.now() - start));
    };
    requestAnimationFrame(look);
  });
  window.press = (key) => {
    const target = window.gridRoot.activeElement ?? window.gridRoot.querySelector('.scroller');
    target.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, composed: true}));
  };
}"""
NEXT = """() => {
  const last = window.tilesInSight().at(-1).dataset.place;
  return window.timed(() => window.press('PageDown'), tiles => Number(tiles.at(-1).dataset.place) > Number(last));
}"""
JUMP = """row => {
  const form = window.gridRoot.querySelector('.jump');
  form.elements.to.value = String(row);
  return window.timed(() => form.requestSubmit(), tiles => tiles.some(tile => tile.dataset.place === String(row - 1)));
}"""


def heap_mb(page: Any) -> float:
    """Return megabytes of the tab's JavaScript and the number of its nodes, after garbage collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"] / 1e6)


def nodes(page: Any) -> int:
    session = page.context.new_cdp_session(page)
    return int(session.send("Memory.getDOMCounters")["nodes"])


def screenfuls(page: Any, repeats: int) -> None:
    """Time the next screenful."""
    times = []
    for _ in range(repeats):
        page.wait_for_timeout(600)
        times.append(page.evaluate(NEXT))
    show("next screenful to its last picture", times)


def jumps(page: Any, row: int, count: int, repeats: int) -> None:
    """Time a jump to a row that was not shown yet."""
    times = []
    for number in range(repeats):
        page.evaluate("window.press('Home')")
        page.wait_for_timeout(600)
        times.append(page.evaluate(JUMP, min(row + 997 * number, count)))
    show(f"jump to row {row:,}", times)


def memory(page: Any, rows: int, count: int) -> None:
    """Read the memory of the tab after the first thousand rows and after all."""
    page.evaluate("window.press('Home')")
    passed, said = 0, list[tuple[int, float, int]]()
    while passed < rows:
        place, last = page.evaluate("[0, -1].map(at => +window.tilesInSight().at(at).dataset.place)")
        if last + 1 >= count:
            page.evaluate("window.press('Home')")
            page.wait_for_timeout(100)
            continue
        page.evaluate(NEXT)
        passed += int(page.evaluate("+window.tilesInSight()[0].dataset.place")) - place
        if len(said) <= passed * 5 // rows:
            said.append((passed, heap_mb(page), nodes(page)))
    for place, megabytes, number in said:
        print(f"| after {place:,} rows | {megabytes:.1f} MB of JavaScript, {number:,} nodes |", flush=True)


def show(name: str, milliseconds: list[float]) -> None:
    ordered = sorted(milliseconds)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    print(f"| {name} | median {statistics.median(ordered):.0f} ms | p95 {p95:.0f} ms | n {len(ordered)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--row", type=int, default=900_000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--rows", type=int, default=50_000, help="rows to scroll while memory is read")
    arguments = parser.parse_args()
    with served(arguments.workspace) as (address, _), browser_page() as page:
        page.goto(f"{address}/gallery?sort=id&descending=false")
        page.locator(".tile img").first.wait_for()
        page.wait_for_timeout(2000)
        page.evaluate(HELPERS)
        count = int(page.locator(".place").first.inner_text().rpartition(" of ")[2].replace(",", ""))
        print(f"{count:,} rows, {page.evaluate('window.tilesInSight().length')} images in sight")
        screenfuls(page, arguments.repeats)
        jumps(page, min(arguments.row, count * 9 // 10), count, max(3, arguments.repeats // 2))
        memory(page, arguments.rows, count)


if __name__ == "__main__":
    main()
