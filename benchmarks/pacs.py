"""Compare methods of domain generalisation on PACS, the six rows of AVH's paper: `python -m benchmarks.pacs`.

One domain is left out in turn: a network is trained from scratch on 90 % of the three others and tested on the one left
out. Rows: AlexNet and CNN-9 trained on all source domains at once, MLDG, MetaReg and Feature-critic on AlexNet as in
the paper (Chen et al. 2020, https://doi.org/10.48550/arXiv.1912.02279), CNN-9 with the AVH loss. All make the same
number of steps and see the same images in the same order; those of one network begin with the same weights. MetaReg
makes as many steps again beforehand, to learn its penalty. A method's constant is chosen from a stated grid by the
accuracy on the other 10 % of the source domains, once per domain left out, under the first seed. The weights are those
after the last epoch.

    python -m benchmarks.pacs --data pacs_128.parquet --out FOLDER --minutes 150

It begins with an estimate of what is left. One finished training is one file under FOLDER. The same command goes on
where it was stopped, within a training too, and returns 0 when all is done; run twice at once it shares the work. The
schedule is the full one where CUDA is, else a reduced one. `--rates` trains each network at four peak rates with one
domain left out and prints what each brings on the held-out images of the others: so the reduced schedule's were chosen.
`--report` prints the tables of what is there.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from avhcurate.errors import CurateError
from avhcurate.networks.models.runtime import find_device
from avhcurate.networks.training.recipe import PRECISIONS
from avhcurate.workspace.disk.files import sha256
from avhcurate.workspace.disk.jobs import SILENT, Progress
from benchmarks.cost import Work, estimate, measure
from benchmarks.markdown import table
from benchmarks.pacs_data import DOMAINS, Pacs, read_pacs
from benchmarks.pacs_results import METHODS, Result, Settings, chosen, report
from benchmarks.pacs_training import RESULT, Task, prepare, train_one
from benchmarks.resumable import SETTINGS, add_results, run_until, say, settle

#: The schedules: pixels a side, width of the first block, epochs, seeds, and the peak of the rate for each network.
FULL = {"size": 128, "width": 64, "epochs": 100, "seeds": "0,1,2,3,4", "cnn9_rate": 0.1, "alexnet_rate": 0.01}
REDUCED = {"size": 64, "width": 16, "epochs": 15, "seeds": "0,1,2", "cnn9_rate": 0.1, "alexnet_rate": 0.1}
#: Peak rates that `--rates` tries for either network.
RATES = (0.01, 0.03, 0.1, 0.3)


def finished(out: Path) -> list[Result]:
    """Return the results in a folder by seed, domain, method and constant."""
    results = [Result.model_validate_json(path.read_bytes()) for path in out.glob(f"*/{RESULT}")]
    domains, methods = list(DOMAINS), list(METHODS)
    return sorted(results, key=lambda r: (r.seed, domains.index(r.target), methods.index(r.method), r.constant))


@dataclass(frozen=True)
class Plan:
    """The trainings to make in a folder: every method on every domain left out, with every seed."""

    out: Path
    settings: Settings
    domains: list[str]
    methods: list[str]
    seeds: list[int]

    def tasks(self) -> Iterator[Task]:
        """Seed by seed, so that what there is at any time is whole for some: under the first seed all constants of the
        grid, then those chosen. A task whose constant is open, because another process is at its grid, is left out.
        """
        first = self.seeds[0]
        for seed in self.seeds:
            choices = {} if seed == first else chosen([r for r in finished(self.out) if r.seed == first])
            for target, method in product(self.domains, self.methods):
                grid = METHODS[method].grid
                constants = grid if seed == first else [c for c in grid if choices.get((target, method)) == c]
                yield from (Task(target, method, constant, seed) for constant in constants)

    def of(self, method: str) -> "Plan":
        """Return the part of one method."""
        return replace(self, methods=[method])

    @property
    def missing(self) -> int:
        """Return how many trainings are missing."""
        wanted = len(self.domains) * sum(len(METHODS[name].grid) + len(self.seeds) - 1 for name in self.methods)
        return wanted - sum((self.out / task.name / RESULT).exists() for task in self.tasks())


def run(options: argparse.Namespace, progress: Progress = SILENT) -> bool:
    """Train what is missing, print the tables, and return whether all is done."""
    settings, device = _settings(options), find_device(options.device)
    domains, methods = _known(options.domains, DOMAINS), _known(options.methods, METHODS)
    plan = Plan(options.out, settings, domains, methods, _listed(options.seeds, int))
    settle(plan.out, settings)
    if plan.missing:
        pacs = read_pacs(options.data, settings.size)
        say(left(plan, pacs, device) + "\n")
        for task in plan.tasks():
            progress.check("stopped: the same command goes on")
            if not (plan.out / task.name / RESULT).exists():
                say(f"{plan.missing} trainings are left")
                train_alone(task, plan.out / task.name, pacs, settings, device, progress)
    tell(plan.out, settings)
    return not plan.missing


def tell_rates(options: argparse.Namespace, progress: Progress = SILENT) -> bool:
    """Each network, plainly trained, at each rate with the first domain left out: prints what each brings on held-out
    images of the others, and says whether all is done.
    """
    settings, device, out = _settings(options), find_device(options.device), options.out / "rates"
    settle(out, settings)
    pacs, rows = read_pacs(options.data, settings.size), []
    for method, rate in product(("alexnet", "cnn9"), RATES):
        progress.check("stopped: the same command goes on")
        task, folder = Task(next(iter(DOMAINS)), method, 0.0, 0), out / f"{method}-{rate:g}"
        say(f"peak rate {rate:g}")
        train_alone(task, folder, pacs, settings.model_copy(update={f"{method}_rate": rate}), device, progress)
        if (folder / RESULT).exists():
            result = Result.model_validate_json((folder / RESULT).read_bytes())
            rows.append([METHODS[method].title, f"{rate:g}", f"{100 * result.inside_accuracy:.1f}"])
    say("\n" + table(["network", "peak rate", "held out, percent right"], rows))
    return len(rows) == 2 * len(RATES)


def train_alone(
    task: Task, folder: Path, pacs: Pacs, settings: Settings, device: torch.device, progress: Progress
) -> None:
    """Make one training, unless it exists or another process makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            if (folder / RESULT).exists():
                return
            say(f"{task}")
            result = train_one(task, pacs, settings, folder, device, progress)
            say(
                f"  {result.target_accuracy:.1%} right on {task.target}, {result.inside_accuracy:.1%} within, "
                f"{result.seconds:.0f} s"
            )
    except Timeout:
        say(f"{task} is under way in another process")


def tell(out: Path, settings: Settings) -> None:
    """Print the tables of the results so far."""
    if results := finished(out):
        say("\n" + report(results, settings))


def left(plan: Plan, pacs: Pacs, device: torch.device) -> str:
    """Return the estimate of what is left to do, a row per method."""
    works = []
    for method in plan.methods:
        task = Task(plan.domains[0], method, METHODS[method].grid[0], plan.seeds[0])
        whole, *_ = prepare(task, pacs, plan.settings, device)

        def some(steps: int, task: Task = task) -> object:
            most = steps * plan.settings.batch_size
            return prepare(task, pacs, plan.settings, device, most=most)[0].run(epochs=1)

        if missing := plan.of(method).missing:
            steps = plan.settings.epochs * -(-len(whole.images) // plan.settings.batch_size)
            works.append(Work(method, missing, steps, measure(some, device.type)))
    return estimate(works, device.type)


def _listed(text: str, kind: Callable[[str], Any]) -> list[Any]:
    return [kind(part.strip()) for part in text.split(",") if part.strip()]


def _known(text: str, names: dict[str, Any]) -> list[str]:
    found = _listed(text, str)
    if unknown := [name for name in found if name not in names]:
        raise CurateError(f"{', '.join(unknown)} is not known. Choose from {', '.join(names)}.")
    return found


def _settings(options: argparse.Namespace) -> Settings:
    names = set(Settings.model_fields) - {"data_sha256"}
    if options.data is None or not options.data.is_file():
        raise CurateError(f"--data {options.data} does not exist. Give the Parquet file of PACS.")
    return Settings(data_sha256=sha256(options.data), **{name: getattr(options, name) for name in names})


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options, with defaults of the full or the reduced schedule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="Parquet file with image bytes, label and domain")
    parser.add_argument(
        "--full",
        action=argparse.BooleanOptionalAction,
        default=torch.cuda.is_available(),
        help=f"use the schedule {FULL} instead of {REDUCED} [default: where CUDA is available]",
    )
    parser.add_argument("--size", type=int, help="pixels a side")
    parser.add_argument("--width", type=int, help="channels of the first block")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seeds", help="such as 0,1,2")
    parser.add_argument("--domains", default=",".join(DOMAINS), help="domains to leave out in turn")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--cnn9-rate", type=float, help="peak learning rate of CNN-9")
    parser.add_argument("--alexnet-rate", type=float, help="peak learning rate of AlexNet")
    parser.add_argument("--rates", action="store_true", help="only print the held-out accuracy of each learning rate")
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradient")
    parser.add_argument("--precision", default="bfloat16", choices=PRECISIONS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, help="threads of the processor")
    add_results(parser)
    options = parser.parse_args(arguments)
    for name, value in (FULL if options.full else REDUCED).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parsed(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.report:
        if not (options.out / SETTINGS).exists():
            print(f"{options.out} holds no results yet. Run the benchmark without --report first.", file=sys.stderr)
            return 2
        tell(options.out, Settings.model_validate_json((options.out / SETTINGS).read_bytes()))
        return 0
    work = tell_rates if options.rates else run
    return run_until(lambda progress: work(options, progress), options.minutes)


if __name__ == "__main__":
    sys.exit(main())
