"""The states of a workspace: each is made once from another by a few acts, and copied. A new state is one line."""

import csv
import io
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from avhcurate.cli import main
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate.setup import CollectionSettings, configure
from avhcurate.networks.training.digits import read_digits
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.images.decoding import encode_png
from tests.fakes.votes import answer_all, truth
from tests.fakes.workspaces import by, copied

#: The dataset of every state but those that have none, or another one.
NAME = "figures"
#: Its classes, and images of each.
CLASSES = ("nought", "one", "two", "three", "four")
OF_EACH = 26
#: Classes where they are very many.
MANY = 10_000
KEPT = Path(__file__).parents[1] / "kept" / "workspace-c5ef7647.tar.gz"

Act = str | Callable[[Path, Path], object]


@dataclass(frozen=True)
class Ended:
    """How a call of the command line ended; `code` 1 is an error of ours."""

    code: int
    out: str
    err: str


def avhcurate(root: Path, words: str) -> Ended:
    """Call the command line in this process on a workspace."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["avhcurate", *shlex.split(words), "--workspace", str(root)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as ended:
        return Ended(int(ended.code or 0), out.getvalue(), err.getvalue())
    finally:
        sys.argv = before


# --- what is imported --------------------------------------------------------------------------------------------


def write_inputs(folder: Path) -> None:
    """Write what the states are made from: photos in folders, some in the wrong one, votes, outputs of a network."""
    digits = read_digits()
    answers = [("sample", "annotator", "label")]
    for label, name in enumerate(CLASSES):
        for number, id in enumerate(np.flatnonzero(digits.labels == label)[:OF_EACH]):
            data = encode_png(Image.fromarray(digits.images[id]))
            given = CLASSES[(label + (number in _WRONG)) % len(CLASSES)]
            path = f"{'test' if number % 5 == 0 else 'train'}/{given}/{name}{number:02}.png"
            for place in ("photos", *["fewer"] * (number % 4 > 0), *["one class"] * (label == 0)):
                _write(folder / place / path, data)
            _write(folder / "unlabelled" / f"{name}{number:02}.png", data)
            if number % 2 == 0:
                answers += [(path, who, CLASSES[(label + (number % shift == 0)) % 5]) for who, shift in _ANNOTATORS]
    with open(folder / "votes.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(answers)
    with open(folder / "labelers.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, ["path", *dict(_ANNOTATORS)])
        rows.writeheader()
        for label, name in enumerate(CLASSES):
            for number in range(OF_EACH):
                said = {who: CLASSES[(label + (number % shift == 0)) % 5] for who, shift in _ANNOTATORS}
                rows.writerow({"path": f"{name}{number:02}.png"} | said)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(len(CLASSES) * OF_EACH, 8))
    weights = rng.normal(size=(len(CLASSES), 8))
    np.savez(folder / "outputs.npz", features=features, weights=weights, of_one=features[:OF_EACH])
    (folder / "parents.csv").write_text("class,parent\nnought,round\nthree,round\none,straight\n")


#: Which images of each class lie in the folder of the next one.
_WRONG = (11, 18)
#: Annotators, and of which images they say another class: every so manyth.
_ANNOTATORS = (("ann", 97), ("bob", 8), ("cai", 5))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_many(_: Path, inputs: Path) -> None:
    """Write a manifest of very many classes with an image each, and embeddings in which two classes are close."""
    folder = inputs / "many"
    with suppress(FileExistsError):
        folder.mkdir()
    stream = io.BytesIO()
    Image.new("L", (8, 8), 128).save(stream, "PNG")
    for number in range(MANY):
        (folder / f"{number:05}.png").write_bytes(stream.getvalue())
    lines = [f"{number:05}.png,class {number:05}" for number in range(MANY)]
    (folder / "many.csv").write_text("\n".join(["path,label", *lines]))
    rng = np.random.default_rng(0)
    features = rng.normal(size=(MANY, 16)).astype(np.float32)
    np.savez(folder / "outputs.npz", features=features, weights=features)


# --- the states --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """The workspace of the state `of`, "" for an empty folder, after some acts: calls, or functions of it and the
    inputs. `disk` is "read-only" or "full" once it is made. `slow` where only `make test-all` has it. `bucket`: its
    photos lie in a bucket.
    """

    of: str
    acts: tuple[Act, ...] = ()
    dataset: str = NAME
    disk: str = ""
    slow: bool = False
    bucket: bool = False


def _answers(root: Path, _: Path) -> None:
    """Two people answer in the app, one of them about what the other has decided."""
    opened = open_dataset(Workspace(root), NAME)
    settings = CollectionSettings(design="classify", queue="hardest", target=2)
    by("lead", configure, opened.votes, opened.run, opened.prediction, settings, who="lead")
    for name in ("dan", "eve"):
        answer_all(opened, name, truth(opened), 12)


def _unpack(root: Path, inputs: Path) -> None:
    """Unpack the archive; its images have moved, so they are imported from where they are."""
    with tarfile.open(KEPT) as tar:
        tar.extractall(inputs / "kept", filter="data")
    for path in (inputs / "kept" / "workspace").iterdir():
        shutil.move(path, root)
    assert avhcurate(root, f"import digits '{inputs}/kept/digits.parquet'").code == 0


_SCORE = f"score {NAME} --model avhcurate:digits --head fit"
STATES: Mapping[str, State] = {
    "empty": State("", ()),
    "fresh": State("", (f"import {NAME} '{{inputs}}/photos'",)),
    "unlabelled": State("", (f"import {NAME} '{{inputs}}/unlabelled'", f"score {NAME} --model avhcurate:digits")),
    "votes first": State(
        "",
        (
            f"import {NAME} '{{inputs}}/unlabelled'",
            f"votes {NAME} '{{inputs}}/labelers.csv'",
            f"score {NAME} --model avhcurate:digits --head fit",
        ),
    ),
    "votes after scores": State("unlabelled", (f"votes {NAME} '{{inputs}}/labelers.csv'",)),
    "votes first undone": State("votes first", (f"classes {NAME} --undo", f"classes {NAME} --undo")),
    "one class": State(
        "", (f"import {NAME} '{{inputs}}/one class'", f"attach {NAME} --features '{{inputs}}/outputs.npz:of_one'")
    ),
    "votes before scores": State("fresh", (f"votes {NAME} '{{inputs}}/votes.csv' --log",)),
    "scored": State(
        "votes before scores",
        (
            *(_SCORE, f"neighbours {NAME}", f"suspects {NAME}", f"quality {NAME}", f"predict {NAME}"),
            f"consensus {NAME}",
            *(f"saved {NAME} --save-set hard --where 'relative_avh > 0.3'", f"tag {NAME} odd --ids 3,4,5"),
            f"train {NAME} --model avhcurate:resnet20 --epochs 1",
        ),
    ),
    "two runs": State(
        "scored",
        (
            f"attach {NAME} --features '{{inputs}}/outputs.npz:features' "
            "--class-weights '{inputs}/outputs.npz:weights' --name other",
        ),
    ),
    "run removed": State("two runs", (f"remove {NAME} --run other --yes",)),
    "locked": State("fresh", (f"lock {NAME}", _SCORE, f"suspects {NAME}", f"relabel {NAME} --to one --ids 3,4,9,11")),
    "locked late": State("scored", (f"lock {NAME}",)),
    "renamed": State("scored", (f"classes {NAME} --rename nought=zero",)),
    "merged": State("scored", (f"classes {NAME} --merge one,two=few",)),
    "merged twice": State("merged", (f"classes {NAME} --merge few,three=some",)),
    "split": State("scored", (f"classes {NAME} --split one --by embeddings",)),
    "retired": State("scored", (f"classes {NAME} --retire four",)),
    "added": State("scored", (f"classes {NAME} --add other",)),
    "undone": State("merged twice", (f"classes {NAME} --undo", f"classes {NAME} --undo")),
    "retired and undone": State("retired", (f"classes {NAME} --undo",)),
    "parents": State("scored", (f"classes {NAME} --parents '{{inputs}}/parents.csv'",)),
    "decided": State(
        "scored",
        (
            f"relabel {NAME} --to two --ids 1,2,30",
            f"exclude {NAME} --ids 7,40 --reason dark",
            f"exclude {NAME} --ids 8",
        ),
    ),
    "second person": State("decided", (_answers,)),
    "decided and merged": State("second person", (f"classes {NAME} --merge one,two=few",)),
    "class excluded": State("scored", (f"exclude {NAME} --where \"label_name = 'two'\"",)),
    "all excluded": State("scored", (f"exclude {NAME} --where 'id >= 0'",)),
    "imported anew": State("decided", (f"import {NAME} '{{inputs}}/fewer' --force",)),
    "10,000 classes": State(
        "",
        (
            write_many,
            "import figures '{inputs}/many/many.csv'",
            "attach figures --features '{inputs}/many/outputs.npz:features' "
            "--class-weights '{inputs}/many/outputs.npz:weights' --name other",
        ),
        slow=True,
    ),
    "in a bucket": State("", (f"import {NAME} s3://pictures/photos", _SCORE), slow=True, bucket=True),
    "of c5ef7647": State("", (_unpack,), dataset="digits"),
    "read-only disk": State("decided", disk="read-only"),
    "full disk": State("decided", disk="full"),
}


def make(root: Path, name: str, folder_of: Callable[[str], Path], inputs: Path) -> None:
    """Make the workspace of a state in an empty folder; `folder_of` returns that of another state."""
    state = STATES[name]
    if state.of:
        root.rmdir()
        copied(folder_of(state.of), root)
    for act in state.acts:
        if callable(act):
            act(root, inputs)
            continue
        ended = avhcurate(root, act.format(inputs=inputs))
        assert ended.code == 0, (act, ended)


@contextmanager
def on_disk(root: Path, place: Path, disk: str) -> Iterator[Path]:
    """Put a copy of a workspace on a disk at `place` that is read-only, or as good as full; yield where it is."""
    place.mkdir()
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    _mount("-t", "tmpfs", "-o", f"size={2 * size + (1 << 22)}", "tmpfs", str(place))
    try:
        copied(root, place / "workspace")
        if disk == "full":
            _fill(place / "filler")
        else:
            _mount("-o", "remount,ro", str(place))
        yield place / "workspace"
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)
        shutil.rmtree(place, ignore_errors=True)


class NoDisk(Exception):
    """Nothing can be mounted here."""


def _mount(*how: str) -> None:
    if subprocess.run(["mount", *how], capture_output=True, check=False).returncode:
        raise NoDisk


def _fill(path: Path) -> None:
    """Leave no room but that of the last block."""
    with open(path, "wb", buffering=0) as stream:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while stream.write(b"x" * size):
                    pass


def rows_of(root: Path, name: str) -> Any:
    """Return the table of a dataset as a page opens it."""
    return open_dataset(Workspace(root), name)
