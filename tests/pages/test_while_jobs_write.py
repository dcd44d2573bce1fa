"""Every page whose results a job makes is opened while that job writes them."""

from contextlib import suppress

import numpy as np
import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.map import umap_process
from avhcurate.features.map.service import project_dataset
from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.quality.service import measure_dataset
from avhcurate.features.suspects.service import find_suspects
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.lab.degradation.service import degrade_dataset
from avhcurate.lab.degradation.settings import DegradeSettings
from avhcurate.lab.self_training.probe import ProbeRecipe
from avhcurate.lab.self_training.service import self_train_dataset
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.lab.training_dynamics.settings import TrainSettings
from avhcurate.lab.training_dynamics.train import train_model
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring import heads
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Jobs, Progress

#: States of the disk that a page is opened on; then the job is cancelled.
MOST = 2


def self_train(space, progress):
    recipe = ProbeRecipe(hidden=8, epochs=2, batch_size=64, learning_rate=0.01)
    settings = SelfTrainSettings(source="digits", target="digits", portion="0.2:0.4:0.1", source_where="id < 60")
    self_train_dataset(space, settings, recipe=recipe, progress=progress)


def score(space, progress, limit=200):
    score_dataset(space, "digits", ModelSpec(name="avhcurate:digits"), limit=limit, progress=progress)


def suspect(space, progress):
    opened = open_dataset(space, "digits")
    find_suspects(opened.run, opened.votes, SUSPECTS, progress=progress)


DEGRADE = DegradeSettings(dataset="digits", limit=40)
SUSPECTS = SuspectsSettings(dataset="digits", out_of_fold=True)
TRAIN = TrainSettings(dataset="digits", model="avhcurate:digits", epochs=2)
JOBS = {
    "home": score,
    "models": lambda space, progress: score(space, progress, limit=201),
    "degradation": lambda space, progress: degrade_dataset(space, DEGRADE, progress=progress),
    "map": lambda space, progress: project_dataset(space, ProjectSettings(dataset="digits"), progress=progress),
    "suspects": suspect,
    "quality": lambda space, progress: measure_dataset(space, "digits", progress=progress),
    "self_training": self_train,
    "training_dynamics": lambda space, progress: train_model(space, TRAIN, progress=progress),
}


@pytest.mark.parametrize("page", JOBS)
def test_a_page_opens_at_every_state_that_its_job_leaves_on_disk(open_page, own_demo_root, page, monkeypatch):
    space, states = Workspace(own_demo_root), []
    # UMAP takes half a minute and writes nothing before its end.
    monkeypatch.setattr(umap_process, "lay_out", lambda rows, **_: np.load(rows)[:, :2])
    monkeypatch.setattr(heads, "STRENGTHS", (1.0,))

    def look(*told):
        progress.report(*told)
        now = sorted(path for path in (own_demo_root / "datasets").rglob("*") if ".tmp" not in path.name)
        if now not in states:
            states.append(now)
            open_page(page, own_demo_root)

    jobs = Jobs(own_demo_root)
    with suppress(Cancelled), jobs.running(jobs.create("work", "digits", [])) as progress:
        JOBS[page](space, Progress(look, lambda: len(states) >= MOST))
    assert states
