"""The consensus of people and a network about every answered image: made from the votes, and stored for the table."""

import shutil
import time

import numpy as np
import pandas as pd
from scipy.special import softmax

from avhcurate.datasets.curate.locked import refuse_before_lock
from avhcurate.datasets.table.empty_view import no_votes
from avhcurate.datasets.table.open_dataset import trainings_of
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError
from avhcurate.features.annotate.annotators import VoteQuality
from avhcurate.measures.stats.blas import one_thread
from avhcurate.people.consensus import Consensus, consensus
from avhcurate.people.skill import accuracy_by_others
from avhcurate.workspace.data.consensus import CONSENSUS, NETWORK, ConsensusFolder, ConsensusRecord
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.disk.files import write_parquet
from avhcurate.workspace.disk.provenance import now, settings_digest, versions

#: Part of the folder's name: raise it when the same votes give another consensus.
_VERSION = 1
#: Images by which people are judged.
_MOST_IMAGES = 20_000
#: What there is to judge a person by, beside the number of answers.
_ACCURACY = ("accuracy", "accuracy_low", "accuracy_high")
#: The annotator of attached counts, which do not say who answered.
_UNKNOWN = -1


@one_thread()
def find_consensus(votes: Votes, run: RunFolder | None, *, people: bool = False) -> ConsensusFolder:
    """Store the consensus of every image with an answer; of `people` alone, or with the network of a run as a prior.

    The same votes and run do nothing; another consensus replaces the one before. Raises CurateError without answers
    that name a class.
    """
    started = time.perf_counter()
    dataset = votes.dataset
    counted = votes.record
    if counted is None:
        raise no_votes(dataset.name)
    alone = "asked for"
    if not people:
        alone = _alone(votes, run)
    network = run
    if alone:
        network = None
    asked: list[str] = []
    if network is not None:
        refuse_before_lock(dataset, network)
        asked = [network.name, str(network.scores_path.stat().st_mtime_ns)]
    decides = [_VERSION, dataset.record.version, counted.key, dataset.lock_note(), asked]
    folder = ConsensusFolder.of(dataset, settings_digest(decides)[:12])
    with folder.alone():
        if not folder.complete:
            ids, found = panel_of(votes, network)
            write_parquet(folder.root / folder.TABLE, rows_of(ids, found))
            folder.write_record(
                ConsensusRecord(
                    name=folder.name,
                    run=next(iter(asked), None),
                    alone=alone,
                    dataset_fingerprint=dataset.record.version,
                    votes_fingerprint=counted.fingerprint,
                    votes_simulated=counted.simulated,
                    images=len(ids),
                    answers=int(found.answers.sum()),
                    changed=int((found.of == NETWORK).sum()),
                    right=float(found.probs.max(axis=1).mean()),
                    versions=versions("numpy", "scipy"),
                    locked=dataset.locked_by,
                    started=now(),
                    finished=now(),
                    seconds=round(time.perf_counter() - started, 3),
                )
            )
    for other in ConsensusFolder.folders_of(dataset):
        if other.root != folder.root:
            shutil.rmtree(other.root, ignore_errors=True)
    return folder


def panel_of(votes: Votes, run: RunFolder | None) -> tuple[np.ndarray, Consensus]:
    """Return the ids (n,) of the images with answers that name a class, and their consensus."""
    answers = answers_of(votes)
    ids, image = np.unique(answers["id"].to_numpy(), return_inverse=True)
    probs = None
    if run is not None:
        probs = np.full((len(ids), len(votes.classes)), np.nan)
        scored = np.isin(ids, run.scored_ids())
        probs[scored] = softmax(run.logits_of(ids[scored]), axis=1)
    return ids, consensus(image, answers["annotator"], answers["label"], probs, num_classes=len(votes.classes))


def answers_of(votes: Votes) -> pd.DataFrame:
    """Return the answers that count, a row each: `id, annotator, label`, codes all; those attached have annotator -1.

    Of answers to the same image by the same annotator the last counts. Raises CurateError for votes that name no class.
    """
    if votes.source.key == "tick":
        raise CurateError(
            "These votes say whether an image shows its class, and name no other. A consensus needs answers to "
            "“which class is this?”."
        )
    rows, ids, labels = votes.answers("classify")
    said = pd.DataFrame({"id": ids, "annotator": rows["annotator"].astype(np.int64), "label": labels})
    parts = [said.drop_duplicates(["id", "annotator"], keep="last")]
    if votes.source.imported and (attached := votes.dataset.votes()) is not None:
        counts = np.stack(attached["counts"].to_list())
        image, label = np.nonzero(counts)
        again = counts[image, label]
        ids = attached["id"].to_numpy()[np.repeat(image, again)]
        parts.append(pd.DataFrame({"id": ids, "annotator": _UNKNOWN, "label": np.repeat(label, again)}))
    return pd.concat(parts, ignore_index=True)


def rows_of(ids: np.ndarray, found: Consensus) -> pd.DataFrame:
    """Return the rows of the table: `id` and the columns of `CONSENSUS`."""
    columns = (found.labels, found.probs.max(axis=1), found.of, found.answers)
    return pd.DataFrame({"id": ids, **dict(zip(CONSENSUS, columns, strict=True))})


def consensus_table(samples: SampleTable) -> pd.DataFrame:
    """Return `id, path` and the columns of `CONSENSUS` of every image that has them, by id."""
    return samples.frame(columns=["id", "path", *CONSENSUS]).dropna(subset=["consensus_label"])


def _alone(votes: Votes, run: RunFolder | None) -> str:
    """Return why a network is not asked, "" if it is."""
    if run is None:
        return "the dataset has no run"
    if not run.has_logits:
        return f"{run.name} has no probabilities"
    if run.num_classes != len(votes.classes):
        return f"{run.name} has {run.num_classes:,} classes and the dataset {len(votes.classes):,}"
    _, learnt = trainings_of(votes.dataset, run)
    if learnt is not None and run.record.fitted is None:
        return f"{run.name} learnt from these labels; heads out of fold have not, by score --head fit"
    return ""


@one_thread()
def accuracy(votes: Votes) -> pd.DataFrame:
    """Return `annotator, judged, accuracy, accuracy_low, accuracy_high, errs, confuses` of who answered under a name.

    As `accuracy_by_others`, with names; confuses: "CLASS as CLASS", "" where nothing was wrong. No network is asked.
    """
    names = votes.log.columns(votes.dataset.id).annotators.texts
    answers = answers_of(votes)
    answers = answers[answers["annotator"] != _UNKNOWN]
    ids, image = np.unique(answers["id"], return_inverse=True)
    # Of very many images some by chance tell enough of a person.
    among = np.random.default_rng(0).permutation(len(ids))[image] < _MOST_IMAGES
    answers = answers[among]
    image = np.unique(image[among], return_inverse=True)[1]
    rows = accuracy_by_others(image, answers["annotator"], answers["label"], num_classes=len(votes.classes))
    pairs = [(votes.classes[told], votes.classes[said], told) for told, said in rows["confuses"]]
    confuses = [f"{told} as {said}" * (number >= 0) for told, said, number in pairs]
    return rows.assign(annotator=[names[code] for code in rows["annotator"]], confuses=confuses)


def with_accuracy(votes: Votes, quality: VoteQuality) -> pd.DataFrame:
    """Return the table of annotators with what `accuracy` says of them; of ticks, which name no class, missing."""
    if quality.design == "select" or quality.votes.empty or len(votes.classes) < 2:
        return quality.table.assign(judged=0, errs=False, confuses="", **dict.fromkeys(_ACCURACY, np.nan))
    rows = quality.table.merge(accuracy(votes), on="annotator", how="left")
    return rows.assign(
        judged=rows["judged"].fillna(0).astype(np.int64),
        errs=rows["errs"].eq(True),
        confuses=rows["confuses"].fillna(""),
    )
