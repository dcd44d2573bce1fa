"""ImageNetV2's tasks and answers as JSON, read and written.

A file is one mapping with `hits` and `assignments`. A task has `wnid` (the class asked about), `images_to_label`,
`images_pos_control`, `images_neg_control`, `images_all` (as shown) and `uuid`. An answer has `hit_uuid`,
`AssignmentId`, `AssignmentStatus`, `WorkerId`, `AcceptTime`, `SubmitTime` and `Answer` (the images that were ticked).
Rejected answers do not count. Controls judge annotators and are not votes.
"""

import uuid
from collections.abc import Iterable
from typing import Any

import pandas as pd

from avhcurate.errors import CurateError
from avhcurate.people.files.sheet import VoteSheet, sheet_of_rows, sheet_simulated

_COUNTED = ("Submitted", "Approved")
_LISTS = {"images_to_label": "none", "images_pos_control": "positive", "images_neg_control": "negative"}
_NAMESPACE = uuid.UUID("6f1d3c1e-8a3b-5d0e-9c55-0a6f4d2b7e11")


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


def hits_of(responses: pd.DataFrame, *, simulated: bool) -> dict[str, Any]:
    """Return tasks and answers from responses of the design `select` (`votes.responses`), one task for each answer.

    Rows without a task are gathered by class and annotator; rows without an annotator form tasks in which each image
    occurs once.
    """
    turn = responses.groupby(["answer", "path"], sort=False).cumcount().astype(str)
    worker = responses["annotator"].astype(object).where(responses["annotator"].notna(), "")
    task = responses["task"].astype(object).where(responses["task"].notna(), "#" + turn)
    task = task.where(responses["task"].notna() | (worker == ""), "")
    hits: list[dict[str, Any]] = []
    assignments: dict[str, dict[str, Any]] = {}
    for key, tiles in responses.groupby([task, "answer", worker], sort=False):
        name = str(uuid.uuid5(_NAMESPACE, "/".join(map(str, key))))
        hit = {"wnid": str(key[1]), "uuid": name, "images_all": tiles["path"].to_list(), "simulated": simulated}
        for column, kind in _LISTS.items():
            hit[column] = tiles.loc[tiles["control"] == kind, "path"].to_list()
        hits.append(hit)
        assignments[name] = {name: _assignment(name, str(key[2]), tiles)}
    return {"hits": hits, "assignments": assignments}


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


def _assignment(task: str, worker: str, tiles: pd.DataFrame) -> dict[str, Any]:
    answer = {
        "WorkerId": worker,
        "hit_uuid": task,
        "AssignmentId": task,
        "AssignmentStatus": "Submitted",
        "Answer": tiles.loc[tiles["selected"].astype(bool), "path"].to_list(),
    }
    submitted = tiles["at"].max()
    if pd.notna(submitted):
        accepted = submitted - pd.to_timedelta(tiles["reaction_ms"].astype(float).max(), "ms")
        answer |= {"AcceptTime": str(accepted), "SubmitTime": str(submitted)}
    return answer
