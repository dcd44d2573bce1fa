"""One button fills an empty page, and one on Home fills every page of the digits demo."""

import pytest

from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs


@pytest.fixture
def started(monkeypatch):
    """What is started in place of jobs: command line, verb, dataset."""
    jobs = []
    monkeypatch.setattr(
        "avhcurate.workspace.data.background.start",
        lambda root, argv, *, verb, dataset="": jobs.append((argv, verb, dataset)),
    )
    return jobs


@pytest.mark.parametrize(
    ("page", "verb", "options"),
    [
        ("map", "project", ["digits", "--model={run}"]),
        ("suspects", "suspects", ["digits", "--model={run}"]),
        ("degradation", "degrade", ["digits", "--model={run}"]),
        ("training_dynamics", "train", ["digits", "--model=avhcurate:digits"]),
        (
            "self_training",
            "self-train",
            ["--source=digits", "--target=digits", "--model=avhcurate:digits", "--source-where=split = 'train'"],
        ),
    ],
)
def test_one_click_fills_an_empty_page(open_page, demo_root, started, page, verb, options):
    open_page(page, demo_root).button(key="page.fill").click().run()
    run = Workspace(demo_root).dataset("digits").run().name
    assert started == [([verb, *(option.format(run=run) for option in options)], verb, "digits")]


def test_a_busy_workspace_fills_no_page(open_page, own_demo_root, started):
    jobs = Jobs(own_demo_root)
    with jobs.running(jobs.create("score", "digits", ["score", "digits"])):
        assert open_page("map", own_demo_root).button(key="page.fill").disabled
        assert open_page("home", own_demo_root).button(key="home.fill").disabled


def test_home_fills_every_page_of_the_digits_once(open_page, own_demo_root, unscored_root, started):
    app = open_page("home", own_demo_root)
    assert any("about 2 minutes on two cores" in node.value for node in app.markdown)
    app.button(key="home.fill").click().run()
    assert started == [(["demo", "--full"], "demo", "digits")]
    jobs = Jobs(own_demo_root)
    with jobs.running(jobs.create("demo", "digits", ["demo", "--full"])) as progress:
        progress.report(250, 800, "Suspects: neighbours")
        app = open_page("home", own_demo_root)
        assert "Demo digits" in " ".join(node.value for node in app.markdown)
        assert not any(button.key == "home.fill" for button in app.button)
    for root in (own_demo_root, unscored_root):
        assert not any(button.key == "home.fill" for button in open_page("home", root).button)
