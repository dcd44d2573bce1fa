"""The gain of the decisions in a dataset's history, and the checks by hand that make it certain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.curate.annotations import class_index
from avhcurate.datasets.curate.locked import judged_since, locked_mask
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.empty_view import not_scored
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError, Option, Run
from avhcurate.features.payoff import rules
from avhcurate.features.payoff.expected import Action, Pair, expected_gains
from avhcurate.features.payoff.rules import Difference, Gain, PenaltyChoice
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.event import IMPORT_LABELS
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import sample_groups
from avhcurate.workspace.disk.jobs import SILENT, Progress

#: Kinds of decisions, as the JSON names them and in words.
KINDS = {"by_hand": "relabelled one by one", "in_bulk": "relabelled several at once", "excluded": "excluded"}
#: What the interval holds for.
HOLDS_FOR = "linear heads on frozen embeddings, logistic and by least squares, of three penalties each"
#: Draws of images to check that are known at once.
_DRAWS = 2000
#: Further checks whose interval is named.
MORE = 50
_CLASSES = 2


@dataclass(frozen=True)
class Decided:
    """What is decided about the images of a dataset: labels (N,) `given` and `before` and `after` the decisions, -1
    where a head learns nothing; masks (N,) of what was decided, by kind, and of what is `locked`.
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


def payoff(opened: OpenDataset, *, since: int | None = None, progress: Progress = SILENT) -> Payoff:
    """Return the gain of the decisions after an entry of the history, with the checks that there are.

    Heads are fitted on the run's embeddings of the images outside the locked part, with the labels before and after the
    decisions. Raises CurateError without a run with embeddings, without a locked part, for decisions older than the
    lock, which may rest on the labels of the part, where a class has no locked image, and where all decisions are about
    locked images; Cancelled when asked to stop.
    """
    return judged(
        opened.decisions,
        compare(opened.samples, opened.run, opened.dataset, decided(opened, since=since), progress=progress),
    )


def decided(opened: OpenDataset, *, since: int | None = None) -> Decided:
    """Return what was decided after an entry of the history, by default after all that may know locked labels."""
    opened.refresh()
    first = judged_since(opened.decisions, opened.run)
    if since is None:
        since = first
    if not first <= since <= opened.samples.entry:
        raise CurateError(
            f"Entry {since} is not between {first} and {opened.samples.entry}, the newest: decisions before may "
            "rest on the labels that are locked.",
            fix=f"Leave out {Option('since')}, or give one of these entries",
        )
    rows = opened.samples.frame(columns=["path", "label", "curated_label", "excluded"])
    given = rows["label"].to_numpy(np.int64, na_value=-1)
    after = np.where(rows["excluded"], -1, rows["curated_label"].to_numpy(np.int64, na_value=-1))
    place = pd.Index(rows["path"])
    before = given.copy()
    then = opened.decisions.log.state(opened.dataset.id, opened.decisions.own_classes, until=since).to_pandas()
    at = place.get_indexer(then["path"])
    then = then[at >= 0]
    at = at[at >= 0]
    labels = then["curated_label"].fillna(-1).to_numpy(np.int64)
    before[at] = np.where(then["excluded"], -1, np.where(labels >= 0, labels, given[at]))
    changed = before != after
    excluded = changed & (after < 0)
    several = _in_bulk(opened.decisions, place, since)
    kinds = {
        "by_hand": changed & ~excluded & ~several,
        "in_bulk": changed & ~excluded & several,
        "excluded": excluded,
    }
    return Decided(given, before, after, kinds, locked_mask(opened.dataset))


def _in_bulk(decisions: Decisions, place: pd.Index, since: int) -> np.ndarray:
    """Return the images (N,), by the `place` of their paths, whose last relabel was of several at once."""
    acts = decisions.log.decisions(decisions.dataset.id, since=since, until=decisions.samples.entry)
    acts = acts[acts["action"].isin(["relabel", IMPORT_LABELS]) & ~acts["undo"].astype(bool)]
    last = acts.assign(images=acts.groupby("event")["path"].transform("size")).drop_duplicates("path", keep="last")
    at = place.get_indexer(pd.Index(last["path"]))
    several = np.zeros(len(place), bool)
    several[at[(at >= 0) & (last["images"] > 1).to_numpy()]] = True
    return several


def compare(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    decided: Decided,
    *,
    progress: Progress = SILENT,
) -> Compared:
    """Return how heads differ before and after decisions; it stays the same while only checks are added."""
    features = embeddings(samples, run)
    ids = usable(samples, run, decided)
    locked = decided.locked[ids]
    inside = ids[locked & (decided.given[ids] >= 0)]
    outside = ids[~locked]
    given = decided.given[inside]
    decisions = {kind: int(mask[outside].sum()) for kind, mask in decided.kinds.items() if mask[outside].any()}
    if not decisions:
        _refuse_locked_only(decided, inside)
        return Compared(inside, given, {}, {}, decided.earlier, None)
    progress.tell(0, rules.SUBSAMPLES, "axes and penalty")
    x = rules.principal(features, outside)
    before = decided.before[outside]
    learnt = before >= 0
    groups, _ = sample_groups(dataset, features, outside[learnt])
    num_classes = len(samples.classes)
    penalty = rules.choose_penalty(x[outside[learnt]], before[learnt], num_classes, groups)
    after = {"all": decided.after[outside]}
    if len(decisions) > 1:
        after |= {kind: np.where(decided.kinds[kind][outside], after["all"], before) for kind in decisions}
    progress.check("cancelled before heads were compared")
    differences = rules.differences(
        x[outside], before, list(after.values()), x[inside], given, num_classes, penalty.value
    )
    progress.report(rules.SUBSAMPLES, rules.SUBSAMPLES, "")
    return Compared(inside, given, dict(zip(after, differences, strict=True)), decisions, decided.earlier, penalty)


def judged(decisions: Decisions, compared: Compared) -> Payoff:
    """Return the gain that the given labels of the locked images and the checks there are tell."""
    labels = checks(decisions)
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


# --- checks by hand ----------------------------------------------------------------------------------------------


def check(decisions: Decisions, id: int, label: int | None) -> None:
    """Write down that a person sees the class of index `label` on a locked image, or cannot tell (None)."""
    if not locked_mask(decisions.dataset)[id]:
        raise CurateError(f"Image {id} is not locked: only locked images are checked.")
    stored = None
    if label is not None:
        stored = decisions.samples.classes[class_index(decisions.samples, label)]
    decisions.log.annotate(decisions.present_id(), "check", stored, decisions.samples.paths_of([id]))
    decisions.refresh()


def checks(decisions: Decisions) -> dict[int, int]:
    """Return the class that a person saw on each image that was checked, by id; -1 for none that was named."""
    seen = decisions.log.checks(decisions.dataset.id)
    ids = dict(
        decisions.samples.query(
            "SELECT path, id FROM samples WHERE path IN (SELECT unnest(?::VARCHAR[]))", [list(seen)]
        )
    )
    place = {name: number for number, name in enumerate(decisions.samples.classes)}
    return {ids[path]: place.get(name or "", -1) for path, name in seen.items() if path in ids}


# --- what cannot judge -------------------------------------------------------------------------------------------


def embeddings(samples: SampleTable, run: RunFolder | None) -> np.ndarray:
    """Return the features (N, D) of the run; refuse a dataset without."""
    if run is None:
        raise not_scored(samples.name)
    if not run.has_features:
        raise CurateError(
            f"The run {run.name} has no embeddings to fit heads on.",
            fix=f"Attach it again with {Option('features', 'FILE')}, or score the images",
        )
    return run.features()


def usable(samples: SampleTable, run: RunFolder | None, decided: Decided) -> np.ndarray:
    """Return the ids of scored images with a label before or after; refuse a locked part that cannot judge."""
    name = samples.name
    assert run is not None
    scored = run.scored_ids()
    ids = scored[(decided.before[scored] >= 0) | (decided.after[scored] >= 0)]
    given = decided.given[ids]
    present = np.unique(given[given >= 0])
    if len(present) < _CLASSES:
        raise CurateError(f"{name} has labels of one class, so no decision can change what a head says.")
    missing = np.setdiff1d(present, given[decided.locked[ids]])
    if len(missing):
        names = ", ".join(samples.classes[label] for label in missing[:5])
        raise CurateError(
            f"No image of {names} is locked, so a change there would not be seen.",
            fix=f"Lock a larger part: {Run('lock', name, share='0.3')}",
        )
    return ids


def _refuse_locked_only(decided: Decided, inside: np.ndarray) -> None:
    """Refuse decisions that are all about locked images."""
    if any(mask[inside].any() for mask in decided.kinds.values()):
        raise CurateError(
            "All decisions are about locked images, which no head learns from. Decide about others, as Suspects lists."
        )


# --- beforehand --------------------------------------------------------------------------------------------------


def beforehand(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    action: Action,
    number: int,
    pairs: Sequence[Pair | None] = (None,),
) -> list[Gain]:
    """Return what accepting or excluding the `number` first suspects is expected to do to accuracy, by `pairs`.

    About those of a pair only, or about all (None). Told from folds of the images that are not locked or excluded, see
    `expected.expected_gains`. Raises CurateError without embeddings, and with labels of one class.
    """
    features = embeddings(samples, run)
    assert run is not None
    rows = samples.frame(Filters(ids=tuple(run.scored_ids().tolist())), columns=["id", "curated_label"]).dropna()
    ids = rows["id"].to_numpy(np.int64)
    free = ~locked_mask(dataset)[ids]
    ids = ids[free]
    labels = rows["curated_label"].to_numpy(np.int64)[free]
    if len(np.unique(labels)) < _CLASSES:
        raise CurateError(f"{samples.name} has labels of one class, so no decision can change what a head says.")
    x = rules.principal(features, ids)[ids]
    groups, _ = sample_groups(dataset, features, ids)
    num_classes = len(samples.classes)
    return expected_gains(
        x,
        labels,
        groups,
        action=action,
        share=min(1.0, number / len(ids)),
        num_classes=num_classes,
        penalty=rules.choose_penalty(x, labels, num_classes, groups).value,
        pairs=pairs,
    )
