"""The paper's five discoveries on the Training dynamics page: what trainings and models say of each, with figures."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import streamlit as st

from avhcurate.data.trainings import TrainingFolder
from avhcurate.training_dynamics import service
from avhcurate.training_dynamics.discoveries import Figure, Finding
from avhcurate.training_dynamics.discovery_text import TITLES, figure_name, sentence
from avhcurate.ui.cache import HASH_FUNCS
from avhcurate.ui.frame import Opened
from avhcurate.ui.user_errors import plain

_VERDICTS: dict[str, tuple[Literal["green", "orange", "gray"], str]] = {
    "holds": ("green", "check_circle"),
    "does not hold": ("orange", "cancel"),
    "too little data": ("gray", "hourglass_empty"),
}

_findings = st.cache_resource(max_entries=16, show_spinner="Testing the discoveries …", hash_funcs=HASH_FUNCS)(
    service.findings
)
_by_model = st.cache_resource(max_entries=16, show_spinner=False, hash_funcs=HASH_FUNCS)(service.by_model)


def findings(here: Opened, chosen: Sequence[TrainingFolder]) -> None:
    """The paper's five discoveries, each with what these trainings, and all models of the dataset, say of it."""
    with st.container(border=True, gap="small"):
        for found in _findings(here.table, chosen, filters=here.filters):
            _finding(found, simulated=here.table.simulated)
    models = _by_model(here.table, chosen, filters=here.filters)
    if len(models):
        with st.expander(f"The models compared ({len(models)})", icon=":material/compare:"):
            _models(models, simulated=here.table.simulated)


def _finding(found: Finding, *, simulated: bool) -> None:
    color, icon = _VERDICTS[found.verdict]
    verdict, told, figures = st.columns([2, 11, 1.4], vertical_alignment="center", gap="small")
    verdict.badge(found.verdict, color=color, icon=f":material/{icon}:")
    said = plain(sentence(found, simulated=simulated))
    told.markdown(f"**{found.discovery} · {plain(TITLES[found.discovery])}**  \n{said}")
    if found.figures:
        with figures.popover("Figures", type="tertiary", key=f"dynamics.figures.{found.discovery}"):
            rows, key = figures_table(found.figures), f"dynamics.table.{found.discovery}"
            st.dataframe(rows, hide_index=True, width=620, row_height=28, key=key)


def figures_table(figures: Sequence[Figure]) -> pd.DataFrame:
    """Figures as rows, with their intervals.

    >>> figures_table([Figure("rho", 0.5, 0.25, 0.75), Figure("comparisons", 7)]).values.tolist()
    [['rho', '0.5', '0.25 to 0.75'], ['comparisons', '7', '']]
    """
    rows = [
        (figure_name(one), f"{one.value:.4g}", f"{one.low:.4g} to {one.high:.4g}" if one.low == one.low else "")
        for one in figures
    ]
    return pd.DataFrame(rows, columns=["Figure", "Value", "95 % interval"])


def _models(models: pd.DataFrame, *, simulated: bool) -> None:
    """Every model on the same samples: how good it is, and how its AVH and its norm follow HSF."""
    hsf = "HSF (simulated votes)" if simulated else "HSF"
    rows = models[["model", "n", "accuracy", "avh", "norm"]].assign(
        **{f"{key}_hsf": [_with_interval(row, key) for row in models.to_dict("records")] for key in ("avh", "norm")}
    )
    names = {"model": "Model", "n": "Samples", "accuracy": "Accuracy", "avh": "Mean AVH", "norm": "Mean norm"}
    names |= {"avh_hsf": f"AVH with {hsf}", "norm_hsf": f"Norm with {hsf}"}
    st.dataframe(
        rows.assign(accuracy=100 * rows["accuracy"]).rename(columns=names),
        hide_index=True,
        key="dynamics.models",
        column_config={
            "Samples": st.column_config.NumberColumn(format="localized"),
            "Accuracy": st.column_config.NumberColumn(format="%.1f %%"),
            "Mean AVH": st.column_config.NumberColumn(format="%.4f"),
            "Mean norm": st.column_config.NumberColumn(format="%.2f"),
        },
    )
    st.caption("All on the same samples. Correlations are Spearman's, with 95 % intervals; AVH should lie below 0.")


def _with_interval(row: Mapping[Any, Any], key: str) -> str:
    value, low, high = (row[f"{key}_{part}"] for part in ("spearman", "low", "high"))
    return "–" if value != value else f"{value:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−")
