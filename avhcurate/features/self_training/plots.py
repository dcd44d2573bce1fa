"""Rounds of self-training as curves, one line per run."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.features.pseudo_labels.rules import RULES, Rule
from avhcurate.ui.chart_style import AT_TOP, BLUE, ORANGE, SYMBOLS, TEAL, VIOLET, band, bare, faded

#: Quantities that can be drawn: name and number format.
PANELS = {
    "mean_accuracy": ("Accuracy, mean of classes", ".1%"),
    "accuracy": ("Accuracy, overall", ".1%"),
    "precision": ("Precision of the selected", ".1%"),
    "recall": ("Recall", ".1%"),
    "selected": ("Selected samples", ",.0f"),
    "mean_avh": ("Mean AVH of the selected", ".4f"),
    "mean_confidence": ("Mean confidence of the selected", ".3f"),
    "mean_avc": ("Mean AVC of the selected", ".4f"),
    "mean_norm": ("Mean norm of the selected", ".2f"),
    "ece": ("Calibration error (ECE)", ".3f"),
}
#: Panels in one row; four stand two by two.
_COLUMNS = 3
_GATES = {
    "confidence": (BLUE, SYMBOLS[0]),
    "avc": (ORANGE, SYMBOLS[1]),
    "avc-centred": (VIOLET, SYMBOLS[3]),
    "lrent": (TEAL, SYMBOLS[2]),
}
_DASHES = {"hard": "solid", "lrent": "dash", "mrkld": "dot"}


@dataclass(frozen=True)
class Stroke:
    """How a run is drawn: colour and symbol show the gate, the dash what is learnt of a selected sample."""

    name: str
    color: str
    symbol: str
    dash: str


def stroke(name: str, rule: Rule) -> Stroke:
    """Return the stroke of a run by its rule."""
    spec = RULES[rule]
    color, symbol = _GATES[spec.gate]
    return Stroke(name, color, symbol, _DASHES[spec.targets])


def curves(values: pd.DataFrame, strokes: Sequence[Stroke], keys: Sequence[str]) -> go.Figure:
    """Draw a panel for each of `keys` of rows `quantity, line, round, value, low, high`; `line` is a place in
    `strokes`.
    """
    columns = min(_COLUMNS, len(keys))
    if len(keys) == 4:
        columns = 2
    rows = -(-len(keys) // columns)
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[PANELS[key][0] for key in keys],
        horizontal_spacing=0.07,
        vertical_spacing=0.34 / rows,
    )
    for number, key in enumerate(keys):
        place = {"row": 1 + number // columns, "col": 1 + number % columns}
        of_key = values[values["quantity"] == key]
        for line, look in enumerate(strokes):
            _line(figure, of_key[of_key["line"] == line].sort_values("round"), look, key, place, named=not number)
        if _is_share(key):
            # Where all are right, the axis would else reach 200 %.
            figure.update_yaxes(tickformat=".1~%", autorangeoptions={"clipmin": 0, "clipmax": 1.01}, **place)
    bare(figure, height=70 + 215 * rows, margin={"t": 72})
    figure.update_layout(showlegend=True, legend=AT_TOP | {"traceorder": "normal"})
    figure.update_annotations(font_size=13)
    last = max([1, *values["round"].astype(int)])
    figure.update_xaxes(range=[-0.15, last + 0.15], dtick=max(1, -(-last // 10)), showgrid=False)
    return figure.update_xaxes(title_text="round", row=rows)


def _is_share(key: str) -> bool:
    return PANELS[key][1].endswith("%")


def _line(figure: go.Figure, rows: pd.DataFrame, look: Stroke, key: str, place: dict[str, int], *, named: bool) -> None:
    known = rows.dropna(subset=["low", "high"])
    if len(known):
        low, high = (known[end].to_numpy(float).round(6) for end in ("low", "high"))
        area = band(known["round"].to_numpy(), low, high, faded(look.color, 0.1))
        figure.add_scatter(**area, legendgroup=look.name, **place)
    form = PANELS[key][1]
    figure.add_scatter(
        x=rows["round"],
        y=rows["value"].round(6),
        mode="lines+markers",
        line={"color": look.color, "width": 2, "dash": look.dash},
        marker={"color": look.color, "symbol": look.symbol, "size": 7},
        customdata=rows[["low", "high"]].to_numpy(),
        hovertemplate=f"{look.name}, round %{{x}}: %{{y:{form}}} [%{{customdata[0]:{form}}}, %{{customdata[1]:{form}}}]"
        "<extra></extra>",
        name=look.name,
        legendgroup=look.name,
        showlegend=named,
        **place,
    )
