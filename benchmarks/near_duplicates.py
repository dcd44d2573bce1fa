"""Which copies of photos are found, and what the search costs: `python -m benchmarks.near_duplicates --help`.

    python -m benchmarks.near_duplicates --data FILE --out FOLDER [--model efficientnet-lite0]
    python -m benchmarks.near_duplicates --scale 1000000

Copies of every photo are made in nine kinds (crops, mirrored, turned, encoded again, made smaller), imported with the
originals, scored and measured once. Then each kind is searched as `avhcurate quality` searches, in a dataset of the
originals and their copies of that kind, and so are datasets of which a part is copied. `--scale` times the search among
hashes made by chance, and gives the peak of memory.
"""

import argparse
import io
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from avhcurate.data.workspace import Workspace
from avhcurate.images.measures import TURNS
from avhcurate.models.loading import ModelSpec
from avhcurate.quality.duplicates import NEIGHBOURS, hash_pairs, near_pairs, similarity_cut, turned_pairs
from avhcurate.quality.service import measure_dataset
from avhcurate.scoring.service import score_dataset
from avhcurate.sources.service import import_dataset
from avhcurate.stats.intervals import share
from avhcurate.stats.neighbours import nearest_of

_Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def cropped(side: float) -> _Change:
    """A crop of that share of each side, anywhere in the image."""

    def crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
        width, height = round(image.width * side), round(image.height * side)
        left, top = rng.integers(0, image.width - width + 1), rng.integers(0, image.height - height + 1)
        return image.crop((int(left), int(top), int(left) + width, int(top) + height))

    return crop


def laid(how: Image.Transpose) -> _Change:
    return lambda image, _: image.transpose(how)


#: Kinds of copies: what is done, and the quality with which they are encoded.
KINDS: dict[str, tuple[_Change, int]] = {
    "crop, 90 % of each side": (cropped(0.9), 90),
    "crop, 90 % of the area": (cropped(0.9**0.5), 90),
    "crop, 80 % of each side": (cropped(0.8), 90),
    "mirrored": (laid(Image.Transpose.FLIP_LEFT_RIGHT), 90),
    "turned by 90": (laid(Image.Transpose.ROTATE_90), 90),
    "turned by 180": (laid(Image.Transpose.ROTATE_180), 90),
    "turned by 270": (laid(Image.Transpose.ROTATE_270), 90),
    "encoded again": (lambda image, _: image, 50),
    "half the size": (lambda image, _: image.resize((image.width // 2, image.height // 2)), 90),
}


def make(data: Path, out: Path) -> int:
    """Writes the originals, then each kind of copies in their order, as one file; returns the number of originals."""
    rng, encoded = np.random.default_rng(0), pq.read_table(data, columns=["image"])["image"].to_pylist()
    originals = [one["bytes"] for one in encoded]
    rows = list(originals)
    for change, quality in KINDS.values():
        for original in originals:
            stream = io.BytesIO()
            image = Image.open(io.BytesIO(original)).convert("RGB")
            change(image, rng).save(stream, "JPEG", quality=quality)
            rows.append(stream.getvalue())
    images = pa.array([{"bytes": row, "path": f"{place}.jpg"} for place, row in enumerate(rows)])
    pq.write_table(pa.table({"image": images}), out / "copies.parquet", row_group_size=100)
    return len(originals)


class Copies:
    """The copies, scored and measured."""

    def __init__(self, data: Path, out: Path, model: str) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.originals = make(data, out)
        space = Workspace(out / "workspace")
        import_dataset(space, "copies", out / "copies.parquet", force=True)
        self.features = score_dataset(space, "copies", ModelSpec(name=model)).features()
        self.measures = measure_dataset(space, "copies").measures()

    def search(self, kind: str, copied: int) -> pd.DataFrame:
        """Pairs `first, second, how` among all originals and the first `copied` of their copies of one kind."""
        first = self.originals * (1 + list(KINDS).index(kind))
        rows = np.concatenate([np.arange(self.originals), first + np.arange(copied)])
        hashes = self.measures["phash"].iloc[rows].to_numpy(np.uint64)
        turned = self.measures[[f"phash_{turn}" for turn in TURNS]].iloc[rows].to_numpy(np.uint64)
        near, angles = nearest_of(np.asarray(self.features[rows]), np.arange(len(rows)), count=NEIGHBOURS)
        found = {
            "hash": hash_pairs(hashes),
            "turned": turned_pairs(hashes, turned),
            "embedding": near_pairs(near, np.cos(angles), similarity_cut(np.cos(angles))),
        }
        return pd.concat([pd.DataFrame(p, columns=["first", "second"]).assign(how=how) for how, p in found.items()])

    def report(self, kind: str, copied: int) -> str:
        """How many of the copies are found, by each way and in all, with a 95 % interval, and the false pairs."""
        pairs = self.search(kind, copied)
        true = pairs[pairs["second"] == pairs["first"] + self.originals]
        by = ", ".join(f"{how} {(true['how'] == how).sum()}" for how in ("hash", "turned", "embedding"))
        found = len(true.drop_duplicates(["first", "second"]))
        wrong = len(pairs.drop_duplicates(["first", "second"])) - found
        _, recall, low, high = share(found, copied)
        return (
            f"{kind}: {found} of {copied} found, {100 * recall:.1f} % ({100 * low:.1f} to {100 * high:.1f}); "
            f"{by}; false pairs {wrong}"
        )


def scale(rows: int) -> None:
    """Seconds of the search among hashes made by chance, and the peak of memory."""
    hashes = np.random.default_rng(0).integers(0, 2**64, (rows, 1 + len(TURNS)), dtype=np.uint64)
    started, used = time.perf_counter(), time.process_time()
    hash_pairs(hashes[:, 0])
    turned, used_turned = time.perf_counter(), time.process_time()
    turned_pairs(hashes[:, 0], hashes[:, 1:])
    ended = time.perf_counter()
    print(f"{rows:,} hashes: {turned - started:.1f} s ({used_turned - used:.1f} s of processors)")
    print(f"mirrored and turned: {ended - turned:.1f} s ({time.process_time() - used_turned:.1f} s of processors)")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--scale", type=int)
    given = parser.parse_args()
    if given.scale:
        scale(given.scale)
    if given.data and given.out:
        copies = Copies(given.data, given.out, given.model)
        for kind in KINDS:
            print(copies.report(kind, copies.originals))
        for part in (0.1, 0.5):
            print(copies.report("crop, 90 % of each side", round(part * copies.originals)))


if __name__ == "__main__":
    main()
