"""Forms that start a job: what they ask for is what the command line takes."""

from dataclasses import MISSING, fields

import pytest
from typer.main import get_command

from avhcurate.cli import app
from avhcurate.data.background import Command
from avhcurate.degradation import ui as degradation_ui
from avhcurate.errors import CurateError
from avhcurate.home import ui as home_ui
from avhcurate.map.settings import ProjectSettings
from avhcurate.quality import ui as quality_ui
from avhcurate.suspects import ui as suspects_ui

COMMANDS = [
    *(
        home_ui.ScoreCommand,
        home_ui.ImportCommand,
        home_ui.FetchCommand,
        home_ui.VotesCommand,
        suspects_ui.Suspects,
    ),
    *(degradation_ui.Degrade, quality_ui.Quality),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_every_option_of_a_form_is_one_of_its_verb(command: type[Command]):
    taken = get_command(app).commands[command.verb].params
    options = {name for param in taken for name in param.opts if name.startswith("--")}
    asked = {f"--{field.name.replace('_', '-')}" for field in fields(command) if field.default is not MISSING}
    assert asked <= options
    arguments = [param.name for param in taken if param.param_type_name == "argument"]
    assert len(arguments) == sum(field.default is MISSING for field in fields(command))


@pytest.mark.parametrize("name", ["--force", "-f", " ", ""])
def test_an_argument_never_looks_like_an_option(name):
    with pytest.raises(CurateError, match="dataset"):
        _ = ProjectSettings(dataset=name).argv
