"""A dataset as one object: import, score, votes, statistics, decisions, exports and the app, from Python."""

import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import pandas as pd
from PIL.Image import Image

from avhcurate import plugins
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.predicted_hsf.settings import PredictSettings
from avhcurate.features.quality.settings import QualitySettings
from avhcurate.features.suspects.settings import Source, SuspectsSettings
from avhcurate.networks.neighbours.settings import NeighboursSettings
from avhcurate.networks.scoring.settings import AttachSettings, ScoreSettings
from avhcurate.notebook.errors import METHODS
from avhcurate.notebook.opened import OpenedDataset, filters_of
from avhcurate.notebook.plots import Plots
from avhcurate.notebook.samples import Samples, chosen_ids
from avhcurate.workspace.data.terminal import in_notebook

if TYPE_CHECKING:
    import datasets
    from IPython.display import IFrame

    from avhcurate.features.pseudo_labels.rules import Rule
    from avhcurate.networks.training.heard import HeardTraining
    from avhcurate.notebook.grid import SampleGrid
    from avhcurate.notebook.torch_samples import LabelledSamples


class Dataset(OpenedDataset):
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

    #: The samples that an epoch has, and the training that is recorded, under the name that it was given.
    _learnt: Sequence[int] = ()
    _heard: "HeardTraining | None" = None
    _heard_as = ""

    # --- what is added to it -----------------------------------------------------------------------------------------

    def score(
        self,
        model: str,
        *,
        weights: str | os.PathLike[str] | None = None,
        prompt: str | Sequence[str] = (),
        classes: str | Sequence[str] = (),
        head: str | None = None,
        groups: str | None = None,
        folds: int | None = None,
        seed: int | None = None,
        lock: bool = True,
        classes_from_model: bool = False,
        resize: int | None = None,
        crop: int | None = None,
        mean: float | Sequence[float] = (),
        std: float | Sequence[float] = (),
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        limit: int | None = None,
    ) -> "Dataset":
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

        settings = self._settings(
            ScoreSettings,
            model=model,
            weights=weights,
            prompt=prompt,
            classes=classes,
            head=head,
            groups=groups,
            folds=folds,
            seed=seed,
            lock=lock,
            classes_from_model=classes_from_model,
            resize=resize,
            crop=crop,
            mean=mean,
            std=std,
            device=device,
            precision=precision,
            batch_size=batch_size,
            limit=limit,
        )
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

    def attach(
        self,
        features: Any = None,
        *,
        class_weights: Any = None,
        bias: Any = None,
        logits: Any = None,
        probs: Any = None,
        pred_probs: Any = None,
        by: str = "order",
        rows: str | os.PathLike[str] | pd.DataFrame | None = None,
        classes: Sequence[str] = (),
        name: str | None = None,
    ) -> "Dataset":
        """Attaches outputs of a network that were computed elsewhere, as a run, and opens the dataset on it.

        `features` (N, D), `class_weights` (K, D) and `bias` (K,) of its last linear layer, `logits` or `probs` (N, K),
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

        if pred_probs is not None:
            probs = pred_probs
        arrays = {"features": features, "class_weights": class_weights, "bias": bias, "logits": logits, "probs": probs}
        with as_files(self.workspace, arrays | {"rows": rows}) as files:
            settings = AttachSettings(dataset=self.name, by=by, classes=tuple(classes), name=name, **files)
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
    ) -> "Dataset":
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

    # --- what follows from it ----------------------------------------------------------------------------------------

    def correlate(
        self,
        scores: Sequence[str] | None = None,
        *,
        against: str = "hsf",
        bins: str | Sequence[float] | None = None,
        where: str | Filters | None = None,
        analysis: Literal["adding", "classes", "hard", "parents"] | None = None,
        beyond: Sequence[str] = (),
    ) -> pd.DataFrame:
        """Return Spearman of scores with HSF: a row a score and bin, `score, bin, n, spearman, ci_low, ci_high, ...`.

        `scores` None means all; `against` another measure takes it in place of HSF; `bins` are edges from 0 to 1, or
        "q5" for five of equally many of these images. An `analysis` is another table instead: what scores add to
        confidence, correlations within classes, AUROC for images with an HSF below 0.5, or HSF and AVH of parents.
        `beyond` scores: another table too, how each score follows HSF beyond these, as a semipartial correlation.
        Raises CurateError without votes or a run, and for unknown scores.

        >>> import avhcurate
        >>> table = avhcurate.example().correlate(["avh", "confidence"])
        >>> table.loc[table["bin"] == "all", ["score", "n", "spearman"]].round(2)
                score    n  spearman
        0         avh  120     -0.17
        6  confidence  120      0.21
        >>> avhcurate.example().correlate("avh", analysis="hard")[["score", "n", "hard"]]
          score    n  hard
        0   avh  120     6
        """
        from avhcurate.features.correlation import service
        from avhcurate.features.correlation.analyses import analyse
        from avhcurate.people.bins import check_edges

        opened = self.opened
        keys = scores
        if isinstance(scores, str):
            keys = [scores]
        filters = filters_of(where)
        if analysis is not None:
            return analyse(opened, analysis, keys=keys, filters=filters, against=against)
        edges = None
        if isinstance(bins, str):
            edges = opened.samples.edges_from(bins, filters)
        elif bins is not None:
            edges = check_edges(bins)
        if beyond:
            held = [beyond] if isinstance(beyond, str) else beyond
            return analyse(opened, "beyond", keys=keys, filters=filters, against=against, held=held, edges=edges)
        result = service.correlate(
            opened.samples, opened.run, opened.votes, keys=keys, filters=filters, edges=edges, against=against
        )
        return service.export_table(result)

    def disagree(
        self,
        score: str | None = None,
        *,
        where: str | Filters | None = None,
        predicted: bool = False,
        hsf_cuts: Sequence[float] | None = None,
        score_cuts: Sequence[float] | None = None,
    ) -> pd.DataFrame:
        """Images that are hard for people and easy for the network, and the reverse, widest gap first.

        A row an image: `set` (hard_for_humans or hard_for_network), `gap`, and the columns of an export. `predicted`
        compares all images by predicted HSF. `hsf_cuts` are the HSF at or below which people find an image hard, and
        at or above which easy (0.2, 0.8); `score_cuts` are values of the score where its two ends begin (the easiest
        and the hardest fifth). Raises CurateError for cuts that do not rise, without votes, without a
        run, for an unknown score, and where HSF is not predicted.

        >>> import avhcurate
        >>> gap = avhcurate.example().disagree()
        >>> gap[["set", "id", "label_name", "hsf"]].head(1)
                        set  id label_name   hsf
        0  hard_for_network  86          7  0.98
        """
        from avhcurate.features.disagreement import service
        from avhcurate.features.disagreement.service import HSF_CUTS, SCORE_CUTS, Cuts

        opened = self.opened
        cuts = {
            "hsf_cuts": Cuts.at("hsf_cuts", hsf_cuts, HSF_CUTS),
            "score_cuts": Cuts.at("score_cuts", score_cuts, SCORE_CUTS),
        }
        gap = service.disagree(
            opened.samples,
            opened.run,
            opened.prediction,
            key=score,
            filters=filters_of(where),
            predicted=predicted,
            **cuts,
        )
        return service.gap_table(opened.samples, gap)

    def predict(self, *, runs: str | Sequence[str] = (), level: float = 0.9, seed: int = 0) -> pd.DataFrame:
        """Predict HSF of every image from the votes that some have: `id, hsf, hsf_predicted, ..., human_gap`.

        `runs` to learn from (all, at most the 8 newest), `level` of the intervals, which are not for naming the hard
        ones: they seldom hold a low HSF. A job, like `score`; the columns stay in the table, and predictions are never
        counted as votes. Raises CurateError without a run, and below 30 images with votes.

        >>> import avhcurate
        >>> rows = avhcurate.example().predict()
        >>> rows.columns.tolist()[:4], bool((rows["hsf_predicted_low"] <= rows["hsf_predicted"]).all())
        (['id', 'hsf', 'hsf_predicted', 'hsf_predicted_low'], True)
        """
        from avhcurate.features.predicted_hsf import service

        settings = self._settings(PredictSettings, runs=runs, level=level, seed=seed)
        with self._job(settings) as progress:
            opened = self.opened
            service.predict_hsf(opened.samples, opened.run, opened.votes, settings, progress=progress)
        return service.predictions(self.opened.samples)

    def suspects(
        self,
        *,
        sources: Source | Sequence[Source] = (),
        out_of_fold: bool = False,
        folds: int = 5,
        where: str = "",
        limit: int | None = None,
    ) -> pd.DataFrame:
        """Return labels that are likely wrong, by rank: `id, path, label, suggested, verdict, ...`, a row per suspect.

        Decided and excluded images are left out. `out_of_fold` judges by heads that were not trained on the image,
        for a model that has seen these labels. `sources`: some of angular, neighbours, cleanlab, votes. A job, like
        `score`. Raises CurateError without a run, and for a source that is not available.

        >>> import avhcurate
        >>> suspects = avhcurate.example().suspects(sources=["angular", "votes"], limit=1)
        >>> suspects[["id", "label", "suggested", "verdict"]]
           id  label  suggested verdict
        0  69      9          8    open
        """
        from avhcurate.features.suspects import decisions, service
        from avhcurate.features.suspects.suggestions import suspects_now

        opened = self.opened
        settings = self._settings(
            SuspectsSettings,
            model=self._run_name(),
            sources=sources,
            out_of_fold=out_of_fold,
            folds=folds,
            where=where,
            limit=limit,
        )
        with self._job(settings) as progress:
            folder = service.find_suspects(opened.run, opened.votes, settings, progress=progress)
        undecided = decisions.undecided(opened.samples, suspects_now(opened.samples, opened.votes, folder), where=where)
        rows = service.export_table(opened.samples, undecided, folder.record)
        return rows[: settings.limit]

    def project(self, *, neighbours: int = 15, seed: int | None = None, limit: int | None = None) -> pd.DataFrame:
        """Lay the run's images out in two dimensions and return `id, x, y`; `plot.map` draws them. A job.

        The options are those of `avhcurate project`. Raises CurateError without a run.

        >>> import avhcurate
        >>> avhcurate.example().project(limit=60).columns.tolist()  # doctest: +SKIP
        ['id', 'x', 'y']
        """
        from avhcurate.features.map.service import project_dataset
        from avhcurate.features.map.settings import ProjectSettings

        settings = self._settings(
            ProjectSettings, model=self._run_name(), neighbours=neighbours, seed=seed, limit=limit
        )
        with self._job(settings) as progress:
            ids, places = project_dataset(self.workspace, settings, progress=progress).coordinates()
        return pd.DataFrame({"id": ids, "x": places[:, 0], "y": places[:, 1]})

    def neighbours(self, *, count: int = 16, seed: int = 0) -> pd.DataFrame:
        """Find the nearest images of each and return outliers first: `id, path, label_name, neighbour_angle`. A job.

        >>> import avhcurate
        >>> avhcurate.example(fresh=True).neighbours(count=5)[["id", "label_name"]].head(2)
           id label_name
        0  69          9
        1  87          4
        >>> digits = avhcurate.example(fresh=True)
        """
        from avhcurate.networks.neighbours.service import find_neighbours

        run = self.opened.dataset.run(self._run_name())
        settings = self._settings(NeighboursSettings, model=run.name, count=count, seed=seed)
        with self._job(settings) as progress:
            find_neighbours(self.opened.dataset, run, count=count, seed=seed, progress=progress)
        rows = self.frame(columns=["id", "path", "label_name", "neighbour_angle"])
        return rows.sort_values("neighbour_angle", ascending=False, ignore_index=True)

    def models(
        self,
        runs: Sequence[str] = (),
        *,
        by: str | Sequence[str] = (),
        scores: Sequence[str] = ("avh", "confidence"),
        where: str = "",
    ) -> pd.DataFrame:
        """Return model runs side by side on the same images, a row each: `run, n, accuracy, ece, ..., avh_hsf, ...`.

        With `by` (columns as "split" or "hsf_bin", names of tags, sets or saved views) it is a row a run and slice, the
        least accurate first, with a `verdict` and intervals that hold for all slices at once (Bonferroni).

        >>> import avhcurate
        >>> avhcurate.example().models()[["model", "n", "accuracy"]].round(2).values.tolist()
        [['avhcurate:digits', 120, 0.99]]
        """
        from avhcurate.features.compare.service import side_by_side
        from avhcurate.features.compare.slices import slice_runs

        if isinstance(by, str):
            by = [by]
        if by:
            return slice_runs(
                self.opened.samples,
                self.opened.votes,
                self.opened.workspace,
                by,
                list(runs) or None,
                filters=filters_of(where),
            ).table
        return side_by_side(
            self.opened.samples,
            self.opened.votes,
            list(runs) or None,
            keys=scores,
            filters=filters_of(where),
        ).table

    def payoff(self, *, since: int | None = None) -> dict[str, Any]:
        """Return by how many points decisions changed accuracy on the locked part: `gain, low, high, verdict, ...`.

        `since`: an entry of the history, by default the lock. Heads that were fitted before the lock are fitted again.
        Raises CurateError without a locked part, and where it cannot judge.

        >>> import avhcurate
        >>> digits = avhcurate.example(fresh=True)
        >>> digits.payoff()
        Traceback (most recent call last):
        avhcurate.errors.CurateError: Dataset 'digits' has no locked part to judge by. Run `digits.lock()`.
        """
        from avhcurate.features.payoff import service
        from avhcurate.features.suspects.after_lock import follow_lock

        return service.payoff(follow_lock(self.opened), since=since).result()

    def select(
        self,
        rule: "Rule" = "avc",
        portion: float = 0.2,
        *,
        where: str | Filters | None = None,
        soft: bool = False,
        out: str | os.PathLike[str] | None = None,
        force: bool = False,
    ) -> pd.DataFrame:
        """Class-balanced pseudo-labels of the run: a row a selected image, `id, path, pseudo_label, ...`.

        `portion` in (0, 1] is the share of each class to trust; `soft` adds lists of K probabilities; `out` also writes
        them (.csv, .jsonl, .parquet) with a manifest. Raises CurateError without a run, for a portion out of range, and
        for a file that exists unless `force`.

        >>> import avhcurate
        >>> avhcurate.example().select("avc", 0.1)[["id", "pseudo_label_name", "rank_in_class"]].head(2)
           id pseudo_label_name  rank_in_class
        0   3                 3              1
        1  15                 5              1
        """
        from avhcurate.features.pseudo_labels import service

        opened = self.opened
        result = service.select(
            opened.samples, opened.run, opened.dataset, rule=rule, portion=portion, filters=filters_of(where)
        )
        if out is not None:
            service.write_pseudo_labels(
                opened.samples, opened.run, opened.dataset, result, Path(out), soft=soft, force=force
            )
        return service.pseudo_label_table(opened.samples, opened.run, result, soft=soft)

    def like(self, words: str | Sequence[str], *, where: str | Filters | None = None) -> pd.DataFrame:
        """Return images by the angle to words, nearest first: `id, path, label_name, like: ...` (rad).

        `words`: "a red car, -snow", or a list; a dash counts against. The column stays in the table. A job, like
        `score`. Raises CurateError unless a `clip:FOLDER-or-HUB` has scored the images.

        >>> import avhcurate
        >>> avhcurate.example().score("clip:openai/clip-vit-base-patch32").like("a red car")  # doctest: +SKIP
        """
        from avhcurate.networks.neighbours.words import angles_to_words

        settings = self._settings(NeighboursSettings, model=self._run_name(), like_text=words)
        with self._job(settings) as progress:
            column = angles_to_words(self.opened.run, settings.like_text, progress=progress)
        rows = self.frame(filters_of(where), columns=["id", "path", "label_name", column])
        return rows.sort_values([column, "id"], ignore_index=True)

    def quality(self, *, near: float | None = None, upright: bool = False) -> pd.DataFrame:
        """Measure every image and group near duplicates: `id, path, ..., width, height, ..., duplicate_group`.

        The options are those of `avhcurate quality`: `near` is the least cosine of embeddings of near duplicates (None
        reads it off the open run), `upright` ignores mirrored and turned copies. A job, like `score`;
        the columns stay in the table.

        >>> import avhcurate
        >>> measures = avhcurate.example(fresh=True).quality(upright=True)
        >>> measures[["id", "path", "width", "height"]].head(1)
           id     path  width  height
        0   0  000.png      8       8
        >>> digits = avhcurate.example(fresh=True)
        """
        from avhcurate.features.quality import service

        settings = self._settings(QualitySettings, model=self._run_name(), near=near, upright=upright)
        with self._job(settings) as progress:
            service.measure_dataset(
                self.workspace, self.name, settings.model, near=near, upright=upright, progress=progress
            )
        return service.measures_table(self.opened.samples, self.opened.dataset)

    def split(
        self,
        shares: Sequence[float],
        *,
        by: str | Sequence[str] = ("class", "hsf"),
        seed: int = 0,
        group: str | None = None,
        where: str | Filters | None = None,
        out: str | os.PathLike[str] | None = None,
        as_sets: str | None = None,
        force: bool = False,
    ) -> pd.DataFrame:
        """Divide the images into parts, balanced by class and HSF bin: `id, path, ..., part`, one row per image.

        Two `shares` are train and test, three are train, validation and test. `by` is "class", "hsf", both or ().
        The values of the column `group` stay in one part. `out` also writes the parts as a table; `as_sets` saves each
        as a set of this name and the part's. Raises CurateError for shares that are not valid, for unknown columns, and
        for a file that exists unless `force`.

        >>> import avhcurate
        >>> avhcurate.example().split((0.75, 0.25), by="class")["part"].value_counts().to_dict()
        {'train': 91, 'test': 29}
        """
        from avhcurate.features.saved import split_service

        opened = self.opened
        parts = split_service.make_split(
            opened,
            shares,
            by=(by,) if isinstance(by, str) else by,
            seed=seed,
            group=group,
            filters=filters_of(where),
        )
        if out is not None:
            split_service.write_split(parts, Path(out), force=force)
        if as_sets is not None:
            split_service.save_parts(self.workspace, opened, parts, as_sets)
        return parts.rows

    @property
    def plot(self) -> Plots:
        """Return what draws the figures of the app: `correlation`, `map`, `disagreement` and `training`."""
        return Plots(self)

    # --- what leaves it ----------------------------------------------------------------------------------------------

    def export(
        self,
        out: str | os.PathLike[str],
        format: str | None = None,
        *,
        where: str | Filters | None = None,
        samples: Samples | None = None,
        confirmed: bool = False,
        force: bool = False,
    ) -> int:
        """Writes curated labels with a manifest, and returns how many images were written.

        `format`: csv, jsonl, parquet, folder, hf, fiftyone, label-studio, cleanlab or coco; by default what the ending
        of `out` says. `confirmed`: only decisions that a second person agrees with; others go out with the given label.
        Raises CurateError where no image is left, and for a place that is taken unless `force`.

        >>> import avhcurate, tempfile
        >>> digits = avhcurate.example()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digits.export(f"{folder}/hard.csv", where="avh > 0.04 AND hsf < 0.5")
        5
        """
        from avhcurate.datasets.curate.second_person import confirmed_only
        from avhcurate.datasets.export import service as export

        format = format or export.format_named(Path(out))
        filters = filters_of(where)
        if samples is not None:
            filters = Filters(excluded=None, ids=tuple(chosen_ids(self.opened.samples, samples)))
        opened = self.opened
        if confirmed:
            opened = confirmed_only(opened)
        return export.export(opened, filters, format, Path(out), force=force, about={"confirmed": confirmed})

    def to_hf(self, where: str | Filters | None = None) -> "datasets.DatasetDict":
        """Return a Hugging Face DatasetDict of images, curated labels and all columns; its splits are the dataset's.

        >>> import avhcurate
        >>> avhcurate.example().to_hf("id < 5")["train"].features["label"].names[:2]  # doctest: +SKIP
        ['0', '1']
        """
        import datasets

        with tempfile.TemporaryDirectory() as folder:
            self.export(f"{folder}/hf", "hf", where=where)
            return datasets.load_dataset(f"{folder}/hf", cache_dir=f"{folder}/cache", keep_in_memory=True)

    @overload
    def to_torch(
        self,
        where: str | Filters | None = None,
        *,
        transform: Callable[[Image], Any] | None = None,
        weights: str | Sequence[float] | np.ndarray | pd.Series | None = None,
        ids: Literal[False] = False,
    ) -> "LabelledSamples[tuple[Any, int]]": ...
    @overload
    def to_torch(
        self,
        where: str | Filters | None = None,
        *,
        transform: Callable[[Image], Any] | None = None,
        weights: str | Sequence[float] | np.ndarray | pd.Series | None = None,
        ids: Literal[True],
    ) -> "LabelledSamples[tuple[Any, int, int]]": ...
    def to_torch(
        self,
        where: str | Filters | None = None,
        *,
        transform: Callable[[Image], Any] | None = None,
        weights: str | Sequence[float] | np.ndarray | pd.Series | None = None,
        ids: bool = False,
    ) -> "LabelledSamples[Any]":
        """Return a dataset for a torch DataLoader: image, after `transform`, and curated class index (-1 for none).

        `weights`, a column such as "avh" or an array by image, become a list for a WeightedRandomSampler. `ids` adds
        the id of each, for `heard`; call it again before each epoch, and what was decided meanwhile counts. Workers may
        be forked, spawned or of a forkserver. Raises CurateError for weights that are missing or negative.

        >>> import avhcurate
        >>> samples = avhcurate.example().to_torch("avh < 0.04", transform=np.asarray, weights="avh", ids=True)
        >>> image, label, id = samples[0]
        >>> len(samples), image.shape, label, id, round(samples.weights[0], 3)
        (77, (8, 8, 3), 0, 0, 0.032)
        """
        from avhcurate.notebook.torch_samples import LabelledSamples, weights_of

        if isinstance(weights, str):
            weights = self[weights]
        rows = self.frame(filters_of(where), columns=["id", "curated_label"])
        drawn = weights_of(weights, rows, len(self))
        folder = self.opened.dataset
        samples: LabelledSamples[Any] = LabelledSamples(folder, rows, transform=transform, weights=drawn, with_ids=ids)
        if ids:
            self._learnt = samples.ids
            if self._heard is not None:
                self._heard.end_epoch()
                self._heard.size = len(samples)
        return samples

    def heard(self, ids: Any, logits: Any, *, name: str = "") -> None:
        """Record what a network in training says of a batch: ids (B,) and logits (B, K), NumPy or torch.

        An epoch has as many images as the last `to_torch(ids=True)`. After each, AUM, forgetting, confidence and the
        other scores by epoch are on the page Training dynamics, for the given labels of these images. A `name` begins
        a training of its own, or goes on with it in another process. Raises CurateError for logits of another shape.

        >>> import avhcurate
        >>> digits = avhcurate.example(fresh=True)
        >>> samples = digits.to_torch(transform=np.asarray, ids=True)
        >>> digits.heard(samples.ids, 9 * np.eye(10)[samples.labels])
        >>> digits.workspace.dataset("digits").trainings()[0].dynamics("learnt from")["aum"][:3].tolist()
        [9.0, 9.0, 9.0]
        >>> digits = avhcurate.example(fresh=True)
        """
        if self._heard is None or name not in ("", self._heard_as):
            from avhcurate.networks.training.heard import HeardTraining

            if self._heard is not None:
                self._heard.finish()
            learnt = self._learnt or self.frame(Filters(), columns=["id"])["id"]
            self._heard = HeardTraining(self.workspace.dataset(self.name), np.asarray(learnt), name)
            self._heard_as = name
        self._heard.hear(ids, logits)

    def report(self, out: str | os.PathLike[str], *, images: bool = True, force: bool = False) -> Path:
        """Writes what was found as one HTML file that asks for nothing else; `images` inlines thumbnails.

        >>> import avhcurate, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     avhcurate.example().report(f"{folder}/digits.html").name
        'digits.html'
        """
        from avhcurate.features.report.service import write_report

        return write_report(self.opened, Path(out), images=images, force=force)

    def gallery(
        self, where: str | Filters | None = None, *, sort: str | None = None, height: int | None = None
    ) -> "SampleGrid | IFrame | str":
        """Show the images in the app's grid: scroll, select, tag, label, exclude and undo by keys; `?` lists them.

        `where` filters them, `sort` is a column, whose hard end comes first (AVH), `height` is in pixels. `ids` of what
        is returned are the selected images. No server is started: rows and thumbnails are messages of the kernel. Where
        the package anywidget is missing, and outside a notebook, it is `show("gallery")`. Raises CurateError where no
        image is left.

        >>> import avhcurate
        >>> grid = avhcurate.example().gallery("hsf < 0.5")  # doctest: +SKIP
        >>> avhcurate.example().tag(grid.ids, "look again")  # doctest: +SKIP
        2
        """
        if not in_notebook() or find_spec("anywidget") is None:
            return self.show("gallery", where=where, height=height)
        from avhcurate.notebook.grid import SampleGrid

        return SampleGrid(self, filters_of(where), sort=sort, height=height or 480)

    def show(
        self, page: str | None = None, *, where: str | Filters | None = None, height: int | None = None
    ) -> "SampleGrid | IFrame | str":
        """Show the `gallery`, or a page of the app on this dataset and run: as a frame, outside a notebook its address.

        `page`: home, gallery, map, disagreement, correlation, suspects, ...; `where` filters it. The first call starts
        a server for the workspace on a free port of this machine, which ends with this process. Raises CurateError for
        an unknown page, and where the app cannot start.

        >>> import avhcurate
        >>> avhcurate.example().show("map")  # doctest: +SKIP
        'http://127.0.0.1:40123/map?dataset=digits&run=avhcurate-digits-6e9d7d43'
        """
        if page is None:
            return self.gallery(where, height=height)
        from avhcurate.notebook.server import app_address, in_frame

        query = {"dataset": self.name} | filters_of(where).to_query()
        if run := self._run_name():
            query["run"] = run
        return in_frame(app_address(self.workspace, page, query), height or 800)


def _say(notes: Sequence[str]) -> None:
    """Print notes beside a result, as the command line does."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


for _name, _method in plugins.load("methods", lambda _, method: method, taken=dir(Dataset)).items():
    setattr(Dataset, _name, _method)
METHODS.update(inspect.getmembers(Dataset, callable))
