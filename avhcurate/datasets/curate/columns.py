"""The user's own columns: a description of each, and which end of it means harder, kept with the dataset."""

from collections.abc import Mapping

import pandas as pd

from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace

#: Takes back which end of a column is harder.
NONE = "none"


def describe_columns(samples: SampleTable) -> pd.DataFrame:
    """Return a row for each own column: `column, kind, samples, values, low, high, harder`.

    `samples` have a value; `values`, of text, is about how many there are; `low` and `high` are the ends of numbers and
    of dates; `harder` is "high", "low" or "".
    """
    columns = ["column", "kind", "samples", "values", "low", "high", "harder"]
    harder = {name: score.harder for name, score in samples.ranked.items()}
    rows = [
        {"column": name, "harder": harder.get(name, "")} | vars(summary) for name, summary in samples.summaries.items()
    ]
    return pd.DataFrame(rows, columns=columns).astype({"values": "Int64"})


def set_harder(workspace: Workspace, samples: SampleTable, dataset: DatasetFolder, ends: Mapping[str, str]) -> None:
    """Keep which end of own columns of numbers means harder: high, low, or none to take it back; all or nothing.

    Tables that are open know it once they are opened again.
    """
    numbers = samples.own("number")
    for column, end in ends.items():
        if end not in ("high", "low", NONE):
            raise CurateError(f"The harder end of {column} is high, low or none, not {end!r}.")
        if column not in numbers:
            names = ", ".join(numbers) or "none"
            raise CurateError(f"{column} is not an own column of numbers. The dataset has: {names}.")
    with workspace.lock(samples.name):
        record = dataset.record
        harder = {column: end for column, end in {**record.harder, **ends}.items() if end != NONE}
        if harder != record.harder:
            dataset.write_record(record.model_copy(update={"harder": harder}))
