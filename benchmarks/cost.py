"""What trainings will cost: measured on a few steps before they start, in minutes of a core and hours of a GPU.

On a processor its own time is counted and not the clock, which other work on the machine makes longer.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch.utils.flop_counter import FlopCounterMode

from benchmarks.markdown import table

#: Floating-point operations a second that we expect a data-centre GPU to keep up in bfloat16 on convolutions of this
#: size, of about 1e15 that it could do at most. Nothing here has been measured on one.
GPU_RATE = 5e13
#: Steps that are timed, after one to warm up.
STEPS = 3


class StepCost(NamedTuple):
    """Seconds, of a core or by the clock of a GPU, and floating-point operations of one step."""

    seconds: float
    operations: float


class Work(NamedTuple):
    """Trainings that are left, of one kind: how many, the steps of each, and what a step costs."""

    name: str
    trainings: int
    steps: int
    step: StepCost


def measure(train: Callable[[int], object], device: str) -> StepCost:
    """The cost of a step of `train`, which makes as many steps as it is told on that device.

    What a call costs beside its steps, such as reading the images, is not counted.
    """
    clock = time.perf_counter if device == "cuda" else time.process_time
    with FlopCounterMode(display=False) as counter:
        train(1)
    times = []
    for steps in (1, 1 + STEPS):
        began = clock()
        train(steps)
        times.append(clock() - began)
    return StepCost(max(0.0, times[1] - times[0]) / STEPS, counter.get_total_flops())


def estimate(works: Sequence[Work], device: str) -> str:
    """Return a Markdown table of what is left of each kind and in total.

    >>> print(estimate([Work("avh", 2, 100, StepCost(0.6, 9e12))], "cuda").splitlines()[2])
    | avh | 2 | 200 | 0.60 | 1.8 | 0.03 |
    """
    header = ["to do", "trainings", "steps", "seconds a step", "PFLOP"]
    if device == "cuda":
        header, how = [*header, "GPU hours"], "on this GPU"
    else:
        header += ["core-minutes", "GPU hours"]
        how = f"in processor time; GPU hours at {GPU_RATE / 1e12:g} TFLOPS, which is an assumption"
    rows = [_row(work.name, [work], device) for work in works]
    return f"{table(header, [*rows, _row('in all', works, device)])}\n\n{STEPS} steps of each were timed {how}."


def _row(name: str, works: Sequence[Work], device: str) -> list[str]:
    steps = [work.trainings * work.steps for work in works]
    seconds = sum(n * work.step.seconds for n, work in zip(steps, works, strict=True))
    operations = sum(n * work.step.operations for n, work in zip(steps, works, strict=True))
    cells = [name, f"{sum(work.trainings for work in works)}", f"{sum(steps)}", f"{seconds / max(1, sum(steps)):.2f}"]
    cells.append(f"{operations / 1e15:.1f}")
    if device == "cuda":
        return [*cells, f"{seconds / 3600:.2f}"]
    return [*cells, f"{seconds / 60:.0f}", f"{operations / GPU_RATE / 3600:.2f}"]
