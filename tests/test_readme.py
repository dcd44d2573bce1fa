"""The README says what is so: its table of scores is the table, its commands exist."""

import re
from pathlib import Path

from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.scores import SCORES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def score_table() -> str:
    """The table of scores as Markdown: run `python tests/test_readme.py` to print it."""
    lines = ["| column | name | formula | range | harder | meaning |", "|---|---|---|---|---|---|"]
    for key, score in SCORES.items():
        unit = f" {score.unit}" if score.unit else ""
        cells = [f"`{key}`", score.name, f"${score.formula}$", f"{score.low} to {score.high}{unit}", score.harder]
        lines.append("| " + " | ".join([*cells, score.sentence.replace("|", r"\|")]) + " |")
    return "\n".join(lines)


def test_the_table_of_scores_is_the_table():
    assert score_table() in README


def test_every_command_in_the_readme_exists():
    verbs = set(re.findall(r"^avhcurate (\S+)", README, re.M))
    listed = CliRunner().invoke(app, ["--help"]).stdout
    assert verbs
    assert all(re.search(rf"^\s+{verb}\s", listed, re.M) for verb in verbs)


def test_every_file_that_the_readme_points_to_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


if __name__ == "__main__":
    print(score_table())
