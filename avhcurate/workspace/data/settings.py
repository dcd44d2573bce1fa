"""One settings class a verb: the command line, the form of a page and the notebook take their options from it."""

import csv
import io
import os
import shlex
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from avhcurate.errors import CurateError, Option, Text


def option(
    default: Any = ..., help: str = "", *, low: float | None = None, high: float | None = None, **extra: Any
) -> Any:
    """Declare one option of a verb as a field of its settings class.

    `low` and `high` limit a number. `usual` says what a default of None means. `label` names the widget, by default
    the field's name, and `words` those of its choices that are called otherwise there. An `argument` is given by
    position on the command line, a tuple as several. A tuple is else given as a list with commas, or with `repeat` by
    giving the option several times. `also` is another spelling of it on the command line.
    """
    return Field(default, description=help, ge=low, le=high, json_schema_extra={"low": low, "high": high, **extra})


@dataclass(frozen=True, kw_only=True)
class OptionField:
    """One option of a verb, as the command line and a form need it. `type` is the annotation without None."""

    name: str
    type: Any
    default: Any
    required: bool
    help: str
    low: float | None
    high: float | None
    usual: str = ""
    label: str = ""
    words: dict[str, str] = field(default_factory=dict)
    argument: bool = False
    repeat: bool = False
    also: str = ""

    @property
    def flag(self) -> str:
        """The option on the command line, as --batch-size."""
        return str(Option(self.name))

    @property
    def title(self) -> str:
        """The name of its widget, as "Batch size"."""
        return self.label or self.name.replace("_", " ").capitalize()

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of a Literal; empty for any other type."""
        if get_origin(self.type) is Literal:
            return get_args(self.type)
        return ()

    @property
    def is_list(self) -> bool:
        return get_origin(self.type) is tuple

    def arguments(self, value: Any) -> list[str]:
        """Return the command line's words for a value.

        >>> class Small(VerbSettings):
        ...     crop: int | None = option(None)
        ...     mean: tuple[float, ...] = option(())
        ...     fast: bool = option(False)
        >>> [option.arguments(value) for option, value in zip(Small.options(), (8, (0.5, 0.25), True))]
        [['--crop=8'], ['--mean=0.5,0.25'], ['--fast']]
        """
        if value is True:
            return [self.flag]
        if value is False:
            return [f"--no-{self.flag[2:]}"]
        if self.repeat:
            return [f"{self.flag}={item}" for item in value]
        if self.is_list:
            return [f"{self.flag}={joined(value)}"]
        return [f"{self.flag}={value}"]


class VerbSettings(BaseModel):
    """The options of a verb. The first paragraph of a subclass's docstring is the verb's help.

    Values from a command line are texts; they are converted and checked here. Raises CurateError for a value that is
    not valid. A field `dataset` names the dataset that the work is about.

    >>> class Score(VerbSettings):
    ...     verb = "score"
    ...     dataset: str = option(argument=True)
    ...     weights: str = option("")
    ...     batch_size: int | None = option(None, low=1)
    ...     force: bool = option(False)
    >>> Score(dataset="pets", weights="--force", batch_size="8", force=True).argv
    ['score', 'pets', '--weights=--force', '--batch-size=8', '--force']
    >>> Score(dataset="pets", batch_size=0)
    Traceback (most recent call last):
    avhcurate.errors.CurateError: The value 0 of --batch-size is not valid: Input should be greater than or equal to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
    verb: ClassVar[str] = ""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise CurateError(_message(self.verb, error)) from None

    @classmethod
    def options(cls) -> tuple[OptionField, ...]:
        """Return the options in the order in which they are declared."""
        return _options(cls)

    @model_validator(mode="before")
    @classmethod
    def _read_texts(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Read texts and single values as the types of their options, and refuse an empty path."""
        read = dict(values)
        for option in cls.options():
            name = option.name
            value = read.get(name)
            if isinstance(value, os.PathLike) and option.type is not Path:
                read[name] = os.fspath(value)
            elif isinstance(value, str) and option.is_list:
                read[name] = split_text(value)
            elif isinstance(value, int | float) and option.is_list:
                read[name] = (value,)
            if option.type in (Path, tuple[Path, ...]) and value in ("", [""]):
                raise CurateError(f'The path of {name} is empty. Use "." for the current folder.')
            if name == "out" and value is not None and not Path(value).name:
                raise CurateError(f"{value} is a folder without a name. Give the name of what to write.")
        return read

    @property
    def subject(self) -> str:
        return str(getattr(self, "dataset", ""))

    @property
    def argv(self) -> list[str]:
        """The command line that makes equal settings: the verb, its arguments, and options without defaults."""
        arguments = []
        options = []
        for option in self.options():
            value = getattr(self, option.name)
            if value == option.default and not option.required:
                continue
            if option.argument and option.is_list:
                arguments += [_argument(option.name, str(item)) for item in value]
            elif option.argument:
                arguments.append(_argument(option.name, str(value)))
            else:
                options += option.arguments(value)
        return [self.verb, *arguments, *options]

    @property
    def line(self) -> str:
        return f"avhcurate {shlex.join(self.argv)}"

    def with_(self, **values: Any) -> Self:
        """Return a checked copy with other values."""
        return type(self)(**(dict(self) | values))


@cache
def _options(settings: type[VerbSettings]) -> tuple[OptionField, ...]:
    options = []
    for name, declared in settings.model_fields.items():
        extra = declared.json_schema_extra
        if not isinstance(extra, dict):
            raise TypeError(f"{settings.__name__}.{name} must be declared by option()")
        options.append(
            OptionField(
                name=name,
                type=_without_none(declared.annotation),
                default=declared.get_default(),
                required=declared.is_required(),
                help=declared.description or "",
                **extra,  # type: ignore[arg-type]
            )
        )
    return tuple(options)


def _without_none(annotation: Any) -> Any:
    types = get_args(annotation)
    if NoneType not in types:
        return annotation
    return Union[tuple(part for part in types if part is not NoneType)]  # noqa: UP007


def _argument(name: str, text: str) -> str:
    if not text.strip() or text.startswith("-"):
        raise CurateError(f"{name} cannot be {text!r}. Give a name that does not begin with a dash.")
    return text


def _message(verb: str, error: ValidationError) -> Text:
    """Return the first problem in one line, by the name of its option."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else verb
    if first["type"] == "missing":
        return Text(f"{verb} needs a value for {name}.")
    if first["type"] == "extra_forbidden":
        return Text(f"The verb {verb} has no option {name}.")
    return Text(f"The value {first['input']} of {Option(name)} is not valid: {first['msg']}.")


def split_text(text: str) -> list[str]:
    """Return the parts of a list such as avh,confidence. Quotes hold a name that has a comma.

    >>> split_text("avh, confidence"), split_text('avh,"a, b"'), split_text("")
    (['avh', 'confidence'], ['avh', 'a, b'], [])
    """
    parts = next(csv.reader([text], skipinitialspace=True), [])
    return [part.strip() for part in parts]


def joined(values: tuple[Any, ...]) -> str:
    """Return the text of a list, which `split_text` reads back.

    >>> joined(("avh", "a, b"))
    'avh,"a, b"'
    """
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(values)
    return stream.getvalue()
