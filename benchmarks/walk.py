"""A random walk over the gallery in Chromium: `python -m benchmarks.walk FOLDER LOG [--seconds 3600]`.

FOLDER is a workspace, of `benchmarks.million` or the demo's. Keys, wheels, drags of the scroll bar, jumps, selections
by click, box and key, and other orders of the page, at random; each tab is read every half minute: memory of its
JavaScript and of its whole process, images included, and the number of its nodes. LOG keeps what was read, a line each.
Started again with the same LOG the walk goes on until it has lasted `--seconds` in all; then it says what came out.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.devtools import CONTROL, SHIFT, Tab, tab
from benchmarks.grid import HELPERS, JUMP, NEXT
from benchmarks.served import served

#: Seconds between two readings of the tab, and between two other orders of the page.
READ_S, REORDER_S = 30.0, 120.0
KEYS = ["PageDown", "PageUp", "Home", "End", "ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", " ", "Escape"]
ORDER = """name => [...document.querySelectorAll('[role=radio]')].find(one => one.innerText.trim() === name).click()"""
AREA = """() => {
  const {x, y, width, height} = window.gridRoot.querySelector('.scroller').getBoundingClientRect();
  return [x, y, width, height];
}"""
COUNT = """() => Number(window.gridRoot.querySelector('.place').textContent.split(' of ')[1].replaceAll(',', ''))"""
RESTS = "() => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'"
SCROLL = """share => {
  const node = window.gridRoot.querySelector('.scroller');
  node.scrollTop = share * node.scrollHeight;
}"""
ALL = """() => {
  const event = new KeyboardEvent('keydown', {key: 'a', ctrlKey: true, bubbles: true});
  window.gridRoot.querySelector('.scroller').dispatchEvent(event);
  if (!window.gridRoot.querySelector('.tile[aria-selected=true]')) throw new Error('nothing is selected');
}"""


class Walk:
    """Acts on a tab with the gallery; `passed` are the rows that came into sight by going on from screen to screen."""

    def __init__(self, page: Tab, seed: int) -> None:
        self.page, self.rng, self.acts, self.passed = page, random.Random(seed), 0, 0
        self.errors = page.errors
        self.count = page.evaluate(COUNT)
        self.area = page.evaluate(AREA)
        self.ways: dict[Callable[[], None], int] = {
            self._next: 6,
            self._key: 4,
            self._wheel: 3,
            self._bar: 2,
            self._jump: 2,
            self._select: 2,
            self._box: 1,
            self._all: 1,
        }

    def act(self) -> None:
        """One act; one that does not end in half a minute counts as an error."""
        way = self.rng.choices(list(self.ways), list(self.ways.values()))[0]
        try:
            way()
        except RuntimeError as error:
            self.errors.append(f"{way.__name__}: {error}")
        self.acts += 1

    def reorder(self) -> None:
        """Another order of the same samples: a run of the page, to which the selection is carried over."""
        self.page.evaluate(ORDER, self.rng.choice(["High first", "Low first"]))
        time.sleep(1)
        self.page.wait_for(RESTS)
        time.sleep(1)

    def _next(self) -> None:
        """Some screenfuls down, each waited for to its last picture."""
        self.page.evaluate("() => window.timed(() => null, () => true)")
        for _ in range(self.rng.randint(1, 12)):
            first, last = self.page.evaluate("() => [0, -1].map(at => +window.tilesInSight().at(at).dataset.place)")
            if last + 1 >= self.count:
                self.page.evaluate("() => window.press('Home')")
                return
            self.page.evaluate(NEXT)
            self.passed += int(self.page.evaluate("() => +window.tilesInSight()[0].dataset.place")) - first

    def _key(self) -> None:
        self.page.evaluate("key => window.press(key)", self.rng.choice(KEYS))

    def _wheel(self) -> None:
        self.page.mouse("mouseWheel", *self._place(), deltaX=0, deltaY=self.rng.randint(-3000, 3000))

    def _bar(self) -> None:
        self.page.evaluate(SCROLL, self.rng.random())

    def _jump(self) -> None:
        self.page.evaluate(JUMP, self.rng.randint(1, self.count))

    def _place(self) -> tuple[float, float]:
        x, y, width, height = self.area
        return x + self.rng.uniform(20, width - 40), y + self.rng.uniform(20, height - 40)

    def _select(self) -> None:
        self.page.drag(self._place(), held=self.rng.choice([CONTROL, SHIFT]))

    def _box(self) -> None:
        (x, y), (to_x, to_y) = self._place(), self._place()
        steps = [(x + (to_x - x) * step / 5, y + (to_y - y) * step / 5) for step in range(6)]
        if abs(to_x - x) > 40:
            self.page.drag(*steps)

    def _all(self) -> None:
        self.page.evaluate(ALL)


def go_on(root: Path, log: Path, seconds: float) -> None:
    """Walks until the log holds so many seconds."""
    done = sum(line["seconds"] for line in lines(log))
    with served(root) as (address, _), tab() as page:
        page.go(f"{address}/gallery?sort=id&order=asc")
        page.wait_for(f"() => ({HELPERS})() ?? Boolean(window.gridRoot)")
        walk = Walk(page, seed=len(lines(log)))
        read_at = reordered_at = time.monotonic()
        while done < seconds:
            walk.act()
            now = time.monotonic()
            if now - reordered_at > REORDER_S:
                walk.reorder()
                reordered_at = now
            if now - read_at > READ_S:
                reading = {"acts": walk.acts, "rows": walk.passed, "errors": walk.errors, "seconds": now - read_at}
                with log.open("a") as file:
                    print(json.dumps(reading | page.memory()), file=file)
                walk.acts, walk.passed = 0, 0
                walk.errors.clear()
                done, read_at = done + now - read_at, now


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def report(log: Path) -> None:
    """All acts and errors, and the memory at the beginning, in the middle and at the end."""
    found = lines(log)
    total = {key: sum(line[key] for line in found) for key in ("seconds", "acts", "rows")}
    errors = [error for line in found for error in line["errors"]]
    print(f"{total['seconds'] / 60:.0f} minutes, {total['acts']:,} acts, {total['rows']:,} rows passed one by one,")
    print(f"{len(errors)} JavaScript errors {errors[:3]}")
    print("| rows passed | JavaScript, MB | the tab's process, MB | nodes |")
    print("|---|---|---|---|")
    parts, passed = 6, 0
    for part in range(parts):
        some = found[len(found) * part // parts : len(found) * (part + 1) // parts]
        passed += sum(line["rows"] for line in some)
        medians = [statistics.median(line[key] for line in some) for key in ("heap_mb", "process_mb", "nodes")]
        print(f"| {passed:,} | {medians[0]:.1f} | {medians[1]:.0f} | {medians[2]:,.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("--seconds", type=float, default=3600)
    arguments = parser.parse_args()
    go_on(arguments.workspace, arguments.log, arguments.seconds)
    report(arguments.log)


if __name__ == "__main__":
    main()
