"""The self-training loop: select pseudo-labels, train on them, select again; resumable round by round.

Why target labels cannot leak. `choose`, `pseudo_labels` and the trainer's methods do all selecting and training. None
has a parameter for labels of the target: `ModelOutputs` holds what the network outputs, a trainer gets the source with
its labels and the target without. Only the evaluator holds them. `self_train` passes it the selection, gets a report to
write, and reads nothing back from it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import pandas as pd

from avhcurate import scores
from avhcurate.data.self_trainings import BY, RoundReport, SelfTrainingFolder
from avhcurate.disk.jobs import SILENT, Cancelled, Progress
from avhcurate.errors import CurateError
from avhcurate.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.pseudo_labels.rules import GATES, RULES, Gate, Rule, Selection, targets
from avhcurate.self_training.evaluation import TargetEvaluator

# Torch takes seconds to import, and a page that only reads results does without it.
if TYPE_CHECKING:
    from avhcurate.training.distributed import ProcessGroup

T = TypeVar("T")

#: Why a run has no more rounds.
ALL_ROUNDS, NO_CHANGE = "all rounds are made", "the selection no longer changes"


@dataclass(frozen=True)
class PseudoLabelled:
    """The selected samples: rows (n,) of the target ascending, and targets (n, K) float32 to learn.

    The loss of a sample is -sum_k target_k log p_k. A hard label is 1 at its class. MRKLD's regulariser, alpha times
    the mean over the classes of -log p_k, is alpha / K more at every class: such a row sums to 1 + alpha.
    """

    rows: np.ndarray
    targets: np.ndarray


class Trainer(Protocol):
    """Trains a network on the source with its labels and on the target's samples without theirs."""

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """Trains on the source and the pseudo-labelled samples, starting from the last weights.

        All randomness comes from the trainer's seed and the number of the round. Without `pseudo` (round 0) it trains
        on the source.
        """

    def outputs(self) -> ModelOutputs:
        """The network's outputs on all samples of the target."""

    def save(self, folder: Path) -> None:
        """Writes the weights into a folder."""

    def restore(self, folder: Path) -> None:
        """Loads the weights that `save` wrote."""


@dataclass(frozen=True)
class Schedule:
    """The portion of each class to trust: `start` in round 1, `step` more each round, up to `end`.

    >>> [Schedule(0.2, 0.1, 0.35).portion(number) for number in (1, 2, 3, 4)]
    [0.2, 0.3, 0.35, 0.35]
    """

    start: float = 0.2
    step: float = 0.05
    end: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.start <= self.end <= 1 or not 0 <= self.step <= 1:
            raise CurateError(
                f"the portions go from {self.start:g} to {self.end:g} by {self.step:g}: give a start above 0, an end "
                "from there to 1 and a step of 0 or more, as 0.2:0.5:0.05"
            )

    def portion(self, number: int) -> float:
        """In (0, 1], of round `number` from 1 on; never less than in the round before."""
        return min(self.end, round(self.start + self.step * (number - 1), 10))

    @property
    def rounds(self) -> int:
        """How many rounds it takes to reach the end."""
        return 1 if not self.step else 1 + int(np.ceil((self.end - self.start) / self.step - 1e-9))


def self_train(
    trainer: Trainer,
    ids: np.ndarray,
    *,
    rule: Rule,
    evaluator: TargetEvaluator,
    folder: SelfTrainingFolder,
    schedule: Schedule | None = None,
    rounds: int | None = None,
    alpha: float | None = None,
    progress: Progress = SILENT,
    group: "ProcessGroup | None" = None,
) -> str:
    """Runs the rounds that `folder` lacks and returns why there are no more.

    ids (N,): of the target's samples, in the order of the trainer's outputs. Round 0 trains on the source; each later
    one selects by `rule` at the portion of the schedule, then trains on the source and the selected samples alone. It
    ends after `rounds` (None: when the schedule reaches its end), or when at the full portion the same samples get the
    same labels as in the round before. `alpha` defaults to the rule's own.

    Each round is on disk before the next begins: an interrupted run resumes from its last complete round, on one
    machine's CPU to the same bits. `progress` counts samples once per round. Raises Cancelled between rounds when asked
    to stop. The processes of a `group` go through the rounds together, and only the first reports and writes.
    """
    schedule = schedule or Schedule()
    last = schedule.rounds if rounds is None else rounds
    loop = _Loop(trainer, ids, rule, alpha, schedule, evaluator, folder, group)

    def tell(number: int) -> None:
        if loop.leads:
            progress.report(number * len(ids), (last + 1) * len(ids), f"round {number} of {last}")
        if loop.broadcast(loop.leads and progress.should_stop()):
            raise Cancelled(f"cancelled before round {number} of {last}: the same command resumes")

    done = loop.broadcast(folder.rounds())
    if done:
        loop.resume(done[-1])
    else:
        tell(0)
        loop.start()
    for number in range(max(1, len(done)), last + 1):
        tell(number)
        if not loop.round(number):
            return NO_CHANGE
    if loop.leads:
        progress.report((last + 1) * len(ids), (last + 1) * len(ids), "")
    return ALL_ROUNDS


def choose(outputs: ModelOutputs, *, portion: float, rule: Rule, alpha: float | None = None) -> dict[str, Selection]:
    """What each gate selects, by its name; at the gate of `rule`, what that rule selects."""
    rules: dict[Gate, Rule] = {gate: gate for gate in GATES} | {RULES[rule].gate: rule}
    return {
        gate: outputs.select(rule=one, portion=portion, alpha=alpha if one == rule else None)
        for gate, one in rules.items()
    }


def pseudo_labels(chosen: Selection, outputs: ModelOutputs) -> PseudoLabelled:
    """The selected samples, and the targets that the rule has training learn for each; CurateError for no sample."""
    blocks = list(targets(chosen, outputs.blocks))
    if not blocks:
        raise CurateError(
            f"{chosen.rule} selects no sample of the target, so there is nothing to learn from: give a larger portion, "
            "or another network where its embeddings have no direction"
        )
    rows, goals = zip(*blocks, strict=True)
    return PseudoLabelled(np.concatenate(rows), np.concatenate(goals))


@dataclass
class _Loop:
    """The rounds in progress: the last outputs, and the pseudo-labels (N,) trained on before them, -1 for none."""

    trainer: Trainer
    ids: np.ndarray
    rule: Rule
    alpha: float | None
    schedule: Schedule
    evaluator: TargetEvaluator
    folder: SelfTrainingFolder
    group: "ProcessGroup | None"

    def resume(self, number: int) -> None:
        """Continues after the last round written."""
        self.trainer.restore(self.folder.round(number))
        self.outputs = self.trainer.outputs()
        self.labels = np.full(len(self.ids), -1)
        if number:
            before = self.folder.selection(number, ["selected", "candidate"])
            self.labels = np.where(before["selected"], before["candidate"], -1)

    def start(self) -> None:
        """Round 0."""
        began = time.perf_counter()
        self.trainer.fit(0, None)
        self.outputs, self.labels = self.trainer.outputs(), np.full(len(self.ids), -1)
        report, classes = self.evaluator.start(self.outputs)
        self._commit(report, classes, None, began)

    def round(self, number: int) -> bool:
        """A later round; False, without training, where the selection is the last round's and final."""
        began, before = time.perf_counter(), self.outputs
        portion, gate = self.schedule.portion(number), RULES[self.rule].gate
        chosen = choose(before, portion=portion, rule=self.rule, alpha=self.alpha)
        labels = np.where(chosen[gate].selected, chosen[gate].candidate, -1)
        changed = int((labels != self.labels).sum())
        if not changed and portion == self.schedule.end:
            return False
        pseudo = pseudo_labels(chosen[gate], before)
        self.trainer.fit(number, pseudo)
        self.outputs, self.labels = self.trainer.outputs(), labels
        report, classes = self.evaluator.round(number, gate, chosen, before, self.outputs)
        table = _table(self.ids, gate, chosen, before, pseudo)
        self._commit(report.model_copy(update={"changed": changed}), classes, table, began)
        return True

    @property
    def leads(self) -> bool:
        return self.group is None or self.group.leads

    def broadcast(self, value: T) -> T:
        """The first process's value."""
        return value if self.group is None else self.group.broadcast(value)

    def _commit(self, report: RoundReport, classes: pd.DataFrame, table: pd.DataFrame | None, began: float) -> None:
        if self.leads:
            timed = report.model_copy(update={"seconds": time.perf_counter() - began})
            self.folder.commit(timed, classes, table, self.trainer.save)
        self.broadcast(None)  # the others go on when it is there


def _table(
    ids: np.ndarray, gate: str, chosen: Mapping[str, Selection], outputs: ModelOutputs, pseudo: PseudoLabelled
) -> pd.DataFrame:
    """The columns of `SelfTrainingFolder.selection`."""
    selection = chosen[gate]
    columns = (
        selection.table().rename(columns={"rank_in_class": "rank"}).astype({"pseudo_label": "Int32", "rank": "Int32"})
    )
    table = pd.DataFrame(
        {"id": ids, "predicted": selection.predicted, "candidate": selection.candidate}
        | {name: columns[name] for name in ("pseudo_label", "confidence", "avc")}
        | {"norm": scores.norm(outputs.features)}
        | {name: columns[name] for name in ("threshold", "rank", "selected")}
        | {BY + name: other.selected for name, other in chosen.items()}
    )
    if RULES[selection.rule].targets == "lrent":
        soft = dict(zip(pseudo.rows.tolist(), pseudo.targets.tolist(), strict=True))
        table["soft_label"] = pd.Series([soft.get(row) for row in range(len(table))], dtype=object)
    return table
