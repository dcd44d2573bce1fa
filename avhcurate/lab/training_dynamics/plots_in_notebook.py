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
    from avhcurate.people.bins import bin_labels

    table = self.dataset.sample_table
    folder = table.dataset
    chosen = [folder.training(name) for name in names] or folder.trainings()[-1:]
    if not chosen:
        raise CurateError(f"{folder.name} has no training.", fix=Run("train", folder.name, model="MODEL"))
    called, filters = titles(folder), filters_of(where)
    shown = {
        called[one.name]: plots.with_learnt(service.curves(table, one, filters=filters), one.evaluations())
        for one in chosen
    }
    bins = bin_labels(table.edges) if table.votes else []
    return plots.courses(shown, bins, simulated=table.simulated)
