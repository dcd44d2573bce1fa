"""The options of the verbs votes and votes-out."""

from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from avhcurate.errors import CurateError
from avhcurate.workspace.data.settings import VerbSettings, option

VotesFormat = Literal["long-csv", "long-parquet", "counts", "label-studio", "imagenetv2"]


class VotesSettings(VerbSettings):
    """Attach human votes to a dataset."""

    verb = "votes"
    dataset: str = option(help="The dataset.", argument=True)
    file: Path = option(
        help="Counts (.npy, list column), a long CSV or Parquet, Label Studio or ImageNetV2 JSON.", argument=True
    )
    simulated: bool = option(False, "Mark the votes as simulated wherever they show.")
    log: bool = option(False, "Add each answer with its annotator to the log of those given in the app.")
    force: bool = option(False, "Replace votes of another kind, or people's by simulated ones.")


class VotesOutSettings(VerbSettings):
    """Export the votes that HSF uses, imported and collected ones; `votes` reads each of these files again."""

    verb = "votes-out"
    dataset: str = option(help="The dataset.", argument=True)
    format: VotesFormat = option(help="counts are .npy or .parquet; imagenetv2 holds ticks only.")
    out: Path = option(help="File to write, with a manifest next to it.")
    force: bool = option(False, "Replace an existing file.")

    @model_validator(mode="after")
    def _has_name(self) -> Self:
        if not self.out.name:
            raise CurateError(f"{self.out} is a folder without a name. Give the name of what to write.")
        return self
