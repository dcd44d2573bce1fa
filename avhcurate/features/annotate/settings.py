"""The options of the verb annotators."""

from typing import TYPE_CHECKING, Any

from avhcurate.workspace.data.settings import VerbSettings, option

if TYPE_CHECKING:
    from avhcurate.people.annotators import ExclusionRule


class AnnotatorsSettings(VerbSettings):
    """Quality of each annotator who answers under a name, how far they agree, and exclusion by a rule.

    A limit shows whom it would leave out, and `exclude` does it.
    """

    verb = "annotators"
    dataset: str = option(help="The dataset.", argument=True)
    pairs: bool = option(False, "Each two annotators: shared images, share of equal answers and Cohen's kappa.")
    control_accuracy: float | None = option(
        None, "Least share of controls right, as 0.7, of who had 5.", low=0, high=1, usual="no limit"
    )
    agreement: float | None = option(
        None, "Least share of votes as most others, of who has 20 to compare.", low=0, high=1, usual="no limit"
    )
    seconds: float | None = option(
        None, "Least median time of an image or tile, of who has 10.", low=0, usual="no limit"
    )
    answers: int | None = option(None, "Least number of answers.", low=0, usual="no limit")
    exclude: bool = option(False, "Exclude whom the limits leave out; without it they are shown alone.")
    undo: bool = option(False, "Undo your newest exclusion by limits.")

    @property
    def limits(self) -> dict[str, Any]:
        """The limits that are given, by option."""
        limits = self.model_dump(include={"control_accuracy", "agreement", "seconds", "answers"}, exclude_none=True)
        return {f"--{name.replace('_', '-')}": value for name, value in limits.items()}

    @property
    def rule(self) -> "ExclusionRule":
        from avhcurate.people.annotators import ExclusionRule

        median_ms = None
        if self.seconds is not None:
            median_ms = 1000 * self.seconds
        return ExclusionRule(
            control_accuracy=self.control_accuracy,
            agreement=self.agreement,
            median_ms=median_ms,
            answers=self.answers,
        )


class ConsensusSettings(VerbSettings):
    """The consensus of people, weighed by how reliable they are, and of a network: a label and how sure it is.

    Columns consensus_label, consensus, consensus_of and answers. HSF stays the share of people, without the network.
    """

    verb = "consensus"
    dataset: str = option(help="The dataset.", argument=True)
    model: str | None = option(None, "Whose network is asked: a model's or a run's name.", usual="the default")
    people: bool = option(False, "People alone, without a network.")
