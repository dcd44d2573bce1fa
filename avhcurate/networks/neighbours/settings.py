"""The options of a search for neighbours."""

from avhcurate.workspace.data.settings import VerbSettings, option


class NeighboursSettings(VerbSettings):
    """Find the nearest images of every image by angle, for suspects, copies, the map and outliers.

    The same call again does nothing, or resumes. `avhcurate attach` makes a run of embeddings of your own. With
    --like-text it is the angle of every image to words, a column by which pages and exports order and filter.
    """

    verb = "neighbours"
    dataset: str = option(help="The dataset.", argument=True)
    model: str | None = option(None, "Name of a run or of its model.", usual="the default run")
    count: int = option(16, "Neighbours of each image.", low=1, high=200)
    seed: int = option(0, "Seed of the search, and of the images that check it.", low=0)
    like_text: tuple[str, ...] = option(
        (), "Instead: the angle to words, as 'a red car,-snow', in a run of clip:NAME.", label="Find images like …"
    )
