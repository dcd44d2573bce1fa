"""AVH less confidence on CIFAR-10H, network by network, as a forest plot: docs/images/avh-less-confidence.svg.

    python -m benchmarks.forest

Spearman with HSF, positive where AVH follows people more closely. The records of the project's own trainings are in
`records/when_angles`, those of networks that others trained in `records/others_networks.json`. Intervals are 95 %, over
the 10,000 images, for the mean of a network's seeds.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

_HERE = Path(__file__).parent
RECORDS, OTHERS = _HERE / "records" / "when_angles", _HERE / "records" / "others_networks.json"
OUT = _HERE.parent / "docs" / "images" / "avh-less-confidence.svg"
#: The networks by the names of their records, and how the plot calls them.
OWN = {
    "fast-64": "fast-64",
    "fast-32": "fast-32",
    "fast-16": "fast-16",
    "vgg-16": "vgg-16",
    "cnn9-16": "cnn9-16",
    "bias in the head": "fast-16 with a bias in the head",
}
_LEFT, _RIGHT, _ROW, _LOW, _HIGH = 330, 760, 30, -0.16, 0.04


class Difference(NamedTuple):
    """Spearman of AVH less that of confidence in one network, with the ends of its interval where it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def own() -> list[Difference]:
    """Return the differences of the project's own networks, means over their seeds."""
    found = defaultdict(list)
    for file in sorted(RECORDS.glob("*-seed*.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        agreements = record["agreements"]
        # The error is that of Fisher's z: back to the scale of Spearman.
        error = record["gap"][1] * (1 - agreements["confidence"] ** 2)
        found[record["name"]].append((agreements["avh"] - agreements["confidence"], error))
    rows = []
    for name, title in OWN.items():
        value, error = np.mean(found[name], axis=0)
        seeds = f"{len(found[name])} seeds"
        if len(found[name]) == 1:
            seeds = "1 seed"
        rows.append(Difference(f"{title} ({seeds})", value, value - 1.96 * error, value + 1.96 * error))
    return rows


def others() -> list[Difference]:
    """Return the differences of networks that others trained."""
    rows = json.loads(OTHERS.read_text(encoding="utf-8"))["networks"]
    return [Difference(row["name"], row["difference"], row.get("low"), row.get("high")) for row in rows]


def svg(groups: dict[str, list[Difference]]) -> str:
    """Return the plot."""
    height = _ROW * (2 + sum(1 + len(rows) for rows in groups.values())) + 20
    parts, y = [], 24.0
    for title, rows in groups.items():
        parts.append(f'<text x="16" y="{y + 5:.0f}" font-weight="bold">{title}</text>')
        y += _ROW
        for row in rows:
            at, text = _place(row.value), f"{row.value:+.3f}"
            parts.append(f'<text x="28" y="{y + 5:.0f}">{row.name}</text>')
            if row.low is not None and row.high is not None:
                low, high = _place(row.low), _place(row.high)
                parts.append(f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.0f}" y2="{y:.0f}" stroke="#0072b2"/>')
                text += f" ({row.low:+.3f} to {row.high:+.3f})"
            parts.append(f'<circle cx="{at:.1f}" cy="{y:.0f}" r="4.5" fill="#0072b2"/>')
            parts.append(f'<text x="{_RIGHT + 20}" y="{y + 5:.0f}">{text.replace("-", "−")}</text>')
            y += _ROW
    zero = _place(0)
    axis = [f'<line x1="{zero:.1f}" x2="{zero:.1f}" y1="12" y2="{y:.0f}" stroke="#888" stroke-dasharray="4 3"/>']
    for tick in (-0.15, -0.1, -0.05, 0.0):
        mark = f"{tick:g}".replace("-", "−")
        axis.append(f'<text x="{_place(tick):.1f}" y="{y + 12:.0f}" text-anchor="middle">{mark}</text>')
    title = "Spearman with HSF: AVH less confidence"
    axis.append(f'<text x="{(_LEFT + _RIGHT) / 2:.0f}" y="{y + 34:.0f}" text-anchor="middle">{title}</text>')
    body = "\n".join([*axis, *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {height:.0f}" font-family="sans-serif" '
        f'font-size="15" stroke-width="2" role="img" aria-label="{title}, by network">\n'
        f'<rect width="1000" height="{height:.0f}" fill="#fff" stroke="none"/>\n'
        f'<g fill="#222">\n{body}\n</g>\n</svg>\n'
    )


def _place(value: float) -> float:
    return _LEFT + (value - _LOW) / (_HIGH - _LOW) * (_RIGHT - _LEFT)


def main() -> None:
    groups = {"Trained by this project": own(), "Trained by others, with a bias in the head": others()}
    OUT.write_text(svg(groups), encoding="utf-8")
    for title, rows in groups.items():
        print(title)
        for row in rows:
            print(f"  {row.name}: {row.value:+.4f} {row.low} {row.high}")


if __name__ == "__main__":
    main()
