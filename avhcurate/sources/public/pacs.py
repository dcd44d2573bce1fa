"""PACS: four domains of seven classes."""

from collections.abc import Iterator
from pathlib import Path

from avhcurate.disk.archives import entries
from avhcurate.disk.download import Wanted
from avhcurate.disk.image_parquet import LabelledImage, write_images
from avhcurate.sources.public.dataset_spec import FetchedFiles, PublicDataset, is_image

_ARCHIVE = "PACS.zip"


def _prepare(fetched: FetchedFiles, folder: Path) -> Path:
    """The tree DOMAIN/CLASS/image, be it in a zip or unpacked; from the hub it is Parquet already."""
    if "hub" in fetched.paths:
        return fetched.paths["hub"]
    place = fetched.paths[_ARCHIVE]
    classes = sorted({name.split("/")[1] for name, _ in _images(place)})
    rows = (
        LabelledImage(name, image, classes.index(name.split("/")[1]), {"domain": name.split("/")[0]})
        for name, image in _images(place)
    )
    return write_images(folder / "train-00000-of-00001.parquet", rows, classes)


def _images(place: Path) -> Iterator[tuple[str, bytes]]:
    """DOMAIN/CLASS/FILE and bytes of each image."""
    for name, image in entries(place, is_image):
        parts = name.split("/")
        if len(parts) >= 3 and "__MACOSX" not in parts:
            yield "/".join(parts[-3:]), image


PACS = PublicDataset(
    name="pacs",
    title="PACS: 9,991 images of 7 classes in 4 domains (photo, art painting, cartoon, sketch); no votes",
    home="https://huggingface.co/datasets/flwrlabs/pacs",
    licence="none is stated; its authors published it for research",
    citation="Li, Yang, Song, Hospedales: Deeper, broader and artier domain generalization. ICCV 2017",
    files=(Wanted(_ARCHIVE, ()),),
    size=191_000_000,
    prepare=_prepare,
    trees=("PACS", "kfold", "pacs"),
    hub="flwrlabs/pacs",
)
