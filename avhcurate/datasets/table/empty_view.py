"""Why a view has no sample: votes that are missing, exclusions, or filters that no sample satisfies."""

from collections.abc import Container
from dataclasses import replace

from avhcurate.datasets.table.columns import HSF_COLUMNS
from avhcurate.datasets.table.conditions import columns_in
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError, NothingFound, Run


def empty_view(
    samples: SampleTable, filters: Filters, otherwise: str, *, needs: str = "id", instead: str = ""
) -> CurateError:
    """Return the error for filters that leave no sample with a value in the column `needs`: the cause and what to do.

    `otherwise` is the message if neither votes nor exclusions are the cause; `instead` is another way to include
    excluded samples, such as ", or export with ...".
    """
    name = samples.name
    if samples.votes is None and chooses_by(filters, {*HSF_COLUMNS, "hsf_bin"}):
        return no_votes(name)
    if filters.excluded is False:
        count = int(samples.frame(replace(filters, excluded=None), columns=[needs])[needs].notna().sum())
        if count:
            return NothingFound(
                f"All {count} samples that match are excluded.",
                fix=f"{Run('exclude', name, include=True, where='CONDITION')}{instead}",
            )
    return NothingFound(otherwise)


def not_scored(name: str) -> CurateError:
    """Return the error for a dataset without a run."""
    return CurateError(f"No model has scored {name} yet.", fix=Run("score", name, model="MODEL"))


def no_votes(name: str) -> CurateError:
    """Return the error for a dataset without votes."""
    return CurateError(f"The dataset {name} has no human votes.", fix=Run("votes", name, "FILE"))


def chooses_by(filters: Filters, columns: Container[str]) -> bool:
    """Return whether the filters choose samples by one of the columns, which are those of HSF or among them.

    >>> chooses_by(Filters(where="HSF < 0.5"), ("hsf", "votes")), chooses_by(Filters(where="id = 1"), ("hsf",))
    (True, False)
    """
    names = [name for name, *_ in filters.ranges] + columns_in(filters.where)
    return bool(filters.hsf_bins) or any(name.lower() in columns for name in names)
