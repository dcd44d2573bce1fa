"""The options of `avhcurate certify`."""

from pathlib import Path

from avhcurate.workspace.data.settings import VerbSettings, option

#: Of a plan that says nothing else.
CONFIDENCE = 0.95


class CertifySettings(VerbSettings):
    """Certify how many labels are wrong at most, by blind looks at some drawn by chance.

    >>> CertifySettings(dataset="pets", at_most=0.02).argv
    ['certify', 'pets', '--at-most=0.02']
    """

    verb = "certify"
    dataset: str = option(help="The dataset.", argument=True)
    at_most: float | None = option(
        None, "Plan to show that at most this share is wrong.", low=1e-6, high=0.5, usual="as planned"
    )
    confidence: float = option(CONFIDENCE, "How sure the plan is to be.", low=0.5, high=0.9999)
    where: str = option("", "Plan only for labels that satisfy this SQL condition.")
    again: bool = option(False, "Plan and draw again, also where the same is planned already.")
    next: int | None = option(None, "Draw the next images to look at, for --out.", low=1, high=100_000, usual="none")
    checks: Path | None = option(
        None,
        "Take answers: a table of `path` or `id` and `label`: a class, `neither`, or nothing for cannot tell.",
    )
    verify: Path | None = option(None, "Compute again what this JSON or manifest of an export says.")
    badge: Path | None = option(None, "SVG file to write, for a README.")
