"""Makes the kept workspace: what the code of a release leaves on the disk, for every later release to open.

    git worktree add old COMMIT && cd old && python -m tests.kept.make workspace-COMMIT.tar.gz

`workspace-c5ef7647.tar.gz` was made so by the code of c5ef7647, the first whose workspaces every later version opens,
and is never made again. It holds `digits.parquet`, 120 images, and `workspace/`, with one of each kind of record.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.sources.demo import simulated_votes
from avhcurate.datasets.table.dataset_table import DatasetTable, open_table
from avhcurate.features.annotate import annotators, answers, queue, setup
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.lab.self_training.probe import ProbeRecipe
from avhcurate.lab.self_training.service import self_train_dataset
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.networks.training.digits import read_digits
from avhcurate.workspace.data import people
from avhcurate.workspace.data.people import Person, Role
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.image_parquet import LabelledImage, write_images
from avhcurate.workspace.images.decoding import encode_png
from tests.campaign.child import in_child

IMAGES = 120
CLASSES = tuple("0123456789")
#: Calls of the command line, before people decide and after.
BEFORE = (
    "import digits digits.parquet",
    "votes digits votes.npy --simulated",
    "score digits --model avhcurate:digits",
    "score digits --model avhcurate:digits --head fit --folds 3",
    "neighbours digits --model avhcurate:digits --count 4",
    "quality digits",
    "roles grant ann@example.org annotator",
)
AFTER = (
    "suspects digits --model avhcurate:digits",
    "project digits --model avhcurate:digits --seed 0",
    "predict digits --runs avhcurate:digits",
    "degrade digits --model avhcurate:digits --kinds blur --limit 20",
    "train digits --model tests.kept.make:small_network --resize 8 --crop 8 --epochs 2 --train-sample 20",
    "suspects digits --model tests.kept.make:small_network --out-of-fold --folds 3",
)
#: What each annotator answers to an image, by its id and label.
ANNOTATORS = {
    "ann": lambda id, label: label,
    "bob": lambda id, label: (label + (id % 4 == 0)) % 10,
    "cyd": lambda id, label: 3,
}
OWNER = "olga"


def small_network() -> torch.nn.Module:
    """A network with few weights, so that the file is small."""
    torch.manual_seed(0)
    layers = (torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(48, 8), torch.nn.ReLU())
    return torch.nn.Sequential(*layers, torch.nn.Linear(8, 10))


def main(out: Path) -> None:
    """Write the archive."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_sources(folder)
        for line in BEFORE:
            _run(line, folder)
        # In a process that ends, and so leaves no open database.
        assert in_child(lambda: _decide(folder / "workspace")).code == 0
        for line in AFTER:
            _run(line, folder)
        with tarfile.open(out, "w:gz") as tar:
            for part in ("digits.parquet", "workspace"):
                tar.add(folder / part, part, filter=_anonymous)


def _write_sources(folder: Path) -> None:
    from PIL import Image

    images, labels = (part[:IMAGES] for part in read_digits()[:2])
    rows = (
        LabelledImage(f"{number:04d}.png", encode_png(Image.fromarray(pixels)), int(label))
        for number, (pixels, label) in enumerate(zip(images, labels, strict=True))
    )
    write_images(folder / "digits.parquet", rows, CLASSES)
    np.save(folder / "votes.npy", simulated_votes("first_120"))


def _run(line: str, folder: Path) -> None:
    words = [sys.executable, "-m", "avhcurate", *line.split(), "--workspace", "workspace", "-q"]
    subprocess.run(words, cwd=folder, check=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])})


def _decide(root: Path) -> None:
    """Give votes, take some back, and decide about annotators and images."""
    people._who = lambda: Person(OWNER, Role.OWNER)
    workspace = Workspace(root)
    table = open_table(workspace, "digits")
    setup.configure(table, CollectionSettings(design="classify", control_share=0), who=OWNER)
    for name, said in ANNOTATORS.items():
        with mock.patch.object(people, "_who", return_value=Person(name, Role.ANNOTATOR)):
            _answer(table, name, said, number=60)
            if name == "bob":
                assert answers.take_back(table, name)
    annotators.set_status(table, "cyd", "exclude", why="says three of everything", who=OWNER)
    annotate(table, [3, 17, 20], "tag", "odd")
    annotate(table, [17], "untag", "odd")
    annotate(table, [5], "relabel", 9)
    annotate(table, [7], "relabel", 1)
    annotate(table, [40, 41], "exclude", "blurred")
    assert table.log.undo(table.dataset.id, who=OWNER, actions=("relabel",))
    Saved(workspace, "digits").save_set("hard", [1, 2, 3, 5])
    Saved(workspace, "digits").save_view("threes", {"label": "3"}, "gallery")
    settings = SelfTrainSettings(
        source="digits", target="digits", source_where="id < 60", portion="0.5", rounds=1, model="avhcurate:digits"
    )
    recipe = ProbeRecipe(hidden=8, epochs=2, batch_size=64, learning_rate=0.01)
    self_train_dataset(workspace, settings, recipe=recipe)


def _answer(table: DatasetTable, name: str, said: Callable[[int, int], int], *, number: int) -> None:
    labels, left = table.dataset.labels(), number
    while left:
        for question in queue.next_questions(table, name, ahead=min(10, left)):
            digit, nonce = said(question.id, int(labels[question.id])), uuid.uuid4().hex
            assert not answers.answer(table, name, question.task, question.id, digit, nonce=nonce, reaction_ms=700)
            left -= 1


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if entry.name.endswith((".lock", "/lock")):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
