"""A workspace of an earlier version, used on: read by every verb, decided in, scored, merged, exported, looked at.

`tests/kept/workspace-86d52e37.tar.gz` was made by the code of 86d52e37, the last commit of 30 November 2026, as that of
c5ef7647 was by its own, and is never made again. It holds `digits.parquet`, 120 images of which six have a wrong label,
and `workspace/`, in this order: `lock`, simulated votes, `score --head fit --folds 3` and `score` by
`avhcurate:digits`, `neighbours --count 4`, `quality`, `suspects`, `project`, `predict` and a role; olga accepts three
suspects and keeps two, tags three images, untags one, relabels one and takes that back, and saves a set; paul relabels
image 13, excludes three and saves a view; ann answers every image and bob 60, of which he takes one back;
`self-train` for one round, and `suspects` again.
"""

import json
import shlex
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import TILES, expect, open_at, settled
from tests.fakes.waiting import wait_until
from tests.journeys.pictures import all_loaded

pytestmark = [pytest.mark.slow, pytest.mark.browser]

KEPT = Path(__file__).parents[1] / "kept"
#: Of each archive: curated labels that differ from the given ones, what is excluded, and at least how many entries the
#: history and how many answers the votes have (in the older one an annotator does not count).
ARCHIVES = {
    "c5ef7647": {"relabelled": {5: 9}, "excluded": [40, 41], "entries": 7, "answers": 119},
    "86d52e37": {"relabelled": {13: 8}, "excluded": [40, 41, 50], "entries": 9, "answers": 179},
}
#: Every verb that reads, and how it may end: 3 where nothing is found.
READING = {
    "list": (0,),
    "jobs": (0,),
    "roles list": (0,),
    "columns digits": (0,),
    "history digits": (0,),
    "saved digits": (0,),
    "diff digits": (0,),
    "models digits": (0,),
    "models digits --by label": (0,),
    "classes digits": (0,),
    "correlate digits": (0,),
    "correlate digits --analysis adding": (0,),
    "disagree digits": (0, 3),
    "disagree digits --predicted": (0, 3),
    "suspects digits": (0, 3),
    "payoff digits": (0, 2),  # the older one has no locked part
    "votes-out digits --out votes.csv": (0,),
    "select digits --rule avc --portion 0.5 --out pseudo.csv": (0,),
    "split digits --shares 0.8,0.2 --out split.csv": (0,),
    "report digits --out report.html": (0,),
    "report digits --card README.md": (0,),
    "export digits --out before.csv": (0,),
    "check": (0,),
}
PAGES = (
    *("", "gallery", "gallery?sample=5", "map", "disagreement", "correlation", "models", "suspects", "quality"),
    *("annotate", "annotators", "saved", "saved?saved.part=changes", "classes", "payoff", "pseudo_labels"),
    *("self_training", "training_dynamics", "degradation"),
)


@pytest.fixture(params=ARCHIVES)
def kept(request, tmp_path, monkeypatch):
    """A folder as its owner left it, in which the new version is called; with what the archive is known to hold."""
    with tarfile.open(KEPT / f"workspace-{request.param}.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(tmp_path / "workspace"))
    return ARCHIVES[request.param]


@pytest.fixture
def call(cli):
    """Calls a verb, which must end well."""

    def called(line, *codes):
        ended = cli(*shlex.split(line))
        assert ended.code in (codes or (0,)), (line, ended.code, ended.err)
        return ended

    return called


def curated(path):
    return pd.read_csv(path).set_index("id")["curated_label_name"].to_dict()


def test_a_workspace_of_before_is_read_and_used_on(kept, call, page, serve):
    space = Workspace(Path("workspace"))
    for line, codes in READING.items():
        call(line, *codes)
    before = pd.read_csv("before.csv").set_index("id")
    assert len(before) == 120 - len(kept["excluded"])
    changed = before["curated_label"][before["curated_label"] != before["label"]]
    assert changed.to_dict().items() >= kept["relabelled"].items()
    assert set(range(120)) - set(before.index) == set(kept["excluded"])
    assert len(json.loads(call("history digits --json").out)["entries"]) >= kept["entries"]
    assert len(pd.read_csv("votes.csv")) >= kept["answers"]

    # Every page, with its pictures, before anything is written.
    address = serve(space.root.absolute())
    for place in PAGES:
        look(page, f"{address}/{place}")

    # The images have moved: they are imported from where they are. All that people decided stays.
    call("import digits digits.parquet")
    call("export digits --out again.csv")
    assert curated("again.csv") == curated("before.csv")

    # A decision by its key in the browser, and one in a shell; another score; a merge.
    open_at(page, f"{address}/gallery?dataset=digits&sort=id&descending=false")
    page.locator(TILES).first.focus()
    page.keyboard.press("x")
    opened = open_dataset(space, "digits")
    wait_until(lambda: opened.refresh() or opened.samples.sample(0)["excluded"])
    call("relabel digits --to 7 --ids 1")
    call("score digits --model avhcurate:digits --head fit --folds 4")
    call("suspects digits", 0, 3)
    call("classes digits --merge '3,8=curved'")
    call("export digits --out after.csv")
    after = curated("after.csv")
    wanted = {id: label for id, label in curated("before.csv").items() if id != 0} | {1: 7}
    assert {id: str(label) for id, label in after.items()} == {
        id: "curved" if label in (3, 8) else str(label) for id, label in wanted.items()
    }
    open_at(page, f"{address}/classes?dataset=digits")
    expect(settled(page).get_by_text("curved is 3 + 8").first).to_be_visible()
    for place in PAGES:
        look(page, f"{address}/{place}")
    call("classes digits --undo")
    call("export digits --out undone.csv")
    assert curated("undone.csv") == wanted
    call("check")
    call("export digits --format hf --out hub")
    call("export digits --format cleanlab --out cleanlab")
    assert len(pd.read_parquet("hub/data")) == len(wanted)


def look(page, address):
    """Opens a page: nothing raises, and every picture in the window has come."""
    open_at(page, address)
    assert page.locator("[data-testid=stException]").count() == 0, address
    all_loaded(page)
