"""HTML tables: intervals in small print, and cells tinted by sign and size."""

from collections.abc import Iterable, Sequence

from avhcurate.ui.base.text import signed
from avhcurate.ui.charts.chart_style import BLUE, ORANGE, faded

_CSS = """
<style>
@keyframes goes-on { 0%, 99% { mask-image: linear-gradient(to left, transparent, #000 3rem); } }
.avh-table { overflow-x: auto; animation: goes-on linear; animation-timeline: scroll(self inline); }
.avh-table table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.875rem;
  line-height: 1.25; }
.avh-table th, .avh-table td { padding: 5px 8px; text-align: right; white-space: nowrap; vertical-align: top;
  border-bottom: 1px solid color-mix(in srgb, currentColor 14%, transparent); }
.avh-table thead th { font-weight: 600; vertical-align: bottom; }
.avh-table th:first-child { text-align: left; font-weight: 600; padding-left: 0; white-space: normal; min-width: 9rem; }
.avh-table small { display: block; font-size: 0.71rem; font-weight: 400; opacity: 0.72; }
.avh-table.tinted table { border-collapse: separate; border-spacing: 2px; }
.avh-table.tinted th, .avh-table.tinted td { padding: 4px 5px; text-align: center; border-radius: 4px;
  border-bottom: none; vertical-align: middle; }
.avh-table.tinted thead th { vertical-align: bottom; border-radius: 0;
  border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
.avh-table.tinted th:first-child { text-align: left; padding-left: 0; white-space: nowrap; min-width: 0; }
.avh-table.tinted td:nth-child(2) { opacity: 0.65; font-size: 0.8125rem; }
.avh-table.tinted span { margin-left: 0.6em; opacity: 0.8; }
.avh-table.tinted b { font-weight: 600; }
.avh-table.tinted .few { outline: 1px dashed color-mix(in srgb, currentColor 35%, transparent); outline-offset: -1px; }
</style>
"""


def html_table(heads: Sequence[str], rows: Iterable[str], *, tinted: bool = False) -> str:
    """Return a table of heads, which are HTML, and of `table_row`s; `tinted` separates and centres cells."""
    head = "".join(f"<th>{head_cell}</th>" for head_cell in heads)
    style = "avh-table"
    if tinted:
        style += " tinted"
    # A table that is wider than the page scrolls, also by keys, and fades at its right until its end is reached.
    return (
        f"{_CSS}<div class='{style}' role='group' aria-label='Table' tabindex='0'>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def table_row(head: str, cells: Iterable[str], *, title: str = "") -> str:
    """Return a row; its head and its cells are HTML, a cell with or without its own `<td>`."""
    body = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
    return f"<tr><th scope='row' title='{title}'>{head}</th>{body}</tr>"


def tint(value: float, opacity: float) -> str:
    """Return the style of a cell: blue for a value above 0, which is the expected sign, else orange."""
    return f"background:{faded(BLUE if value > 0 else ORANGE, opacity)}"


def estimate(value: float, low: float, high: float, digits: int, *, percent: bool = False) -> str:
    """Return a value with its interval in small print, which is left out if it is NaN.

    >>> estimate(0.5, 0.25, 0.75, 1, percent=True)
    '50.0 %<small>25.0 to 75.0</small>'
    """
    if value != value:
        return "–"
    text = signed(value, digits)
    if percent:
        value, low, high = 100 * value, 100 * low, 100 * high
        text = f"{signed(value, digits)} %"
    if low == low:
        text += f"<small>{signed(low, digits)} to {signed(high, digits)}</small>"
    return text
