"""Compare what can run a network on a CPU: `python -m benchmarks.backends --data PHOTOS`.

Six networks of kinds that users bring, with random weights where none are at hand. Speeds are images a second of
processor time, one thread, batches of 8: the ways take turns, so that other work of the machine disturbs all alike. The
agreement is that of photos with torch: the largest difference of a logit, as a share of the largest logit, and Spearman
of AVH and confidence. onnxruntime is measured where it and onnxscript are installed.
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.measures import scores
from avhcurate.networks.models.backends import AS_IS, OPENVINO
from avhcurate.networks.models.engine import Network
from avhcurate.networks.models.loading import LoadedModel, ModelSpec, load_model
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.images.decoding import decode
from benchmarks.markdown import table

NETWORKS = (
    "torchvision:resnet50",
    "efficientnet-lite0",
    "torchvision:mobilenet_v3_large",
    "torchvision:convnext_tiny",
    "timm:vit_small_patch16_224",
    "avhcurate:resnet20",
)
BATCH = 8
KEYS = ("avh", "confidence")

#: Features of uint8 images (n, S, S, C).
Run = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="source of photos, as for `avhcurate import`")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--images", type=int, default=96, help="photos of which the scores are compared")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rgb = _photos(options.data, options.images)
    print(f"load {os.getloadavg()[0]:.1f}, {options.rounds} rounds, {len(rgb)} photos", flush=True)
    speeds, agreement = [], []
    for name in options.networks:
        model = load_model(ModelSpec(name=name, weights=None if name.startswith("efficientnet") else "random"))
        ways, made = _ways(model)
        times = _times(ways, model, options.rounds)
        pairs = [
            f"{statistics.median(times[AS_IS][i] / each[i] for i in range(options.rounds)):.2f}"
            for each in times.values()
        ]
        rates = [f"{BATCH / statistics.median(each):.1f}" for each in times.values()]
        speeds.append([name, *(f"{rate} ({pair})" for rate, pair in zip(rates, pairs, strict=True)), *made])
        agreement.append([name, *_agreement(ways, model, rgb)])
        print(*speeds[-1], *agreement[-1][1:], flush=True)
    names = list(ways)
    print()
    print(
        table(["images a CPU second (times torch)", *names, *(f"{name}: CPU s to make" for name in names[1:])], speeds)
    )
    print()
    columns = [f"{name}: {what}" for name in names[1:] for what in ("logits", *KEYS)]
    print(table(["agreement with torch", *columns], agreement))


def _photos(source: Path, count: int) -> list[np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        dataset = import_dataset(Workspace(Path(folder)), "photos", source)
        images = dataset.images()
        return [decode(images.read_one(id)) for id in range(min(count, len(dataset.labels())))]


def _ways(model: LoadedModel) -> tuple[dict[str, Run], list[str]]:
    """Return each way to run the network, and the processor seconds that each but the first took to make."""
    ways: dict[str, Run] = {}
    made = []
    plain = Network(model, device="cpu", batch_size=BATCH, backend=AS_IS)
    ways[AS_IS] = plain.backend.run
    for name, make in ((OPENVINO, _openvino), ("onnxruntime", _onnxruntime)):
        with suppress(ImportError):
            began = time.process_time()
            ways[name] = make(model, plain)
            made.append(f"{time.process_time() - began:.1f}")
    return ways, made


def _openvino(model: LoadedModel, plain: Network) -> Run:
    return Network(model, device="cpu", batch_size=BATCH, backend=OPENVINO).backend.run


def _onnxruntime(model: LoadedModel, plain: Network) -> Run:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime
    import onnxscript  # noqa: F401

    side, channels = model.preprocess.crop, model.preprocess.channels
    images = torch.zeros((2, side, side, channels), dtype=torch.uint8)
    any_number = ({0: torch.export.Dim("images", min=1, max=4096)},)
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        program = torch.export.export(plain.backend.run, (images,), dynamic_shapes=any_number)  # type: ignore[arg-type]
        exported = torch.onnx.export(program, dynamo=True, verbose=False)
    assert exported is not None
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level, settings.intra_op_num_threads = 4, 1
    content = exported.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: torch.from_numpy(session.run(None, {name: images.numpy()})[0])


def _times(ways: dict[str, Run], model: LoadedModel, rounds: int) -> dict[str, list[float]]:
    """Return processor seconds a batch, by way and round."""
    side = model.preprocess.crop
    images = torch.randint(0, 256, (BATCH, side, side, model.preprocess.channels), dtype=torch.uint8)
    repeats = max(1, (224 // side) ** 2 // 2)
    times: dict[str, list[float]] = {name: [] for name in ways}
    with torch.inference_mode():
        for turn in range(-1, rounds):
            for name, run in ways.items():
                began = time.process_time()
                for _ in range(repeats):
                    run(images)
                if turn >= 0:
                    times[name].append((time.process_time() - began) / repeats)
    return times


def _agreement(ways: dict[str, Run], model: LoadedModel, rgb: list[np.ndarray]) -> list[str]:
    """Return, of each way but the first, how far it agrees with the first."""
    images = torch.from_numpy(np.stack([model.preprocess.prepare(each) for each in rgb]))
    found = []
    for run in ways.values():
        with torch.inference_mode():
            features = torch.cat([run(batch) for batch in images.split(BATCH)]).numpy()
        logits = features @ model.class_weights.T + model.bias
        labels = np.random.default_rng(0).integers(0, len(model.bias), len(rgb))
        found.append((logits, scores.per_sample(features, model.class_weights, logits, labels, keys=KEYS)))
    (exact, plain), *others = found
    return [
        text
        for logits, values in others
        for text in (
            f"{np.abs(logits - exact).max() / np.abs(exact).max():.1e}",
            *(f"{stats.spearmanr(values[key], plain[key]).statistic:.6f}" for key in KEYS),
        )
    ]


if __name__ == "__main__":
    main()
