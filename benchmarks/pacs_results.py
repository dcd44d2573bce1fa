"""Results of domain generalisation on PACS: what a training leaves behind, and the table beside the paper's."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from avhcurate.stats.intervals import mean_over_seeds
from benchmarks.markdown import table as markdown

#: Columns of the table, and what AVH's paper calls them.
DOMAINS = {"art_painting": "Painting", "cartoon": "Cartoon", "photo": "Photo", "sketch": "Sketch"}
#: The two that are compared, and what AVH's paper calls them.
LOSSES = {"softmax": "CNN-9", "avh": "CNN-9 + AVH"}
#: Accuracy in percent on the domain left out, in the order of `DOMAINS`, as the paper has it.
PAPER = {"softmax": (66.46, 67.88, 89.70, 51.72), "avh": (71.56, 69.25, 89.93, 60.86)}


class Settings(BaseModel):
    """What decides the numbers, beside domain, loss and seed: one folder holds trainings of the same settings."""

    model_config = ConfigDict(frozen=True)

    data_sha256: str
    size: int
    width: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    clip: float
    scale: float
    precision: str
    blind: bool = False


class Result(BaseModel):
    """One training: accuracies are shares in [0, 1]; `seconds` are those of the training alone."""

    target: str
    loss: str
    seed: int
    target_accuracy: float | None
    inside_accuracy: float
    trained: int
    held_out: int
    tested: int
    seconds: float
    device: str
    versions: dict[str, str]
    finished: datetime


def accuracies(results: Sequence[Result], which: str = "target_accuracy") -> pd.DataFrame:
    """Percent right: a row a (loss, seed), a column a domain left out, and `Avg` where no domain is missing."""
    rows = [(r.loss, r.seed, r.target, getattr(r, which)) for r in results]
    frame = pd.DataFrame(rows, columns=["loss", "seed", "target", "%"]).astype({"%": float})
    frame["%"] *= 100
    wide = frame.pivot(index=["loss", "seed"], columns="target", values="%").reindex(columns=list(DOMAINS))
    return wide.assign(Avg=wide.mean(axis=1, skipna=False))


def table(results: Sequence[Result]) -> str:
    """Markdown: accuracy on the domain left out, the paper's rows and ours, and the difference of the two losses."""
    ours = accuracies(results)
    rows = [
        [f"paper: {name}", *(f"{v:.2f}" for v in PAPER[loss]), f"{np.mean(PAPER[loss]):.2f}"]
        for loss, name in LOSSES.items()
    ]
    rows += [[f"here: {name}", *_cells(ours, loss)] for loss, name in LOSSES.items()]
    lead = np.subtract(PAPER["avh"], PAPER["softmax"])
    rows.append(["paper: difference", *(f"{v:+.2f}" for v in lead), f"{lead.mean():+.2f}"])
    rows.append(["here: difference", *_differences(ours)])
    return markdown(["", *DOMAINS.values(), "Avg"], rows)


def _cells(ours: pd.DataFrame, loss: str) -> list[str]:
    if loss not in ours.index.get_level_values("loss"):
        return ["-"] * ours.shape[1]
    rows = ours.xs(loss, level="loss")
    return [_cell(rows[domain].dropna()) for domain in ours.columns.tolist()]


def _cell(values: ArrayLike, sign: str = "") -> str:
    mean = mean_over_seeds(values)
    if not mean.n:
        return "-"
    spread = f" ± {np.std(values, ddof=1):.2f} ({mean.low:{sign}.1f} to {mean.high:{sign}.1f})" if mean.n > 1 else ""
    return f"{mean.value:{sign}.2f}{spread}"


def _paired(ours: pd.DataFrame) -> pd.DataFrame:
    """AVH minus cross-entropy in points, a row a seed that both have."""
    present = ours.index.get_level_values("loss")
    if not set(LOSSES) <= set(present):
        return ours.iloc[:0]
    avh, softmax = (pd.DataFrame(ours.xs(loss, level="loss")) for loss in ("avh", "softmax"))
    return (avh - softmax).dropna(how="all")


def _differences(ours: pd.DataFrame) -> list[str]:
    paired = _paired(ours)
    return [_cell(paired[domain].dropna(), "+") for domain in paired]


def report(results: Sequence[Result], settings: Settings) -> str:
    """The table, the tests and the settings."""
    inside = accuracies(results, "inside_accuracy")
    within = "; ".join(f"{name} {_cells(inside, loss)[-1]}" for loss, name in LOSSES.items())
    lines = [
        table(results),
        "",
        "Percent right on the domain left out, mean over seeds ± standard deviation; in brackets the 95 % interval of "
        "the mean by Student's t.",
        "",
        _test(_paired(accuracies(results))[list(DOMAINS)]),
        f"- Right within the domains, on the tenth held out, mean of the four: {within}",
        f"- {_made_with(results, settings)}",
    ]
    return "\n".join(lines)


def _made_with(results: Sequence[Result], settings: Settings) -> str:
    seeds, devices = sorted({r.seed for r in results}), sorted({r.device for r in results})
    parts = [
        f"{len(results)} trainings from scratch, seeds {', '.join(map(str, seeds))}: {settings.size} px",
        f"first width {settings.width}",
        f"{settings.epochs} epochs",
        f"batches of {settings.batch_size}",
        f"peak rate {settings.learning_rate:g}",
        f"weight decay {settings.weight_decay:g}",
        f"gradients of length {settings.clip:g} at most",
        f"AVH scale {settings.scale:g}",
        f"{settings.precision} on {', '.join(devices)}",
        f"{sum(r.seconds for r in results) / 60:.0f} min of training",
    ]
    return ", ".join(parts)


def _test(paired: pd.DataFrame) -> str:
    """The losses compared with the domain as the unit: trainings of one domain share its test images."""
    domains = paired.mean().dropna()
    if len(domains) < 2:
        return "- Too few domains to compare the losses."
    mean = mean_over_seeds(domains)
    return (
        f"- AVH minus cross-entropy, mean of {mean.n} domains, each the mean of its seeds: {mean.value:+.2f} points "
        f"({mean.low:+.2f} to {mean.high:+.2f}), better in {int((domains > 0).sum())}, paired t-test p = {mean.p:.3g}"
    )
