"""What an attack tried, what held, and what fell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple


@dataclass
class Outcome:
    """`fell`: a line for each attempt that the program did not withstand. `skipped`: why nothing could be tried."""

    tried: int = 0
    fell: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    skipped: str = ""

    def check(self, holds: bool, what: str) -> None:
        self.tried += 1
        if not holds:
            self.fell.append(what)


class Attack(NamedTuple):
    """A module: its `attack(folder, seconds)` attacks for about so many seconds with files below an empty folder.

    An attack that tries less than the module's `LEAST` has shown nothing. `share` is of the time of all.
    """

    module: ModuleType
    share: float
    promise: str

    @property
    def name(self) -> str:
        return self.module.__name__.rpartition(".")[2]

    def faults(self, outcome: Outcome) -> list[str]:
        """Return what fell, and that it was not tried if it was not."""
        if outcome.tried < self.module.LEAST and not outcome.skipped:
            return [*outcome.fell, f"not tried: {outcome.tried} of at least {self.module.LEAST}"]
        return outcome.fell


def table(outcomes: Mapping[Attack, Outcome]) -> str:
    """Markdown: a row an attack."""
    lines = ["| attack | promise | tried | fell | figures |", "|---|---|---|---|---|"]
    for attack, outcome in outcomes.items():
        figures = outcome.skipped or ", ".join(f"{name} {value}" for name, value in outcome.figures.items())
        tried = f"{outcome.tried:,}"
        if attack.faults(outcome) != outcome.fell:
            tried += " (not tried)"
        lines.append(f"| {attack.name} | {attack.promise} | {tried} | {len(outcome.fell)} | {figures} |")
    return "\n".join(lines)
