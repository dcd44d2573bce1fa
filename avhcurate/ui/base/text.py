"""Numbers and names as text for a sentence or a table."""

from collections.abc import Sequence

#: The paper that defines AVH, as a link.
PAPER = "[Chen et al., 2020](https://doi.org/10.48550/arXiv.1912.02279)"


def signed(value: float, digits: int) -> str:
    """Return a number with a true minus sign.

    >>> signed(-0.3, 2), signed(0.25, 2)
    ('−0.30', '0.25')
    """
    text = f"{abs(value):.{digits}f}"
    if value < 0 and float(text):
        return f"−{text}"
    return text


def p_text(p: float) -> str:
    """Return a p-value, on one line.

    >>> p_text(0.04321).split(), p_text(1e-9).split()
    (['p', '=', '0.043'], ['p', '<', '0.001'])
    """
    text = f"p = {p:.2f}"
    if p < 0.001:
        text = "p < 0.001"
    elif p < 0.1:
        text = f"p = {p:.3f}"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def listed(names: Sequence[str]) -> str:
    """Return names in a sentence.

    >>> listed(["AVH"]), listed(["AVH", "norm", "entropy"])
    ('AVH', 'AVH, norm and entropy')
    """
    *first, last = names
    return " and ".join(filter(None, [", ".join(first), last]))


def people(simulated: bool) -> str:
    """Return whose judgement HSF is, in a sentence."""
    if simulated:
        return "the simulated panel"
    return "people"


def counted(number: int, noun: str) -> str:
    """Return a count and its noun.

    >>> counted(1, "vote"), counted(2000, "vote")
    ('1 vote', '2,000 votes')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}s"


def accuracy_note(n: int, low: float, high: float) -> str:
    """Return the note next to an accuracy.

    >>> accuracy_note(200, 0.95, 0.981)
    '95 % interval 95.0–98.1 %, n 200'
    """
    if not n:
        return "no selected image has a label"
    return f"95 % interval {100 * low:.1f}–{100 * high:.1f} %, n {n:,}"


def narrowed(text: str, longest: int) -> str:
    """Return a title of at most `longest` characters: its first part is cut, or else its middle, as titles end apart.

    >>> narrowed("efficientnet-lite0 · bfloat16 · 79.4 %", 30)
    'efficient… · bfloat16 · 79.4 %'
    >>> narrowed("resnet20 · resnet20-12fca82f.th · 92.5 %", 27)
    'resnet20 · re…f.th · 92.5 %'
    """
    if len(text) <= longest:
        return text
    first, mark, rest = text.partition(" · ")
    room = longest - len(mark + rest)
    if room > 3:
        return f"{first[: room - 1]}…{mark}{rest}"
    head = (longest - 1) // 2
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def shortened(text: str, longest: int) -> str:
    """Return a text of at most `longest` characters, on one line.

    >>> shortened("portrait\\nof a dog", 10)
    'portrait …'
    """
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    return f"{line[: longest - 1]}…"
