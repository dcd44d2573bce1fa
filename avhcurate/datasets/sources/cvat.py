"""CVAT for images: XML with an `image` for each file and its tags or shapes. Entities are refused, never resolved."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.budget import check_file

#: What CVAT draws around a part of an image.
_SHAPES = ("box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")
_BLOCK = 1 << 20


class NoCvat(CurateError):
    """The XML is of something else."""


@dataclass
class CvatImage:
    """An image of a job: its name, its subset, and the labels of its tags, or of its shapes where it has no tag."""

    path: str
    split: str | None = None
    tags: set[str] = field(default_factory=set)
    shapes: set[str] = field(default_factory=set)

    @property
    def labels(self) -> set[str]:
        return self.tags or self.shapes


def read_cvat(file: Path) -> tuple[list[CvatImage], list[str]]:
    """Return the images of a file of CVAT for images 1.1, and the labels that its job lists, in their order."""
    check_file(file)
    reader = _Reader(file.name)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    # CVAT declares no document type; entities are declared in one.
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        with open(file, "rb") as stream:
            while block := stream.read(_BLOCK):
                parser.Parse(block)
        parser.Parse(b"", True)
    except expat.ExpatError as problem:
        raise CurateError(f"{file.name} is not XML ({problem}). Export it again from CVAT.") from problem
    if not reader.images:
        raise CurateError(f"{file.name} is XML of CVAT without an image. Export it as “CVAT for images 1.1”.")
    return reader.images, list(dict.fromkeys(reader.classes))


class _Reader:
    """What is heard while the file is parsed."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.images: list[CvatImage] = []
        self.classes: list[str] = []
        self._path: list[str] = []
        self._name = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path and tag != "annotations":
            raise NoCvat(f"{self.title} is XML of <{tag}>, and not of CVAT for images. Export it as that.")
        if tag == "track":
            raise CurateError(f"{self.title} is of CVAT for video. Export the images as “CVAT for images 1.1”.")
        inside = self._path[-1:] == ["image"]
        self._path.append(tag)
        self._name = ""
        if tag == "image":
            if "name" not in attributes:
                raise CurateError(f"{self.title} is of CVAT, and an image in it has no `name`. Export it again.")
            path = attributes["name"].replace("\\", "/")
            self.images.append(CvatImage(path, attributes.get("subset") or None))
        elif inside and "label" in attributes:
            if tag == "tag":
                self.images[-1].tags.add(attributes["label"])
            elif tag in _SHAPES:
                self.images[-1].shapes.add(attributes["label"])

    def end(self, tag: str) -> None:
        if self._path[-3:] == ["labels", "label", "name"] and self._name.strip():
            self.classes.append(self._name.strip())
        self._path.pop()

    def text(self, data: str) -> None:
        if self._path[-1:] == ["name"]:
            self._name += data

    def refuse(self, *_: Any) -> None:
        raise CurateError(f"{self.title} declares a document type, which CVAT does not. Export it again from CVAT.")
