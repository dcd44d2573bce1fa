"""The gain of the decisions in a dataset's history, and the checks by hand that make it certain."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from avhcurate.datasets.curate.annotations import class_index
from avhcurate.datasets.curate.locked import judged_since, locked_mask
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.empty_view import not_scored
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError, Option
from avhcurate.features.payoff import rules, study
from avhcurate.features.payoff.expected import Action, Pair, expected_gains
from avhcurate.features.payoff.rules import Gain
from avhcurate.features.payoff.study import LEAST_CLASSES, Compared, LabelChanges, Payoff
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.event import IMPORT_LABELS
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import sample_groups
from avhcurate.workspace.disk.jobs import SILENT, Progress


def payoff(
    decisions: Decisions, run: RunFolder | None, *, since: int | None = None, progress: Progress = SILENT
) -> Payoff:
    """Return the gain of the decisions after an entry of the history, with the checks that there are.

    Heads are fitted on the run's embeddings of the images outside the locked part, with the labels before and after the
    decisions. Raises CurateError without a run with embeddings, without a locked part, for decisions older than the
    lock, which may rest on the labels of the part, where a class has no locked image, and where all decisions are about
    locked images; Cancelled when asked to stop.
    """
    changes = label_changes(decisions, run, since=since)
    return payoff_of(
        decisions,
        compare(decisions.samples, run, decisions.dataset, changes, progress=progress),
    )


def label_changes(decisions: Decisions, run: RunFolder | None, *, since: int | None = None) -> LabelChanges:
    """Return what was decided after an entry of the history, by default after all that may know locked labels."""
    decisions.refresh()
    samples = decisions.samples
    first = judged_since(decisions, run)
    if since is None:
        since = first
    if not first <= since <= samples.entry:
        raise CurateError(
            f"Entry {since} is not between {first} and {samples.entry}, the newest: decisions before may "
            "rest on the labels that are locked.",
            fix=f"Leave out {Option('since')}, or give one of these entries",
        )
    rows = samples.frame(columns=["path", "label", "curated_label", "excluded"])
    given = rows["label"].to_numpy(np.int64, na_value=-1)
    after = np.where(rows["excluded"], -1, rows["curated_label"].to_numpy(np.int64, na_value=-1))
    paths = pd.Index(rows["path"])
    earlier = decisions.log.state(decisions.dataset.id, decisions.own_classes, until=since).to_pandas()
    positions = paths.get_indexer(earlier["path"])
    earlier = earlier[positions >= 0]
    positions = positions[positions >= 0]
    relabelled = earlier["curated_label"].fillna(-1).to_numpy(np.int64)
    before = given.copy()
    before[positions] = np.where(earlier["excluded"], -1, np.where(relabelled >= 0, relabelled, given[positions]))
    changed = before != after
    excluded = changed & (after < 0)
    several = _in_bulk(decisions, paths, since)
    kinds = {
        "by_hand": changed & ~excluded & ~several,
        "in_bulk": changed & ~excluded & several,
        "excluded": excluded,
    }
    return LabelChanges(given, before, after, kinds, locked_mask(decisions.dataset))


def _in_bulk(decisions: Decisions, paths: pd.Index, since: int) -> np.ndarray:
    """Return the mask (N,) of the images, with these `paths`, whose last relabel was of several at once."""
    acts = decisions.log.decisions(decisions.dataset.id, since=since, until=decisions.samples.entry)
    acts = acts[acts["action"].isin(["relabel", IMPORT_LABELS]) & ~acts["undo"].astype(bool)]
    last = acts.assign(images=acts.groupby("event")["path"].transform("size")).drop_duplicates("path", keep="last")
    positions = paths.get_indexer(pd.Index(last["path"]))
    several = np.zeros(len(paths), bool)
    several[positions[(positions >= 0) & (last["images"] > 1).to_numpy()]] = True
    return several


def compare(
    samples: SampleTable,
    run: RunFolder | None,
    dataset: DatasetFolder,
    changes: LabelChanges,
    *,
    progress: Progress = SILENT,
) -> Compared:
    """Return how heads on the embeddings of the run differ before and after decisions, see `study.compare`."""
    features = embeddings(samples, run)
    assert run is not None
    ids = study.usable(run.scored_ids(), changes, samples.classes, dataset=samples.name)
    return study.compare(
        features,
        ids,
        changes,
        lambda images: sample_groups(dataset, features, images)[0],
        len(samples.classes),
        progress=progress,
    )


def payoff_of(decisions: Decisions, compared: Compared) -> Payoff:
    """Return the gain that the given labels of the locked images and the checks there are tell."""
    return study.payoff_of(compared, checks(decisions))


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
    label_of = {name: number for number, name in enumerate(decisions.samples.classes)}
    return {ids[path]: label_of.get(name or "", -1) for path, name in seen.items() if path in ids}


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
    if len(np.unique(labels)) < LEAST_CLASSES:
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
