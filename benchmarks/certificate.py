"""Whether certificates hold: simulated reviews of lots with known wrong labels, with a peek after each look.

    python -m benchmarks.certificate

For each setting 1,000 lots are made, suspects are decided by hand, the rest is looked at in an order by chance, and the
interval is taken after every look. Printed is the share of lots in which the truth was below the bound at n looks, and
in which it was inside the interval after all looks at once. The same for an exact bound of a number of looks that is
fixed beforehand (hypergeometric), which is shorter and does not allow to peek. Two cores take about a minute.
"""

import itertools
import sys
from dataclasses import dataclass

import numpy as np
from scipy.stats import hypergeom

from avhcurate.measures.stats.acceptance import bounds, looks_expected, most_errors
from benchmarks.markdown import table

#: Images, classes and the suspects that were decided by hand before, of lots like these datasets.
LOTS = {"CIFAR-10": (10_000, 10, 600), "PACS": (1_670, 7, 100), "digits": (1_797, 10, 100)}
#: How errors lie: the chance of an image to be wrong and how well doubt finds it, which decides what is left over.
PLACEMENTS = ("uniform", "by confusion", "own rival", "clumps", "one class")
SHARES = (0.0, 0.01, 0.05, 0.10)
#: The checker never errs; names another class in 2 %, whatever the label; misses 2 % of wrong labels and nothing else.
CHECKERS = ("0", "2 %", "2 % missed")
LOOKS = (200, 400, 800)
AT_MOST = 0.02
ALPHA = 0.05
AGAIN = 50
DRAWS = 1_000


@dataclass(frozen=True)
class Reviews:
    """Reviews of lots: of each the wrong labels left over among those undecided and decided, (draws,), and what a
    checker said at each look (draws, looks), with the second looks that differ (draws,).
    """

    size: int
    population: int
    left: np.ndarray
    decided_wrong: np.ndarray
    said: np.ndarray
    differ: np.ndarray


def wrong_labels(placement: str, classes: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return which labels are wrong, (N,) bool: as many as the share says, where the placement puts them."""
    size = len(classes)
    weights = np.ones(size)
    if placement == "by confusion":
        weights = rng.gamma(0.5, size=classes.max() + 1)[classes] + 1e-9
    elif placement == "clumps":  # neighbours in one of 40 groups are wrong together
        weights = (rng.permutation(40) < 6)[np.arange(size) * 40 // size] + 1e-3
    elif placement == "one class":
        weights = (classes == 0) + 1e-6
    number = round(share * size)
    wrong = np.zeros(size, bool)
    wrong[np.argsort(rng.exponential(size=size) / weights)[:number]] = True
    return wrong


def reviews(lot: str, placement: str, share: float, checker: str, rng: np.random.Generator) -> Reviews:
    """Return `DRAWS` reviews of a lot."""
    population, num_classes, decided = LOTS[lot]
    classes = np.arange(population) * num_classes // population
    left, decided_wrong = np.zeros((2, DRAWS), np.int64)
    errs = 0.02 * (checker != "0")
    found_by_doubt = 2.5 if placement != "own rival" else 0.7
    for draw in range(DRAWS):
        wrong = wrong_labels(placement, classes, share, rng)
        doubt = rng.normal(size=population) + found_by_doubt * wrong
        suspects = np.argpartition(-doubt, decided)[:decided]
        missed = rng.random(decided) < errs  # a wrong label kept, or a right one changed
        decided_wrong[draw] = (missed & (wrong[suspects] | (checker == "2 %"))).sum()
        left[draw] = wrong.sum() - wrong[suspects].sum()
    size = population - decided
    most = min(max(LOOKS), size)
    truth = np.zeros((DRAWS, most), bool)
    for look in range(most):  # without replacement
        unseen = left - truth[:, :look].sum(axis=1)
        truth[:, look] = rng.random(DRAWS) * (size - look) < unseen
    slips = rng.random((2, *truth.shape)) < errs
    if checker == "2 % missed":
        slips &= truth
    said = truth ^ slips[0]
    again = np.argsort(rng.random(said.shape), axis=1)[:, :AGAIN]
    differ = np.take_along_axis(slips[0] ^ slips[1], again, axis=1).sum(axis=1)
    return Reviews(size, population, left, decided_wrong, said, differ)


def held(done: Reviews, *, second_looks: bool) -> dict[str, float]:
    """Return in which share of reviews the truth was within, at each number of looks and after all looks at once."""
    found = done.said.cumsum(axis=1)
    n = np.broadcast_to(np.arange(1, found.shape[1] + 1), found.shape)
    alpha, misses = ALPHA, np.zeros(DRAWS)
    if second_looks:
        alpha = 0.9 * ALPHA
        misses = np.array([most_errors(int(k), AGAIN, alpha=0.1 * ALPHA) for k in done.differ])
    states, place = np.unique(n * 10_000 + found, return_inverse=True)
    ends = bounds(states % 10_000, states // 10_000, done.size, at_most=AT_MOST, alpha=alpha)
    low, high = (end[place].reshape(found.shape) for end in ends)
    high = np.minimum(done.size, np.ceil(high / (1 - misses[:, None])))
    low = low - np.floor(misses[:, None] * done.size)
    truth = done.left[:, None]
    within = (low <= truth) & (truth <= high)
    fixed = np.array([_fixed_bound(found[:, look - 1], look, done.size) for look in range(25, n.shape[1] + 1, 25)])
    total = done.left + done.decided_wrong
    allowed = AT_MOST * done.population
    reached = (high <= allowed).any(axis=1)
    result = {f"n {look}": float((total <= high[:, look - 1]).mean()) for look in LOOKS if look <= found.shape[1]}
    result |= {"all looks": float(within.all(axis=1).mean())}
    result |= {"reached falsely": float((reached & (total > allowed)).mean())}
    result |= {"fixed, with peeking": float((fixed >= done.left).all(axis=0).mean())}
    return result


def _fixed_bound(found: np.ndarray, looks: int, size: int) -> np.ndarray:
    """Return the most wrong labels by an exact hypergeometric test of looks fixed beforehand, for each number found."""
    k, place = np.unique(found, return_inverse=True)
    low, high = k.astype(np.int64), np.full(len(k), size, np.int64)
    while (low < high).any():
        middle = (low + high + 1) // 2
        likely = hypergeom.cdf(k, size, middle, looks) > ALPHA
        low, high = np.where(likely, middle, low), np.where(likely, high, middle - 1)
    return low[place]


def looks_table() -> str:
    """Return how many looks are wanted to show 2 % of 20,000, by the share that is wrong: at any look, and fixed."""
    rows = []
    size, allowed = 20_000, 400
    for share in (0.0, 0.0025, 0.005, 0.01):
        (median,) = looks_expected(size, allowed, [share], at_most=AT_MOST)
        plans = {power: _fixed_looks(size, allowed, share, power) for power in (0.5, 0.9)}
        rows.append([f"{share:.2%}", str(median), str(plans[0.5]), str(plans[0.9])])
    return table(["wrong", "stops, half of all by", "fixed, reached in half", "fixed, reached in 90 %"], rows)


def _fixed_looks(size: int, allowed: int, share: float, power: float) -> int:
    looks = itertools.count(10, 10)
    for n in looks:
        most = int(hypergeom.ppf(ALPHA, size, allowed + 1, n))
        most -= hypergeom.cdf(most, size, allowed + 1, n) > ALPHA
        if most >= 0 and hypergeom.cdf(most, size, round(share * size), n) >= power:
            return n
    raise AssertionError


def main() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for lot, placement, share, checker in itertools.product(LOTS, PLACEMENTS, SHARES, CHECKERS):
        if share == 0 and placement != "uniform":
            continue
        done = held(reviews(lot, placement, share, checker, rng), second_looks=checker != "0")
        rows.append([lot, placement, f"{share:.0%}", checker, *(f"{value:.3f}" for value in done.values())])
        print(*rows[-1], file=sys.stderr)
    print(table(["lot", "errors lie", "wrong", "checker errs", *done], rows))
    print()
    print(looks_table())


if __name__ == "__main__":
    main()
