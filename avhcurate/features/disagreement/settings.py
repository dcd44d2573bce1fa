"""The options of the verb disagree."""

from avhcurate.workspace.data.settings import VerbSettings, option


class DisagreeSettings(VerbSettings):
    """Samples hard for humans and easy for the network, and the reverse."""

    verb = "disagree"
    dataset: str = option(help="The dataset.", argument=True)
    model: str | None = option(None, "Which run: the name of a model or a run.", usual="the default")
    score: str | None = option(None, "Score that says what is hard for the network.", usual="AVH")
    predicted: bool = option(False, "Use predicted HSF, also of images without votes (avhcurate predict).")
    where: str = option("", 'SQL condition that the images satisfy, as "relative_avh > 1".')
