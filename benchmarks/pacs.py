"""Domain generalisation on PACS, CNN-9 with cross-entropy against CNN-9 with the AVH loss: `python -m benchmarks.pacs`.

One domain is left out in turn: the network is trained on 90 % of the three others and tested on the one left out. The
other 10 % give the accuracy within the domains. Nothing is chosen by the domain left out: the weights are those after
the last epoch, and both losses have the same recipe, the same first weights, the same order and the same crops by seed.

    python -m benchmarks.pacs --data pacs_128.parquet --out FOLDER

One finished training is one file under FOLDER. The same command goes on where it was stopped, within a training too;
run twice at once it shares the work. The schedule is the full one where CUDA is, else a reduced one.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from avhcurate.disk.files import sha256, write_json
from avhcurate.disk.jobs import SILENT, Cancelled, Progress
from avhcurate.errors import CurateError
from avhcurate.images.decoding import decode
from avhcurate.models.own import Cnn9
from avhcurate.models.preprocess import Preprocess
from avhcurate.models.runtime import find_device
from avhcurate.training.checkpoints import read_checkpoint
from avhcurate.training.evaluation import EvalSchedule, evaluate
from avhcurate.training.images import LabelledImages
from avhcurate.training.learner import Learner, make_learner
from avhcurate.training.recipe import PRECISIONS, Recipe
from avhcurate.training.trainer import train
from benchmarks.pacs_results import DOMAINS, LOSSES, Result, Settings, report

#: The schedules: pixels a side, width of CNN-9's first block, epochs, seeds.
FULL = {"size": 128, "width": 64, "epochs": 100, "seeds": "0,1,2,3,4"}
REDUCED = {"size": 32, "width": 16, "epochs": 20, "seeds": "0,1,2"}

#: Share of each source domain that is not trained on.
HELD_OUT = 0.1
RESULT = "result.json"


class Pacs(NamedTuple):
    """Images (N, 3, S, S) uint8, labels (N,) int64, domains (N,) text, K class names."""

    images: Tensor
    labels: Tensor
    domains: np.ndarray
    classes: list[str]


class Split(NamedTuple):
    """Indices: trained on, held out of the same domains, and of the domain left out."""

    train: np.ndarray
    inside: np.ndarray
    target: np.ndarray


def read_pacs(path: Path, size: int) -> Pacs:
    """All images of a Parquet file with image bytes, `label` and `domain`, squares of `size` pixels a side."""
    if not path.is_file():
        raise CurateError(f"--data {path} does not exist: give the Parquet file of PACS")
    file = pq.ParquetFile(path)
    lacking = {"image", "label", "domain"} - set(file.schema_arrow.names)
    if lacking:
        raise CurateError(
            f"--data {path} has no column {', '.join(sorted(lacking))}: image, label and domain are needed"
        )
    preprocess = Preprocess(resize=size, crop=size)
    images, labels, domains = [], [], []
    for batch in file.iter_batches(500, columns=["image", "label", "domain"]):
        for encoded in batch["image"].field("bytes"):
            images.append(torch.from_numpy(preprocess.prepare(decode(encoded.as_py()))).permute(2, 0, 1))
        labels.append(batch["label"].to_numpy())
        domains.append(batch["domain"].to_numpy(zero_copy_only=False))
    names = (file.schema_arrow.metadata or {}).get(b"classes", b"").decode()
    label = torch.from_numpy(np.concatenate(labels).astype(np.int64))
    classes = names.split(",") if names else [str(k) for k in range(int(label.max()) + 1)]
    return Pacs(torch.stack(images).contiguous(), label, np.concatenate(domains).astype(str), classes)


def split(domains: np.ndarray, target: str, *, seed: int) -> Split:
    """Leaves `target` out, and of each other domain a tenth at random.

    >>> parts = split(np.repeat(["a", "b", "c"], 10), "b", seed=0)
    >>> [len(part) for part in parts], parts.target.tolist() == list(range(10, 20))
    ([18, 2, 10], True)
    """
    rng = np.random.default_rng(seed)
    inside = [
        rng.choice(members, max(1, round(HELD_OUT * len(members))), replace=False)
        for source in sorted(set(domains.tolist()) - {target})
        for members in [np.flatnonzero(domains == source)]
    ]
    held = np.sort(np.concatenate(inside))
    return Split(np.setdiff1d(np.flatnonzero(domains != target), held), held, np.flatnonzero(domains == target))


def channel_statistics(images: Tensor, chosen: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean and deviation (3,) of pixels in units of [0, 1], of some of the images (N, 3, S, S) uint8."""
    pixels = (images[torch.from_numpy(chosen), channel].flatten() for channel in range(3))
    counts = torch.stack([torch.bincount(values, minlength=256) for values in pixels]).double()
    share, value = counts / counts.sum(1, keepdim=True), torch.arange(256).double() / 255
    mean = share @ value
    return mean.float(), (share @ value.square() - mean.square()).clamp_min(1e-6).sqrt().float()


def train_one(
    pacs: Pacs,
    target: str,
    loss: str,
    seed: int,
    settings: Settings,
    folder: Path,
    *,
    device: str = "auto",
    progress: Progress = SILENT,
) -> Result:
    """Trains one network, from its checkpoint in `folder` where there is one, and writes `result.json` there.

    Raises Cancelled when asked to stop; the next call then goes on, to the same bits on a CPU.
    """
    parts = split(pacs.domains, target, seed=seed)
    mean, std = channel_statistics(pacs.images, parts.train)
    images = LabelledImages(pacs.images, pacs.labels, mean, std)
    inside, recipe, place = images.part(parts.inside), _recipe(settings, loss, seed), find_device(device)
    checkpoint = folder / "checkpoint.pt"
    module = train(
        _fresh(len(pacs.classes), settings.width, seed),
        images.part(parts.train),
        recipe,
        held_out=inside,
        device=place,
        schedule=EvalSchedule(every=max(1, settings.epochs // 5)),
        on_eval=lambda result: say(
            f"  epoch {result.epoch:.0f}: loss {result.train_loss:.3f}, {result.accuracy:.1%} right within the "
            f"domains, {result.seconds:.0f} s"
        ),
        checkpoint=checkpoint,
        progress=progress,
    )
    learner = make_learner(module, images, recipe).to(place)
    result = Result(
        target=target,
        loss=loss,
        seed=seed,
        target_accuracy=None if settings.blind else right(learner, images.part(parts.target), place),
        inside_accuracy=right(learner, inside, place),
        trained=len(parts.train),
        held_out=len(parts.inside),
        tested=len(parts.target),
        seconds=float((read_checkpoint(checkpoint) or {"seconds": 0})["seconds"]),
        device=place.type,
        versions={name: version(name) for name in ("torch", "numpy")},
        finished=datetime.now(UTC),
    )
    write_json(folder / RESULT, result)
    checkpoint.unlink(missing_ok=True)
    return result


def _fresh(classes: int, width: int, seed: int) -> Cnn9:
    """The network as it is before training: the same for both losses."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Cnn9(classes, width)


def _recipe(settings: Settings, loss: str, seed: int) -> Recipe:
    return Recipe(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        clip=settings.clip,
        loss=loss,
        scale=settings.scale,
        precision=settings.precision,
        crop_padding=settings.size // 8,
        seed=seed,
    )


def right(learner: Learner, images: LabelledImages, device: torch.device) -> float:
    """Share of the images whose largest logit, that of the loss, is their label's."""
    return float(evaluate(learner, images, device)["correct"].mean())


def say(text: str) -> None:
    print(text, flush=True)


def finished(out: Path) -> list[Result]:
    """The results in a folder, in order of seed, domain and loss."""
    results = [Result.model_validate_json(path.read_bytes()) for path in out.glob(f"*/{RESULT}")]
    return sorted(results, key=lambda r: (r.seed, list(DOMAINS).index(r.target), list(LOSSES).index(r.loss)))


def settle(out: Path, settings: Settings) -> None:
    """Stores the settings of the folder's trainings; CurateError when it holds others."""
    path = out / "settings.json"
    if path.exists():
        earlier = Settings.model_validate_json(path.read_bytes())
        other = [f"{name} {value}" for name, value in earlier if value != getattr(settings, name)]
        if other:
            raise CurateError(f"{out} holds trainings with {', '.join(other)}: give those, or another --out")
    else:
        write_json(path, settings)


def run(options: argparse.Namespace, progress: Progress = SILENT) -> None:
    """Trains what is not there yet, and prints the table of what is."""
    settings = _settings(options)
    wanted = [
        (domain, loss, seed)
        for seed in _listed(options.seeds, int)
        for domain in _listed(options.domains, str)
        for loss in _listed(options.losses, str)
    ]
    unknown = {domain for domain, _, _ in wanted} - set(DOMAINS) | {loss for _, loss, _ in wanted} - set(LOSSES)
    if unknown:
        raise CurateError(f"there is no {', '.join(sorted(unknown))}: choose from {', '.join([*DOMAINS, *LOSSES])}")
    settle(options.out, settings)
    pacs: Pacs | None = None
    for number, (domain, loss, seed) in enumerate(wanted, 1):
        folder = options.out / f"{domain}-{loss}-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / "lock", timeout=0):
                if (folder / RESULT).exists():
                    continue
                pacs = pacs or read_pacs(options.data, settings.size)
                say(f"{number} of {len(wanted)}: {domain} left out, {loss}, seed {seed}")
                result = train_one(pacs, domain, loss, seed, settings, folder, device=options.device, progress=progress)
                say(f"  {_percent(result.target_accuracy)} right on {domain}, {result.inside_accuracy:.1%} within")
        except Timeout:
            say(f"{number} of {len(wanted)}: {domain} left out, {loss}, seed {seed} is under way in another process")
    if results := finished(options.out):
        say("\n" + report(results, settings))


def _percent(share: float | None) -> str:
    return "not measured" if share is None else f"{share:.1%}"


def _listed(text: str, kind: Callable[[str], Any]) -> list[Any]:
    return [kind(part.strip()) for part in text.split(",") if part.strip()]


def _settings(options: argparse.Namespace) -> Settings:
    names = set(Settings.model_fields) - {"data_sha256"}
    if not options.data.is_file():
        raise CurateError(f"--data {options.data} does not exist: give the Parquet file of PACS")
    return Settings(data_sha256=sha256(options.data), **{name: getattr(options, name) for name in names})


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; what is not given is that of the full schedule, or of the reduced one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Parquet file with image bytes, label and domain")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument(
        "--full",
        action=argparse.BooleanOptionalAction,
        default=torch.cuda.is_available(),
        help=f"the schedule {FULL}, the default where CUDA is, instead of {REDUCED}",
    )
    parser.add_argument("--size", type=int, help="pixels a side")
    parser.add_argument("--width", type=int, help="channels of the first block")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", help="numbers with commas between")
    parser.add_argument("--domains", default=",".join(DOMAINS), help="those to leave out in turn")
    parser.add_argument("--losses", default=",".join(LOSSES))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.1, help="the peak of the one-cycle schedule")
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--clip", type=float, default=1.0, help="largest length of the gradient")
    parser.add_argument("--scale", type=float, default=20.0, help="of the AVH loss")
    parser.add_argument("--precision", default="bfloat16", choices=PRECISIONS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, help="of the processor")
    parser.add_argument(
        "--blind", action="store_true", help="do not measure the domain left out: for choosing rates and scales"
    )
    options = parser.parse_args(arguments)
    for name, value in (FULL if options.full else REDUCED).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    stopped: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: stopped.append(number)) for number in numbers]
    try:
        run(options, Progress(should_stop=lambda: bool(stopped)))
    except Cancelled as reason:
        say(str(reason))
        return 1
    except CurateError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    return 0


if __name__ == "__main__":
    sys.exit(main())
