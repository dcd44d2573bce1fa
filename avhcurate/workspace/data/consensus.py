"""The consensus of a dataset on disk: a record of what it is made from, and a table with a row an answered image."""

from avhcurate.errors import Run, Text
from avhcurate.workspace.disk.folders import ResultFolder
from avhcurate.workspace.disk.provenance import Provenance

#: Columns that the table of samples takes over.
CONSENSUS = ("consensus_label", "consensus", "consensus_of", "answers")
#: What a consensus rests on. The last: a class that the network says and fewer people than another; it outvoted them.
PEOPLE, BOTH, NETWORK = "people", "both", "network"
#: What tells three numbers apart, wherever two of them are seen.
TOLD_APART = (
    "HSF is the share of people who chose the given label; predicted HSF is what a model expects that share to be; "
    "consensus is how probable it is that the label of people, weighed by how reliable they are, and of a network is "
    "right."
)


class ConsensusRecord(Provenance):
    """The record of a consensus, `consensus.json`.

    `run`: whose network is its prior, None for people alone, and then `alone` says why. The votes are those of then.
    `changed`: images where the network outvoted the majority. `right`: the mean probability, which is the share of
    labels that are expected to be right.
    """

    name: str
    run: str | None
    alone: str = ""
    votes_fingerprint: str
    votes_simulated: bool
    images: int
    answers: int
    changed: int
    right: float

    @property
    def text(self) -> str:
        """What it rests on, in sentences."""
        panel = f"people and the network {self.run}"
        if self.run is None:
            panel = f"people alone ({self.alone})"
        said = f"Consensus on {self.images:,} images of {self.answers:,} answers, by {panel}: {self.right:.1%} of the "
        said += "labels are expected to be right."
        if self.run:
            said += f" The network changed what most people say about {self.changed:,} of them."
        return said


class ConsensusFolder(ResultFolder[ConsensusRecord]):
    """One folder in `DATASET/consensus/`: `consensus.parquet`, then `consensus.json`.

    A row an image that has an answer: `id` and the columns of `CONSENSUS`.
    """

    HOME = "consensus"
    FILE = "consensus.json"
    TABLE = "consensus.parquet"
    KIND = ConsensusRecord
    WHAT = "consensus"
    AGAIN = Text(f"remove the folder and {Run('consensus')} again")
