"""Each discovery in words, for pages and the command line: its title, a sentence, and the names of its figures."""

from collections.abc import Callable

from avhcurate.training_dynamics.discoveries import (
    LEAST_EVALUATIONS,
    LEAST_IN_BIN,
    LEAST_SAMPLES,
    Figure,
    Finding,
    NotJudged,
)

TITLES = {
    1: "AVH settles early, while accuracy and loss still improve",
    2: "Better models have lower AVH in every HSF bin",
    3: "The norm keeps increasing",
    4: "AVH follows HSF in every model",
    5: "The norm does not follow HSF consistently",
}
#: What is claimed of a training where discovery 1 or 3 holds, and where it does not.
_CLAIMS = {
    1: ("AVH settles clearly earlier than accuracy and loss", "AVH does not settle clearly earlier than both"),
    3: ("The mean norm keeps increasing", "The mean norm does not keep increasing"),
}
_FIGURES = {
    "avh settled": "AVH settled by epoch",
    "accuracy settled": "accuracy settled by epoch",
    "loss settled": "loss settled by epoch",
    "settling ratio": "AVH's epochs over those of the earlier other",
    "norm trend": "Spearman of mean norm with the epoch",
    "norm rises": "share of samples whose norm rises",
    "lower": "lower AVH in the better",
}


def sentence(finding: Finding, *, simulated: bool = False) -> str:
    """What the data say; `simulated` votes are called so where HSF plays a part."""
    text = _SENTENCES[finding.discovery](finding)
    of_hsf = finding.discovery in (2, 4, 5) and finding.verdict != "too little data"
    return f"{text} HSF comes from simulated votes." if simulated and of_hsf else text


def figure_name(one: Figure) -> str:
    """What a number is.

    >>> figure_name(Figure("norm rises", 0.9, name="seed 1"))
    'seed 1: share of samples whose norm rises'
    """
    text = _FIGURES.get(one.quantity, one.quantity)
    if one.quantity == "mean avh":
        text = f"mean AVH in {one.bin}"
    elif one.quantity == "spearman":
        text = f"Spearman, n {one.n:,}"
    return f"{one.name}: {text}" if one.name else text


def _trainings(finding: Finding) -> str:
    """Of discoveries 1 and 3: in how many trainings it holds, the evidence, and what was not judged."""
    left = "; ".join(f"{one.name}: {_missing(one)}" for one in finding.not_judged)
    if not finding.holding:
        return f"No training can be read: {left}." if left else "There is no training."
    claim, denial = _CLAIMS[finding.discovery]
    evidence = {name: _evidence(finding, name) for name in finding.holding}
    if len(evidence) == 1:
        text = f"{claim if finding.verdict == 'holds' else denial}: {next(iter(evidence.values()))}"
    else:
        text = f"{claim} in {sum(finding.holding.values())} of {len(evidence)} trainings: "
        text += "; ".join(f"{name}: {figures}" for name, figures in evidence.items())
    return f"{text}.{f' Not read: {left}.' if left else ''}"


def _evidence(finding: Finding, name: str) -> str:
    if finding.discovery == 1:
        avh, accuracy, loss = (finding.figure(f"{key} settled", name).value for key in ("avh", "accuracy", "loss"))
        return f"AVH has settled by epoch {avh:.3g}, accuracy by {accuracy:.3g}, loss by {loss:.3g}"
    rho, rising = finding.figure("norm trend", name).value, finding.figure("norm rises", name).value
    return f"Spearman {_signed(rho)} with the epoch, the norm of {100 * rising:.0f} % of the samples rises"


def _lower_where_better(finding: Finding) -> str:
    if finding.not_judged:
        return _missing(finding.not_judged[0])
    count, lower, higher = (int(finding.figure(name).value) for name in ("comparisons", "lower", "clearly higher"))
    bins = len({one.bin for one in finding.figures if one.bin})
    text = f"In {lower} of {count} comparisons ({_number(count // bins, 'pair')} of models, {bins} HSF bins) "
    text += "the more accurate model has the lower mean AVH."
    if finding.exception:
        better, worse, where = finding.exception
        return f"{text} It is clearly higher in {higher}, such as {better} against {worse} in {where}."
    return text if finding.verdict == "holds" else f"{text} In none is it clearly higher."


def _avh_follows(finding: Finding) -> str:
    if finding.not_judged:
        return _missing(finding.not_judged[0])
    below, count = sum(one.high < 0 for one in finding.figures), len(finding.figures)
    others = "" if below == count else "; in the others the interval reaches 0 or lies above"
    return f"AVH falls as HSF rises in {below} of {count} models: {_range(finding)}{others}."


def _norm_inconsistent(finding: Finding) -> str:
    if finding.not_judged:
        return _missing(finding.not_judged[0])
    above, below = sum(one.low > 0 for one in finding.figures), sum(one.high < 0 for one in finding.figures)
    count = len(finding.figures)
    return (
        f"The norm rises with HSF in {above} of {count} models, falls in {below}, and does neither clearly in "
        f"{count - above - below}: {_range(finding)}."
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


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
