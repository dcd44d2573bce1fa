"""What an NVIDIA GPU does with this code: `make gpu-check` or `python -m benchmarks.gpu`, in less than ten minutes.

It runs the tests marked `gpu`, and measures beside each other at each precision: a product of large matrices, which is
the card's peak; the network on a batch that is on the card, as it is and by torch.compile; ready batches as scoring
sends them, whose copies in and out should hide behind the passes; scoring from files to the table, thumbnails with it;
and a short training. One table is written, which whoever has a card can send.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.lab.training_dynamics.settings import TrainSettings
from avhcurate.lab.training_dynamics.train import train_model
from avhcurate.networks.models.engine import Network, embed
from avhcurate.networks.models.loading import LoadedModel, ModelSpec, load_model
from avhcurate.networks.models.runtime import PRECISIONS, device_name, products_on
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.data.workspace import Workspace
from benchmarks.markdown import table

#: Files that are scored, images of a batch, the side of the matrices, and seconds of a measurement.
IMAGES, BATCH, SIDE, SECONDS = 4096, 256, 8192, 3.0

Row = list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="torchvision:resnet50", help="as for `avhcurate score`, random weights")
    parser.add_argument("--out", type=Path, default=Path("build/gpu-check.md"), help="file of the table")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit(f"PyTorch {torch.__version__} sees no NVIDIA GPU here, so there is nothing to check.")
    tests = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/networks"], check=False)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(report(torch.device("cuda"), options.model, tests_passed=tests.returncode == 0))
    print(options.out)
    sys.exit(tests.returncode)


def report(device: torch.device, model: str, *, tests_passed: bool) -> str:
    """Return the page: the card, whether its tests passed, and the table."""
    rows: list[Row] = []
    spec = ModelSpec(name=model, weights="random")
    loaded = load_model(spec)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "workspace")
        photos = write_photos(Path(folder) / "photos")
        for precision in PRECISIONS:
            # The first pass over a dataset makes its thumbnails, so each precision has its own.
            import_dataset(workspace, precision, photos)
            rows += tried("network", precision, speeds, device, loaded, precision)
            rows += tried("from files to the table", precision, scored, workspace, spec, device, precision)
        rows += tried("training", "float32", trained, workspace, device)
    said = "passed" if tests_passed else "failed"
    head = f"{device_name(device)}, PyTorch {torch.__version__}; the tests on it {said}."
    columns = ["what", "precision", "images/s", "TFLOP/s", "share of the peak", "of the network alone"]
    return f"{head}\n\n{table(columns, rows)}\n"


def tried(what: str, precision: str, measure: Callable[..., list[Row]], *given: Any) -> list[Row]:
    """Return the rows of a measurement, or what went wrong in its place: the rest is measured all the same."""
    try:
        return measure(*given)
    except (RuntimeError, CurateError) as error:
        return [[what, precision, "", "", "", " ".join(str(error).split())[:200]]]


def speeds(device: torch.device, model: LoadedModel, precision: str) -> list[Row]:
    """Return the peak, the network on a batch there, as it is and compiled, and on a stream of ready batches."""
    product = peak(device, precision)
    rows = [[f"product of {SIDE} x {SIDE}", precision, "", f"{product:.1f}", "100 %", ""]]
    network = Network(model, device=device.type, precision=precision, batch_size=BATCH)
    plain = network.backend
    shape = (BATCH, model.preprocess.crop, model.preprocess.crop, model.preprocess.channels)
    pixels = network.empty_batch(BATCH, shape[1:])
    pixels[:] = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    there = torch.from_numpy(pixels).to(device)
    with FlopCounterMode(display=False) as counter:
        network.launch(pixels).landed()
    flops = counter.get_total_flops() / BATCH
    with torch.inference_mode(), products_on(device, precision):
        rates = {"network": BATCH * repeated(lambda: plain.run(there), device)}
        compiled = torch.compile(plain.run)
        rates["network, torch.compile"] = BATCH * repeated(lambda: compiled(there), device)
    rates["ready batches, with copies"] = streamed(network, pixels, rates["network"])
    for name, rate in rates.items():
        done = rate * flops / 1e12
        shares = [f"{100 * done / product:.0f} %", f"{100 * rate / rates['network']:.0f} %"]
        rows.append([name, precision, f"{rate:.1f}", f"{done:.1f}", *shares])
    return rows


def streamed(network: Network, pixels: np.ndarray, rate: float) -> float:
    """Return the images a second of ready batches, sent and fetched as scoring does."""
    count = max(4, int(SECONDS * rate / BATCH))
    started = time.perf_counter()
    for _ in embed(network, range(count), lambda number: (pixels, number)):
        pass
    return count * BATCH / (time.perf_counter() - started)


def peak(device: torch.device, precision: str) -> float:
    """Return TFLOP/s of a product of square matrices."""
    a = torch.rand((SIDE, SIDE), device=device, dtype=PRECISIONS[precision])
    with products_on(device, precision):
        return repeated(lambda: a @ a, device) * 2 * SIDE**3 / 1e12


def repeated(run: Callable[[], object], device: torch.device) -> float:
    """Return how often something runs in a second, after a few times to get ready."""
    for _ in range(3):
        run()
    wait(device)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        run()
        # Now and then, because what is launched and not yet run takes memory.
        count += 1
        if count % 8 == 0:
            wait(device)
    wait(device)
    return count / (time.perf_counter() - started)


def wait(device: torch.device) -> None:
    """Wait until a card has done what was launched."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def scored(workspace: Workspace, spec: ModelSpec, device: torch.device, precision: str) -> list[Row]:
    """Return the rate of the pass from files to the table."""
    run = score_dataset(workspace, precision, spec, device=device.type, precision=precision)
    return [["from files to the table", precision, f"{run.record.rate:.1f}", "", "", ""]]


def trained(workspace: Workspace, device: torch.device) -> list[Row]:
    """Return the rate of a short training; neither decoding nor evaluations count."""
    settings = TrainSettings(dataset="float32", model="avhcurate:resnet20", epochs=2, device=device.type)
    training = train_model(workspace, settings)
    seconds = float(training.evaluations()["seconds"].iloc[-1])
    images = training.record.epochs * training.record.train_samples
    return [["training, ResNet-20, 32 px", "float32", f"{images / seconds:.1f}", "", "", ""]]


def write_photos(folder: Path) -> Path:
    """Write made-up photos of 500 x 375 in two classes: soft shapes, as large as JPEGs of photographs."""
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        path = folder / "ab"[number % 2] / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (38, 50, 3), np.uint8))
        small.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=95)
    return folder


if __name__ == "__main__":
    main()
