"""How many labels of a dataset are wrong at most: a plan of blind looks, what they found, and what has moved since.

A certificate is about the labels as an export would write them: of images that are not excluded. Those that a person
has decided by hand count as right. The rest is put in an order by chance, which is written down before any of it is
seen, and looks are taken from its beginning: one that is skipped, or at which nobody can tell, counts as a wrong label.
Labels that change afterwards count as wrong until somebody looks at them, so that a certificate loosens and never lies.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.datasets.curate.certificate_plan import CertificateFolder, CertificateRecord, newest_certificate
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.measures.stats.acceptance import bounds, most_errors
from avhcurate.workspace.data.event import LOOK

#: Parts of what a certificate may err, of the looks and of second looks, where there are any.
_OF_LOOKS, _OF_CHECKER = 0.9, 0.1
#: Looks from which a class has a bound of its own.
LEAST_OF_CLASS = 30


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a certificate says after an entry of the history: at least `low` and at most `high` of the labels are wrong,
    by `estimate` about so many, shares of the `population` of now.

    Of `looks` in the order of the draw `skipped` have no answer and at `cannot_tell` nobody could tell: both count as
    wrong. `wrong` are labels that a look contradicts and that stand. `misses` is the share of wrong labels that the
    checker may miss, by `again` second looks, None without any. `moved` labels have changed since and were not looked
    at, so that `renew` looks at these are wanted, None where they cannot do it. `same`: who looked also decided labels.
    `classes` have a bound of their own. `unseen` are the paths of labels that moved, `open` those of looks to be taken,
    `against` those of labels that a look contradicts, `once` of those that were looked at once.
    """

    record: CertificateRecord
    until: int
    population: int
    low: float
    high: float
    estimate: float
    looks: int
    skipped: int
    cannot_tell: int
    wrong: int
    misses: float | None
    again: int
    moved: int
    renew: int | None
    same: bool
    classes: tuple[dict[str, Any], ...]
    unseen: tuple[str, ...] = field(repr=False)
    open: tuple[str, ...] = field(repr=False)
    against: tuple[str, ...] = field(repr=False)
    once: tuple[str, ...] = field(repr=False)

    @property
    def verdict(self) -> str:
        if self.high <= self.record.at_most:
            return "reached"
        if self.low > self.record.at_most:
            return "cannot be reached"
        return "not reached"

    @property
    def exact(self) -> bool:
        """Whether every label was looked at or decided."""
        return self.low == self.high

    def result(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        record = self.record
        return {
            "low": self.low,
            "high": self.high,
            "estimate": self.estimate,
            "looks": self.looks,
            "reviewed": record.reviewed,
            "population": self.population,
            "confidence": record.confidence,
            "verdict": self.verdict,
            "at_most": record.at_most,
            "changed": record.changed,
            "wrong": self.wrong,
            "skipped": self.skipped,
            "cannot_tell": self.cannot_tell,
            "second_looks": self.again,
            "checker_misses": self.misses,
            "moved": self.moved,
            "renew": self.renew,
            "classes": list(self.classes),
            "certificate": record.name,
            "where": record.where,
            "seed": record.seed,
            "planned_at": record.entry,
            "entry": self.until,
            "date": f"{record.started:%Y-%m-%d}",
        }


# --- what the looks say ------------------------------------------------------------------------------------------


def certificate(decisions: Decisions, folder: CertificateFolder, *, until: int | None = None) -> Certificate:
    """Return what a certificate says now, or after the entry `until` of the history."""
    record = folder.record
    decisions.dataset.refuse_another_import(record.dataset_fingerprint, again="plan the certificate again")
    answers = decisions.log.looks(decisions.dataset.id, record.name, until=until)
    looks = _Looks.of(decisions, folder, record, answers)
    misses = looks.misses(record.alpha)
    alpha = record.alpha
    if misses is not None:
        alpha *= _OF_LOOKS
    low, high = looks.bounds(record.rest, record.at_most, alpha)
    low, high = widened(low, high, record.rest, misses or 0.0)
    moved = _moved(decisions, folder, record, until)
    rows = looks.answered
    today = moved["label"].reindex(rows.index).where(rows.index.isin(moved.index), rows["label"])
    stands = today.notna()
    against = rows.index[stands & ~rows["cannot"] & (rows["said"] != today)]
    contradicted = len(against)
    unsure = int((stands & rows["cannot"]).sum())
    unseen = moved[~moved.index.isin(rows.index)]
    gone = int(unseen["label"].isna().sum())
    changed = len(unseen) - gone
    population = record.population - int(moved["label"].isna().sum()) + int(moved["new"].sum())
    most = high - looks.found - looks.unsure + contradicted + unsure + changed
    fewest = max(0, low - max(0, looks.found - contradicted) - len(unseen))
    size = max(population, 1)
    renew = max(0, most - math.floor(record.at_most * population + 1e-9))
    ordered = rows[rows["ordered"]]
    return Certificate(
        record=record,
        until=until or decisions.samples.entry,
        population=population,
        low=min(1.0, fewest / size),
        high=min(1.0, most / size),
        estimate=min(1.0, (looks.share * (record.rest - len(ordered)) + contradicted) / size),
        looks=len(rows),
        skipped=looks.skipped,
        cannot_tell=int(rows["cannot"].sum()),
        wrong=contradicted,
        misses=misses,
        again=looks.again,
        moved=changed,
        renew=_renewal(renew, changed - int(unseen["new"].sum())),
        same=not {*record.deciders}.isdisjoint(answers["who"]),
        classes=tuple(_by_class(folder, record, looks, alpha)),
        unseen=tuple(unseen.index[unseen["label"].notna()]),
        open=looks.open,
        against=tuple(against),
        once=tuple(rows.index[~rows["twice"]]),
    )


def _renewal(looks: int, changed: int) -> int | None:
    """Return how many looks at changed labels make it hold again, None where they cannot or need not."""
    if 0 < looks <= changed:
        return looks
    return None


def certificate_of(decisions: Decisions) -> Certificate | None:
    """Return what the newest certificate of a dataset says, to travel with its labels; None before any look, and where
    it is of another import.
    """
    folder = newest_certificate(decisions.dataset)
    if folder is None or not folder.is_of(decisions.dataset.record.fingerprint):
        return None
    found = certificate(decisions, folder)
    if found.looks or found.exact:
        return found
    return None


@dataclass(frozen=True)
class _Looks:
    """The looks for a certificate, by path: `label` that was planned and `said`, class names of today, `cannot` (tell),
    whether somebody looked `twice`, and whether it is `ordered`, in the order of the draw. Of `depth` images from its
    beginning to the last that has an answer the others are skipped. Of `again` second looks `differ` say something else
    than the first. `open` are drawn and have no answer yet, in their order.
    """

    answered: pd.DataFrame
    depth: int
    again: int
    differ: int
    open: tuple[str, ...]

    @classmethod
    def of(
        cls, decisions: Decisions, folder: CertificateFolder, record: CertificateRecord, answers: pd.DataFrame
    ) -> "_Looks":
        rows = record.drawn
        if record.renewals:
            rows = record.population
        plan = folder.plan(rows).to_pandas()
        place = pd.Series(np.arange(len(plan)), plan["path"])
        known = answers[answers["path"].isin(place.index)]
        names = names_today(decisions, [*plan["label"].unique(), *known["label"].dropna().unique()])
        first = known.drop_duplicates("path").set_index("path")
        second = known[known["path"].duplicated()].drop_duplicates("path").set_index("path")
        answered = pd.DataFrame(
            {
                "label": plan["label"].map(names).to_numpy(object)[place.loc[first.index]],
                "said": first["label"].map(names).to_numpy(object),
                "cannot": first["label"].isna().to_numpy(),
                "twice": first.index.isin(second.index),
                "ordered": ((place.loc[first.index] < record.drawn) & ~first.index.isin(record.renewals)).to_numpy(),
            },
            index=first.index,
        )
        depth = int(place.loc[answered.index[answered["ordered"]]].max() + 1) if answered["ordered"].any() else 0
        # What was asked again since its label changed stands where the order of the draw has come to it.
        answered["ordered"] = (place.loc[first.index] < depth).to_numpy()
        again = second["label"].map(names)
        differ = int((again.fillna("cannot") != answered["said"].reindex(second.index).fillna("cannot")).sum())
        drawn = [*plan["path"][: record.drawn], *record.renewals]
        waiting = tuple(path for path in dict.fromkeys(drawn) if path not in first.index)
        return cls(answered, depth, len(second), differ, waiting)

    @property
    def _ordered(self) -> pd.DataFrame:
        return self.answered[self.answered["ordered"]]

    @property
    def found(self) -> int:
        """Labels that looks in the order of the draw contradict."""
        rows = self._ordered
        return int((~rows["cannot"] & (rows["said"] != rows["label"])).sum())

    @property
    def unsure(self) -> int:
        """Looks in the order of the draw at which nobody could tell."""
        return int(self._ordered["cannot"].sum())

    @property
    def skipped(self) -> int:
        return self.depth - len(self._ordered)

    @property
    def share(self) -> float:
        """The share of answers in the order of the draw that contradict the label; 0 before any."""
        return self.found / max(1, len(self._ordered) - self.unsure)

    def misses(self, alpha: float) -> float | None:
        """Return the share of looks that err at most, None without second looks."""
        if not self.again:
            return None
        return most_errors(self.differ, self.again, alpha=_OF_CHECKER * alpha)

    def bounds(self, size: int, at_most: float, alpha: float) -> tuple[int, int]:
        """Return the fewest and the most labels that looks would contradict, of all of which they were drawn."""
        low, _ = bounds(self.found, self.depth, size, at_most=at_most, alpha=alpha)
        _, high = bounds(self.found + self.unsure + self.skipped, self.depth, size, at_most=at_most, alpha=alpha)
        return int(low), int(high)


def widened(low: int, high: int, size: int, misses: float) -> tuple[int, int]:
    """Return the ends of an interval of wrong labels in a lot, where a look errs in such a share of cases at most.

    It then finds so many right labels wrong, and misses that share of the wrong ones.

    >>> widened(10, 90, 1000, 0.0), widened(10, 90, 1000, 0.1)
    ((10, 90), (0, 100))
    """
    if misses >= 1:
        return 0, size
    return max(0, low - math.floor(misses * size)), min(size, math.ceil(high / (1 - misses)))


def names_today(decisions: Decisions, names: list[str]) -> dict[str, str]:
    """Return what classes of an earlier day are called today; one that is gone is like no other."""
    today = decisions.dataset.names_now(names)
    return {name: now or (name and f"{name} (gone)") for name, now in zip(names, today, strict=True)}


def _by_class(
    folder: CertificateFolder, record: CertificateRecord, looks: _Looks, alpha: float
) -> list[dict[str, Any]]:
    """Return a bound for each class of which enough was looked at; they hold at once (Bonferroni)."""
    rows = looks.answered[looks.answered["ordered"]]
    seen = rows.groupby("label").size()
    if looks.skipped or not (seen >= LEAST_OF_CLASS).any():
        return []
    labels = folder.plan()["label"].slice(0, record.rest).value_counts().to_pylist()
    sizes = {pair["values"]: pair["counts"] for pair in labels}
    found = rows["cannot"] | (rows["said"] != rows["label"])
    classes = []
    for name in sorted(set(sizes) & set(seen.index[seen >= LEAST_OF_CLASS])):
        k = int(found[rows["label"] == name].sum())
        _, high = bounds(k, int(seen[name]), sizes[name], at_most=record.at_most, alpha=alpha / len(sizes))
        about = {"class": name, "undecided": sizes[name], "looks": int(seen[name]), "wrong": k}
        classes.append(about | {"high": int(high) / sizes[name]})
    return classes


# --- what has moved ----------------------------------------------------------------------------------------------


def _moved(
    decisions: Decisions, folder: CertificateFolder, record: CertificateRecord, until: int | None
) -> pd.DataFrame:
    """Return `label, new` by path of the labels that are not as they were planned: missing where the image no longer
    counts, new where it does since. A certificate of a part is about those that were in it.
    """
    nothing = pd.DataFrame({"label": pd.Series(dtype=object), "new": pd.Series(dtype=bool)})
    acts = decisions.log.decisions(decisions.dataset.id, since=record.entry, until=until or decisions.samples.entry)
    if (acts["action"] == LOOK).all() and decisions.dataset.record.version == record.version:
        return nothing
    today = labels_at(decisions, until)
    plan = folder.plan().to_pandas()
    names = names_today(decisions, plan["label"].unique().tolist())
    planned = plan.set_index("path")["label"].map(names)
    now = today.reindex(planned.index)
    differ = now[(now != planned).to_numpy()]
    moved = pd.DataFrame({"label": differ, "new": False})
    if not record.where:
        new = today[~today.index.isin(planned.index)].dropna()
        moved = pd.concat([moved, pd.DataFrame({"label": new, "new": True})])
    return moved


def labels_at(decisions: Decisions, until: int | None) -> "pd.Series[Any]":
    """Return the name of each image's label by path, now or after an entry of the history; missing where it has none
    or is excluded.
    """
    columns = ["path", "label_name", "curated_label_name", "excluded"]
    rows = decisions.samples.frame(columns=columns).set_index("path")
    if until is None:
        return rows["curated_label_name"].where(~rows["excluded"].astype(bool)).astype(object)
    state = decisions.log.state(decisions.dataset.id, decisions.own_classes, until=until).to_pandas().set_index("path")
    state = state[state.index.isin(rows.index)]
    label = rows["label_name"].astype(object).copy()
    curated = state["curated_label"].dropna().astype(int)
    label[curated.index] = np.array([*decisions.samples.classes, None], object)[curated.to_numpy(int)]
    label[state.index[state["excluded"]]] = None
    return label
