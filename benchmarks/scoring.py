"""How fast scoring is, beside what bounds it and what it replaces: `python -m benchmarks.scoring --help`.

One run measures in turn, and repeatedly, so that other work of the machine disturbs all of them equally:

  forward  the network alone on ready batches, in the fastest way of those tried (batch size, threads, graph)
  decode   encoded images in memory to the network's uint8 input, on all cores
  limit    1 / (1/forward + 1/decode): what both come to when they share the cores
  scoring  `score_dataset`: reading, decode, forward, thumbnails, scores, shards on disk; the first pass of a dataset
  loop     Pillow and torchvision transforms in a DataLoader, batches of 32, float32, nothing tuned; gradients on or off

A loop runs in a process of its own, because scoring changes the allocator of its process. Beside the rates stand the
milliseconds of CPU that an image takes: on a machine that others use too, they are the steadier measure.
"""

import argparse
import itertools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from avhcurate.data.runs import RunRecord
from avhcurate.data.workspace import Workspace
from avhcurate.images.decoding import decode
from avhcurate.models.head import FeatureTap
from avhcurate.models.loading import LoadedModel, ModelSpec, load_model
from avhcurate.models.runtime import find_precision, fold_batch_norm, keep_freed_memory
from avhcurate.scoring.service import score_dataset
from avhcurate.sources.service import import_dataset

#: Images a batch that the pure forward pass tries, and seconds of one of its measurements.
BATCHES = (8, 16, 32)
SECONDS = 3.0

#: Images a batch of the plain loop, as in many a tutorial.
LOOP_BATCH = 32

CORES = torch.get_num_threads()


@dataclass(frozen=True)
class Speed:
    """Images a second, and milliseconds of CPU an image, over all threads."""

    rate: float
    cpu_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="what `avhcurate import` takes")
    parser.add_argument("--model", default="torchvision:resnet50", help="as for `avhcurate score`")
    parser.add_argument("--weights", help="a file, or 'random'")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--images", type=int, default=1200, help="images of a scoring run: the data is repeated to it")
    parser.add_argument("--loop-images", type=int, default=160, help="images of a run of the plain loop")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--memory", action="store_true", help="peak memory at --images and at four times as many instead"
    )
    parser.add_argument("--only", choices=["scoring", "loop", "loop-no-grad"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only == "scoring":
        record = score_once(options.data, _spec(options), options.precision)
        print(json.dumps({"rate": record.rate, "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
    elif options.only:
        print(json.dumps(asdict(loop_speed(options, gradients=options.only == "loop"))))
    else:
        with tempfile.TemporaryDirectory() as folder:
            (print_memory if options.memory else print_speed)(options, Path(folder))


def print_speed(options: argparse.Namespace, folder: Path) -> None:
    """The table of rates, medians over the repeats."""
    data, spec = repeated(options.data, options.images, folder), _spec(options)
    keep_freed_memory()
    model = load_model(spec)
    encoded = read_images(data, 300)
    forward = Forward(model, options.precision)
    ways: dict[str, Callable[[], Speed]] = {
        "forward": forward.speed,
        "decode": lambda: decode_speed(encoded, model),
        "scoring": lambda: scoring_speed(data, spec, options.precision),
        "loop, gradients on": lambda: Speed(**_in_process(options, data, "loop")),
        "loop, gradients off": lambda: Speed(**_in_process(options, data, "loop-no-grad")),
    }
    found: dict[str, list[Speed]] = {name: [] for name in ways}
    for _ in range(options.repeats):
        for name, measure in ways.items():
            found[name].append(measure())
    middle = {name: statistics.median(speed.rate for speed in runs) for name, runs in found.items()}
    cpu = {name: statistics.median(speed.cpu_ms for speed in runs) for name, runs in found.items()}
    middle["limit"] = 1 / (1 / middle["forward"] + 1 / middle["decode"])
    cpu["limit"] = cpu["forward"] + cpu["decode"]
    print(f"{options.model}, {options.precision}, {options.images} images, {CORES} cores; forward: {forward.way}\n")
    print("| | images/s | of the limit | CPU ms an image | of the limit | images/s of single runs |")
    print("|---|---|---|---|---|---|")
    for name in ("forward", "decode", "limit", "scoring", "loop, gradients on", "loop, gradients off"):
        single = ", ".join(f"{speed.rate:.0f}" for speed in found.get(name, []))
        share = f"{middle[name] / middle['limit']:.1%} | {cpu[name]:.2f} | {cpu['limit'] / cpu[name]:.1%}"
        print(f"| {name} | {middle[name]:.1f} | {share} | {single} |")
    for name in ("loop, gradients on", "loop, gradients off"):
        print(f"\nscoring / {name}: {middle['scoring'] / middle[name]:.1f}")


def print_memory(options: argparse.Namespace, folder: Path) -> None:
    """Peak resident memory of a scoring process by the number of images."""
    print("| images | images/s | peak MiB |\n|---|---|---|")
    for images in (options.images, 4 * options.images):
        found = _in_process(options, repeated(options.data, images, folder), "scoring")
        print(f"| {images} | {found['rate']:.1f} | {found['peak_kib'] / 1024:.0f} |")


class Forward:
    """The network on normalised batches of its own precision: the fastest way of those tried, by its rate."""

    def __init__(self, model: LoadedModel, precision: str) -> None:
        self._dtype = find_precision(precision)
        self._shape = (model.preprocess.channels, model.preprocess.crop, model.preprocess.crop)
        graphs = {"frozen": self._graph(model), "optimised": torch.jit.optimize_for_inference(self._graph(model))}
        ways = list(itertools.product(graphs, BATCHES, {1, CORES}))
        found = {way: self._measure(graphs[way[0]], *way[1:], seconds=1.0) for way in ways}
        graph, batch, streams = max(found, key=lambda way: found[way].rate)
        self.speed = lambda: self._measure(graphs[graph], batch, streams, seconds=SECONDS)
        self.way = f"{graph} graph, batches of {batch}, {streams} at once on {CORES // streams} threads each"

    def _graph(self, model: LoadedModel) -> nn.Module:
        images = torch.randn(2, *self._shape)
        name = next(name for name, layer in model.module.named_modules() if layer is model.head)
        module = fold_batch_norm(model.module, images)
        tap = FeatureTap(module, module.get_submodule(name)).to(self._dtype).to(memory_format=torch.channels_last)
        with torch.no_grad():
            return torch.jit.freeze(torch.jit.trace(tap.eval(), self._batch(2), check_trace=False))

    def _batch(self, size: int) -> Tensor:
        return torch.randn(size, *self._shape).to(self._dtype).contiguous(memory_format=torch.channels_last)

    def _measure(self, graph: nn.Module, batch: int, streams: int, *, seconds: float) -> Speed:
        """Speed of `streams` threads that each run batches on their share of the cores."""
        counts = [0] * streams
        barrier = threading.Barrier(streams)

        def run(stream: int) -> tuple[float, float]:
            torch.set_num_threads(CORES // streams)
            images = self._batch(batch)
            with torch.inference_mode():
                for _ in range(3):
                    graph(images)
                barrier.wait()
                started, used = time.perf_counter(), time.process_time()
                while time.perf_counter() - started < seconds:
                    graph(images)
                    counts[stream] += batch
            return time.perf_counter() - started, time.process_time() - used

        with ThreadPoolExecutor(streams) as pool:
            taken = list(pool.map(run, range(streams)))
        torch.set_num_threads(CORES)
        rate = sum(count / seconds for count, (seconds, _) in zip(counts, taken, strict=True))
        return Speed(rate, 1000 * max(used for _, used in taken) / sum(counts))


def decode_speed(encoded: list[bytes], model: LoadedModel) -> Speed:
    """From bytes to the network's uint8 input, in a thread a core."""
    with ThreadPoolExecutor(CORES, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        started, used = time.perf_counter(), time.process_time()
        for _ in pool.map(lambda data: model.preprocess.prepare(decode(data)), encoded * 4, chunksize=16):
            pass
        taken, used = time.perf_counter() - started, time.process_time() - used
    torch.set_num_threads(CORES)
    return Speed(4 * len(encoded) / taken, 1000 * used / (4 * len(encoded)))


def scoring_speed(data: Path, spec: ModelSpec, precision: str) -> Speed:
    """A scoring run, its CPU with all around the pass over the images: import, loading, freezing, finishing."""
    used = time.process_time()
    record = score_once(data, spec, precision)
    return Speed(record.rate or 0.0, 1000 * (time.process_time() - used) / record.samples)


def score_once(data: Path, spec: ModelSpec, precision: str) -> RunRecord:
    """The record of a run over a dataset that was never scored."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        import_dataset(workspace, "benchmark", data)
        return score_dataset(workspace, "benchmark", spec, precision=precision).record


def loop_speed(options: argparse.Namespace, *, gradients: bool) -> Speed:
    """The loop that one writes first; the labels' scores are not even computed."""
    from io import BytesIO

    from PIL import Image
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
    """A Parquet file of `count` images of the source, over and over, with their labels."""
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
    """The first encoded images of a file that `repeated` wrote."""
    images: list[bytes] = []
    for batch in pq.ParquetFile(path).iter_batches(100, columns=["image"]):
        images += batch["image"].to_pylist()
        if len(images) >= count:
            break
    return images[:count]


def _spec(options: argparse.Namespace) -> ModelSpec:
    return ModelSpec(name=options.model, weights=options.weights)


def _in_process(options: argparse.Namespace, data: Path, what: str) -> dict[str, float]:
    command = [
        sys.executable,
        __file__,
        "--data",
        str(data),
        "--model",
        options.model,
        "--precision",
        options.precision,
    ]
    command += ["--loop-images", str(options.loop_images), "--only", what]
    command += ["--weights", options.weights] if options.weights else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
