"""Tables of `benchmarks.when_angles`: how scores follow HSF in each network, and what moves AVH past confidence.

Agreement is Spearman with HSF, turned so that positive agrees with people. The gap is AVH's agreement less confidence's
on the scale of Fisher's z, with the standard error by ranks. The unit is the network: seeds of one architecture are
averaged first, a factor is compared with its base seed by seed, and p-values are Holm's over the factors. All networks
are judged by the same images: intervals over networks say how networks differ, not how images do.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from avhcurate import scores
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
#: Temperatures of a confidence; 0 has the order of the margin, infinity that of the logit less the mean of all.
TEMPERATURES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, np.inf)
#: Numbers of classes, and how many subsets of so many are drawn.
CLASS_COUNTS, SUBSETS = (2, 3, 5, 7), 10
_SEEDS = range(100)


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
        """Log probability of the label at a temperature, (N,), in the order that its limits have."""
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
    """Log probability of the label at a temperature, or what has the order of its limit.

    >>> logits = np.array([[2.0, 1.0, 0.0], [2.0, 1.5, -8.0]])
    >>> tempered(logits, np.array([0, 0]), 0.0).tolist(), tempered(logits, np.array([0, 0]), np.inf).tolist()
    ([1.0, 0.5], [1.0, 3.5])
    """
    rows, f = np.arange(len(labels)), logits.astype(float)
    if temperature == np.inf:
        values = f[rows, labels] - f.mean(axis=1)
    elif temperature:
        values = log_softmax(f / temperature, axis=1)[rows, labels]
    else:
        values = scores.per_sample(None, None, f, labels, keys=["margin"])["margin"]
    return np.asarray(values)


def read(out: Path, labels: np.ndarray, hsf: np.ndarray) -> list[Network]:
    """What is done, a name after the other. Raises CurateError where nothing is."""
    done = []
    for name in STUDIES:
        for seed in _SEEDS:
            if (path := file_of(out, name, seed)).exists():
                with np.load(path) as arrays:
                    done.append(Network(name, seed, **dict(arrays), labels=labels, hsf=hsf))
    if not done:
        raise CurateError(f"no training has ended in {out}: run without --report first")
    return done


def report(out: Path, hsf: np.ndarray, labels: np.ndarray) -> str:
    """All tables of what is done, in Markdown."""
    done = read(out, labels, hsf)
    named = {name: list(seeds) for name, seeds in groupby(done, key=lambda one: one.name)}
    networks = {name: seeds for name, seeds in named.items() if name in NETWORKS}
    parts = {
        "Trainings": trainings(done),
        "Agreement with HSF, mean over seeds": agreements(networks),
        "AVH less confidence over networks": over_networks(networks),
        "Factors": factors(named),
        "Temperature": temperatures(networks),
        "Ensembles": ensembles(networks),
        "Images of some of the classes": class_counts(networks),
    }
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in parts.items())


def _with_ends(value: float, low: float, high: float, sign: str = "+") -> str:
    """A value with its interval, where it has one."""
    return f"{value:{sign}.3f}" + ("" if np.isnan(low) else f" ({low:{sign}.3f} to {high:{sign}.3f})")


def trainings(done: Sequence[Network]) -> str:
    """Every training: accuracy, processor time, and its gap."""
    rows = []
    for one in done:
        value, error = one.gap
        numbers = f"{one.right:.2f}", f"{one.cpu_seconds / 60:.1f}", f"{value:+.3f} ± {1.96 * error:.3f}"
        rows.append([one.name, str(one.seed), *numbers])
    return markdown(["", "seed", "right, %", "processor, min", "AVH less confidence, z"], rows)


def agreements(networks: dict[str, list[Network]]) -> str:
    """Each score in each architecture, and its mean over architectures by random effects."""
    rows = []
    for key in (*OF_NETWORK, *OF_EPOCHS):
        means = [np.mean([one.agreement(key) for one in seeds]) for seeds in networks.values()]
        known = [rho for rho in means if np.isfinite(rho)]
        errors = [standard_error(rho, len(next(iter(networks.values()))[0].hsf)) for rho in known]
        overall = random_effects(np.arctanh(known), errors)
        cells = ("-" if np.isnan(rho) else f"{rho:.3f}" for rho in means)
        ends = (float(np.tanh(end)) for end in (overall.value, overall.low, overall.high))
        rows.append([SCORES[key].name, *cells, _with_ends(*ends, sign=""), str(overall.n)])
    return markdown(["score", *networks, "over networks", "n"], rows)


def over_networks(networks: dict[str, list[Network]]) -> str:
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


def factors(named: dict[str, list[Network]]) -> str:
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


def temperatures(networks: dict[str, list[Network]]) -> str:
    """Agreement of the tempered confidence, mean over seeds, beside AVH's; also at the temperature of least loss."""
    rows = []
    for name, seeds in networks.items():

        def mean(order: Callable[[Network], np.ndarray], seeds: list[Network] = seeds) -> str:
            return f"{np.mean([agreement(order(one), one.hsf) for one in seeds]):.3f}"

        each = [mean(lambda one, t=t: one.tempered(t)) for t in TEMPERATURES]  # type: ignore[misc]
        fitted = mean(lambda one: one.tempered(one.best_temperature))
        chosen = np.mean([one.best_temperature for one in seeds])
        rows.append([name, *each, f"{fitted} (T = {chosen:.2f})", mean(lambda one: one.scores["avh"])])
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


def class_counts(networks: dict[str, list[Network]]) -> str:
    """Agreement among images of so many classes, by those alone: mean over subsets and seeds."""
    total, rows = len(next(iter(networks.values()))[0].class_weights), []
    for count in [*(count for count in CLASS_COUNTS if count < total), total]:
        rng = np.random.default_rng(count)
        subsets = [np.sort(rng.permutation(total)[:count]) for _ in range(SUBSETS if count < total else 1)]
        found = [
            np.mean([one.within(subset) for subset in subsets for one in seeds], axis=0) for seeds in networks.values()
        ]
        less = mean_over_seeds([avh - confidence for avh, confidence in found])
        cells = (f"{avh:.3f}, {confidence:.3f}" for avh, confidence in found)
        rows.append([str(count), *cells, _with_ends(less.value, less.low, less.high)])
    header = ["classes", *(f"{name}: AVH, confidence" for name in networks)]
    return markdown([*header, f"AVH less confidence, n = {len(networks)} networks"], rows)
