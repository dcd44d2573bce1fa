"""A figure of a notebook: `pets.plot.sizes()` draws how many images each class has."""

from avhcurate.notebook.opened import filters_of


def sizes(plots, *, where=None):
    """Draw a bar a class, of the samples that satisfy a condition."""
    import plotly.graph_objects as go

    counts = plots.dataset.opened.samples.group_counts("label_name", filters_of(where))
    return go.Figure(go.Bar(x=counts["value"], y=counts["n"]))
