"""The options of quality."""

from typing import Literal

from avhcurate.workspace.data.settings import VerbSettings, option


class QualitySettings(VerbSettings):
    """Measure light, sharpness and size of every image, and group near duplicates; the same call again resumes.

    >>> QualitySettings(dataset="pets", model="net-1", near=0.98, upright=True).argv
    ['quality', 'pets', '--model=net-1', '--near=0.98', '--upright']
    """

    verb = "quality"
    dataset: str = option(help="The dataset.", argument=True)
    model: str | None = option(None, "Which run: a model's or a run's name.", usual="the default")
    near: float | None = option(
        None,
        "Lowest cosine of embeddings of near duplicates.",
        low=0.5,
        high=1,
        usual="from the run",
        label="Similarity threshold",
    )
    upright: bool = option(
        False, "Ignore mirrored and turned copies: for letters, digits or arrows, which then mean something else."
    )
    tiny: float | None = option(
        None, "Images are tiny below this shorter side.", low=0, usual="a quarter of the median"
    )
    black: float = option(0.03, "Images are black below this brightness.", low=0, high=1)
    blank: float = option(0.02, "Images are blank below this contrast.", low=0, high=1)
    blurred: float = option(1.5, "Images are blurred below this sharpness.", low=0)
    engine: Literal["local", "ray"] = option(
        "local", "Measure in this process, or on a Ray cluster (RAY_ADDRESS).", label="Where"
    )
