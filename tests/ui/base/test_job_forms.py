"""Forms that start a job: what they ask for is what the command line takes."""

import pytest
from typer.main import get_command

from avhcurate.cli import app
from avhcurate.errors import CurateError
from avhcurate.features.map.settings import ProjectSettings
from avhcurate.workspace.data.settings import VerbSettings

SETTINGS = {each.verb: each for each in VerbSettings.__subclasses__() if each.verb}


#: Values that the checks between options ask for.
ALSO = {
    "attach": {"features": "f.npy", "class_weights": "w.npy"},
    "train": {"model": "avhcurate:digits"},
    "split": {"shares": (0.5, 0.5)},
}


def other_value(option):
    """A value that is not the default."""
    if option.type is bool:
        return not option.default
    if option.choices:
        return option.choices[-1]
    if option.type in (int, float):
        return option.type(option.high or (option.low or 0) + 1)
    if option.is_list:
        kind = option.type.__args__[0]
        if kind in (int, float):
            return (kind(1), kind(2))
        return getattr(kind, "__args__", ("a", "b, c"))[:2]
    return "other"


@pytest.mark.parametrize("verb", SETTINGS)
def test_settings_survive_the_command_line(verb):
    """The command line that a form or a notebook leaves with a job makes the same settings again."""
    kind = SETTINGS[verb]
    required = {option.name: "pets" for option in kind.options() if option.required} | ALSO.get(verb, {})
    command = get_command(app).commands[verb]
    tried = 0
    for option in kind.options():
        try:
            settings = kind(**(required | {option.name: other_value(option)}))
        except CurateError:  # options that need others
            continue
        given = command.make_context(verb, settings.argv[1:]).params
        assert kind(**{name: given[name] for name in kind.model_fields if given[name] is not None}) == settings
        tried += 1
    assert tried > 0.5 * len(kind.options())


@pytest.mark.parametrize("name", ["--force", "-f", " ", ""])
def test_an_argument_never_looks_like_an_option(name):
    with pytest.raises(CurateError, match="dataset"):
        _ = ProjectSettings(dataset=name).argv
