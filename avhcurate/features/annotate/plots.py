"""Charts of a collection: votes over time, votes of each sample, and annotators against each other."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.datasets.table.filters import Filters
from avhcurate.ui.charts.chart_style import (
    ABOVE,
    BLUE,
    GREY,
    SERIES,
    SLATE,
    as_text,
    bare,
    faded,
    leads,
    matrix,
    short_names,
)

#: Points of a line: more cannot be distinguished.
_POINTS = 400
_OTHERS = "others"
#: Annotators against each other whose cells can be read.
_MOST_CELLS = 12


def votes_over_time(votes: pd.DataFrame) -> go.Figure:
    """Return the number of votes so far against time, from rows of `at, annotator`, a line for each of the busiest."""
    busiest = votes["annotator"].value_counts().index[: len(SERIES) - 1]
    names = votes["annotator"].where(votes["annotator"].isin(busiest), _OTHERS)
    figure = go.Figure()
    for name, color in zip([*busiest, _OTHERS], [*SERIES[: len(busiest)], GREY], strict=True):
        at = votes["at"][names == name].sort_values()
        positions = np.unique(np.linspace(0, len(at) - 1, min(_POINTS, len(at))).round().astype(np.int64))
        if len(at):
            line = {"shape": "hv", "width": 2, "color": color}
            figure.add_scatter(x=at.iloc[positions], y=positions + 1, mode="lines", line=line, name=as_text(str(name)))
    bare(figure, height=250, y="votes", margin={"t": 30})
    return figure.update_layout(showlegend=True, legend=ABOVE).update_yaxes(rangemode="tozero")


def votes_of_samples(votes: np.ndarray, *, target: int) -> go.Figure:
    """Return how many samples have 1, 2, ... votes, from the votes of each (N,); those with the target are done.

    The samples without a vote are a number below the bars: in a new collection they would dwarf them.
    """
    counts = np.bincount(votes, minlength=target + 1)
    number = np.arange(1, len(counts))
    # Also of excluded images: votes are counted over the whole dataset.
    images = [Filters(excluded=None, ids=tuple(np.flatnonzero(votes == count).tolist())) for count in number]
    figure = go.Figure()
    figure.add_bar(
        x=number,
        y=counts[1:],
        marker={"color": np.where(number >= target, SLATE, faded(GREY, 0.6))},
        hovertemplate="%{y:,} images with %{x} votes<extra></extra>",
        **leads(counts[1:], images),
    )
    return bare(figure, height=250, x=f"votes ({counts[0]:,} images have none yet)", y="images", margin={"t": 30})


def annotator_pairs(votes: pd.DataFrame, pairs: pd.DataFrame) -> go.Figure:
    """Return how often each two of the busiest annotators say the same; each cell leads to the images of both.

    `votes` are rows of `id, annotator`, `pairs` those of `people.agreement.annotator_pairs`.
    """
    images = {str(name): rows.unique() for name, rows in votes.groupby("annotator")["id"]}
    names = sorted(images, key=lambda name: -len(images[name]))[:_MOST_CELLS]
    rows: dict[frozenset[str], Any] = {
        frozenset((row["first"], row["second"])): row for row in pairs.to_dict("records")
    }
    shares = np.full((len(names), len(names)), np.nan)
    hover, counts, to = [], [], []
    for y, first in enumerate(names):
        for x, second in enumerate(names):
            row = rows.get(frozenset((first, second)), {"n": 0, "agreement": np.nan})
            shares[y, x] = row["agreement"]
            both = np.intersect1d(images[first], images[second])
            counts.append(len(both))
            to.append(Filters(excluded=None, ids=tuple(both.tolist())))
            hover.append(_pair_text(first, second, row))
    text = [["–" if np.isnan(share) else f"{share:.0%}" for share in line] for line in shares]
    shown = short_names(names)
    return matrix(np.array(text), np.nan_to_num(shares), hover, shown, shown, **leads(counts, to))


def _pair_text(first: str, second: str, row: dict[str, Any]) -> str:
    if first == second:
        return as_text(first)
    names = f"{as_text(first)} and {as_text(second)}"
    if not row["n"]:
        return f"{names}: no image in common"
    return f"{names}: the same on {row['agreement']:.0%} of {row['n']:,} images, Cohen's kappa {row['kappa']:.2f}"


def coverage_curve(covered: np.ndarray, at_random: np.ndarray) -> go.Figure:
    """Return the share covered (n,) by the number of images, chosen and at random."""
    figure = go.Figure()
    number = np.arange(1, len(covered) + 1)
    lines = {
        "varied and uncertain": (covered, {"color": BLUE}),
        "at random": (at_random, {"color": GREY, "dash": "dash"}),
    }
    for name, (values, line) in lines.items():
        hover = f"{name}, %{{x:,}} images: %{{y:.1%}}<extra></extra>"
        figure.add_scatter(x=number, y=values, mode="lines", name=name, line=line, hovertemplate=hover)
    bare(figure, height=250, x="images with an answer", y="of the dataset covered", margin={"t": 30})
    figure.update_layout(showlegend=True, legend=ABOVE)
    return figure.update_yaxes(tickformat=".0%", rangemode="tozero")
