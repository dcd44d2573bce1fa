"""The gain of decisions about labels as a function of arrays: heads before and after them, and checks by hand."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError, Run
from avhcurate.features.payoff import rules
from avhcurate.features.payoff.rules import Difference, Gain, PenaltyChoice
from avhcurate.workspace.disk.jobs import SILENT, Progress

#: Kinds of decisions, as the JSON names them and in words.
KINDS = {"by_hand": "relabelled one by one", "in_bulk": "relabelled several at once", "excluded": "excluded"}
#: What the interval holds for.
HOLDS_FOR = "linear heads on frozen embeddings, logistic and by least squares, of three penalties each"
#: Draws of images to check that are known at once.
_DRAWS = 2000
#: Further checks whose interval is named.
MORE = 50
LEAST_CLASSES = 2


@dataclass(frozen=True)
class LabelChanges:
    """What decisions change: labels (N,) of the images `given` and `before` and `after` the decisions, -1 where a head
    learns nothing; masks (N,) of the images they are about, by kind, and of those that are `locked`.
    """

    given: np.ndarray
    before: np.ndarray
    after: np.ndarray
    kinds: Mapping[str, np.ndarray]
    locked: np.ndarray

    @property
    def earlier(self) -> int:
        """How many images were decided before the decisions."""
        return int((self.before != self.given).sum())

    def digest(self) -> str:
        """Return a text that changes with any of it."""
        arrays = [self.given, self.before, self.after, self.locked, *self.kinds.values()]
        return blake2b(b"".join(array.tobytes() for array in arrays)).hexdigest()


@dataclass(frozen=True)
class Compared:
    """Heads before and after decisions, compared on the locked images `ids` (L,) with their given labels (L,).

    `differences`: of all decisions ("all") and of each of KINDS that occurs, see `rules.differences`; none where
    nothing was decided. `decisions`: images outside the lock by kind; `earlier`: those that cannot be judged.
    """

    ids: np.ndarray
    given: np.ndarray
    differences: Mapping[str, Difference]
    decisions: Mapping[str, int]
    earlier: int
    penalty: PenaltyChoice | None

    @cached_property
    def drawn(self) -> np.ndarray:
        """Rows of the images to check by hand, in their order; an image may come again."""
        if "all" not in self.differences:
            return np.empty(0, np.int64)
        return rules.draws(self.differences["all"].by_class, _DRAWS)


@dataclass(frozen=True)
class Payoff:
    """The gain of all decisions and of each kind, with what it rests on."""

    gain: Gain
    kinds: Mapping[str, Gain]
    decisions: Mapping[str, int]
    #: Images that were decided before, which cannot be judged.
    earlier: int
    penalty: PenaltyChoice | None
    #: Images that may be checked, the next first.
    unchecked: tuple[int, ...]

    def result(self) -> dict[str, Any]:
        """Return it for JSON, in points of accuracy."""
        kinds = {kind: _points(gain) | {"decisions": self.decisions[kind]} for kind, gain in self.kinds.items()}
        penalty = None
        if self.penalty is not None:
            losses = {str(value): round(loss, 6) for value, loss in self.penalty.losses.items()}
            penalty = {"value": self.penalty.value, "losses": losses}
        return {
            **_points(self.gain),
            "locked": self.gain.locked,
            "checked": self.gain.checked,
            "decisions": sum(self.decisions.values()),
            "earlier": self.earlier,
            "verdict": self.gain.verdict,
            "holds_for": HOLDS_FOR,
            "kinds": kinds,
            "penalty": penalty,
        }


def _points(gain: Gain) -> dict[str, float]:
    return {name: round(100 * getattr(gain, name), 3) for name in ("gain", "low", "high")}


def payoff(
    features: ArrayLike,
    before: ArrayLike,
    after: ArrayLike,
    locked: ArrayLike,
    *,
    given: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    checks: Mapping[int, int] | None = None,
) -> Payoff:
    """Return by how much decisions about labels changed the accuracy of heads, judged on images that were locked away.

    features: (N, D) embeddings. before, after: (N,) labels before and after the decisions, class indices, -1 for an
    image that is left out. locked: (N,) bool, the images that judge, by the labels `given` (N,), by default those
    before: what was decided by must not know them. groups: (N,), the images of one value, as copies, share a fold; by
    default none do. checks: what a person saw on locked images, a class by row, -1 for another one; `unchecked` of the
    result says which come next.

    `gain` has the difference in accuracy with the ends of its 95 % interval, which covers six kinds and penalties of
    linear heads, and its `verdict`: helped, hurt or cannot tell. Raises CurateError for labels of one class, where a
    class has no locked image, and where only locked images were decided about.
    """
    features = np.asarray(features)
    before = np.asarray(before, np.int64)
    after = np.asarray(after, np.int64)
    changed = before != after
    changes = LabelChanges(
        given=before if given is None else np.asarray(given, np.int64),
        before=before,
        after=after,
        kinds={"by_hand": changed & (after >= 0), "excluded": changed & (after < 0)},
        locked=np.asarray(locked, bool),
    )
    finite = np.isfinite(features).all(axis=1) & features.any(axis=1)
    of_image = np.arange(len(features)) if groups is None else np.asarray(groups)
    num_classes = 1 + int(max(before.max(), after.max(), changes.given.max()))
    names = [str(label) for label in range(num_classes)]
    ids = usable(np.flatnonzero(finite), changes, names)
    return payoff_of(compare(features, ids, changes, of_image.__getitem__, num_classes), checks or {})


def usable(scored: np.ndarray, changes: LabelChanges, classes: Sequence[str], *, dataset: str = "NAME") -> np.ndarray:
    """Return which of the images `scored` (n,) have a label before or after; refuse a locked part that cannot judge."""
    ids = scored[(changes.before[scored] >= 0) | (changes.after[scored] >= 0)]
    given = changes.given[ids]
    present = np.unique(given[given >= 0])
    if len(present) < LEAST_CLASSES:
        raise CurateError("The labels are of one class, so no decision can change what a head says.")
    missing = np.setdiff1d(present, given[changes.locked[ids]])
    if len(missing):
        names = ", ".join(classes[label] for label in missing[:5])
        raise CurateError(
            f"No image of {names} is locked, so a change there would not be seen.",
            fix=f"Lock a larger part: {Run('lock', dataset, share='0.3')}",
        )
    return ids


def compare(
    features: np.ndarray,
    ids: np.ndarray,
    changes: LabelChanges,
    groups_of: Callable[[np.ndarray], np.ndarray],
    num_classes: int,
    *,
    progress: Progress = SILENT,
) -> Compared:
    """Return how heads differ before and after decisions; it stays the same while only checks are added.

    features: (N, D). ids: (n,) the images that are used, see `usable`. groups_of: returns the groups (m,) of some
    images, of which those of one stay together.
    """
    locked = changes.locked[ids]
    inside = ids[locked & (changes.given[ids] >= 0)]
    outside = ids[~locked]
    given = changes.given[inside]
    decisions = {kind: int(mask[outside].sum()) for kind, mask in changes.kinds.items() if mask[outside].any()}
    if not decisions:
        _refuse_locked_only(changes, inside)
        return Compared(inside, given, {}, {}, changes.earlier, None)
    progress.tell(0, rules.SUBSAMPLES, "axes and penalty")
    x = rules.principal(features, outside)
    before = changes.before[outside]
    learnt = before >= 0
    groups = groups_of(outside[learnt])
    penalty = rules.choose_penalty(x[outside[learnt]], before[learnt], num_classes, groups)
    after = {"all": changes.after[outside]}
    if len(decisions) > 1:
        after |= {kind: np.where(changes.kinds[kind][outside], after["all"], before) for kind in decisions}
    progress.check("cancelled before heads were compared")
    differences = rules.differences(
        x[outside], before, list(after.values()), x[inside], given, num_classes, penalty.value
    )
    progress.report(rules.SUBSAMPLES, rules.SUBSAMPLES, "")
    return Compared(inside, given, dict(zip(after, differences, strict=True)), decisions, changes.earlier, penalty)


def payoff_of(compared: Compared, labels: Mapping[int, int]) -> Payoff:
    """Return the gain that the given labels of the locked images and checks tell: `labels` by id, -1 for another."""
    rows = {row: labels[id] for row, id in enumerate(compared.ids.tolist()) if id in labels}
    drawn = compared.drawn.tolist()
    drawn_by = None
    if "all" in compared.differences:
        drawn_by = compared.differences["all"].by_class
    gains = {
        kind: rules.gain(difference.by_class, compared.given, rows, drawn, drawn_by, of_heads=difference.of_heads)
        for kind, difference in compared.differences.items()
    }
    nothing = Gain(gain=0.0, low=0.0, high=0.0, locked=len(compared.ids), checked=0)
    total = gains.pop("all", nothing)
    unchecked = dict.fromkeys(int(compared.ids[row]) for row in drawn if row not in rows)
    return Payoff(total, gains, compared.decisions, compared.earlier, compared.penalty, tuple(unchecked))


def _refuse_locked_only(changes: LabelChanges, inside: np.ndarray) -> None:
    """Refuse decisions that are all about locked images."""
    if any(mask[inside].any() for mask in changes.kinds.values()):
        raise CurateError(
            "All decisions are about locked images, which no head learns from. Decide about others, as Suspects lists."
        )
