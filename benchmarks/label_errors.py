"""Labels of CIFAR-10 that networks doubt which never saw them: `python -m benchmarks.label_errors --help`.

    python -m benchmarks.label_errors --train cifar10_train.parquet --test cifar10h_test.parquet --out label_errors
    python -m benchmarks.label_errors --train ... --test ... --out label_errors --report

Training and test images are one set, cut into folds; for each fold a network of the recipe `cifar-fast` learns the
other folds and judges this one. Angles, neighbours within a fold and confident learning are combined as in
`avhcurate suspects`, whose sources with votes are left out, because the annotators of CIFAR-10H are the judges: of the
test images the report says how many of the suspects people doubt too. Of the training images nobody has published
votes; the suspects of both are in `suspects.csv`, by rank, for whoever judges them. A fold leaves one file, and the
same call goes on where one was stopped, also within a training.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from scipy.special import softmax

from avhcurate import scores
from avhcurate.disk.files import replacing
from avhcurate.disk.jobs import Progress
from avhcurate.errors import CurateError
from avhcurate.models.own import CifarFast
from avhcurate.stats.folds import stratified_folds
from avhcurate.stats.intervals import share
from avhcurate.stats.neighbours import nearest_of
from avhcurate.suspects import rules
from avhcurate.training.images import LabelledImages, Stacked
from avhcurate.training.recipe import RECIPES
from avhcurate.training.trainer import train
from benchmarks.label_noise import NEIGHBOURS, opinion_of
from benchmarks.markdown import table as markdown
from benchmarks.resumable import add_results, run_until, say
from benchmarks.train_cifar import read_images
from benchmarks.when_angles import outputs, read_hsf

#: How many of the first suspects are judged by themselves.
FIRST = (100, 500, 1000)


@dataclass(frozen=True)
class Both:
    """Training images, then test images, as one set; HSF (N,) and `doubted` (N,) are known of the test images alone.

    People doubt a label where another class has more of their votes.
    """

    images: LabelledImages
    training: int
    hsf: np.ndarray
    doubted: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        return torch.as_tensor(self.images.labels).numpy()


def read(train: Path, test: Path) -> Both:
    first, second = read_images(train), read_images(test)
    labels = torch.cat([torch.as_tensor(part.labels) for part in (first, second)])
    votes = pq.read_table(test, columns=["label", "human_counts"])
    counts, given = np.array(votes["human_counts"].to_pylist()), votes["label"].to_numpy()
    unknown = len(first)
    return Both(
        LabelledImages(Stacked(first, second), labels, first.mean, first.std, rows=np.arange(len(labels))),
        unknown,
        np.concatenate([np.full(unknown, np.nan), read_hsf(test)]),
        np.concatenate([np.zeros(unknown, bool), counts.max(axis=1) > counts[np.arange(len(given)), given]]),
    )


def folds_of(both: Both, folds: int, seed: int) -> np.ndarray:
    """The fold (N,) of each image."""
    return stratified_folds(both.labels, np.arange(len(both.labels)), folds=folds, seed=seed)


def file_of(options: argparse.Namespace, fold: int) -> Path:
    """Where a fold's outputs lie, apart from those by other settings."""
    how = f"width{options.width}-epochs{options.epochs}-seed{options.seed}"
    return options.out / f"{how}-fold{fold}of{options.folds}.npz"


def cross_validate(both: Both, options: argparse.Namespace, progress: Progress) -> bool:
    """Trains what is missing: a file a fold, with `features, class_weights, logits` of the images held out."""
    fold_of = folds_of(both, options.folds, options.seed)
    for fold in range(options.folds):
        path = file_of(options, fold)
        if path.exists():
            continue
        held_out = both.images.part(np.flatnonzero(fold_of == fold))
        recipe = replace(RECIPES["cifar-fast"].recipe, epochs=options.epochs, seed=options.seed)
        torch.manual_seed(options.seed)
        module = train(
            CifarFast(int(both.labels.max()) + 1, (options.width, 4 * options.width, 4 * options.width)),
            both.images.part(np.flatnonzero(fold_of != fold)),
            recipe,
            held_out=held_out,
            device="cpu",
            on_eval=lambda one: say(f"fold {fold}, epoch {one.epoch:.0f}: {one.accuracy:.4f} right"),  # noqa: B023
            checkpoint=path.with_suffix(".checkpoint"),
            progress=progress,
        )
        found: dict[str, Any] = outputs(module, recipe, held_out)
        with replacing(path) as stream:
            np.savez(stream, **found)
        path.with_suffix(".checkpoint").unlink(missing_ok=True)
    return True


def judge(both: Both, options: argparse.Namespace) -> tuple[pd.DataFrame, rules.Expected, float]:
    """Every image by rank, the number of wrong labels expected, and the share that the networks have right.

    Columns `row, label, suggested, verdict, rank, confidence, hsf, doubted, training`; `verdict` is "" of no suspect.
    """
    fold_of, labels = folds_of(both, options.folds, options.seed), both.labels
    size, classes = len(labels), int(labels.max()) + 1
    theta, probs = np.empty((size, classes)), np.empty((size, classes))
    near = np.full((size, NEIGHBOURS), -1)
    for fold in range(options.folds):
        path, held = file_of(options, fold), np.flatnonzero(fold_of == fold)
        if not path.exists():
            raise CurateError(f"there is no {path}: train with these settings first, without --report")
        with np.load(path) as arrays:
            features, weights, logits = (arrays[key] for key in ("features", "class_weights", "logits"))
        theta[held] = scores.angles(features.astype(np.float64), weights.astype(np.float64))
        probs[held] = softmax(logits.astype(np.float64), axis=1)
        # Networks of two folds share no space, so neighbours are of one fold.
        parts = np.array_split(np.arange(len(held)), max(1, len(held) // 1000))
        ids = np.concatenate([nearest_of(features, part, count=NEIGHBOURS)[0] for part in parts])
        near[held] = np.where(ids >= 0, held[ids], -1)
    _, combined, expected, verdict = opinion_of(theta, probs, near, labels)
    confidence = probs[np.arange(size), labels]
    rows = np.arange(size)
    known = {"training": rows < both.training, "row": np.where(rows < both.training, rows, rows - both.training)}
    of_people = {"hsf": both.hsf, "doubted": both.doubted}
    found = pd.DataFrame(
        known | {"label": labels, "suggested": combined["suggested"], "verdict": verdict, "rank": combined["rank"]}
    )
    right = float((probs.argmax(axis=1) == labels).mean())
    return found.assign(confidence=confidence, **of_people).sort_values("rank", ignore_index=True), expected, right


def report(both: Both, options: argparse.Namespace) -> str:
    """The tables in Markdown; writes `suspects.csv`."""
    found, expected, right = judge(both, options)
    listed = found[found["verdict"] != ""]
    path = options.out / "suspects.csv"
    named = listed.assign(file=np.where(listed["training"], "training", "test")).drop(columns=["training", "doubted"])
    named.to_csv(path, index=False)
    test, all_doubted = found[~found["training"]], int(both.doubted.sum())
    parts = {f'"{key}"': test[test["verdict"] == key] for key in rules.VERDICTS}
    parts |= {f"the first {n}": test[:n] for n in FIRST if n <= len(test)}
    parts["all that a source doubts"] = test[test["verdict"] != ""]
    rows = [_row(name, part, all_doubted) for name, part in parts.items() if len(part)]
    names = {key: int((found["training"] & (found["verdict"] == key)).sum()) for key in rules.VERDICTS}
    counts = [[f'"{key}"', str(n)] for key, n in names.items()]
    return "\n\n".join(
        [
            f"{len(found)} images, {100 * right:.2f} % right by networks that did not learn them; "
            f"{expected.errors:.0f} labels expected to be wrong ({expected.low:.0f} to {expected.high:.0f})",
            f"Test images, of {len(test)} of which people doubt {all_doubted}:",
            markdown(["suspects", "n", "doubted by people", "of those they doubt", "mean HSF"], rows),
            f"Training images, {both.training}:",
            markdown(["suspects", "n"], counts),
            f"All suspects: {path}",
        ]
    )


def _row(name: str, part: pd.DataFrame, all_doubted: int) -> list[str]:
    hits = int(part["doubted"].sum())
    _, precision, *ends = (100 * value for value in share(hits, len(part)))
    _, recall, *others = (100 * value for value in share(hits, all_doubted))
    return [
        name,
        str(len(part)),
        f"{hits}, {precision:.1f} % ({ends[0]:.1f} to {ends[1]:.1f})",
        f"{recall:.0f} % ({others[0]:.0f} to {others[1]:.0f})",
        f"{part['hsf'].mean():.3f}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="Parquet file of training images")
    parser.add_argument("--test", type=Path, required=True, help="Parquet file of test images with human_counts")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=8, help="of each training")
    parser.add_argument("--width", type=int, default=64, help="channels of the network's first block")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    add_results(parser)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    both = read(options.train, options.test)
    options.out.mkdir(parents=True, exist_ok=True)

    def work(progress: Progress) -> bool:
        if options.report:
            print(report(both, options))
            return True
        return cross_validate(both, options, progress)

    return run_until(work, cast("float | None", options.minutes))


if __name__ == "__main__":
    sys.exit(main())
