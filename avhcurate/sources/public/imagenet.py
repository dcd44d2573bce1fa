"""ImageNet's classes: names by index, and WordNet ids, as ImageNetV2's authors list them."""

import json

from avhcurate.disk.download import Wanted
from avhcurate.errors import CurateError
from avhcurate.sources.public.dataset_spec import FetchedFiles

CLASS_INFO = Wanted(
    "class_info.json",
    ("https://raw.githubusercontent.com/modestyachts/ImageNetV2/master/data/metadata/class_info.json",),
)


def class_info(fetched: FetchedFiles) -> tuple[list[str], dict[str, int]]:
    """ImageNet's class names by index, and the index of each WordNet id."""
    try:
        found = json.loads(fetched.paths[CLASS_INFO.name].read_bytes())
        names = {int(item["cid"]): str(item["synset"][0]) for item in found}
        wnids = {str(item["wnid"]): int(item["cid"]) for item in found}
    except (ValueError, KeyError, TypeError, IndexError) as problem:
        raise CurateError(
            f"{CLASS_INFO.name} is not ImageNetV2's list of classes ({problem}): fetch it again"
        ) from problem
    if sorted(names) != list(range(len(names))):
        raise CurateError(f"{CLASS_INFO.name} leaves classes out: fetch it again")
    return [names[index] for index in range(len(names))], wnids
