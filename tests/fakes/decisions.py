"""What a browser sends when a person decides something, and what comes of it."""

import itertools
from pathlib import Path

from avhcurate.features.annotate import ui as annotate_ui
from avhcurate.features.certificate import ui as certificate_ui
from avhcurate.features.classes import ui as classes_ui
from avhcurate.features.payoff import ui as payoff_ui
from avhcurate.features.suspects import ui_review
from avhcurate.ui.grid import grid_bar
from avhcurate.ui.server import decisions
from avhcurate.workspace.data.people import OPERATOR, Person
from avhcurate.workspace.data.workspace import Workspace

#: As the app has them.
TAKERS = {
    **grid_bar.TAKERS,
    **ui_review.TAKERS,
    **annotate_ui.TAKERS,
    **classes_ui.TAKERS,
    **payoff_ui.TAKERS,
    **certificate_ui.TAKERS,
}
_numbers = itertools.count(1)


def decision(kind, *ids, dataset="digits", version=None, **more):
    """One decision about some images, with a nonce of its own unless it is given."""
    numbered = {"nonce": f"n{next(_numbers)}", "ids": [[id, id + 1] for id in ids]}
    return {"kind": kind, "dataset": dataset, "version": version, **numbered, **more}


def decide(root: Path, *sent, person: Person = OPERATOR):
    """What comes of decisions that a browser sends about a workspace; where none is given, of today's import."""
    workspace = Workspace(root)
    for each in sent:
        if isinstance(each, dict) and each.get("version", "") is None:
            each["version"] = ""
            if each.get("dataset") in workspace.names():
                each["version"] = workspace.dataset(each["dataset"]).record.fingerprint[:12]
    return decisions.take(workspace, list(sent), person, TAKERS)
