"""Mistakes that a user can correct: what is wrong and the fix, in parts that each interface says in its own words.

  CurateError      what is wrong, and its fix
    x NothingFound   the call is valid, and nothing is what it asks for
    x Unavailable    the same call succeeds later
  Text             parts                  on the command line        in a notebook       on a page
    + str            as it is
    + Option         --head fit                 head="fit"          “Last layer: Fit one for these classes”
    + Run            run `avhcurate quality a`  run `a.quality()`   use the page Quality

An option or a run stands in an f-string, as "Give a smaller {Option('batch_size')}", which `Text` or an error reads at
once: from there on they are parts, and nobody meets the string that carried them.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

#: Stands around a part in an f-string. Unicode leaves this character to programs: no other text has it.
_MARK = "\ufdd0"
#: A part in an f-string: its fields as JSON, which is ASCII.
_PACKED = re.compile(f"{_MARK}(\\[[ -~]*\\]){_MARK}")


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


@dataclass(init=False)
class Run(_Part):
    """Running a verb with arguments, of which the first is mostly the dataset, and options.

    >>> str(Run("score", "pets", model="MODEL"))
    'run `avhcurate score pets --model MODEL`'
    """

    verb: str
    arguments: tuple[str, ...]
    options: dict[str, str | bool]

    def __init__(self, verb: str, *arguments: str, **options: str | bool) -> None:
        self.verb, self.arguments, self.options = verb, arguments, options

    def __hash__(self) -> int:
        return hash(self.command)

    def __str__(self) -> str:
        return f"run `{self.command}`"

    @property
    def command(self) -> str:
        """The command line."""
        given = [str(Option(name, value)) for name, value in self.options.items()]
        return " ".join(["avhcurate", self.verb, *map(shlex.quote, self.arguments), *given])


Part = str | Option | Run


class Text(tuple[Part, ...]):
    """Texts, options and runs in order, joined from f-strings, parts and other texts.

    >>> text = Text(f"No model has scored it. {Run('demo')}", f", or add {Option('head', 'fit')}.")
    >>> text[-2:]
    (Option(name='head', value='fit'), '.')
    >>> str(text)
    'No model has scored it. Run `avhcurate demo`, or add --head fit.'
    """

    __slots__ = ()

    def __new__(cls, *texts: "Part | Text") -> Self:
        packed = "".join(text.packed() if isinstance(text, Text) else f"{text}" for text in texts)
        return super().__new__(cls, _parts(packed))

    def __getnewargs__(self) -> tuple[Part, ...]:
        return tuple(self)

    def __str__(self) -> str:
        return self.words()

    def words(self, option: Callable[[Option], str] = str, run: Callable[[Run], str] = str) -> str:
        """Return what people read on the command line, or where `option` and `run` say those parts."""
        said = ""
        for part in self:
            if isinstance(part, Option):
                part = option(part)
            elif isinstance(part, Run):
                part = run(part)
                if not said or said.endswith(". "):
                    part = part[0].upper() + part[1:]
            said += part
        return said

    def packed(self) -> str:
        """Return one string, for a record, of which `Text` makes the same parts."""
        return "".join(f"{part}" for part in self)


def _parts(packed: str) -> Iterator[Part]:
    for at, part in enumerate(_PACKED.split(packed)):
        if at % 2:
            yield _unpacked(part)
        elif part:
            yield part


def _unpacked(text: str) -> Part:
    with suppress(ValueError, TypeError):  # the mark is someone's text
        name, value, *options = json.loads(text)
        if options:
            return Run(name, *value, **options[0])
        return Option(name, value)
    return text


class CurateError(Exception):
    """A mistake in what the user gave: `what` is wrong, and the `fix`, a sentence without its full stop.

    The command line prints both in one line and exits with `exit_code`; a page shows them as a message, never as a
    traceback. `text` is both.

    >>> error = CurateError("No model has scored pets yet.", fix=Run("score", "pets", model="MODEL"))
    >>> print(error)
    No model has scored pets yet. Run `avhcurate score pets --model MODEL`.
    >>> Run("score", "pets", model="MODEL") in error.fix
    True
    """

    exit_code = 2

    def __init__(self, what: str | Text, *, fix: Part | Text = "") -> None:
        self.what = self.text = Text(what)
        self.fix = Text(fix)
        if self.fix:
            self.text = Text(what, " ", fix, ".")
        super().__init__(self.text)

    def __str__(self) -> str:
        return str(self.text)


class NothingFound(CurateError):
    """The call is valid, and no sample or entry is what it asks for."""

    exit_code = 3


class Unavailable(CurateError):
    """The call is valid, and the database is away or something else is at work: the same call succeeds later."""
