"""HSF against a score: where people and the network agree, and the two corners where they do not."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from avhcurate.disagreement.rules import GapSets
from avhcurate.stats.downsample import downsample
from avhcurate.ui.chart_style import BLUE, GREY, ORANGE, bare, faded, of_hsf

#: As many points as a browser draws and links with ease.
MOST_POINTS = 20_000

#: Set of the gap to its colour.
COLORS = {"hard_for_humans": ORANGE, "hard_for_network": BLUE}


def downsampled(points: pd.DataFrame, *, most: int = MOST_POINTS) -> pd.DataFrame:
    """At most `most` rows of `set, ...`, in their order: those of a set (`set` is not "") whole where they fit in half.

    >>> points = pd.DataFrame({"set": ["", "a", "", ""]})
    >>> downsampled(points, most=2)["set"].tolist().count("a")
    1
    """
    return points.iloc[downsample((points["set"] == "").to_numpy(), most=most, even=True)]


def gap_scatter(
    points: pd.DataFrame,
    sets: GapSets,
    *,
    score: str,
    names: Mapping[str, str],
    simulated: bool = False,
    percentiles: bool = False,
    predicted: bool = False,
) -> go.Figure:
    """Points `id, hsf, value, difficulty, set`; up is always harder for the network and left harder for people.

    `names` says of each set how it is called, with its n. With `percentiles` the height is `difficulty`, the share of
    samples that the network finds easier; else it is the score's value, upside down where a low value is the hard one.
    `predicted`: HSF is predicted, not voted.
    A point carries its id as custom data.
    """
    column = "difficulty" if percentiles else "value"
    figure = go.Figure()
    for name in ("", *names):
        of_set = points[points["set"] == name]
        figure.add_scattergl(
            x=of_set["hsf"],
            y=of_set[column],
            mode="markers",
            name=names.get(name, "neither"),
            ids=of_set["id"].astype(str),
            customdata=of_set[["id", "value"]].to_numpy(),
            marker={
                "color": COLORS.get(name, GREY),
                "size": 7 if name else 5,
                "opacity": 0.8 if name else (0.45 if len(points) < 5000 else 0.25),
            },
            hovertemplate=f"image %{{customdata[0]}}<br>HSF %{{x:.2f}}, {score} %{{customdata[1]:.4g}}<extra></extra>",
        )
    lowest, highest = float(points[column].min()), float(points[column].max())
    easy, hard = _ends(points, sets, percentiles)
    upside_down = sets.harder == "low" and not percentiles
    floor, ceiling = (highest, lowest) if upside_down else (lowest, highest)
    pad = 0.04 * (ceiling - floor) or 0.05
    bottom, top = floor - pad, ceiling + pad
    _region(figure, COLORS["hard_for_humans"], -0.02, sets.hsf_cuts[0], bottom, easy)
    _region(figure, COLORS["hard_for_network"], sets.hsf_cuts[1], 1.02, hard, top)
    _title(figure, names["hard_for_humans"], COLORS["hard_for_humans"], x=0.0, y=0.0)
    _title(figure, names["hard_for_network"], COLORS["hard_for_network"], x=1.0, y=1.0)
    what = f"{score}, percentile of difficulty" if percentiles else score
    human = f"predicted {of_hsf(simulated)}" if predicted else of_hsf(simulated)
    bare(figure, height=420, x=f"{human}   ← harder for people", y=f"{what}   harder for the network →")
    figure.update_layout(margin={"t": 26, "b": 26}, dragmode=False, clickmode="event+select")
    figure.update_xaxes(range=[-0.02, 1.02], tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1], showgrid=False)
    figure.update_yaxes(range=[bottom, top])
    if percentiles:
        figure.update_yaxes(tickformat=".0%")
    return figure


def _ends(points: pd.DataFrame, sets: GapSets, percentiles: bool) -> tuple[float, float]:
    """Heights at which the network's easy end stops and its hard end begins."""
    low, high = sets.score_cuts
    easy, hard = (low, high) if sets.harder == "high" else (high, low)
    if not percentiles:
        return easy, hard
    difficult = points["value"] if sets.harder == "high" else -points["value"]
    sign = 1 if sets.harder == "high" else -1
    below = points.loc[difficult <= sign * easy, "difficulty"].max()
    above = points.loc[difficult >= sign * hard, "difficulty"].min()
    return float(below), float(above)


def _region(figure: go.Figure, color: str, x0: float, x1: float, y0: float, y1: float) -> None:
    line = {"color": faded(color, 0.6), "width": 1}
    figure.add_shape(type="rect", x0=x0, x1=x1, y0=y0, y1=y1, layer="below", fillcolor=faded(color, 0.1), line=line)


def _title(figure: go.Figure, text: str, color: str, *, x: float, y: float) -> None:
    """Names a region at the corner of the chart that it lies in, outside the points."""
    figure.add_annotation(
        x=x,
        y=y,
        xref="paper",
        yref="paper",
        text=f"<b>{text}</b>",
        showarrow=False,
        font={"color": color, "size": 13},
        xanchor="right" if x else "left",
        yanchor="bottom",
        yshift=4 if y else 2,
    )
