"""The options of the verbs votes and votes-out."""

from pathlib import Path
from typing import Literal

from avhcurate.errors import CurateError, Option
from avhcurate.workspace.data.settings import VerbSettings, option

VotesFormat = Literal["long-csv", "long-parquet", "counts"]
_BY_ENDING: dict[str, VotesFormat] = {".csv": "long-csv", ".parquet": "long-parquet"}


class VotesSettings(VerbSettings):
    """Attach human votes to a dataset."""

    verb = "votes"
    dataset: str = option(help="The dataset.", argument=True)
    file: Path = option(
        help="Counts (.npy, list column), a long CSV or Parquet, Label Studio or ImageNetV2 JSON.", argument=True
    )
    classes: tuple[str, ...] = option(
        (), "Of counts, class names in the order of the columns, as cat,dog or a file.", usual="that of the dataset"
    )
    simulated: bool = option(False, "Mark the votes as simulated wherever they show.")
    log: bool = option(False, "Add each answer with its annotator to the log of those given in the app.")
    force: bool = option(False, "Replace votes of another kind, or people's by simulated ones.")


class VotesOutSettings(VerbSettings):
    """Export the votes that HSF uses, imported and collected ones; `votes` reads each of these files again."""

    verb = "votes-out"
    dataset: str = option(help="The dataset.", argument=True)
    out: Path = option(help="File to write, with a manifest next to it; - for standard output.")
    format: VotesFormat | None = option(
        None,
        "counts are .parquet.",
        usual="long-csv or long-parquet, by --out",
    )
    force: bool = option(False, "Replace an existing file.")

    @property
    def form(self) -> VotesFormat:
        """The format, which the ending of the file names where it is not given."""
        ending = self.out.suffix.casefold()
        if self.format is None and ending not in _BY_ENDING and str(self.out) != "-":
            raise CurateError(
                f"The name {self.out.name} does not say its format.", fix=f"Give it by {Option('format')}"
            )
        return self.format or _BY_ENDING.get(ending, "long-csv")
