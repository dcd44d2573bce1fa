"""Forms that start a job: what they ask for is what the command line takes."""

from dataclasses import MISSING, fields

import pytest
from typer.main import get_command

from avhcurate.cli import app
from avhcurate.errors import CurateError
from avhcurate.services.jobs import Command
from avhcurate.ui import (
    degradation,
    home_start,
    image_quality,
    map_start,
    self_training_start,
    suspects,
    training_start,
)

COMMANDS = [
    *(home_start.Score, home_start.Import, home_start.Fetch, home_start.Votes, map_start.Project, suspects.Suspects),
    *(training_start.Train, self_training_start.SelfTrain, degradation.Degrade, image_quality.Measure),
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
        _ = map_start.Project(name, "run").argv
