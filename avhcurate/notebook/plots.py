"""The figures of the app's pages, from a notebook."""

from typing import TYPE_CHECKING

import pandas as pd

from avhcurate import plugins
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError, Run
from avhcurate.measures.scores import SCORES
from avhcurate.notebook.errors import python_words
from avhcurate.notebook.opened import OpenedDataset, filters_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import plotly.graph_objects as go


class Plots:
    """Figures of a dataset, as Plotly figures: `pets.plot.correlation()`.

    `where` filters the samples, as a condition does elsewhere. Raises CurateError where a page would say what is
    missing: votes, a run, a map or a training.

    >>> import avhcurate
    >>> plot = avhcurate.example().plot
    >>> [type(draw()).__name__ for draw in (plot.correlation, plot.disagreement)]
    ['Figure', 'Figure']
    """

    def __init__(self, dataset: OpenedDataset) -> None:
        self.dataset = dataset

    if TYPE_CHECKING:  # what plugins add

        def __getattr__(self, name: str) -> "Callable[..., go.Figure]": ...

    @python_words()
    def correlation(self, *, where: str | Filters | None = None) -> "go.Figure":
        """Draw Spearman of every score with HSF and its interval, closest to people on top, and the noise ceiling."""
        from avhcurate.features.correlation import plots, service

        opened = self.dataset.opened
        return plots.ranking(service.correlate(opened.samples, opened.run, opened.votes, filters=filters_of(where)))

    @python_words()
    def disagreement(self, score: str | None = None, *, where: str | Filters | None = None) -> "go.Figure":
        """Draw HSF against a score (AVH), with what only people and what only the network find hard."""
        from avhcurate.features.disagreement import plots, service

        gap = service.disagree(
            self.dataset.opened.samples,
            self.dataset.opened.run,
            self.dataset.opened.prediction,
            key=score,
            filters=filters_of(where),
        )
        names = {key: f"{title}: {len(gap.ids[key]):,}" for key, title in service.SETS.items()}
        name = gap.key
        if name in SCORES:
            name = SCORES[name].name
        return plots.gap_scatter(gap, plots.downsampled(gap.points), score=name, names=names)

    @python_words()
    def map(self, color: str = "label_name", *, where: str | Filters | None = None) -> "go.Figure":
        """Draw the newest map of the run, coloured by a column: a class, a score, or one of your own.

        Make one by `project`, or on the page Map.
        """
        from avhcurate.features.map import plots
        from avhcurate.features.map.store import maps

        opened, done = self.dataset.opened, []
        if opened.run is not None:
            done = [layout for layout in maps(opened.run) if layout.complete]
        if not done:
            name = self.dataset.name
            raise CurateError(f"{name} has no map.", fix=f"{Run('project', name)}, or make one on the page Map")
        ids, places = done[-1].coordinates()
        points = opened.samples.frame(filters_of(where), columns=["id", color]).set_index("id")
        return plots.point_figure(points.join(pd.DataFrame(places, ids, ["x", "y"]), how="inner"), color)


for _name, _draw in plugins.load("figures", plugins.checked_function("figures"), taken=vars(Plots)).items():
    setattr(Plots, _name, python_words()(_draw))
