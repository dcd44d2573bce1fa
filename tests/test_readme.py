"""The documents agree with the code: the table of scores, the commands, the files and modules that they name."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from avhcurate.cli import app
from avhcurate.measures.scores import SCORES

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md", "tests/fakes/campaign/README.md"),
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LEARNT = [key for key in SCORES if key.startswith("train_") and key.removeprefix("train_") in SCORES]


def score_table() -> str:
    """The table of scores as Markdown: run `python tests/test_readme.py` to print it.

    A score of samples learnt from stands in the row of the same score of samples held out.
    """
    lines = ["| score, column | formula | range, harder end | meaning, source |", "|---|---|---|---|"]
    for key, score in SCORES.items():
        if key in LEARNT:
            continue
        unit = f" {score.unit}" if score.unit else ""
        meaning = f"{score.sentence} *{score.reference}*".replace("|", r"\|")
        columns = ", ".join(f"`{column}`" for column in (key, f"train_{key}") if column in SCORES)
        ends = f"{score.low} to {score.high}{unit}, {score.harder}"
        cells = [f"{score.name}<br>{columns}", f"${score.formula}$", ends]
        lines.append("| " + " | ".join([*cells, meaning]) + " |")
    return "\n".join(lines)


def test_the_table_of_scores_is_the_table():
    assert score_table() in (ROOT / "docs" / "method.md").read_text(encoding="utf-8")


def test_what_a_score_is_good_for_is_said_of_each_and_in_few_words():
    text = (ROOT / "docs" / "scores-for.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 700
    assert [key for key in SCORES if key not in LEARNT and f"`{key}`" not in text] == []
    assert LEARNT
    assert "`train_`" in text


def test_the_readme_is_read_in_a_few_minutes():
    assert len(README.split()) <= 1200


def test_every_figure_of_the_readme_stands_in_the_results():
    results = [ROOT / "docs" / "results.md", *(ROOT / "docs" / "results").glob("*.md")]
    measured = "\n".join(path.read_text(encoding="utf-8") for path in results)
    said = re.findall(r"\d\.\d+", README.split("\n## What was measured\n")[1].split("\n## ")[0])
    assert len(said) > 8
    assert [figure for figure in said if not re.search(rf"(?<![\d.]){figure}(?!\d)", measured)] == []


def test_what_training_on_the_hardest_tenth_costs_is_what_was_measured():
    table = (ROOT / "docs" / "results" / "payoff.md").read_text(encoding="utf-8").split("| hardest first |")[1]
    clean, wrong = 1, 4  # the columns of a tenth kept, after that of the data
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[:2]]
    lost = [-int(row[place].split(" ")[0]) for row in rows for place in (clean, wrong)]
    ((least, most),) = re.findall(r"\[(\d+) to (\d+) points less accurate\]", README)
    assert (min(lost), max(lost)) == (int(least), int(most))


def test_every_command_in_the_readme_exists():
    verbs = set(re.findall(r"^avhcurate (\S+)", README, re.M))
    listed = CliRunner().invoke(app, ["--help"]).stdout
    assert verbs
    assert all(re.search(rf"^\s+{verb}\s", listed, re.M) for verb in verbs)


def test_every_file_that_the_readme_points_to_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_and_module_that_a_document_names_exists(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    paths = re.findall(r"\b(?:avhcurate|benchmarks|docs|pages|tests)/[\w/]+\.\w+", text)
    paths += re.findall(r"`(tests/\w+)`", text)
    paths += [f"{name.replace('.', '/')}.py" for name in re.findall(r"-m (benchmarks\.\w+)", text)]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    modules = re.findall(r"\bavhcurate\.(?:[a-z_]+\.)+[a-z_]+\b", text)
    assert [name for name in modules if find_spec(name.rpartition(".")[0]) is None] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_that_speaks_of_the_paper_links_to_it(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert "paper" not in text or "(https://doi.org/10.48550/arXiv.1912.02279)" in text


def test_the_readme_names_both_commands_of_a_fresh_machine():
    block = re.search(r"```\n(git clone.*?)```", README, re.S)
    assert block
    assert {"make app", "make test"} <= set(block[1].splitlines())
    assert "CONTRIBUTING.md" in README


if __name__ == "__main__":
    print(score_table())
