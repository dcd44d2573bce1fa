"""Data that several benchmarks' tests learn from."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from avhcurate.images.decoding import encode_thumbnail

CLASSES, IMAGES = 3, 60


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """Files `train` and `test` of 60 images of three tones with ten votes each, in the layout of CIFAR-10H."""
    folder, rng = tmp_path_factory.mktemp("planted"), np.random.default_rng(0)
    for name in ("train", "test"):
        labels = np.arange(IMAGES) % CLASSES
        pixels = np.clip(rng.normal(60 + 60 * labels, 40, (32, 32, 3, IMAGES)), 0, 255).astype(np.uint8)
        encoded = (encode_thumbnail(np.ascontiguousarray(pixels[..., number])) for number in range(IMAGES))
        images = [{"bytes": image, "path": str(number)} for number, image in enumerate(encoded)]
        counts = np.zeros((IMAGES, CLASSES), int)
        counts[np.arange(IMAGES), (labels + 1) % CLASSES] = rng.integers(0, 8, IMAGES)
        counts[np.arange(IMAGES), labels] = 10 - counts.sum(axis=1)
        pq.write_table(
            pa.table({"image": images, "label": labels, "human_counts": counts.tolist()}), folder / f"{name}.parquet"
        )
    return folder
