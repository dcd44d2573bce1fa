"""Importing again: the same changes nothing, what changed is said, force keeps what people did, classes by name."""

import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.history import describe, history_entries
from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.curate.saved import Saved
from avhcurate.datasets.export.service import export
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError, Option
from avhcurate.features.annotate import answers, queue, setup
from avhcurate.features.annotate.setup import NO_CLASS, CollectionSettings
from avhcurate.people.attach import attach_votes
from tests.fakes.refusals import refused
from tests.fakes.sources import grey_images, image_table, png, said, write_csv

PETS = ("cat/0.png", "cat/1.png", "dog/2.png", "dog/3.png")


@pytest.fixture
def photos(tmp_path):
    """A folder of cats and dogs."""
    grey_images(tmp_path / "photos", *PETS)
    return tmp_path / "photos"


@pytest.fixture
def pets(workspace, photos):
    """A table of them."""
    import_dataset(workspace, "pets", photos)
    return open_dataset(workspace, "pets")


def again(workspace, source):
    import_dataset(workspace, "pets", source, force=True)
    return open_dataset(workspace, "pets")


def curated(opened):
    """Names of the labels that people have changed, by path."""
    frame = opened.samples.frame(columns=["path", "label_name", "curated_label_name"])
    changed = frame[frame["label_name"] != frame["curated_label_name"]]
    return dict(zip(changed["path"], changed["curated_label_name"], strict=True))


def words(opened, **narrowed):
    entries, _ = history_entries(opened.decisions, **narrowed)
    return [describe(entry, opened.samples.classes) for entry in entries]


def test_relabels_keep_their_class_when_another_comes_before_it(workspace, pets, photos, tmp_path):
    annotate(pets.decisions, [3], "relabel", 0)
    relabel_from(pets.decisions, write_csv(tmp_path / "labels.csv", "path,label_name\ncat/0.png,dog\n"))
    grey_images(photos, "ant/4.png")
    opened = again(workspace, photos)
    assert opened.samples.classes == ("ant", "cat", "dog")
    assert curated(opened) == {"dog/3.png": "cat", "cat/0.png": "dog"}
    assert "relabels, saved views and collections keep them by name" in said(opened.dataset)
    assert words(opened) == ["took labels from labels.csv", "relabelled as cat"]


def test_undo_goes_back_over_the_import(workspace, database, monkeypatch, photos):
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", database)
    pets = again(workspace, photos)
    annotate(pets.decisions, [3], "relabel", 0)
    grey_images(photos, "ant/4.png")
    opened = again(workspace, photos)
    dog = opened.samples.paths().index("dog/3.png")
    annotate(opened.decisions, [dog], "relabel", 0)
    assert curated(opened) == {"dog/3.png": "ant"}
    assert words(opened) == ["relabelled as ant", "relabelled as cat"]
    undo(opened.decisions)
    assert curated(opened) == {"dog/3.png": "cat"}
    undo(opened.decisions)
    assert curated(opened) == {}
    assert undo(opened.decisions) is None


def test_a_class_that_is_gone_gives_samples_their_label_again_until_it_comes_back(workspace, pets, photos, tmp_path):
    annotate(pets.decisions, [0, 1], "relabel", 1)
    shutil.move(photos / "dog", tmp_path / "dog")
    grey_images(photos, "eel/4.png")
    opened = again(workspace, photos)
    assert curated(opened) == {}
    assert "2 relabels as dog: these images have their given label again" in said(opened.dataset)
    shutil.move(tmp_path / "dog", photos / "dog")
    opened = again(workspace, photos)
    assert opened.samples.classes == ("cat", "dog", "eel")
    assert curated(opened) == {"cat/0.png": "dog", "cat/1.png": "dog"}


def test_bare_integers_keep_their_number_when_they_get_names(workspace, tmp_path):
    rows = "a.png,0\nb.png,1\nc.png,2\n"
    grey_images(tmp_path, "a.png", "b.png", "c.png")
    source = write_csv(tmp_path / "pets.csv", f"path,label\n{rows}")
    import_dataset(workspace, "pets", source)
    annotate(open_dataset(workspace, "pets").decisions, [0], "relabel", 2)
    import_dataset(workspace, "pets", source, classes=["cat", "dog", "eel"], force=True)
    assert curated(open_dataset(workspace, "pets")) == {"a.png": "eel"}


def test_a_table_that_was_opened_before_writes_no_more_and_says_so(workspace, pets, photos, tmp_path):
    grey_images(photos, "ant/4.png")
    assert pets.decisions.current
    again(workspace, photos)
    assert not pets.decisions.current
    labels = write_csv(tmp_path / "labels.csv", "path,label_name\ncat/0.png,dog\n")
    for write in (
        lambda: annotate(pets.decisions, [3], "relabel", 0),
        lambda: annotate(pets.decisions, [3], "tag", "odd"),
        lambda: relabel_from(pets.decisions, labels),
        lambda: export(pets, Filters(), "folder", tmp_path / "out"),
    ):
        with refused("'pets'"):
            write()
    assert not (tmp_path / "out").exists()
    assert words(open_dataset(workspace, "pets")) == []


def test_answers_over_an_import_are_about_the_images_that_were_shown(workspace, pets, photos):
    setup.configure(pets.votes, pets.run, pets.prediction, CollectionSettings(design="classify"), who="boss")
    (question,) = queue.next_questions(pets.decisions, pets.votes, pets.run, "ann", ahead=1)
    shown = pets.samples.paths_of([question.id])
    grey_images(photos, "ant/4.png")
    opened = again(workspace, photos)
    with pytest.raises(CurateError, match="imported again since"):
        answers.answer(
            pets.decisions, pets.votes, pets.run, "ann", question.task, question.id, 0, nonce="n", reaction_ms=700
        )
    (same,) = queue.next_questions(opened.decisions, opened.votes, opened.run, "ann", ahead=1)
    assert opened.samples.paths_of([same.id]) == shown


def votes_of(opened):
    """The attached votes, by path: counts by class name that are not 0, or ticks."""
    rows, paths = opened.dataset.votes().to_dict("records"), opened.samples.paths()
    if "counts" not in rows[0]:
        return {paths[row["id"]]: (row["selected"], row["shown"]) for row in rows}
    return {
        paths[row["id"]]: {name: int(n) for name, n in zip(opened.samples.classes, row["counts"], strict=True) if n}
        for row in rows
    }


def attached(workspace, tmp_path, text):
    attach_votes(workspace, "pets", write_csv(tmp_path / "votes.csv", text))


def test_votes_keep_their_class_when_another_comes_before_it(workspace, pets, photos, tmp_path):
    attached(workspace, tmp_path, "path,label\ncat/0.png,cat\ncat/0.png,dog\ndog/2.png,dog\ndog/2.png,dog\n")
    before = pets.dataset.record.votes
    grey_images(photos, "ant/4.png", "eel/5.png")
    opened = again(workspace, photos)
    assert opened.samples.classes == ("ant", "cat", "dog", "eel")
    assert votes_of(opened) == {"cat/0.png": {"cat": 1, "dog": 1}, "dog/2.png": {"dog": 2}}
    assert (opened.samples.votes.total, opened.samples.votes.source) == (4, before.source)
    hsf = opened.samples.frame(columns=["path", "hsf"]).set_index("path")["hsf"]
    assert (hsf["cat/0.png"], hsf["dog/2.png"]) == (0.5, 1)


def test_votes_for_a_class_that_is_gone_are_dropped_and_said(workspace, pets, photos, tmp_path):
    attached(workspace, tmp_path, "path,label\ncat/0.png,cat\ncat/0.png,dog\ndog/2.png,dog\n")
    shutil.rmtree(photos / "dog")
    grey_images(photos, "eel/4.png")
    opened = again(workspace, photos)
    assert votes_of(opened) == {"cat/0.png": {"cat": 1}}
    lost = "1 votes of images that are gone; dropped: 1 votes for dog, which is no longer a class"
    assert (
        opened.samples.votes.messages[-1]
        == f"kept from the import before (1 images with votes are gone); dropped: {lost}"
    )


def test_ticks_are_kept_where_the_label_has_the_same_name(workspace, tmp_path):
    def imported(*labels):
        rows = "".join(f"{number}.png,{label}\n" for number, label in enumerate(labels))
        return again(workspace, write_csv(tmp_path / "pets.csv", f"path,label\n{rows}"))

    grey_images(tmp_path, *(f"{number}.png" for number in range(3)))
    imported("cat", "cat", "dog")
    attached(workspace, tmp_path, "path,selected,shown\n0.png,3,4\n1.png,1,4\n2.png,4,4\n")
    opened = imported("cat", "ant", "dog")
    assert votes_of(opened) == {"0.png": (3, 4), "2.png": (4, 4)}
    assert "dropped: 4 votes of images that have another label now" in opened.samples.votes.messages[-1]


def test_a_saved_view_filters_by_the_same_classes(workspace, pets, photos):
    Saved(workspace, "pets").save_view("dogs", {"class": "1,null", "sort": "path"}, "gallery")
    Saved(workspace, "pets").save_view("cats", {"predicted": "0", "class": "odd"}, "gallery")
    grey_images(photos, "ant/4.png")
    again(workspace, photos)
    queries = {view.name: view.query for view in Saved(workspace, "pets").views()}
    assert queries["dogs"] == {"class": "2,null", "sort": "path"}
    assert queries["cats"] == {"predicted": "1", "class": "odd"}
    # One that is saved since, or under a new name, is of the classes of now.
    Saved(workspace, "pets").save_view("ants", {"class": "0"}, "gallery")
    Saved(workspace, "pets").rename("view", "dogs", "hounds")
    assert Saved(workspace, "pets").view("ants").query == {"class": "0"}
    assert Saved(workspace, "pets").view("hounds").query == {"class": "2,null", "sort": "path"}


def test_a_collection_asks_about_the_same_classes(workspace, pets, photos):
    settings = CollectionSettings(design="select", classes=(1,), candidates=2, controls=0, target=1)
    setup.configure(pets.votes, pets.run, pets.prediction, settings, who="lead")
    grey_images(photos, "ant/4.png")
    opened = again(workspace, photos)
    assert setup.settings_of(opened.votes).classes == (2,)
    assert queue.next_grid(opened.decisions, opened.votes, opened.run, "ann").class_name == "dog"
    setup.configure(opened.votes, opened.run, opened.prediction, setup.settings_of(opened.votes), who="lead")
    assert setup.settings_of(opened.votes).classes == (2,)


def test_a_collection_whose_classes_are_gone_does_not_ask_about_others(workspace, pets, photos):
    setup.configure(
        pets.votes, pets.run, pets.prediction, CollectionSettings(design="select", classes=(1,)), who="lead"
    )
    shutil.rmtree(photos / "dog")
    grey_images(photos, "eel/4.png")
    opened = again(workspace, photos)
    assert setup.settings_of(opened.votes).classes == (NO_CLASS,)
    assert queue.next_grid(opened.decisions, opened.votes, opened.run, "ann") is None
    assert queue.progress(opened.decisions, opened.votes, opened.run).samples == 0


def test_the_refusal_names_all_that_goes(workspace, pets, photos, tmp_path):
    attached(workspace, tmp_path, "path,label\ncat/0.png,cat\ncat/0.png,dog\ndog/2.png,dog\n")
    annotate(pets.decisions, [0], "relabel", 1)
    for folder in ("runs/a", "runs/b", "training/c", "self-training/d", "quality", "predictions/e", "queues"):
        (pets.dataset.root / folder).mkdir(parents=True)
    shutil.rmtree(photos / "dog")
    grey_images(photos, "eel/4.png")
    with pytest.raises(CurateError) as caught:
        import_dataset(workspace, "pets", photos)
    goes = (
        "1 predictions of HSF, 2 model runs, 1 self-trainings, 1 trainings, 1 measures of image quality, "
        "1 votes of images that are gone, 1 votes for dog, which is no longer a class, 1 relabels as dog"
    )
    assert str(caught.value).endswith(f"computed results: {goes}.")
    assert "(1 images added; 2 images gone; classes cat, dog became cat, eel)" in str(caught.value)


def snapshot(folder):
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.root.rglob("*") if path.is_file()
    }


def test_importing_the_same_again_changes_nothing(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "b/2.png")
    before = snapshot(import_dataset(workspace, "d", tmp_path / "d"))
    assert snapshot(import_dataset(workspace, "d", tmp_path / "d")) == before
    assert snapshot(import_dataset(workspace, "d", tmp_path / "d", force=True)) == before


def test_changed_source_is_refused_and_says_what_changed(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "a/2.png", "b/3.png")
    before = snapshot(import_dataset(workspace, "d", tmp_path / "d"))
    (tmp_path / "d" / "a" / "1.png").unlink()
    grey_images(tmp_path / "d", "c/4.png", "c/5.png")
    with pytest.raises(CurateError, match="--force") as caught:
        import_dataset(workspace, "d", tmp_path / "d")
    assert "2 images added; 1 images gone; classes a, b became a, b, c" in str(caught.value)
    assert snapshot(workspace.dataset("d")) == before


def test_changed_bytes_or_labels_are_noticed(workspace, tmp_path):
    pq.write_table(image_table([0, 1], label=[0, 1]), tmp_path / "d.parquet")
    import_dataset(workspace, "d", tmp_path / "d.parquet")
    pq.write_table(image_table([0, 2], label=[0, 1]), tmp_path / "d.parquet")
    with refused("'d'", Option("force", True)):
        import_dataset(workspace, "d", tmp_path / "d.parquet")
    pq.write_table(image_table([0, 1], label=[1, 1]), tmp_path / "d.parquet")
    with refused("1 images", Option("force", True)):
        import_dataset(workspace, "d", tmp_path / "d.parquet")


def test_force_drops_what_was_computed_and_keeps_votes_by_path(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "b/2.png", "b/3.png")
    np.save(tmp_path / "v.npy", np.array([[1, 9], [2, 8], [3, 7]]))
    folder = import_dataset(workspace, "d", tmp_path / "d", votes=tmp_path / "v.npy")
    folder.thumbnails.write_shard(0, {0: b"old"})
    (folder.root / "runs" / "x").mkdir(parents=True)
    (tmp_path / "d" / "a" / "1.png").unlink()
    grey_images(tmp_path / "d", "a/0.png")
    folder = import_dataset(workspace, "d", tmp_path / "d", force=True)
    assert folder.thumbnails.get(0) is None
    assert not (folder.root / "runs").exists()
    votes = folder.votes()
    assert [(id, list(row)) for id, row in zip(votes["id"], votes["counts"], strict=True)] == [(1, [2, 8]), (2, [3, 7])]
    assert "1 images with votes are gone" in folder.record.votes.messages[-1]


def test_moved_source_is_the_same_dataset_in_another_place(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "b/2.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    folder.thumbnails.write_shard(0, {0: b"kept"})
    (tmp_path / "d").rename(tmp_path / "moved")
    folder = import_dataset(workspace, "d", tmp_path / "moved")
    assert folder.thumbnails.get(0) == b"kept"
    assert folder.record.source == str(tmp_path / "moved")
    assert folder.images().read_one(0) == png(0)


def test_damaged_samples_are_written_again_from_the_source(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "b/2.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    before = folder.samples()
    folder.samples_path.write_bytes(folder.samples_path.read_bytes()[:-20])
    assert import_dataset(workspace, "d", tmp_path / "d").samples().equals(before)


def test_unreadable_record_is_replaced_by_force(workspace, tmp_path):
    grey_images(tmp_path / "d", "a/1.png", "b/2.png")
    folder = import_dataset(workspace, "d", tmp_path / "d")
    (folder.root / "dataset.json").write_text("{}")
    with pytest.raises(CurateError, match="--force"):
        import_dataset(workspace, "d", tmp_path / "d")
    assert import_dataset(workspace, "d", tmp_path / "d", force=True).record.samples == 2
