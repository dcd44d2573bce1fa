"""A workspace of c5ef7647 opens in this version: it reads the same, and can be written to.

The code of c5ef7647 made it, called by `tests/kept/make.py` of 78545d62: one of each kind of record, and the images.
"""

import json
import tarfile
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import avhcurate
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.history import entry_text, history_entries
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate import annotators, answers, queue
from avhcurate.features.map.store import MapFolder
from avhcurate.features.suspects.store import OutOfFoldFolder, SuspectsFolder
from avhcurate.lab.degradation.service import DegradationFolder
from avhcurate.networks.neighbours.graph import NeighbourGraph
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.event_tables import TABLES
from avhcurate.workspace.data.log_tables import METADATA
from avhcurate.workspace.data.logs import open_events
from avhcurate.workspace.data.prediction import PredictionFolder
from avhcurate.workspace.data.quality import QualityFolder
from avhcurate.workspace.data.roles import roles
from avhcurate.workspace.data.runs import RunFolder
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.trainings import TrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.votes import answer_all, truth
from tests.fakes.workspaces import by

ARCHIVE = Path(__file__).parent / "kept" / "workspace-c5ef7647.tar.gz"
RUN, FITTED = "avhcurate-digits-cd4c7d55", "avhcurate-digits-fit-95114166"
#: How many folders of each kind there are.
FOLDERS = {
    DatasetFolder: 1,
    RunFolder: 3,
    NeighbourGraph: 3,
    OutOfFoldFolder: 1,
    SuspectsFolder: 2,
    MapFolder: 2,
    DegradationFolder: 1,
    QualityFolder: 1,
    PredictionFolder: 1,
    TrainingFolder: 1,
    SelfTrainingFolder: 1,
}
HISTORY = [
    "save view threes",
    "save set hard",
    "exclude blurred on 2 images",
    "relabel on 1 image",
    "relabel on 1 image",
    "untag odd on 1 image",
    "tag odd on 3 images",
]


@pytest.fixture
def kept(tmp_path):
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(tmp_path, filter="data")
    return Workspace(tmp_path / "workspace")


def test_scores_votes_and_decisions_are_those_that_were_written(kept):
    rows = avhcurate.open(kept.root, "digits", RUN).table.set_index("id")
    assert len(rows) == 120
    assert rows["avh"].sum() == pytest.approx(4.605328)
    assert rows.loc[5, ["avh", "confidence"]].tolist() == pytest.approx([0.0403605, 0.9644509])
    assert rows.loc[69, "neighbour_angle"] == pytest.approx(0.9814055)
    assert rows["brightness"].sum() == pytest.approx(36.157292)
    assert (rows["votes"].sum(), rows["hsf"].sum()) == (119, 52.5)
    assert rows["hsf_predicted"].notna().all()
    assert rows["tags"][rows["tags"].map(len) > 0].to_dict() == {
        3: ["odd"],
        20: ["odd"],
        40: ["blurred"],
        41: ["blurred"],
    }
    assert rows.index[rows["excluded"]].tolist() == [40, 41]
    assert rows["curated_label"][rows["curated_label"] != rows["label"]].to_dict() == {5: 9}


def test_votes_and_annotators_are_those_that_were_written(kept):
    attached = kept.dataset("digits").record.votes
    assert (attached.simulated, attached.total, attached.samples) == (True, 6000, 120)
    opened = open_dataset(kept, "digits")
    people = annotators.annotators(opened.votes).set_index("annotator")
    assert people["votes"].to_dict() == {"ann": 60, "bob": 59, "cyd": 60}
    assert people["why"].to_dict() == {"ann": "", "bob": "", "cyd": "says three of everything"}
    assert people["excluded"].tolist() == [False, False, True]
    (ruling,) = annotators.status_changes(opened.votes).to_dict("records")
    assert (ruling["annotator"], ruling["action"], ruling["who"]) == ("cyd", "exclude", "olga")
    assert opened.votes.log.counts("digits") == (180, 3)


def test_history_sets_views_and_roles_are_those_that_were_written(kept):
    opened = open_dataset(kept, "digits")
    entries, count = history_entries(opened.decisions)
    assert [entry_text(entry) for entry in entries] == HISTORY
    assert (count, {entry.who for entry in entries}) == (7, {"olga"})
    assert [entry.id for entry in entries if entry.undone_by] == [5]
    saved = Saved(kept, "digits")
    assert saved.members("hard") == ["0001.png", "0002.png", "0003.png", "0005.png"]
    assert (saved.view("threes").page, saved.view("threes").query) == ("gallery", {"label": "3"})
    (role,) = roles(open_events(kept.root))
    assert (role.value, role.details) == ("ann@example.org", "annotator")


def test_every_record_is_read(kept, cli):
    for kind, count in FOLDERS.items():
        folders = [kind(path.parent) for path in kept.root.rglob(kind.FILE)]
        assert [getattr(folder, "complete", folder.record is not None) for folder in folders] == [True] * count, kind
    jobs = list(Jobs(kept.root).all())
    assert len(jobs) == 10
    assert {job.state for job in jobs} == {"done"}
    (adapted,) = kept.dataset("digits").self_trainings()
    assert [adapted.report(number).selected > 0 for number in adapted.rounds()] == [False, True]
    fitted = kept.dataset("digits").run(FITTED).record.fitted
    assert (fitted.folds, fitted.accuracy, fitted.loss) == (3, 0.975, pytest.approx(0.0559245))
    assert cli("check", "--workspace", kept.root).code == 0


def test_its_tables_are_those_of_a_new_database(kept):
    """Who changes the tables adds a step: see CONTRIBUTING.md."""
    with open_events(kept.root).engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "avhcurate_version"})
        assert compare_metadata(context, [TABLES, METADATA]) == []


def test_it_can_be_written_to(kept):
    opened = open_dataset(kept, "digits")
    answer_all(opened, "dan", truth(opened), 10)
    assert answers.take_back(opened.votes, "dan")
    assert queue.progress(opened.decisions, opened.votes, opened.run, "dan").answers == 9
    annotate(opened.decisions, [8, 9], "tag", "new")
    annotate(opened.decisions, [10], "relabel", 2)
    assert by(opened.decisions.log.last("digits").who, opened.decisions.log.undo, "digits").action == "relabel"
    Saved(kept, "digits").save_set("new", [8, 9])
    again = avhcurate.open(kept.root, "digits", RUN).table.set_index("id")
    assert again["votes"].sum() == 119 + 9
    assert again.index[again["tags"].map(lambda tags: "new" in tags)].tolist() == [8, 9]
    assert again["curated_label"].tolist()[10] == again["label"].tolist()[10]


def test_it_is_imported_and_scored_again(kept, cli):
    source = kept.root.parent / "digits.parquet"  # it has moved since
    where = ("--workspace", kept.root)
    assert cli("import", "digits", source, *where).code == 0
    assert [run.name for run in kept.dataset("digits").runs() if run.complete][:1] == [RUN]
    scored = cli("score", "digits", "--model", "avhcurate:digits", "--limit", 30, *where)
    assert scored.code == 0, scored.err
    new = kept.dataset("digits").runs()[-1]
    (first,) = (run for run in kept.dataset("digits").runs() if run.name == RUN)
    ids = new.scored_ids()
    assert len(ids) == 30
    assert new.features_of(ids) == pytest.approx(first.features_of(ids), abs=1e-4)
    assert json.loads((kept.root / "datasets/digits/dataset.json").read_text())["source"] == str(source)


def test_after_another_step_it_reads_the_same_and_can_be_written_to(kept, update):
    taken = update()
    test_scores_votes_and_decisions_are_those_that_were_written(kept)
    test_votes_and_annotators_are_those_that_were_written(kept)
    test_history_sets_views_and_roles_are_those_that_were_written(kept)
    test_it_can_be_written_to(kept)
    assert taken.read_text() == "taken "
