"""Tables of `benchmarks.when_angles`: how scores follow HSF in each network, and what moves AVH past confidence.

Agreement is Spearman with HSF, turned so that positive agrees with people. The gap is AVH's agreement less confidence's
on the scale of Fisher's z, with the standard error by ranks. The unit is the network: seeds of one architecture are
averaged first, a factor is compared with its base seed by seed, and p-values are Holm's over the factors. All networks
are judged by the same images: intervals over networks say how networks differ, not how images do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
from pydantic import BaseModel
from scipy.special import log_softmax

from avhcurate import scores
from avhcurate.disk.files import write_json
from avhcurate.errors import CurateError
from avhcurate.scores import SCORES
from avhcurate.scores.prototypes import class_sums
from avhcurate.stats.correlation import standard_error
from avhcurate.stats.correlation_tests import compare
from avhcurate.stats.epoch_scores import KEYS as OF_EPOCHS
from avhcurate.stats.epoch_scores import NEEDED, EpochScores
from avhcurate.stats.intervals import mean_over_seeds
from avhcurate.stats.multiple_testing import holm
from avhcurate.stats.random_effects import random_effects
from avhcurate.stats.ranks import spearman, standard_ranks
from benchmarks.markdown import table as markdown
from benchmarks.when_angles import BASE, FACTORS, NETWORKS, STUDIES, UNSMOOTHED, file_of

#: Scores of one network, in the order of the tables; `OF_EPOCHS` follow.
OF_NETWORK = ("avh", "angular_gap", "confidence", "margin", "norm", "prototype_angle", "grand")
#: Temperatures of a confidence; 0 has the order of the margin.
TEMPERATURES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
#: Numbers of classes, and how many subsets of so many are drawn.
CLASS_COUNTS, SUBSETS = (2, 3, 5, 7), 10
_SEEDS = range(100)


class Figures(BaseModel):
    """What the tables need of one training, small enough to keep for good.

    right: percent of the images. gap: AVH's agreement less confidence's in Fisher's z, and its standard error.
    agreements: by score, without those that an image has none of. tempered: agreement of confidence by temperature.
    best_temperature, fitted: of least loss, and the agreement there. subsets: by number of classes, mean agreement of
    AVH and of confidence among the images of so many classes.
    """

    name: str
    seed: int
    images: int
    epochs: int
    cpu_seconds: float
    right: float
    gap: tuple[float, float]
    agreements: dict[str, float]
    tempered: dict[float, float]
    best_temperature: float
    fitted: float
    subsets: dict[int, tuple[float, float]]

    def agreement(self, key: str) -> float:
        """NaN where an image has no such score."""
        return self.agreements.get(key, float("nan"))


@dataclass(frozen=True)
class Network:
    """One training's outputs for the test images, as `benchmarks.when_angles.run` keeps them, and their truth."""

    name: str
    seed: int
    features: np.ndarray
    class_weights: np.ndarray
    logits: np.ndarray
    evaluations: np.ndarray
    cpu_seconds: float
    labels: np.ndarray
    hsf: np.ndarray

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """`OF_NETWORK` and `OF_EPOCHS` of every image, larger = easier; NaN where no epoch was evaluated."""
        totals = class_sums(self.features, self.labels, len(self.class_weights))
        logits = self.logits.astype(float)
        found = scores.per_sample(
            self.features, self.class_weights, logits, self.labels, prototypes=totals, keys=OF_NETWORK
        )
        epochs = EpochScores(len(self.labels))
        for evaluation in self.evaluations:
            epochs.add(dict(zip(NEEDED, evaluation, strict=True)))
        columns = {key: found[key] for key in OF_NETWORK} | epochs.scores()
        return {key: values if SCORES[key].harder == "low" else -values for key, values in columns.items()}

    @property
    def right(self) -> float:
        """Percent of the images."""
        return 100 * float((self.logits.argmax(axis=1) == self.labels).mean())

    @cached_property
    def gap(self) -> tuple[float, float]:
        """AVH's agreement less confidence's in Fisher's z, and its standard error."""
        return gap_of(self.scores["avh"], self.scores["confidence"], self.hsf)

    def agreement(self, key: str) -> float:
        return agreement(self.scores[key], self.hsf)

    def tempered(self, temperature: float) -> np.ndarray:
        """Log probability of the label at a temperature, (N,)."""
        return tempered(self.logits, self.labels, temperature)

    @property
    def best_temperature(self) -> float:
        """The temperature from 0.1 to 10 of least cross-entropy."""
        return float(max(np.geomspace(0.1, 10, 41), key=lambda temperature: self.tempered(temperature).mean()))

    def within(self, classes: np.ndarray) -> tuple[float, float]:
        """Agreement of AVH and confidence among the images of some classes, by those classes alone."""
        rows = np.flatnonzero(np.isin(self.labels, classes))
        place, keys = np.searchsorted(classes, self.labels[rows]), ("avh", "confidence")
        logits = self.logits[rows][:, classes].astype(float)
        found = scores.per_sample(self.features[rows], self.class_weights[classes], logits, place, keys=keys)
        return agreement(-found["avh"], self.hsf[rows]), agreement(found["confidence"], self.hsf[rows])

    def subsets(self, count: int) -> tuple[float, float]:
        """Mean agreement of AVH and of confidence over `SUBSETS` draws of so many classes."""
        total, rng = len(self.class_weights), np.random.default_rng(count)
        drawn = [np.sort(rng.permutation(total)[:count]) for _ in range(SUBSETS if count < total else 1)]
        avh, confidence = np.mean([self.within(subset) for subset in drawn], axis=0)
        return float(avh), float(confidence)

    def figures(self) -> Figures:
        """What is kept of it."""
        total = len(self.class_weights)
        counts = [*(count for count in CLASS_COUNTS if count < total), total]
        every = {key: self.agreement(key) for key in (*OF_NETWORK, *OF_EPOCHS)}
        return Figures(
            name=self.name,
            seed=self.seed,
            images=len(self.hsf),
            epochs=len(self.evaluations),
            cpu_seconds=round(float(self.cpu_seconds), 1),
            right=self.right,
            gap=self.gap,
            agreements={key: rho for key, rho in every.items() if np.isfinite(rho)},
            tempered={t: agreement(self.tempered(t), self.hsf) for t in TEMPERATURES},
            best_temperature=self.best_temperature,
            fitted=agreement(self.tempered(self.best_temperature), self.hsf),
            subsets={count: self.subsets(count) for count in counts},
        )


def agreement(values: np.ndarray, hsf: np.ndarray) -> float:
    """Spearman of a score, larger = easier, with HSF; NaN where an image has no score."""
    if np.isnan(values).any():
        return float("nan")
    return spearman(standard_ranks(np.asarray(values, float)), standard_ranks(hsf))


def gap_of(avh: np.ndarray, confidence: np.ndarray, hsf: np.ndarray) -> tuple[float, float]:
    """Agreement of the first less that of the second in Fisher's z, and its standard error; larger = easier."""
    row = compare({"avh": avh, "confidence": confidence}, hsf, harder={"avh": "low", "confidence": "low"}).iloc[0]
    return float(row["difference"]), float(row["rank_error"])


def tempered(logits: np.ndarray, labels: np.ndarray, temperature: float) -> np.ndarray:
    """Log probability of the label at a temperature; at 0 the margin, whose order it then has.

    >>> logits = np.array([[2.0, 1.0, 0.0], [2.0, 1.5, -8.0]])
    >>> tempered(logits, np.array([0, 0]), 0.0).tolist()
    [1.0, 0.5]
    """
    f = logits.astype(float)
    if temperature:
        return np.asarray(log_softmax(f / temperature, axis=1)[np.arange(len(labels)), labels])
    return np.asarray(scores.per_sample(None, None, f, labels, keys=["margin"])["margin"])


def keep(network: Network, out: Path) -> None:
    """Leaves what the tables need of a training in its own file."""
    write_json(file_of(out, network.name, network.seed, ".json"), network.figures())


def read(out: Path) -> list[Figures]:
    """What is done, a name after the other. Raises CurateError where nothing is."""
    paths = [file_of(out, name, seed, ".json") for name in STUDIES for seed in _SEEDS]
    done = [Figures.model_validate_json(path.read_bytes()) for path in paths if path.exists()]
    if not done:
        raise CurateError(f"no training has ended in {out}: run without --report first")
    return done


def read_network(out: Path, name: str, seed: int, labels: np.ndarray, hsf: np.ndarray) -> Network:
    """A training's outputs."""
    with np.load(file_of(out, name, seed)) as arrays:
        return Network(name, seed, **dict(arrays), labels=labels, hsf=hsf)


def read_networks(out: Path, labels: np.ndarray, hsf: np.ndarray) -> dict[str, list[Network]]:
    """Those of the architectures whose outputs are there still, by name."""
    seeds = {name: [seed for seed in _SEEDS if file_of(out, name, seed).exists()] for name in NETWORKS}
    return {
        name: [read_network(out, name, seed, labels, hsf) for seed in found] for name, found in seeds.items() if found
    }


def report(out: Path, hsf: np.ndarray, labels: np.ndarray) -> str:
    """All tables of what is done, in Markdown."""
    done = read(out)
    named = {name: list(seeds) for name, seeds in groupby(done, key=lambda one: one.name)}
    networks = {name: seeds for name, seeds in named.items() if name in NETWORKS}
    parts = {
        "Trainings": trainings(done),
        "Agreement with HSF, mean over seeds": agreements(networks),
        "AVH less confidence over networks": over_networks(networks),
        "Factors": factors(named),
        "Temperature": temperatures(networks),
        "Ensembles, of the networks whose outputs are there": ensembles(read_networks(out, labels, hsf)),
        "Images of some of the classes": class_counts(networks),
    }
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in parts.items())


def _with_ends(value: float, low: float, high: float, sign: str = "+") -> str:
    """A value with its interval, where it has one."""
    return f"{value:{sign}.3f}" + ("" if np.isnan(low) else f" ({low:{sign}.3f} to {high:{sign}.3f})")


def trainings(done: Sequence[Figures]) -> str:
    """Every training: accuracy, processor time, and its gap."""
    rows = []
    for one in done:
        value, error = one.gap
        numbers = f"{one.right:.2f}", f"{one.cpu_seconds / 60:.1f}", f"{value:+.3f} ± {1.96 * error:.3f}"
        rows.append([one.name, str(one.seed), *numbers])
    return markdown(["", "seed", "right, %", "processor, min", "AVH less confidence, z"], rows)


def agreements(networks: dict[str, list[Figures]]) -> str:
    """Each score in each architecture, and its mean over architectures by random effects."""
    rows = []
    for key in (*OF_NETWORK, *OF_EPOCHS):
        means = [np.mean([one.agreement(key) for one in seeds]) for seeds in networks.values()]
        known = [rho for rho in means if np.isfinite(rho)]
        errors = [standard_error(rho, next(iter(networks.values()))[0].images) for rho in known]
        overall = random_effects(np.arctanh(known), errors)
        cells = ("-" if np.isnan(rho) else f"{rho:.3f}" for rho in means)
        ends = (float(np.tanh(end)) for end in (overall.value, overall.low, overall.high))
        rows.append([SCORES[key].name, *cells, _with_ends(*ends, sign=""), str(overall.n)])
    return markdown(["score", *networks, "over networks", "n"], rows)


def over_networks(networks: dict[str, list[Figures]]) -> str:
    """The gap over architectures, each the mean of its seeds, by random effects."""
    values, errors = ([np.mean([one.gap[part] for one in seeds]) for seeds in networks.values()] for part in (0, 1))
    found = random_effects(values, errors)
    mean = f"{_with_ends(found.value, found.low, found.high)} in Fisher's z, n = {found.n} networks"
    if found.n < 2:
        return mean
    return (
        f"{mean}, p = {found.p_value:.2g}; standard deviation between them {found.spread:.3f}, "
        f"p of none {found.differ_p:.2g}"
    )


def factors(named: dict[str, list[Figures]]) -> str:
    """How each factor moves the gap, seed by seed, with Holm's p over the factors."""
    found = []
    for name in FACTORS:
        base = "no label smoothing" if name in UNSMOOTHED else BASE
        before = {one.seed: one for one in named.get(base, [])}
        after = [one for one in named.get(name, []) if one.seed in before]
        if after:
            moved = mean_over_seeds([one.gap[0] - before[one.seed].gap[0] for one in after])
            level, right = np.mean([one.gap[0] for one in after]), np.mean([one.right for one in after])
            found.append((name, base, moved, float(level), float(right)))
    corrected = holm([moved.p for _, _, moved, _, _ in found])
    rows = [
        [
            *(name, base, str(moved.n), f"{right:.1f}", f"{level:+.3f}"),
            *(_with_ends(moved.value, moved.low, moved.high), "-" if np.isnan(p) else f"{p:.2g}"),
        ]
        for (name, base, moved, level, right), p in zip(found, corrected, strict=True)
    ]
    header = ["changed", "beside", "networks", "right, %", "AVH less confidence, z", "moved by", "p (Holm)"]
    return markdown(header, rows)


def temperatures(networks: dict[str, list[Figures]]) -> str:
    """Agreement of the tempered confidence, mean over seeds, beside AVH's; also at the temperature of least loss."""
    rows = []
    for name, seeds in networks.items():
        each = [f"{np.mean([one.tempered[t] for one in seeds]):.3f}" for t in TEMPERATURES]
        fitted, chosen = (np.mean([getattr(one, part) for one in seeds]) for part in ("fitted", "best_temperature"))
        avh = np.mean([one.agreement("avh") for one in seeds])
        rows.append([name, *each, f"{fitted:.3f} (T = {chosen:.2f})", f"{avh:.3f}"])
    return markdown(["", *(f"T = {t:g}" for t in TEMPERATURES), "of least loss", "AVH"], rows)


def ensembles(networks: dict[str, list[Network]]) -> str:
    """Mean AVH and mean probability of several networks, beside what each has alone."""
    rows = []
    for title, members in _ensembles(networks):
        alone = [f"{np.mean([one.agreement(key) for one in members]):.3f}" for key in ("avh", "confidence")]
        means = [np.mean([one.scores[key] for one in members], axis=0) for key in ("avh", "confidence")]
        hsf = members[0].hsf
        value, error = gap_of(means[0], means[1], hsf)
        together = (f"{agreement(mean, hsf):.3f}" for mean in means)
        rows.append([title, str(len(members)), *alone, *together, f"{value:+.3f} ± {1.96 * error:.3f}"])
    header = ["", "networks", "AVH alone", "confidence alone", "AVH", "confidence", "AVH less confidence, z"]
    return markdown(header, rows)


def _ensembles(networks: dict[str, list[Network]]) -> Iterator[tuple[str, list[Network]]]:
    for name, seeds in networks.items():
        if len(seeds) > 1:
            yield name, seeds
    if len(networks) > 1:
        yield "one of each", [seeds[0] for seeds in networks.values()]
        yield "all", [one for seeds in networks.values() for one in seeds]


def class_counts(networks: dict[str, list[Figures]]) -> str:
    """Agreement among images of so many classes, by those alone: mean over subsets and seeds."""
    rows = []
    for count in next(iter(networks.values()))[0].subsets:
        found = [np.mean([one.subsets[count] for one in seeds], axis=0) for seeds in networks.values()]
        less = mean_over_seeds([avh - confidence for avh, confidence in found])
        cells = (f"{avh:.3f}, {confidence:.3f}" for avh, confidence in found)
        rows.append([str(count), *cells, _with_ends(less.value, less.low, less.high)])
    header = ["classes", *(f"{name}: AVH, confidence" for name in networks)]
    return markdown([*header, f"AVH less confidence, n = {len(networks)} networks"], rows)
