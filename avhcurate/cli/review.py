"""`avhcurate review`: from a folder of photos to the first suspect, or to a map where there is nothing to compare."""

import os
import sys
import webbrowser
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np

from avhcurate.cli import options
from avhcurate.datasets.sources.settings import ReviewSettings
from avhcurate.networks.models.names import usual_here

if TYPE_CHECKING:
    from avhcurate.workspace.data.workspace import Workspace
    from avhcurate.workspace.disk.jobs import Progress

#: Seconds of a map of a few thousand photos on two quiet cores: most of it UMAP takes to compile.
_MAP_SECONDS = 30.0


@options.verb(ReviewSettings)
def review(settings: ReviewSettings) -> None:
    from avhcurate.datasets.sources.service import absolute, name_for
    from avhcurate.people.log import open_response_log
    from avhcurate.workspace.disk.jobs import JOB_VARIABLE

    options.path(settings.source)
    space = options.open_workspace()
    name = settings.dataset or name_for(space, settings.source)
    settings = settings.with_(source=absolute(settings.source), dataset=name)
    with options.job(settings) as progress:
        address = review_photos(space, settings, progress)
    open_response_log(space.root)
    options.print_dataset(space.dataset(name))
    if not os.environ.get(JOB_VARIABLE):  # the app that started it is there
        show(space, address)


def review_photos(space: "Workspace", settings: ReviewSettings, progress: "Progress") -> str:
    """Import photos, and find suspects among them, or map those of fewer than two classes; return the page to open.

    Each step does nothing where it is done already, and resumes where it was cut short.
    """
    from avhcurate.datasets.sources.service import import_dataset
    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.features.map.service import project_dataset
    from avhcurate.features.map.settings import ProjectSettings
    from avhcurate.features.suspects.service import find_suspects, seconds_of_sources
    from avhcurate.features.suspects.settings import SuspectsSettings
    from avhcurate.networks.neighbours.service import SEARCH_SECONDS, find_neighbours
    from avhcurate.networks.scoring.service import score_settings
    from avhcurate.networks.scoring.settings import ScoreSettings

    name = str(settings.dataset)
    importing = progress.titled("Import")
    dataset = import_dataset(space, name, settings.source, force=settings.force, progress=importing)
    labels = dataset.labels_to_learn()
    samples = len(labels)
    scoring = ScoreSettings(dataset=name, model=settings.model or usual_here()[0])
    comparable = len(np.unique(labels[labels >= 0])) > 1
    if comparable:
        scoring = scoring.with_(head="fit")
    run: Any = None

    def score(progress: "Progress") -> None:
        nonlocal run
        run = score_settings(space, scoring, progress=progress)

    def search(progress: "Progress") -> None:
        find_neighbours(dataset, run, progress=progress)

    def suspect(progress: "Progress") -> None:
        table = open_table(space, name, run.name)
        find_suspects(table, SuspectsSettings(dataset=name, model=run.name), progress=progress)

    def place(progress: "Progress") -> None:
        project_dataset(space, ProjectSettings(dataset=name, model=run.name), progress=progress)

    steps = {"Scores": (0.0, score), "Neighbours": (SEARCH_SECONDS * samples, search)}
    page = "map"
    if comparable:
        page = "suspects"
        steps["Suspects"] = seconds_of_sources(samples), suspect
    else:
        steps["Map"] = _MAP_SECONDS, place
    progress.steps(steps)
    address = f"{page}?{urlencode({'dataset': name, 'run': run.name})}"
    progress.opens(address)
    return address


def show(space: "Workspace", address: str) -> None:
    """Serve the app at a page, in the browser where there is one, until an interrupt."""
    from avhcurate.notebook.server import server_of

    server = server_of(space)
    print(f"{server.address}/{address}\nCtrl-C ends the app; `avhcurate serve` opens it again.", flush=True)
    if os.name == "nt" or sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        webbrowser.open(f"{server.address}/{address}")
    server.wait()
