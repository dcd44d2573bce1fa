"""How often the intervals of the noise ceiling, and of correlations divided by it, hold truths that are known.

    python -m benchmarks.ceiling --votes 10 --repeats 200
    python -m benchmarks.ceiling --planning --repeats 10

Votes are simulated from chances of a known distribution, so reliability and correlations are known. A row of the first
table is a distribution and a number of samples; "none seen" counts sets of votes that were said to differ by chance
only, whose interval begins at 0. The second table is of scores that follow the chances a little, or not at all. With
`--planning`: by how much the correlation forecast from few votes of each sample misses that of 40.
"""

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit
from scipy.stats import binom, spearmanr

from avhcurate.features.correlation.service import Correlations, disattenuated
from avhcurate.measures.stats.correlation import correlate
from avhcurate.measures.stats.intervals import wilson
from avhcurate.measures.stats.sample_size import VoteForecast
from avhcurate.people.reliability import of_ticks
from benchmarks.markdown import table

Draw = Callable[[np.random.Generator, int], np.ndarray]
Order = Callable[[np.ndarray, np.random.Generator], np.ndarray]

#: Chances that a vote is for the label, of n samples. Two have atoms, which a smooth fit misses.
TRUTHS: dict[str, Draw] = {
    "skewed": lambda rng, n: rng.beta(2, 1, n),
    "mostly easy": lambda rng, n: np.where(rng.random(n) < 0.85, rng.beta(60, 1, n), rng.beta(1.5, 1.5, n)),
    "two points": lambda rng, n: np.where(rng.random(n) < 0.8, 0.95, 0.6),
    "logit-normal": lambda rng, n: 1 / (1 + np.exp(-(3 + 2 * rng.normal(size=n)))),
    "certain for 70 %": lambda rng, n: np.where(rng.random(n) < 0.7, 1.0, rng.random(n)),
}
#: All samples are alike: the reliability is 0.
ALIKE: dict[str, Draw] = {"all alike": lambda rng, n: np.full(n, 0.8)}
SIZES = (100, 300, 2000)
#: How far scores follow the chances, between 0 and 1.
LINKS = (0.0, 0.09, 0.53)


#: Scores that follow the chances: everywhere alike, or only where few votes are for the label.
ORDERS: dict[str, Order] = {
    "orders all": lambda chance, rng: scored(chance, 0.5, rng),
    "orders the hard": lambda chance, rng: np.minimum(chance, 0.9) + rng.normal(0, 0.25, len(chance)),
}
#: Votes that forecasts are for.
_MANY = 40


def reliability_of(draw: Draw, votes: int) -> float:
    """Return the Spearman of two sets of so many votes of samples with these chances, by exact probabilities."""
    chance = np.quantile(draw(np.random.default_rng(1), 1_000_000), (np.arange(4000) + 0.5) / 4000)
    outcomes = binom.pmf(np.arange(votes + 1)[:, None], votes, chance)
    share = outcomes.mean(axis=1)
    ranks = np.cumsum(share) - share / 2 - 0.5
    return float(np.mean((ranks @ outcomes) ** 2) / (share @ ranks**2))


def of_ceiling(name: str, draw: Draw, samples: int, votes: int, repeats: int) -> list[str]:
    """Return a row: estimates, how often the interval holds the truth, and how often no reliability was seen."""
    truth, held, none, values = reliability_of(draw, votes), 0, 0, []
    if name in ALIKE:
        truth = 0.0
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        found = of_ticks(rng.binomial(votes, draw(rng, samples)), np.full(samples, votes))
        low, high = found.low, found.high
        if found.reason:
            none += 1
            low, high = 0.0, float(found.reason.rsplit(" ", 1)[-1])
        values.append(found.reliability)
        held += low - 0.005 <= truth <= high + 0.005
    mean = np.nanmean(values) if none < repeats else np.nan
    ends = wilson(held, repeats)
    return [
        *(name, f"{samples:,}", f"{truth:.3f}", f"{mean:.3f}"),
        f"{100 * held / repeats:.1f} ({100 * ends[0]:.0f} to {100 * ends[1]:.0f})",
        f"{100 * none / repeats:.0f} %",
    ]


def scored(chance: np.ndarray, link: float, rng: np.random.Generator) -> np.ndarray:
    """Return scores that follow the order of the chances."""
    order = ndtri((np.argsort(np.argsort(chance)) + 0.5) / len(chance))
    return link * order + np.sqrt(1 - link**2) * rng.normal(size=len(chance))


def of_ratios(samples: int, votes: int, repeats: int, *, scores: int = 10) -> pd.DataFrame:
    """Return for each link the correlation `rho`, its `truth` over the ceiling, and how many of n intervals held it."""
    draw, rng = (lambda rng, n: rng.beta(8, 2, n)), np.random.default_rng(0)
    many = draw(rng, 300_000)
    hsf, ceiling = rng.binomial(votes, many), reliability_of(draw, votes) ** 0.5
    rhos = [spearmanr(scored(many, link, rng), hsf).statistic * (link > 0) for link in LINKS]
    truths, held, known = np.array(rhos) / ceiling, np.zeros(len(LINKS), int), np.zeros(len(LINKS), int)
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        chance = draw(rng, samples)
        hits, shown = rng.binomial(votes, chance), np.full(samples, votes)
        reached = of_ticks(hits, shown, resamples=100)
        for number, link in enumerate(LINKS):
            rows = correlate({str(one): scored(chance, link, rng) for one in range(scores)}, hits / shown)
            result = Correlations(rows, rows[:0], reached, simulated=True)
            low, high = np.array([disattenuated(result, row) for row in rows.itertuples()])[:, 1:].T
            held[number] += np.sum((low <= truths[number]) & (truths[number] <= high))
            known[number] += np.sum(~np.isnan(low))
    return pd.DataFrame({"rho": rhos, "truth": truths, "held": held, "n": known}, index=pd.Index(LINKS))


def of_planning(draw: Draw, order: Order, few: int, repeats: int, *, samples: int = 10_000) -> str:
    """Return the correlation with HSF of `_MANY` votes, and how far forecasts from a few miss it: mean and interval."""
    missed, found = [], []
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        chance = draw(rng, samples)
        score = order(chance, rng)
        hits = rng.binomial(few, chance)
        many = hits + rng.binomial(_MANY - few, chance)
        found.append(spearmanr(score, many).statistic)
        missed.append(VoteForecast(score, hits, np.full(samples, few)).expected(_MANY) - found[-1])
    reach = stdtrit(repeats - 1, 0.975) * np.std(missed, ddof=1) / np.sqrt(repeats)
    return f"{np.mean(found):.3f}, {np.mean(missed):+.3f} ± {reach:.3f}"


def planning(repeats: int) -> None:
    """Print how far forecasts for `_MANY` votes of a sample are off, by the score, the chances and the votes."""
    print(table(["score", "chances", *(f"from {few}: rho with {_MANY}, missed by" for few in (3, 5, 10))], []))
    for title, order in ORDERS.items():
        for name, draw in TRUTHS.items():
            cells = [of_planning(draw, order, few, repeats) for few in (3, 5, 10)]
            print("| " + " | ".join([title, name, *cells]) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--votes", type=int, default=10, help="votes of each sample")
    parser.add_argument("--repeats", type=int, default=200, help="sets of votes of each row")
    parser.add_argument("--planning", action="store_true", help="forecasts for more votes instead")
    chosen = parser.parse_args()
    if chosen.planning:
        planning(chosen.repeats)
        return
    print(
        table(["chances", "samples", "reliability", "mean found", "interval holds it, %", "none seen"], []), flush=True
    )
    for name, draw in (TRUTHS | ALIKE).items():
        for samples in SIZES:
            row = of_ceiling(name, draw, samples, chosen.votes, chosen.repeats)
            print("| " + " | ".join(row) + " |", flush=True)
    print("\n" + table(["correlation", "over the ceiling", "samples", "interval holds it, %", "intervals"], []))
    for samples in SIZES[:2]:
        for row in of_ratios(samples, chosen.votes, chosen.repeats).itertuples():
            cells = (
                f"{row.rho:.3f}",
                f"{row.truth:.3f}",
                f"{samples:,}",
                f"{100 * row.held / row.n:.1f}",
                f"{row.n:,}",
            )
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
