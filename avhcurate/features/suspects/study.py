"""Which labels are in doubt, as a function of arrays: evidence of several sources, weighed, and a rank."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.errors import CurateError
from avhcurate.features.suspects import rules, weighing
from avhcurate.features.suspects.rules import Evidence
from avhcurate.measures.stats.neighbours import nearest_of
from avhcurate.measures.stats.ranks import rank_shares
from avhcurate.workspace.disk.jobs import SILENT, Progress

#: Neighbours whose labels are compared.
NEIGHBOURS = 12
_ROWS = 1024


@dataclass(frozen=True)
class Suspects:
    """The labels in doubt: `table` has a row each, by rank, and the rest says how it came about.

    `table`: `id` (the row of the image), `label`, `suggested` (-1 for none), `verdict` (`rules.VERDICTS`), `rank`,
    `doubt`, and of each source `SOURCE_score`, `SOURCE_suggested` and `SOURCE_doubts`. doubting: how many labels each
    source doubts. weights: the share of each source in the order, sum 1. often: a class and the other one that it is
    often called, None for none.
    """

    table: pd.DataFrame
    doubting: Mapping[str, int]
    weights: Mapping[str, float]
    often: tuple[int, int] | None


def suspects(
    labels: ArrayLike,
    probs: ArrayLike,
    features: ArrayLike | None = None,
    *,
    votes: ArrayLike | None = None,
) -> Suspects:
    """Return the labels that are likely wrong, the most doubtful first, from what is known of N images.

    labels: (N,) class indices, -1 for none. probs: (N, K) of a network that did not learn these labels, as out of fold
    (`sklearn.model_selection.cross_val_predict(..., method="predict_proba")`). features: (N, D) embeddings, for the
    labels of the nearest images; in doubt by cleanlab's confident learning and by neighbours, an image is more likely
    wrong. votes: (N, K) counts of what people chose, 0 where nobody was asked. Raises CurateError for shapes that do
    not fit, probabilities that are not finite, and fewer than two classes.

    >>> probs = np.full((20, 2), 0.1)
    >>> probs[np.arange(20), np.arange(20) % 2] = 0.9
    >>> labels = np.arange(20) % 2
    >>> labels[3] = 0
    >>> suspects(labels, probs).table[["id", "label", "suggested"]].values.tolist()
    [[3, 0, 1]]
    """
    all_labels = np.asarray(labels, np.int64)
    shares = np.asarray(probs, np.float32)
    if shares.ndim != 2 or len(shares) != len(all_labels):
        raise CurateError(f"probs has the shape {shares.shape} for {len(all_labels)} labels. Give (N, K).")
    if shares.shape[1] < 2 or all_labels.max(initial=-1) >= shares.shape[1]:
        raise CurateError(f"There are {shares.shape[1]} classes, and labels up to {all_labels.max(initial=-1)}.")
    ids = np.flatnonzero(all_labels >= 0)
    if not len(ids) or not np.isfinite(shares[ids]).all():
        raise CurateError("Nothing can be in doubt: no image has a label and probabilities.")
    study = LabelStudy(all_labels, ids, num_classes=shares.shape[1])
    sources = ["cleanlab"]
    if features is not None:
        sources.insert(0, "neighbours")
        study.near[ids] = _nearest(np.asarray(features), ids)
    if votes is not None:
        sources.append("votes")
        counts = np.asarray(votes, np.int64)
        voted = np.flatnonzero(counts.any(axis=1))
        study.counted = pd.DataFrame({"id": voted, "counts": list(counts[voted])})
    view = rules.softmax_view(shares[ids], study.labels)
    view["predicted"] = shares[ids].argmax(axis=1)
    view["confidence"] = shares[ids, study.labels]
    table, doubting, weighed = study.examined(sources, Predictions(view, shares[ids], study.confused(shares[ids])))
    return Suspects(table, doubting, weighed.weights, weighed.often)


def _nearest(features: np.ndarray, ids: np.ndarray) -> np.ndarray:
    blocks = np.split(ids, range(_ROWS, len(ids), _ROWS))
    return np.concatenate([nearest_of(features, block, count=NEIGHBOURS)[0] for block in blocks])


class Predictions(NamedTuple):
    """A view of the N samples, their probabilities (N, K), and `weighing.confusions`: see `LabelStudy.confused`."""

    view: pd.DataFrame
    probs: np.ndarray
    confused: np.ndarray | None


class LabelStudy:
    """The `labels` (n,) of the images `ids` (n,), of N images with `all_labels` (N,), -1 for none.

    `near`: (N, NEIGHBOURS) the ids of the nearest images of each one, -1 for none. `counted`: the votes by image as
    `VoteCounter.by_sample` has them, None without any.
    """

    counted: pd.DataFrame | None = None

    def __init__(
        self, all_labels: np.ndarray, ids: np.ndarray, *, num_classes: int, progress: Progress = SILENT
    ) -> None:
        self.all_labels = all_labels
        self.ids = ids
        self.labels = all_labels[ids]
        self.num_classes = num_classes
        self.progress = progress
        self.near = np.full((len(all_labels), NEIGHBOURS), -1)

    def examined(
        self, sources: Sequence[str], predictions: Predictions
    ) -> tuple[pd.DataFrame, dict[str, int], weighing.Weighed]:
        """Return the suspects by rank, how many labels each source doubts, and what all say together."""
        view = predictions.view
        evidence = self.evidence(sources, predictions)
        if "cleanlab" in sources:
            doubts = rules.prune(predictions.probs, self.labels, np.unique(self.labels))
            evidence["cleanlab"] = replace(evidence["cleanlab"], doubts=doubts)
        weighed = self.weighed(evidence, predictions)
        doubted = np.any([source.doubts for source in evidence.values()], axis=0)
        verdict = rules.verdicts(view, doubted)
        samples = pd.DataFrame({"id": self.ids, "label": self.labels, "verdict": verdict})
        if "avh" in view:
            samples = samples.assign(**rules.angular(view, self.labels).details)
        ranked = rules.combine(evidence, weighed.doubt, weighed.weights)
        parts = [samples, ranked, view, *(_columns(name, source) for name, source in evidence.items())]
        table = pd.concat(parts, axis=1)[verdict != ""].sort_values("rank", ignore_index=True)
        return table, {name: int(source.doubts.sum()) for name, source in evidence.items()}, weighed

    def confused(self, probs: np.ndarray) -> np.ndarray | None:
        """Return how often images of each label look like each class, of probs (n, K); None for very many classes."""
        if probs.shape[1] > weighing.MOST_CLASSES:
            return None
        some = self._sampled_rows()
        return weighing.confusions(probs[some], self.labels[some])

    def evidence(self, sources: Iterable[str], predictions: Predictions) -> dict[str, Evidence]:
        """Return the evidence of each source on the given labels."""
        near = self.near[self.ids, :NEIGHBOURS]
        examined = {
            "angular": lambda: rules.angular(predictions.view, self.labels),
            "neighbours": lambda: rules.neighbours(near, self.all_labels, self.labels),
            "cleanlab": lambda: rules.confident_learning(predictions.probs, self.labels, np.unique(self.labels)),
            "votes": self._votes,
        }
        return {source: examined[source]() for source in sources}

    def weighed(self, evidence: dict[str, Evidence], predictions: Predictions) -> weighing.Weighed:
        """Put the sources together: those that find wrong labels drawn to test them; one alone keeps its order.

        The network counts less beside votes the less often it is right. A pair of classes that is often confused comes
        first.
        """
        if len(evidence) == 1 or len(np.unique(self.labels)) < 2:
            shares = [np.nan_to_num(rank_shares(source.score)) for source in evidence.values()]
            return weighing.Weighed(np.mean(shares, axis=0), dict.fromkeys(evidence, 1 / len(evidence)))
        self.progress.tell(len(self.ids), len(self.ids), "weighing the sources")
        opinions = self._opinions(evidence, predictions, slice(None), self.labels)
        names = self._best(evidence, predictions, list(opinions))
        predicted = predictions.view["predicted"].to_numpy()
        doubt = weighing.together(opinions, names)
        counts = 1.0
        weights = dict.fromkeys(evidence, 0.0)
        if "votes" in evidence:
            counts = max(0.0, 2 * float(np.mean(predicted == self.labels)) - 1)
            doubt = counts * weighing.surprise(doubt) + weighing.surprise(evidence["votes"].score)
            weights["votes"] = 1 / (1 + counts)
        weights |= dict.fromkeys(names, (1 - sum(weights.values())) / len(names))
        often = None
        if predictions.confused is not None and (often := weighing.often_called(predictions.confused)):
            doubt[(predicted == often[0]) & (self.labels == often[1])] += doubt.max()
        return weighing.Weighed(doubt, weights, often)

    def _opinions(
        self, sources: Iterable[str], predictions: Predictions, rows: np.ndarray | slice, labels: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the opinions of heads and neighbours if the images of some rows had these labels, by source.

        Angles and cleanlab judge by the same heads, so they have one opinion.
        """
        opinions = {}
        all_labels = self.all_labels.copy()
        trust = np.zeros(len(all_labels))
        trust[self.ids] = predictions.view["confidence"]
        ids = self.ids[rows]
        all_labels[ids] = labels
        heads = [source for source in ("cleanlab", "angular") if source in sources]
        if predictions.confused is not None:
            probs = predictions.probs[rows]
            trust[ids] = np.take_along_axis(probs, labels[:, None], 1)[:, 0]
            if heads:
                opinions[heads[0]] = weighing.of_heads(probs, labels, weighing.naming(predictions.confused))
        elif heads:
            opinions[heads[0]] = self.evidence(heads[:1], predictions)[heads[0]].score
        if "neighbours" in sources:
            near = self.near[ids, :NEIGHBOURS]
            opinions["neighbours"] = weighing.of_neighbours(near, all_labels, trust, labels)
        return opinions

    def _best(self, sources: Iterable[str], predictions: Predictions, names: list[str]) -> Sequence[str]:
        """Return the opinions, all or one, that find wrong labels best which are drawn for the images."""
        if predictions.confused is None or len(names) < 2:
            return names
        rng = np.random.default_rng(0)
        rows = self._sampled_rows()
        labels = self.labels[rows]
        drawn = []
        for _ in range(weighing.DRAWS):
            wrong = weighing.draw_wrong_labels(labels, weighing.naming(predictions.confused), rng)
            drawn.append((self._opinions(sources, predictions, rows, wrong), wrong != labels))
        return weighing.best(self._opinions(sources, predictions, rows, labels), drawn)

    def _sampled_rows(self) -> np.ndarray:
        """Return the rows on which confusions are counted and errors drawn: all, unless there are many."""
        return np.sort(np.random.default_rng(0).permutation(len(self.ids))[: weighing.MOST_DRAWN])

    def _votes(self) -> Evidence:
        """Return the evidence of the votes that HSF counts; samples without votes have none."""
        assert self.counted is not None
        votes = self.counted.set_index("id")
        if "counts" not in votes:
            ticks = votes.reindex(self.ids, fill_value=0)
            return rules.tick_votes(ticks["selected"].to_numpy(), ticks["shown"].to_numpy())
        counts = np.zeros((len(self.ids), self.num_classes), np.int64)
        voted = np.flatnonzero(np.isin(self.ids, votes.index))
        if len(voted):
            rows = np.stack(votes["counts"].loc[self.ids[voted]].to_list())
            counts[voted, : rows.shape[1]] = rows
        return rules.kway_votes(counts, self.labels)


def _columns(name: str, evidence: Evidence) -> pd.DataFrame:
    """Return the columns of a source; the details of the angles are columns without it, as each suspect has them."""
    columns = {"score": evidence.score, "suggested": evidence.suggested, "doubts": evidence.doubts}
    if name != "angular":
        columns |= evidence.details
    return pd.DataFrame(columns).add_prefix(f"{name}_")
