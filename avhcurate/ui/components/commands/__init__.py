"""Acting on images by key, as a part of components: a field that completes names, a message with Undo, all keys.

A component that puts `MARKUP` into its HTML can call `createCommands`.
"""

from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict

MARKUP = """
<div class="ask" role="dialog" aria-label="Act on images" popover="manual">
  <label for="ask-name"></label>
  <input id="ask-name" role="combobox" aria-expanded="true" aria-controls="ask-list" aria-autocomplete="list"
    autocomplete="off" spellcheck="false">
  <ul id="ask-list" role="listbox" aria-label="Matches"></ul>
  <div>
    <button type="button" class="add"></button><button type="button" class="away"></button>
    <small><kbd>enter</kbd><span class="or"> or <kbd>shift enter</kbd></span> · <kbd>esc</kbd> close</small>
  </div>
</div>
<div class="message" role="status" popover="manual"><span></span><button type="button">Undo</button></div>
<div class="keys" role="dialog" aria-label="Keys" tabindex="-1" popover="manual"><h3>Keys</h3><dl></dl></div>
"""
STYLE = Path(__file__).with_name("commands.css").read_text(encoding="utf-8")


class Key(TypedDict):
    """What a key does, and in words."""

    action: str
    value: str | int | None
    text: str


class Done(TypedDict):
    """A message; `undo`: with a button that undoes the last act, or the entry of that number."""

    number: int
    text: str
    undo: bool | int


class Button(TypedDict):
    """A button of the bar: it `decides` something, about a list `of`, or asks the page for something.

    `always`: it needs no selection; it `asks` for a name of a kind, or for none. `group`: its label for a whole group.
    """

    name: str
    label: str
    icon: str
    asks: str
    help: str
    primary: bool
    always: bool
    disabled: bool
    reads: NotRequired[bool]
    decides: bool
    of: str
    group: str


class About(TypedDict):
    """What a decision names: the dataset and its import; and the newest `entry` of the log that is shown."""

    dataset: str
    version: str
    entry: int


class Actions(About):
    """Names to complete, what keys do, what was just done, and the number of the newest act that was `handled`."""

    classes: list[str]
    tags: list[str]
    sets: list[str]
    keys: dict[str, Key]
    done: Done | None
    handled: int
    bar: NotRequired[list[Button]]
