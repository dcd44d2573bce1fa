"""ImageNetV2: three test sets for ImageNet's classes, and what annotators ticked among their candidates."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from avhcurate.data.datasets import DatasetFolder
from avhcurate.disk.archives import entries
from avhcurate.disk.download import Wanted
from avhcurate.disk.image_parquet import LabelledImage, write_images
from avhcurate.errors import CurateError
from avhcurate.sources.public.dataset_spec import FetchedFiles, PublicDataset, is_image
from avhcurate.votes.files import VoteSheet, read_votes

CLASS_INFO = Wanted(
    "class_info.json",
    ("https://raw.githubusercontent.com/modestyachts/ImageNetV2/master/data/metadata/class_info.json",),
)
#: The authors publish a pickle, which the user converts to JSON: see the guide on votes.
_TICKS = Wanted("data_live_2018-12-13_04-59-25_UTC.json", (), optional=True)


def class_info(fetched: FetchedFiles) -> tuple[list[str], dict[str, int]]:
    """ImageNet's class names by index, and the index of each WordNet id."""
    try:
        items = json.loads(fetched.paths[CLASS_INFO.name].read_bytes())
        names = {int(item["cid"]): str(item["synset"][0]) for item in items}
        wnids = {str(item["wnid"]): int(item["cid"]) for item in items}
    except (ValueError, KeyError, TypeError, IndexError) as problem:
        raise CurateError(
            f"{CLASS_INFO.name} is not ImageNetV2's list of classes ({problem}): fetch it again"
        ) from problem
    if sorted(names) != list(range(len(names))):
        raise CurateError(f"{CLASS_INFO.name} leaves classes out: fetch it again")
    return [names[index] for index in range(len(names))], wnids


def _prepare(fetched: FetchedFiles, folder: Path) -> Path:
    """Its folders are called by class index, so the order of their names is not that of the classes."""
    classes, _ = class_info(fetched)
    archive = next(path for name, path in fetched.paths.items() if name.startswith("imagenetv2"))
    return write_images(folder / "test-00000-of-00001.parquet", _rows(archive, len(classes)), classes)


def _rows(archive: Path, classes: int) -> Iterator[LabelledImage]:
    for name, image in entries(archive, is_image):
        index = Path(name).parent.name
        if not index.isdecimal() or int(index) >= classes:
            raise CurateError(f"{name[:80]!r} lies in no folder of a class index from 0 to {classes - 1}")
        yield LabelledImage(f"{index}/{Path(name).name}", image, int(index))


def _votes(fetched: FetchedFiles, folder: DatasetFolder) -> VoteSheet | None:
    ticks = fetched.paths.get(_TICKS.name)
    if ticks is None:
        fetched.messages.append(
            f"no votes were attached. Its authors publish them as a pickle: convert it to {_TICKS.name} (see the guide "
            "on votes) and fetch again with --mirror FOLDER"
        )
        return None
    sheet = read_votes(ticks)
    if sheet.answers is None or "class" not in sheet.answers:
        return sheet
    _, wnids = class_info(fetched)
    classes = folder.record.classes
    names = {wnid: classes[index] for wnid, index in wnids.items()}
    return replace(sheet, answers=sheet.answers.assign(**{"class": sheet.answers["class"].replace(names)}))


def _test_set(part: str, file: str, size: int, sha256: str) -> PublicDataset:
    address = f"https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main/{file}.tar.gz"
    name = "imagenetv2" if part == "matched-frequency" else f"imagenetv2-{part}"
    return PublicDataset(
        name=name,
        title=f"ImageNetV2, {part}",
        home="https://github.com/modestyachts/ImageNetV2",
        licence="images from Flickr under their owners' licences, to be used as ImageNet's; code and metadata MIT",
        citation="Recht, Roelofs, Schmidt, Shankar: Do ImageNet classifiers generalize to ImageNet? ICML 2019",
        files=(Wanted(f"{file}.tar.gz", (address,), size, f"sha256:{sha256}"), CLASS_INFO, _TICKS),
        size=size,
        prepare=_prepare,
        votes=_votes,
        trees=(f"{file}-format-val", file),
    )


IMAGENETV2 = (
    _test_set(
        "matched-frequency",
        "imagenetv2-matched-frequency",
        1_264_079_360,
        "f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
    ),
    _test_set(
        "threshold-0.7",
        "imagenetv2-threshold0.7",
        1_249_906_176,
        "32142bfe998f9cfa4141be691f6a80eeb1e27b24bd532a668eb08c26d98897a2",
    ),
    _test_set(
        "top-images",
        "imagenetv2-top-images",
        1_245_927_936,
        "85e4ace30f3f0d660152062254b8759dda66267b27f7ec0fd8d5768f1073a04b",
    ),
)
