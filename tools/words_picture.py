"""Takes the pictures of the guides on words and on a budget: `python tools/words_picture.py`.

Squares of six colours, and a tiny network of images and texts that is trained on their colours before.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from playwright.sync_api import sync_playwright
from torch.nn.functional import cross_entropy
from transformers import AutoImageProcessor, AutoTokenizer

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1]))

from screenshots import FLAGS, ROOT, served, take

from tests.fakes.networks import save_clip

COLOURS = {
    "red": (200, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 70, 200),
    "yellow": (225, 205, 50),
    "black": (25, 25, 25),
    "white": (235, 235, 235),
}
EACH, STEPS = 40, 500


def draw(folder: Path) -> dict[str, list[Image.Image]]:
    """Writes squares on grey noise, a folder a colour, and returns them."""
    rng, squares = np.random.default_rng(0), {}
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        squares[name] = []
        for number in range(EACH):
            side, pixels = int(rng.integers(9, 15)), rng.normal(128, 25, (20, 20, 3))
            top, left = rng.integers(0, 20 - side, 2)
            pixels[top : top + side, left : left + side] = rng.normal(colour, 25, (side, side, 3))
            image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            image.resize((160, 160), Image.Resampling.NEAREST).save(folder / name / f"{number:02}.png")
            squares[name].append(image)
    return squares


def train(folder: Path, squares: dict[str, list[Image.Image]]) -> None:
    """Trains the tests' tiny CLIP to tell the colours by their names, and saves it."""
    network, names = save_clip(folder).train().requires_grad_(True), list(squares)
    tokens = AutoTokenizer.from_pretrained(folder)(names, padding="max_length", return_tensors="pt")
    prepare = AutoImageProcessor.from_pretrained(folder)
    images = torch.stack([prepare(squares[name], return_tensors="pt")["pixel_values"] for name in names])
    optimizer, target = torch.optim.Adam(network.parameters(), 2e-3), torch.arange(len(names))
    torch.manual_seed(0)
    for _ in range(STEPS):
        batch = images[target, torch.randint(EACH, (len(names),))]
        logits = network(**tokens, pixel_values=batch).logits_per_image
        loss = cross_entropy(logits, target) + cross_entropy(logits.T, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval().save_pretrained(folder)


def main() -> None:
    chromium = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell"))),
        None,
    )
    with (
        tempfile.TemporaryDirectory() as place,
        served(Path(place) / "workspace") as address,
        sync_playwright() as tool,
    ):
        workspace = Path(place) / "workspace"
        train(Path(place) / "clip", draw(Path(place) / "squares"))
        for verb in (
            ("import", "squares", "squares"),
            ("score", "squares", "--model", "clip:clip", "--prompt", "{}"),
            ("neighbours", "squares", "--like-text", "blue"),
            ("neighbours", "squares"),
        ):
            # From the folder of the network, so that the picture shows no path of this machine.
            command = [sys.executable, "-m", "avhcurate", *verb, "--workspace", str(workspace)]
            subprocess.run(command, cwd=place, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
        page = tool.chromium.launch(executable_path=chromium, args=FLAGS).new_page(
            viewport={"width": 1440, "height": 900}
        )
        view = "gallery?dataset=squares&sort=like%3A+blue&descending=false"
        take(page, address, "words", view, "[aria-label=Images] .tile img", ROOT / "docs" / "images")
        page.goto(f"{address}/annotate?dataset=squares")
        page.get_by_role("combobox", name="Which images first").click(timeout=60_000)
        page.get_by_role("option", name="Varied and uncertain ones").click()
        page.locator(".js-plotly-plot").wait_for(timeout=60_000)
        page.wait_for_timeout(3000)
        page.screenshot(path=ROOT / "docs" / "images" / "budget.png")


if __name__ == "__main__":
    main()
