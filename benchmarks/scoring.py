"""Time scoring next to its limit and to a plain loop: `python -m benchmarks.scoring --help`.

A pass over the images is cut into slices, and before each slice its parts are measured alone, so that other work of
the machine disturbs all of them equally; the shares of the limit are of slices with their own parts:

  forward  the network alone on ready uint8 batches, in the fastest way of those tried (backend, batch size, threads)
  decode   encoded images in memory to the network's uint8 input, on all cores
  limit    1 / (1/forward + 1/decode): what both come to when they share the cores; on a GPU the smaller of the two
  scoring  `score_dataset` with the fastest backend: reading, decode, forward, scores, shards on disk, and thumbnails,
           which the second of two passes finds made
  before   a whole pass of an older checkout, given as --before
  loop     Pillow and torchvision transforms in a DataLoader, batches of 32, float32, nothing tuned; gradients on or off

The last two run in processes of their own, because scoring changes the allocator of its process. Beside the rates
stand the milliseconds of CPU that an image takes: on a machine that others use too, they are the steadier measure.
`--start-up` times a small set from the start of a process to its table instead.
"""

import argparse
import itertools
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.measures import scores
from avhcurate.networks.models.backends import AS_IS, OPENVINO
from avhcurate.networks.models.engine import Network
from avhcurate.networks.models.loading import LoadedModel, ModelSpec, load_model
from avhcurate.networks.models.runtime import PRECISIONS, find_device, keep_freed_memory
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.networks.scoring.shards import Engine, ShardWork, Step
from avhcurate.workspace.data.run_records import SHARD
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Progress
from avhcurate.workspace.images.decoding import decode, decode_image, encode_thumbnail
from benchmarks.markdown import table

#: Images a batch that the pure forward pass tries, and seconds of one of its measurements.
BATCHES = (8, 16, 32)
GPU_BATCHES = (64, 128, 256)
SECONDS = 3.0

#: Shards of a slice, and the passes: the second finds the thumbnails of the first.
TOGETHER = 1
SCORING = ("scoring", "scoring, thumbnails there")

#: Images a batch of the plain loop, as in many a tutorial.
LOOP_BATCH = 32

CORES = torch.get_num_threads()

#: Scores whose order is compared.
KEYS = ("avh", "confidence", "avc", "margin")


@dataclass(frozen=True)
class Speed:
    """Images a second, and milliseconds of CPU an image, over all threads."""

    rate: float
    cpu_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="source, as for `avhcurate import`")
    parser.add_argument("--model", default="torchvision:resnet50", help="as for `avhcurate score`")
    parser.add_argument("--weights", help="a file, or 'random'")
    parser.add_argument("--precision", default="float32", choices=sorted(PRECISIONS))
    parser.add_argument("--device", default="auto", help="as for `avhcurate score`; the plain loop runs on the CPU")
    parser.add_argument("--images", type=int, default=1200, help="images of each run in a new process")
    parser.add_argument("--loop-images", type=int, default=160, help="images of the plain loop (0 = no loop)")
    parser.add_argument("--repeats", type=int, default=5, help="slices of a pass, and repetitions of the rest")
    parser.add_argument("--before", type=Path, help="folder of an older checkout to compare with")
    parser.add_argument(
        "--memory", action="store_true", help="only measure peak memory, at --images and four times as many"
    )
    parser.add_argument("--start-up", action="store_true", help="only time --images from import to table")
    parser.add_argument(
        "--megapixels", type=float, help="only decode --images enlarged to so many (0: as they are), whole and drafted"
    )
    parser.add_argument("--grain", type=float, default=0, help="noise of a camera on enlarged photos, in levels of 255")
    parser.add_argument("--resize", type=int, help="as for `avhcurate score`, with --megapixels")
    parser.add_argument("--least", type=int, help="pixels that the shorter side keeps, in place of the model's")
    parser.add_argument("--only", choices=["scoring", "start-up", "loop", "loop-no-grad"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only in ("scoring", "start-up"):
        print(json.dumps(score_once(options)))
    elif options.only:
        print(json.dumps(asdict(loop_speed(options, gradients=options.only == "loop"))))
    else:
        show = print_memory if options.memory else print_start_up if options.start_up else print_speed
        if options.megapixels is not None:
            show = print_photos
        with tempfile.TemporaryDirectory() as folder:
            show(options, Path(folder))


def print_speed(options: argparse.Namespace, folder: Path) -> None:
    """Print rates and CPU, medians and single values, and the shares of the limit by slice."""
    data = repeated(options.data, options.repeats * TOGETHER * SHARD, folder / "slices")
    keep_freed_memory()
    model = load_model(_spec(options))
    forward, encoded = Forward(model, options.device, options.precision), read_images(data, 300)
    alone = {"forward": forward.speed, "decode": lambda: decode_speed(encoded, model)}
    workspace = Workspace(folder / "workspace")
    import_dataset(workspace, "benchmark", data)
    speeds: dict[str, list[Speed]] = {name: [] for name in (*alone, "limit")}
    shares = []
    for name in SCORING:
        engine = PacedEngine(forward.backend, alone)
        run = score_dataset(
            workspace, "benchmark", _spec(options), device=options.device, precision=options.precision, engine=engine
        )
        shutil.rmtree(run.root)
        for slice in engine.slices:
            for part, speed in (slice.alone | {"limit": slice.limit(on_gpu=forward.on_gpu)}).items():
                speeds[part].append(speed)
        speeds[name] = [slice.scoring for slice in engine.slices]
        shares.append([name, *engine.shares(on_gpu=forward.on_gpu)])
    ways = beside(options, folder)
    speeds |= {name: [measure() for _ in range(options.repeats)] for name, measure in ways.items()}
    print(f"{options.model}, {options.precision}, {CORES} cores; forward: {forward.way}")
    print(f"best of each way tried: {forward.tried}\n")
    print(table(["", "images/s", "CPU ms an image", "images/s of single slices or runs"], map(_row, speeds.items())))
    print()
    print(table(["share of the limit, median (lowest to highest)", "by the clock", "by CPU"], shares))
    first = _middle(speeds[SCORING[0]])
    for name in ways:
        print(f"\n{SCORING[0]} / {name}: {first.rate / _middle(speeds[name]).rate:.2f}")


def _middle(speeds: list[Speed]) -> Speed:
    return Speed(*(statistics.median(values) for values in zip(*map(astuple, speeds), strict=True)))


def _row(named: tuple[str, list[Speed]]) -> list[str]:
    name, speeds = named
    middle = _middle(speeds)
    return [name, f"{middle.rate:.1f}", f"{middle.cpu_ms:.2f}", ", ".join(f"{speed.rate:.0f}" for speed in speeds)]


def beside(options: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Speed]]:
    """Time the plain loops, each in a new process."""
    ways: dict[str, Callable[[], Speed]] = {}
    if not options.before and not options.loop_images:
        return ways
    data = repeated(options.data, options.images, folder)
    if options.before:
        ways["before"] = lambda: scoring_speed(_in_process(options, data, "scoring", root=options.before))
    if options.loop_images:
        ways["loop, gradients on"] = lambda: Speed(**_in_process(options, data, "loop"))
        ways["loop, gradients off"] = lambda: Speed(**_in_process(options, data, "loop-no-grad"))
    return ways


def print_memory(options: argparse.Namespace, folder: Path) -> None:
    """Print the peak resident memory of a scoring process by the number of images."""
    print("| images | images/s | peak MiB |\n|---|---|---|")
    for images in (options.images, 4 * options.images):
        found = _in_process(options, repeated(options.data, images, folder), "scoring")
        print(f"| {images} | {found['rate']:.1f} | {found['peak_kib'] / 1024:.0f} |")


def print_start_up(options: argparse.Namespace, folder: Path) -> None:
    """Print seconds from the start of a process to the table, and their ratio to those of its pass."""
    data = repeated(options.data, options.images, folder)
    print("| run | from start to table, s | the pass, s | ratio | backend |\n|---|---|---|---|---|")
    ratios = []
    for number in range(options.repeats):
        started = time.perf_counter()
        found = _in_process(options, data, "start-up")
        taken, seconds = time.perf_counter() - started, options.images / found["rate"]
        ratios.append(taken / seconds)
        print(f"| {number + 1} | {taken:.1f} | {seconds:.1f} | {ratios[-1]:.2f} | {found['backend']} |")
    print(f"\nmedian ratio over {options.repeats} runs of {options.images} images: {statistics.median(ratios):.2f}")


def print_photos(options: argparse.Namespace, folder: Path) -> None:
    """Print what a photo costs from bytes to the network's input and a thumbnail, and how alike scores order photos."""
    from scipy.stats import spearmanr

    model = load_model(_spec(options))
    data = repeated(options.data, options.images, folder)
    labels = pq.read_table(data, columns=["label"])["label"].to_numpy()
    ways = {"whole": None, "drafted": options.least or model.preprocess.least}
    spent = {name: list[float]() for name in ways}
    squares = {name: list[np.ndarray]() for name in ways}
    sizes, smaller = [], 0
    torch.set_num_threads(1)
    for number, encoded in enumerate(read_images(data, options.images)):
        if options.megapixels:
            encoded = enlarged(encoded, options.megapixels, options.grain, seed=number)
        sizes.append(len(encoded) / 1e6)
        pixels = []
        for name, least in ways.items():
            began = time.process_time()
            rgb = decode(encoded, least)
            squares[name].append(model.preprocess.prepare(rgb))
            encode_thumbnail(rgb)
            spent[name].append(1000 * (time.process_time() - began))
            pixels.append(rgb.size)
        smaller += pixels[1] < pixels[0]
    torch.set_num_threads(CORES)
    network = Network(model, device=options.device, precision=options.precision)
    scored = {}
    for name in ways:
        features, logits = network(np.stack(squares[name]))
        scored[name] = scores.per_sample(features, model.class_weights, logits, labels, keys=KEYS)
    rows = [[name, f"{statistics.median(each):.1f}", f"{statistics.mean(each):.1f}"] for name, each in spent.items()]
    print(f"{len(labels)} photos, median {statistics.median(sizes):.2f} MB; {smaller} of them drafted")
    print(table(["decoded", "CPU ms an image with thumbnail, median", "mean"], rows))
    for key in KEYS:
        whole, drafted = (scored[name][key] for name in ways)
        print(f"{key}: Spearman {spearmanr(whole, drafted).statistic:.6f}, equal to the bit {(whole == drafted).sum()}")


def enlarged(encoded: bytes, megapixels: float, grain: float, *, seed: int) -> bytes:
    """Return a photo as a camera would store it: so many megapixels, JPEG of quality 90."""
    image = decode_image(encoded)[0]
    scale = math.sqrt(megapixels * 1e6 / (image.width * image.height))
    # Sides of cameras are whole blocks.
    width, height = (round(side * scale / 8) * 8 for side in image.size)
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    if grain:
        noise = np.random.default_rng(seed).standard_normal((image.height, image.width, 1), np.float32)
        image = Image.fromarray(np.clip(np.asarray(image) + np.float32(grain) * noise, 0, 255).astype(np.uint8))
    stream = BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


class Forward:
    """The network on ready batches: the fastest way of those tried, by its rate."""

    def __init__(self, model: LoadedModel, device: str, precision: str) -> None:
        self._model = model
        self.on_gpu = find_device(device).type == "cuda"
        # A CPU's backend is made once: its graph takes batches of any size.
        sizes = GPU_BATCHES if self.on_gpu else BATCHES[-1:]
        networks: list[Network] = []
        for name, size in itertools.product((None,) if self.on_gpu else (AS_IS, OPENVINO), sizes):
            # What cannot run the network is left out.
            with suppress(CurateError):
                networks.append(Network(model, device=device, precision=precision, batch_size=size, backend=name))
        ways = [
            (network, batch, streams)
            for network in networks
            for batch in ((network.batch_size,) if self.on_gpu else BATCHES)
            for streams in ({1, CORES} if network.backend.concurrent else {1})
        ]
        found = {way: self._measure(*way, seconds=1.0).rate for way in ways}
        network, batch, streams = max(found, key=lambda way: found[way])
        self.backend = network.backend.name
        self.speed = lambda: self._measure(network, batch, streams, seconds=SECONDS)
        self.way = f"{self.backend}, batches of {batch}, {streams} at once on {CORES // streams} threads each"
        names = {way[0].backend.name for way in ways}
        best = {name: max(found[way] for way in ways if way[0].backend.name == name) for name in sorted(names)}
        self.tried = ", ".join(f"{name} {rate:.1f}" for name, rate in best.items())

    def _measure(self, network: Network, batch: int, streams: int, *, seconds: float) -> Speed:
        """Return the speed of `streams` threads that each run batches on their share of the cores."""
        preprocess = self._model.preprocess
        shape = (batch, preprocess.crop, preprocess.crop, preprocess.channels)
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        counts = [0] * streams
        barrier = threading.Barrier(streams)

        def run(stream: int) -> tuple[float, float]:
            torch.set_num_threads(CORES // streams)
            for _ in range(3):
                network(pixels)
            barrier.wait()
            started, used = time.perf_counter(), time.process_time()
            while time.perf_counter() - started < seconds:
                # Fetching the outputs waits for a GPU.
                network(pixels)
                counts[stream] += batch
            return time.perf_counter() - started, time.process_time() - used

        with ThreadPoolExecutor(streams) as pool:
            taken = list(pool.map(run, range(streams)))
        torch.set_num_threads(CORES)
        rate = sum(count / seconds for count, (seconds, _) in zip(counts, taken, strict=True))
        return Speed(rate, 1000 * max(used for _, used in taken) / sum(counts))


def decode_speed(encoded: list[bytes], model: LoadedModel) -> Speed:
    """Time decoding from bytes to the network's uint8 input, a thread per core."""
    with ThreadPoolExecutor(CORES, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        started, used = time.perf_counter(), time.process_time()
        for _ in pool.map(
            lambda data: model.preprocess.prepare(decode(data, model.preprocess.least)), encoded * 4, chunksize=16
        ):
            pass
        taken, used = time.perf_counter() - started, time.process_time() - used
    torch.set_num_threads(CORES)
    return Speed(4 * len(encoded) / taken, 1000 * used / (4 * len(encoded)))


def scoring_speed(found: dict[str, Any]) -> Speed:
    """Time a scoring run in a new process; an older checkout may not report its CPU."""
    return Speed(found["rate"], found.get("cpu_ms", math.nan))


@dataclass(frozen=True)
class Slice:
    """Measured one after the other: the single parts, and scoring."""

    alone: dict[str, Speed]
    scoring: Speed

    def limit(self, *, on_gpu: bool) -> Speed:
        """Return the rate of both parts when they share the cores; on a GPU that of the slower."""
        rates = [speed.rate for speed in self.alone.values()]
        rate = min(rates) if on_gpu else 1 / sum(1 / rate for rate in rates)
        return Speed(rate, sum(speed.cpu_ms for speed in self.alone.values()))


class PacedEngine(Engine):
    """An engine in this process that measures the single parts of the work before every few shards."""

    def __init__(self, backend: str, alone: dict[str, Callable[[], Speed]]) -> None:
        self._backend, self._alone = backend, alone
        self.slices: list[Slice] = []

    def network(self, model: LoadedModel, **options: Any) -> Network:
        return super().network(model, **(options | {"backend": self._backend}))

    def steps(self, work: ShardWork, shards: Sequence[int]) -> Iterator[Step]:
        do = work.begin()
        for start in range(0, len(shards), TOGETHER):
            some = shards[start : start + TOGETHER]
            alone = {name: measure() for name, measure in self._alone.items()}
            started, used = time.perf_counter(), time.process_time()
            # Their results are committed before the next is asked for, the last one too.
            yield from do([some])
            taken, used = time.perf_counter() - started, time.process_time() - used
            images = sum(len(work.ids_of(shard)) for shard in some)
            self.slices.append(Slice(alone, Speed(images / taken, 1000 * used / images)))

    def shares(self, *, on_gpu: bool) -> list[str]:
        """Return shares of the limit, by the clock and by CPU."""
        pairs = [(slice.limit(on_gpu=on_gpu), slice.scoring) for slice in self.slices]
        clock = [scoring.rate / limit.rate for limit, scoring in pairs]
        cpu = [limit.cpu_ms / scoring.cpu_ms for limit, scoring in pairs]
        return [f"{statistics.median(each):.1%} ({min(each):.1%} to {max(each):.1%})" for each in (clock, cpu)]


def score_once(options: argparse.Namespace) -> dict[str, Any]:
    """Score a new dataset; return the rate of the pass, its CPU, the peak memory and the backend."""
    cpu: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        import_dataset(workspace, "benchmark", options.data)
        record = score_dataset(
            workspace,
            "benchmark",
            _spec(options),
            device=options.device,
            precision=options.precision,
            # Told before the pass, after each batch and at the very end; with a message in between.
            progress=Progress(lambda done, total, message: cpu.append(time.process_time()) if not message else None),
        ).record
    assert record.backend is not None
    return {
        "rate": record.rate,
        "cpu_ms": 1000 * (cpu[-2] - cpu[0]) / record.samples,
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "backend": record.backend.name,
    }


def loop_speed(options: argparse.Namespace, *, gradients: bool) -> Speed:
    """Time a plain loop, without computing scores of labels."""
    from torch.utils.data import DataLoader
    from torchvision import transforms

    model = load_model(_spec(options))
    module = model.module.requires_grad_(gradients)
    preprocess = transforms.Compose(
        [
            transforms.Resize(model.preprocess.resize),
            transforms.CenterCrop(model.preprocess.crop),
            transforms.ToTensor(),
            transforms.Normalize(model.preprocess.mean, model.preprocess.std),
        ]
    )

    class Images(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __init__(self) -> None:
            self.encoded = read_images(options.data, options.loop_images)

        def __len__(self) -> int:
            return len(self.encoded)

        def __getitem__(self, index: int) -> Tensor:
            return preprocess(Image.open(BytesIO(self.encoded[index])).convert("RGB"))

    loader = DataLoader(Images(), batch_size=LOOP_BATCH)
    predicted = []
    with torch.set_grad_enabled(gradients):
        module(next(iter(loader)))
        started, used = time.perf_counter(), time.process_time()
        for images in loader:
            probs = module(images).softmax(dim=1)
            predicted.append(probs.argmax(dim=1).tolist())
        taken, used = time.perf_counter() - started, time.process_time() - used
    return Speed(len(loader.dataset) / taken, 1000 * used / len(loader.dataset))


def repeated(source: Path, count: int, folder: Path) -> Path:
    """Write a Parquet file of `count` images of the source, repeated, with their labels."""
    workspace = Workspace(folder / "source")
    dataset = import_dataset(workspace, "source", source)
    labels, images = dataset.labels().tolist(), dataset.images()
    path = folder / f"images{count}.parquet"
    schema = pa.schema({"image": pa.binary(), "label": pa.int32()})
    with pq.ParquetWriter(path, schema, compression="none") as writer:
        for start in range(0, count, 100):
            ids = [id % len(labels) for id in range(start, min(start + 100, count))]
            writer.write_table(
                pa.table({"image": [images.read_one(id) for id in ids], "label": [labels[id] for id in ids]}, schema)
            )
    return path


def read_images(path: Path, count: int) -> list[bytes]:
    """Return the first encoded images of a file that `repeated` wrote."""
    images: list[bytes] = []
    for batch in pq.ParquetFile(path).iter_batches(100, columns=["image"]):
        images += batch["image"].to_pylist()
        if len(images) >= count:
            break
    return images[:count]


def _spec(options: argparse.Namespace) -> ModelSpec:
    return ModelSpec(name=options.model, weights=options.weights, resize=options.resize)


def _in_process(
    options: argparse.Namespace, data: Path, what: str, root: Path = Path(__file__).parents[1]
) -> dict[str, Any]:
    command = [sys.executable, str(root / "benchmarks" / "scoring.py"), "--data", str(data), "--only", what]
    command += ["--model", options.model, "--precision", options.precision, "--loop-images", str(options.loop_images)]
    command += ["--weights", options.weights] if options.weights else []
    # An older checkout does not know the device, nor does a CPU's benchmark need it.
    command += ["--device", options.device] if options.device != "auto" else []
    # Threads wait as they do for the command line.
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
