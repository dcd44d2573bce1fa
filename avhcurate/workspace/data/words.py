"""Messages in the words of another interface: they are written as the command line says them."""

import re
from collections.abc import Callable

#: An option with its value: a placeholder such as FILE, or one of a few words.
OPTION = r"--([a-z][a-z-]*[a-z])(?:[ =](?:([A-Z]{2,})\b|(fit|random|ray|path|order)\b(?!:)))?"
#: A command with its verb, its dataset and the rest, any other command, or an option.
_PART = re.compile(rf"`avhcurate ([a-z-]+)(?: ([\w.-]+)((?: [^`]*)?))?`|`avhcurate[^`]*`|{OPTION}")


def reworded(
    message: str,
    option: Callable[[str, str | None, str | None], str],
    command: Callable[[str, str, str], str | None],
) -> str:
    """Return a message with other words for its options and commands; a command for which there is None stays.

    `option` gets the name, and the placeholder or the word that follows; `command` the verb, the dataset and the rest.

    >>> reworded("Fit a head by --head fit, or run `avhcurate jobs`.", lambda *of: f"<{of[0]}>", lambda *_: None)
    'Fit a head by <head>, or run `avhcurate jobs`.'
    """

    def part(found: re.Match[str]) -> str:
        verb, dataset, rest, name, placeholder, word = found.groups()
        if name:
            return option(name, placeholder, word)
        return (verb and command(verb, dataset or "", rest or "")) or found[0]

    return _PART.sub(part, message)
