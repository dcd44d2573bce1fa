"""Kill -9 at every change of the disk that a verb makes; the same call again gives what an unkilled one gives."""

import hashlib
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from tests.campaign.child import avhcurate, in_child
from tests.campaign.outcome import Outcome
from tests.fakes.killing import die_at_change, is_change

#: Verbs by what is prepared for them; {} is the folder of the attempt.
VERBS: dict[str, tuple[str, ...]] = {
    "import": ("import", "more", "{}/pets"),
    "import --force": ("import", "pets", "{}/other", "--force"),
    "votes --force": ("votes", "pets", "{}/other.npy", "--force"),
    "score": ("score", "pets", "--model", "avhcurate:resnet20", "--weights", "random", "--device", "cpu"),
    "attach": ("attach", "pets", "--features", "{}/features.npy", "--class-weights", "{}/weights.npy"),
    "suspects": ("suspects", "scored", "--sources", "angular,neighbours"),
    "quality": ("quality", "pets"),
    "train": ("train", "pets", "--model", "avhcurate:resnet20", "--epochs", "1", "--device", "cpu"),
    "degrade": ("degrade", "scored", "--kinds", "noise", "--device", "cpu"),
    "select": ("select", "scored", "--rule", "avc", "--portion", "0.5", "--out", "{}/out/pseudo.csv", "--force"),
    "export csv": ("export", "scored", "--format", "csv", "--out", "{}/out/labels.csv", "--force"),
    "export folder": ("export", "pets", "--format", "folder", "--out", "{}/out/folder", "--force"),
    "report": ("report", "scored", "--out", "{}/out/report.html", "--force", "--no-images"),
    "tag": ("tag", "pets", "odd", "--ids", "1,2"),
    "rename": ("rename", "scored", "renamed"),
    "remove": ("remove", "scored", "--yes"),
}
#: Kills of one verb at most: evenly over its changes.
MOST = 60


def attack(folder: Path, seconds: float) -> Outcome:
    outcome, base = Outcome(), folder / "base"
    _files(base)
    prepared = in_child(lambda: _prepare(base))
    if prepared.code:
        raise RuntimeError(f"the campaign could not begin: {prepared.value}")
    kills, end = 0, time.monotonic() + seconds
    for place, (name, call) in enumerate(VERBS.items()):
        share = (end - time.monotonic()) / (len(VERBS) - place)
        kills += _kill_at_each(folder, base, name, call, share, outcome)
    outcome.figures = {"verbs": str(len(VERBS)), "kills": str(kills)}
    return outcome


def _kill_at_each(folder: Path, base: Path, name: str, call: tuple[str, ...], seconds: float, outcome: Outcome) -> int:
    """Kills the verb at its changes, as many as time allows; how many kills there were."""
    end = time.monotonic() + seconds
    whole = _attempt(folder, base, call, None)
    if whole.state is None:
        outcome.check(False, f"{name}: without a kill it gives {whole.text}")
        return 0
    kills = 0
    for number in _spread(whole.changes):
        found = _attempt(folder, base, call, number)
        kills += found.killed
        if found.killed:
            outcome.check(
                found.state == whole.state, f"{name}, killed at change {number} of {whole.changes}: {found.text}"
            )
        if time.monotonic() > end:
            break
    return kills


def _spread(changes: int) -> list[int]:
    """The changes to visit, from 1, so that any beginning of the list is spread over all."""
    chosen = (
        np.unique(np.linspace(1, changes, min(changes, MOST)).round().astype(int)) if changes else np.array([], int)
    )
    return np.random.default_rng(0).permutation(chosen).tolist()


class _Attempt:
    killed = False
    state: str | None = None
    text = ""
    changes = 0


def _attempt(folder: Path, base: Path, call: tuple[str, ...], number: int | None) -> _Attempt:
    """Runs the verb on a copy, killed at a change or not, then again; the state that it ends in."""
    found, place = _Attempt(), folder / "attempt"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(base, place, symlinks=True)
    words = [word.format(place) for word in call] + ["--workspace", str(place / "ws")]

    def count() -> int:
        seen = 0

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            seen += is_change(event, arguments, place)

        sys.addaudithook(hook)
        said = avhcurate(*words)
        if said.code:
            raise RuntimeError(said.err)
        return seen

    def killed() -> None:
        die_at_change(number or 0, place)
        avhcurate(*words)

    if number is None:
        ended = in_child(count)
        found.changes = ended.value if ended.code == 0 else 0
        found.text = "" if ended.code == 0 else str(ended.value)
        if ended.code:
            return found
    else:
        found.killed = in_child(killed).code == -9
        done = in_child(lambda: _state(place)).value if call[0] in ("rename", "remove") else None
        again = in_child(lambda: avhcurate(*words))
        if again.code or again.value.code:
            # What renamed or removed the dataset before the kill came is done: there is none of the old name.
            found.state, found.text = done, f"the same call again ends with {again.value}, the state was {done}"
            in_child(lambda: avhcurate("quality", "pets", "--workspace", str(place / "ws")))
            if litter := _litter(place):
                found.state, found.text = None, f"litter after the next job: {litter}"
            return found
    looked = in_child(lambda: _clean_state(place))
    found.state, found.text = (looked.value, "another state") if looked.code == 0 else (None, str(looked.value))
    return found


def _clean_state(place: Path) -> str:
    """The state, once no process left anything behind."""
    if litter := _litter(place):
        raise RuntimeError(f"litter: {litter}")
    return _state(place)


def _litter(place: Path) -> str:
    """Names of some files that a process left."""
    return ", ".join([path.name for path in place.rglob("*") if path.name.endswith((".tmp", ".staged", ".aside"))][:3])


def _state(place: Path) -> str:
    """A digest of all datasets as tables with their runs, and of what was exported; times and folders apart."""
    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.features.suspects.store import suspects_of
    from avhcurate.workspace.data.workspace import Workspace

    digest, space = hashlib.sha256(), Workspace(place / "ws")
    for name in space.names():
        table = open_table(space, name)
        digest.update(name.encode())
        for frame in [table.table, *(folder.suspects() for folder in (suspects_of(table.run) if table.run else []))]:
            text = frame.astype(str).drop(columns=[c for c in frame if str(c).startswith("_")])
            digest.update(pd.util.hash_pandas_object(text, index=False).to_numpy().tobytes())
    for path in sorted((place / "out").rglob("*")):
        if path.suffix not in (".json", ".html"):  # manifests and the report tell the time
            digest.update(path.relative_to(place).as_posix().encode())
            digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def _files(base: Path) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("pets", 24), ("other", 30)):
        for number in range(count):
            path = base / name / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    (base / "out").mkdir()
    np.save(base / "votes.npy", rng.integers(1, 9, (24, 2)))
    np.save(base / "other.npy", rng.integers(1, 9, (24, 2)))
    np.save(base / "features.npy", rng.normal(size=(24, 8)).astype(np.float32))
    np.save(base / "weights.npy", rng.normal(size=(2, 8)).astype(np.float32))


def _prepare(base: Path) -> None:
    space = ("--workspace", str(base / "ws"))
    calls: list[Callable[[], object]] = [
        lambda: avhcurate("import", "pets", str(base / "pets"), "--votes", str(base / "votes.npy"), *space),
        lambda: avhcurate("import", "scored", str(base / "pets"), "--votes", str(base / "votes.npy"), *space),
        lambda: avhcurate("score", "scored", "--model", "avhcurate:resnet20", "--weights", "random", *space),
    ]
    for call in calls:
        said = call()
        if said.code:  # type: ignore[attr-defined]
            raise RuntimeError(said.err)  # type: ignore[attr-defined]
