"""The consensus as the labels of an export."""

import pyarrow as pa

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.errors import CurateError, Run
from avhcurate.workspace.data.event_folds import DECIDED


def with_consensus(opened: OpenDataset) -> OpenDataset:
    """Return a table of its own whose curated labels are the consensus, where there is one; others stay.

    Raises CurateError before there is a consensus, and where votes have come since it was made.
    """
    name = opened.samples.name
    if opened.consensus is None:
        raise CurateError(f"{name} has no consensus yet.", fix=Run("consensus", name))
    counted = opened.samples.votes
    if counted is None or counted.fingerprint != opened.consensus.record.votes_fingerprint:
        raise CurateError(f"The votes have changed since the consensus of {name} was made.", fix=Run("consensus", name))
    result = OpenDataset(opened.workspace, opened.dataset, opened.run, opened.samples.edges)
    result.refresh()
    rows = result.samples.frame(
        Filters(excluded=None), columns=["path", "tags", "curated_label", "excluded", "consensus_label"]
    )
    agreed = rows[rows["consensus_label"].notna()]
    state = agreed.assign(curated_label=agreed["consensus_label"]).drop(columns="consensus_label")
    result.samples.annotate(pa.Table.from_pandas(state, schema=DECIDED, preserve_index=False))
    return result
