"""Keys that label or tag images at once: digits for the first classes, or what people wrote for a dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

from avhcurate.datasets.table.decisions import Decisions
from avhcurate.errors import CurateError

#: Keys of the grid that mean something else.
TAKEN = "tlxu"
_KEYS = frozenset("0123456789abcdefghijklmnopqrstuvwxyz").difference(TAKEN)
_DIGITS = "1234567890"


def keys_of(decisions: Decisions) -> dict[str, str]:
    """Return what each key does, as `label NAME` or `tag NAME`: as last written, else by `default_keys`."""
    for written in decisions.log.saved(decisions.dataset.id, "keys"):
        return dict(written.details)
    return default_keys(decisions.samples.classes)


def default_keys(classes: Sequence[str]) -> dict[str, str]:
    """Return digits for the first ten classes; a class whose name is one digit or free letter has it as its key.

    >>> default_keys(["cat", "7", "q"])
    {'1': 'label cat', '7': 'label 7', 'q': 'label q'}
    """
    keys = {name.lower(): name for name in classes if name.lower() in _KEYS}
    free = [digit for digit in _DIGITS if digit not in keys]
    others = [name for name in classes[: len(_DIGITS)] if name not in keys.values()]
    keys |= dict(zip(free, others, strict=False))
    return {key: f"label {name}" for key, name in sorted(keys.items())}


def save_keys(decisions: Decisions, text: str) -> dict[str, str]:
    """Keep keys with the dataset, from a text with a line for each; a line that is not valid is refused."""
    keys = read_keys(text, decisions.samples.classes)
    decisions.log.write(decisions.present_id(), "save keys", "keys", details=keys)
    return keys


def read_keys(text: str, classes: Sequence[str]) -> dict[str, str]:
    """
    >>> read_keys("1 label cat\\nB tag out of focus", ["cat"])
    {'1': 'label cat', 'b': 'tag out of focus'}
    """
    keys: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, action, name = (*line.split(None, 2), "", "")[:3]
        key = key.lower()
        if action not in ("label", "tag") or not name:
            raise CurateError(f"The line “{line[:40]}” is not valid. Write `1 label cat` or `b tag blurred`.")
        if key not in _KEYS or key in keys:
            raise CurateError(f"{key[:10]} cannot be a key. Use a digit or letter once, but not {TAKEN.upper()}.")
        if action == "label" and name not in classes:
            raise CurateError(f"Unknown class {name[:40]} for the key {key}.")
        keys[key] = f"{action} {name}"
    return keys


def write_keys(keys: Mapping[str, str]) -> str:
    """Return the text that `read_keys` reads.

    >>> write_keys({"1": "label cat", "b": "tag blurred"})
    '1 label cat\\nb tag blurred'
    """
    return "\n".join(f"{key} {does}" for key, does in keys.items())


def key_actions(keys: Mapping[str, str], classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what each key does as an action and its value, with the text; labels that are gone do nothing."""
    actions: dict[str, dict[str, Any]] = {}
    for key, text in keys.items():
        kind, _, name = text.partition(" ")
        if kind == "tag":
            actions[key] = {"action": "tag", "value": name, "text": text}
        elif name in classes:
            actions[key] = {"action": "relabel", "value": classes.index(name), "text": text}
    return actions
