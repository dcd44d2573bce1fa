"""Slices of a dataset: how good each run is on the samples of every split, HSF bin, value, tag, set or saved view."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.stats import t

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
from avhcurate.measures.stats.calibration import BINS, NO_CALIBRATION, of_bins
from avhcurate.measures.stats.correlation import ALL
from avhcurate.measures.stats.intervals import wilson
from avhcurate.people.bins import DEFAULT_EDGES
from avhcurate.workspace.data.event import Event
from avhcurate.workspace.data.workspace import Workspace

#: Slices of fewer samples, or beside fewer, are not judged.
LEAST = 10
#: Bars that a column of numbers is cut into, at most.
_BARS = 8
#: The verdicts on a slice against the other samples, and in place of one.
WORSE, BETTER, UNCLEAR = JUDGED = ("worse than the rest", "better than the rest", "no clear difference")
FEW = "too few images"
#: What each slice is measured by.
MEASURES = {"accuracy": "Accuracy", "ece": "ECE", "avh": "Mean AVH", "hsf": "Mean HSF"}
_COUNTS = ["n", "avh_n", "hsf_n"]
_COLUMNS = ["run", "model", "by", "slice", "n", "verdict"]
_COLUMNS += [f"{key}{end}" for key in MEASURES for end in ("", "_low", "_high")]
_COLUMNS += ["ece_chance", "avh_n", "hsf_n"]
#: A row for each slice and one for each of its bins of about equally many samples by confidence.
_MEASURED = """
SELECT slice, bin, grouping(bin) AS whole, count(*) AS n, sum(_right) AS right, sum(_confidence) AS confidence,
    min(_confidence) AS low, max(_confidence) AS high, sum((_right - _confidence) ** 2) AS squares,
    sum(_confidence * (1 - _confidence)) AS spread,
    count(_avh) AS avh_n, avg(_avh) AS avh, stddev_samp(_avh) AS avh_sd,
    count(hsf) AS hsf_n, avg(hsf) AS hsf, stddev_samp(hsf) AS hsf_sd
FROM (
    SELECT *, {bins} * (rank() OVER (PARTITION BY slice ORDER BY _confidence) - 1)
        // nullif(count(_confidence) OVER (PARTITION BY slice), 0) AS bin
    FROM (
        SELECT _right, _confidence, _avh, hsf, unnest(list_where(range({slices}), [{tests}])) AS slice
        FROM samples JOIN rows ON id = _id
    )
) GROUP BY GROUPING SETS ((slice), (slice, bin)) ORDER BY slice, bin
"""


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
    images = {("", ALL): Filters()}
    for name in by:
        images |= {(name, title): part for title, part in images_of(samples, workspace, name, filters).items()}
    measured = [_measured(samples, scores, list(images.values())) for scores in shared.scores.values()]
    rows = _judged(pd.concat(measured, keys=list(shared.scores), names=["run"]).reset_index("run"))
    called = titles(votes.dataset)
    rows["model"] = rows["run"].map(called)
    rows[["by", "slice"]] = [list(images)[number] for number in rows["slice"]]
    return Slices(
        table=rows[_COLUMNS],
        images=images,
        compared=int(rows["verdict"].isin(JUDGED).sum()),
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


def _measured(samples: SampleTable, scores: RunScores, slices: Sequence[Filters]) -> pd.DataFrame:
    """Return the rows of `_MEASURED` of a run; `slice` is the number of the slice."""
    values = {"_right": scores.right, "_confidence": scores["max_confidence"], "_avh": scores["avh"]}
    rows = {name: pa.array(column.astype(float), from_pandas=True) for name, column in values.items()}
    conditions = [filters.with_(excluded=None).to_sql(samples) for filters in slices]
    tests = ", ".join(f"{condition} IS TRUE" for condition, _ in conditions)
    return samples.joined(
        _MEASURED.format(bins=BINS, slices=len(slices), tests=tests),
        [parameter for _, parameters in conditions for parameter in parameters],
        pa.table({"_id": scores.samples.index} | rows),
        where="".join(filters.where for filters in slices),
    )


def _judged(measured: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `Slices.table`, still with the number of the slice, of which 0 is that of all samples."""
    whole = measured["whole"] == 1
    rows = measured[whole].reset_index(drop=True)
    rest = rows.groupby("run")[["n", "right"]].transform("first") - rows[["n", "right"]]
    enough = np.minimum(rows["n"], rest["n"]) >= LEAST
    comparisons = max(1, int(enough.sum()))
    rows["accuracy"] = rows["right"] / rows["n"]
    low, high = wilson(rows["right"], rows["n"], comparisons=comparisons)
    least, most = wilson(rest["right"], rest["n"], comparisons=comparisons)
    rows["verdict"] = np.select([rest["n"] == 0, ~enough, high < least, low > most], ["", FEW, WORSE, BETTER], UNCLEAR)
    rows["accuracy_low"] = low
    rows["accuracy_high"] = high
    errors = [
        _calibration_error(bins, comparisons) for _, bins in measured[~whole].groupby(["run", "slice"], sort=False)
    ]
    rows[["ece", "ece_low", "ece_high", "ece_chance"]] = errors
    for key in ("avh", "hsf"):
        n = rows[f"{key}_n"]
        reach = t.ppf(1 - 0.025 / comparisons, n - 1) * rows[f"{key}_sd"] / np.sqrt(n)
        rows[f"{key}_low"] = (rows[key] - reach).clip(lower=0)
        rows[f"{key}_high"] = (rows[key] + reach).clip(upper=1)
    first = np.select([rows["slice"] == 0, enough], [0, 1], 2)
    return rows.assign(first=first).sort_values(["first", "accuracy"], kind="stable", ignore_index=True)


def _calibration_error(bins: pd.DataFrame, comparisons: int) -> tuple[float, ...]:
    """Return the ECE of a slice, the ends of its interval, and what chance reaches, from the rows of its bins."""
    found = NO_CALIBRATION
    if bins["confidence"].notna().all():
        found = of_bins(bins, comparisons=comparisons)
    return found.ece, found.low, found.high, found.chance
