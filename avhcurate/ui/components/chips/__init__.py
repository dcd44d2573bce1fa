"""Chips: the conditions in force, each with a cross that takes it out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from avhcurate.ui.components.facets import FacetEvent
from avhcurate.ui.components.mount import handled, mount, new_acts


@dataclass(frozen=True)
class ChipButton:
    """A condition as text, with a key of its own; `left` is what remains of its facet without it."""

    key: str
    text: str
    left: FacetEvent


class ChipsData(TypedDict):
    """What the script reads."""

    chips: Sequence[ChipButton]
    label: str
    handled: int


def chip_buttons(chips: Sequence[ChipButton], *, key: str, on_remove: Callable[[Any], None]) -> None:
    """Draw the chips; `on_remove` gets the key of one whose cross was pressed, before the page runs."""

    def heard() -> None:
        for act in new_acts(key):
            on_remove(act.get("key"))

    data = ChipsData(chips=chips, label="Filters in force", handled=handled(key))
    mount(__file__, '<div class="chips"></div>', key=key, data=data, on_act_change=heard)
