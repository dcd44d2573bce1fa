"""Why an image is hard, in words and with a picture, for its tile and its details."""

from collections.abc import Callable
from functools import partial

import numpy as np

from avhcurate.datasets.table.sample import MEMBERS, Lookalike, lookalike
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.text import shortened
from avhcurate.ui.components.why import Reason
from avhcurate.ui.server.image_routes import image_url


def why_of(page: Opened) -> Callable[[int], Reason | None] | None:
    """Return what says of an image why it is hard; None where the run has no class weights or no embeddings."""
    run = page.opened.run
    if run is None or not (run.has_heads and run.has_features):
        return None
    return partial(_reason, page)


def _reason(page: Opened, id: int) -> Reason | None:
    near = lookalike(page.samples, page.opened.run, page.opened.neighbours, id)
    if near is None:
        return None
    return reason_of(page, near)


def reason_of(page: Opened, near: Lookalike) -> Reason:
    """Return the nearest image of another class as it is shown."""
    label, other = (f"“{shortened(page.samples.classes[number], 40)}”" for number in near.labels)
    title = f"Nearest image of {other}"
    if near.partly:
        title += f" of {MEMBERS:,} looked at"
    own_angle, other_angle = np.degrees(near.angles).tolist()
    return Reason(
        src=image_url(page.samples, near.id),
        title=title,
        angles=(own_angle, other_angle),
        words=(f"{own_angle:.0f}° to {label}, its label", f"{other_angle:.0f}° to {other}"),
    )
