"""The options of a map."""

from avhcurate.workspace.data.settings import VerbSettings, option


class ProjectSettings(VerbSettings):
    """Project a scored dataset to two dimensions: PCA first, then UMAP, class weights among the images.

    Both maps are kept; the same call again does nothing, or resumes.

    >>> ProjectSettings(dataset="pets", model="resnet-1", neighbours=30, seed=0).argv
    ['project', 'pets', '--model=resnet-1', '--neighbours=30', '--seed=0']
    """

    verb = "project"
    dataset: str = option(help="Name of the dataset.", argument=True)
    model: str | None = option(None, "Run or model to map.", usual="the default run")
    neighbours: int = option(
        15, "Neighbours of each image: few show detail, many the whole.", low=2, high=200, also="--neighbors"
    )
    seed: int | None = option(
        None,
        "Makes UMAP repeatable. It then runs on one thread and takes 1.5 times as long.",
        low=0,
        high=2**32 - 1,
        usual="none",
    )
    limit: int | None = option(None, "So many images, spread evenly.", low=1, usual="all", label="Images")
