"""The form that makes a map: `avhcurate project` as a job."""

from functools import partial
from pathlib import Path

import streamlit as st

from avhcurate.services import jobs
from avhcurate.services.mapping import maps_of
from avhcurate.services.projecting import DEFAULT_MIN_DIST, DEFAULT_NEIGHBOURS, PCA_ABOVE, PCA_WIDTH
from avhcurate.ui.frame import Opened, attempt

METRICS = {"cosine": "Angle", "euclidean": "Distance"}

_WHY = """
Every sample becomes a point, near those whose embeddings point the same way, with the class weights among them. PCA is
there within moments and shows the broad directions; UMAP takes longer and shows which samples are neighbours. Draw
around a group to look at its images and to tag, relabel, exclude, export or save them.
"""


def project_command(
    dataset: str,
    run: str,
    *,
    metric: str = "cosine",
    neighbours: int = DEFAULT_NEIGHBOURS,
    min_dist: float = DEFAULT_MIN_DIST,
    pca: int | None = None,
    seed: int | None = None,
    limit: int | None = None,
) -> list[str]:
    """Arguments of `avhcurate project`, defaults left out; `pca` None stands for auto, 0 for none.

    >>> project_command("pets", "resnet-1", neighbours=30, pca=0, seed=0)
    ['project', 'pets', '--model=resnet-1', '--neighbors=30', '--pca=none', '--seed=0']
    """
    said = {
        "metric": None if metric == "cosine" else metric,
        "neighbors": None if neighbours == DEFAULT_NEIGHBOURS else neighbours,
        "min-dist": None if min_dist == DEFAULT_MIN_DIST else f"{min_dist:g}",
        "pca": "none" if pca == 0 else pca,
        "seed": seed,
        "limit": limit,
    }
    return ["project", dataset, f"--model={run}", *(f"--{name}={v}" for name, v in said.items() if v is not None)]


def first(here: Opened, *, busy: bool) -> None:
    """What the page is for, and the form; shown before there is a map, and while the first one is made."""
    with st.container(border=True):
        st.subheader("No map of this run yet", icon=":material/bubble_chart:")
        st.markdown(_WHY)
        form(here, busy=busy)
    st.caption("Or from a shell:")
    st.code(f"avhcurate project {here.table.dataset.name}", language="bash")
    if busy:
        await_map(here, 0)


def await_map(here: Opened, known: int) -> None:
    """Runs the page again as soon as the run has another than the `known` number of maps."""
    st.fragment(_look, run_every=1.0)(here, known)


def _look(here: Opened, known: int) -> None:
    if len(maps_of(here.table)) != known:
        st.rerun()


def form(here: Opened, *, busy: bool) -> None:
    """How the map is made, and the button that starts the job."""
    with st.form("map.start", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.segmented_control(
                "Near means", list(METRICS), default="cosine", required=True, key="map.start_metric",
                format_func=METRICS.__getitem__, help="A small angle, as the scores mean it; or a small distance.",
            )  # fmt: skip
            st.number_input(
                "Neighbours", 2, 200, DEFAULT_NEIGHBOURS, key="map.start_neighbours", width=130,
                help="Of each sample in UMAP: few show detail, many the whole.",
            )  # fmt: skip
            st.number_input(
                "Least distance", 0.0, 1.0, DEFAULT_MIN_DIST, 0.05, key="map.start_min_dist", width=140,
                help="How close UMAP may put points together.",
            )  # fmt: skip
            st.form_submit_button(
                "Make the map", icon=":material/play_arrow:", type="primary", disabled=busy,
                help="A job is running: wait for it or cancel it." if busy else None,
                on_click=attempt, args=(partial(_start, here),),
            )  # fmt: skip
        with st.expander("More"), st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input(
                "PCA first, to", 0, None, None, key="map.start_pca", width=140, placeholder="auto",
                help=f"Dimensions that UMAP gets; 0 for all. Auto: {PCA_WIDTH} above {PCA_ABOVE:,} samples.",
            )  # fmt: skip
            st.number_input(
                "Seed", 0, 2**32 - 1, None, key="map.start_seed", width=140, placeholder="none",
                help="With a seed UMAP gives the same map again, on one thread and in about 1.5 times the time of two.",
            )  # fmt: skip
            st.number_input(
                "Samples", 1, None, None, key="map.start_limit", width=140, placeholder="all", help="Spread evenly.",
            )  # fmt: skip


def _start(here: Opened) -> None:
    assert here.table.run is not None
    names = ("metric", "neighbours", "min_dist", "pca", "seed", "limit")
    said = {name: st.session_state[f"map.start_{name}"] for name in names}
    root: Path = here.workspace.root
    name = here.table.dataset.name
    jobs.start(root, project_command(name, here.table.run.name, **said), verb="project", dataset=name)
