"""One look for all figures: colours that colour-blind readers tell apart, on light and dark, and a bare frame."""

from typing import Any

import plotly.graph_objects as go

#: Mid-tones of Okabe and Ito's kind: each reads on white and on near-black, and no two are mistaken for each other.
BLUE, ORANGE, TEAL, VIOLET, GREY = "#4c6ef5", "#e8590c", "#0f9d84", "#ae3ec9", "#868e96"
SERIES = (BLUE, ORANGE, TEAL, VIOLET, GREY)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x")

#: Hard for people is orange and easy is blue, wherever HSF is coloured.
HARD, EASY = ORANGE, BLUE
_MIDDLE = "#a5a9b8"


def ramp(count: int) -> list[str]:
    """Colours of `count` HSF bins, from the hardest for people to the easiest.

    >>> ramp(2)
    ['rgb(232,89,12)', 'rgb(76,110,245)']
    """
    return [_blend(index / max(1, count - 1)) for index in range(count)]


def faded(color: str, opacity: float) -> str:
    """The colour with an opacity, as Plotly takes it.

    >>> faded("#4c6ef5", 0.5)
    'rgba(76,110,245,0.5)'
    """
    return f"rgba({','.join(str(part) for part in _parts(color))},{opacity:g})"


def bare(
    figure: go.Figure, *, height: int, x: str = "", y: str = "", margin: dict[str, int] | None = None
) -> go.Figure:
    """The frame that all figures share: no backgrounds, thin grid, titles on the axes, no legend; returns `figure`."""
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


def of_hsf(simulated: bool) -> str:
    """How figures call the human side.

    >>> of_hsf(True)
    'HSF (simulated votes)'
    """
    return "HSF (simulated votes)" if simulated else "HSF"


def _blend(share: float) -> str:
    low, high, part = (HARD, _MIDDLE, 2 * share) if share < 0.5 else (_MIDDLE, EASY, 2 * share - 1)
    parts = zip(_parts(low), _parts(high), strict=True)
    return f"rgb({','.join(str(round(a + part * (b - a))) for a, b in parts)})"


def _parts(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
