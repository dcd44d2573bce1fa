"""What the correlation table and its tests cost, of made-up scores: `python -m benchmarks.correlation_table`.

    python -m benchmarks.correlation_table --samples 1000000 --repeats 3

Twelve scores of 32 bits, half of them crowded near 1, with HSF of ten votes in five bins. A checkout of before runs the
same file; the sums at the end of a line tell whether the numbers are the same.
"""

import argparse
import time

import numpy as np

from avhcurate.stats import correlation, correlation_tests

SCORES, BINS = 12, ("a", "b", "c", "d", "e")


def made_up(samples: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Scores (N,) by name, HSF (N,) and the bin of each sample (N,)."""
    rng = np.random.default_rng(0)
    hsf = rng.binomial(10, rng.beta(4, 1, samples)) / 10
    spread = [rng.normal(size=samples) + hsf if i % 2 else 1 - rng.beta(0.3, 6, samples) for i in range(SCORES)]
    scores = {f"s{i}": values.astype(np.float32) for i, values in enumerate(spread)}
    return scores, hsf, np.minimum((hsf * 5 + 1e-9).astype(int), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    scores, hsf, index = made_up(options.samples)
    for _ in range(options.repeats):
        kept: dict[str, np.ndarray] = {}
        clock, begun = time.perf_counter(), time.process_time()
        table = correlation.correlate(scores, hsf, index, BINS, kept=kept)
        ranked = time.process_time()
        pairs = correlation_tests.compare(scores, hsf, harder=dict.fromkeys(scores, "high"), kept=kept)
        spent = f"table {ranked - begun:.2f} s, tests {time.process_time() - ranked:.2f} s of processor time"
        sums = f"{table['spearman'].sum():.9f} {pairs['p_value'].sum():.9f}"
        print(f"{options.samples:,} samples: {spent}, {time.perf_counter() - clock:.2f} s by the clock; {sums}")


if __name__ == "__main__":
    main()
