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


def sentence(found: Finding, *, simulated: bool = False) -> str:
    """What the data say; `simulated` votes are called so where HSF plays a part."""
    said = _SENTENCES[found.discovery](found)
    of_hsf = found.discovery in (2, 4, 5) and found.verdict != "too little data"
    return f"{said} HSF comes from simulated votes." if simulated and of_hsf else said


def figure_name(one: Figure) -> str:
    """What a number is.

    >>> figure_name(Figure("norm rises", 0.9, name="seed 1"))
    'seed 1: share of samples whose norm rises'
    """
    said = _FIGURES.get(one.what, one.what)
    if one.what == "mean avh":
        said = f"mean AVH in {one.bin}"
    elif one.what == "spearman":
        said = f"Spearman, n {one.n:,}"
    return f"{one.name}: {said}" if one.name else said


def _trainings(found: Finding) -> str:
    """Of discoveries 1 and 3: in how many trainings it holds, the evidence, and what was not judged."""
    left = "; ".join(f"{one.name}: {_missing(one)}" for one in found.not_judged)
    if not found.holding:
        return f"No training can be read: {left}." if left else "There is no training."
    claim, denial = _CLAIMS[found.discovery]
    evidence = {name: _evidence(found, name) for name in found.holding}
    if len(evidence) == 1:
        said = f"{claim if found.verdict == 'holds' else denial}: {next(iter(evidence.values()))}"
    else:
        said = f"{claim} in {sum(found.holding.values())} of {len(evidence)} trainings: "
        said += "; ".join(f"{name}: {text}" for name, text in evidence.items())
    return f"{said}.{f' Not read: {left}.' if left else ''}"


def _evidence(found: Finding, name: str) -> str:
    if found.discovery == 1:
        avh, accuracy, loss = (found.figure(f"{key} settled", name).value for key in ("avh", "accuracy", "loss"))
        return f"AVH has settled by epoch {avh:.3g}, accuracy by {accuracy:.3g}, loss by {loss:.3g}"
    rho, rising = found.figure("norm trend", name).value, found.figure("norm rises", name).value
    return f"Spearman {_signed(rho)} with the epoch, the norm of {100 * rising:.0f} % of the samples rises"


def _lower_where_better(found: Finding) -> str:
    if found.not_judged:
        return _missing(found.not_judged[0])
    count, lower, higher = (int(found.figure(what).value) for what in ("comparisons", "lower", "clearly higher"))
    bins = len({one.bin for one in found.figures if one.bin})
    said = f"In {lower} of {count} comparisons ({_number(count // bins, 'pair')} of models, {bins} HSF bins) "
    said += "the more accurate model has the lower mean AVH."
    if found.exception:
        better, worse, where = found.exception
        return f"{said} It is clearly higher in {higher}, such as {better} against {worse} in {where}."
    return said if found.verdict == "holds" else f"{said} In none is it clearly higher."


def _avh_follows(found: Finding) -> str:
    if found.not_judged:
        return _missing(found.not_judged[0])
    below, count = sum(one.high < 0 for one in found.figures), len(found.figures)
    others = "" if below == count else "; in the others the interval reaches 0 or lies above"
    return f"AVH falls as HSF rises in {below} of {count} models: {_range(found)}{others}."


def _norm_inconsistent(found: Finding) -> str:
    if found.not_judged:
        return _missing(found.not_judged[0])
    above, below = sum(one.low > 0 for one in found.figures), sum(one.high < 0 for one in found.figures)
    count = len(found.figures)
    return (
        f"The norm rises with HSF in {above} of {count} models, falls in {below}, and does neither clearly in "
        f"{count - above - below}: {_range(found)}."
    )


_SENTENCES: dict[int, Callable[[Finding], str]] = {
    1: _trainings,
    2: _lower_where_better,
    3: _trainings,
    4: _avh_follows,
    5: _norm_inconsistent,
}


def _range(found: Finding) -> str:
    values = [one.value for one in found.figures]
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


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
