"""The options of the verb correlate."""

from typing import Literal

from avhcurate.workspace.data.settings import VerbSettings, option


class CorrelateSettings(VerbSettings):
    """Spearman correlation of every score with HSF, over all images and per bin."""

    verb = "correlate"
    dataset: str = option(help="The dataset.", argument=True)
    model: str | None = option(None, "Which run: the name of a model or a run.", usual="the default")
    scores: tuple[str, ...] = option((), "Scores and columns of yours, as avh,my_score.", usual="all")
    against: str = option("hsf", "hsf, a measure of `avhcurate quality`, as sharpness, or a column of yours.")
    where: str = option("", 'SQL condition that the images satisfy, as "relative_avh > 1".')
    bins: str = option(
        "", "Edges of the HSF bins, as 0,0.5,1, or q5 for five bins of equally many images.", usual="0,0.2,...,1"
    )
    analysis: Literal["adding", "classes", "hard", "parents"] | None = option(
        None,
        "Instead of the table: what each score adds to confidence, correlations within classes, AUROC for hard "
        "samples, or HSF and AVH of the parents of classes.",
        usual="none",
    )
    beyond: tuple[str, ...] = option(
        (), "Instead of the table: how each score follows HSF beyond these, as confidence,norm.", usual="none"
    )
