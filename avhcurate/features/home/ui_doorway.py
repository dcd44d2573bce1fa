"""The first screen of Home: what the app is for, shown by two images of the dataset, and where to go from here."""

from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from avhcurate.datasets.table.columns import quote
from avhcurate.datasets.table.dataset_table import DatasetTable
from avhcurate.datasets.table.filters import Filters
from avhcurate.measures.scores import SCORES
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.score_help import format_score, score_name
from avhcurate.ui.base.text import people
from avhcurate.ui.base.url_state import View
from avhcurate.ui.server.image_routes import image_url
from avhcurate.workspace.disk.app_files import PAGES

PURPOSE = (
    "Some images are hard for people and easy for a network, and others the reverse. See which in your data, correct "
    "labels, and leave with a label file."
)
_CSS = """
<style>
.doorway { display: flex; flex-wrap: wrap; gap: 1rem; }
.doorway figure { flex: 1 1 9rem; max-width: 16rem; margin: 0; }
.doorway img { width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 0.5rem; background: #80808022; }
.doorway figcaption { font-size: 0.875rem; line-height: 1.4; margin-top: 0.4rem; }
.doorway b { display: block; font-weight: 600; }
</style>
"""


def picture(page: Opened) -> None:
    """Draw two images: sure for people and not for the network, and the reverse; without votes hardest and easiest."""
    figures = [_figure(page, title, row) for title, row in _extremes(page.table).items()]
    if figures:
        st.html(f"{_CSS}<div class='doorway'>{''.join(figures)}</div>")


@kept()
def _extremes(table: DatasetTable) -> dict[str, dict[str, Any]]:
    """Return the row of each of the two images by its title; none without a run."""
    if table.run is None:
        return {}
    score = table.hardness
    by = quote(score)
    if SCORES[score].harder == "low":
        by = f"-{by}"
    ends = {"Hardest": "DESC", "Easiest": "ASC"}
    judged = []
    if table.votes is not None:
        judged.append("hsf")
    if table.run.has_logits:
        judged.append("confidence")
    if len(judged) == 2:
        by = "hsf - confidence"
        ends = {"People sure, network not": "DESC", "Network sure, people not": "ASC"}
    usable = " AND ".join(f"isfinite({quote(name)})" for name in [score, *judged])
    columns = list(dict.fromkeys(["id", "label_name", "predicted_name", score, *judged]))
    rows: dict[str, dict[str, Any]] = {}
    for title, end in ends.items():
        ids = table.query(f"SELECT id FROM samples WHERE NOT excluded AND {usable} ORDER BY {by} {end}, id LIMIT 1")
        for (id,) in ids:
            row = table.frame(Filters(ids=(id,)), columns=columns).iloc[0]
            rows[title] = {str(name): value for name, value in row.items()}
    return rows


def _figure(page: Opened, title: str, row: dict[str, Any]) -> str:
    id = int(row["id"])
    label = f"“{row['label_name']}”"
    notes = []
    if "hsf" in row:
        notes.append(f"{row['hsf']:.0%} of {people(page.table.simulated)} chose {label}")
    else:
        notes.append(f"{score_name(page.table.hardness)} {format_score(page.table.hardness, row[page.table.hardness])}")
    if pd.notna(row.get("confidence")):
        notes.append(f"the network is {row['confidence']:.0%} sure of {label}")
    if pd.notna(row["predicted_name"]) and row["predicted_name"] != row["label_name"]:
        notes.append(f"it predicts “{row['predicted_name']}”")
    source = escape(image_url(page.dataset.name, id, version=page.version))
    text = escape("; ".join(notes))
    return f"<figure><img src='{source}' alt='Image {id}'><figcaption><b>{title}</b>{text}.</figcaption></figure>"


def ways(page: Opened) -> None:
    """Draw the three ways on, each with the open dataset and run."""
    view = View(dataset=page.view.dataset, run=page.view.run, edges=page.view.edges)
    hardest = view.to_query()
    if page.table.run:
        score = page.table.hardness
        hardest |= View(sort=score, descending=SCORES[score].harder == "high").to_query()
    with st.container(key="doorway", gap="small"):
        for file, label, icon, query in (
            ("gallery", "The hardest images", "whatshot", hardest),
            ("disagreement", "Where people and network disagree", "compare_arrows", view.to_query()),
            ("suspects", "Labels that may be wrong", "flag", view.to_query()),
        ):
            st.page_link(PAGES / f"{file}.py", label=label, icon=f":material/{icon}:", query_params=query)
