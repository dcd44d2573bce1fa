"""Tables of results in Markdown."""

from collections.abc import Iterable, Sequence

import pandas as pd

from benchmarks.seeds import mean_over_seeds


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """
    >>> print(table(["", "a"], [["x", "1"]]))
    |  | a |
    | --- | --- |
    | x | 1 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(values: Sequence[float] | pd.Series, sign: str = "") -> str:
    """Mean and half of its 95 % interval by Student's t, which needs two values.

    >>> cell([1.0, 2.0, 3.0])
    '2.0 ± 2.5'
    """
    mean = mean_over_seeds(values)
    return f"{mean.value:{sign}.1f}" + ("" if mean.n < 2 else f" ± {mean.high - mean.value:.1f}")
