"""Changes of classes: what follows them in labels, votes, HSF, relabels, views, exports and runs, and undo."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import softmax

from avhcurate.datasets.curate import classes
from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.history import describe, history_entries, undo_entry
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.export.service import export
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.levels import at_parents
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.errors import CurateError, Option
from avhcurate.features.suspects.service import find_suspects
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.features.suspects.store import suspects_of
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring.fitted_heads import heads_to_fit
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.people.attach import attach, attach_sheet, attach_votes
from avhcurate.people.files.sheet import VoteSheet
from avhcurate.workspace.data.event import CLASS_ACTIONS
from avhcurate.workspace.data.people import Person, Role, acting_as
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.refusals import refused
from tests.fakes.workspaces import copied

NAMES = [str(digit) for digit in range(10)]


def again(opened: OpenDataset) -> OpenDataset:
    return open_dataset(opened.workspace, opened.samples.name)


def files_of(opened: OpenDataset) -> dict[str, bytes]:
    """The files of the import and of the run, without what is made of them for today's classes."""
    paths = [path for path in opened.dataset.root.rglob("*") if path.is_file() and path.suffix in (".parquet", ".npy")]
    return {str(path): path.read_bytes() for path in paths if "-today-" not in path.name}


def test_a_renamed_class_keeps_images_votes_relabels_and_scores(own_digits):
    annotate(own_digits.decisions, [0, 1], "relabel", 3)
    before = own_digits.samples.frame()
    classes.rename(own_digits.decisions, own_digits.workspace, "3", "three")
    assert not own_digits.decisions.current
    after = again(own_digits)
    assert after.samples.classes == (*NAMES[:3], "three", *NAMES[4:])
    assert (
        after.samples.frame(columns=["id", "curated_label_name"]).loc[[0, 1], "curated_label_name"].tolist()
        == ["three"] * 2
    )
    names = ["label_name", "predicted_name", "curated_label_name"]
    pd.testing.assert_frame_equal(after.samples.frame().drop(columns=names), before.drop(columns=names))
    assert after.run.today is None  # nothing is made anew where only a name is another one


def test_a_merged_class_has_the_sum_of_probabilities_and_votes(own_digits):
    run = own_digits.run
    logits = run.logits_of(np.arange(own_digits.samples.size))
    counts = np.stack(own_digits.votes.by_sample()["counts"].to_list())
    voted = own_digits.votes.by_sample()["id"].to_numpy()
    before = own_digits.samples.frame()
    untouched = files_of(own_digits)

    classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "round")
    after = again(own_digits)
    table = after.samples.frame()
    assert after.samples.classes == ("0", "1", "2", "round", "4", "5", "6", "7", "9")
    merged = before["label"].isin([3, 8]).to_numpy()
    assert (table["label_name"].to_numpy() == np.where(merged, "round", before["label_name"])).all()

    probs = softmax(logits, axis=1)
    summed = np.delete(probs, 8, axis=1)
    summed[:, 3] += probs[:, 8]
    labels = table["label"].to_numpy(int)
    rows = np.arange(len(labels))
    np.testing.assert_allclose(softmax(after.run.logits_of(rows), axis=1), summed, atol=1e-12)
    np.testing.assert_allclose(table["confidence"], summed[rows, labels], rtol=1e-6)
    assert (table["predicted"] == summed.argmax(axis=1)).all()
    # Another class keeps its AVH; that of the merged one is absent, and so are class weights for whatever asks.
    assert table.loc[merged, "avh"].isna().all()
    pd.testing.assert_series_equal(table.loc[~merged, "avh"], before.loc[~merged, "avh"])
    assert not after.run.has_class_weights
    with refused("round", Option("head", "fit")):
        after.run.class_weights()

    sums = np.delete(counts, 8, axis=1)
    sums[:, 3] += counts[:, 8]
    np.testing.assert_array_equal(np.stack(after.votes.by_sample()["counts"].to_list()), sums)
    hsf = sums[np.arange(len(voted)), labels[voted]] / sums.sum(axis=1)
    np.testing.assert_allclose(table.loc[voted, "hsf"], hsf)
    assert files_of(own_digits) == untouched


def test_undo_brings_back_every_number(own_digits):
    before = own_digits.samples.frame()
    classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "3")
    classes.retire(again(own_digits).decisions, again(own_digits).workspace, "5")
    assert undo(again(own_digits).decisions, actions=CLASS_ACTIONS).action == "retire class"
    opened = again(own_digits)
    entries, _ = history_entries(opened.decisions)
    (entry,) = [entry for entry in entries if not entry.undone_by]
    assert describe(entry, opened.samples.classes) == "merged the classes 3, 8 → 3"
    undo_entry(opened.decisions, entry.key)
    pd.testing.assert_frame_equal(again(own_digits).samples.frame(), before)


def test_a_retired_class_leaves_images_without_a_label_and_no_votes(own_digits):
    annotate(own_digits.decisions, [0], "relabel", 5)
    fives = own_digits.samples.frame()["label"].to_numpy() == 5
    logits = own_digits.run.logits_of(np.arange(own_digits.samples.size))
    classes.retire(own_digits.decisions, own_digits.workspace, "5")
    after = again(own_digits)
    table = after.samples.frame()
    assert table.loc[fives, ["label", "hsf", "confidence"]].isna().all(axis=None)
    assert table["curated_label"].equals(table["label"].astype(table["curated_label"].dtype))
    np.testing.assert_allclose(
        softmax(after.run.logits_of(np.arange(len(table))), axis=1),
        softmax(np.delete(logits, 5, axis=1), axis=1),
        atol=1e-12,
    )
    np.testing.assert_array_equal(
        after.run.class_weights(), np.delete(own_digits.dataset.run().as_made.class_weights(), 5, axis=0)
    )
    assert table.loc[~fives, "avh"].notna().all()


def test_an_added_class_takes_labels_and_the_run_says_that_it_does_not_know_it(own_digits):
    classes.add(own_digits.decisions, own_digits.workspace, "zebra")
    after = again(own_digits)
    assert annotate(after.decisions, [4, 5], "relabel", after.samples.classes.index("zebra")) == 2
    assert (
        after.samples.frame(columns=["id", "curated_label_name"]).loc[[4, 5], "curated_label_name"].tolist()
        == ["zebra"] * 2
    )
    assert after.run.today.lacking == ["zebra"]
    assert softmax(after.run.logits_of(np.array([4])), axis=1)[0, -1] < 1e-20
    assert after.samples.frame()["avh"].notna().all()


def test_a_split_gives_images_to_parts_and_a_vote_counts_for_the_part(own_digits):
    threes = own_digits.samples.order(Filters(classes=(3,)))
    annotate(own_digits.decisions, threes[:5], "tag", "bold")
    hsf = own_digits.samples.frame()["hsf"]
    classes.split(own_digits.decisions, own_digits.workspace, "3", classes.parts_by(own_digits.samples, "3", "bold"))
    after = again(own_digits)
    table = after.samples.frame()
    assert after.samples.classes == (*NAMES, "3 bold")
    assert table.index[table["label_name"] == "3 bold"].tolist() == sorted(threes[:5].tolist())
    pd.testing.assert_series_equal(table["hsf"], hsf)  # who said 3 was not asked which
    assert table.loc[threes[:5], ["predicted", "confidence", "avh"]].isna().all(axis=None)
    assert table.loc[threes[5:], ["predicted", "confidence", "avh"]].notna().all(axis=None)
    with refused("nothing"):
        classes.parts_by(after.samples, "3", "nothing")
    # A part is a class like another.
    classes.merge(after.decisions, after.workspace, ["3 bold", "8"], "8")
    merged = again(after)
    assert set(merged.samples.frame().loc[threes[:5], "label_name"]) == {"8"}


def test_responses_in_the_log_keep_their_meaning(own_digits):
    log = own_digits.votes.log
    assert log.columns(own_digits.dataset.id).version is not None
    counted = own_digits.votes
    classes.rename(own_digits.decisions, own_digits.workspace, "7", "seven")
    after = again(own_digits).votes
    np.testing.assert_array_equal(after.counts.hits, counted.counts.hits)


def test_views_follow_the_names(own_digits):
    saved = Saved(own_digits.workspace, "digits")
    saved.save_view("nines", {"class": "9"}, "gallery")
    classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "3")
    assert Saved(own_digits.workspace, "digits").view("nines").query["class"] == "8"


def test_names_that_mean_something_else_are_refused(own_digits):
    with pytest.raises(CurateError, match="Unknown class zebra"):
        classes.rename(own_digits.decisions, own_digits.workspace, "zebra", "horse")
    with refused(4):
        classes.rename(own_digits.decisions, own_digits.workspace, "3", "4")
    with pytest.raises(CurateError, match="two classes or more"):
        classes.merge(own_digits.decisions, own_digits.workspace, ["3"], "three")
    classes.rename(own_digits.decisions, own_digits.workspace, "3", "three")
    with refused(3, "three", "votes"):
        classes.add(again(own_digits).decisions, again(own_digits).workspace, "3")
    classes.rename(again(own_digits).decisions, again(own_digits).workspace, "three", "3")  # the way back
    assert list(again(own_digits).samples.classes) == NAMES
    classes.add(own_digits.decisions, own_digits.workspace, "zebra")  # a table of before: names are those of now
    with refused("zebra"):
        classes.add(own_digits.decisions, own_digits.workspace, "zebra")


def test_only_curators_change_classes(own_digits):
    with acting_as(Person("ann", Role.ANNOTATOR)), pytest.raises(CurateError, match="curator"):
        classes.add(own_digits.decisions, own_digits.workspace, "zebra")
    assert again(own_digits).samples.classes == tuple(NAMES)


def test_another_import_and_its_votes_follow_the_changes(tmp_path):
    workspace = Workspace(tmp_path / "w")
    rows = pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "label": ["cat", "lynx", "dog"]})
    for name in rows["path"]:
        _image(tmp_path / name)
    rows.to_csv(tmp_path / "list.csv", index=False)
    import_dataset(workspace, "pets", tmp_path / "list.csv")
    classes.merge(
        open_dataset(workspace, "pets").decisions, open_dataset(workspace, "pets").workspace, ["cat", "lynx"], "feline"
    )
    raw = pq.read_table(workspace.dataset("pets").imported_path)["label"]
    assert raw.to_pylist() == [0, 2, 1]
    assert open_dataset(workspace, "pets").samples.classes == ("feline", "dog")
    import_dataset(workspace, "pets", tmp_path / "list.csv")  # the same: nothing changes
    _image(tmp_path / "d.png")
    rows.loc[3] = ["d.png", "lynx"]
    rows.to_csv(tmp_path / "list.csv", index=False)
    import_dataset(workspace, "pets", tmp_path / "list.csv", force=True)
    opened = open_dataset(workspace, "pets")
    assert opened.samples.frame()["label_name"].tolist() == ["feline", "feline", "dog", "feline"]
    assert workspace.dataset("pets").record.imported_classes == ["cat", "dog", "lynx"]


def _image(path):
    from PIL import Image

    Image.fromarray(np.random.default_rng(len(path.name)).integers(0, 255, (8, 8, 3), np.uint8)).save(path)


def test_a_copy_of_the_workspace_has_the_same_classes(own_digits, tmp_path):
    classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "3")
    copy = Workspace(copied(own_digits.workspace.root, tmp_path / "copy"))
    assert open_dataset(copy, "digits").samples.classes == again(own_digits).samples.classes


def test_an_export_has_the_classes_of_today(own_digits, tmp_path):
    annotate(own_digits.decisions, [0], "relabel", 8)
    classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "round")
    after = again(own_digits)
    export(after, Filters(), "csv", tmp_path / "labels.csv")
    rows = pd.read_csv(tmp_path / "labels.csv", dtype={"label_name": str, "curated_label_name": str})
    assert set(rows["label_name"]) == set(after.samples.classes)
    assert rows.loc[0, "curated_label_name"] == "round"
    export(after, Filters(ids=(0,)), "folder", tmp_path / "folder")
    assert [path.name for path in (tmp_path / "folder").rglob("*") if path.is_dir()][-1:] == ["round"]


@pytest.mark.slow
def test_a_fitted_head_gives_a_merged_class_its_avh_and_undo_brings_back_the_suspects(own_digits):
    settings = SuspectsSettings(dataset="digits")
    before = find_suspects(own_digits.run, own_digits.votes, settings)
    classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "round")
    after = again(own_digits)
    assert suspects_of(after.run) == []
    listed = find_suspects(after.run, after.votes, settings)
    assert listed.name != before.name
    assert set(listed.suspects()["suggested"]) <= set(range(-1, 9))  # -1: nothing of weight names another class
    run = score_dataset(own_digits.workspace, "digits", ModelSpec(name="avhcurate:digits"), fit=heads_to_fit(folds=2))
    opened = open_dataset(own_digits.workspace, "digits", run.name)
    assert run.record.classes == list(after.samples.classes)
    rows = opened.samples.frame()
    assert rows["avh"].notna().all()
    assert (rows["predicted"] == rows["label"]).mean() > 0.95
    undo(opened.decisions, actions=CLASS_ACTIONS)
    assert suspects_of(again(own_digits).dataset.run(own_digits.run.name))[-1].name == before.name
    # The run of the merged class does not know the two that it was.
    rows = open_dataset(own_digits.workspace, "digits", run.name).samples.frame()
    unknown = rows["label"].isin([3, 8]).to_numpy(bool)
    assert (rows["avh"].isna() == unknown).all()
    assert (rows["predicted"].isna() == unknown).all()


def test_votes_that_are_attached_under_other_classes_follow_them(own_digits):
    classes.merge(own_digits.decisions, own_digits.workspace, ["3", "8"], "round")
    after = again(own_digits)
    counts = np.zeros((own_digits.samples.size, 9), np.int32)
    counts[np.arange(own_digits.samples.size), after.dataset.labels()] = 4
    counts[:, 3] += 1
    sheet = VoteSheet(samples={}, counts=counts)
    attach_sheet(after.dataset, sheet, "here", force=True)
    assert after.dataset.record.votes.classes == list(after.samples.classes)
    assert set(again(own_digits).samples.frame()["hsf"].round(2)) == {0.8, 1.0}
    classes.rename(again(own_digits).decisions, again(own_digits).workspace, "round", "r")
    assert set(again(own_digits).samples.frame()["hsf"].round(2)) == {0.8, 1.0}
    classes.merge(again(own_digits).decisions, again(own_digits).workspace, ["r", "0"], "0")
    assert set(again(own_digits).samples.frame()["hsf"].round(2)) == {0.8, 1.0}
    assert again(own_digits).dataset.record.votes.total == counts.sum()
    for _ in range(3):
        undo(again(own_digits).decisions, actions=CLASS_ACTIONS)
    # Votes for a class that is none any more say nothing, and are not lost.
    table = again(own_digits).samples.frame()
    assert table.loc[table["label"].isin([3, 8]), "hsf"].isna().all()
    assert set(table["hsf"].dropna()) == {1.0}
    kept = pq.read_table(own_digits.dataset.votes_path(own_digits.dataset.record.votes))
    assert kept["counts"].to_pylist() == counts.tolist()


def test_ticks_stand_for_the_merged_class(own_digits):
    ids = own_digits.samples.order(Filters(classes=(3,)))
    sheet = pa.table({"id": ids.astype(np.int64), "selected": [2] * len(ids), "shown": [4] * len(ids)})
    attach(own_digits.dataset, sheet, source="here", messages=[], force=True)
    classes.merge(again(own_digits).decisions, again(own_digits).workspace, ["3", "8"], "8")
    table = again(own_digits).samples.frame()
    assert (table.loc[ids, "hsf"] == 0.5).all()


def parents_file(folder, parents):
    path = folder / f"{'-'.join(parents)}.csv"
    pd.DataFrame({"class": list(parents), "parent": list(parents.values())}).to_csv(path, index=False)
    return str(path)


#: Parents of eight digits; 8 and 9 have none.
PARENTS = {name: ("even", "odd")[int(name) % 2] for name in NAMES[:8]}


@pytest.mark.slow
def test_parents_are_columns_and_a_filter_and_follow_the_classes_and_undo(own_digits, tmp_path):
    before = own_digits.samples.frame()
    classes.set_parents(own_digits.decisions, own_digits.workspace, parents_file(tmp_path, PARENTS))
    assert not own_digits.decisions.current
    opened = again(own_digits)
    rows = opened.samples.frame()
    pd.testing.assert_frame_equal(rows.drop(columns=["parent", "predicted_parent"]), before)
    assert rows["parent"].tolist() == [PARENTS.get(name, name) for name in rows["label_name"]]
    assert rows["predicted_parent"].tolist() == [PARENTS.get(name, name) for name in rows["predicted_name"]]
    chosen = Filters(parents=("even", "9"))
    assert Filters.from_query(chosen.to_query()) == chosen
    assert chosen.fit(opened.samples) == (chosen, [])
    assert opened.samples.count(chosen) == rows["label"].isin([0, 2, 4, 6, 9]).sum()
    assert chosen.fit(own_digits.samples)[0] == Filters()
    export(opened, chosen, "csv", tmp_path / "labels.csv")
    assert set(pd.read_csv(tmp_path / "labels.csv")["parent"]) == {"even", "9"}
    # A merged class has the parent of its name, else of the first; a part that of its class.
    classes.merge(opened.decisions, opened.workspace, ["8", "3", "2"], "3")
    classes.rename(again(opened).decisions, again(opened).workspace, "7", "seven")
    annotate(again(opened).decisions, again(opened).samples.order(Filters(classes=(0,)))[:4], "tag", "bold")
    classes.split(
        again(opened).decisions, again(opened).workspace, "0", classes.parts_by(again(opened).samples, "0", "bold")
    )
    after = again(opened)
    assert dict(zip(after.samples.classes, after.samples.parents, strict=True)) == {
        **{"0": "even", "1": "odd", "3": "odd", "4": "even", "5": "odd", "6": "even"},
        **{"seven": "odd", "9": "9", "0 bold": "even"},
    }
    for _ in range(4):
        undo(again(opened).decisions, actions=CLASS_ACTIONS)
    pd.testing.assert_frame_equal(again(opened).samples.frame().drop(columns="tags"), before.drop(columns="tags"))


def test_a_column_gives_parents_and_what_is_not_one_parent_each_is_refused(columned, tmp_path):
    classes.set_parents(columned.decisions, columned.workspace, "family")
    opened = again(columned)
    assert opened.samples.frame()["parent"].equals(columned.samples.frame()["family"])
    assert ("Parent" in columned.samples.columns, "Parent" in opened.samples.columns) == (True, False)
    entries, _ = history_entries(opened.decisions)
    assert describe(entries[0], opened.samples.classes) == "took parents of the classes from family"
    for by, words in (
        (parents_file(tmp_path, {"zebra": "animal"}), "Unknown class zebra"),
        (parents_file(tmp_path, {"3": "5", "5": "odd"}), "5 is a parent and has another"),
        ("half", "half does not give classes one parent each"),
        ("nothing.csv", "no column of few values and no file"),
    ):
        with pytest.raises(CurateError, match=words):
            classes.set_parents(opened.decisions, opened.workspace, by)
    with refused("odd"):
        classes.add(opened.decisions, opened.workspace, "odd")


@pytest.fixture
def columned(own_digits, tmp_path):
    """The digits with a column that gives each class one parent, and one that does not."""
    dataset = own_digits.dataset
    samples = pq.read_table(dataset.imported_path)
    labels = samples["label"].to_numpy()
    samples = samples.append_column("family", pa.array(np.where(labels % 2, "odd", "even")))
    samples = samples.append_column("Parent", pa.array(["mine"] * len(labels)))
    samples = samples.append_column("half", pa.array(np.where(np.arange(len(labels)) % 2, "a", "b")))
    dataset.write(dataset.record, samples)
    return again(own_digits)


def test_a_vote_for_a_parent_counts_for_the_parent_and_for_no_class(own_digits, tmp_path):
    classes.set_parents(own_digits.decisions, own_digits.workspace, parents_file(tmp_path, PARENTS))
    opened = again(own_digits)
    paths = opened.samples.frame()["path"]
    three, eight = (int(opened.samples.order(Filters(classes=(label,)))[0]) for label in (3, 8))
    answers = {three: ["3", "5", "odd", "odd", "even"], eight: ["odd", "8"], eight + 1: []}
    other = int(opened.samples.order(Filters(classes=(4,)))[0])
    answers[other] = ["even"]  # no vote for a class
    rows = [(paths[id], label) for id, labels in answers.items() for label in labels]
    pd.DataFrame(rows, columns=["path", "label"]).to_csv(tmp_path / "votes.csv", index=False)
    record = attach_votes(opened.workspace, "digits", tmp_path / "votes.csv", simulated=True, force=True)
    assert "5 answers name a parent" in " ".join(record.messages)
    opened = again(opened)
    frame = opened.samples.frame()
    assert frame.loc[[three, eight], ["hsf", "votes"]].to_numpy().tolist() == [[0.5, 2], [1.0, 1]]
    assert pd.isna(frame.loc[other, "hsf"])
    levels = at_parents(opened.samples, opened.run, opened.votes, Filters())["hsf_parent"]
    assert levels[[three, eight, other]].tolist() == [4 / 5, 1 / 2, 1.0]
    assert levels.notna().sum() == 3
    # They follow another name of a class, and count nowhere where the parents are undone.
    classes.rename(opened.decisions, opened.workspace, "3", "three")
    assert (
        at_parents(again(opened).samples, again(opened).run, again(opened).votes, Filters())["hsf_parent"][three]
        == 4 / 5
    )
    for _ in range(2):
        undo(again(opened).decisions, actions=CLASS_ACTIONS)
    assert again(opened).samples.frame().loc[three, "hsf"] == 0.5
