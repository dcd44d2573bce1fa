"""ImageNetV2's tasks and answers, read and written: JSON, and pickles of plain data (read only).

A task: `wnid` (the class asked about), `images_to_label`, `images_pos_control`, `images_neg_control`, `images_all` (as
shown), `uuid`. An answer: `hit_uuid`, `AssignmentId`, `AssignmentStatus`, `WorkerId`, `AcceptTime`, `SubmitTime`, and
`Answer`, the images that were ticked. Submitted and approved answers count, rejected ones do not (their rule). Their
own frequencies count controls as well; here controls judge annotators and are no votes, as everywhere in this project.

Files: a list of tasks; a list of answers, or answers by task and assignment; both in one mapping with `hits` and
`assignments` (their pickle, and what is written here); or a folder of such files.
"""

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError
from avhcurate.votes.files.sheet import VoteSheet, sheet_of_rows, sheet_simulated

_COUNTED = ("Submitted", "Approved")
_LISTS = {"images_to_label": "none", "images_pos_control": "positive", "images_neg_control": "negative"}
#: Namespace of the names of tasks that had none.
_NAMESPACE = uuid.UUID("6f1d3c1e-8a3b-5d0e-9c55-0a6f4d2b7e11")


def is_imagenetv2(content: Any) -> bool:
    """Whether plain data have the form of such tasks or answers."""
    return next(_tasks(content), None) is not None or next(_answers(content), None) is not None


def sheet_of_hits(contents: Iterable[Any], title: str) -> VoteSheet:
    """The tiles of every answer that counts, from one or several files' plain data."""
    contents = list(contents)
    tasks = {str(task["uuid"]): task for content in contents for task in _tasks(content)}
    answers = {_name(answer): answer for content in contents for answer in _answers(content)}
    if not answers:
        raise CurateError(f"{title} holds tasks but no answers to them: put both files into a folder and give that")
    if not tasks:
        raise CurateError(f"{title} holds answers but not their tasks: put both files into a folder and give that")
    counted = [answer for answer in answers.values() if answer.get("AssignmentStatus", "Submitted") in _COUNTED]
    described = [answer for answer in counted if str(answer.get("hit_uuid")) in tasks]
    messages = [f"{len(answers) - len(counted)} rejected answers were left out"] if len(counted) < len(answers) else []
    if len(described) < len(counted):
        messages.append(f"{len(counted) - len(described)} answers to tasks that are not described were left out")
    if not described:
        raise CurateError(f"{title} holds no answer that counts, to any of its {len(tasks)} tasks")
    try:
        parts = [_tiles(tasks[str(answer["hit_uuid"])], answer) for answer in described]
    except (KeyError, TypeError, AttributeError, ValueError) as problem:
        raise CurateError(f"{title} holds a task or an answer in another form ({problem})") from problem
    rows = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    simulated = sheet_simulated([bool(tasks[str(answer["hit_uuid"])].get("simulated")) for answer in described], title)
    return sheet_of_rows(rows, ["image"], messages, simulated=simulated)


def hits_of(responses: pd.DataFrame, *, simulated: bool) -> dict[str, Any]:
    """Tasks and answers from responses of the design `select` (`votes.responses`), as one mapping.

    Rows of a task are one task. Answers that came without one are gathered, for each class and annotator, into a task
    of their own; those without an annotator for each turn at which a sample was asked about.
    """
    rows = responses.assign(turn=responses.groupby(["answer", "path"], sort=False).cumcount())
    nobody = rows["annotator"].isna()
    who = rows["annotator"].astype(object).where(~nobody, "")
    gathered = rows["answer"].astype(str) + "/" + who.where(~nobody, "#" + rows["turn"].astype(str)).astype(str)
    rows = rows.assign(who=who, task=rows["task"].astype(object).where(rows["task"].notna(), gathered))
    hits: dict[str, dict[str, Any]] = {}
    assignments: dict[str, dict[str, Any]] = {}
    for (task, label, worker), tiles in rows.groupby(["task", "answer", "who"], sort=False):
        hit = _hit(str(task), str(label), tiles) | ({"simulated": True} if simulated else {})
        if hits.setdefault(hit["uuid"], hit)["images_all"] != hit["images_all"]:
            # The same task in another order or on other images is another task to whoever reads it.
            hit["uuid"] = str(uuid.uuid5(_NAMESPACE, f"{hit['uuid']}/{worker}"))
            hits[hit["uuid"]] = hit
        answer = _assignment(hit["uuid"], str(worker), tiles)
        assignments.setdefault(hit["uuid"], {})[answer["AssignmentId"]] = answer
    return {"hits": list(hits.values()), "assignments": assignments}


def _tasks(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict) and "hits" in content:
        content = content["hits"]
    for item in _items(content):
        if isinstance(item, dict) and "uuid" in item and "images_all" in item and "wnid" in item:
            yield item


def _answers(content: Any) -> Iterator[dict[str, Any]]:
    if isinstance(content, dict) and "assignments" in content:
        content = content["assignments"]
    for item in _items(content):
        nested = item.values() if isinstance(item, dict) and "hit_uuid" not in item else [item]
        for answer in nested:
            if isinstance(answer, dict) and "hit_uuid" in answer and ("Answer" in answer or "WorkerId" in answer):
                yield answer


def _items(content: Any) -> Iterable[Any]:
    if isinstance(content, dict):
        return chain([content], content.values())
    return content if isinstance(content, list | tuple) else []


def _name(answer: dict[str, Any]) -> tuple[str, str]:
    """What identifies an answer: one that is in two files counts once."""
    return str(answer["hit_uuid"]), str(answer.get("AssignmentId") or answer.get("WorkerId"))


def _tiles(task: dict[str, Any], answer: dict[str, Any]) -> dict[str, np.ndarray]:
    images = [str(image) for image in task["images_all"]]
    control = dict.fromkeys(images, "padding")
    for name, kind in _LISTS.items():
        control |= dict.fromkeys((str(image) for image in task.get(name) or ()), kind)
    ticked = answer.get("Answer") or ()
    ticked = set(ticked.split("|") if isinstance(ticked, str) else map(str, ticked))
    accepted, submitted = (_time(answer.get(name)) for name in ("AcceptTime", "SubmitTime"))
    size = len(images)
    who = answer.get("WorkerId") or None
    return {
        "image": np.array(images, object),
        "class": np.full(size, str(task["wnid"]), object),
        "selected": np.array([image in ticked for image in images], bool),
        "annotator": np.full(size, None if who is None else str(who), object),
        "control": np.array([control[image] for image in images], object),
        "task": np.full(size, str(task["uuid"]), object),
        "at": np.full(size, submitted.tz_localize(None).to_datetime64()),
        "reaction_ms": np.full(size, (submitted - accepted).total_seconds() * 1000),
    }


def _time(value: Any) -> pd.Timestamp:
    """A time in UTC; one without a zone is taken to be so, NaT for none."""
    time = pd.to_datetime(value, utc=True, errors="coerce") if isinstance(value, str) else pd.NaT
    return time if isinstance(time, pd.Timestamp) else pd.Timestamp("NaT").tz_localize("UTC")


def _hit(task: str, label: str, tiles: pd.DataFrame) -> dict[str, Any]:
    lists = {name: tiles.loc[tiles["control"] == kind, "path"].to_list() for name, kind in _LISTS.items()}
    time = tiles["at"].min()
    return {
        "wnid": label,
        **lists,
        "images_all": tiles["path"].to_list(),
        "uuid": _uuid(task),
        "time": "" if pd.isna(time) else str(time),
        "submitted": True,
        "hit_id": "",
        "hit_type_id": "",
    }


def _assignment(task: str, worker: str, tiles: pd.DataFrame) -> dict[str, Any]:
    submitted, milliseconds = tiles["at"].max(), tiles["reaction_ms"].max()
    answer = {
        "WorkerId": worker,
        "hit_uuid": task,
        "AssignmentId": str(uuid.uuid5(_NAMESPACE, f"{task}/{worker}")),
        "AssignmentStatus": "Submitted",
        "Answer": tiles.loc[tiles["selected"].astype(bool), "path"].to_list(),
    }
    if pd.notna(submitted) or pd.notna(milliseconds):
        end = pd.Timestamp(submitted) if pd.notna(submitted) else pd.Timestamp(datetime.fromtimestamp(0, UTC))
        taken = pd.to_timedelta(0 if pd.isna(milliseconds) else float(milliseconds), "ms")
        answer |= {"AcceptTime": str(end - taken), "SubmitTime": str(end)}
    return answer


def _uuid(task: str) -> str:
    try:
        return str(uuid.UUID(task))
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, task))
