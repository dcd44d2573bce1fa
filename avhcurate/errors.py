"""Mistakes that a user can correct: what is wrong and the fix, in parts that each interface says in its own words.

  CurateError      what is wrong, and its fix
    x NothingFound   the call is valid, and nothing is what it asks for
    x Unavailable    the same call succeeds later
  Part             on the command line        in a notebook       on a page
    + str            a text, the same everywhere
    + Option         --head fit                 head="fit"          “Last layer: Fit one for these classes”
    + Run            run `avhcurate quality a`  run `a.quality()`   use the page Quality

An option or a run stands in an f-string, as "Give a smaller {Option('batch_size')}": the text then holds its fields,
and `words` makes of it what people read.
"""

import json
import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

#: Stands around the fields of a part in a text. Unicode leaves this character to programs: no other text has it.
_MARK = "\ufdd0"


class _Part:
    def __format__(self, _: str) -> str:
        return f"{_MARK}{json.dumps(list(vars(self).values()))}{_MARK}"


@dataclass(frozen=True)
class Option(_Part):
    """An option of a verb, perhaps with a value: True, a word, or a placeholder such as FILE.

    >>> str(Option("batch_size")), str(Option("head", "fit")), str(Option("force", True))
    ('--batch-size', '--head fit', '--force')
    """

    name: str
    value: str | bool = ""

    def __str__(self) -> str:
        flag = f"--{self.name.replace('_', '-')}"
        if self.value in ("", True):
            return flag
        return f"{flag} {shlex.quote(str(self.value))}"


class Run(_Part):
    """Running a verb with arguments, of which the first is mostly the dataset, and options.

    >>> str(Run("score", "pets", model="MODEL"))
    'run `avhcurate score pets --model MODEL`'
    """

    def __init__(self, verb: str, *arguments: str, **options: str | bool) -> None:
        self.verb, self.arguments, self.options = verb, arguments, options

    def __str__(self) -> str:
        return f"run `{self.command}`"

    @property
    def command(self) -> str:
        """The command line."""
        given = [str(Option(name, value)) for name, value in self.options.items()]
        return " ".join(["avhcurate", self.verb, *map(shlex.quote, self.arguments), *given])


Part = str | Option | Run


def parts(text: str) -> list[Part]:
    """Return the texts, options and runs of which a text consists, in order.

    >>> parts(f"Add {Option('head', 'fit')}.")
    ['Add ', Option(name='head', value='fit'), '.']
    """
    found: list[Part] = [*re.split(f"{_MARK}(.*?){_MARK}", text)]
    for at in range(1, len(found), 2):
        with suppress(ValueError, TypeError):  # the mark is someone's text
            name, value, *options = json.loads(str(found[at]))
            found[at] = Option(name, value)
            for given in options:
                found[at] = Run(name, *value, **given)
    return found


def words(text: str, option: Callable[[Option], str] = str, run: Callable[[Run], str] = str) -> str:
    """Return a text as people read it on the command line, or with the words of `option` and `run`.

    >>> words(f"No model has scored it. {Run('demo')}, or add {Option('force', True)}.")
    'No model has scored it. Run `avhcurate demo`, or add --force.'
    """
    said = ""
    for part in parts(text):
        if isinstance(part, Option):
            part = option(part)
        elif isinstance(part, Run):
            part = run(part)
            if not said or said.endswith(". "):
                part = part[0].upper() + part[1:]
        said += part
    return said


class CurateError(Exception):
    """A mistake in what the user gave: `what` is wrong, and the `fix`, a sentence without its full stop.

    The command line prints both in one line and exits with `exit_code`; a page shows them as a message, never as a
    traceback. `text` has both, with their parts.

    >>> print(CurateError("No model has scored pets yet.", fix=Run("score", "pets", model="MODEL")))
    No model has scored pets yet. Run `avhcurate score pets --model MODEL`.
    """

    exit_code = 2

    def __init__(self, what: str, *, fix: str | Run = "") -> None:
        self.what = self.text = what
        if fix:
            self.text += f" {fix}."
        super().__init__(self.text)

    def __str__(self) -> str:
        return words(self.text)


class NothingFound(CurateError):
    """The call is valid, and no sample or entry is what it asks for."""

    exit_code = 3


class Unavailable(CurateError):
    """The call is valid, and the database is away or something else is at work: the same call succeeds later."""
