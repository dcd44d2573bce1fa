"""The gain in words, for the command line and the page."""

import math

from avhcurate.features.payoff.rules import LEAST_CHECKS, Gain
from avhcurate.features.payoff.study import HOLDS_FOR, KINDS, MORE, Payoff

_VERDICTS = {
    "helped": "they helped",
    "hurt": "they hurt",
    "cannot tell": "whether they helped cannot be told",
}
#: More checks than anybody gives.
_ENDLESS = 1_000_000


def points(gain: Gain) -> str:
    """Return a gain with its interval, in points of accuracy.

    >>> points(Gain(gain=0.014, low=0.002, high=0.026, locked=1000, checked=50))
    '+1.4 points (+0.2 to +2.6)'
    """
    return f"{100 * gain.gain:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def sentence(payoff: Payoff) -> str:
    """Return what the decisions were worth, in one sentence."""
    decisions = sum(payoff.decisions.values())
    if not decisions and payoff.earlier:
        return f"Nothing was decided since. {_earlier(payoff.earlier)}"
    if not decisions:
        return "Nothing was decided about images outside the locked part, so accuracy is what it was."
    verb = "decision" if decisions == 1 else "decisions"
    gain = payoff.gain
    return (
        f"{decisions:,} {verb} changed accuracy on {gain.locked:,} locked images by {points(gain)}: "
        f"{_VERDICTS[gain.verdict]}."
    )


def _earlier(decisions: int) -> str:
    """Return why decisions that rest on locked labels are not judged."""
    if decisions == 1:
        return (
            "Your decision was made before, when suspects still knew the locked labels, so it cannot be judged; "
            "decisions from now on can."
        )
    return (
        f"Your {decisions:,} decisions were made before, when suspects still knew the locked labels, so they cannot be "
        "judged; decisions from now on can."
    )


def by_kind(payoff: Payoff) -> list[str]:
    """Return a line for each kind of decision, where there are several."""
    return [f"{KINDS[kind]}, {payoff.decisions[kind]:,}: {points(gain)}" for kind, gain in payoff.kinds.items()]


def way_on(payoff: Payoff) -> list[str]:
    """Return what judges the decisions now, and what would make the interval narrower."""
    if not payoff.decisions:
        return []
    gain = payoff.gain
    by = f"{gain.checked} images checked by hand" if gain.checked else "the given labels of the locked images"
    lines = [f"Judged by {by}. Holds for {HOLDS_FOR}."]
    if payoff.earlier:
        lines.append(f"{payoff.earlier:,} more were decided before, when suspects still knew the locked labels.")
    if not payoff.unchecked:
        return [
            *lines,
            "Every locked image on which heads differ is checked: the interval is as narrow as it gets.",
        ]
    if gain.checked:
        half = 100 * gain.half_width(MORE)
        lines.append(f"{MORE} more checks: about ±{half:.1f} points.")
    else:
        lines.append(
            f"These may be wrong too: checks by hand correct them, from {LEAST_CHECKS} on or once all are done."
        )
    least = gain.half_width(_ENDLESS)
    if gain.verdict == "cannot tell" and least > abs(gain.gain) > 0:
        if math.isinf(gain.needed):
            lines.append("Heads differ by more than this gain, so more locked images would not decide it.")
        else:
            needed = math.ceil(gain.needed / 100) * 100
            lines.append(f"To decide a gain of this size takes about {needed:,} locked images.")
    return lines
