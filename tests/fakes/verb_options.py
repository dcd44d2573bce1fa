"""The options of verbs as types of the notebook's methods, written from the settings classes of these verbs.

`python -m tests.fakes.verb_options` writes them anew.
"""

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, get_args

from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.predicted_hsf.settings import PredictSettings
from avhcurate.features.quality.settings import QualitySettings
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.networks.neighbours.settings import NeighboursSettings
from avhcurate.networks.scoring.settings import AttachSettings, ScoreSettings
from avhcurate.notebook import signatures
from avhcurate.workspace.data.settings import OptionField, VerbSettings

FILE = Path(signatures.__file__).with_name("verb_options.py")
#: The verbs whose options a method takes, and which of them it does not: it has them of the object, or by another type.
#: What is stored with every verb is the dataset, and a notebook computes where it is.
TAKEN: dict[type[VerbSettings], str] = {
    ScoreSettings: "model weights",
    AttachSettings: "features class_weights bias logits probs rows",
    PredictSettings: "",
    SuspectsSettings: "model",
    ProjectSettings: "model",
    NeighboursSettings: "model like_text",
    QualitySettings: "model tiny black blank blurred",
}
_NEVER = {"dataset", "engine"}
_HEAD = '''"""Options of verbs as methods take them, written from settings by `python -m tests.fakes.verb_options`."""

from collections.abc import Sequence
from typing import Literal, TypedDict
'''


def _given(option: OptionField) -> str:
    """Return what may be given for an option: of a list also one value."""
    if option.is_list:
        (inner, _) = get_args(option.type)
        return f"{_name(inner)} | Sequence[{_name(inner)}]"
    if option.default is None:
        return f"{_name(option.type)} | None"
    return _name(option.type)


def _name(kind: Any) -> str:
    if isinstance(kind, type):
        return kind.__name__
    return repr(kind).replace("typing.", "")


def _about(option: OptionField) -> str:
    """Return the docstring of an option: its help, and its default where that says something."""
    usual = option.usual
    if not usual and option.default not in (None, "", ()):
        usual = repr(option.default)
    text = option.help
    if usual:
        text += f" Default: {usual}."
    return textwrap.fill(f'"""{text}"""', 120, initial_indent=" " * 4, subsequent_indent=" " * 4)


def generated() -> str:
    """The types, a class a verb, as the formatter lays them out."""
    text = [_HEAD]
    for settings, elsewhere in TAKEN.items():
        name = settings.__name__.replace("Settings", "Options")
        text.append(f"\nclass {name}(TypedDict, total=False):")
        text.append(f'    """Of `avhcurate {settings.verb}`."""\n')
        for option in settings.options():
            if option.name not in _NEVER | {*elsewhere.split()}:
                text += [f"    {option.name}: {_given(option)}", _about(option)]
        text.append("")
    argv = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(FILE), "-"]
    return subprocess.run(argv, input="\n".join(text), capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    FILE.write_text(generated(), encoding="utf-8")
