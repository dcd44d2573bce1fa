"""Takes the screenshots of the documents from the running app on the embedded digits: `python tools/screenshots.py`."""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Name of the picture, address, and what must be on the page before it is taken.
VIEWS = (
    ("home", "?dataset=digits", ".js-plotly-plot"),
    ("gallery", "gallery?dataset=digits", "[aria-label=Images] .tile img"),
    ("details", "gallery?dataset=digits&sample=5", "[role=dialog] .js-plotly-plot"),
    ("disagreement", "disagreement?dataset=digits", ".js-plotly-plot"),
    ("correlation", "correlation?dataset=digits", ".js-plotly-plot"),
    ("pseudo_labels", "pseudo_labels?dataset=digits", ".js-plotly-plot"),
)
SELF_TRAINING = (
    *("self-train", "--source", "digits", "--source-where", "split = 'train' AND id < 200"),
    *("--target", "digits", "--target-where", "split = 'test'"),
)
#: Work on the digits, and views of what it leaves behind.
WORK = (
    ("project", "digits"),
    ("suspects", "digits", "--out-of-fold"),
    ("quality", "digits", "--upright", "--blurred", "2.5"),
    ("degrade", "digits", "--limit", "300"),
    ("toy",),
    ("tag", "digits", "ask again", "--where", "hsf < 0.2"),
    ("relabel", "digits", "--to", "8", "--ids", "5"),
    ("saved", "digits", "--save-set", "hard for people", "--where", "hsf < 0.2"),
    ("saved", "digits", "--save-set", "hard for the network", "--where", "avh > 0.06"),
    (*SELF_TRAINING, "--rule", "avc"),
    (*SELF_TRAINING, "--rule", "confidence"),
)
LATER_VIEWS = (
    ("map", "map?dataset=digits", ".scatter-chart[data-drawn]"),
    ("suspects", "suspects?dataset=digits", "img"),
    ("self_training", "self_training?dataset=digits", ".js-plotly-plot"),
    ("quality", "quality?dataset=digits", ".js-plotly-plot"),
    ("degradation", "degradation?dataset=digits", ".js-plotly-plot"),
    ("toy", "toy?dataset=digits", ".js-plotly-plot"),
    ("saved", "saved?dataset=digits&saved.part=history", "text=ask again"),
    ("changes", "saved?dataset=digits&saved.part=changes", "text=Restore"),
)
#: Training makes new runs, which pages open from then on.
TRAINING = ("train", "digits", "--model", "avhcurate:digits", "--epochs", "20", "--seeds", "1,2")
TRAINED_VIEWS = (
    ("classes", "classes?dataset=digits", ".tile img"),
    ("models", "models?dataset=digits&models.part=pair", ".js-plotly-plot"),
    ("confusions", "models?dataset=digits&models.part=confusion", ".js-plotly-plot"),
    ("training_dynamics", "training_dynamics?dataset=digits", ".js-plotly-plot"),
)
#: A locked part, and decisions after it that a run can judge which knows none of its labels.
LOCKED = (
    ("lock", "digits"),
    ("score", "digits", "--model", "avhcurate:digits"),
    ("relabel", "digits", "--to", "8", "--where", "label = 3 AND NOT locked AND id < 300"),
    ("relabel", "digits", "--to", "9", "--ids", "4"),
    ("exclude", "digits", "--where", "avh > 0.075 AND NOT locked"),
)
LOCKED_VIEWS = (("payoff", "payoff?dataset=digits", ".js-plotly-plot"),)


@contextmanager
def served(workspace: Path) -> Iterator[str]:
    """The app on a free port of this machine, on a workspace that holds the demo."""
    environment = {**os.environ, "AVHCURATE_WORKSPACE": str(workspace)}
    call(workspace, "demo")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield _once_it_answers(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait()


def call(workspace: Path, *verb: str) -> None:
    """Runs a verb of the command line on the workspace."""
    command = [sys.executable, "-m", "avhcurate", *verb, "--workspace", str(workspace)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "LOGNAME": "ada"})


def _once_it_answers(address: str) -> str:
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            return address
        except OSError:
            time.sleep(0.5)
    raise SystemExit(f"no answer from {address}")


def take(page: Page, address: str, name: str, path: str, ready: str, out: Path) -> None:
    """Opens one view, waits until it rests, and writes OUT/NAME.png."""
    page.goto(f"{address}/{path}")
    page.locator(ready).first.wait_for(timeout=60_000)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')", timeout=60_000)
    page.wait_for_timeout(3000)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)  # it may run again
    page.screenshot(path=out / f"{name}.png")


def take_annotating(page: Page, address: str, out: Path) -> None:
    """Sets up a collection of votes, gives a few, and writes OUT/annotate.png."""
    page.goto(f"{address}/annotate?dataset=digits")
    page.get_by_role("button", name="Start the collection").click(timeout=60_000)
    name = page.get_by_role("textbox").first
    name.wait_for(timeout=60_000)
    name.fill("Ada")
    name.press("Enter")
    page.get_by_text("0 of 1,797 answered").wait_for(timeout=60_000)
    page.wait_for_timeout(5000)  # until the first images are there: what is not on screen cannot be answered
    for answer in range(1, 8):
        page.keyboard.press(str(answer))
        page.wait_for_timeout(500)
    page.wait_for_timeout(2500)
    page.screenshot(path=out / "annotate.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--dark", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell"))),
        None,
    )
    size = {"width": arguments.width, "height": arguments.height}
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder)) as address,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=FLAGS) as browser,
    ):
        page = browser.new_page(viewport=size, color_scheme="dark" if arguments.dark else "light")
        for name, path, ready in VIEWS:
            take(page, address, name, path, ready, arguments.out)
        for verb in WORK:
            call(Path(folder), *verb)
        for name, path, ready in LATER_VIEWS:
            take(page, address, name, path, ready, arguments.out)
        call(Path(folder), *TRAINING)
        for name, path, ready in TRAINED_VIEWS:
            take(page, address, name, path, ready, arguments.out)
        for verb in LOCKED:
            call(Path(folder), *verb)
        for name, path, ready in LOCKED_VIEWS:
            take(page, address, name, path, ready, arguments.out)
        take_annotating(page, address, arguments.out)
        take(
            page, address, "annotators", "annotators?dataset=digits", "[data-testid=stHeading] >> nth=1", arguments.out
        )


if __name__ == "__main__":
    main()
