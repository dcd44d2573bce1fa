"""Slices of a dataset: how good each run is on the samples of every split, HSF bin, value, tag, set or saved view."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table import columns
from avhcurate.datasets.table.address_values import write_value
from avhcurate.datasets.table.facets import facet_of, value_counts
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.titles import titles
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.features.compare.samples import KEYS, RunScores, shared_samples
from avhcurate.features.compare.study import COLUMNS, RunOutcomes, compared_of, judged, measured
from avhcurate.measures.stats.correlation import ALL
from avhcurate.people.bins import DEFAULT_EDGES
from avhcurate.workspace.data.event import Event
from avhcurate.workspace.data.workspace import Workspace

#: Bars that a column of numbers is cut into, at most.
_BARS = 8
_COLUMNS = ["run", "model", "by", *COLUMNS[1:]]


@dataclass(frozen=True)
class Slices:
    """Runs on slices of the samples that all of them scored.

    `table`: a row a run and slice: all samples first, then the slices that are judged, least accurate first, then those
    of too few samples: `run, model, by, slice, n, verdict`, `accuracy, ece, avh, hsf` with `_low, _high`, `ece_chance`,
    `avh_n, hsf_n`. `images`: filters of the samples of each slice by `by` and `slice`. `compared`: how many rows are
    judged; over these the intervals of a measure hold at once in 95 % (Bonferroni). `left_out`: how many of the
    `labelled` samples in view each run has not scored.
    """

    table: pd.DataFrame
    images: dict[tuple[str, str], Filters]
    compared: int
    left_out: dict[str, int]
    labelled: int


def slice_runs(
    samples: SampleTable,
    votes: Votes,
    workspace: Workspace,
    by: Sequence[str],
    names: Sequence[str] | None = None,
    *,
    filters: Filters | None = None,
) -> Slices:
    """Compare runs, as `service.side_by_side`, on the slices that `images_of` gives `by` each name."""
    filters = filters or Filters()
    shared = shared_samples(samples, votes, names, KEYS[:1], filters)
    ids = shared.samples.index.to_numpy()
    images = {("", ALL): Filters()}
    members = [np.arange(len(ids))]
    for name in by:
        parts = images_of(samples, workspace, name, filters)
        images |= {(name, title): part for title, part in parts.items()}
        members += _members(samples, ids, list(parts.values()))
    hsf = shared.samples["hsf"].to_numpy(float)
    rows = judged({name: measured(_outcomes(scores, hsf), members) for name, scores in shared.scores.items()})
    called = titles(votes.dataset)
    rows["model"] = rows["run"].map(called)
    rows[["by", "slice"]] = [list(images)[number] for number in rows["slice"]]
    return Slices(
        table=rows[_COLUMNS],
        images=images,
        compared=compared_of(rows),
        left_out=shared.left_out,
        labelled=shared.labelled,
    )


# --- which samples -----------------------------------------------------------------------------------------------


def possible_slices(samples: SampleTable, workspace: Workspace) -> list[str]:
    """Return what samples can be sliced by: columns, then the names of tags, sets and saved views."""
    own = [*samples.groups, *samples.own("number", "date"), *samples.measures]
    tags = samples.group_counts("tags")["value"].tolist()
    return list(
        dict.fromkeys(["hsf_bin", "split", "label", "tags", *own, *tags, *samples.sets, *_views(samples, workspace)])
    )


def _views(samples: SampleTable, workspace: Workspace) -> dict[str, Event]:
    return {view.name: view for view in Saved(workspace, samples.name).views()}


def images_of(samples: SampleTable, workspace: Workspace, by: str, filters: Filters) -> dict[str, Filters]:
    """Return the filters of the samples of each slice by its name: of each value of a column that occurs in view, each
    bar of a histogram of numbers, each year or month of dates; or of a tag, a set or a saved view.

    Refused for another name, and for a column of too many values.
    """
    facet = facet_of(samples, by, most=_BARS)
    if facet is not None:
        rows = value_counts(samples, facet, filters, limit=columns.FEW + 1)
        if len(rows) > columns.FEW:
            raise CurateError(f"{by} has more than {columns.FEW} values. Choose a column of fewer.")
        return dict(zip(rows["name"], rows["to"], strict=True))
    if by in samples.own("date"):
        return _periods(samples, by)
    if by in samples.sets:
        return {by: Filters(sets=(by,))}
    if by in _views(samples, workspace):
        return {by: _of_view(samples, _views(samples, workspace)[by])}
    if by in possible_slices(samples, workspace):
        return {by: Filters(tags=(by,))}
    raise CurateError(f"There is no {by} to slice by. Choose from {', '.join(possible_slices(samples, workspace))}.")


def _periods(samples: SampleTable, by: str) -> dict[str, Filters]:
    """Return the samples of each year of a column of dates, of each month where it has only one year."""
    first = str(samples.summaries[by].low)
    last = str(samples.summaries[by].high)
    periods = pd.period_range(first, last, freq="YM"[first[:4] == last[:4]])
    return {
        str(period): Filters(where=f"{columns.quote(by)}::DATE BETWEEN '{start.date()}' AND '{end.date()}'")
        for period, start, end in zip(periods, periods.start_time, periods.end_time, strict=True)
    }


def _of_view(samples: SampleTable, view: Event) -> Filters:
    """Return the filters of a saved view; what it says of excluded samples does not count."""
    filters, _ = Filters.from_query(view.query).fit(samples)
    edges = write_value(samples.edges)
    if filters.hsf_bins and view.query.get("edges", write_value(DEFAULT_EDGES)) != edges:
        raise CurateError(f"The view {view.name} is by other HSF bins. Choose its edges, {edges} are in use.")
    return filters.with_(excluded=False)


# --- what of them ------------------------------------------------------------------------------------------------


def _members(samples: SampleTable, ids: np.ndarray, slices: Sequence[Filters]) -> list[np.ndarray]:
    """Return of each slice the positions among `ids` of its samples."""
    conditions = [filters.with_(excluded=None).to_sql(samples) for filters in slices]
    tests = ", ".join(f"{condition} IS TRUE AS slice_{number}" for number, (condition, _) in enumerate(conditions))
    inside = samples.joined(
        f"SELECT {tests} FROM samples JOIN rows ON id = _id ORDER BY _id",
        [parameter for _, parameters in conditions for parameter in parameters],
        pa.table({"_id": ids}),
        where="".join(filters.where for filters in slices),
    )
    by_id = np.argsort(ids, kind="stable")
    return [np.sort(by_id[np.flatnonzero(column)]) for _, column in inside.items()]


def _outcomes(scores: RunScores, hsf: np.ndarray) -> RunOutcomes:
    return RunOutcomes(
        right=scores.right.to_numpy(),
        confidence=scores["max_confidence"].to_numpy(float),
        avh=scores["avh"].to_numpy(float),
        hsf=hsf,
    )
