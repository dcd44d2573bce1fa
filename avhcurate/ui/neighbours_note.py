"""What share of the true neighbours a run's neighbour graph holds, where that is less than its search was to find."""

from avhcurate.neighbours.graph import OUTLIER, NeighbourGraph
from avhcurate.neighbours.service import RECALL


def neighbours_note(graph: NeighbourGraph | None) -> str:
    """A sentence for whatever is read off the graph; "" where it holds enough, or there is none."""
    recall = graph.record.recall if graph else None
    if recall is None or recall >= RECALL:
        return ""
    return (
        f"The neighbour graph holds {recall:.1%} of the {OUTLIER} nearest samples and was to hold {RECALL:.0%}: "
        "some neighbours are missing."
    )
