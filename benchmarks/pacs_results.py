"""Results of domain generalisation on PACS: the methods, what a training leaves behind, the constants chosen from it,
and the table beside the paper's.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from avhcurate.measures.stats.multiple_testing import holm
from benchmarks.markdown import table as markdown
from benchmarks.pacs_data import DOMAINS
from benchmarks.seeds import mean_over_seeds


class Method(NamedTuple):
    """A row of the paper's table: its network, the row that it is compared with ("" for none), its accuracies in
    percent in the order of `DOMAINS`, and the constant that is chosen for it from a grid ("" for none).
    """

    title: str
    network: str
    base: str
    paper: tuple[float, ...]
    constant: str = ""
    grid: tuple[float, ...] = (0.0,)


METHODS: dict[str, Method] = {
    "alexnet": Method("AlexNet", "alexnet", "", (62.86, 66.97, 89.50, 57.51)),
    "mldg": Method("MLDG", "alexnet", "alexnet", (66.23, 66.88, 88.00, 58.96), "step", (0.001, 0.01, 0.1)),
    "metareg": Method("MetaReg", "alexnet", "alexnet", (69.82, 70.35, 91.07, 59.26), "step", (0.01, 0.1, 1.0)),
    "feature-critic": Method(
        "Feature-critic", "alexnet", "alexnet", (64.89, 71.72, 89.94, 61.85), "step", (0.001, 0.01, 0.1)
    ),
    "cnn9": Method("CNN-9", "cnn9", "", (66.46, 67.88, 89.70, 51.72)),
    "cnn9-avh": Method("CNN-9 + AVH", "cnn9", "cnn9", (71.56, 69.25, 89.93, 60.86), "scale", (10.0, 20.0, 30.0)),
}


class Settings(BaseModel):
    """What decides the numbers, besides domain, method, constant and seed. A folder holds one set of them.

    cnn9_rate, alexnet_rate: peak of the rate for each network. width: channels of the first block of either.
    """

    model_config = ConfigDict(frozen=True)

    data_sha256: str
    size: int
    width: int
    epochs: int
    batch_size: int
    cnn9_rate: float
    alexnet_rate: float
    weight_decay: float
    clip: float
    precision: str


class Result(BaseModel):
    """One training: accuracies are shares in [0, 1]; `constant` is 0 where the method has none; `seconds` are those of
    all its trainings.
    """

    target: str
    method: str
    constant: float
    seed: int
    target_accuracy: float
    inside_accuracy: float
    trained: int
    held_out: int
    tested: int
    seconds: float
    device: str
    versions: dict[str, str]
    finished: datetime


Choices = Mapping[tuple[str, str], float]


def chosen(results: Sequence[Result]) -> dict[tuple[str, str], float]:
    """The constant of each (domain left out, method) whose grid is whole under its first seed: that with the highest
    accuracy on held-out images of the source domains, the smaller of two alike.
    """
    found = {}
    for target in DOMAINS:
        for name, method in METHODS.items():
            own = [r for r in results if r.target == target and r.method == name]
            first = min((r.seed for r in own), default=0)
            inside = {r.constant: r.inside_accuracy for r in own if r.seed == first}
            if set(method.grid) <= set(inside):
                found[target, name] = max(sorted(method.grid), key=lambda constant: inside[constant])
    return found


def accuracies(results: Sequence[Result], which: str = "target_accuracy") -> pd.DataFrame:
    """Percent right with the constants chosen: a row a (method, seed), a column a domain left out, and `Avg` where no
    domain is missing.
    """
    choices = chosen(results)
    kept = [r for r in results if choices.get((r.target, r.method)) == r.constant]
    rows = [(r.method, r.seed, r.target, 100 * getattr(r, which)) for r in kept]
    frame = pd.DataFrame(rows, columns=["method", "seed", "target", "%"]).astype({"%": float})
    wide = frame.pivot(index=["method", "seed"], columns="target", values="%").reindex(columns=list(DOMAINS))
    return wide.assign(Avg=wide.mean(axis=1, skipna=False))


def table(results: Sequence[Result]) -> str:
    """Markdown: accuracy on the domain left out, the paper's row and ours for every method."""
    ours = accuracies(results)
    rows = []
    for name, method in METHODS.items():
        rows.append([f"paper: {method.title}", *(f"{v:.2f}" for v in method.paper), f"{np.mean(method.paper):.2f}"])
        rows.append([f"here: {method.title}", *_cells(ours, name)])
    return markdown(["", *DOMAINS.values(), "Avg"], rows)


def _cells(ours: pd.DataFrame, method: str) -> list[str]:
    if method not in ours.index.get_level_values("method"):
        return ["-"] * ours.shape[1]
    rows = ours.xs(method, level="method")
    return [_cell(rows[domain].dropna()) for domain in ours.columns.tolist()]


def _cell(values: ArrayLike) -> str:
    mean = mean_over_seeds(values)
    if not mean.n:
        return "-"
    return f"{mean.value:.2f}" + (f" ± {np.std(values, ddof=1):.2f}" if mean.n > 1 else "")


def leads(results: Sequence[Result]) -> pd.DataFrame:
    """Each method less the row that it is compared with, in points: a row a method, a column a domain left out, each
    the mean over the seeds that both have; NaN where there is none.
    """
    ours = accuracies(results)[list(DOMAINS)]
    rows = {}
    for name, method in METHODS.items():
        if method.base and {name, method.base} <= set(ours.index.get_level_values("method")):
            rows[name] = (ours.xs(name, level="method") - ours.xs(method.base, level="method")).mean()
    return pd.DataFrame(rows, index=list(DOMAINS)).T


def leads_table(results: Sequence[Result]) -> str:
    """Markdown: the leads with the domain as the unit, as trainings that leave out one domain share its test images;
    95 % intervals by Student's t, p of the paired t-test, corrected by Holm's method for all rows.
    """
    ours = leads(results)
    means = {name: mean_over_seeds(row) for name, row in ours.iterrows()}
    corrected = holm([mean.p for mean in means.values()]) if means else []
    rows = []
    for (key, mean), p in zip(means.items(), corrected, strict=True):
        method = METHODS[str(key)]
        paper = np.subtract(method.paper, METHODS[method.base].paper)
        cells = [f"{value:+.2f}" if value == value else "-" for value in ours.loc[key]]
        interval = f"{mean.value:+.2f} ({mean.low:+.2f} to {mean.high:+.2f})" if mean.n > 1 else "-"
        rows.append(
            [f"{method.title} less {METHODS[method.base].title}", *cells, interval, f"{mean.p:.3f}", f"{p:.3f}"]
        )
        rows.append(["paper", *(f"{value:+.2f}" for value in paper), f"{paper.mean():+.2f}", "", ""])
    return markdown(["", *DOMAINS.values(), "mean of domains", "p", "p by Holm"], rows)


def choices_table(results: Sequence[Result]) -> str:
    """Markdown: accuracy on held-out images of the source domains by constant, and which was chosen."""
    choices = chosen(results)
    rows = []
    for name, method in METHODS.items():
        for constant in method.grid if method.constant else ():
            cells = []
            for target in DOMAINS:
                own = [r for r in results if (r.target, r.method, r.constant) == (target, name, constant)]
                first = min(own, key=lambda r: r.seed, default=None)
                mark = ", chosen" if choices.get((target, name)) == constant else ""
                cells.append(f"{100 * first.inside_accuracy:.1f}{mark}" if first else "-")
            rows.append([f"{method.title}, {method.constant} {constant:g}", *cells])
    return markdown(["", *DOMAINS.values()], rows)


def report(results: Sequence[Result], settings: Settings) -> str:
    """Return the tables, the tests and the settings."""
    inside = accuracies(results, "inside_accuracy")
    within = "; ".join(f"{method.title} {_cells(inside, name)[-1]}" for name, method in METHODS.items())
    paragraphs = [
        table(results),
        "Percent right on the domain left out, mean over seeds ± standard deviation.",
        leads_table(results),
        "Percent right on the tenth of the source domains that is held out, first seed, by which constants are chosen:",
        choices_table(results),
        f"- The same with the constants chosen, all seeds, mean of the four: {within}\n"
        f"- {_made_with(results, settings)}",
    ]
    return "\n\n".join(paragraphs)


def _made_with(results: Sequence[Result], settings: Settings) -> str:
    seeds, devices = sorted({r.seed for r in results}), sorted({r.device for r in results})
    parts = [
        f"{len(results)} trainings from scratch, seeds {', '.join(map(str, seeds))}: {settings.size} px",
        f"first width {settings.width}",
        f"{settings.epochs} epochs",
        f"batches of {settings.batch_size}",
        f"peak rates {settings.cnn9_rate:g} (CNN-9) and {settings.alexnet_rate:g} (AlexNet)",
        f"weight decay {settings.weight_decay:g}",
        f"gradients of length {settings.clip:g} at most",
        f"{settings.precision} on {', '.join(devices)}",
        f"{sum(r.seconds for r in results) / 60:.0f} min of training",
    ]
    return ", ".join(parts)
