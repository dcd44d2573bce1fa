"""The figure of trainings in a notebook: `pets.plot.training()`."""

from typing import TYPE_CHECKING

from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError, Run
from avhcurate.notebook.opened import filters_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from avhcurate.notebook.plots import Plots


def training(self: "Plots", *names: str, where: str | Filters | None = None) -> "go.Figure":
    """Draw AVH, norm, accuracy and loss over the epochs of trainings, by name; without one, of the newest."""
    from avhcurate.datasets.table.titles import titles
    from avhcurate.lab.training_dynamics import plots, service

    table = self.dataset.sample_table
    folder = table.dataset
    chosen = [folder.training(name) for name in names] or folder.trainings()[-1:]
    if not chosen:
        raise CurateError(f"{folder.name} has no training.", fix=Run("train", folder.name, model="MODEL"))
    called = titles(folder)
    shown = {}
    for course in chosen:
        curves = service.curves(table, course, filters=filters_of(where))
        shown[called[course.name]] = plots.with_learnt(curves, course.evaluations())
    return plots.courses(shown, simulated=table.simulated)
