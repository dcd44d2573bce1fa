"""Parts of the Models page: which runs, the table of all of them, and the figure that holds datasets side by side."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import combinations
from typing import Any

import streamlit as st

from avhcurate.analysis.calibration import BINNINGS
from avhcurate.curation.bins import bin_labels
from avhcurate.curation.filters import Filters
from avhcurate.plots.models import rank_matrix, reliability, transfer
from avhcurate.services import comparing
from avhcurate.services.comparing import KEYS, Pair, Side, SideBySide, Transfer
from avhcurate.services.tables import DatasetTable, titles
from avhcurate.storage.runs import RunFolder
from avhcurate.ui import cache, state
from avhcurate.ui.charts import show_chart
from avhcurate.ui.choices import Choice, one_of, some_of
from avhcurate.ui.explain import score_name
from avhcurate.ui.frame import Opened
from avhcurate.ui.html_table import estimate, html_table, table_row
from avhcurate.ui.layout import halves
from avhcurate.ui.mistakes import plain
from avhcurate.ui.text import p_text, signed

#: Parts of the page: one is worked out and drawn at a time.
PARTS = {
    "all": "All runs",
    "pair": "Who is right",
    "scatter": "AVH against AVH",
    "confusion": "Confusions",
    "hard": "Hard for one, or for all",
    "transfer": "Across datasets",
}
PART = one_of("models.part", tuple(PARTS), "all")
BINNING = one_of("models.binning", tuple(BINNINGS), "mass")

_MOST_SCORES = 4
SCORES_SHOWN = some_of("models.scores", KEYS, ["avh", "confidence"], most=_MOST_SCORES)
#: More lines in one reliability diagram, and more rows in a sentence, cannot be told apart.
_MOST_LINES = 5


# --- what is compared ----------------------------------------------------------------------------------------


def part(here: Opened, runs: Sequence[RunFolder]) -> str:
    """Which part of the page is open; with a single run only those that need no second."""
    possible = list(PARTS) if len(runs) > 1 else ["all", "transfer"]
    chosen = PART.of(here.view)
    chosen = chosen if chosen in possible else PART.default
    st.segmented_control(
        "Part",
        possible,
        key=PART.key(chosen),
        format_func=PARTS.__getitem__,
        on_change=_open_part,
        required=True,
        label_visibility="collapsed",
    )
    return chosen


def _open_part() -> None:
    state.change(page=1, sample=None)
    PART.keep()


def filters_note(here: Opened) -> None:
    """Says by which run the filters go that are about predictions or scores."""
    filters = here.filters
    if filters.mistakes or filters.predicted or filters.ranges or filters.where:
        called = titles(here.table.dataset)
        run = plain(called[here.table.run.root.name]) if here.table.run else "none"
        st.caption(f"Filters on predictions and scores go by the run that is open on the left: {run}.")


def chosen_runs(here: Opened, runs: Sequence[RunFolder]) -> list[str]:
    """The runs of the table, by name: the newest of each network unless the address says otherwise."""
    which = _runs_choice(runs)
    chosen = which.of(here.view)
    called = titles(here.table.dataset)
    st.multiselect(
        "Runs",
        [run.name for run in runs],
        key=which.key(chosen),
        format_func=called.__getitem__,
        on_change=which.keep,
        max_selections=comparing.MOST_RUNS,
        placeholder="The newest run of each network",
        help=f"Up to {comparing.MOST_RUNS}, on the samples that all of them have scored.",
    )
    return chosen


def _runs_choice(runs: Sequence[RunFolder]) -> Choice[list[str]]:
    names = [run.name for run in runs]

    def read(text: str) -> list[str]:
        found = list(dict.fromkeys(text.split(",")))[: comparing.MOST_RUNS]
        if not set(found) <= set(names):
            raise ValueError(text)
        return found

    return Choice("models.runs", comparing.default_runs(runs), read, ",".join)


def chosen_scores(here: Opened) -> list[str]:
    """The scores whose correlation with HSF is compared; AVH where the choice is empty."""
    chosen = SCORES_SHOWN.of(here.view)
    if here.table.votes is not None:
        st.multiselect(
            "Scores against HSF",
            KEYS,
            key=SCORES_SHOWN.key(chosen),
            format_func=score_name,
            on_change=SCORES_SHOWN.keep,
            max_selections=_MOST_SCORES,
            placeholder="AVH",
        )
    return chosen or ["avh"]


def chosen_pair(here: Opened, runs: Sequence[RunFolder]) -> tuple[str, str] | None:
    """Runs A and B: the open run and the newest other, unless the address says otherwise; None for one run twice."""
    names = [run.name for run in runs]
    called = titles(here.table.dataset)
    opened = here.table.run.root.name if here.table.run else names[0]
    first = one_of("models.a", names, opened)
    a = first.of(here.view)
    second = one_of("models.b", names, next(name for name in names if name != a))
    b = second.of(here.view)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for choice, value, label in ((first, a, "A"), (second, b, "B")):
            st.selectbox(
                label, names, key=choice.key(value), format_func=called.__getitem__, on_change=choice.keep, width=300
            )
        st.button("Swap", icon=":material/swap_horiz:", key="models.swap", on_click=_swap, args=(first, second, a, b))
    if a == b:
        st.caption("Choose two different runs.")
        return None
    return a, b


def _swap(first: Choice[str], second: Choice[str], a: str, b: str) -> None:
    first.put(b)
    # What the second falls back to depends on the first, so it is always written out.
    state.write(state.current().choosing(second.name, a))


def only_one_run(here: Opened, runs: Sequence[RunFolder]) -> None:
    """What to do where there is nothing to compare."""
    name = here.table.dataset.name
    model = runs[0].record.model if runs else "torchvision:resnet50"
    other = "--weights OTHER.safetensors" if model.startswith("avhcurate:") else ""
    with st.container(border=True):
        st.subheader("Two runs are needed", icon=":material/balance:")
        st.write(
            "So far one model has scored this dataset. Score it with another, with other weights of the same model, "
            "or train one: its network is scored when the training ends. Start either on the Home page, or run:"
        )
        command = (
            f"avhcurate score {name} --model {model} {other}".strip()
            if other
            else (f"avhcurate score {name} --model ANOTHER_MODEL")
        )
        st.code(f"{command}\navhcurate train {name}", language="bash")


# --- comparisons, cached --------------------------------------------------------------------------------------


def stamp(table: DatasetTable) -> str:
    """Changes with whatever a comparison depends on: what `cache.cache_key` says, and the dataset's runs."""
    runs = [f"{run.name} {run.scores_path.stat().st_mtime_ns}" for run in comparing.comparable_runs(table)]
    return "\n".join([cache.cache_key(table), *runs])


def side_by_side(here: Opened, names: Sequence[str], keys: Sequence[str]) -> SideBySide:
    """The table of runs over the samples in view: see `services.comparing`."""
    return _side_by_side(
        stamp(here.table), here.filters.to_query(), tuple(names), tuple(keys), here.table, here.filters
    )


def shown(here: Opened) -> SideBySide:
    """The table of the runs and scores that the address names, without asking for them."""
    names = _runs_choice(comparing.comparable_runs(here.table)).of(here.view)
    return side_by_side(here, names, SCORES_SHOWN.of(here.view) or ["avh"])


def pair(here: Opened, names: tuple[str, str], keys: Sequence[str]) -> Pair:
    """Run A beside run B over the samples in view: see `services.comparing`."""
    return _pair(stamp(here.table), here.filters.to_query(), names, tuple(keys), here.table, here.filters)


@st.cache_resource(max_entries=6, show_spinner="Comparing the runs …")
def _side_by_side(
    stamp: str,
    query: dict[str, str],
    names: tuple[str, ...],
    keys: tuple[str, ...],
    _table: DatasetTable,
    _filters: Filters,
) -> SideBySide:
    return comparing.side_by_side(_table, names, keys=keys, filters=_filters)


@st.cache_resource(max_entries=6, show_spinner="Comparing A and B …")
def _pair(
    stamp: str,
    query: dict[str, str],
    names: tuple[str, str],
    keys: tuple[str, ...],
    _table: DatasetTable,
    _filters: Filters,
) -> Pair:
    return comparing.pair(_table, *names, keys=keys, filters=_filters)


@st.cache_resource(max_entries=12, show_spinner="Reading both sides …")
def _transfer(stamps: tuple[str, str], queries: tuple[dict[str, str], dict[str, str]], _x: Side, _y: Side) -> Transfer:
    return comparing.transfer(_x, _y)


# --- all runs ------------------------------------------------------------------------------------------------


def overview(here: Opened, found: SideBySide, keys: Sequence[str]) -> None:
    """The table, calibration, rank agreement and discoveries 4 and 5."""
    st.html(table_html(found, keys))
    st.caption(_below_table(found))
    _download(here, found)
    left, right = halves()
    with left:
        _reliability(here, found)
    if len(found.table) > 1:
        with right:
            st.subheader("Do they find the same samples hard?")
            st.caption("Spearman of AVH between every two runs, over the samples of the table.")
            show_chart(rank_matrix(found.avh), key="models.ranks")
            with st.expander("The same of the norm"):
                show_chart(rank_matrix(found.norm), key="models.norm_ranks")
    if found.samples.voted:
        _discoveries(found)
        _tests_between(found)


def _below_table(found: SideBySide) -> str:
    n, labelled = len(found.samples), found.labelled
    out = (
        "" if n == labelled else f" {labelled - n:,} of {labelled:,} labelled samples in view lack a score of some run."
    )
    return (
        f"n {n:,}: labelled samples in view that every run has scored.{out} Small: 95 % intervals (accuracy Wilson, "
        "ECE basic bootstrap, Spearman Bonett and Wright). Per class: mean of the classes' accuracies. ECE over 15 "
        "bins of the predicted class's probability; “chance” is what a perfectly calibrated model stays below in "
        "97.5 % of draws. Brier: sum over classes, 0 to 2. NLL in nat."
    )


def table_html(found: SideBySide, keys: Sequence[str]) -> str:
    """A row a run: accuracy, calibration, mean AVH, and Spearman of each of `keys` with HSF where there are votes."""
    table = found.table
    voted = found.samples.voted
    alike = table["classes"].nunique() == 1
    hsf = "HSF, simulated" if found.simulated else "HSF"
    heads = ["n", "Accuracy", "Per class", "ECE<small>equal mass</small>", "ECE<small>equal width</small>"]
    heads += ["Brier", "NLL", "Mean AVH" if alike else "Relative AVH"]
    heads += [f"{escape(score_name(key))}<small>with {hsf}</small>" for key in keys] if voted else []
    body = []
    for row in table.to_dict("records"):
        cells = [
            f"{row['n']:,}",
            _with_ends(row, "accuracy", 1, percent=True),
            f"{100 * row['class_accuracy']:.1f}",
            *(_ece(row, f"ece_{binning}") for binning in BINNINGS),
            f"{row['brier']:.4f}",
            f"{row['nll']:.4f}",
            f"{row['avh' if alike else 'relative_avh']:.4f}",
            *((_with_ends(row, f"{key}_hsf", 3) for key in keys) if voted else []),
        ]
        name = f"{escape(row['model'])}<small>{row['classes']} classes</small>"
        body.append(table_row(name, cells, title=escape(row["run"])))
    return html_table(["Run", *heads], body)


def _with_ends(row: Mapping[Any, Any], key: str, digits: int, *, percent: bool = False) -> str:
    return estimate(row[key], row[f"{key}_low"], row[f"{key}_high"], digits, percent=percent)


def _ece(row: Mapping[Any, Any], key: str) -> str:
    ends = f"{row[f'{key}_low']:.3f} to {row[f'{key}_high']:.3f}"
    return f"{row[key]:.3f}<small>{ends}</small><small>chance {row[f'{key}_chance']:.3f}</small>"


def _download(here: Opened, found: SideBySide) -> None:
    st.download_button(
        "CSV",
        comparing.contract_table(found).to_csv(index=False),
        f"{here.table.dataset.name}-models.csv",
        "text/csv",
        key="models.csv",
        icon=":material/download:",
        on_click="ignore",
    )


def _reliability(here: Opened, found: SideBySide) -> None:
    st.subheader("Is it as sure as it is right?")
    binning = BINNING.of(here.view)
    st.segmented_control(
        "Bins",
        list(BINNINGS),
        key=BINNING.key(binning),
        format_func=lambda key: BINNINGS[key].capitalize(),
        on_change=BINNING.keep,
        required=True,
        label_visibility="collapsed",
    )
    rows = found.table.head(_MOST_LINES)
    show_chart(
        reliability({row["model"]: found.calibrations[row["run"], binning] for row in rows.to_dict("records")}),
        key="models.reliability",
    )
    if len(found.table) > _MOST_LINES:
        st.caption(f"The first {_MOST_LINES} of {len(found.table)} runs. A larger dot holds more samples.")
    else:
        st.caption("On the dashed line confidence is what it says. A larger dot holds more samples.")


def _discoveries(found: SideBySide) -> None:
    """AVH and norm with HSF for every run, and what that says of the paper's discoveries 4 and 5."""
    st.subheader("Discoveries 4 and 5 of the paper")
    hsf = "HSF (simulated votes)" if found.simulated else "HSF"
    rows = []
    for row in found.follows.to_dict("records"):
        values = {f"{key}{part}": row[f"{key}_{part.strip('_') or 'spearman'}"] for key in ("avh", "norm")
                  for part in ("", "_low", "_high")}  # fmt: skip
        cells = (_with_ends(values, key, 3) for key in ("avh", "norm"))
        rows.append(table_row(escape(row["model"]), [f"{row['n']:,}", *cells]))
    st.html(html_table(["Run", "n", f"AVH with {hsf}", f"Norm with {hsf}"], rows))
    for reading in found.readings:
        said = f" HSF comes from {'simulated votes' if found.simulated else 'people'}."
        st.markdown(
            f"**{reading.discovery} · {plain(reading.title)}: {reading.verdict}.** {plain(reading.sentence)}"
            f"{said if found.simulated and reading.verdict != 'too little data' else ''}"
        )


def _tests_between(found: SideBySide) -> None:
    """The dependent test of every two runs."""
    if len(found.table) < 2:
        return
    called = dict(zip(found.table["run"], found.table["model"], strict=True))
    with st.expander(
        f"Which run follows {followed(found.simulated)} more closely ({len(list(combinations(called, 2)))} pairs)"
    ):
        rows = [
            table_row(
                f"{escape(called[row.first])} − {escape(called[row.second])}",
                [escape(score_name(str(row.score))), *_test_cells(row)],
            )
            for row in found.pairs.itertuples()
        ]
        st.html(html_table(["First − second", "Score", *TEST_HEADS], rows))
        st.caption(TEST_NOTE)


TEST_HEADS = ("n", "First", "Second", "Difference of z", "p")
TEST_NOTE = (
    "Agreement is Spearman with HSF turned by the score's hard end: above 0, the run finds hard what has a low HSF. "
    "Meng, Rosenthal and Rubin's test of two correlations on the same samples, with its 95 % interval of the "
    "difference of Fisher z; p-values are not corrected for the number of comparisons."
)


def followed(simulated: bool) -> str:
    """Whose judgement HSF is."""
    return "the simulated panel" if simulated else "people"


def _test_cells(row: Any) -> list[str]:
    nan = float("nan")
    first, second = (estimate(value, nan, nan, 3) for value in (row.first_agreement, row.second_agreement))
    tested = row.p_value == row.p_value
    difference = estimate(row.difference, row.ci_low, row.ci_high, 3) if tested else "–"
    return [f"{row.n:,}", first, second, difference, p_text(row.p_value) if tested else "–"]


def agreement_html(found: Pair) -> str:
    """Run A against run B: agreement with HSF by score, over all samples and per bin."""
    rows = [
        table_row(escape(score_name(str(row.score))), [escape(str(row.bin)), *_test_cells(row)])
        for row in found.tests.itertuples()
    ]
    return html_table(["Score", "HSF bin", "n", "A", "B", *TEST_HEADS[3:]], rows)


# --- one dataset or split against another --------------------------------------------------------------------


def across(here: Opened) -> None:
    """The paper's reproducibility figure: accuracy of every network on one side against that on another."""
    st.caption(
        "Accuracy of every network on one dataset or split against another. Networks are the same when their weights "
        "are; a point is a network and HSF bin."
    )
    sides = possible_sides(here)
    if len(sides) < 2:
        _one_side(here)
        return
    names = list(sides)
    x_choice = one_of("models.x", names, names[0])
    x = x_choice.of(here.view)
    y_choice = one_of("models.y", names, next(name for name in names if name != x))
    y = y_choice.of(here.view)
    with st.container(horizontal=True):
        for choice, value, label in ((x_choice, x, "Across"), (y_choice, y, "Up")):
            st.selectbox(
                label, names, key=choice.key(value), format_func=sides.__getitem__, on_change=choice.keep, width=300
            )
    if x == y:
        st.caption("Choose two different sides.")
        return
    first, second = (_side(here, name) for name in (x, y))
    found = _transfer(
        (stamp(first.table) + x, stamp(second.table) + y),
        (first.filters.to_query(), second.filters.to_query()),
        first,
        second,
    )
    _transfer_figure(here, found, (sides[x], sides[y]), simulated=first.table.simulated or second.table.simulated)


def possible_sides(here: Opened) -> dict[str, str]:
    """Datasets with the classes of the open one and a run, whole and split by split, by key, with what they are called.

    The open one comes first.
    """
    own = here.table.dataset
    others = [here.workspace.dataset(name) for name in here.workspace.names() if name != own.name]
    fitting = [own, *(one for one in others if one.record.classes == own.record.classes)]
    sides = {}
    for folder in fitting:
        if not any(run.complete for run in folder.runs()):
            continue
        splits = sorted({split for split in folder.samples(["split"])["split"] if isinstance(split, str)})
        for split in splits if len(splits) > 1 else []:
            sides[f"{folder.name}:{split}"] = f"{folder.name}, {split}"
        sides[folder.name] = folder.name if len(splits) < 2 else f"{folder.name}, all splits"
    return sides


def _side(here: Opened, key: str) -> Side:
    name, _, split = key.partition(":")
    if name == here.table.dataset.name:
        return Side(here.table, split or None, here.filters.with_(splits=()) if split else here.filters)
    # Of the filters, those that mean the same there: scores, tags, sets and conditions belong to the open dataset.
    filters = Filters(hsf_bins=here.filters.hsf_bins, classes=here.filters.classes, excluded=here.filters.excluded)
    return Side(cache.table(here.workspace, name, "", here.view.edges), split or None, filters)


def _transfer_figure(here: Opened, found: Transfer, names: tuple[str, str], *, simulated: bool) -> None:
    if found.points.empty:
        with st.container(border=True):
            st.subheader("No network has scored both sides", icon=":material/balance:")
            st.write(
                "Score both with the same weights; an HSF bin needs "
                f"{comparing.LEAST_IN_BIN} samples on both sides. Networks that have scored both: {found.models}."
            )
        return
    bins = bin_labels(here.table.edges) if found.by_bin else ("all",)
    show_chart(transfer(found.points, found.line, sides=names, bins=bins, simulated=simulated), key="models.transfer")
    parts = [f"{len(found.points)} points of {found.models} network{'s' * (found.models != 1)}"]
    if found.left_out:
        parts.append(f"{found.left_out} left out, with fewer than {comparing.LEAST_IN_BIN} samples on a side")
    if (line := found.line) is not None:
        slope = f"{signed(line.slope, 3)} [{signed(line.low, 3)}, {signed(line.high, 3)}]"
        parts.append(
            f"linear fit: slope {slope}, intercept {signed(line.intercept, 3)}, R² {line.r_squared:.3f}, n {line.n}"
        )
    st.caption(
        "; ".join(parts) + ". Bars are Wilson's 95 % intervals; the dashed line is the same accuracy on both. "
        "The interval of the slope takes points as independent, which bins of one network are not quite."
    )


def _one_side(here: Opened) -> None:
    name = here.table.dataset.name
    with st.container(border=True):
        st.subheader("Nothing to hold this dataset against", icon=":material/balance:")
        st.write(
            "It has one split, and no other dataset here has the same classes and a run. Import one, and score it with "
            "the same weights:"
        )
        st.code(f"avhcurate import OTHER path/to/images\navhcurate score OTHER --model {_model(here)}", language="bash")
        st.caption(f"Or import {plain(name)} again with its splits by --split-column.")


def _model(here: Opened) -> str:
    return here.table.run.record.model if here.table.run else "MODEL"
