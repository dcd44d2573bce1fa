"""What is added to a dataset: scores of a model, outputs of a network that were computed elsewhere, and votes."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError
from avhcurate.networks.scoring.settings import AttachSettings, ScoreSettings
from avhcurate.notebook.opened import OpenedDataset
from avhcurate.notebook.signatures import takes
from avhcurate.notebook.verb_options import AttachOptions, ScoreOptions


class ScorableDataset(OpenedDataset):
    """A dataset to which a run or votes are added."""

    @takes(ScoreSettings)
    def score(
        self, model: str, *, weights: str | os.PathLike[str] | None = None, **options: Unpack[ScoreOptions]
    ) -> Self:
        """Run a model over the images and open the dataset on this run; scored images are not run again.

        `model` and the options are those of `avhcurate score`: `weights` a file, or "random"; `head` "fit" for linear
        heads fitted on any network's features; `prompt` (templates with {}) and `classes` (names in order) for a
        zero-shot `clip:FOLDER-or-HUB`. `lock`: whether a fifth is locked before the first heads are fitted to 200
        labels or more. It is the workspace's job, which the app shows; an interrupt (Ctrl-C, or the
        kernel's) stops it, and the same call resumes. Raises CurateError for an unknown model, for weights or classes
        that do not fit, and while another job runs.

        >>> import avhcurate
        >>> avhcurate.example().score("avhcurate:digits").table["avh"].astype(float).round(3).head(3).tolist()
        [0.032, 0.031, 0.037]
        """
        from avhcurate.datasets.curate.locked import lock_before
        from avhcurate.networks.scoring.service import score_settings

        settings = self._settings(ScoreSettings, model=model, weights=weights, **options)
        with self._job(settings) as progress:
            if locked := lock_before(self.workspace, settings):
                _say([locked])
            run = score_settings(self.workspace, settings, progress=progress)
        return self._on_run(run.name)

    def choose_default(self, run: str) -> str:
        """Let pages, verbs and notebooks open a finished run unless another is named; return the run's name.

        Before that it is the first that was finished; a later one never replaces it.

        >>> import avhcurate
        >>> avhcurate.example().choose_default("avhcurate:digits")[:16]
        'avhcurate-digits'
        """
        return self.workspace.choose_default(self.name, run)

    @takes(AttachSettings)
    def attach(
        self,
        features: Any = None,
        *,
        class_weights: Any = None,
        bias: Any = None,
        logits: Any = None,
        probs: Any = None,
        pred_probs: Any = None,
        embeddings: Any = None,
        rows: str | os.PathLike[str] | pd.DataFrame | None = None,
        **options: Unpack[AttachOptions],
    ) -> Self:
        """Attaches outputs of a network that were computed elsewhere, as a run, and opens the dataset on it.

        `features` (N, D), also called `embeddings`, `class_weights` (K, D) and `bias` (K,) of its last linear layer,
        `logits` or `probs` (N, K),
        which cleanlab calls `pred_probs`: arrays, or files as for `avhcurate attach`. `by` "order" takes row i for id
        i; "path" or another column finds the image of each row of `rows`, a table that comes with the arrays.
        `classes` is the order of K where it is not the dataset's, which is printed. `name` is the run's.
        Without class weights there are scores of the softmax and by class prototypes, never AVH. A job, like `score`.
        Raises CurateError for shapes that do not fit, NaN, probabilities that do not sum to 1, and images named twice.

        >>> import avhcurate
        >>> digits = avhcurate.example(fresh=True)
        >>> scored = digits.opened.run
        >>> attached = digits.attach(scored.features(), class_weights=scored.class_weights(), bias=scored.bias())
        >>> attached.table["avh"].astype(float).round(3).head(3).tolist()
        [0.032, 0.031, 0.037]
        >>> digits = avhcurate.example(fresh=True)
        """
        from avhcurate.datasets.sources.attach import attach_run
        from avhcurate.notebook.given import as_files, in_memory

        probs = probs if pred_probs is None else pred_probs
        features = features if embeddings is None else embeddings
        arrays = {"features": features, "class_weights": class_weights, "bias": bias, "logits": logits, "probs": probs}
        with as_files(self.workspace, arrays | {"rows": rows}) as files:
            settings = self._settings(AttachSettings, **files, **options)
            resumes = not in_memory([*arrays.values(), rows])
            with self._job(settings, resumes=resumes) as progress:
                run = attach_run(self.workspace, settings, progress=progress)
        assert run.record.attached is not None
        _say(run.record.attached.notes)
        return self._on_run(run.name)

    def votes(
        self,
        votes: str | os.PathLike[str] | pd.DataFrame | np.ndarray,
        *,
        classes: Sequence[str] = (),
        simulated: bool = False,
        force: bool = False,
    ) -> Self:
        """Attaches human votes, from which HSF follows, in place of those attached before.

        `votes`: counts (N, K) in order of id, a DataFrame of answers (`sample`, `annotator`, `label`, or with `class`
        and `selected`), or a file as for `avhcurate votes`. `classes` is the order of K, where it is not the dataset's,
        which is printed. `simulated` marks them wherever they show. Raises
        CurateError for counts of another shape, for answers of which none names an image, and, unless `force`, for
        votes of another kind than those attached.

        >>> import avhcurate
        >>> digits = avhcurate.example()
        >>> counts = np.full((len(digits), 10), 5)
        >>> digits.votes(counts, simulated=True).table["hsf"].unique().tolist()
        [0.1]
        >>> digits = avhcurate.example(fresh=True)
        """
        from avhcurate.people.attach import attach_sheet
        from avhcurate.people.files import VoteSheet, read_votes, sheet_of_table
        from avhcurate.people.hsf import whole_counts
        from avhcurate.workspace.disk.tabular import table_of_frame

        if isinstance(votes, str | os.PathLike):
            sheet = read_votes(Path(votes))
            source = str(Path(votes).absolute())
        elif isinstance(votes, pd.DataFrame):
            sheet = sheet_of_table(table_of_frame(votes, "the table of votes"), "the table of votes")
            source = "a table"
        else:
            counts = whole_counts(votes, "the array of votes")
            if counts.ndim != 2:
                raise CurateError(f"the votes have shape {counts.shape}: give a row an image and a column a class")
            sheet = VoteSheet({}, counts=counts)
            source = "an array"
        with self.workspace.lock(self.name):
            dataset = self.workspace.dataset(self.name)
            record = attach_sheet(dataset, sheet, source, classes=classes, simulated=simulated, force=force)
        _say(record.messages)
        return self


def _say(notes: Sequence[str]) -> None:
    """Print notes beside a result, as the command line does."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
