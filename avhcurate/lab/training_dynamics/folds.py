"""Trains a network in folds of a dataset, into one run whose outputs are all out of fold."""

from functools import partial

import numpy as np

from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.subset import read_subset
from avhcurate.datasets.table.subset_images import decode_images, image_caches, readable_images
from avhcurate.errors import CurateError, Option
from avhcurate.lab.training_dynamics.settings import TrainSettings
from avhcurate.lab.training_dynamics.train import network, network_slug, refuse_one_class
from avhcurate.measures.stats.folds import stratified_folds
from avhcurate.networks.models.runtime import find_device
from avhcurate.networks.scoring.fold_networks import FoldNetworks
from avhcurate.networks.training.distributed import joined
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.sample_groups import sample_groups
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Progress


def train_folds(
    workspace: Workspace, settings: TrainSettings, *, seed: int = 0, progress: Progress = SILENT
) -> RunFolder:
    """Train a network for each fold on the samples of the others; return the complete run.

    Each image is scored by the one network that has seen neither it nor its copies. Networks learn curated labels of
    samples that are not excluded and satisfy the condition; scores use the given labels. Folds are even in classes. The
    same call again resumes. Raises Cancelled, and CurateError for mistakes of the user.
    """
    with joined() as group:
        if group.size > 1:
            raise CurateError(f"{Option('folds')} trains in one process. Run it without torchrun.")
    table = open_table(workspace, settings.dataset)
    new = partial(network, settings, seed, len(table.dataset.record.classes))
    shape = new().preprocess
    everyone = read_subset(table, Filters(excluded=None), label="curated_label")
    learnt = read_subset(table, Filters(where=settings.train_where, excluded=False))
    caches = image_caches(workspace, [everyone], shape)
    decode_images([everyone], caches, progress)
    samples, images = readable_images(everyone, caches[0])
    groups, duplicates = sample_groups(table.dataset, caches[0].images(), samples.ids)
    networks = FoldNetworks(
        dataset=table.dataset,
        name=settings.network,
        new=new,
        recipe=settings.make_recipe(seed).for_images(shape.channels, shape.crop),
        device=find_device(settings.device),
        ids=samples.ids,
        images=images,
        folds=stratified_folds(samples.labels, groups, folds=settings.folds or 2, seed=seed),
        learnt=np.isin(samples.ids, learnt.ids) & (samples.labels >= 0),
        duplicates=duplicates,
    )
    refuse_one_class(settings, samples.labels[networks.learnt])
    return networks.train(network_slug(settings), progress)
