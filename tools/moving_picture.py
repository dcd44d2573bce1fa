"""Makes the moving picture of the README from the app on the embedded digits: `python tools/moving_picture.py`."""

import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from screenshots import FLAGS, ROOT, call, served

SIZE, SHOWN = {"width": 1280, "height": 800}, (960, 600)
OUT = ROOT / "docs" / "images" / "tour.webp"
#: Milliseconds that a frame stands.
STAY = 1600


def rest(page: Page) -> None:
    """Waits until the page rests and its images are there."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
    page.wait_for_timeout(2500)


def open_page(address: str, path: str) -> Callable[[Page], None]:
    return lambda page: page.goto(f"{address}/{path}") and None


def press(key: str) -> Callable[[Page], None]:
    return lambda page: page.keyboard.press(key)


def click(selector: str) -> Callable[[Page], None]:
    return lambda page: page.locator(selector).first.click()


def main() -> None:
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell"))),
        None,
    )
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, sync_playwright() as playwright:
        call(Path(folder), "project", "digits")
        call(Path(folder), "suspects", "digits", "--out-of-fold")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport=SIZE)
        steps = (
            open_page(address, "gallery?dataset=digits"),
            click("[aria-label=Images] .tile"),
            press("Escape"),
            open_page(address, "gallery?dataset=digits&bin=0,1"),
            open_page(address, "disagreement?dataset=digits"),
            open_page(address, "correlation?dataset=digits"),
            open_page(address, "map?dataset=digits"),
            open_page(address, "suspects?dataset=digits"),
        )
        frames = []
        for step in steps:
            step(page)
            rest(page)
            frames.append(
                Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)
            )
        browser.close()
    first, *others = frames
    first.save(OUT, save_all=True, append_images=others, duration=STAY, loop=0, quality=70, method=6)
    print(f"{OUT}: {OUT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
