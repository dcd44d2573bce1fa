"""The command line grows only for a reason: interface.csv has a row for each verb, and for each change of its options.

A row says how many arguments and options a verb has gained, or lost (a negative number), and why. `any` is what all
verbs take.
"""

import csv
from collections import Counter
from pathlib import Path

from typer.main import get_command

from avhcurate.cli import app
from avhcurate.plugins import LABORATORY

#: The most that one verb takes.
MOST = 24


def taken(command, name=""):
    """How many arguments and options each verb takes, by its name; --help is not one."""
    verbs = getattr(command, "commands", {})
    counts = {name or "any": sum(parameter.name != "help" for parameter in command.params)}
    if name and verbs:  # a group of verbs
        counts = {}
    for verb, inner in verbs.items():
        counts |= taken(inner, f"{name} {verb}".strip())
    return counts


def test_each_verb_and_each_option_has_a_reason():
    with Path(__file__).with_name("interface.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row for row in rows if not row["reason"].strip()] == []
    listed = Counter()
    for row in rows:
        listed[row["verb"]] += int(row["options"])
    counts = taken(get_command(app))
    verbs = listed.keys() | counts.keys()
    if not LABORATORY.is_file():
        verbs = counts.keys()
    other = {verb: f"{listed.get(verb)} listed, {counts.get(verb)} counted" for verb in verbs}
    other = {verb: text for verb, text in other.items() if listed.get(verb) != counts.get(verb)}
    assert other == {}, "add a row with the reason to tests/interface.csv"
    assert max(counts.values()) <= MOST
