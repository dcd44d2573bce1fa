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
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.grid import JUMP, NEXT, heap_mb, nodes, opened
from benchmarks.served import browser_page, renderer_mb, served

PAUSE_S = 30.0
KEYS = ["PageDown", "PageUp", "Home", "End", "ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", " ", "Escape"]
COUNT_SELECTED = "() => window.gridRoot.querySelectorAll('.tile[aria-selected=true]').length"


class Walk:
    """Acts on one page of the gallery; `passed` are the rows that came into sight by going on from screen to screen."""

    def __init__(self, page: Any, seed: int) -> None:
        self.page, self.rng, self.acts, self.passed = page, random.Random(seed), 0, 0
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.count = int(page.locator(".place").first.inner_text().rpartition(" of ")[2].replace(",", ""))
        self.box = page.locator(".scroller").first.bounding_box()
        self.ways: list[tuple[int, Callable[[], None]]] = [
            (6, self._next),
            (4, self._key),
            (3, self._wheel),
            (2, self._bar),
            (2, self._jump),
            (2, self._select),
            (1, self._box),
            (1, self._all),
        ]

    def act(self) -> None:
        """One act; one that does not end in half a minute counts as an error."""
        weights, ways = zip(*self.ways, strict=True)
        way = self.rng.choices(ways, weights)[0]
        try:
            way()
        except Exception as error:
            self.errors.append(f"{way.__name__}: {error}")
        self.acts += 1

    def reorder(self) -> None:
        """Another order of the same samples: a run of the page, to which the selection is carried over."""
        self.page.get_by_role("radio", name=self.rng.choice(["High first", "Low first"])).click()
        self.page.wait_for_timeout(2000)

    def read(self) -> dict[str, Any]:
        """Where the tab stands."""
        return {
            "acts": self.acts,
            "rows": self.passed,
            "heap_mb": heap_mb(self.page),
            "process_mb": renderer_mb(self.page),
            "nodes": nodes(self.page),
            "errors": self.errors,
        }

    def _next(self) -> None:
        """Some screenfuls down, each waited for to its last picture."""
        self.page.evaluate("window.timed(() => null, () => true)")
        for _ in range(self.rng.randint(1, 12)):
            first, last = self.page.evaluate("[0, -1].map(at => +window.tilesInSight().at(at).dataset.place)")
            if last + 1 >= self.count:
                self.page.evaluate("window.press('Home')")
                return
            self.page.evaluate(NEXT)
            self.passed += int(self.page.evaluate("+window.tilesInSight()[0].dataset.place")) - first

    def _key(self) -> None:
        self.page.evaluate("key => window.press(key)", self.rng.choice(KEYS))

    def _wheel(self) -> None:
        self.page.mouse.move(self.box["x"] + 200, self.box["y"] + 200)
        self.page.mouse.wheel(0, self.rng.randint(-3000, 3000))

    def _bar(self) -> None:
        scroller = self.page.locator(".scroller").first
        scroller.evaluate("(node, at) => { node.scrollTop = at * node.scrollHeight }", self.rng.random())

    def _jump(self) -> None:
        self.page.evaluate(f"row => ({JUMP})(row)", self.rng.randint(1, self.count))

    def _place(self) -> tuple[float, float]:
        box = self.box
        return box["x"] + self.rng.uniform(20, box["width"] - 40), box["y"] + self.rng.uniform(20, box["height"] - 40)

    def _select(self) -> None:
        held = self.rng.choice(["Control", "Shift"])
        self.page.keyboard.down(held)
        self.page.mouse.click(*self._place())
        self.page.keyboard.up(held)

    def _box(self) -> None:
        self.page.mouse.move(*self._place())
        self.page.mouse.down()
        self.page.mouse.move(*self._place(), steps=5)
        self.page.mouse.up()

    def _all(self) -> None:
        target = self.page.locator(".scroller").first
        target.dispatch_event("keydown", {"key": "a", "ctrlKey": True, "bubbles": True})
        assert self.page.evaluate(COUNT_SELECTED), "everything is selected"


def go_on(root: Path, log: Path, seconds: float, *, reorder_s: float = 120.0) -> None:
    """Walks until the log holds so many seconds."""
    done = sum(line["seconds"] for line in lines(log))
    with ExitStack() as stack:
        address, _ = stack.enter_context(served(root))
        page = stack.enter_context(browser_page())
        opened(page, address)
        walk = Walk(page, seed=len(lines(log)))
        read_at = reordered_at = time.monotonic()
        while done < seconds:
            walk.act()
            now = time.monotonic()
            if now - reordered_at > reorder_s:
                walk.reorder()
                reordered_at = now
            if now - read_at > PAUSE_S:
                with log.open("a") as file:
                    print(json.dumps(walk.read() | {"seconds": now - read_at, "seed": 0}), file=file)
                walk.acts, walk.passed, walk.errors[:] = 0, 0, []
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
