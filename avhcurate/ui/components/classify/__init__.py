"""The classify card: one image and K classes, answered by number keys or search without waiting for the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from avhcurate.ui.components.task import AnnotatorData, mount_task

_HTML = """
<section class="card" tabindex="-1" aria-label="Classify images">
  <div class="top"><span class="count"></span><progress class="bar" aria-label="Progress"></progress></div>
  <div class="stage"><p class="wait"></p></div>
  <div class="below"><p class="status" role="status"></p>
    <button class="skip" type="button" hidden>Cannot tell <kbd>?</kbd></button>
    <button class="undo" type="button">Take back <kbd>⌫</kbd></button></div>
  <div class="choices"></div>
  <p class="hint"><span class="keys">Press the key of a class · </span>
    <span class="find">Type, <kbd>arrows</kbd> to choose, <kbd>enter</kbd> to answer · </span>
    <kbd>backspace</kbd> takes the last answer back</p>
</section>
"""
#: Up to this many classes, each has a button and a number key.
MOST_BUTTONS = 10


@dataclass(frozen=True)
class Item:
    """An image to ask about: the sample's id, the opaque name of the task, and the image's address."""

    id: int
    task: str
    src: str


class ClassifyData(AnnotatorData):
    """What the script reads: `done` of `goal` is the progress, with what is said `apart` of controls.

    `skip` allows to answer that one cannot tell; an answer takes `least_ms`. `subject` begins the kind of each decision
    where these are not votes.
    """

    subject: str
    items: Sequence[Item]
    classes: Sequence[str]
    keys: Sequence[str]
    about: Sequence[str]
    done: int
    goal: int
    apart: str
    finished: bool
    skip: bool
    least_ms: int


def classify_card(
    items: Sequence[Item], classes: Sequence[str], *, definitions: Sequence[str] = (), subject: str = "", **data: Any
) -> None:
    """Draw the card with the images to come, first one first; every text is shown as text, never as HTML.

    `definitions` are those of the classes, `subject` and `data` the rest of `ClassifyData`.
    """
    if not any(definitions):
        definitions = ()
    keys = number_keys(classes)
    mount_task(__file__, _HTML, subject=subject, items=items, classes=classes, keys=keys, about=definitions, **data)


def number_keys(classes: Sequence[str]) -> list[str]:
    """Return the key of each class; none where there are more classes than number keys.

    Classes whose names are single digits or letters have these as their keys.

    >>> number_keys(["cat", "dog"]), number_keys(["0", "1"]), number_keys(["c"] * 11)
    (['1', '2'], ['0', '1'], [])
    """
    keys = [name.lower() for name in classes]
    if all(len(key) == 1 and key.isascii() and key.isalnum() for key in keys) and len(set(keys)) == len(keys):
        return keys
    if len(classes) > MOST_BUTTONS:
        return []
    return list("1234567890"[: len(classes)])
