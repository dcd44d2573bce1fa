"""A kill at every second change of the disk: a dataset, its votes and an export are the old ones or the new."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

#: Starts from one import, then a child for each moment and one that looks at what is left and tries again.
KILLED = """
    import gc, json, shutil, sys
    from pathlib import Path
    import numpy as np
    from avhcurate.workspace.data.workspace import Workspace
    from avhcurate.datasets.export.service import export
    from avhcurate.datasets.sources.service import import_dataset
    from avhcurate.datasets.table.open_dataset import open_dataset
    from avhcurate.datasets.table.filters import Filters
    from avhcurate.people.attach import attach_votes
    from tests.campaign.child import in_child
    from tests.fakes.killing import die_at_change

    gc.freeze()  # children share what was imported
    root = Path(sys.argv[1])

    def import_again(place):
        import_dataset(Workspace(place / "ws"), "pets", root / "more", force=True)

    def vote_again(place):
        attach_votes(Workspace(place / "ws"), "pets", root / "other.npy", force=True)

    def write(format, where="1=1"):
        def go(place):
            table = open_dataset(Workspace(place / "ws"), "pets")
            export(table, Filters(where=where), format, place / "out", force=True)
        return go

    def seen(place):
        workspace = Workspace(place / "ws")
        names = workspace.names()
        folder = workspace.dataset("pets")
        votes = folder.votes()
        out = place / "out"
        out = out if out.exists() else place / ".out.aside"  # between two renames; the next export puts it back
        rows = out.read_text().count(chr(10)) - 1 if out.is_file() else len(list(out.rglob("*.png")))
        return [names, len(folder.samples()), int(np.stack(votes["counts"].to_list()).sum()), rows]

    def child(work, place):
        return in_child(lambda: work(place))[:2]

    def killed(work, number):
        def go(place):
            die_at_change(number, place)
            work(place)
        return go

    def looked_at(work, place):
        left = seen(place)
        work(place)
        litter = [str(path) for path in place.rglob("*") if path.name.endswith((".tmp", ".staged", ".aside"))]
        return left, seen(place), litter

    def prepare(place):
        import_dataset(Workspace(place / "ws"), "pets", root / "pets", votes=root / "votes.npy")

    VERBS = {"import": import_again, "votes": vote_again, "csv": write("csv"), "folder": write("folder")}
    report = {}
    for verb, work in VERBS.items():
        base = root / verb / "base"
        base.mkdir(parents=True)
        steps = [prepare] + ([write(verb, "id < 2")] if verb in ("csv", "folder") else [])
        for step in steps:
            assert child(step, base)[0] == 0, child(step, base)
        old, codes = child(seen, base)[1], []
        while 0 not in codes:  # until a run is not killed any more, since it makes no more changes
            place = root / verb / str(len(codes) + 1)
            shutil.copytree(base, place, symlinks=True)
            codes.append(child(killed(work, 2 * len(codes) + 1), place)[0])
        places = [root / verb / str(number + 1) for number in range(len(codes))]
        states = child(lambda _: [looked_at(work, place) for place in places], base)[1]
        report[verb] = {"old": old, "new": states[-1][1], "codes": codes[:-1], "states": states[:-1]}
    (root / "report.json").write_text(json.dumps(report))  # DuckDB draws its progress on the output of a slow machine
"""


@pytest.mark.slow
def test_what_a_kill_leaves_is_the_old_or_the_new_and_another_try_makes_the_new(tmp_path):
    for name, count in (("pets", 4), ("more", 6)):
        for number in range(count):
            path = tmp_path / name / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (number, 0, 0)).save(path)
    np.save(tmp_path / "votes.npy", np.full((4, 2), 3))
    np.save(tmp_path / "other.npy", np.full((4, 2), 5))
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for verb, found in json.loads((tmp_path / "report.json").read_text()).items():
        assert found["old"] != found["new"]
        assert len(found["codes"]) >= 3, verb
        assert set(found["codes"]) == {-9}
        for left, after, litter in found["states"]:
            assert left in (found["old"], found["new"]), verb
            assert after == found["new"]
            assert litter == []
