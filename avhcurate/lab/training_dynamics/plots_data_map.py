"""The data map: how sure the network was of each sample's label over the epochs, and how much that varied."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from avhcurate.measures.stats.downsample import cells_of, downsample
from avhcurate.ui.charts.chart_style import GREY, add_region, as_text, bare, faded, of_hsf, ramp

#: As many points as a browser draws and links with ease.
MOST_POINTS = 20_000
#: What the points can be coloured by, and its name.
COLORS = {"correctness": "Correctness", "hsf_bin": "HSF bin", "avh": "AVH"}
#: The standard deviation of a number between 0 and 1 is at most this.
_MOST_VARIABLE = 0.5
_CELLS = 30
_NO_VOTES = "no votes"


def downsampled(points: pd.DataFrame, *, most: int = MOST_POINTS) -> pd.DataFrame:
    """Return at most `most` rows of `variability, confidence_mean, ...`, in their order: a random part where crowded.

    The map is cut into cells, and each keeps up to the same number of its points, so rare samples stay.

    >>> crowd = pd.DataFrame({"variability": [0.1] * 9 + [0.4], "confidence_mean": [0.9] * 9 + [0.5]})
    >>> downsampled(crowd, most=4)["variability"].tolist()
    [0.1, 0.1, 0.1, 0.4]
    """
    x = points["variability"].to_numpy(float)
    y = points["confidence_mean"].to_numpy(float)
    cells = cells_of(x, y, (0.0, _MOST_VARIABLE, 0.0, 1.0), columns=_CELLS, rows=_CELLS)
    return points.iloc[downsample(cells, most=most, even=True)]


def data_map(
    points: pd.DataFrame,
    *,
    color: str = "correctness",
    bins: Sequence[str] = (),
    outline: tuple[Sequence[float], Sequence[float]] | None = None,
    dragmode: str | bool = "select",
    simulated: bool = False,
) -> go.Figure:
    """Draw points `id, variability, confidence_mean, correctness, label_name` and the column of `color`.

    `outline`: corners x, y of the region that is selected. A point carries its id as custom data.
    """
    import plotly.express as px

    # Orange is hard, blue is easy: a low correctness is hard, a high AVH is. The hardest last, so that they lie on top.
    colors: dict[str, Any] = {"color_continuous_scale": ramp(9), "range_color": (0, 1)}
    points = points.sort_values(color, ascending=color == "avh", na_position="first", kind="stable")
    points = points.assign(label_name=points["label_name"].astype(str).map(as_text))
    if color == "avh":  # a few extreme values must not leave the rest in one colour
        ends = points["avh"].quantile([0.01, 0.99]).fillna(0).tolist()
        colors = {"color_continuous_scale": ramp(9)[::-1], "range_color": ends}
    elif color == "hsf_bin":
        points = points.assign(hsf_bin=points["hsf_bin"].where(points["hsf_bin"].isin(list(bins)), _NO_VOTES))
        of_bin = dict(zip(bins, ramp(len(bins)), strict=True)) | {_NO_VOTES: faded(GREY, 0.6)}
        colors = {"color_discrete_map": of_bin, "category_orders": {"hsf_bin": [_NO_VOTES, *reversed(bins)]}}
    figure = px.scatter(
        points.round({"variability": 4, "confidence_mean": 4, "avh": 4, "correctness": 3}),
        x="variability",
        y="confidence_mean",
        color=color,
        custom_data=["id", "label_name", color],
        labels=COLORS | {"hsf_bin": of_hsf(simulated)},
        render_mode="webgl",
        **colors,
    )
    figure.update_traces(
        marker={"size": 5, "opacity": 0.65},
        hovertemplate="image %{customdata[0]}, label %{customdata[1]}<br>confidence %{y:.3f}, variability %{x:.3f}<br>"
        f"{COLORS[color]} %{{customdata[2]}}<extra></extra>",
    )
    figure.for_each_trace(lambda trace: trace.update(ids=trace.customdata[:, 0].astype(str)))
    add_region(figure, outline)
    x = "variability: far right is ambiguous"
    y = "confidence: high is easy to learn, low is hard"
    bare(figure, height=520, x=x, y=y, margin={"t": 8})
    figure.update_layout(
        dragmode=dragmode,
        clickmode="event+select",
        newselection_line_width=1.5,
        showlegend=color == "hsf_bin",
        legend={"itemsizing": "constant", "y": 0.8},
        coloraxis_colorbar={"title_side": "right", "thickness": 9, "len": 0.8},
    )
    return figure.update_yaxes(range=[-0.02, 1.02])
