"""The self-training loop: select pseudo-labels, learn from them, read the target anew; resumable round by round.

Why target labels cannot leak. What selects and what trains are `choose`, `pseudo_labels` and the trainer's methods, and
none has a parameter through which they could come: a reading holds what the network says, a trainer is made of the
source with its labels and of the target without. The labels lie in the judge alone. `self_train` hands it what was
selected, gets a report to write, and reads nothing back from it.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import pandas as pd

from avhcurate import scores
from avhcurate.curation import selection
from avhcurate.curation.selection import GATES, WAYS, Gate, Rule, Selection
from avhcurate.errors import CurateError
from avhcurate.storage.jobs import SILENT, Cancelled, Progress
from avhcurate.storage.self_training import BY, RoundReport, SelfTrainingFolder

# Torch takes seconds to import, and a page that only reads results shall not wait for it.
if TYPE_CHECKING:
    from avhcurate.training.parallel import Group

T = TypeVar("T")

#: Elements of one block (n, K) or (n, D) of which AVC is taken.
_BLOCK = 1 << 20

#: Why a run has no more rounds.
ALL_ROUNDS, NO_CHANGE = "all rounds are made", "the selection no longer changes"


@dataclass(frozen=True)
class Reading:
    """What a network says of the target: features (N, D), class_weights (K, D), bias (K,), logits (N, K)."""

    features: np.ndarray
    class_weights: np.ndarray
    bias: np.ndarray
    logits: np.ndarray

    def blocks(self, gate: Gate = "avc") -> Iterable[tuple[np.ndarray, np.ndarray]]:
        """(logits, AVC) of consecutive samples, as a gate of selection takes them."""
        rows = max(1, _BLOCK // max(self.class_weights.shape))
        features, weights = (self.features, self.class_weights)
        origin = features.mean(0) if gate == "avc-centred" else np.zeros(1, features.dtype)
        weights = weights - weights.mean(0) if gate == "avc-centred" else weights
        for start in range(0, max(1, len(self.logits)), rows):
            part = slice(start, start + rows)
            yield self.logits[part], scores.avc(features[part] - origin, weights)


@dataclass(frozen=True)
class PseudoLabelled:
    """The selected samples: rows (n,) of the target ascending, and targets (n, K) float32 to learn.

    The loss of a sample is -sum_k target_k log p_k. A hard label is 1 at its class. MRKLD's regulariser, alpha times
    the mean over the classes of -log p_k, is alpha / K more at every class: such a row sums to 1 + alpha.
    """

    rows: np.ndarray
    targets: np.ndarray


class Trainer(Protocol):
    """What learns and reads; made of the source with its labels and of the target's samples without."""

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """Learns from the source and the pseudo-labelled samples, from the last weights on.

        What chance decides comes from the trainer's seed and the number of the round alone. Without `pseudo` (round 0)
        it learns from the source.
        """

    def read(self) -> Reading:
        """What the network says of all samples of the target."""

    def save(self, folder: Path) -> None:
        """Writes the weights into a folder."""

    def restore(self, folder: Path) -> None:
        """Takes up the weights that `save` wrote."""


class Judge(Protocol):
    """Holds the target's labels and turns a round into a report and a row a class; see `training.judge`."""

    def start(self, reading: Reading) -> tuple[RoundReport, pd.DataFrame]:
        """Of round 0, which selects nothing."""

    def round(
        self, number: int, gate: str, chosen: Mapping[str, Selection], before: Reading, after: Reading
    ) -> tuple[RoundReport, pd.DataFrame]:
        """Of a later round: what each gate lets pass of the reading `before`, where the run's own is `gate`, and the
        reading after training.
        """


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
    judge: Judge,
    folder: SelfTrainingFolder,
    schedule: Schedule | None = None,
    rounds: int | None = None,
    alpha: float | None = None,
    progress: Progress = SILENT,
    group: "Group | None" = None,
) -> str:
    """Makes the rounds that `folder` lacks, and says why there are no more.

    ids (N,): of the target's samples, in the order of a reading. Round 0 learns from the source; each later one selects
    by `rule` at the portion of the schedule, learns from the source and what was selected, and reads the target. What
    is not selected is left out, never learnt as some class. It ends after `rounds` (None: when the schedule reaches its
    end), or when at the full portion the same samples get the same labels as in the round before. `alpha` is the
    rule's own where it is None.

    Each round is on the disk before the next begins: a run that was cut short goes on from its last whole round, to
    the same bits on one machine's CPU. `progress` counts readings of samples. Raises Cancelled between rounds when
    asked to stop. The processes of a `group` go through the rounds together, and the first alone calls and writes.
    """
    schedule = schedule or Schedule()
    last = schedule.rounds if rounds is None else rounds
    loop = _Loop(trainer, ids, rule, alpha, schedule, judge, folder, group)

    def tell(number: int) -> None:
        if loop.leads:
            progress.report(number * len(ids), (last + 1) * len(ids), f"round {number} of {last}")
        if loop.told(loop.leads and progress.should_stop()):
            raise Cancelled(f"cancelled before round {number} of {last}: the same command resumes")

    known = loop.told(folder.rounds())
    if known:
        loop.resume(known[-1])
    else:
        tell(0)
        loop.start()
    for number in range(max(1, len(known)), last + 1):
        tell(number)
        if not loop.round(number):
            return NO_CHANGE
    if loop.leads:
        progress.report((last + 1) * len(ids), (last + 1) * len(ids), "")
    return ALL_ROUNDS


def choose(reading: Reading, *, portion: float, rule: Rule, alpha: float | None = None) -> dict[str, Selection]:
    """What each gate lets pass of a reading, by its name; at the gate of `rule`, what that rule selects."""
    rules: dict[Gate, Rule] = {gate: gate for gate in GATES} | {WAYS[rule].gate: rule}
    return {
        gate: selection.select_blocks(
            partial(reading.blocks, gate), rule=own, portion=portion, alpha=alpha if own == rule else None
        )
        for gate, own in rules.items()
    }


def pseudo_labels(chosen: Selection, reading: Reading) -> PseudoLabelled:
    """The selected samples, and what the rule asks training to learn of each."""
    rows, targets = zip(*selection.targets(chosen, reading.blocks), strict=True)
    return PseudoLabelled(np.concatenate(rows), np.concatenate(targets))


@dataclass
class _Loop:
    """Rounds under way: the last reading, and the pseudo-labels (N,) that it was learnt from, -1 for none."""

    trainer: Trainer
    ids: np.ndarray
    rule: Rule
    alpha: float | None
    schedule: Schedule
    judge: Judge
    folder: SelfTrainingFolder
    group: "Group | None"

    def resume(self, number: int) -> None:
        """Takes up the round that was the last to be written."""
        self.trainer.restore(self.folder.round(number))
        self.reading = self.trainer.read()
        self.labels = np.full(len(self.ids), -1)
        if number:
            before = self.folder.selection(number, ["selected", "candidate"])
            self.labels = np.where(before["selected"], before["candidate"], -1)

    def start(self) -> None:
        """Round 0."""
        began = time.perf_counter()
        self.trainer.fit(0, None)
        self.reading, self.labels = self.trainer.read(), np.full(len(self.ids), -1)
        report, classes = self.judge.start(self.reading)
        self._commit(report, classes, None, began)

    def round(self, number: int) -> bool:
        """A later round; False where it would learn from what the last one learnt from, so that it is not made."""
        began, before = time.perf_counter(), self.reading
        portion, gate = self.schedule.portion(number), WAYS[self.rule].gate
        chosen = choose(before, portion=portion, rule=self.rule, alpha=self.alpha)
        labels = np.where(chosen[gate].selected, chosen[gate].candidate, -1)
        changed = int((labels != self.labels).sum())
        if not changed and portion == self.schedule.end:
            return False
        pseudo = pseudo_labels(chosen[gate], before)
        self.trainer.fit(number, pseudo)
        self.reading, self.labels = self.trainer.read(), labels
        report, classes = self.judge.round(number, gate, chosen, before, self.reading)
        table = _table(self.ids, gate, chosen, before, pseudo)
        self._commit(report.model_copy(update={"changed": changed}), classes, table, began)
        return True

    @property
    def leads(self) -> bool:
        return self.group is None or self.group.leads

    def told(self, value: T) -> T:
        """What the first process says."""
        return value if self.group is None else self.group.told(value)

    def _commit(self, report: RoundReport, classes: pd.DataFrame, table: pd.DataFrame | None, began: float) -> None:
        if self.leads:
            said = report.model_copy(update={"seconds": time.perf_counter() - began})
            self.folder.commit(said, classes, table, self.trainer.save)
        self.told(None)  # the others go on when it is there


def _table(
    ids: np.ndarray, gate: str, chosen: Mapping[str, Selection], reading: Reading, pseudo: PseudoLabelled
) -> pd.DataFrame:
    """The columns of `SelfTrainingFolder.selection`."""
    own, kind = chosen[gate], "Int32"
    table = pd.DataFrame(
        {
            "id": ids,
            "predicted": own.predicted,
            "candidate": own.candidate,
            "pseudo_label": pd.Series(own.candidate, dtype=kind).where(own.selected),
            "confidence": own.confidence,
            "avc": own.avc,
            "norm": scores.norm(reading.features),
            "threshold": own.threshold,
            "rank": pd.Series(own.rank_in_class, dtype=kind).where(own.rank_in_class > 0),
            "selected": own.selected,
        }
        | {BY + name: found.selected for name, found in chosen.items()}
    )
    if WAYS[own.rule].targets == "lrent":
        soft = dict(zip(pseudo.rows.tolist(), pseudo.targets.tolist(), strict=True))
        table["soft_label"] = pd.Series([soft.get(row) for row in range(len(table))], dtype=object)
    return table
