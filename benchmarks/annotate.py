"""How soon the next image is there when a key is pressed on the Annotate page: `python -m benchmarks.annotate`.

Both times are of the same keys in one run: from the key to the next image on the screen, and from the key to the
server's word that the answer is kept, which is what a page that waits for the server would take.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from avhcurate.annotate import answers, setup
from avhcurate.data.workspace import Workspace
from avhcurate.sources.demo import prepare_demo
from avhcurate.table.dataset_table import open_table
from benchmarks.served import browser_page, served

#: Presses a key and resolves with the milliseconds to another image and to an answer that is kept.
PRESS = """key => new Promise(done => {
  const roots = [...document.querySelectorAll('*')].map(node => node.shadowRoot).filter(Boolean);
  const card = roots.map(root => root.querySelector('.card')).find(Boolean);
  const before = card.querySelector('.stage img.on').src, start = performance.now();
  let drawn, kept;
  const look = () => {
    const image = card.querySelector('.stage img.on'), now = performance.now() - start;
    if (drawn === undefined && image && image.src !== before && image.complete && image.naturalWidth) drawn = now;
    if (kept === undefined && card.dataset.unsaved === '0') kept = now;
    if (drawn === undefined || kept === undefined) requestAnimationFrame(look);
    else done([drawn, kept]);
  };
  document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, composed: true}));
  requestAnimationFrame(look);
})"""


def measure(page: Any, address: str, keys: int) -> list[tuple[float, float]]:
    """Milliseconds from each key to the next image, and to the answer kept."""
    page.goto(f"{address}/annotate?annotate.name=ada")
    times = []
    for number in range(keys):
        page.locator(".stage img.on").wait_for()
        page.wait_for_timeout(answers.FASTEST_MS + 200)
        times.append(tuple(page.evaluate(PRESS, str(number % 10))))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        prepare_demo(workspace)
        settings = setup.CollectionSettings(design="classify", control_share=0.0)
        setup.configure(open_table(workspace, "digits"), settings, who="lead")
        with served(workspace.root) as (address, _), browser_page() as page:
            times = measure(page, address, arguments.keys)
    for name, column in zip(("key to the next image", "key to the answer kept"), zip(*times, strict=True), strict=True):
        ordered = sorted(column)
        p95 = ordered[int(0.95 * (len(ordered) - 1))]
        print(f"| {name} | median {statistics.median(ordered):.0f} ms | p95 {p95:.0f} ms | n {len(ordered)} |")
    print(f"the next image is there in {statistics.median(a / b for a, b in times):.2f} of the time the server takes")


if __name__ == "__main__":
    main()
