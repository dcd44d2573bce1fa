"""Cross-fitting linear heads on made-up features, mapped from disk: `python -m benchmarks.fitted_head FOLDER`.

    OMP_WAIT_POLICY=PASSIVE python -m benchmarks.fitted_head FOLDER [--samples 100000] [--width 1280] [--classes 100]
        [--folds 5] [--beside]

Writes the features once (clusters in a part of the width, after a ReLU, as a network's are), then fits the head of each
fold and that of all as `avhcurate score --head fit` does, each with its choice of penalty: seconds by the clock and of
the processor for each head, the peak of memory, and the accuracy out of fold. `--beside` fits the head of the first
fold with scikit-learn too, at the penalty that was chosen and on the same scaled features, in memory.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np

from avhcurate.stats.folds import stratified_folds
from avhcurate.training.cross_fitting import PenaltyChoice, fit_head
from avhcurate.training.linear_head import Objective, Samples

_HIDDEN, _BLOCK = 200, 4096
#: Distance of the classes: about 60 % are right at the default size.
_SPREAD = 0.21


def make(path: Path, samples: int, width: int, classes: int) -> np.ndarray:
    """Writes the features (N, D) float32 and returns the labels (N,)."""
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=samples)
    centres = (_SPREAD * rng.normal(size=(classes, _HIDDEN))).astype(np.float32)
    basis = (rng.normal(size=(_HIDDEN, width)) / np.sqrt(_HIDDEN)).astype(np.float32)
    features = np.lib.format.open_memmap(path, "w+", np.float32, (samples, width))
    for at in range(0, samples, _BLOCK):
        of = labels[at : at + _BLOCK]
        hidden = centres[of] + rng.normal(size=(len(of), _HIDDEN)).astype(np.float32)
        noise = 0.5 * rng.normal(size=(len(of), width)).astype(np.float32)
        features[at : at + _BLOCK] = np.maximum(hidden @ basis + noise + 0.2, 0)
    features.flush()
    return labels


def cross_fit(samples: Samples, folds: int) -> tuple[Samples, PenaltyChoice]:
    """Fits all heads, printing a line each; returns the training samples of the first, and its penalty."""
    of_sample = stratified_folds(samples.targets, samples.groups, folds=folds, seed=0)
    began, used, right = time.perf_counter(), time.process_time(), 0
    first: tuple[Samples, PenaltyChoice] | None = None
    for fold in [*range(folds), -1]:
        part, started, before = samples.part(of_sample != fold), time.perf_counter(), time.process_time()
        head, choice = fit_head(part)
        first = first or (part, choice)
        wall, cpu = time.perf_counter() - started, time.process_time() - before
        name = f"fold {fold + 1}" if fold >= 0 else "all"
        print(f"{name}: {wall:.1f} s, {cpu:.1f} s of processors, strength {choice.strength:g}", flush=True)
        held = np.flatnonzero(of_sample == fold)
        for at in range(0, len(held), _BLOCK):
            block = held[at : at + _BLOCK]
            right += int((head.logits(samples.features[block]).argmax(axis=1) == samples.targets[block]).sum())
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{folds} folds and all: {wall:.1f} s, {cpu:.1f} s of processors, {100 * right / len(samples):.1f} % right")
    print(
        f"peak memory {memory:.2f} GB, pages of the mapped features ({samples.features.nbytes / 1e9:.2f} GB) included"
    )
    assert first is not None
    return first


def beside(samples: Samples, choice: PenaltyChoice) -> None:
    """The same head by scikit-learn, and how far its weights are from this program's."""
    from sklearn.linear_model import LogisticRegression

    objective = Objective(samples, standardised=choice.standardised)
    started = time.perf_counter()
    ours = objective.minimise(choice.strength, tolerance=1e-6).numpy()[:, :-1]
    took = time.perf_counter() - started
    scaled = ((samples.features[samples.rows] - objective.centre.numpy()) / objective.scale.numpy()).astype(np.float32)
    started = time.perf_counter()
    theirs = LogisticRegression(C=1 / choice.strength, tol=1e-4, max_iter=1000).fit(scaled, samples.targets).coef_
    difference = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
    print(f"one head at this penalty: {took:.1f} s, scikit-learn {time.perf_counter() - started:.1f} s")
    print(f"weights differ by {difference:.4f} of their norm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--beside", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / "features.npy"
    labels = make(path, given.samples, given.width, given.classes)
    rows = np.arange(given.samples)
    samples = Samples(np.load(path, mmap_mode="r"), rows, labels, rows, given.classes)
    first = cross_fit(samples, given.folds)
    if given.beside:
        beside(*first)


if __name__ == "__main__":
    main()
