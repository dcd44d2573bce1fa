"""The options of the verb annotators."""

from avhcurate.workspace.data.settings import VerbSettings, option


class AnnotatorsSettings(VerbSettings):
    """Quality of each annotator who answers under a name, and how far they agree."""

    verb = "annotators"
    dataset: str = option(help="The dataset.", argument=True)
    pairs: bool = option(False, "Each two annotators: shared images, share of equal answers and Cohen's kappa.")
