"""What follows from a dataset: correlations, disagreement, suspects, quality, selections and splits as tables."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import pandas as pd

from avhcurate.datasets.table.filters import Filters
from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.predicted_hsf.settings import PredictSettings
from avhcurate.features.quality.settings import QualitySettings
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.networks.neighbours.settings import NeighboursSettings
from avhcurate.notebook.opened import OpenedDataset, filters_of
from avhcurate.notebook.signatures import takes
from avhcurate.notebook.verb_options import (
    NeighboursOptions,
    PredictOptions,
    ProjectOptions,
    QualityOptions,
    SuspectsOptions,
)

if TYPE_CHECKING:
    from avhcurate.features.pseudo_labels.rules import Rule


class StudiedDataset(OpenedDataset):
    """A dataset about which a table is computed."""

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
            return analyse(
                opened.samples, opened.run, opened.votes, analysis, keys=keys, filters=filters, against=against
            )
        edges = None
        if isinstance(bins, str):
            edges = opened.samples.edges_from(bins, filters)
        elif bins is not None:
            edges = check_edges(bins)
        if beyond:
            held = [beyond] if isinstance(beyond, str) else beyond
            options: dict[str, Any] = {
                "keys": keys,
                "filters": filters,
                "against": against,
                "held": held,
                "edges": edges,
            }
            return analyse(opened.samples, opened.run, opened.votes, "beyond", **options)
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

        opened = self.opened
        gap = service.disagree(
            opened.samples,
            opened.run,
            opened.prediction,
            key=score,
            filters=filters_of(where),
            predicted=predicted,
            hsf_cuts=hsf_cuts,
            score_cuts=score_cuts,
        )
        return service.gap_table(opened.samples, gap)

    @takes(PredictSettings)
    def predict(self, **options: Unpack[PredictOptions]) -> pd.DataFrame:
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

        settings = self._settings(PredictSettings, **options)
        with self._job(settings) as progress:
            opened = self.opened
            service.predict_hsf(opened.samples, opened.run, opened.votes, settings, progress=progress)
        return service.predictions(self.opened.samples)

    @takes(SuspectsSettings)
    def suspects(self, **options: Unpack[SuspectsOptions]) -> pd.DataFrame:
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
        settings = self._settings(SuspectsSettings, model=self._run_name(), **options)
        with self._job(settings) as progress:
            folder = service.find_suspects(opened.run, opened.votes, settings, progress=progress)
        undecided = decisions.undecided(
            opened.samples, suspects_now(opened.samples, opened.votes, folder), where=settings.where
        )
        rows = service.export_table(opened.samples, undecided, folder.record)
        return rows[: settings.limit]

    @takes(ProjectSettings)
    def project(self, **options: Unpack[ProjectOptions]) -> pd.DataFrame:
        """Lay the run's images out in two dimensions and return `id, x, y`; `plot.map` draws them. A job.

        The options are those of `avhcurate project`. Raises CurateError without a run.

        >>> import avhcurate
        >>> avhcurate.example().project(limit=60).columns.tolist()  # doctest: +SKIP
        ['id', 'x', 'y']
        """
        from avhcurate.features.map.service import project_dataset

        settings = self._settings(ProjectSettings, model=self._run_name(), **options)
        with self._job(settings) as progress:
            ids, places = project_dataset(self.workspace, settings, progress=progress).coordinates()
        return pd.DataFrame({"id": ids, "x": places[:, 0], "y": places[:, 1]})

    @takes(NeighboursSettings)
    def neighbours(self, **options: Unpack[NeighboursOptions]) -> pd.DataFrame:
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
        settings = self._settings(NeighboursSettings, model=run.name, **options)
        with self._job(settings) as progress:
            find_neighbours(self.opened.dataset, run, count=settings.count, seed=settings.seed, progress=progress)
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

        opened = follow_lock(self.opened)
        return service.payoff(opened.decisions, opened.run, since=since).result()

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

    @takes(QualitySettings)
    def quality(self, **options: Unpack[QualityOptions]) -> pd.DataFrame:
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

        settings = self._settings(QualitySettings, model=self._run_name(), **options)
        with self._job(settings) as progress:
            service.measure_dataset(
                self.workspace,
                self.name,
                settings.model,
                near=settings.near,
                upright=settings.upright,
                progress=progress,
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
            opened.decisions,
            opened.votes,
            opened.run,
            shares,
            by=(by,) if isinstance(by, str) else by,
            seed=seed,
            group=group,
            filters=filters_of(where),
        )
        if out is not None:
            split_service.write_split(parts, Path(out), force=force)
        if as_sets is not None:
            split_service.save_parts(self.workspace, opened.decisions, parts, as_sets)
        return parts.rows
