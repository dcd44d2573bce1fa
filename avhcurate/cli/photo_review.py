"""From photos to suspects in one job: the steps of `avhcurate review`."""

from typing import Any
from urllib.parse import urlencode

import numpy as np

from avhcurate.datasets.curate.locked import lock_first
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.sources.settings import ReviewSettings
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.map.service import project_dataset
from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.suspects.service import find_suspects, seconds_of_sources
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.networks.models.names import usual_here
from avhcurate.networks.neighbours.service import SEARCH_SECONDS, find_neighbours
from avhcurate.networks.scoring.service import score_settings
from avhcurate.networks.scoring.settings import ScoreSettings
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Progress

#: The part of many photos whose suspects are found first: so many, or so many of each class. Where it is not below a
#: third, all are as quick.
_FIRST = 1000
_FIRST_OF_CLASS = 20
#: Seconds of a map of a few thousand photos on two quiet cores: most of it UMAP takes to compile.
_MAP_SECONDS = 30.0


class PhotoReview:
    """Photos, imported, and what is found among them; `run` has scored them last, `locked` says what was locked first.

    Each step does nothing where it is done already, and resumes where it was cut short.
    """

    run: Any = None
    locked = ""

    def __init__(self, space: Workspace, settings: ReviewSettings, progress: Progress) -> None:
        self.space = space
        self.progress = progress
        self.name = str(settings.dataset)
        self.dataset = import_dataset(
            space, self.name, settings.source, force=settings.force, progress=progress.titled("Import")
        )
        if settings.lock:
            self.locked = lock_first(open_dataset(space, self.name).decisions, open_dataset(space, self.name).run)
        labels = self.dataset.labels_to_learn()
        self.samples = len(labels)
        self.classes = len(np.unique(labels[labels >= 0]))
        if self.classes == 1:
            raise CurateError(
                f"{self.name} has one class, so no label can be told from another. Give a folder with two classes or "
                "more, or one without sub-folders, which is mapped."
            )
        self.scoring = ScoreSettings(dataset=self.name, model=settings.model or usual_here()[0])
        if self.classes > 1:
            self.scoring = self.scoring.with_(head="fit")

    def first(self) -> str:
        """Find suspects among a part of many photos, spread evenly, and return their page; "" if all are as quick."""
        part = max(_FIRST, _FIRST_OF_CLASS * self.classes)
        scored = any(run.complete and run.record.limit is None for run in self.dataset.runs())
        if scored or self.classes < 2 or self.samples < 3 * part:
            return ""
        progress = self.progress.titled("First suspects")
        self._score(progress, limit=part)
        self._suspect(progress)
        return self._address("suspects")

    def whole(self) -> str:
        """Find suspects among all photos, or map those without classes, and return the page that shows them.

        Few photos without classes are seen at once, without a map.

        Their run takes the place of that of the first suspects as the default.
        """
        steps = {"Scores": (0.0, self._score), "Neighbours": (0.5 + SEARCH_SECONDS * self.samples, self._search)}
        page = "suspects"
        if self.classes > 1:
            steps["Suspects"] = seconds_of_sources(self.samples), self._suspect
        elif self.samples > self._mapping().neighbours:
            page = "map"
            steps["Map"] = _MAP_SECONDS, self._place
        else:
            page = "gallery"
        self.progress.steps(steps)
        dataset = self.space.dataset(self.name)
        if dataset.default_run and dataset.default_run.record.limit and not dataset.record.default_run:
            self.space.choose_default(self.name, self.run.name)
        return self._address(page)

    def _address(self, page: str) -> str:
        """Return the address of a page of the run, which the app opens."""
        address = f"{page}?{urlencode({'dataset': self.name, 'run': self.run.name})}"
        self.progress.opens(address)
        return address

    def _score(self, progress: Progress, limit: int | None = None) -> None:
        self.run = score_settings(self.space, self.scoring.with_(limit=limit), progress=progress)

    def _search(self, progress: Progress) -> None:
        find_neighbours(self.dataset, self.run, progress=progress)

    def _suspect(self, progress: Progress) -> None:
        opened = open_dataset(self.space, self.name, self.run.name)
        find_suspects(
            opened.run, opened.votes, SuspectsSettings(dataset=self.name, model=self.run.name), progress=progress
        )

    def _place(self, progress: Progress) -> None:
        project_dataset(self.space, self._mapping(), progress=progress)

    def _mapping(self) -> ProjectSettings:
        return ProjectSettings(dataset=self.name, model=self.run and self.run.name)
