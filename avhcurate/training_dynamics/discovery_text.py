"""Each discovery in words, for pages and the command line: its title, a sentence, and the names of its figures."""

from collections.abc import Callable

from avhcurate.training_dynamics.discoveries_models import LEAST_IN_BIN
from avhcurate.training_dynamics.findings import LEAST_EVALUATIONS, LEAST_SAMPLES, Figure, Finding, NotJudged

TITLES = {
    1: "AVH settles early, while accuracy or loss still improves",
    2: "Better models have lower AVH in every HSF bin",
    3: "The norm keeps increasing",
    4: "AVH follows HSF in every model",
    5: "The norm does not follow HSF consistently",
}
#: What is true in a simulation, a verdict that is wrong there, and the share of the simulations that reached it: 400
#: of discovery 1 over 640 samples, 1,000 of the others over 300 (tests/training_dynamics/test_false_verdicts.py).
FALSE_VERDICTS = (
    (1, "accuracy and loss have a tenth of their way left when AVH settles, no more", "holds", 0.065),
    (1, "accuracy and loss have a tenth of their way left when AVH settles, no more", "does not hold", 0.068),
    (1, "AVH, accuracy and loss settle together", "holds", 0.003),
    (2, "two models have equal AVH in every bin", "holds", 0.001),
    (2, "two models have equal AVH in every bin", "does not hold", 0.026),
    (3, "the norm is a random walk", "holds", 0.025),
    (3, "the norm is a random walk in each of three trainings", "holds", 0.005),
    (4, "AVH does not follow HSF in one of two models", "holds", 0.025),
    (4, "AVH follows HSF equally in two models", "does not hold", 0.037),
    (5, "the norm does not follow HSF in either of two models", "holds", 0.05),
    (5, "the norm follows HSF equally in two models", "holds", 0.05),
)
_FIGURES = {
    "avh settled": "AVH settled by epoch",
    "accuracy left": "share of accuracy's way left then",
    "loss left": "share of the loss's way left then",
    "norm growth": "growth of the mean norm an epoch",
    "norm trend": "Spearman of mean norm with the epoch",
    "norm rises": "share of samples whose norm rises",
}
#: What is claimed of a training, or of all, by discovery and verdict.
_CLAIMS = {
    (1, "holds"): "accuracy or loss still improves when AVH has settled",
    (1, "does not hold"): "accuracy and loss have settled when AVH has",
    (1, "too little data"): "whether accuracy or loss still improves when AVH has settled cannot be told from chance",
    (3, "holds"): "the mean norm keeps increasing",
    (3, "does not hold"): "the mean norm does not keep increasing",
    (3, "too little data"): "whether the mean norm increases cannot be told from chance",
}


def sentence(finding: Finding, *, simulated: bool = False) -> str:
    """What the data say; `simulated` votes are called so where HSF plays a part."""
    text = _SENTENCES[finding.discovery](finding)
    of_hsf = finding.discovery in (2, 4, 5) and not finding.not_judged
    return f"{text} HSF comes from simulated votes." if simulated and of_hsf else text


def figure_name(one: Figure) -> str:
    """What a number is.

    >>> figure_name(Figure("norm rises", 0.9, name="seed 1"))
    'seed 1: share of samples whose norm rises'
    >>> figure_name(Figure("loss left", 0.2, 0.1, 0.3, n=3))
    "mean over 3 trainings: share of the loss's way left then"
    """
    text = _FIGURES.get(one.quantity, one.quantity)
    if one.quantity == "mean avh":
        text = f"mean AVH in {one.bin}"
    elif one.quantity == "spearman":
        text = f"Spearman, n {one.n:,}"
    elif one.n:
        return f"mean over {one.n} trainings: {text}"
    return f"{one.name}: {text}" if one.name else text


def _trainings(finding: Finding) -> str:
    """Of discoveries 1 and 3: the claim, in how many trainings it holds, the evidence, and what was not judged."""
    left = "; ".join(f"{one.name}: {_missing(one)}" for one in finding.not_judged)
    count = len(finding.verdicts)
    if not count:
        return f"No training can be read: {left}." if left else "There is no training."
    claim, together = _CLAIMS[finding.discovery, finding.verdict], any(not one.name for one in finding.figures)
    named = {name: _evidence(finding, name) for name in ([""] if together else finding.verdicts)}
    text = "; ".join(f"{name}: {figures}" if name and count > 1 else figures for name, figures in named.items())
    holds = sum(verdict == "holds" for verdict in finding.verdicts.values())
    if together:
        text = f"Over {count} trainings {claim} (in {holds} of them it holds): in the mean {text}"
    elif count > 1:
        text = f"In {count} trainings, each judged by itself, {claim} (in {holds} of them it holds): {text}"
    else:
        text = f"In this training {claim}: {text}"
    return f"{text}.{f' Not read: {left}.' if left else ''}"


def _evidence(finding: Finding, name: str) -> str:
    if finding.discovery == 1:
        accuracy, loss = (_percent(finding.figure(f"{key} left", name)) for key in ("accuracy", "loss"))
        settled = finding.figure("avh settled", name).value
        return f"AVH settles by epoch {settled:.3g}, with {accuracy} of accuracy's way and {loss} of the loss's left"
    growth = finding.figure("norm growth", name)
    rho, rising = finding.figure("norm trend", name).value, finding.figure("norm rises", name).value
    low, high = (_signed(100 * end) for end in (growth.low, growth.high))
    return (
        f"it grows by {_signed(100 * growth.value)} % an epoch ({low} to {high}), Spearman {_signed(rho)} with the "
        f"epoch, and that of {100 * rising:.0f} % of the samples rises"
    )


def _lower_where_better(finding: Finding) -> str:
    if finding.not_judged:
        return _missing(finding.not_judged[0])
    names = "comparisons", "clearly lower", "clearly higher"
    count, lower, higher = (int(finding.figure(name).value) for name in names)
    bins = len({one.bin for one in finding.figures if one.bin})
    text = f"In {lower} of {count} comparisons ({_number(count // bins, 'pair')} of models, {bins} HSF bins) "
    text += "the more accurate model has clearly lower mean AVH"
    if finding.exception:
        better, worse, where = finding.exception
        return f"{text}; in {higher} it is clearly higher, such as {better} against {worse} in {where}."
    return f"{text}." if finding.verdict == "holds" else f"{text}; in the others chance may decide."


def _avh_follows(finding: Finding) -> str:
    if finding.not_judged:
        return _missing(finding.not_judged[0])
    below, count = sum(one.high < 0 for one in finding.figures), len(finding.figures)
    text = f"AVH falls as HSF rises in {below} of {count} models: {_range(finding)}"
    others = {
        "holds": "",
        "does not hold": "; the others differ clearly from these, or it rises there",
        "too little data": "; in the others the interval reaches 0, which chance may explain",
    }
    return f"{text}{others[finding.verdict]}."


def _norm_inconsistent(finding: Finding) -> str:
    if finding.not_judged:
        return _missing(finding.not_judged[0])
    above, below = sum(one.low > 0 for one in finding.figures), sum(one.high < 0 for one in finding.figures)
    count = len(finding.figures)
    ends = {
        "holds": "; models differ clearly",
        "does not hold": "",
        "too little data": "; no two models differ clearly",
    }
    return (
        f"The norm rises with HSF in {above} of {count} models, falls in {below}, and does neither clearly in "
        f"{count - above - below}: {_range(finding)}{ends[finding.verdict]}."
    )


_SENTENCES: dict[int, Callable[[Finding], str]] = {
    1: _trainings,
    2: _lower_where_better,
    3: _trainings,
    4: _avh_follows,
    5: _norm_inconsistent,
}


def _range(finding: Finding) -> str:
    values = [one.value for one in finding.figures]
    return f"Spearman {_signed(min(values))} to {_signed(max(values))}"


def _percent(one: Figure) -> str:
    return f"{100 * one.value:.0f} % ({_signed(100 * one.low, 0)} to {_signed(100 * one.high, 0)})"


def _missing(one: NotJudged) -> str:
    texts = {
        "few samples": f"{one.count} samples, {LEAST_SAMPLES} are needed",
        "few evaluations": f"{_number(one.count, 'evaluation')}, {LEAST_EVALUATIONS} are needed",
        "few evaluations after the warm-up": (
            f"{_number(one.count, 'evaluation')} after the warm-up, {LEAST_EVALUATIONS} are needed"
        ),
        "no evaluation before training": "no evaluation before training",
        "not finished": "the training is not finished",
        "no clear change": "AVH, accuracy or loss does not clearly move",
        "few models": f"It compares models on the same samples, and there is {one.count}.",
        "few bins": f"Fewer than two HSF bins hold {LEAST_IN_BIN} samples.",
        "no clear pair": f"No two of the {one.count} models differ clearly in accuracy.",
        "few votes": f"It needs {LEAST_SAMPLES} samples with human votes, and there are {one.count:,}.",
    }
    return texts[one.reason]


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _signed(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace("-", "−")
