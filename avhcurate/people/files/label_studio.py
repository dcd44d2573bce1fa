"""Label Studio's JSON: tasks with annotations, whose choices are answers, and the parts of tasks that exports write.

Its import takes tasks with `data` and `annotations`, each with a `result`, `was_cancelled`, `ground_truth` (true unless
given) and `lead_time` in seconds. It refuses a file with an annotator that its organisation does not know, so
`completed_by` is left out of what is written.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import pandas as pd

from avhcurate.errors import CurateError
from avhcurate.people.files.sheet import SAMPLE_COLUMNS, VoteSheet, sheet_of_rows, sheet_simulated
from avhcurate.workspace.disk.budget import check_file
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.json_text import parsed

#: Names of the controls in tasks that we write: which class, and whether an image belongs to the class in its data.
_CLASSIFY = "label"
_SELECT = "belongs"
#: Key of the curated label in the `meta` of a result.
CURATED = "curated"
#: What Label Studio puts before the name of an uploaded file.
_UPLOADED = re.compile(r"^/data/upload/(.*/)?[0-9a-f]{8}-")
#: Details of an answer that files of ours kept in `meta`.
_META = ("annotator", "control", "expected", "task")
#: Data of a task that never name its sample.
_NO_SAMPLE = ("class", "simulated")


def are_tasks(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(task, dict) and "annotations" in task for task in content)


def label_config(classes: Sequence[str], *, select: bool) -> str:
    """Return the labelling interface that a project needs for such tasks.

    With `select` it asks whether an image belongs to the class in its data, with `classes` which of them it is.
    """
    parts = ['<Image name="image" value="$image"/>']
    if select:
        parts = ['<Header value="$class"/>', *parts, _control(_SELECT, ["yes", "no"])]
    if classes:
        parts.append(_control(_CLASSIFY, classes))
    return f"<View>{''.join(parts)}</View>"


def _control(name: str, choices: Sequence[str]) -> str:
    inner = "".join(f"<Choice value={quoteattr(choice)}/>" for choice in choices)
    return f'<Choices name="{name}" toName="image" choice="single">{inner}</Choices>'


def choice(answer: str, *, select: bool = False, **meta: str) -> dict[str, Any]:
    """Return the result of an annotation: a class, or with `select` "yes" or "no"."""
    return {
        "from_name": _SELECT if select else _CLASSIFY,
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [answer]},
        "meta": meta,
    }


def curated(name: str, *, ground_truth: bool) -> dict[str, Any]:
    """Return an annotation with the curated label; it is not read as a vote unless somebody changes it."""
    return {"result": [choice(name, curated=name)], "was_cancelled": False, "ground_truth": ground_truth}


def sheet_of_tasks(tasks: list[dict[str, Any]], title: str) -> VoteSheet:
    """Return the choices of an export: one answer for each annotation that was not cancelled."""
    left_out = {"cancelled": 0, "without one choice": 0}
    try:
        answers = [answer for task in tasks for answer in _choices(task, left_out)]
    except (AttributeError, TypeError) as problem:
        raise CurateError(f"{title} is not a Label Studio export ({problem}). Export it again as JSON.") from problem
    if not answers:
        raise CurateError(f"{title} has no choices in its {len(tasks)} tasks. Annotate with a Choices control.")
    messages = [f"{number} annotations {why} were left out" for why, number in left_out.items() if number]
    rows = pd.DataFrame(answers).dropna(axis=1, how="all")
    simulated = sheet_simulated(rows.pop("simulated"), title)
    if "selected" in rows and rows["selected"].isna().any():
        raise CurateError(f"{title} mixes choices of a class with ticks for one. Export them as two files.")
    titles = {name: name.removeprefix("data ") for name in map(str, rows) if name.startswith("data ")}
    usual = [name for name in SAMPLE_COLUMNS if name in titles.values()]
    names = list(dict.fromkeys([*usual, *titles.values()]))
    return sheet_of_rows(rows.rename(columns=titles), names, messages, simulated=simulated)


def label_of_task(task: dict[str, Any]) -> tuple[str | None, set[str]]:
    """Return the file that a task is about, and the label that its annotations settle on: empty, one, or several.

    The ground truth goes before a curated label of ours, and that before the other annotations.
    """
    data = task.get("data") or {}
    labels: dict[int, set[str]] = {}
    for annotation in task["annotations"]:
        for item in annotation.get("result") or []:
            if annotation.get("was_cancelled") or item.get("type") != "choices" or item.get("from_name") == _SELECT:
                continue
            rank = 2
            if annotation.get("ground_truth"):
                rank = 0
            elif CURATED in (item.get("meta") or {}):
                rank = 1
            labels.setdefault(rank, set()).update(_chosen(item))
    names = filter(None, (_sample_text(data.get(name)) for name in SAMPLE_COLUMNS))
    return next(names, None), labels[min(labels)] if labels else set()


def _chosen(item: dict[str, Any]) -> list[str]:
    return [str(choice) for choice in (item.get("value") or {}).get("choices") or []]


def _choices(task: dict[str, Any], left_out: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Return the answer of each annotation that counts, with its details, and the task's data as `data NAME`."""
    data = task.get("data") or {}
    names = {f"data {name}": _sample_text(value) for name, value in data.items() if name not in _NO_SAMPLE}
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            left_out["cancelled"] += 1
            continue
        results = [item for item in annotation.get("result") or [] if item.get("type") == "choices"]
        questions = {str(item.get("from_name")) for item in results}
        if len(questions) > 1:
            raise CurateError(f"Tasks answer several questions ({listed(sorted(questions))}). Export one of them.")
        choices = [choice for item in results for choice in _chosen(item)]
        if len(choices) != 1:
            left_out["without one choice"] += 1
            continue
        label = choices[0]
        meta = results[0].get("meta")
        if not isinstance(meta, dict):
            meta = {}
        if meta.get(CURATED) == label:
            continue
        answer: dict[str, Any] = {"label": label}
        if questions == {_SELECT} and "class" in data and label in ("yes", "no"):
            answer = {"class": str(data["class"]), "selected": label == "yes"}
        yield answer | _details(annotation, meta) | {"simulated": bool(data.get("simulated"))} | names


def _details(annotation: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """Return annotator, time and control; those in the `meta` of files of ours go before those of Label Studio."""
    annotator = annotation.get("completed_by")
    if isinstance(annotator, dict):
        annotator = annotator.get("id", annotator.get("email"))
    stated = {"annotator": annotator} | {name: meta[name] for name in _META if name in meta}
    details: dict[str, Any] = {name: str(value) for name, value in stated.items() if value is not None}
    at = meta.get("at", annotation.get("created_at"))
    if isinstance(at, str):
        details["at"] = pd.to_datetime(at, utc=True, errors="coerce")
    if isinstance(annotation.get("lead_time"), int | float):
        details["reaction_ms"] = 1000 * float(annotation["lead_time"])
    return details


def _sample_text(value: Any) -> str | None:
    """Return the file that a task's address means.

    >>> _sample_text("/data/local-files/?d=photos/a%20b.jpg"), _sample_text("/data/upload/3/0a1b2c3d-2.png")
    ('photos/a b.jpg', '2.png')
    """
    if value is None or isinstance(value, dict | list):
        return None
    text = str(value)
    if "/local-files/" in text:
        return parse_qs(urlsplit(text).query).get("d", [text])[0]
    if text.startswith("/data/"):
        return _UPLOADED.sub("", unquote(text))
    return text


def read_json(path: Path) -> Any:
    check_file(path)
    try:
        content = parsed(path.read_bytes())
        json.dumps(content, ensure_ascii=False).encode()  # a text of half a character cannot be kept
        return content
    except ValueError as problem:
        raise CurateError(f"{path.name} is not JSON ({problem}). Export it again as JSON.") from problem
