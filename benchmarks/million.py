"""Time queries and pages on a workspace of a million made-up samples: `python -m benchmarks.million`.

    python -m benchmarks.million --make FOLDER [--samples 1000000] [--pictures 500]
    python -m benchmarks.million --time FOLDER
    python -m benchmarks.million --walk FOLDER

The first writes a workspace that the app opens, part by part: a Parquet source of a few small images, votes, a run with
embeddings, scores and thumbnails, and a PCA map. The second times what its pages ask for, beside pandas in the same
process, then the pages themselves in Chromium (by Playwright; CHROMIUM=... names another browser), and reads the memory
of the server. The third opens every page without a browser and prints the memory that each takes; with
ARROW_DEFAULT_MEMORY_POOL=system in its environment it allocates as the server does.
"""

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image
from streamlit.testing.v1 import AppTest

from avhcurate import scores
from avhcurate.datasets.table.facets import Facet, count_facets, ends_of, histogram, round_edges
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.datasets.table.sample import rows_of
from avhcurate.features.correlation.service import correlate
from avhcurate.features.map.store import MapFolder, MapRecord
from avhcurate.measures.scores import SCORES
from avhcurate.people import bins
from avhcurate.ui.base.navigation import TITLES
from avhcurate.ui.shell import main as main_script
from avhcurate.workspace.data.dataset_records import DatasetRecord, VotesRecord
from avhcurate.workspace.data.run_records import SHARD, RunRecord
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import write_tables
from benchmarks.served import browser_page, served

NAME, RUN = "million", "made-up-00000000"
#: Samples that are made at a time.
AT_ONCE = 64 * SHARD
CLASSES, WIDTH, VOTES, PICTURES = 10, 32, 10, 500
VIEW = Filters(hsf_bins=(1, 2), classes=(3, 4))
#: Twelve scores that need no training: not relative AVH, which is AVH, nor two that came later.
_OTHERS = ("relative_avh", "class_angular_gap", "grand")
TWELVE = [
    key
    for key, score in SCORES.items()
    if score.needs in ("class_weights", "logits", "features") and key not in _OTHERS
]
#: Of more samples pandas is not asked for what takes it minutes, or more memory than there may be.
MOST_FOR_PANDAS = 2_000_000
PAGE = 60


def make(root: Path, samples: int, distinct: int = PICTURES) -> None:
    """Write the workspace, repeating that many distinct images: about 3 GB for a million samples."""
    root.mkdir(parents=True, exist_ok=True)
    pictures = [_picture(number) for number in range(distinct)]
    source = root / "source.parquet"
    _write_parts(source, samples, lambda ids: _source(ids, pictures))
    workspace = Workspace(root)
    with workspace.lock(NAME):
        dataset = workspace.create(NAME)
        record = DatasetRecord(
            name=NAME,
            source=str(source),
            kind="parquet",
            classes=[str(k) for k in range(CLASSES)],
            classes_declared=True,
            samples=samples,
            fingerprint="1" * 64,
            image_column="image",
            votes=VotesRecord(
                kind="k-way", source="made up", total=VOTES * samples, samples=samples, fingerprint="2" * 64
            ),
        )
        _write_parts(dataset.samples_path, samples, lambda ids: _samples(ids, source))
        _write_parts(dataset.votes_path(record.votes), samples, _votes)
        dataset.write_record(record)
        dataset = workspace.adopt(NAME, dataset)
    _write_run(dataset.root / "runs" / RUN, record.fingerprint, samples)
    for first in range(0, samples, SHARD):
        ids = range(first, min(first + SHARD, samples))
        dataset.thumbnails.write_shard(first // SHARD, {id: pictures[id % distinct] for id in ids})
    _write_map(dataset.run(RUN))


def _picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(256, size=(8, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((32, 32), Image.Resampling.NEAREST).save(stream, "PNG")
    return stream.getvalue()


def _parts(samples: int) -> Iterator[np.ndarray]:
    """Yield the ids of all samples, `AT_ONCE` at a time: what is made of them does not depend on other parts."""
    for first in range(0, samples, AT_ONCE):
        yield np.arange(first, min(first + AT_ONCE, samples))


def _write_parts(path: Path, samples: int, table: Callable[[np.ndarray], pa.Table]) -> None:
    with open(path, "wb") as stream:
        write_tables(stream, map(table, _parts(samples)), compression="zstd")


def _labels(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels (n,) of a part, and how easily it is told that they are right, (n,) in 0..1."""
    rng = np.random.default_rng((0, ids[0]))
    return rng.integers(CLASSES, size=len(ids), dtype=np.int32), rng.beta(2.0, 1.2, size=len(ids)).astype(np.float32)


def _class_weights() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(CLASSES, WIDTH)).astype(np.float32)


def _features(ids: np.ndarray) -> np.ndarray:
    labels, ease = _labels(ids)
    noise = np.random.default_rng((1, ids[0])).normal(size=(len(ids), WIDTH)).astype(np.float32)
    return np.maximum(0, 2 * ease[:, None] * _class_weights()[labels] + noise)


def _source(ids: np.ndarray, pictures: list[bytes]) -> pa.Table:
    data = pa.array([pictures[id % len(pictures)] for id in ids], pa.binary())
    return pa.table({"image": pa.StructArray.from_arrays([data, _paths(ids)], ["bytes", "path"])})


def _paths(ids: np.ndarray) -> pa.Array:
    return pa.array([f"picture-{id:07d}.png" for id in ids])


def _samples(ids: np.ndarray, source: Path) -> pa.Table:
    columns = {"id": ids, "path": _paths(ids), "split": pa.nulls(len(ids), pa.string()), "label": _labels(ids)[0]}
    return pa.table(columns | {"_file": pa.repeat(str(source.absolute()), len(ids)), "_row": ids})


def _votes(ids: np.ndarray) -> pa.Table:
    """Return ten votes a sample: for the label with a probability that its ease sets, or another class."""
    labels, ease = _labels(ids)
    right, place = np.random.default_rng((2, ids[0])).binomial(VOTES, 0.15 + 0.85 * ease), np.arange(len(ids))
    counts = np.zeros((len(ids), CLASSES), np.int32)
    counts[place, labels] = right
    counts[place, (labels + 1) % CLASSES] = VOTES - right
    offsets = np.arange(len(ids) + 1, dtype=np.int32) * CLASSES
    return pa.table({"id": ids, "counts": pa.ListArray.from_arrays(offsets, counts.ravel())})


def _write_run(root: Path, fingerprint: str, samples: int) -> None:
    run, bias, class_weights = RunFolder(root), np.zeros(CLASSES, np.float32), _class_weights()
    now = datetime.now(UTC)
    record = RunRecord(
        name=RUN,
        model="made-up",
        head="head",
        weights_sha256="0" * 64,
        weights_source="made up",
        preprocess={},
        classes=[str(k) for k in range(CLASSES)],
        num_classes=CLASSES,
        width=WIDTH,
        dataset_fingerprint=fingerprint,
        samples=samples,
        started=now,
    )
    run.create(record, class_weights, bias, rows=samples)
    run.finish(_shards(run, class_weights), {"finished": now, "seconds": 1.0, "rate": 1.0})


def _shards(run: RunFolder, class_weights: np.ndarray) -> Iterator[pa.Table]:
    """Write the embeddings and yield the scores, a shard at a time."""
    for ids in _parts(run.record.samples):
        features = _features(ids)
        run.write_rows("features.npy", ids, features)
        found = scores.per_sample(features, class_weights, features @ class_weights.T, _labels(ids)[0])
        columns = {key: found[key] for key in ("predicted", *(key for key in SCORES if key in found))}
        columns["prototype_distance"] = np.full(len(ids), 0.5) + 0.01 * found["avh"]
        table = pa.table({"id": ids, **columns, "problem": pa.nulls(len(ids), pa.string())})
        yield from (table[start : start + SHARD] for start in range(0, len(ids), SHARD))


def _write_map(run: RunFolder) -> None:
    class_weights, products = _directions(run.class_weights()), np.zeros((WIDTH, WIDTH))
    for ids in _parts(run.record.samples):
        rows = _directions(run.features_of(ids))
        products += rows.T @ rows
    basis = np.linalg.eigh(products)[1][:, [-2, -3]].astype(np.float32)
    record, now = run.record, datetime.now(UTC)
    map_record = MapRecord(
        name="pca-made-up",
        layout="pca",
        run=run.name,
        model=record.model,
        weights_sha256=record.weights_sha256,
        dataset_fingerprint=record.dataset_fingerprint,
        width=WIDTH,
        num_classes=CLASSES,
        samples=record.samples,
        limit=None,
        threads=1,
        versions={},
        started=now,
        finished=now,
        seconds=1.0,
        placed=record.samples,
        shares=(0.5, 0.2),
    )
    folder = MapFolder.of(run, map_record.name)
    folder.root.mkdir(parents=True, exist_ok=True)
    places = np.vstack([_directions(run.features_of(ids)) @ basis for ids in _parts(record.samples)])
    folder.finish(map_record, np.arange(record.samples), places, class_weights @ basis)


def _directions(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


# --- in this process -----------------------------------------------------------------------------------------


def median_of(call: Callable[[], object], repeats: int = 7) -> tuple[float, float]:
    """Return medians of wall seconds and of processor seconds, after one uncounted call."""
    call()
    seconds = []
    for _ in range(repeats):
        start, used = time.perf_counter(), time.process_time()
        call()
        seconds.append((time.perf_counter() - start, time.process_time() - used))
    wall, processor = (statistics.median(values) for values in zip(*seconds, strict=True))
    return wall, processor


def queries(root: Path) -> None:
    """Time the queries of the pages, next to pandas where it can answer."""
    start, used = time.perf_counter(), time.process_time()
    opened = open_dataset(Workspace(root), NAME)
    seconds = time.perf_counter() - start, time.process_time() - used
    print(f"{opened.samples.size:,} images, opened in {seconds[0]:.1f} s, {seconds[1]:.1f} s of processor time")
    print(f"memory of this process {memory_gb('VmRSS'):.2f} GB, at its peak {memory_gb('VmHWM'):.2f} GB")
    facets, last = _facets(opened), opened.samples.size - PAGE
    ours: dict[str, Callable[[], object]] = {
        f"filter by bin and class, sort, the next {PAGE} rows": lambda: opened.samples.page(
            VIEW, sort="avh", descending=True, offset=PAGE, limit=PAGE
        ),
        f"sort all, the first {PAGE} rows": lambda: opened.samples.page(Filters(), sort="loss", limit=PAGE),
        "the order of all, for a jump": lambda: opened.samples.order(Filters(), sort="loss"),
        f"{PAGE} rows by id, far apart": lambda: rows_of(
            opened.samples, np.linspace(0, last, PAGE).astype(int).tolist(), columns=["id", "path", "avh", "label_name"]
        ),
        "histogram of AVH": lambda: histogram(opened.samples, "avh", Filters()),
        "histogram of HSF, filtered": lambda: histogram(opened.samples, "hsf", Filters(classes=(3, 4))),
        f"counts of {len(facets)} facets, nothing filtered": lambda: count_facets(opened.samples, Filters(), facets),
        f"counts of {len(facets)} facets, filtered by bin, class and AVH": lambda: count_facets(
            opened.samples, VIEW.with_(ranges=(("avh", 0.05, 0.1),)), facets
        ),
        f"correlation table, {len(TWELVE)} scores, 5 bins": lambda: correlate(
            opened.samples, opened.run, opened.votes, keys=TWELVE
        ),
    }
    theirs = _by_pandas(opened, facets) if opened.samples.size <= MOST_FOR_PANDAS else {}
    print("| what | avhcurate, clock | processor | pandas, clock | processor |")
    print("|---|---|---|---|---|")
    for name, call in ours.items():
        times = median_of(call, 2 if call is [*ours.values()][-1] else 7)
        beside = median_of(theirs[name], 3) if name in theirs else ()
        cells = [f"{value * 1e3:.1f} ms" for value in (*times, *beside)] + ["-"] * (2 - len(beside))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print(f"memory of this process {memory_gb('VmRSS'):.2f} GB, at its peak {memory_gb('VmHWM'):.2f} GB")


def _by_pandas(opened: OpenDataset, facets: list[Facet]) -> dict[str, Callable[[], object]]:
    frame = opened.samples.frame(columns=["id", "label", "hsf", "path", *TWELVE])
    frame["_hsf_bin"] = bins.bin_index(frame["hsf"])
    return {
        f"filter by bin and class, sort, the next {PAGE} rows": lambda: _page_by_pandas(frame),
        f"sort all, the first {PAGE} rows": lambda: frame.sort_values(["loss", "id"]).iloc[:PAGE],
        "histogram of AVH": lambda: np.histogram(frame["avh"].dropna(), 20),
        "histogram of HSF, filtered": lambda: np.histogram(
            frame.loc[frame["label"].isin((3, 4)), "hsf"].dropna(), 20, (0, 1)
        ),
        f"counts of {len(facets)} facets, nothing filtered": lambda: _facets_by_pandas(frame, facets),
        f"correlation table, {len(TWELVE)} scores, 5 bins": lambda: _correlation_by_pandas(frame),
    }


def _facets(opened: OpenDataset) -> list[Facet]:
    """Return the facets of the gallery sorted by AVH, with two more scores."""
    ranges = [
        Facet("ranges", key, edges=round_edges(*ends, whole=False))
        for key, ends in ends_of(opened.samples, ["avh", "norm", "loss"]).items()
    ]
    bins_facet = Facet("hsf_bins", "_hsf_bin", names=tuple(bins.bin_labels(opened.samples.edges)))
    return [bins_facet, *ranges, Facet("classes", "label", names=opened.samples.classes), Facet("tags", "tags")]


def _facets_by_pandas(frame: pd.DataFrame, facets: list[Facet]) -> list[object]:
    """Count all samples; tags are left out."""
    scores = [np.histogram(frame[facet.column].dropna(), facet.edges) for facet in facets if facet.edges]
    return [*scores, frame["_hsf_bin"].value_counts(), frame["label"].value_counts()]


def _page_by_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    keep = frame[frame["_hsf_bin"].isin(VIEW.hsf_bins) & frame["label"].isin(VIEW.classes)]
    return keep.sort_values(["avh", "id"], ascending=[False, True]).iloc[PAGE : 2 * PAGE]


def _correlation_by_pandas(frame: pd.DataFrame) -> pd.DataFrame:
    """Compute the correlations without n, interval or p-value."""
    whole = frame[TWELVE].corrwith(frame["hsf"], method="spearman")
    each = frame.groupby("_hsf_bin").apply(lambda part: part[TWELVE].corrwith(part["hsf"], method="spearman"))
    return pd.concat([whole.to_frame("all").T, each])


def memory_gb(key: str, pid: int | str = "self") -> float:
    """Return the memory of a process in GB: VmRSS now, VmHWM at its peak."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1e6


def walk(root: Path) -> None:
    """Open every page without a browser: its processor seconds, and the peak of this process's memory meanwhile."""
    os.environ["AVHCURATE_WORKSPACE"] = str(root.absolute())
    print("| page | processor | memory after it | peak |\n|---|---|---|---|")
    for name in TITLES:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        used, app = time.process_time(), AppTest.from_file(main_script.__file__, default_timeout=36_000)
        if name != "home":
            app.switch_page(f"../../../pages/{name}.py")
        app.run()
        if app.exception:
            raise SystemExit(f"{name}: {app.exception[0].message}")
        seconds, now, peak = time.process_time() - used, memory_gb("VmRSS"), memory_gb("VmHWM")
        print(f"| {name} | {seconds:.1f} s | {now:.2f} GB | {peak:.2f} GB |", flush=True)


# --- in a browser --------------------------------------------------------------------------------------------


def pages(root: Path) -> None:
    """Time pages in Chromium, from the address to the first image of the gallery, the map and the rest."""
    with served(root) as (address, pid), browser_page(height=1900) as page:
        page.set_default_timeout(600_000)
        first = _seconds(lambda: _open(page, f"{address}/gallery?bin=1,2&class=3,4", ".tile img"))
        _show("gallery, first address on a fresh server", [first])
        for name, ready in _READY.items():
            times = [_seconds(lambda: _open(page, f"{address}/{name}", ready)) for _ in range(3)]  # noqa: B023
            _show(f"page {name}, address to its content (first, then warm)", times)
        now, peak = memory_gb("VmRSS", pid), memory_gb("VmHWM", pid)
        print(f"memory of the server: {now:.2f} GB, at its peak {peak:.2f} GB")


#: What shows that a page has its content.
_READY = {
    "map": ".scatter-chart[data-drawn]",
    "correlation": ".js-plotly-plot .main-svg",
    "models": "h1",
    "suspects": "h1",
    "home": ".js-plotly-plot .main-svg",
}


def _open(page: Any, address: str, ready: str) -> None:
    page.goto(address)
    page.locator(ready).first.wait_for()


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _show(name: str, seconds: list[float]) -> None:
    each = ", ".join(f"{value * 1e3:.0f}" for value in seconds)
    print(f"| {name} | median {statistics.median(seconds) * 1e3:.0f} ms | {each} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", type=Path, metavar="FOLDER")
    parser.add_argument("--time", type=Path, metavar="FOLDER")
    parser.add_argument("--walk", type=Path, metavar="FOLDER")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--pictures", type=int, default=PICTURES, help="distinct images")
    arguments = parser.parse_args()
    if arguments.make:
        make(arguments.make, arguments.samples, arguments.pictures)
    if arguments.time:
        queries(arguments.time)
        pages(arguments.time)
    if arguments.walk:
        walk(arguments.walk)


if __name__ == "__main__":
    main()
