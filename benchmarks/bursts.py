"""How well `--groups auto` finds bursts that are known: `python -m benchmarks.bursts PHOTOS.parquet --workspace DIR`.

PHOTOS has a column `image` of encoded photos. Some become bursts of frames, each a little moved, zoomed, brighter or
darker, taken one second after the other; the rest are single. All are numbered in a row as one camera does, so that
names alone would join everything. Kept apart are minutes. Printed for each two sources: pairs of one burst that are
in one group (recall), and pairs in one group that are of one burst (precision).
"""

import argparse
import io
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import ExifTags, Image, ImageEnhance

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.measures.stats.folds import joined_groups
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.data.bursts import bursts
from avhcurate.workspace.data.workspace import Workspace

FRAMES = 6


def frame(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return what a camera that is held sees a moment later."""
    width, height = photo.size
    zoom = rng.uniform(0.88, 0.98)
    left = rng.uniform(0, width * (1 - zoom))
    top = rng.uniform(0, height * (1 - zoom))
    box = (int(left), int(top), int(left + width * zoom), int(top + height * zoom))
    return ImageEnhance.Brightness(photo.crop(box)).enhance(rng.uniform(0.85, 1.15))


def write(photos: list[bytes], folder: Path, share: float, seed: int) -> np.ndarray:
    """Write the files, and return the burst of each in order of name, which is that of the import."""
    rng = np.random.default_rng(seed)
    clock = datetime(2024, 5, 1, 9)
    of_file: list[int] = []
    folder.mkdir(parents=True)
    for number, data in enumerate(photos):
        photo = Image.open(io.BytesIO(data)).convert("RGB")
        photo.thumbnail((320, 320))
        clock += timedelta(seconds=float(rng.integers(60, 600)))
        for _ in range(FRAMES if rng.random() < share else 1):
            exif = Image.Exif()
            exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "made up", "one"
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"{clock:%Y:%m:%d %H:%M:%S}"
            name = folder / f"IMG_{len(of_file):04d}.jpg"
            frame(photo, rng).save(name, quality=int(rng.integers(80, 95)), exif=exif)
            of_file.append(number)
            clock += timedelta(seconds=1)
    return np.array(of_file)


def pairs(groups: np.ndarray) -> int:
    """Return how many pairs of rows share a group."""
    sizes = pd.Series(groups).value_counts()
    return int((sizes * (sizes - 1) // 2).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--draws", type=int, default=3)
    asked = parser.parse_args()
    photos = [row["bytes"] for row in pq.read_table(asked.photos, columns=["image"])["image"].to_pylist()]
    for seed in range(asked.draws):
        workspace = Workspace(asked.workspace / str(seed))
        known = write(photos, asked.workspace / f"files {seed}", asked.share, seed)
        dataset = import_dataset(workspace, "bursts", asked.workspace / f"files {seed}")
        run = score_dataset(workspace, "bursts", ModelSpec(name="efficientnet-lite0"))
        ids = np.arange(dataset.record.samples)
        ways = bursts(dataset, run.features(), ids)
        ways["all"] = joined_groups(ids, *ways.values())
        rows = []
        for way, groups in ways.items():
            groups = joined_groups(ids, groups)
            right = pairs(known * (groups.max() + 1) + groups)
            rows.append({"way": way, "recall": right / pairs(known), "precision": right / max(1, pairs(groups))})
        print(f"draw {seed}: {len(ids)} images, {sum(np.bincount(known) > 1)} bursts of {FRAMES}")
        print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
