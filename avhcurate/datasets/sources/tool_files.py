"""Label files of other tools: which tool wrote a file, and the label that it gives each image."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from avhcurate.datasets.sources.cvat import NoCvat, read_cvat
from avhcurate.datasets.sources.folder import SPLITS
from avhcurate.errors import CurateError, Option, Run
from avhcurate.people.files.imagenetv2 import is_imagenetv2
from avhcurate.people.files.label_studio import are_tasks, label_of_task, read_json
from avhcurate.workspace.disk.columns import listed

#: Endings of the files that are looked into.
SUFFIXES = (".json", ".xml")
_COLUMNS = ["path", "label", "named", "split", "tags"]
#: What is read, as messages name it.
FORMS = (
    "COCO (`images`, `annotations`, `categories`), FiftyOne (`labels`, or `samples`), Label Studio (a list of tasks), "
    "CVAT for images (.xml) or a list of objects with a path and a label"
)


@dataclass(frozen=True)
class ToolFile:
    """The labels in a file of a tool.

    `images` (N): `path` as the file has it, `label`, missing where the image has none or several, `named`, the path in
    an export of ours, `split`, and `tags`, a tuple. `several`: images with several labels. `classes` by their numbers,
    None where the file does not list them. `bare`: paths may lack the ending of the image. `answers`: it has answers of
    people besides. `files` (N): what else an image may be called.
    """

    tool: str
    images: pd.DataFrame
    several: int = 0
    classes: list[str] | None = None
    bare: bool = False
    answers: int = 0
    files: list[str | None] = field(default_factory=list)


class NoToolFile(CurateError):
    """The content of a file is of none of the tools."""


@dataclass
class _Labels:
    """Rows of a file as they are read."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    several: int = 0

    def add(self, path: Any, labels: set[str], named: Any = None, split: Any = None, tags: Sequence[str] = ()) -> None:
        label = next(iter(labels)) if len(labels) == 1 else None
        self.several += len(labels) > 1
        self.rows.append((path, label, named, split, tuple(tags)))

    def read(self, tool: str, **facts: Any) -> ToolFile:
        frame = pd.DataFrame(self.rows, columns=_COLUMNS)
        texts = frame[["path", "label", "named", "split"]].astype("str")
        return ToolFile(tool, texts.assign(tags=frame["tags"].to_numpy()), self.several, **facts)


def read_tool_file(file: Path, field: str | None = None) -> ToolFile:
    """Return the labels of a file of COCO, FiftyOne, Label Studio or CVAT; `field`: of several in FiftyOne's samples.

    Raises NoToolFile for another content, and CurateError that names the tool and what is wrong with the file.
    """
    if file.suffix.casefold() == ".xml":
        return _of_cvat(file)
    content = read_json(file)
    tool, read = _reader(content, file, field)
    try:
        return read(content)
    except KeyError as problem:
        reason = f"an entry has no `{problem.args[0]}`"
    except IndexError:
        reason = "a label is a number without a class"
    except (AttributeError, TypeError, ValueError):
        reason = "an entry has another form"
    raise CurateError(f"{file.name} is a file of {tool} that cannot be read: {reason}. Export it again.")


def images_of_tool(file: Path) -> tuple[pd.DataFrame, int]:
    """Return `path, label, named` of the images of a tool's file, and how many have several labels."""
    read = read_tool_file(file)
    return read.images, read.several


def _reader(content: Any, file: Path, field: str | None) -> tuple[str, Callable[[Any], ToolFile]]:
    """Return the tool that writes such content, and what reads it."""
    if isinstance(content, list) and content and are_tasks(content):
        return "Label Studio", _tasks
    if isinstance(content, dict):
        if isinstance(content.get("labels"), dict):
            return "FiftyOne", _image_labels
        if isinstance(content.get("samples"), list):
            return "FiftyOne", lambda content: _samples(content, file, field)
        if isinstance(content.get("images"), list):
            return "COCO", _coco
        if is_imagenetv2(content):
            raise CurateError(
                f"{file.name} holds votes (ImageNetV2's tasks and answers) and no dataset.",
                fix=f"Import the images, and {Run('votes', 'NAME', file.name)}",
            )
    raise NoToolFile(f"{file.name} is not a COCO file, and of no other tool that is known. Known are {FORMS}.")


# --- COCO ----------------------------------------------------------------------------------------------------------


def _coco(content: dict[str, Any]) -> ToolFile:
    """A label is the category of all of an image's annotations; without one category it has none."""
    names = {category["id"]: str(category["name"]) for category in content["categories"]}
    labels = defaultdict[Any, set[str]](set)
    for annotation in content["annotations"]:
        labels[annotation["image_id"]].add(names[annotation["category_id"]])
    read = _Labels()
    for image in content["images"]:
        path = str(image["file_name"]).replace("\\", "/")
        read.add(path, labels[image["id"]], image.get("attributes", {}).get("path"))
    ordered = sorted(content["categories"], key=lambda category: category["id"])
    return read.read("COCO", classes=list(dict.fromkeys(str(category["name"]) for category in ordered)))


# --- FiftyOne ------------------------------------------------------------------------------------------------------


def _image_labels(content: dict[str, Any]) -> ToolFile:
    """FiftyOne's image classification: `labels` by the file without its ending, `classes` for numbers."""
    classes = [str(name) for name in content.get("classes") or []]
    read = _Labels()
    for name, label in content["labels"].items():
        read.add(str(name), set(_names(label, classes)))
    return read.read("FiftyOne", classes=classes or None, bare=True)


def _names(label: Any, classes: list[str]) -> Iterator[str]:
    """Yield the classes of one image: none, an index, a name, either with details, or a list of these."""
    if isinstance(label, list):
        for part in label:
            yield from _names(part, classes)
    elif isinstance(label, dict):
        yield from _names(label["label"], classes)
    elif isinstance(label, int):
        if label < 0:
            raise IndexError(label)
        yield classes[label]
    elif label is not None:
        yield str(label)


def _samples(content: dict[str, Any], file: Path, wanted: str | None) -> ToolFile:
    """FiftyOne's own dataset: `samples`, each with `filepath`, `tags` and fields, some of which are labels."""
    samples = content["samples"]
    fields = dict.fromkeys(
        name
        for sample in samples
        for name, value in sample.items()
        if isinstance(value, dict) and value.get("_cls") in ("Classification", "Classifications")
    )
    name = _label_field(list(fields), wanted, file.name)
    read = _Labels()
    for sample in samples:
        tags = [str(tag) for tag in sample.get("tags") or []]
        split = next((tag for tag in tags if tag.casefold() in SPLITS), None)
        label = sample.get(name) or {}
        labels = {str(one["label"]) for one in label.get("classifications", [label] if label else [])}
        path = str(sample["filepath"]).replace("\\", "/")
        read.add(path, labels, None, split, [tag for tag in tags if tag != split])
    return read.read("FiftyOne", classes=_default_classes(file, name))


def _label_field(fields: list[str], wanted: str | None, title: str) -> str:
    if wanted is not None and wanted not in fields:
        raise CurateError(f"{title} has no field of labels {wanted!r}. It has {listed(fields)}.")
    if wanted is None and len(fields) > 1 and "ground_truth" not in fields:
        raise CurateError(
            f"{title} has several fields of labels: {listed(fields)}.", fix=f"Choose one by {Option('label_column')}"
        )
    return wanted or next((name for name in fields if name == "ground_truth"), next(iter(fields), ""))


def _default_classes(file: Path, name: str) -> list[str] | None:
    """Return the classes that FiftyOne keeps beside its samples, None where they are not known."""
    beside = file.with_name("metadata.json")
    if not beside.is_file():
        return None
    known = read_json(beside)
    info = known.get("info", {}) if isinstance(known, dict) else {}
    for holder in (known, info):
        if isinstance(holder, dict):
            classes = (holder.get("classes") or {}).get(name) if isinstance(holder.get("classes"), dict) else None
            classes = classes or holder.get("default_classes")
            if isinstance(classes, list) and classes:
                return list(dict.fromkeys(map(str, classes)))
    return None


# --- Label Studio and CVAT -----------------------------------------------------------------------------------------


def _tasks(content: list[dict[str, Any]]) -> ToolFile:
    """Label Studio's tasks: the ground truth, or else what all annotations agree on."""
    read = _Labels()
    answers = 0
    files = []
    for task in content:
        path, labels = label_of_task(task)
        read.add(path, labels)
        image = (task.get("data") or {}).get("image")
        files.append(label_of_task({"data": {"image": image}, "annotations": []})[0] or path)
        answers += sum(bool(one.get("result")) for one in task["annotations"] if not one.get("was_cancelled"))
    return read.read("Label Studio", answers=answers, files=files)


def _of_cvat(file: Path) -> ToolFile:
    try:
        images, classes = read_cvat(file)
    except NoCvat as problem:
        raise NoToolFile(problem.what) from None
    read = _Labels()
    for image in images:
        read.add(image.path, image.labels, None, image.split)
    return read.read("CVAT", classes=classes or None)
