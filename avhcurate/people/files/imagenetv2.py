"""ImageNetV2's tasks and answers as JSON.

A file is one mapping with `hits` and `assignments`. A task has `wnid` (the class asked about), `images_to_label`,
`images_pos_control`, `images_neg_control`, `images_all` (as shown) and `uuid`. An answer has `hit_uuid`,
`AssignmentId`, `AssignmentStatus`, `WorkerId`, `AcceptTime`, `SubmitTime` and `Answer` (the images that were ticked).
Rejected answers do not count. Controls judge annotators and are not votes.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from avhcurate.errors import CurateError
from avhcurate.people.files.sheet import VoteSheet, sheet_of_rows, sheet_simulated

_COUNTED = ("Submitted", "Approved")
_LISTS = {"images_to_label": "none", "images_pos_control": "positive", "images_neg_control": "negative"}


def is_imagenetv2(content: Any) -> bool:
    return isinstance(content, dict) and {"hits", "assignments"} <= content.keys()


def sheet_of_hits(content: dict[str, Any], title: str) -> VoteSheet:
    """Return the tiles of every answer that counts."""
    try:
        tasks = {str(task["uuid"]): task for task in _values(content["hits"])}
        answers = [answer for group in _values(content["assignments"]) for answer in _values(group)]
        counted = [
            (tasks[str(answer["hit_uuid"])], answer)
            for answer in answers
            if answer["AssignmentStatus"] in _COUNTED and str(answer["hit_uuid"]) in tasks
        ]
        parts = [_tiles(*pair) for pair in counted]
        marks = [bool(task.get("simulated")) for task, _ in counted]
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise CurateError(
            f"{title} does not have the form of ImageNetV2's tasks and answers ({problem!r}). Export it again."
        ) from problem
    if not parts:
        raise CurateError(f"{title} has no answer that counts. It needs answers and the tasks that they belong to.")
    messages = []
    if len(counted) < len(answers):
        messages.append(f"{len(answers) - len(counted)} answers that were rejected or have no task were left out")
    simulated = sheet_simulated(marks, title)
    return sheet_of_rows(pd.concat(parts, ignore_index=True), ["image"], messages, simulated=simulated)


def _values(content: Any) -> Iterable[Any]:
    """Return the values of a mapping, or the items of a list; an answer that stands for itself is its own group."""
    if isinstance(content, dict) and "hit_uuid" not in content:
        return content.values()
    if isinstance(content, dict):
        return [content]
    return list(content)


def _tiles(task: dict[str, Any], answer: dict[str, Any]) -> pd.DataFrame:
    images = [str(image) for image in task["images_all"]]
    control = dict.fromkeys(images, "padding")
    for name, kind in _LISTS.items():
        control |= dict.fromkeys(map(str, task[name]), kind)
    ticked = {str(image) for image in answer["Answer"]}
    times = pd.to_datetime(pd.Series([answer.get("AcceptTime"), answer.get("SubmitTime")]), utc=True, errors="coerce")
    return pd.DataFrame(
        {
            "image": images,
            "class": str(task["wnid"]),
            "selected": [image in ticked for image in images],
            "annotator": answer.get("WorkerId") or None,
            "control": [control[image] for image in images],
            "task": str(task["uuid"]),
            "at": times[1],
            "reaction_ms": (times[1] - times[0]).total_seconds() * 1000,
        }
    )
