"""Numbers and names as text for a sentence or a table."""

from collections.abc import Sequence

#: The paper that defines AVH, as a link.
PAPER = "[Chen et al., 2020](https://doi.org/10.48550/arXiv.1912.02279)"
_MINUS = "−"


def signed(value: float, digits: int) -> str:
    """A number with a true minus sign.

    >>> signed(-0.3, 2), signed(0.25, 2)
    ('−0.30', '0.25')
    """
    text = f"{abs(value):.{digits}f}"
    return f"{_MINUS}{text}" if value < 0 and float(text) else text


def p_text(p: float) -> str:
    """A p-value, on one line.

    >>> p_text(0.04321).split(), p_text(1e-9).split()
    (['p', '=', '0.043'], ['p', '<', '0.001'])
    """
    text = "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def listed(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> listed(["AVH"]), listed(["AVH", "norm", "entropy"])
    ('AVH', 'AVH, norm and entropy')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def people(simulated: bool) -> str:
    """Whose judgement HSF is, in a sentence."""
    return "the simulated panel" if simulated else "people"


def counted(number: int, what: str) -> str:
    """A count and its noun.

    >>> counted(1, "vote"), counted(2000, "vote")
    ('1 vote', '2,000 votes')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def accuracy_note(n: int, low: float, high: float) -> str:
    """The note beside an accuracy.

    >>> accuracy_note(200, 0.95, 0.981)
    '95 % interval 95.0–98.1 %, n 200'
    """
    return f"95 % interval {100 * low:.1f}–{100 * high:.1f} %, n {n:,}" if n else "no selected sample has a label"


def shortened(text: str, most: int) -> str:
    """A text of at most `most` characters, on one line.

    >>> shortened("portrait\\nof a dog", 10)
    'portrait …'
    """
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
