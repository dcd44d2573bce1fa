"""Two runs on the Models page: who is right more often, what each confuses, and the images of a part as a grid."""

from dataclasses import replace
from html import escape
from itertools import product
from typing import Any

import streamlit as st

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.features.compare import plots, run_pair, service
from avhcurate.features.compare.run_pair import RunPair
from avhcurate.features.compare.ui import HASH_FUNCS, number_cell, ranks_shown
from avhcurate.measures.stats.correlation import ALL
from avhcurate.ui.base import cache
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.layout import halves, in_a_row
from avhcurate.ui.base.notes import run_titles
from avhcurate.ui.base.page_choices import Choice, one_of
from avhcurate.ui.base.score_help import score_name
from avhcurate.ui.base.text import p_text, people
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.charts import regions
from avhcurate.ui.charts.chart_style import of_hsf
from avhcurate.ui.charts.charts_by_class import choose_classes
from avhcurate.ui.charts.html_table import estimate, html_table, table_row
from avhcurate.ui.charts.show import show_chart
from avhcurate.ui.components.grid import Tile
from avhcurate.ui.grid.grid_bar import sample_grid
from avhcurate.ui.grid.grid_views import GridView

#: More classes do not fit into a matrix that can be read; the pairs confused most are always drawn.
_MOST_CLASSES = 12
_MOST_PAIRS = 12

#: Samples to show as a grid: a title, and their ids in order.
ImageList = tuple[str, list[int]]


def headline(pair: RunPair) -> None:
    """Say which of the two is right more often, and on which samples."""
    a_only, b_only, p = pair.only
    verdict = "No clear difference in accuracy"
    if p < 0.05:
        verdict = "A is right more often"
    if p < 0.05 and b_only > a_only:
        verdict = "B is right more often"
    a, b = (100 * pair.points[["a", "b"]].mean()).tolist()
    st.markdown(
        f"**{verdict}**: A {a:.1f} %, B {b:.1f} % of {len(pair.points):,} images; {a_only:,} only A has right, "
        f"{b_only:,} only B (McNemar, {p_text(p)})."
    )
    if any(pair.left_out):
        a_lacks, b_lacks = pair.left_out
        st.caption(
            f"Of {pair.labelled:,} labelled images in view, {a_lacks:,} have no score of A and {b_lacks:,} none of B. "
            "They are left out."
        )


def images(page: Opened, pair: RunPair, listing: ImageList | None) -> GridView | None:
    """Draw the samples of a listing as a grid, each with what A and B make of it."""
    if listing is None:
        return None
    title, ids = listing
    points = pair.points
    classes = class_names(page.samples, pair.num_classes)
    st.markdown(f"**{plain(title)}** · n {len(ids):,}")
    if not ids:
        st.markdown("No image is like that here.")
        return None

    def look(tile: Tile) -> Tile:
        if tile.id not in points.index:
            return tile  # hard for all runs, but not scored by A or B
        row: Any = points.loc[tile.id]
        hard = f"A {100 * row['a_rank']:.0f} · B {100 * row['b_rank']:.0f}".replace("nan", "–")
        says = f"A {classes[int(row['a_predicted'])]} · B {classes[int(row['b_predicted'])]}"
        differs = not (row["a"] and row["b"])
        alt = f"{tile.alt}, percentile {hard}, says {says}"
        bare = replace(tile, predicted="", percentile=None)
        return replace(bare, score=hard, sub=says, differs=differs, alt=alt)

    return sample_grid(page, ids, subject=f"{pair.names} {title}", look=look)


def class_names(samples: SampleTable, number: int) -> list[str]:
    """Return the names of so many classes; a run may have more than the dataset."""
    return [*samples.classes, *map(str, range(len(samples.classes), number))]


# --- who is right ------------------------------------------------------------------------------------------------

_TEST_NOTE = (
    "Agreement is Spearman with HSF turned by the score's hard end: above 0, the run finds hard what has a low HSF. "
    "Meng, Rosenthal and Rubin's test of two correlations on the same images; where its standard error is off by more "
    "than a tenth, that by a jackknife of ranks. With the 95 % interval of the difference of Fisher z; p, and p by "
    "Holm's method for all comparisons of the table."
)
_VERDICTS = ["wrong", "right"]
#: People (- without votes), A and B, 1 for right.
OUTCOME = one_of("models.outcome", ("", *map("".join, product("-01", "01", "01"))), "")


def who_is_right(page: Opened, pair: RunPair) -> ImageList | None:
    """Draw people, A and B per HSF bin, the test of both against HSF, and the combinations of right and wrong."""
    judge = "people"
    simulated = page.samples.simulated
    if simulated:
        judge = "panel (simulated)"
    if "people" in pair.judges:
        names = {"people": f"majority · {judge}", "a": f"A · {pair.titles[0]}", "b": f"B · {pair.titles[1]}"}
        right = run_pair.who_is_right(pair)
        voted = Filters(where="label IS NOT NULL AND votes > 0")
        images = {("", ALL): voted} | {("", bin): voted.with_(hsf_bins=(n,)) for n, bin in enumerate(pair.bins)}
        if any(pair.left_out):
            images = {}
        right = right.assign(model=right["judge"].map(names), by="", verdict="")
        show_chart(plots.slices(right, "right", images), key="models.right")
        st.caption(
            f"Share right in each bin of {of_hsf(simulated)} with Wilson's 95 % interval, over the images that have "
            "votes. The majority is right where the given label has more votes than any other class (of ticks: more "
            "than half). The bins come from the same votes, so in low bins it is mostly wrong."
        )
        st.header(f"Which of the two follows {people(simulated)} more closely")
        rows = []
        row: Any
        for row in pair.tests.itertuples():
            cells = [escape(row.bin), f"{row.n:,}"]
            cells += [number_cell(value, 3) for value in (row.first_agreement, row.second_agreement)]
            cells.append(estimate(row.difference, row.ci_low, row.ci_high, 3))
            p = "–"
            if row.p_value == row.p_value:
                p = f"{escape(p_text(row.p_value))}<small>by Holm {escape(p_text(row.p_holm))}</small>"
            rows.append(table_row(escape(score_name(row.score)), [*cells, p]))
        st.html(html_table(["Score", "HSF bin", "n", "A", "B", "Difference of z", "p"], rows))
        st.caption(_TEST_NOTE)
    st.header("Right and wrong together")
    return _outcomes(pair, judge.capitalize())


def _outcomes(pair: RunPair, judge: str) -> ImageList | None:
    """Draw all combinations with their counts; the images of the one whose row is chosen."""
    table = run_pair.outcomes(pair)
    names = {"people": judge, "a": "A", "b": "B"}
    judges = table[pair.judges]
    verdicts = judges.map(_VERDICTS.__getitem__).rename(columns=names)
    event: Any = st.dataframe(
        verdicts.assign(Images=table["n"], Share=100 * table["share"]),
        hide_index=True,
        key=regions.turned(OUTCOME, "models.outcomes"),
        on_select="rerun",
        selection_mode="single-row",
        row_height=30,
        column_config={"Share": st.column_config.NumberColumn(format="%.1f %%")},
    )
    codes = judges.astype(str).agg("".join, axis=1).str.rjust(3, "-")
    if event["selection"]["rows"]:
        regions.answer(OUTCOME, codes[event["selection"]["rows"][0]])
        st.rerun()
    outcomes = judges[codes == OUTCOME.asked()]
    if outcomes.empty:
        st.caption("Select a row to see its images.")
        return None
    right = outcomes.iloc[0]
    title = ", ".join(f"{names[str(judge)]} {_VERDICTS[value]}" for judge, value in right.items())
    return title, pair.ids(" and ".join(f"{judge} == {value}" for judge, value in right.items()))


# --- confusions ------------------------------------------------------------------------------------------------------

_confusion_of = cache.kept("Counting …", most=6, funcs=HASH_FUNCS)(service.confusion)


def confusions(page: Opened, runs: tuple[str, ...]) -> None:
    """Draw what one or two runs confuse, side by side; every cell, dot and bar leads to its images."""
    columns = [st.container()]
    if len(runs) > 1:
        columns = list(halves())
    for column, run in zip(columns, runs, strict=True):
        with column:
            _confusion(page, run)
    st.caption(
        "Over all images in view that have a label and a prediction of the run. Row: given label. Column: predicted "
        "class. Precision: right of those predicted so. Recall: right of those labelled so. F1: their harmonic mean. "
        "Lines are Wilson's 95 % intervals. Click a cell, dot or bar to see its images."
    )


def _confusion(page: Opened, run: str) -> None:
    opened = cache.open_shared(page.workspace, page.dataset.name, run, page.view.edges)
    counts = _confusion_of(opened.samples, page.filters)
    classes = class_names(opened.samples, len(counts))
    labels = sorted(
        list(dict.fromkeys([*service.most_confused(counts, _MOST_PAIRS), *range(len(counts))]))[:_MOST_CLASSES]
    )
    st.markdown(f"**{plain(run_titles(page.dataset)[run])}** · n {counts.sum():,}")
    if len(classes) > len(labels):
        st.caption(f"The {len(labels)} classes that are confused most, of {len(classes):,}.")
    show_chart(plots.confusion_matrix(counts, labels, classes, run=run), key=f"models.confusion.{run}")
    st.markdown("**Each class**")
    rows = service.by_class(counts, classes)
    rows = choose_classes(rows, rows["f1"], names="name", what="F1", key=f"models.class.{run}")
    show_chart(plots.by_class(rows, run=run), key=f"models.by_class.{run}")


# --- hard for one, or for all ------------------------------------------------------------------------------------

#: The sets of the gallery, in words.
SETS = {"a": "Hard for A, easy for B", "b": "Hard for B, easy for A", "all": "Hard for all runs"}
SET = one_of("models.set", tuple(SETS), "a")
#: Ends of the slider.
_LEAST_CUT = 0.05
_MOST_CUT = 0.95


def _read_cuts(text: str) -> tuple[float, float]:
    easy, hard = map(float, text.split(":"))
    if not _LEAST_CUT <= easy <= hard <= _MOST_CUT:
        raise ValueError(text)
    return easy, hard


CUTS = Choice("models.cuts", (0.5, 0.8), _read_cuts, lambda cuts: f"{cuts[0]:g}:{cuts[1]:g}")


def hard_for(page: Opened, pair: RunPair) -> ImageList | None:
    """List the samples of one of `SETS`. "all" refers to the runs of the part "All runs"."""
    measure = score_name(pair.measure)
    n = len(pair.points)
    with in_a_row(gap="medium"):
        kind = SET.show(st.segmented_control, "Set", SETS, on_change=SET.restart, label_visibility="collapsed")
        label = f"Percentiles of {measure}: easy up to, hard from"
        easy, hard = CUTS.show(st.slider, label, _LEAST_CUT, _MOST_CUT, step=0.05, on_change=CUTS.restart, width=300)
    if kind == "all":
        ranks = ranks_shown(page)
        means = ranks[(ranks >= hard).all(axis=1)].mean(axis=1)
        ids = means.sort_values(ascending=False, kind="stable").index.tolist()
        n = len(ranks)
        rule = f"at or above percentile {100 * hard:.0f} of hardness in each of {ranks.shape[1]} runs"
    else:
        side, other = sorted("ab", reverse=kind == "b")
        ids = pair.ids(f"{side}_rank >= {hard} and {other}_rank <= {easy}", f"{side}_rank - {other}_rank")
        rule = f"hard: at or above percentile {100 * hard:.0f} of {measure}; easy: at or below {100 * easy:.0f}"
    st.caption(
        f"n {len(ids):,} of {n:,} ({100 * len(ids) / max(1, n):.1f} %) · {rule} · widest difference or highest mean "
        "first. A percentile is the share of the compared images with a lower value, ties counted half."
    )
    return SETS[kind], ids


#: What each part about two runs draws; it returns the samples that it lists.
LISTINGS = {"pair": who_is_right, "hard": hard_for}
