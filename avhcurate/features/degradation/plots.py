"""Figures of degradation: curves of scores over the levels, and the spread of each image's correlation with them."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from avhcurate.features.degradation.corruptions import KINDS
from avhcurate.features.degradation.statistics import ACCURACY
from avhcurate.measures.scores import SCORES
from avhcurate.ui.chart_style import AT_TOP, BLUE, GREY, ORANGE, TEAL, VIOLET, bare, faded, intervals, ramp

#: Colours of the measures that the page shows first; others are violet.
_COLORS = {"avh": BLUE, "confidence": ORANGE, "norm": GREY, ACCURACY: TEAL}
#: Ends of a box and of its whiskers, and its middle.
_QUANTILES = {"lowerfence": 0.05, "q1": 0.25, "median": 0.5, "q3": 0.75, "upperfence": 0.95}
_ROW, _HEAD = 150, 90


def measure_name(key: str) -> str:
    """Return the name of a measure.

    >>> measure_name("avh"), measure_name("accuracy")
    ('AVH', 'Accuracy')
    """
    if key == ACCURACY:
        return "Accuracy"
    return SCORES[key].name


def curve_panels(curves: pd.DataFrame, strengths: Mapping[str, Sequence[float]]) -> go.Figure:
    """Draw a row a measure, a column a kind: means over the images at every level with their intervals.

    With several groups (HSF bins) a line each, from the hardest for people (orange) to the easiest (blue).
    """
    kinds, measures = list(strengths), list(curves["measure"].unique())
    groups = list(curves["group"].unique())
    figure = make_subplots(
        len(measures),
        len(kinds),
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.02,
        vertical_spacing=0.14 / max(2, len(measures)),
        column_titles=[KINDS[kind].name for kind in kinds],
        row_titles=[measure_name(measure) for measure in measures],
    )
    shades = dict(zip(groups, ramp(len(groups)), strict=True))
    for (measure, kind, group), line in curves.groupby(["measure", "kind", "group"], sort=False):
        row, column = measures.index(str(measure)) + 1, kinds.index(str(kind)) + 1
        color = _COLORS.get(str(measure), VIOLET)
        if len(groups) > 1:
            color = shades[group]
        figure.add_scatter(
            x=line["level"],
            y=line["mean"],
            mode="lines+markers",
            line={"color": color, "width": 2},
            marker={"size": 5},
            name=group,
            legendgroup=group,
            showlegend=(row, column) == (1, 1),
            error_y=intervals(line["mean"], line["ci_low"], line["ci_high"], color=color, thickness=1.2),
            customdata=line[["ci_low", "ci_high", "n"]],
            hovertemplate="%{y:.4~g} [%{customdata[0]:.4~g}, %{customdata[1]:.4~g}], n %{customdata[2]:,}",
            row=row,
            col=column,
        )
    bare(figure, height=_HEAD + _ROW * len(measures), margin={"t": 64})
    figure.update_layout(showlegend=len(groups) > 1, legend=AT_TOP)
    figure.update_annotations(font_size=14)
    for column, kind in enumerate(kinds, 1):
        ticks = KINDS[kind].ticks(strengths[kind])
        figure.update_xaxes(
            tickvals=list(range(len(ticks))), ticktext=ticks, tickangle=0, tickfont_size=10, showgrid=False, col=column
        )
        figure.update_xaxes(title_text=KINDS[kind].unit, title_font_size=12, row=len(measures), col=column)
    return figure


def agreement_boxes(rhos: pd.DataFrame, kinds: Sequence[str], keys: Sequence[str]) -> go.Figure:
    """Draw the spread of each image's Spearman with the level: a panel a kind, a box a score.

    The sign is that of the hard end: right of 0 the score finds the image harder as it gets worse. A box holds half of
    the images, its whiskers nine tenths.
    """
    titles = [KINDS[kind].name for kind in kinds]
    figure = make_subplots(1, len(kinds), shared_yaxes=True, horizontal_spacing=0.02, column_titles=titles)
    for column, kind in enumerate(kinds, 1):
        of_kind = rhos[rhos["kind"] == kind]
        figure.add_vline(x=0, line={"color": faded(GREY, 0.7), "width": 1}, row=1, col=column)
        for key in reversed(keys):
            values = SCORES[key].sign * of_kind[key].dropna().astype(float)
            if values.empty:
                continue
            color = _COLORS.get(key, GREY)
            figure.add_box(
                y=[SCORES[key].name],
                name=SCORES[key].name,
                orientation="h",
                line={"color": color, "width": 1.5},
                fillcolor=faded(color, 0.35),
                hoverinfo="x+name",
                row=1,
                col=column,
                **{end: [values.quantile(share)] for end, share in _QUANTILES.items()},
            )
    bare(figure, height=70 + 27 * len(keys), margin={"t": 28})
    names = [SCORES[key].name for key in reversed(keys)]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names, showgrid=False)
    return figure.update_xaxes(range=[-1.08, 1.08], tickvals=[-1, -0.5, 0, 0.5, 1], tickfont_size=10)
