"""The embedded dataset: scikit-learn's digits, with simulated votes, scored by the project's own network."""

from pathlib import Path

import numpy as np

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError, Option
from avhcurate.networks.models import DIGITS_WEIGHTS
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import sha256, write_array
from avhcurate.workspace.disk.image_parquet import LabelledImage, write_images
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.images.decoding import encode_png

NAME = "digits"
MODEL = "avhcurate:digits"
CLASSES = tuple("0123456789")

#: Files below the workspace's downloads.
_SOURCE = Path("digits", "digits.parquet")
_VOTES = Path("digits", "simulated_votes.npy")
#: Counts of each class, written by `python -m benchmarks.simulated_annotators`, and what is said about them.
_COUNTS = Path(__file__).with_name("digits_votes.npz")
_NOTE = (
    "Simulated, not human: 50 observers answer by the nearest of the images that they remember, seen shifted, blurred "
    "and noisy; seed 0. No network takes part."
)


def prepare_demo(workspace: Workspace, *, progress: Progress = SILENT) -> DatasetFolder:
    """Import dataset `digits`, attach simulated votes and score it; finished steps are not repeated.

    Real votes that were attached in place of the simulated ones stay. Raises CurateError when the workspace holds a
    dataset of the user's under that name.
    """
    if NAME in workspace.names() and not is_demo(workspace.dataset(NAME)):
        raise CurateError(
            f"The workspace {workspace.root} holds a dataset {NAME!r} of your own, imported from "
            f"{workspace.dataset(NAME).record.source}.",
            fix=f"Choose another folder with {Option('workspace', 'DIR')}",
        )
    source = workspace.downloads / _SOURCE
    if not source.exists():
        _write_digits(source)
    # No file of the user's is in this source, so an older version of it can be replaced.
    folder = import_dataset(workspace, NAME, source, force=True)
    votes = folder.record.votes
    if votes is None or (votes.simulated and votes.note != _NOTE):
        write_array(workspace.downloads / _VOTES, simulated_votes())
        attach_votes(workspace, NAME, workspace.downloads / _VOTES, simulated=True, note=_NOTE)
    if not _scored(folder):
        # Torch takes seconds to import, which a finished demo does not need.
        from avhcurate.networks.models.loading import ModelSpec
        from avhcurate.networks.scoring.service import score_dataset

        score_dataset(workspace, NAME, ModelSpec(name=MODEL), progress=progress)
    return workspace.dataset(NAME)


def is_demo(folder: DatasetFolder) -> bool:
    """Return whether a dataset is the embedded digits, and not one of the user's of that name."""
    return folder.name == NAME and Path(folder.record.source).match(str(Path("downloads") / _SOURCE))


def _write_digits(source: Path) -> None:
    """Write the digits in the Hugging Face layout: 8 x 8 grey PNGs with their label and split, N rows."""
    from PIL import Image

    from avhcurate.networks.training.digits import read_digits

    rows = (
        LabelledImage(f"{number:04d}.png", encode_png(Image.fromarray(pixels)), int(label), {"split": str(split)})
        for number, (pixels, label, split) in enumerate(zip(*read_digits(), strict=True))
    )
    write_images(source, rows, CLASSES)


def simulated_votes(images: str = "all") -> np.ndarray:
    """Return the votes (N, 10) of simulated annotators about all digits, or about the `first_120` by themselves."""
    with np.load(_COUNTS) as counts:
        return counts[images].astype(np.int64)


def _scored(folder: DatasetFolder) -> bool:
    """Return whether a run of the current network with its own head covers every sample."""
    wanted = (MODEL, sha256(DIGITS_WEIGHTS), folder.record.fingerprint, None)
    records = (run.record for run in folder.runs() if run.complete and run.record.fitted is None)
    return any((r.model, r.weights_sha256, r.dataset_fingerprint, r.limit) == wanted for r in records)
