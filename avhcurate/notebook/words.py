"""Messages in Python's words: `head="fit"`, where the command line says --head fit."""

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from avhcurate.errors import CurateError
from avhcurate.workspace.data.words import OPTION, reworded


@contextmanager
def python_words() -> Iterator[None]:
    """Say in Python's words what a user did wrong within the block."""
    try:
        yield
    except CurateError as error:
        error.args = (in_python(str(error)),)
        raise


def in_python(message: str) -> str:
    """Return a message of the command line in Python's words; a command that no method does stays.

    >>> in_python("Add --head fit, give --weights FILE and a smaller --batch-size, or use --force.")
    'Add head="fit", give weights=FILE and a smaller batch_size, or use force=True.'
    >>> in_python("Run `avhcurate score pets --model MODEL`, or `avhcurate import pets SOURCE --force`.")
    'Run `pets.score(model=MODEL)`, or `avhcurate import pets SOURCE --force`.'
    """
    return reworded(message, _argument, _call)


def _call(verb: str, dataset: str, rest: str) -> str | None:
    if verb not in _methods() or not dataset or not set(re.findall(r"--([a-z-]+)", rest)) <= _methods()[verb]:
        return None
    arguments = re.sub(OPTION, lambda one: _argument(*one.groups()), rest).split()
    if not dataset.isidentifier() or dataset.isupper():
        dataset = "dataset"
    return f"`{dataset}.{verb}({', '.join(arguments)})`"


def _argument(option: str, placeholder: str | None, word: str | None) -> str:
    name = option.replace("-", "_")
    if placeholder:
        return f"{name}={placeholder}"
    if word:
        return f'{name}="{word}"'
    if name in _flags():
        return f"{name}=True"
    return name


@cache
def _methods() -> dict[str, set[str]]:
    """Return the options of each method of a dataset, as the command line calls them."""
    from avhcurate.notebook.dataset import Dataset

    methods = inspect.getmembers(Dataset, inspect.isfunction)
    return {verb: {name.replace("_", "-") for name in inspect.signature(call).parameters} for verb, call in methods}


@cache
def _flags() -> set[str]:
    """Return the options that are True or False."""
    from avhcurate.features.quality.settings import QualitySettings
    from avhcurate.features.suspects.settings import SuspectsSettings
    from avhcurate.networks.scoring.settings import ScoreSettings

    every = [each for settings in (ScoreSettings, SuspectsSettings, QualitySettings) for each in settings.options()]
    return {"force", "simulated", *(each.name for each in every if each.type is bool)}
