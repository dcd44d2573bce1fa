"""The style of all figures: colours for colour-blind readers, on light and dark, a plain frame; charts of one kind."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from avhcurate.datasets.table.address_values import LONGEST_ADDRESS
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample import Inspection

#: Mid-tones in the manner of Okabe and Ito: distinct, and legible on white and on near-black. Data are slate, what is
#: picked is blue as all that acts, and orange and blue together mean hard and easy, or below and above 0.
BLUE, ORANGE, TEAL, VIOLET, GREY = "#4c6ef5", "#e8590c", "#0f9d84", "#ae3ec9", "#868e96"
SLATE, OCHRE, ROSE = "#64748b", "#b58105", "#d6336c"
SERIES = (SLATE, TEAL, VIOLET, OCHRE, ROSE)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x")

#: Hard for people is orange and easy is blue, wherever HSF is coloured.
HARD = ORANGE
EASY = BLUE
_MIDDLE = "#a5a9b8"

#: Legends in a row: above a chart, and at the top of a figure of several panels.
ABOVE: dict[str, Any] = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}
AT_TOP: dict[str, Any] = {"orientation": "h", "yref": "container", "y": 1.0, "yanchor": "top", "x": 0}


def ramp(count: int) -> list[str]:
    """Return colours of `count` HSF bins, from the hardest for people to the easiest.

    >>> ramp(2)
    ['rgb(232,89,12)', 'rgb(76,110,245)']
    """
    shares = np.linspace(0, 1, count)
    channels = np.array([rgba(color)[:3] for color in (HARD, _MIDDLE, EASY)]).T
    mixed = np.stack([np.interp(shares, [0, 0.5, 1], channel) for channel in channels], axis=1)
    return [f"rgb({red},{green},{blue})" for red, green, blue in mixed.round().astype(int)]


def faded(color: str, opacity: float) -> str:
    """Return the colour, also one of `ramp`, with an opacity, for Plotly.

    >>> faded("#4c6ef5", 0.5), faded("rgb(76,110,245)", 0.5)
    ('rgba(76,110,245,0.5)', 'rgba(76,110,245,0.5)')
    """
    return f"rgba{*rgba(color)[:3], opacity}".replace(" ", "")


def rgba(color: str) -> tuple[int, int, int, int]:
    """Return red, green, blue and opacity of a colour of this module, from 0 to 255.

    >>> rgba("#4c6ef5"), rgba(faded(ORANGE, 0.5))
    ((76, 110, 245, 255), (232, 89, 12, 128))
    """
    if color.startswith("#"):
        return *bytes.fromhex(color[1:]), 255
    red, green, blue, *opacity = color.partition("(")[2].rstrip(")").split(",")
    return int(red), int(green), int(blue), round(255 * float(*opacity or ["1"]))


def bare(
    figure: go.Figure, *, height: int, x: str = "", y: str = "", margin: dict[str, int] | None = None
) -> go.Figure:
    """Give a figure the frame that all share: no backgrounds, thin grid, titles on the axes, no legend; return it."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 12, "b": 8} | (margin or {}),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        hovermode="closest",
    )
    axis: dict[str, Any] = {"automargin": True, "gridcolor": faded(GREY, 0.22), "zeroline": False}
    figure.update_xaxes(title_text=x or None, **axis)
    figure.update_yaxes(title_text=y or None, **axis)
    return figure


def intervals(
    value: pd.Series, low: pd.Series, high: pd.Series, *, color: str = "", thickness: float = 1.5, width: int = 0
) -> dict[str, Any]:
    """Return error bars from `low` to `high` around values, none for an end that is NaN."""
    ends = {"array": (high - value).fillna(0), "arrayminus": (value - low).fillna(0), "symmetric": False}
    return ends | {"type": "data", "color": color or faded(GREY, 0.8), "thickness": thickness, "width": width}


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, color: str) -> dict[str, Any]:
    """Return the area between two curves, as arguments of `add_scatter`."""
    return {
        "x": np.concatenate([x, x[::-1]]),
        "y": np.concatenate([high, low[::-1]]),
        "mode": "lines",
        "fill": "toself",
        "fillcolor": color,
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def add_region(figure: go.Figure, outline: tuple[Sequence[float], Sequence[float]] | None) -> None:
    """Draw the selected region from the x and y of its corners, if there is one."""
    if outline is not None:
        path = "M" + "L".join(f"{x:.5g},{y:.5g}" for x, y in zip(*outline, strict=True)) + "Z"
        line = {"color": GREY, "width": 1.5, "dash": "dot"}
        figure.add_shape(type="path", path=path, fillcolor=faded(GREY, 0.18), line=line)


def note_above(figure: go.Figure, x: float, text: str, *, anchor: str) -> None:
    """Write a note above the chart, next to a mark."""
    font = {"color": GREY, "size": 12}
    figure.add_annotation(
        x=x, y=1, yref="paper", yanchor="bottom", xanchor=anchor, text=text, showarrow=False, font=font
    )


def as_text(name: str) -> str:
    """Return a user's name as text: Plotly would read its `<` as markup.

    >>> as_text("a<b>")
    'a‹b›'
    """
    return name.replace("<", "‹").replace(">", "›")


def of_hsf(simulated: bool) -> str:
    """Return the name of HSF in figures.

    >>> of_hsf(True)
    'HSF (simulated votes)'
    """
    if simulated:
        return "HSF (simulated votes)"
    return "HSF"


def leads(n: Iterable[float], to: Filters | Iterable[Filters], *, run: str = "") -> dict[str, Any]:
    """Return what makes each mark of a trace lead to the `n` images that it counts, as arguments of Plotly.

    `to` narrows the filters of the page to these images: for each mark, or the same for all. `run` is the run that it
    is about, "" for the open one. A mark of so many images that no address could name them leads nowhere.
    """

    def address(filters: Filters) -> str:
        query = filters.to_query()
        if run:
            query["run"] = run
        text = urlencode(query)
        if len(text) > LONGEST_ADDRESS:
            return ""
        return text

    if isinstance(to, Filters):
        addresses: str | list[str] = address(to)
    else:
        addresses = [address(filters) for filters in to]
    return {"meta": {"n": [int(count) for count in n], "to": addresses}}


def matrix(
    text: np.ndarray, shade: np.ndarray, hover: Sequence[str], rows: Sequence[str], columns: Sequence[str], **look: Any
) -> go.Figure:
    """Draw a cell for each row and column with its text (R, C), coloured by `shade` (R, C), from orange over 0 to blue.

    `hover` has a text for each cell, row by row; `look` are arguments of the marks, as those of `leads`.
    """
    figure = go.Figure()
    most = max(1e-9, float(np.nanmax(np.abs(shade), initial=0)))
    strong = np.abs(shade) > most / 2
    figure.add_heatmap(
        z=shade,
        zmin=-most,
        zmax=most,
        colorscale=[[0, ORANGE], [0.5, faded(GREY, 0.06)], [1, BLUE]],
        showscale=False,
        xgap=1,
        ygap=1,
        text=np.where(strong, text, ""),  # the others in the colour of the theme: through them one sees the page
        texttemplate="%{text}",
        textfont={"size": 10},
        hoverinfo="skip",
    )
    y, x = np.divmod(np.arange(text.size), len(columns))
    figure.add_scatter(  # a heat map cannot be clicked: these squares can
        x=x,
        y=y,
        mode="markers+text",
        marker={"symbol": "square", "size": 20, "opacity": 0},
        text=np.where(strong, "", text).ravel(),
        textfont={"size": 10, "weight": "bold"},
        hovertext=hover,
        hovertemplate="%{hovertext}<extra></extra>",
        **look,
    )
    bare(figure, height=90 + 27 * len(rows), margin={"t": 4})
    figure.update_layout(font={"size": 11}, hoverdistance=200)  # a cell is wider than its square
    figure.update_xaxes(
        range=[-0.5, len(columns) - 0.5], tickvals=list(range(len(columns))), ticktext=columns, showgrid=False
    )
    return figure.update_yaxes(
        range=[len(rows) - 0.5, -0.5], tickvals=list(range(len(rows))), ticktext=rows, showgrid=False
    )


def short_names(names: Iterable[str], *, longest: int = 14) -> list[str]:
    """Return names that fit on an axis."""
    return [as_text(str(name)[: longest - 1] + "…" * (len(str(name)) >= longest)) for name in names]


def count_bars(counts: pd.DataFrame, *, run: str = "") -> go.Figure:
    """Draw a bar for each row of `name, n, to`, in their order, pale for images without a value; see `leads`."""
    figure = go.Figure()
    figure.add_bar(
        x=counts["n"],
        y=counts["name"].map(as_text),
        orientation="h",
        marker_color=np.where(counts["name"] == "none", faded(GREY, 0.5), SLATE),
        texttemplate="%{x:,}",
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:,} images<extra></extra>",
        **leads(counts["n"], counts["to"], run=run),
    )
    bare(figure, height=max(110, 24 * len(counts) + 30), margin={"r": 40, "t": 28})
    figure.update_xaxes(visible=False, rangemode="tozero")
    return figure.update_yaxes(type="category", autorange="reversed", showgrid=False, dtick=1)


# --- one sample ------------------------------------------------------------------------------------------------------


#: With more classes than this, only those with the largest values are drawn.
_MOST_CLASSES = 12


def class_bars(classes: Sequence[str], sample: Inspection, *, simulated: bool = False) -> go.Figure:
    """Draw votes and softmax of a sample as bars by class, angles (rad) as dots on their own axis; None is left out.

    Of many classes those with a large vote or probability or a small angle are drawn, in the order of the classes.
    """
    angles = sample.angles
    series = {("Human votes", "Simulated votes")[simulated]: sample.votes, "Softmax": sample.softmax}
    shown = {name: np.asarray(values) for name, values in series.items() if values is not None}
    heights = [values / max(float(values.max()), 1e-12) for values in shown.values()]
    if angles is not None:
        heights.append((angles.max() - angles) / max(float(np.ptp(angles)), 1e-12))
    order = np.sort(np.argsort(-np.max(heights, axis=0), kind="stable")[:_MOST_CLASSES])
    names = [as_text(classes[index]) for index in order]
    figure = go.Figure()
    for name, values in shown.items():
        hover = f"%{{x}}: %{{y:.3f}}<extra>{name}</extra>"
        color = {"Softmax": SLATE}.get(name, TEAL)
        figure.add_bar(name=name, x=names, y=values[order], offsetgroup=name, marker_color=color, hovertemplate=hover)
    if angles is not None:
        figure.add_scatter(
            name="Angle",
            x=names,
            y=np.degrees(angles[order]),
            yaxis="y2",
            mode="markers",
            marker={"size": 9, "color": VIOLET},
            hovertemplate="%{x}: %{y:.1f}°<extra>angle to the class</extra>",
        )
    bare(figure, height=260, y="share, probability", margin={"t": 28})
    figure.update_xaxes(type="category")
    figure.update_layout(barmode="group", bargap=0.25, showlegend=True, legend=ABOVE)
    # The nearest class stands highest, as its bars do; as many ticks as the other axis has would stand at odd numbers.
    right = {"title": "angle", "ticksuffix": "°", "overlaying": "y", "side": "right", "tickmode": "auto"}
    return figure.update_layout(yaxis2=right | {"autorange": "reversed", "showgrid": False})
