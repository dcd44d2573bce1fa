"""`avhcurate demo --full`: its steps in turn, cut short and resumed, with the settings that the pages start with."""

import os

import pytest

from avhcurate.cli import demo
from avhcurate.datasets.sources.settings import DemoSettings
from avhcurate.features.predicted_hsf import service as predicted_hsf_service
from avhcurate.lab.self_training import service as self_training_service
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.lab.training_dynamics import train
from avhcurate.lab.training_dynamics.settings import TrainSettings
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Cancelled, Jobs, Progress


class Steps:
    """Stand-ins that remember what they have done, and stop in one of them where they are told to."""

    def __init__(self, monkeypatch):
        self.done, self.worked, self.stop_in = [], [], ""
        monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.0, 0.0))
        monkeypatch.setattr(demo, "SECONDS", {"Digits": 5, "Quality": 25, "Map": 34})
        every = {name: self.step(name) for name in ("Digits", "Quality", "Map")}
        monkeypatch.setattr(demo, "steps", lambda: every)

    def step(self, name):
        def work(space, progress):
            if name in self.done:
                return
            self.worked.append(name)
            progress.report(5, 10, "half")
            if name == self.stop_in:
                raise Cancelled("cancelled")
            progress.report(10, 10, "")
            self.done.append(name)

        return work


def test_a_full_demo_cut_short_goes_on_where_it_was(cli, own_demo_root, monkeypatch):
    steps = Steps(monkeypatch)
    steps.stop_in = "Quality"
    code, _, err = cli(*DemoSettings(full=True).argv, "--workspace", own_demo_root)
    assert (code, "again to resume" in err) == (130, True)
    job = Jobs(own_demo_root).newest()
    assert (job.state, job.total, job.message) == ("cancelled", 0, "Quality (2 of 3): half")
    assert 0 < job.share < 0.5
    assert (job.argv, job.dataset) == (["demo", "--full"], "digits")
    steps.stop_in = ""
    code, out, _ = cli(*job.argv, "--workspace", own_demo_root)
    assert (code, "1797 samples" in out) == (0, True)
    assert steps.worked == ["Digits", "Quality", "Quality", "Map"]
    assert Jobs(own_demo_root).newest().state == "done"


def test_each_step_says_what_follows_it_and_a_request_stops_before_the_next(own_demo_root, monkeypatch):
    steps, told, expected = Steps(monkeypatch), [], []
    progress = Progress(lambda *report: told.append(report), expect=lambda now, later: expected.append((now, later)))
    demo.fill_pages(Workspace(own_demo_root), progress)
    assert expected == [(5, 59), (25, 34), (34, 0)]
    assert told[0] == (0, 0, "Digits (1 of 3)")
    assert told[-1] == (1, 1, "all steps are done")
    steps.done.clear()
    steps.worked.clear()
    with pytest.raises(Cancelled):
        demo.fill_pages(Workspace(own_demo_root), Progress(should_stop=lambda: bool(steps.done)))
    assert steps.worked == ["Digits"]


def test_its_trainings_are_those_that_the_page_starts(cli, own_demo_root, monkeypatch):
    """So a page that was filled before, or is filled later, is not trained for twice."""
    asked = []
    monkeypatch.setattr(train, "train_model", lambda space, settings, **_: asked.append(settings))
    for step in ("Training with softmax", "Training with the AVH loss"):
        demo.steps()[step](Workspace(own_demo_root), Progress())
    monkeypatch.setattr(train, "train_seeds", lambda space, settings, *_, **__: asked.append(settings) or [])
    for loss in ("softmax", "avh"):
        cli(*TrainSettings(dataset="digits", model="avhcurate:digits", loss=loss).argv, "--workspace", own_demo_root)
    assert asked[:2] == asked[2:]


def test_its_self_training_is_the_one_that_the_page_starts(own_demo_root, monkeypatch):
    asked = []
    monkeypatch.setattr(
        self_training_service, "self_train_dataset", lambda space, settings, **_: asked.append(settings)
    )
    demo.steps()["Self-training"](Workspace(own_demo_root), Progress())
    run = Workspace(own_demo_root).dataset("digits").run().name
    page = SelfTrainSettings(source="digits", target="digits", model=run, source_where="split = 'train'")
    assert asked == [page.with_(rule="confidence"), page]


def test_it_predicts_hsf_of_the_newest_run(own_demo_root, monkeypatch):
    asked = []
    monkeypatch.setattr(predicted_hsf_service, "predict_hsf", lambda samples, run, votes, **_: asked.append(run.name))
    demo.steps()["Predicted HSF"](Workspace(own_demo_root), Progress())
    assert asked == [Workspace(own_demo_root).dataset("digits").run().name]
    assert list(demo.steps()).index("Predicted HSF") < list(demo.steps()).index("Training with softmax")
