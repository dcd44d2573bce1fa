"""A certificate in words, and as a badge."""

import math
from collections.abc import Sequence
from html import escape

from avhcurate.datasets.curate.certificate import Certificate
from avhcurate.datasets.curate.certificate_plan import CertificateRecord

#: Colours of a badge by what it says.
_COLOURS = {"reached": "#2e7d32", "not reached": "#8d6e00", "cannot be reached": "#b3261e"}
#: Pixels of a character of a badge, about.
_CHARACTER = 6.6


def percent(share: float) -> str:
    """Return a share in percent, rounded up to one place: a bound is never said narrower than it is.

    >>> percent(0.018), percent(0.01701), percent(0.0), percent(1.0)
    ('1.8 %', '1.8 %', '0 %', '100 %')
    """
    return f"{math.ceil(round(share * 1000, 6)) / 10:g} %"


def sentence(found: Certificate) -> str:
    """Return what a certificate says, in one sentence."""
    record = found.record
    before = f"{record.changed:,} were changed before."
    labels = f"{found.population:,} labels"
    if found.exact:
        wrong = round(found.low * found.population)
        return f"{wrong:,} of {labels} are wrong: a person has seen every one; {before}"
    if not found.looks:
        return f"Nobody has looked at the {labels} yet; {before}"
    sure = f"{100 * record.confidence:g} %"
    return f"At most {percent(found.high)} of {labels} are wrong ({sure}), by {_looks(found.looks)}; {before}"


def verdict(found: Certificate) -> str:
    """Return whether so few are wrong as was asked for, and what to do next."""
    wanted = percent(found.record.at_most)
    if found.verdict == "reached":
        return f"Reached: at most {wanted} was asked for. You can stop."
    if found.verdict == "cannot be reached":
        low = math.floor(found.low * 1000) / 10
        return f"Cannot be reached: at least {low:g} % are wrong, more than {wanted}. Correct labels, then plan again."
    return f"Not reached yet: at most {wanted} is asked for."


def notes(found: Certificate) -> list[str]:
    """Return what the sentence rests on, in sentences."""
    record = found.record
    said = []
    if record.where:
        said.append(f"Only labels that satisfied {record.where}.")
    if record.reviewed:
        said.append(f"{record.reviewed:,} labels that a person decided by hand count as right.")
    if found.misses is not None:
        said.append(
            f"A look errs in at most {percent(found.misses)}, by {found.again:,} second looks; that is counted."
        )
    elif found.looks:
        said.append("It holds if the looks are right: no image was looked at twice.")
    if found.same:
        said.append("Who looked has also decided labels.")
    if found.skipped:
        said.append(f"{found.skipped:,} drawn images have no answer and count as wrong.")
    if found.cannot_tell:
        said.append(f"At {found.cannot_tell:,} nobody could tell; these count as wrong.")
    if found.wrong:
        said.append(f"{found.wrong:,} labels are contradicted by a look and stand.")
    return [*said, *moved(found)]


def moved(found: Certificate) -> list[str]:
    """Return what has become of it since labels moved; nothing where none did."""
    if not found.moved:
        return []
    said = f"Of entry {found.record.entry}; {found.moved:,} labels changed since"
    if found.verdict == "reached":
        return [f"{said}, and it holds with all of these wrong."]
    if found.renew is None:
        return [f"{said}: plan it again."]
    return [f"{said}: {_looks(found.renew)} renew it, if they find these right."]


def expected(record: CertificateRecord, looks: Sequence[tuple[float, int | None]]) -> str:
    """Return how many looks are to be expected, by the share that is wrong."""
    parts = []
    for share, number in looks:
        wanted = "more than 5,000"
        if number is not None:
            wanted = f"{number:,}"
        parts.append(f"{wanted} if {percent(share)} are wrong")
    return f"To show at most {percent(record.at_most)}, half of all reviews need {', '.join(parts)}."


def badge(found: Certificate) -> str:
    """Return a certificate as an SVG image, whose title says all of it."""
    left = "labels wrong"
    right = f"at most {percent(found.high)}"
    if found.exact:
        right = percent(found.high)
    elif not found.looks:
        right = "not known"
    if found.moved and found.verdict != "reached":
        right += f", {found.moved:,} changed"
    record = found.record
    about = f"{sentence(found)} Planned {record.started:%Y-%m-%d}, seed {record.seed}, entry {found.until}."
    widths = [round(len(text) * _CHARACTER) + 12 for text in (left, right)]
    whole = sum(widths)
    colour = _COLOURS[found.verdict]
    size = f'width="{whole}" height="20"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(about)}">
<title>{escape(about)}</title>
<rect width="{widths[0]}" height="20" fill="#444"/>
<rect x="{widths[0]}" width="{widths[1]}" height="20" fill="{colour}"/>
<g fill="#fff" font-family="Verdana,sans-serif" font-size="11" text-anchor="middle">
<text x="{widths[0] / 2:g}" y="14">{left}</text>
<text x="{widths[0] + widths[1] / 2:g}" y="14">{escape(right)}</text>
</g>
</svg>
"""


def _looks(number: int) -> str:
    if number == 1:
        return "1 look"
    return f"{number:,} looks"
