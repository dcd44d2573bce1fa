"""The options of `avhcurate payoff`."""

from avhcurate.workspace.data.settings import VerbSettings, option


class PayoffSettings(VerbSettings):
    """Say by how much decisions changed accuracy, measured on the locked part.

    >>> PayoffSettings(dataset="pets", since=12).argv
    ['payoff', 'pets', '--since=12']
    """

    verb = "payoff"
    dataset: str = option(help="The dataset.", argument=True)
    model: str | None = option(None, "Which run: the name of a model or of a run.", usual="the default")
    since: int | None = option(None, "Only decisions after this entry of the history.", low=0, usual="since the lock")
