"""How scores follow HSF, as a function of arrays: the correlation table and the tests between scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.measures.stats import correlation as tables
from avhcurate.measures.stats import correlation_tests
from avhcurate.measures.stats.multiple_testing import holm
from avhcurate.measures.stats.ranks import Scratch
from avhcurate.people import bins

#: Which end of a score is hard.
Harder = Literal["high", "low"]


@dataclass(frozen=True)
class Correlation:
    """`table`: Spearman of each score with HSF, over all samples and by bin, the `COLUMNS` of `stats.correlation`.

    `pairs`: the test between each two scores on the samples that have both, see `correlation_tests.compare`, with
    `p_holm`, corrected for all pairs.
    """

    table: pd.DataFrame
    pairs: pd.DataFrame


def correlation(
    scores: Mapping[str, ArrayLike],
    hsf: ArrayLike,
    *,
    edges: Sequence[float] | None = None,
    harder: Mapping[str, Harder] | None = None,
) -> Correlation:
    """Return how scores follow HSF: Spearman with its 95 % interval, over all samples and within each bin of HSF.

    scores: (N,) each by name, NaN for none. hsf: (N,) in [0, 1], NaN for none. edges: of the bins, rising from 0 to 1
    (0, 0.2, ... 1). harder: by score which end is hard, "high" or "low"; scores of which it is known are compared by
    how closely they follow people (Steiger 1980, Holm 1979). Raises CurateError for edges that do not rise.

    >>> found = correlation({"avh": [0.1, 0.2, 0.3, 0.4]}, [0.9, 0.8, 0.1, 0.2])
    >>> found.table.loc[found.table["bin"] == "all", ["score", "n", "spearman"]].round(2).values.tolist()
    [['avh', 4, -0.8]]
    """
    edges = bins.check_edges(edges)
    target = np.asarray(hsf, float)
    columns = {name: np.asarray(values, float) for name, values in scores.items()}
    index = bins.bin_index(target, edges).astype(np.int16)
    return correlated(columns, target, index, bins.bin_labels(edges), harder=harder or {})


def correlated(
    columns: Mapping[str, np.ndarray],
    target: np.ndarray,
    index: np.ndarray,
    labels: Sequence[str],
    *,
    harder: Mapping[str, Harder],
    toward: int = 1,
) -> Correlation:
    """Return the table and the tests of scores (N,) with a target (N,) in bins of any kind, index (N,), -1 for none.

    toward: 1 where a small target is hard, -1 where a large one is.
    """
    ranks = Scratch()
    table = tables.correlate(columns, target, index, labels, ranks=ranks)
    pairs = correlation_tests.compare(ranks, toward * target, harder=harder, ranked=True)
    return Correlation(table, pairs.assign(p_holm=holm(pairs["p_value"])))
