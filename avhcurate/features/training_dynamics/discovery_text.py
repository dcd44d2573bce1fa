"""Each discovery in words, for pages and the command line: its title and a sentence."""

from avhcurate.features.training_dynamics.findings import Figure, Finding

TITLES = {
    1: "AVH settles early, while accuracy or loss still improves",
    2: "Better models have lower AVH in every HSF bin",
    3: "The norm keeps increasing",
    4: "AVH follows HSF in every model",
    5: "The norm does not follow HSF consistently",
}
#: What the figures of each discovery are.
_FIGURES = {
    1: "Share of its way that accuracy or loss has left when AVH has settled",
    2: "Mean AVH of the better model less that of the worse one",
    3: "Growth of the mean norm per epoch",
    4: "Spearman of AVH with HSF",
    5: "Spearman of the norm with HSF",
}


def sentence(finding: Finding, *, simulated: bool = False) -> str:
    """Return what the data show; `simulated` votes are named where HSF plays a part.

    >>> sentence(Finding(4, "holds", [Figure("a", -0.3, -0.4, -0.2), Figure("b", -0.5, -0.6, -0.4)]))
    'Spearman of AVH with HSF: −0.5 to −0.3 over 2 figures.'
    """
    if finding.missing:
        return finding.missing
    values = [one.value for one in finding.figures]
    text = (
        f"{_FIGURES[finding.discovery]}: {_number(min(values))} to {_number(max(values))} over {len(values)} figures."
    )
    if simulated and finding.discovery in (2, 4, 5):
        return f"{text} HSF comes from simulated votes."
    return text


def figure_name(one: Figure) -> str:
    """Return whose number it is, and over how many samples."""
    return f"{one.name}, n {one.n:,}"


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
