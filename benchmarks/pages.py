"""Time from a click on a page's link to its title and to the whole page: `python -m benchmarks.pages FOLDER`.

FOLDER is a workspace of which a copy is served, the demo's for one. The tour goes through the pages in turn, `--rounds`
times after one that is not counted; quiet, then beside `--load` busy processes. By the browser's own clock a time goes
from the click to the end of the frame that shows the title, or in which Streamlit rests and nothing of the page before
is left. `--beside CHECKOUT` serves an earlier checkout too, in turn with this one.
"""

import argparse
import multiprocessing
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.instant import busy
from benchmarks.served import browser_page, served

PAGES = ["Gallery", "Map", "Suspects", "Annotate", "Disagreement", "Correlation", "Models", "Quality", "Saved", "Home"]
#: Milliseconds from the click on a link to the title, which is another one, and to the end of the page.
GO = """name => new Promise((tell, fail) => {
  const app = document.querySelector('[data-testid=stApp]');
  const title = () => document.querySelector('[data-testid=stMain] h1')?.innerText;
  const links = [...document.querySelectorAll('[data-testid=stPageLink-NavLink]')];
  const before = title(), start = performance.now();
  let titled = 0;
  links.find(link => link.innerText.split('\\n').at(-1) === name).click();
  const look = () => {
    const now = performance.now() - start;
    if (now > 90000) return fail(new Error(`no page ${name}`));
    if (!titled && title() && title() !== before) titled = now;
    const rests = app.dataset.testScriptState === 'notRunning'
      && !document.querySelector('[data-stale=true], [data-testid=stSkeleton], [data-testid=stSpinner]');
    if (titled && rests) return tell([titled, now]);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
PAUSE_MS = 700


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep some processes busy meanwhile."""
    workers = [multiprocessing.Process(target=busy, daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    yield
    for worker in workers:
        worker.terminate()


def tour(page: Any) -> dict[str, list[float]]:
    """Go through the pages; return by page milliseconds to its title and to its end."""
    page.bring_to_front()  # frames of a tab behind another come once a second
    times = {}
    for name in PAGES:
        if page.locator("[data-testid=stPageLink-NavLink]", has_text=name).count() == 0:
            page.get_by_role("button", name="Analysis").click()
            page.locator("[data-testid=stPageLink-NavLink]", has_text=name).first.wait_for()
        times[name] = page.evaluate(GO, name)
        page.wait_for_timeout(PAUSE_MS)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--load", type=int, default=6, help="processes that keep the machine busy, after a quiet tour")
    parser.add_argument("--beside", type=Path, metavar="CHECKOUT", help="earlier checkout to compare with")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    checkouts = [Path(__file__).parents[1], *filter(None, [arguments.beside])]
    with ExitStack() as stack:
        pages = {}
        context = stack.enter_context(browser_page()).context
        for checkout in checkouts:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            root = shutil.copytree(arguments.workspace, folder / "workspace")
            address, _ = stack.enter_context(served(root, checkout))
            pages[checkout] = context.new_page()
            pages[checkout].goto(address)
            pages[checkout].locator("h1").wait_for()
            tour(pages[checkout])
        for processes in dict.fromkeys([0, arguments.load]):
            with load(processes):
                tours: dict[Path, list[dict[str, list[float]]]] = {checkout: [] for checkout in checkouts}
                before = os.getloadavg()[0]
                for _ in range(arguments.rounds):
                    for checkout in checkouts:  # in turn, since what else the machine does changes
                        tours[checkout].append(tour(pages[checkout]))
            for checkout, rounds in tours.items():
                report(checkout.name, rounds, f"{processes} busy, load {before:.0f} to {os.getloadavg()[0]:.0f}")


def report(name: str, rounds: list[dict[str, list[float]]], state: str) -> None:
    """Print the medians of all clicks, and of each page."""
    print(f"\n{name}, {state}\n\n| page | n | to the title | to the end |\n|---|---|---|---|")
    every = [times for one in rounds for times in one.values()]
    for page, times in {"all": every, **{page: [one[page] for one in rounds] for page in PAGES}}.items():
        titled, whole = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"| {page} | {len(times)} | {titled:.0f} ms | {whole:.0f} ms |", flush=True)


if __name__ == "__main__":
    main()
