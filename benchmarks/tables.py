"""Times the queries behind the pages on made-up samples: `python benchmarks/tables.py --samples 1000000`."""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from avhcurate.analysis.correlation import correlate
from avhcurate.curation import bins, hsf
from avhcurate.curation.filters import Filters
from avhcurate.scores import SCORES
from avhcurate.storage.files import write_parquet
from avhcurate.storage.table import DYNAMICS, SampleTable

CLASSES = 100
VOTES = 10
VIEW = Filters(hsf_bins=(1, 2), classes=(3, 4, 5))


def make(folder: Path, samples: int) -> SampleTable:
    """A table with the columns, types and sizes of a real one: hardness with noise, ten votes a sample."""
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=samples).astype("float32")
    ids = np.arange(samples)
    names = pd.array([f"class-{i % CLASSES:03d}/{i:09d}.jpg" for i in ids], dtype="string")
    labels = (ids % CLASSES).astype("int32")
    write_parquet(
        folder / "samples.parquet",
        pd.DataFrame({"id": ids, "path": names, "split": "train", "label": labels, "_file": "", "_row": ids}),
    )
    scores = {key: hardness + rng.normal(size=samples).astype("float32") for key in SCORES if key not in DYNAMICS}
    write_parquet(folder / "scores.parquet", pd.DataFrame({"id": ids, "predicted": labels, **scores, "problem": None}))
    selected = rng.binomial(VOTES, 1 / (1 + np.exp(hardness - 1)))
    votes = hsf.from_ticks(selected, np.full(samples, VOTES)).assign(id=ids)
    votes["_hsf_bin"] = bins.bin_index(votes["hsf"])
    votes["hsf_bin"] = pd.Series(bins.bin_labels()).reindex(votes["_hsf_bin"]).to_numpy()
    return SampleTable(
        folder / "samples.parquet", folder / "scores.parquet", votes, [f"class-{k:03d}" for k in range(CLASSES)]
    )


def time_of(call: Callable[[], object], repeats: int = 7) -> float:
    """Median of wall seconds, after one call that is not counted."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def by_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """The page of sixty by pandas, for comparison in the same run."""
    keep = frame[frame["_hsf_bin"].isin(VIEW.hsf_bins) & frame["label"].isin(VIEW.classes)]
    return keep.sort_values(["avh", "id"], ascending=[False, True]).iloc[60:120]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        table = make(Path(folder), arguments.samples)
        opened = time.perf_counter() - start
        frame = table.frame(columns=["id", "label", "avh", "hsf", "hsf_bin", "path"])
        frame["_hsf_bin"] = frame["hsf_bin"].map({name: i for i, name in enumerate(bins.bin_labels())})
        index = bins.bin_index(frame["hsf"])
        scores = {key: table.frame(columns=[key])[key] for key in list(SCORES)[:12]}
        rows = {
            "filter, sort, page of 60": time_of(lambda: table.page(VIEW, sort="avh", descending=True, offset=60)),
            "the same by pandas": time_of(lambda: by_pandas(frame)),
            "unfiltered, sort, first page": time_of(lambda: table.page(Filters(), sort="avh", descending=True)),
            "count": time_of(lambda: table.count(VIEW)),
            "histogram of HSF": time_of(lambda: table.histogram("hsf", bins=20, limits=(0, 1))),
            "percentiles of one sample": time_of(lambda: table.percentiles(5)),
            "correlation table, 12 scores": time_of(
                lambda: correlate(scores, frame["hsf"], index, bins.bin_labels()), repeats=3
            ),
        }
    print(f"{arguments.samples} samples, made and opened in {opened:.1f} s")
    for name, seconds in rows.items():
        print(f"| {name} | {seconds * 1e3:.1f} ms |")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
