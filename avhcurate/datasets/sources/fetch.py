"""Public datasets: CIFAR-10H and ImageNetV2 with their votes, Imagenette with wrong labels; downloaded and imported."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from avhcurate.datasets.sources.folder import IMAGE_SUFFIXES
from avhcurate.datasets.sources.hubs import in_megabytes
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.errors import CurateError
from avhcurate.people.attach import attach_sheet
from avhcurate.people.files import VoteSheet, read_votes
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.archives import entries
from avhcurate.workspace.disk.download import FirstChecksums, Wanted, fetch_file
from avhcurate.workspace.disk.files import user_path
from avhcurate.workspace.disk.image_parquet import LabelledImage, write_images
from avhcurate.workspace.disk.jobs import SILENT, Progress
from avhcurate.workspace.disk.remote import is_url
from avhcurate.workspace.images.decoding import encode_png


@dataclass
class FetchedFiles:
    """The files of a public dataset: `paths` by the names of the wanted files.

    A path may be an unpacked tree instead of an archive. `messages` are for the user; `folder`: the dataset.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    folder: DatasetFolder | None = None


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset: `licence` as its authors state it, approximate `size` of the download in bytes.

    `prepare` turns the fetched files into a source to import, in the given folder or another; `votes` reads the
    human answers for the imported dataset. `trees`: names of folders that a mirror may hold instead of the first file.
    """

    name: str
    title: str
    home: str
    licence: str
    citation: str
    files: tuple[Wanted, ...]
    size: int
    prepare: Callable[[FetchedFiles, Path], Path]
    votes: Callable[[FetchedFiles, DatasetFolder], VoteSheet | None]
    trees: tuple[str, ...]

    @property
    def megabytes(self) -> str:
        """The size in words."""
        return f"about {self.size / 1e6:,.0f} MB"


def _is_image(name: str) -> bool:
    path = Path(name)
    return path.suffix.casefold() in IMAGE_SUFFIXES and not path.name.startswith(".")


_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD = 1 + 3 * 32 * 32


def _prepare_cifar10h(fetched: FetchedFiles, folder: Path) -> Path:
    """Read the binary version: for each image a byte for the label, then three planes of 32 x 32."""
    batches = entries(fetched.paths["cifar-10-binary.tar.gz"], lambda name: Path(name).name == "test_batch.bin")
    content = next((content for _, content in batches), b"")
    if not content or len(content) % _RECORD:
        raise CurateError("What was given as CIFAR-10 has no test_batch.bin of the binary version.")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
    pixels = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy()
    rows = (
        LabelledImage(f"test/{index:05d}.png", encode_png(Image.fromarray(image), compress_level=1), int(label))
        for index, (label, image) in enumerate(zip(records[:, 0], pixels, strict=True))
    )
    return write_images(folder / "test-00000-of-00001.parquet", rows, list(_CLASSES))


def _cifar10h_votes(fetched: FetchedFiles, _: DatasetFolder) -> VoteSheet:
    raw = fetched.paths.get("cifar10h-raw.zip")
    if raw is not None:
        fetched.messages.append(
            f"each annotator's answers are in {raw}: unpack it, and `avhcurate votes cifar10h cifar10h-raw.csv --log` "
            "adds them to the log"
        )
    return read_votes(fetched.paths["cifar10h-counts.npy"])


_CIFAR10H = "https://raw.githubusercontent.com/jcpeterson/cifar-10h/master/data"

CIFAR10H = PublicDataset(
    name="cifar10h",
    title="CIFAR-10H: CIFAR-10's 10,000 test images with about 51 human answers each",
    home="https://github.com/jcpeterson/cifar-10h",
    licence="CIFAR-10H: CC BY-NC-SA 4.0 (no commercial use); CIFAR-10's authors ask to be cited",
    citation="Peterson, Battleday, Griffiths, Russakovsky: Human uncertainty makes classification more robust. "
    "ICCV 2019; Krizhevsky: Learning multiple layers of features from tiny images. 2009",
    files=(
        Wanted(
            "cifar-10-binary.tar.gz",
            (
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
            ),
            170_052_171,
            "md5:c32a1d4ab5d03f1284b67883e8d87530",
        ),
        Wanted("cifar10h-counts.npy", (f"{_CIFAR10H}/cifar10h-counts.npy",)),
        Wanted(
            "cifar10h-raw.zip",
            ("https://github.com/jcpeterson/cifar-10h/raw/master/data/cifar10h-raw.zip",),
            optional=True,
        ),
    ),
    size=180_000_000,
    prepare=_prepare_cifar10h,
    votes=_cifar10h_votes,
    trees=("cifar-10-batches-bin",),
)


CLASS_INFO = Wanted(
    "class_info.json",
    ("https://raw.githubusercontent.com/modestyachts/ImageNetV2/master/data/metadata/class_info.json",),
)
#: The authors publish a pickle, which the user converts to JSON: see the guide on votes.
_TICKS = Wanted("data_live_2018-12-13_04-59-25_UTC.json", (), optional=True)


def class_info(fetched: FetchedFiles) -> tuple[list[str], dict[str, int]]:
    """Return ImageNet's class names by index, and the index of each WordNet id."""
    try:
        items = sorted(json.loads(fetched.paths[CLASS_INFO.name].read_bytes()), key=lambda item: item["cid"])
        names = [str(item["synset"][0]) for item in items]
        return names, {str(item["wnid"]): index for index, item in enumerate(items)}
    except (ValueError, KeyError, TypeError, IndexError) as problem:
        raise CurateError(
            f"{CLASS_INFO.name} is not ImageNetV2's list of classes ({problem}). Fetch it again."
        ) from problem


def _prepare_v2(fetched: FetchedFiles, folder: Path) -> Path:
    """Write the images with their classes: folders are named by class index, which do not sort by name."""
    classes, _ = class_info(fetched)
    archive = next(path for name, path in fetched.paths.items() if name.startswith("imagenetv2"))
    return write_images(folder / "test-00000-of-00001.parquet", _v2_rows(archive), classes)


def _v2_rows(archive: Path) -> Iterator[LabelledImage]:
    for name, image in entries(archive, _is_image):
        *_, index, file = ("", *name.split("/"))
        if not index.isdecimal():
            raise CurateError(f"{name[:80]!r} is not in a folder of a class index.")
        yield LabelledImage(f"{index}/{file}", image, int(index))


def _v2_votes(fetched: FetchedFiles, folder: DatasetFolder) -> VoteSheet | None:
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
    name = f"imagenetv2-{part}".removesuffix("-matched-frequency")
    return PublicDataset(
        name=name,
        title=f"ImageNetV2, {part}",
        home="https://github.com/modestyachts/ImageNetV2",
        licence="images from Flickr under their owners' licences, to be used as ImageNet's; code and metadata MIT",
        citation="Recht, Roelofs, Schmidt, Shankar: Do ImageNet classifiers generalize to ImageNet? ICML 2019",
        files=(Wanted(f"{file}.tar.gz", (address,), size, f"sha256:{sha256}"), CLASS_INFO, _TICKS),
        size=size,
        prepare=_prepare_v2,
        votes=_v2_votes,
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


#: The classes of Imagenette, by their numbers in WordNet.
_OF_IMAGENETTE = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
_LABELS = "noisy_imagenette.csv"


def _prepare_imagenette(fetched: FetchedFiles, folder: Path) -> Path:
    """Write the photos with the labels of which a twentieth is wrong; the column `true_label` has the right ones."""
    archive = next(iter(fetched.paths.values()))
    sheet = next((content for _, content in entries(archive, lambda name: Path(name).name == _LABELS)), b"")
    lines = {line["path"]: line for line in csv.DictReader(sheet.decode(errors="replace").splitlines())}
    if not lines:
        raise CurateError(f"What was given as Imagenette has no {_LABELS}. Fetch it again.")
    return write_images(folder / "imagenette.parquet", _imagenette_rows(archive, lines), [*_OF_IMAGENETTE.values()])


def _imagenette_rows(archive: Path, lines: dict[str, dict[str, str]]) -> Iterator[LabelledImage]:
    numbers = list(_OF_IMAGENETTE)
    for name, image in entries(archive, _is_image):
        split, _, file = parts = name.split("/")[-3:]
        try:
            line = lines["/".join(parts)]
            label = numbers.index(line["noisy_labels_5"])
            true = _OF_IMAGENETTE[line["noisy_labels_0"]]
        except (KeyError, ValueError) as problem:
            raise CurateError(f"{_LABELS} does not say what {name[:80]!r} shows. Fetch it again.") from problem
        yield LabelledImage(f"{split}/{file}", image, label, {"split": split, "true_label": true})


IMAGENETTE = PublicDataset(
    name="imagenette",
    title="Imagenette: 13,394 photos of ten classes, a twentieth of the labels for training wrong on purpose",
    home="https://github.com/fastai/imagenette",
    licence="photos of ImageNet, for research that is not commercial; the selection and its labels Apache 2.0",
    citation="Howard: Imagenette. 2019; Deng, Dong, Socher, Li, Li, Fei-Fei: ImageNet: a large-scale hierarchical "
    "image database. CVPR 2009",
    files=(
        Wanted(
            "imagenette2-160.tgz",
            ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",),
            checksum="md5:e793b78cc4c9e9a4ccc0c1155377a412",
        ),
    ),
    size=99_000_000,
    prepare=_prepare_imagenette,
    votes=lambda *_: None,
    trees=("imagenette2-160",),
)
#: The one that a newcomer is offered.
PHOTOS = IMAGENETTE.name

#: Every public dataset by name. Checksums are the published ones; `fetch` says if there is none.
PUBLIC: dict[str, PublicDataset] = {public.name: public for public in (CIFAR10H, *IMAGENETV2, IMAGENETTE)}


def find_public(name: str) -> PublicDataset:
    """Return the public dataset of that name; raise `CurateError` if there is none."""
    if name in PUBLIC:
        return PUBLIC[name]
    raise CurateError(f"Unknown public dataset {name!r}. Choose one of {', '.join(PUBLIC)}.")


def fetch_public(
    workspace: Workspace,
    name: str,
    *,
    mirror: str | None = None,
    force: bool = False,
    progress: Progress = SILENT,
) -> FetchedFiles:
    """Fetch a public dataset's files and import them, with their votes, as dataset `name`.

    `mirror`: a folder or an address with the files by their names, in place of the official ones. The same call
    resumes. `force` replaces the dataset, and takes files that are not those which came first. Progress is in
    megabytes.
    """
    public = find_public(name)
    folder = (workspace.downloads / "fetch" / name).absolute()
    fetched = FetchedFiles()
    if mirror is not None and not is_url(mirror):
        mirror = str(user_path(mirror).absolute())
        if not Path(mirror).is_dir():
            raise CurateError(f"{mirror} is not a folder.")
    first = FirstChecksums(workspace.checksums, accept=force)
    _fetch_files(public, folder, mirror, first, fetched, progress)
    progress.report(0, 0, "making a dataset of it")
    source = public.prepare(fetched, folder / "prepared")
    progress.check("cancelled; the same command again resumes")
    fetched.folder = import_dataset(workspace, name, source, force=force)
    with workspace.lock(name):
        try:
            if sheet := public.votes(fetched, fetched.folder):
                attach_sheet(fetched.folder, sheet, f"{public.title}, {public.home}", force=force)
        except CurateError as problem:
            fetched.messages.append(f"no votes were attached: {problem}")
    return fetched


def _fetch_files(
    public: PublicDataset,
    folder: Path,
    mirror: str | None,
    first: FirstChecksums,
    fetched: FetchedFiles,
    progress: Progress,
) -> None:
    """Fetch or find every file; an optional file that is not available is left out with a message."""
    done = 0
    megabytes = in_megabytes(progress, public.size, public.name)
    for tree in public.trees:
        if mirror is not None and Path(mirror, tree).is_dir():
            fetched.paths[public.files[0].name] = Path(mirror, tree)
    for wanted in public.files:
        if wanted.name in fetched.paths:
            continue
        try:
            after = megabytes.after(done, public.size)
            file = fetch_file(wanted, folder, first=first, mirror=mirror, progress=after)
        except CurateError as problem:
            if not wanted.optional:
                raise
            fetched.messages.append(f"without {wanted.name}: {problem}")
            continue
        done += file.path.stat().st_size
        fetched.paths[wanted.name] = file.path
        fetched.messages += filter(None, [file.message])
