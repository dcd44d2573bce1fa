"""Label Studio's JSON, read and written: tasks with annotations, whose choices are answers.

Its import takes tasks with `data` and `annotations`, each with a `result`, `was_cancelled`, `ground_truth` (true unless
given) and `lead_time` in seconds; an annotator that its organisation does not know makes it refuse the file, so
`completed_by` is left out and the annotator's name stands in the result's `meta`, which comes back when it exports.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import pandas as pd

from avhcurate.disk.columns import listed
from avhcurate.errors import CurateError
from avhcurate.votes.files.sheet import SAMPLE_COLUMNS, VoteSheet, sheet_of_rows, sheet_simulated

#: Names of the controls in tasks that we write: which class, and whether an image belongs to the class in its data.
_CLASSIFY, _SELECT = "label", "belongs"
#: Key of the curated label in the `meta` of a result.
CURATED = "curated"
#: What Label Studio puts before the name of an uploaded file.
_UPLOADED = r"^(.*/)?[0-9a-f]{8}-"
#: Data of a task that never name its sample.
_NO_SAMPLE = ("class", "simulated")


def sheet_of_tasks(tasks: list[dict[str, Any]], title: str) -> VoteSheet:
    """Choices of an export: one answer for each annotation that was not cancelled."""
    try:
        return _sheet(tasks, title)
    except (AttributeError, TypeError) as problem:
        raise CurateError(f"{title} is no Label Studio export ({problem}): export it again as JSON") from problem


def are_tasks(content: Any) -> bool:
    """Whether JSON has the form of a Label Studio export."""
    return isinstance(content, list) and all(isinstance(task, dict) and "annotations" in task for task in content)


def tasks_of(responses: pd.DataFrame, *, simulated: bool) -> Iterator[dict[str, Any]]:
    """Tasks for Label Studio's import from responses of one design (`votes.responses`), one for each image."""
    select = bool(len(responses)) and responses["design"].iloc[0] == "select"
    keys = ["path", "answer"] if select else ["path"]
    for key, rows in responses.groupby(keys, sort=False):
        data = {"image": f"/data/local-files/?d={quote(str(key[0]))}", "path": key[0]}
        if select:
            data["class"] = key[1]
        if simulated:
            data["simulated"] = True
        yield {"data": data, "annotations": [_annotation(row, select) for row in rows.to_dict("records")]}


def label_config(classes: Sequence[str], *, select: bool) -> str:
    """The labelling interface that a project needs for such tasks: with `select` it asks whether an image belongs to
    the class in its data, with `classes` which of them it is; with both it asks both.
    """
    header = '<Header value="$class"/>' if select else ""
    questions = {_SELECT: ("yes", "no") if select else (), _CLASSIFY: classes}
    controls = "".join(_control(name, choices) for name, choices in questions.items() if choices)
    return f'<View>{header}<Image name="image" value="$image"/>{controls}</View>'


def _control(name: str, choices: Sequence[str]) -> str:
    inner = "".join(f"<Choice value={quoteattr(choice)}/>" for choice in choices)
    return f'<Choices name="{name}" toName="image" choice="single">{inner}</Choices>'


def choice(said: str, *, select: bool = False, meta: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The result of an annotation: a class, or with `select` "yes" or "no"."""
    return {
        "from_name": _SELECT if select else _CLASSIFY,
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [said]},
        "meta": dict(meta or {}),
    }


def curated(name: str, *, ground_truth: bool) -> dict[str, Any]:
    """An annotation that tells the curated label; unless somebody changes it, it is read as no vote."""
    return {"result": [choice(name, meta={CURATED: name})], "was_cancelled": False, "ground_truth": ground_truth}


def _annotation(row: Mapping[Any, Any], select: bool) -> dict[str, Any]:
    said = ("yes" if row["selected"] else "no") if select else row["answer"]
    meta = {name: row[name] for name in ("annotator", "expected", "task") if pd.notna(row[name])}
    if row["control"] != "none":
        meta["control"] = row["control"]
    if pd.notna(row["at"]):
        meta["at"] = pd.Timestamp(row["at"]).isoformat()
    annotation = {"result": [choice(said, select=select, meta=meta)], "was_cancelled": False, "ground_truth": False}
    return annotation | ({"lead_time": float(row["reaction_ms"]) / 1000} if pd.notna(row["reaction_ms"]) else {})


def _sheet(tasks: list[dict[str, Any]], title: str) -> VoteSheet:
    left_out = {"cancelled": 0, "without one choice": 0}
    answers = [(task.get("data") or {}, answer) for task in tasks for answer in _choices(task, left_out)]
    if not answers:
        raise CurateError(f"{title} holds no choices among its {len(tasks)} tasks: annotate with a Choices control")
    messages = [f"{number} annotations {why} were left out" for why, number in left_out.items() if number]
    simulated = sheet_simulated([bool(data.get("simulated")) for data, _ in answers], title)
    names = list(dict.fromkeys(key for data, _ in answers for key in _ordered_keys(data)))
    rows = pd.DataFrame([answer for _, answer in answers]).dropna(axis=1, how="all")
    if "selected" in rows and rows["selected"].isna().any():
        raise CurateError(f"{title} mixes choices of a class with ticks for one: export them as two files")
    for name in names:
        rows[name] = pd.array([_sample_text(data.get(name)) for data, _ in answers], object)
        bare = f"{name} without the upload's prefix"
        rows[bare] = rows[name].str.replace(_UPLOADED, "", regex=True)
    samples = names + [f"{name} without the upload's prefix" for name in names]
    return sheet_of_rows(rows, samples, messages, simulated=simulated)


def _choices(task: dict[str, Any], left_out: dict[str, int]) -> Iterator[dict[str, Any]]:
    """The answer of each annotation that counts, with its details."""
    for annotation in task["annotations"]:
        if annotation.get("was_cancelled"):
            left_out["cancelled"] += 1
            continue
        results = [item for item in annotation.get("result") or [] if item.get("type") == "choices"]
        questions = {str(item.get("from_name")) for item in results}
        if len(questions) > 1:
            raise CurateError(f"tasks answer several questions ({listed(sorted(questions))}): export one of them")
        chosen = [choice for item in results for choice in (item.get("value") or {}).get("choices") or []]
        if len(chosen) != 1:
            left_out["without one choice"] += 1
            continue
        if _meta(results[0]).get(CURATED) == chosen[0]:
            continue
        yield _answer(task.get("data") or {}, questions.pop(), str(chosen[0])) | _details(annotation, results[0])


def _answer(data: dict[str, Any], question: str, chosen: str) -> dict[str, Any]:
    if question == _SELECT and "class" in data and chosen in ("yes", "no"):
        return {"class": str(data["class"]), "selected": chosen == "yes"}
    return {"label": chosen}


def _details(annotation: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Annotator, time and control; names in `meta`, which this package writes, go before those of Label Studio."""
    meta = _meta(result)
    who = annotation.get("completed_by")
    who = who.get("id", who.get("email")) if isinstance(who, dict) else who
    seconds, at = annotation.get("lead_time"), meta.get("at", annotation.get("created_at"))
    details = {
        "annotator": meta.get("annotator", who),
        "control": meta.get("control"),
        "expected": meta.get("expected"),
        "task": meta.get("task"),
        "at": pd.to_datetime(at, utc=True, errors="coerce") if isinstance(at, str) else None,
        "reaction_ms": 1000 * float(seconds) if isinstance(seconds, int | float) else None,
    }
    texts = ("annotator", "control", "expected", "task")
    return details | {name: None if details[name] is None else str(details[name]) for name in texts}


def _meta(result: dict[str, Any]) -> dict[str, Any]:
    meta = result.get("meta")
    return meta if isinstance(meta, dict) else {}


def _ordered_keys(data: dict[str, Any]) -> list[str]:
    others = [name for name in data if name not in SAMPLE_COLUMNS and name not in _NO_SAMPLE]
    return [name for name in SAMPLE_COLUMNS if name in data] + others


def _sample_text(value: Any) -> str | None:
    """The file that a task's address means.

    >>> _sample_text("/data/local-files/?d=photos/a%20b.jpg"), _sample_text(7)
    ('photos/a b.jpg', '7')
    """
    if value is None or isinstance(value, dict | list):
        return None
    text = str(value)
    if "/local-files/" in text:
        return parse_qs(urlsplit(text).query).get("d", [text])[0]
    return unquote(text) if text.startswith("/data/") else text


def read_json(path: Path) -> Any:
    """JSON of a file, or `CurateError`, also where a text of it cannot be kept: half a surrogate pair."""
    try:
        content = json.loads(path.read_bytes())
        json.dumps(content, ensure_ascii=False).encode()
        return content
    except (ValueError, RecursionError) as problem:
        raise CurateError(f"{path.name} is not JSON ({problem}): export it again as JSON") from problem
