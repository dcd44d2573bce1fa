"""Kill -9 at every change of the disk that a verb makes; the same call again gives what an unkilled one gives.

Where strace may be used, at system calls, so that changes by SQLite and Arrow count; elsewhere at changes by Python.
"""

import hashlib
import shutil
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd

from tests.fakes.campaign.images import two_classes
from tests.fakes.campaign.outcome import Outcome
from tests.fakes.child import Said, avhcurate, in_child
from tests.fakes.datasets import write_images
from tests.fakes.killing import calls_in, die_at_call, die_at_change, is_change, trace_calls
from tests.fakes.outside import can_trace

#: Verbs by what is prepared for them; {} is the folder of the attempt.
VERBS: dict[str, tuple[str, ...]] = {
    "import": ("import", "more", "{}/pets"),
    "upload": ("upload", "sent", "{}/pets.zip"),
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
    "export yolo": ("export", "pets", "--format", "yolo", "--out", "{}/out/yolo", "--force"),
    "export webdataset": ("export", "pets", "--format", "webdataset", "--out", "{}/out/shards", "--force"),
    "report": ("report", "scored", "--out", "{}/out/report.html", "--force", "--no-images"),
    "report --card": ("report", "scored", "--card", "{}/out/README.md", "--force"),
    "neighbours": ("neighbours", "scored"),
    "predict": ("predict", "scored"),
    "consensus": ("consensus", "scored"),
    "certify": ("certify", "scored", "--at-most", "0.5"),
    "project": ("project", "scored"),
    "self-train": ("self-train", "--source", "scored", "--target", "target", "--rounds", "1", "--epochs", "1"),
    "votes-out": ("votes-out", "pets", "--out", "{}/out/votes.csv", "--force"),
    "split": ("split", "pets", "--shares", "0.5,0.5", "--as-sets", "part", "--force"),
    "tag": ("tag", "pets", "odd", "--ids", "1,2"),
    "lock": ("lock", "pets", "--share", "0.5"),
    "classes": ("classes", "scored", "--merge", "a,b=c"),
    "relabel": ("relabel", "pets", "--ids", "1", "--to", "b"),
    "exclude": ("exclude", "pets", "--ids", "3"),
    "saved": ("saved", "pets", "--save-set", "mine", "--ids", "1,2,3"),
    "history --undo": ("history", "scored", "--undo", "1"),
    "roles": ("roles", "grant", "ann@example.org", "curator"),
    "default": ("default", "scored", "avhcurate:resnet20"),
    "rename": ("rename", "scored", "renamed"),
    "remove": ("remove", "scored", "--yes"),
    "check --repair": ("repair",),
    "remove --run": ("remove", "scored", "--run", "{run}", "--yes"),
}
#: Kills of one verb at most: evenly over its changes.
MOST = 60
#: Kills in all at least, whatever the time.
LEAST = 10


#: Verbs whose second call is refused: the first has done it.
ONCE = ("rename", "remove", "history")
#: A call of the system and its number, or the number of a change by Python.
Moment = tuple[str, int]


def attack(folder: Path, seconds: float) -> Outcome:
    outcome, base = Outcome(), folder / "base"
    _files(base)
    prepared = in_child(lambda: _prepare(base), limit=600)
    if prepared.code:
        raise RuntimeError(f"the campaign could not begin: {prepared.value}")
    killer = _Killer(folder, base, can_trace())
    kills, verbs, end = 0, 0, time.monotonic() + seconds
    for place, (name, call) in enumerate(VERBS.items()):
        share = (end - time.monotonic()) / (len(VERBS) - place)
        if share < 0 and kills >= LEAST:
            break
        kills += killer.kill_at_each(name, call, share, outcome)
        verbs += 1
    moments = "system calls" if killer.traces else "changes by Python: strace cannot be used here"
    outcome.figures = {"verbs": f"{verbs} of {len(VERBS)}", "kills": f"{kills} at {moments}"}
    return outcome


def _spread(moments: Sequence[Moment]) -> list[Moment]:
    """The moments to visit, in an order of which any beginning is spread over all."""
    chosen = np.unique(np.linspace(0, len(moments) - 1, min(len(moments), MOST)).round().astype(int))
    return [moments[place] for place in np.random.default_rng(0).permutation(chosen)]


class _Killer:
    """Kills a verb on copies of a folder; `traces`: at calls of the system."""

    def __init__(self, folder: Path, base: Path, traces: bool) -> None:
        self.base, self.traces = base, traces
        self.place, self.log = folder / "attempt", folder / "calls"

    def kill_at_each(self, name: str, call: tuple[str, ...], seconds: float, outcome: Outcome) -> int:
        """Kill the verb at its changes, as many as time allows; return how many kills there were."""
        end = time.monotonic() + seconds
        words = self._prepared(call)
        ended = in_child(lambda: self._count(words))
        if ended.code:
            outcome.check(False, f"{name}: without a kill it gives {ended.value}")
            return 0
        moments, kills = ended.value, 0
        if self.traces:
            moments = calls_in(self.log, self.place)
        whole = in_child(lambda: _clean_state(self.place))
        outcome.check(whole.code == 0 and bool(moments), f"{name}: without a kill: {whole.value}, {moments[:1]}")
        for moment in _spread(moments) if moments else []:
            words = self._prepared(call)
            if in_child(lambda: self._killed(words, moment)).code == -9:  # noqa: B023
                kills += 1
                state, text = self._again(words)
                outcome.check(state == whole.value, f"{name}, killed at {moment} of {len(moments)}: {text}")
            if time.monotonic() > end:
                break
        return kills

    def _prepared(self, call: tuple[str, ...]) -> list[str]:
        """Return the words of a call on a new copy."""
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.base, self.place, symlinks=True)
        (run,) = (self.place / "ws" / "datasets" / "scored" / "runs").iterdir()
        words = [word.format(self.place, run=run.name) for word in call]
        if words == ["repair"]:
            damage(self.place / "ws" / "annotations.db")
            words = ["check", "--repair"]
        return [*words, "--workspace", str(self.place / "ws")]

    def _count(self, words: list[str]) -> list[Moment]:
        moments: list[Moment] = []

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if is_change(event, arguments, self.place):
                moments.append(("change", len(moments) + 1))

        if self.traces:
            trace_calls(self.log)
        else:
            sys.addaudithook(hook)
        said = _call(words)
        if said.code:
            raise RuntimeError(said.err)
        return moments

    def _killed(self, words: list[str], moment: Moment) -> None:
        if self.traces:
            die_at_call(*moment)
        else:
            die_at_change(moment[1], self.place)
        _call(words)

    def _again(self, words: list[str]) -> tuple[object, str]:
        """Make the call again after a kill; return the state that it leaves, and what else there is to say."""
        done = in_child(lambda: _state(self.place)).value if words[0] in ONCE else None
        again = in_child(lambda: _call(words))
        if again.code or again.value.code:
            # What was done before the kill came is done: there is no dataset of the old name, or nothing to undo.
            in_child(lambda: avhcurate("quality", "pets", "--workspace", str(self.place / "ws")))
            if litter := _litter(self.place):
                return None, f"litter after the next job: {litter}"
            return done, f"the same call again ends with {again.value}, the state was {done}"
        looked = in_child(lambda: _clean_state(self.place))
        if looked.code:
            return None, str(looked.value)
        return looked.value, "another state"


def _call(words: list[str]) -> Said:
    """Call the command line; `upload` sends a file as a browser does, and imports it."""
    if words[0] == "upload":
        from avhcurate.datasets.sources.uploads import keep_upload
        from avhcurate.workspace.data.workspace import Workspace

        _, name, file, *space = words
        with open(file, "rb") as stream:
            kept = keep_upload(Workspace(space[1]), Path(file).name, stream)
        words = ["import", name, str(kept), *space]
    return avhcurate(*words)


def damage(database: Path) -> None:
    """Write over a page of an index: all rows can be read, and the database is damaged."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_events_dataset'"
        ((page,),) = connection.execute(query).fetchall()
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    with open(database, "rb+") as stream:
        stream.seek((page - 1) * size)
        stream.write(b"\xff" * size)


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
    from avhcurate.datasets.table.open_dataset import open_dataset
    from avhcurate.features.suspects.store import suspects_of
    from avhcurate.workspace.data.logs import open_events
    from avhcurate.workspace.data.roles import role_events
    from avhcurate.workspace.data.workspace import Workspace

    digest, space = hashlib.sha256(), Workspace(place / "ws")
    for name in space.names():
        opened = open_dataset(space, name)
        digest.update(name.encode())
        for frame in [
            opened.samples.frame(),
            *(folder.suspects() for folder in (suspects_of(opened.run) if opened.run else [])),
        ]:
            text = frame.astype(str).drop(columns=[c for c in frame if str(c).startswith("_")])
            digest.update(pd.util.hash_pandas_object(text, index=False).to_numpy().tobytes())
        log = open_events(space.root)
        for event in log.saved(opened.dataset.id, "set"):
            digest.update(f"{event.name} {log.members(event.id).to_pylist()}".encode())
        digest.update(opened.dataset.record.default_run.encode())
    digest.update(str(sorted(role_events(open_events(space.root)))).encode())
    for path in sorted((place / "out").rglob("*")):
        if path.suffix not in (".json", ".html"):  # manifests and the report tell the time
            digest.update(path.relative_to(place).as_posix().encode())
            digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def _files(base: Path) -> None:
    rng = np.random.default_rng(0)
    for name, count in (("pets", 32), ("other", 30)):
        pixels = rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
        write_images(base / name, dict(zip(two_classes(count), pixels, strict=True)))
    (base / "out").mkdir()
    shutil.make_archive(str(base / "pets"), "zip", base / "pets")
    np.save(base / "votes.npy", rng.integers(1, 9, (32, 2)))
    np.save(base / "other.npy", rng.integers(1, 9, (32, 2)))
    np.save(base / "features.npy", rng.normal(size=(32, 8)).astype(np.float32))
    np.save(base / "weights.npy", rng.normal(size=(2, 8)).astype(np.float32))


def _prepare(base: Path) -> None:
    space = ("--workspace", str(base / "ws"))
    votes, model = ("--votes", str(base / "votes.npy")), ("--model", "avhcurate:resnet20", "--weights", "random")
    for call in (
        ("import", "pets", str(base / "pets"), *votes),
        ("import", "scored", str(base / "pets"), *votes),
        ("import", "target", str(base / "other")),
        ("import", "changed", str(base / "pets")),
        ("classes", "changed", "--rename", "a=c"),
        ("score", "scored", *model),
        ("score", "target", *model),
        ("tag", "scored", "first", "--ids", "0"),
    ):
        said = avhcurate(*call, *space)
        if said.code:
            raise RuntimeError(said.err)
