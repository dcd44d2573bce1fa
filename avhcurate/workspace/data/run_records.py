"""The record of a model run: its model, provenance, and what was fitted, attached or compared."""

from typing import Any, Literal

from pydantic import BaseModel

from avhcurate.workspace.disk.provenance import Provenance

#: Samples a shard: what a killed run loses at most.
SHARD = 1024


class RankAgreement(BaseModel):
    """How a run in reduced precision orders samples, against float32: on `samples` of the run, spread evenly.

    spearman: by score; `predicted`: share of samples with the same predicted class.
    """

    samples: int
    spearman: dict[str, float]
    predicted: float


class BackendRecord(BaseModel):
    """What ran the network, from the first shard to the last.

    name: "torch" for the unchanged network, or "openvino".
    why: the reason for running the network unchanged, or in float32 where a reduced precision was asked for.
    """

    name: str
    why: str = ""


class PromptsRecord(BaseModel):
    """What a zero-shot model was told: prompts of class k are the templates with `names[k]` in place of {}."""

    templates: tuple[str, ...]
    names: tuple[str, ...]


class AttachedFile(BaseModel):
    """A file that outputs of a network were taken from."""

    role: Literal["features", "class_weights", "bias", "logits", "probs", "rows"]
    source: str
    sha256: str


class Attached(BaseModel):
    """Where a run comes from whose outputs were computed elsewhere.

    by: what told which sample a row is: "order", "path", or a column. predicted: what `predicted` means. notes: what
    the user should know. copied: how many rows of each array are in the run, by its role.
    """

    by: str
    files: list[AttachedFile]
    predicted: Literal["logits", "prototypes", "nothing"]
    notes: list[str] = []
    copied: dict[str, int] = {}


class FittedHeads(BaseModel):
    """Linear heads that a run fitted on frozen features, cross-fitted over the labelled samples.

    networks: each fold trained a whole network instead, whose features cannot be compared with those of another fold.
    groups: the column whose values share a fold. `recipe`: how a head is fitted. `samples` have a label; `duplicates`:
    how many of them each way of finding copies joins to another one. `accuracy`, `loss` (nats): out of fold.
    `agreement`: on some samples, mean Spearman correlation of AVH by two folds' heads.
    """

    folds: int
    seed: int
    groups: str | None
    recipe: dict[str, Any]
    samples: int = 0
    duplicates: dict[str, int] = {}
    accuracy: float | None = None
    loss: float | None = None
    agreement: float | None = None
    seconds: float | None = None
    networks: bool = False


class RunRecord(Provenance):
    """The record of a run, `run.json`; `finished`, `seconds`, `rate` and `skipped` are set when it is complete.

    `seconds` is the time of the pass over the images, the parts before a resume and all workers of a cluster together.
    """

    name: str
    model: str
    #: the layer whose input are the features; of a fitted head "" for what the network returns
    head: str = ""
    weights_sha256: str
    weights_source: str
    preprocess: dict[str, Any]
    precision: str = "float32"
    device: str = ""
    batch_size: int = SHARD
    #: names where they are known, in the order of the class weights
    classes: list[str]
    num_classes: int
    #: 0 for attached outputs without features
    width: int
    samples: int
    #: None when all samples are scored
    limit: int | None = None
    seed: int = 0
    #: samples a second
    rate: float | None = None
    #: samples that could not be scored
    skipped: int = 0
    rank_agreement: RankAgreement | None = None
    #: None where outputs were attached
    backend: BackendRecord | None = None
    #: of a zero-shot model
    prompts: PromptsRecord | None = None
    #: set where no network was run here: then `head`, `preprocess` and `device` are empty
    attached: Attached | None = None
    #: heads that the run fitted itself
    fitted: FittedHeads | None = None
    #: rows of the model's head that are the dataset's classes, where only these were taken
    rows: list[int] | None = None
    #: whether the weights name their classes, and these are the dataset's in its order
    classes_named: bool = False
    #: the event that labelled the images by votes, as it was made; 0 for none
    labelled: int = 0
    #: SHA-256 of the user's files that say what the network computes, by name
    code: dict[str, str] | None = None

    @property
    def network(self) -> tuple[str, ...]:
        """Equal for runs of one network, prompts included, with one last layer, on any dataset.

        A fitted head is of its run alone: one network has another for each dataset.
        """
        return self.weights_sha256, self.head, repr(self.code), self.name if self.fitted else ""

    @property
    def refits(self) -> bool:
        """Whether its heads are fitted on features that know no label, so that they can be fitted again."""
        return self.fitted is not None and not self.fitted.networks

    def knows(self, locked_by: int) -> bool:
        """Return whether it may know labels that the event of a number has locked.

        Only what learns from labels of the dataset does: fitted heads, and perhaps attached outputs of a head. Features
        know none, whenever they were made.
        """
        roles = {file.role for file in self.attached.files} if self.attached else set()
        learns = self.fitted is not None or bool(roles & {"class_weights", "logits", "probs"})
        return learns and super().knows(locked_by)
