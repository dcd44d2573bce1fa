"""HSF against a score: where people and the network agree, and the two corners where they do not."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from avhcurate.features.disagreement.service import Gap
from avhcurate.measures.stats.downsample import downsample
from avhcurate.ui.charts.chart_style import BLUE, GREY, ORANGE, bare, faded, of_hsf

#: A browser draws and links so many points with ease.
MOST_POINTS = 20_000

#: The colour of each set.
COLORS = {"hard_for_humans": ORANGE, "hard_for_network": BLUE}
_MARKERS = {name: {"color": color, "size": 7, "opacity": 0.8} for name, color in COLORS.items()}
_MARKERS[""] = {"color": GREY, "size": 5, "opacity": 0.35}


def downsampled(points: pd.DataFrame, *, most: int = MOST_POINTS) -> pd.DataFrame:
    """Return at most `most` rows of `set, ...`, in their order; both sets are kept whole where they fit in half.

    >>> points = pd.DataFrame({"set": ["", "a", "", ""]})
    >>> downsampled(points, most=2)["set"].tolist().count("a")
    1
    """
    return points.iloc[downsample((points["set"] == "").to_numpy(), most=most, even=True)]


def gap_scatter(gap: Gap, points: pd.DataFrame, *, score: str, names: Mapping[str, str]) -> go.Figure:
    """Draw some of the gap's points; up is always harder for the network and left harder for people.

    `names` gives the name of each set, with its n. The height is `difficulty`. A point carries its id as custom data.
    """
    sets = gap.sets
    human = of_hsf(gap.simulated)
    if gap.predicted:
        human = f"predicted {human}"
    easy, hard = sorted(sets.sign * cut for cut in sets.score_cuts)
    difficult = sets.sign * points["value"]
    easy = points["difficulty"][difficult <= easy].max()
    hard = points["difficulty"][difficult >= hard].min()
    figure = go.Figure()
    for name, title in {"": "neither", **names}.items():
        dots = points[points["set"] == name]
        figure.add_scattergl(
            x=dots["hsf"],
            y=dots["difficulty"],
            mode="markers",
            name=title,
            marker=_MARKERS[name],
            ids=dots["id"].astype(str),
            customdata=dots[["id", "value"]].to_numpy(),
            hovertemplate=f"image %{{customdata[0]}}<br>HSF %{{x:.2f}}, {score} %{{customdata[1]:.4g}}<extra></extra>",
        )
    bottom = -0.04
    top = 1.04
    _region(figure, "hard_for_humans", names, x=(-0.02, sets.hsf_cuts[0]), y=(bottom, easy))
    _region(figure, "hard_for_network", names, x=(sets.hsf_cuts[1], 1.02), y=(hard, top))
    heights = f"{score}, percentile of difficulty   harder for the network →"
    bare(figure, height=420, x=f"{human}   ← harder for people", y=heights, margin={"t": 44, "b": 26})
    figure.update_layout(dragmode=False, clickmode="event+select")
    figure.update_xaxes(range=[-0.02, 1.02], tickvals=[0, 0.2, 0.4, 0.6, 0.8, 1], showgrid=False)
    return figure.update_yaxes(range=[bottom, top], tickformat=".0%")


def _region(
    figure: go.Figure, name: str, names: Mapping[str, str], *, x: tuple[float, float], y: tuple[float, float]
) -> None:
    """Draw the region of a set, and its name at the corner of the chart that it lies in."""
    color = COLORS[name]
    line = {"color": faded(color, 0.6), "width": 1}
    area = {"type": "rect", "x0": x[0], "x1": x[1], "y0": y[0], "y1": y[1], "layer": "below"}
    figure.add_shape(**area, fillcolor=faded(color, 0.1), line=line)
    corner = {"x": 0.0, "y": 0.0, "xanchor": "left", "align": "left", "yshift": 2}
    if name == "hard_for_network":
        corner = {"x": 1.0, "y": 1.0, "xanchor": "right", "align": "right", "yshift": 4}
    figure.add_annotation(
        text=f"<b>{names[name].replace(', ', ',<br>')}</b>",  # in two lines, within the region
        xref="paper",
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        font={"color": color, "size": 13},
        **corner,
    )
