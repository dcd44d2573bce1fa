"""A dataset as one object: import, score, votes, statistics, decisions, exports and the app, from Python."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from avhcurate import plugins
from avhcurate.notebook.adding import ScorableDataset
from avhcurate.notebook.certifying import CertifiedDataset
from avhcurate.notebook.deciding import DecidedDataset
from avhcurate.notebook.errors import METHODS
from avhcurate.notebook.leaving import ExportableDataset
from avhcurate.notebook.showing import ShownDataset
from avhcurate.notebook.studies import StudiedDataset


class Dataset(ScorableDataset, StudiedDataset, CertifiedDataset, ExportableDataset, ShownDataset, DecidedDataset):
    """One dataset of a workspace, with the scores of one model run: most of what people do with it, as methods.

    Methods that compute something return a pandas DataFrame; methods that add something to the dataset return the
    dataset; those that decide about images return how many images it was. What they are given as `samples` is ids, a
    boolean mask (N,), a DataFrame with a column `id`, or a SQL condition. What others decide, in the app or in another
    process, shows at once. Mistakes raise CurateError with the next step.

    >>> import avhcurate
    >>> digits = avhcurate.example()
    >>> digits
    Dataset digits: 120 images of 10 classes, 6,000 simulated votes, scored by avhcurate:digits
    """

    if TYPE_CHECKING:  # what the laboratory adds
        train: Callable[..., pd.DataFrame]
        self_train: Callable[..., dict[str, Any]]
        degrade: Callable[..., pd.DataFrame]


for _name, _method in plugins.load("methods", lambda _, method: method, taken=dir(Dataset)).items():
    setattr(Dataset, _name, _method)
METHODS.update(inspect.getmembers(Dataset, callable))
