"""A small dataset to try things on, which every example of the documentation uses."""

import atexit
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

import avhcurate
from avhcurate.notebook.dataset import Dataset

#: Images of the example: enough for every statistic, few enough to be scored in no time.
_IMAGES = 120


def example_dataset(*, fresh: bool = False) -> Dataset:
    """See `avhcurate.example`."""
    if fresh:
        _made.cache_clear()
    return Dataset(_made().workspace, "digits")


@lru_cache(maxsize=1)
def _made() -> Dataset:
    from avhcurate.datasets.sources.demo import simulated_votes
    from avhcurate.networks.training.digits import read_digits

    folder = Path(tempfile.mkdtemp(prefix="avhcurate-example-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    images, labels = (part[:_IMAGES] for part in read_digits()[:2])
    classes = [str(digit) for digit in range(10)]
    digits = avhcurate.dataset("digits", images, labels, classes=classes, workspace=folder)
    return digits.votes(simulated_votes("first_120"), simulated=True).score("avhcurate:digits")
