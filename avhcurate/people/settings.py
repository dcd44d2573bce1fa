"""The options of the verbs votes and votes-out."""

from pathlib import Path
from typing import Literal

from avhcurate.workspace.data.settings import VerbSettings, option


class VotesSettings(VerbSettings):
    """Attach human votes to a dataset; images that came without labels are labelled by them.

    Without files, by the votes that were collected in the app.
    """

    verb = "votes"
    dataset: str = option(help="The dataset.", argument=True)
    files: tuple[Path, ...] = option(
        (),
        "Answers, a row each or a column a labeler (CSV, Parquet), several files at once; counts (.npy, list column); "
        "Label Studio or ImageNetV2 JSON.",
        argument=True,
    )
    classes: tuple[str, ...] = option(
        (),
        "Class names, as cat,dog or a file: of counts in the order of the columns; of images without labels, what may "
        "be voted for.",
        usual="those of the dataset or of the votes",
    )
    simulated: bool = option(False, "Mark the votes as simulated wherever they show.")
    log: bool = option(False, "Add each answer with its annotator to the log of those given in the app.")
    force: bool = option(False, "Replace votes of another kind, or people's by simulated ones.")


class VotesOutSettings(VerbSettings):
    """Export the votes that HSF uses, imported and collected ones; `votes` reads each of these files again."""

    verb = "votes-out"
    dataset: str = option(help="The dataset.", argument=True)
    out: Path = option(
        help=".csv for every answer, .parquet for counts, with a manifest next to it; - for answers on standard output."
    )
    format: Literal["csv", "parquet", "label-studio", "fiftyone", "cleanlab"] | None = option(
        None,
        "label-studio, fiftyone: a folder of the images with votes, as `export` writes it; cleanlab: a folder with a "
        "column an annotator.",
        usual="by --out",
    )
    force: bool = option(False, "Replace an existing file.")
