"""The page Map in Chromium: `python -m benchmarks.map_chart WORKSPACE [--beside CHECKOUT]`.

For a workspace with a map, as `benchmarks.million --make` and `avhcurate demo` with `project` leave one: the time from
the address to the drawn map, from the end of a lasso to the first image of its samples, what the page is sent, and the
memory of its JavaScript, its tab and the process that draws. `--beside` measures the page of another checkout, which
draws by Plotly, in turns with this one. Without a GPU Chromium draws WebGL on the processor.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.million import memory_gb
from benchmarks.served import browser_page, served

#: Corners of the lasso as shares of the chart: the middle third.
LASSO = ((0.35, 0.35), (0.65, 0.33), (0.68, 0.6), (0.5, 0.68), (0.34, 0.62), (0.35, 0.37))
#: The chart, once it is drawn, and what the pointer draws on, of this chart and of Plotly's.
OURS = (".scatter-chart[data-drawn]", ".scatter-chart .stage")
PLOTLY = (".js-plotly-plot[data-heard] .main-svg", ".js-plotly-plot .draglayer .nsewdrag")
#: Drawing goes on in another process for as long after the first picture of Plotly.
PLOTLY_IDLE = "requestAnimationFrame(() => requestAnimationFrame(() => (window.rested = true)))"


@dataclass
class Reading:
    """Seconds, megabytes."""

    drawn: float
    dragged: float
    lasso: float
    sent: float
    javascript: float
    tab: float
    painter: float


def measure(page: Any, address: str, chart: tuple[str, str]) -> Reading:
    """Opens the map and draws a lasso on it."""
    ready, stage = chart
    sent = [0.0]
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: _add(sent, len(frame))))
    page.on(
        "response", lambda answer: _add(sent, int(answer.headers.get("content-length", 0)) * ("/points/" in answer.url))
    )
    start = time.perf_counter()
    page.goto(address)
    page.locator(ready).first.wait_for()
    page.evaluate(PLOTLY_IDLE)
    page.wait_for_function("window.rested")
    drawn, bytes_sent = time.perf_counter() - start, sent[0]
    page.wait_for_timeout(2000)
    javascript = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
    tab, painter = (_of_processes(page, kind) for kind in ("renderer", "GPU"))
    box = page.locator(stage).first.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in LASSO]
    start = time.perf_counter()
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    dragged = time.perf_counter() - start
    start = time.perf_counter()
    page.mouse.up()
    page.locator("[aria-label=Samples] .tile img").first.wait_for()
    lasso = time.perf_counter() - start
    return Reading(drawn, dragged, lasso, bytes_sent / 1e6, javascript, tab, painter)


def _add(total: list[float], more: int) -> None:
    total[0] += more


def _of_processes(page: Any, kind: str) -> float:
    """Megabytes that the largest process of a kind holds."""
    found = page.context.browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return max((1e3 * memory_gb("VmRSS", one["id"]) for one in found if one["type"] == kind), default=0.0)


def readings(root: Path, checkout: Path, chart: tuple[str, str], repeats: int) -> list[Reading]:
    """The first reading is of a server that has the dataset open already, as all are."""
    found = []
    with served(root, checkout) as (address, _):
        for turn in range(repeats + 1):
            with browser_page(flags=["--enable-precise-memory-info"]) as page:
                reading = measure(page, f"{address}/map", chart)
                if turn:
                    found.append(reading)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    kinds: dict[str, Callable[[], list[Reading]]] = {
        "all points": lambda: readings(arguments.workspace, Path(__file__).parents[1], OURS, arguments.repeats)
    }
    if arguments.beside:
        kinds["beside"] = lambda: readings(arguments.workspace, arguments.beside, PLOTLY, arguments.repeats)
    for name, read in kinds.items():
        print(f"{name}: load {os.getloadavg()[0]:.1f} before, medians of {arguments.repeats} (lowest to highest)")
        found = [asdict(reading) for reading in read()]
        for field in found[0]:
            values = [reading[field] for reading in found]
            print(
                f"  {field:10} {statistics.median(values):8.2f}  ({min(values):.2f} to {max(values):.2f})", flush=True
            )
        print(f"  load {os.getloadavg()[0]:.1f} after", flush=True)


if __name__ == "__main__":
    main()
