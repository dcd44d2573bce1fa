"""The self-training loop: select pseudo-labels, train on them, select again; resumable round by round.

Labels of the target cannot leak. `choose`, `pseudo_labels` and the trainer's methods do all selecting and training, and
have no parameter for labels of the target: `ModelOutputs` holds what the network outputs, a trainer gets the source
with its labels and the target without. Only the evaluator holds them. `self_train` gives it the selection, gets a
report to write, and reads nothing back from it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from avhcurate.datasets.table.subset import Subset
from avhcurate.errors import CurateError
from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.features.pseudo_labels.rules import GATES, RULES, Gate, Rule, Selection, targets
from avhcurate.lab.self_training.settings import Schedule
from avhcurate.measures.stats.calibration import calibrate
from avhcurate.measures.stats.intervals import share, wilson
from avhcurate.workspace.data.self_trainings import BY, RoundReport, SelfTrainingFolder, Share
from avhcurate.workspace.disk.jobs import SILENT, Progress

#: Why a run has no more rounds.
ALL_ROUNDS = "all rounds are made"
NO_CHANGE = "the selection no longer changes"


@dataclass(frozen=True)
class PseudoLabelled:
    """The selected samples: rows (n,) of the target ascending, and targets t (n, K) float32 to learn.

    The loss of a sample is -sum_k t_k log p_k. A hard label is 1 at its class. MRKLD's regulariser, alpha times the
    mean over the classes of -log p_k, adds alpha / K to every class: such a row sums to 1 + alpha.
    """

    rows: np.ndarray
    targets: np.ndarray


class Trainer(Protocol):
    """Trains a network on the source with its labels and on the target's samples without theirs."""

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """Train on the source and the pseudo-labelled samples, from the last weights; in round 0 only on the source.

        All randomness comes from the trainer's seed and the number of the round.
        """

    def outputs(self) -> ModelOutputs:
        """Return the network's outputs on all samples of the target."""

    def save(self, folder: Path) -> None:
        """Write the weights into a folder."""

    def restore(self, folder: Path) -> None:
        """Load the weights that `save` wrote."""


@dataclass(frozen=True)
class TrainerSetup:
    """The samples, the fields of the record about network and trainer, and a function that makes the trainer."""

    source: Subset
    target: Subset
    details: dict[str, Any]
    make_trainer: Callable[[SelfTrainingFolder], Trainer]


# --- reports -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TargetEvaluator:
    """Labels (N,) of the target's samples, -1 for none, and the names of the K classes: only for reports."""

    labels: np.ndarray
    classes: Sequence[str]

    def report(
        self, number: int, outputs: ModelOutputs, selection: Selection | None = None, avh: np.ndarray | None = None
    ) -> tuple[RoundReport, pd.DataFrame]:
        """Evaluate the outputs after a round: accuracy and calibration, and a row a class: `label, label_name`, and
        `samples, right, accuracy, accuracy_low, accuracy_high`.

        `selection` is what a later round selected before, and `avh` that of the selected samples: the table then adds
        counts, thresholds, precision and recall.
        """
        labels = np.asarray(self.labels)
        predicted, confidence = outputs.predictions
        usable = (labels >= 0) & (predicted >= 0)
        error = calibrate(confidence[usable], predicted[usable] == labels[usable])
        counts = {"samples": self._count(labels), "right": self._count(labels[predicted == labels])}
        table = pd.DataFrame({"label_name": list(self.classes)} | counts).rename_axis("label").reset_index()
        table = _with_interval(table, "accuracy", "right", "samples")
        values: dict[str, Any] = {}
        if selection is not None:
            choices = selection.classes(labels).drop(columns="accuracy")
            choices = _with_interval(choices, "precision", "correct", "labelled")
            choices["recall"] = choices["correct"] / table["samples"]
            table = table.merge(choices, on="label")
            values = {
                "portion": selection.portion,
                "selected": int(selection.selected.sum()),
                "left_out": selection.left_out,
                "empty_classes": table["label_name"][table["selected"] == 0].tolist(),
                "precision": _share(table, "correct", "labelled"),
                "recall": _share(table, "correct", "samples"),
                # An embedding of zeros has a confidence and no angle.
                "mean_avh": float(pd.Series(avh).mean()),
                "mean_confidence": selection.confidence[selection.selected].mean(),
            }
        report = RoundReport(
            round=number,
            samples=len(labels),
            accuracy=_share(table, "right", "samples"),
            mean_accuracy=_mean_accuracy(table[table["samples"] > 0]),
            ece=Share(n=error.n, value=error.ece, low=error.low, high=error.high),
            **values,
        )
        return report, table

    def _count(self, labels: np.ndarray) -> np.ndarray:
        return np.bincount(labels[labels >= 0], minlength=len(self.classes))


def _mean_accuracy(classes: pd.DataFrame) -> Share:
    """Return the mean over classes, and its interval from those of each class (MOVER: Zou and Donner 2008)."""
    mean = classes["accuracy"].mean()
    size = max(1, len(classes))
    below, above = (np.linalg.norm(classes["accuracy"] - classes[f"accuracy_{end}"]) for end in ("low", "high"))
    return Share(n=len(classes), value=mean, low=float(mean - below / size), high=float(mean + above / size))


def _share(classes: pd.DataFrame, hits: str, n: str) -> Share:
    """Return the share over all classes of one column in another."""
    samples, value, low, high = share(int(classes[hits].sum()), int(classes[n].sum()))
    return Share(n=samples, value=value, low=low, high=high)


def _with_interval(table: pd.DataFrame, name: str, hits: str, n: str) -> pd.DataFrame:
    """Return the table with a share and the ends of its Wilson interval, NaN where n is 0."""
    low, high = wilson(table[hits], table[n])
    columns: dict[str, Any] = {name: table[hits] / table[n], f"{name}_low": low, f"{name}_high": high}
    return table.assign(**columns)


# --- the rounds --------------------------------------------------------------------------------------------------


def seed_of_round(seed: int, number: int) -> int:
    """Return the seed of one round."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def self_train(
    trainer: Trainer,
    ids: np.ndarray,
    *,
    rule: Rule,
    evaluator: TargetEvaluator,
    folder: SelfTrainingFolder,
    schedule: Schedule,
    rounds: int | None = None,
    progress: Progress = SILENT,
) -> str:
    """Run the rounds that `folder` lacks and return why they end there.

    ids (N,): of the target's samples, in the order of the trainer's outputs. Round 0 trains on the source; each later
    one selects by `rule` at the portion of the schedule, then trains on the source and the selected samples. It ends
    after `rounds` (None: when the schedule reaches its end), or when at the full portion the same samples get the same
    labels as in the round before.

    Each round is on disk before the next begins: an interrupted run resumes after its last complete round, on one
    machine's CPU to the same bits. `progress` counts samples once per round. Raises Cancelled between rounds.
    """
    last = schedule.rounds
    if rounds is not None:
        last = rounds
    total = (last + 1) * len(ids)
    #: The pseudo-labels (N,) trained on last, -1 for none.
    labels = np.full(len(ids), -1)
    done = folder.rounds()
    if done:
        trainer.restore(folder.round(done[-1]))
        outputs = trainer.outputs()
    if done[1:]:
        learnt = folder.selection(done[-1], ["selected", "candidate"])
        labels = np.where(learnt["selected"], learnt["candidate"], -1)
    for number in range(len(done), last + 1):
        cancelled = f"Cancelled before round {number} of {last}. The same command resumes."
        progress.tell(number * len(ids), total, f"round {number} of {last}", cancelled=cancelled)
        began = time.perf_counter()
        selection = pseudo = table = avh = None
        changed = 0
        if number:
            portion = schedule.portion(number)
            earlier = labels
            by_gate = choose(outputs, portion=portion, rule=rule)
            selection = by_gate[RULES[rule].gate]
            labels = np.where(selection.selected, selection.candidate, -1)
            changed = int((labels != earlier).sum())
            if not changed and portion == schedule.end:
                return NO_CHANGE
            pseudo = pseudo_labels(selection, outputs)
            table = _table(ids, selection, by_gate, pseudo)
            avh = outputs.avh(pseudo.rows, selection.candidate[pseudo.rows])
        trainer.fit(number, pseudo)
        outputs = trainer.outputs()
        report, classes = evaluator.report(number, outputs, selection, avh)
        changes = {"changed": changed, "seconds": time.perf_counter() - began}
        folder.commit(report.model_copy(update=changes), classes, table, trainer.save)
    progress.report(total, total, "")
    return ALL_ROUNDS


def choose(outputs: ModelOutputs, *, portion: float, rule: Rule) -> dict[str, Selection]:
    """Return what each gate selects, by its name; for the gate of `rule`, what that rule selects."""
    rules: dict[Gate, Rule] = {gate: gate for gate in GATES} | {RULES[rule].gate: rule}
    return {gate: outputs.select(rule=of_gate, portion=portion) for gate, of_gate in rules.items()}


def pseudo_labels(selection: Selection, outputs: ModelOutputs) -> PseudoLabelled:
    """Return the selected samples, and the targets of the rule for each. Raises CurateError for no sample."""
    if not selection.selected.any():
        raise CurateError(
            f"{selection.rule} selects no image of the target, so there is nothing to learn from. Give a larger "
            "portion, or another network where its embeddings have no direction."
        )
    rows, goals = zip(*targets(selection, outputs.plain), strict=True)
    return PseudoLabelled(np.concatenate(rows), np.concatenate(goals))


def _table(
    ids: np.ndarray, selection: Selection, by_gate: Mapping[str, Selection], pseudo: PseudoLabelled
) -> pd.DataFrame:
    """Return the columns of `SelfTrainingFolder.selection`."""
    table = pd.DataFrame({"id": ids, "predicted": selection.predicted, "candidate": selection.candidate})
    table = table.join(selection.table()).astype({"pseudo_label": "Int32", "rank_in_class": "Int32"})
    table = table.assign(**{BY + gate: other.selected for gate, other in by_gate.items()})
    if RULES[selection.rule].targets == "lrent":
        table["soft_label"] = pd.Series(pseudo.targets.tolist(), pseudo.rows, object)
    return table
