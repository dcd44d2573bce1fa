"""The options of a degradation."""

from typing import Literal

from pydantic import field_validator

from avhcurate.errors import CurateError
from avhcurate.workspace.data.settings import VerbSettings, option

#: Every kind of degradation, in the order in which pages and tables show them.
KIND_KEYS = ("contrast", "noise", "blur", "jpeg")


class DegradeSettings(VerbSettings):
    """Degrade a scored dataset's images and correlate every score with the level; the same call again resumes.

    >>> DegradeSettings(dataset="pets", model="resnet-1", kinds=("jpeg", "blur")).argv
    ['degrade', 'pets', '--model=resnet-1', '--kinds=blur,jpeg']
    """

    verb = "degrade"
    dataset: str = option(help="The dataset.", argument=True)
    model: str | None = option(None, "Name of a run or of its model.", usual="the default run")
    weights: str | None = option(
        None, "File of the run's weights, or random for untrained ones.", usual="those of the run"
    )
    kinds: tuple[Literal["contrast", "noise", "blur", "jpeg"], ...] = option(
        KIND_KEYS, "Kinds of degradation.", label="Degradations"
    )
    limit: int = option(1000, "Images to degrade, spread evenly over the run's; 0 for all.", low=0, label="Images")
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", "Where the network runs.")
    engine: Literal["local", "ray"] = option(
        "local", "Run in this process, or on a Ray cluster (RAY_ADDRESS).", label="Where"
    )

    @field_validator("kinds")
    @classmethod
    def _in_order(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if not kinds:
            raise CurateError("Choose at least one degradation.")
        return tuple(key for key in KIND_KEYS if key in kinds)
