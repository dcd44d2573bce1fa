"""What is known of a job: how far it is, how it ended, and how people are told."""

import time
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, PlainValidator

from avhcurate.errors import Text
from avhcurate.workspace.disk.provenance import StoredRecord

State = Literal["starting", "running", "done", "failed", "cancelled", "interrupted"]


class JobRecord(StoredRecord):
    """What progress.json holds. Times are Unix seconds. `done`, `total` and `rate`, in samples a second, are of the
    stage under way; `share`, from 0 to 1, and `eta_s`, the seconds left, are of the whole work.

    `opens` is the page, with its parameters, that shows what there is so far, "" for none.
    `cwd` is the folder from which the paths in `argv` count. Without `argv` it cannot be started again: it took what
    lay in the memory of a notebook. `problem` is the text of its error, with its parts. `who` started it from the app,
    "" without a login.
    """

    id: str
    verb: str
    dataset: str = ""
    argv: list[str] = Field(default_factory=list)
    cwd: str = ""
    who: str = ""
    state: State = "starting"
    done: int = 0
    total: int = 0
    share: float = 0.0
    rate: float | None = None
    eta_s: float | None = None
    message: str = ""
    opens: str = ""
    problem: Annotated[Text, PlainValidator(lambda packed: Text(packed)), PlainSerializer(Text.packed)] = Text()
    pid: int = 0
    started: float = Field(default_factory=time.time)
    updated: float = Field(default_factory=time.time)

    @property
    def active(self) -> bool:
        return self.state in ("starting", "running")

    def facts(self, now: float) -> list[str]:
        """Return how far it is: the share where nothing is counted, what is done, rate, time left.

        >>> about = {"id": "", "verb": "score", "started": 0, "updated": 0, "share": 0.25, "eta_s": 30}
        >>> JobRecord(done=500, total=2000, rate=50, **about).facts(now=10)
        ['500 of 2,000', '50 a second', '20 s left']
        >>> JobRecord(**about).facts(now=40)
        ['25 %', 'longer than expected']
        """
        facts = []
        if self.total:
            facts.append(f"{self.done:,} of {self.total:,}")
        elif self.share:
            facts.append(f"{100 * self.share:.0f} %")
        if self.rate and self.rate >= 1:
            facts.append(f"{self.rate:,.0f} a second")
        if self.eta_s is not None and (self.done < self.total or not self.total):
            # It was measured when the job last reported, and runs down since.
            seconds = self.eta_s - (now - self.updated)
            facts.append("longer than expected")
            if seconds > 0:
                facts[-1] = f"{duration(seconds)} left"
        return facts


def duration(seconds: float) -> str:
    """Return a length of time to two units.

    >>> duration(8.4), duration(75), duration(7500)
    ('8 s', '1 min 15 s', '2 h 5 min')
    """
    whole = max(0, round(seconds))
    numbers = {"h": whole // 3600, "min": whole // 60 % 60, "s": whole % 60}
    parts = [f"{number} {unit}" for unit, number in numbers.items() if number or unit == "s"]
    return " ".join(parts[:2])
