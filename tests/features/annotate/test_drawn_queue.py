"""Queues with a record: one that draws, whose correlations are weighted, also over an import; and varied images."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.annotate import queue, setup
from avhcurate.features.annotate.next_labels import next_labels
from avhcurate.features.annotate.setup import CollectionSettings, settings_of
from avhcurate.features.correlation.analyses import analyse
from avhcurate.features.correlation.service import correlate, export_table
from avhcurate.features.correlation.ui import table_html
from avhcurate.features.predicted_hsf.service import predict_hsf
from avhcurate.people.queues import LAST, SETTINGS, queue_use, read_record, write_record
from avhcurate.people.reliability import of_ticks
from avhcurate.ui.base.notes import queue_sentence
from tests.fakes.sources import grey_images
from tests.fakes.votes import say

DRAWN = CollectionSettings(design="classify", queue="hardest", target=1, control_share=0.0)


def give(opened, number, who="ann"):
    """Lets an annotator answer questions, wrongly of the hardest half by AVH every other time; their ids in order."""
    setup.choose_source(opened.votes, who="lead")  # these count, though the simulated votes are more
    labels, avh, ids = opened.dataset.labels(), opened.samples.frame(columns=["avh"])["avh"], []
    for _ in range(number):
        (question,) = queue.next_questions(opened.decisions, opened.votes, opened.run, who, ahead=1)
        wrong = avh[question.id] > avh.median() and len(ids) % 2
        label = int(labels[question.id] + wrong) % 10
        assert say(opened, who, question, label) == ""
        ids.append(question.id)
    opened.refresh()
    return ids


def test_a_queue_that_draws_keeps_its_chances_and_correlations_are_weighted_by_them(own_digits):
    setup.configure(own_digits.votes, own_digits.run, own_digits.prediction, DRAWN, who="lead")
    settings = settings_of(own_digits.votes)
    record = read_record(own_digits.dataset, settings.record)
    ids = give(own_digits, 40)
    assert ids == np.argsort(record["time"]).tolist()[:40]
    avh = own_digits.samples.frame(columns=["avh"])["avh"].to_numpy()
    assert spearmanr(record["rate"], avh).statistic == pytest.approx(1)

    use = queue_use(own_digits.votes)
    assert use.votes == {"hardest": 40}
    assert np.flatnonzero(~np.isnan(use.weights)).tolist() == sorted(ids)
    assert use.weights[ids].sum() == pytest.approx(own_digits.samples.size, rel=0.5)
    result = correlate(own_digits.samples, own_digits.run, own_digits.votes, keys=["avh", "confidence"])
    table = export_table(result)
    row = table.iloc[0]
    assert (row["queue"], row["n"]) == ("hardest", 40)
    assert row["weighted_low"] < row["weighted"] < row["weighted_high"]
    assert row["weighted"] != row["spearman"]
    assert table.loc[table["bin"] != "all", "weighted"].isna().all()  # one vote an image: HSF is 0 or 1 in a bin
    assert "weighted to all images" in table_html(result)
    assert "inverse of its chance" in queue_sentence(result.queue, weighs=True)

    # Other settings of the same queue keep its record; a queue that does not draw has none, and its votes no weights.
    setup.configure(own_digits.votes, own_digits.run, own_digits.prediction, settings.with_(target=2), who="lead")
    assert settings_of(own_digits.votes).record == settings.record
    setup.configure(own_digits.votes, own_digits.run, own_digits.prediction, settings.with_(queue="fewest"), who="lead")
    assert settings_of(own_digits.votes).record == 0
    give(own_digits, 2)
    mixed = queue_use(own_digits.votes)
    assert mixed.votes == {"hardest": 40, "fewest": 2}
    assert mixed.weights is None


@pytest.mark.slow
def test_batches_of_several_queues_that_draw_are_weighted_together(own_digits):
    """At random first, then hardest drawn twice by different scores: three records, each of the samples left over."""
    first = setup.configure(
        own_digits.votes, own_digits.run, own_digits.prediction, DRAWN.with_(queue="random"), who="lead"
    )
    assert first.record
    steps = [(first, 40)]
    for score in ("avh", "entropy"):
        steps.append((DRAWN.with_(score=score), 30))
    asked = []
    for settings, number in steps:
        record = setup.configure(own_digits.votes, own_digits.run, own_digits.prediction, settings, who="lead").record
        asked.append((read_record(own_digits.dataset, record).reset_index(), give(own_digits, number)))
    use = queue_use(own_digits.votes)
    assert use.votes == {"random": 40, "hardest": 60}
    voted = np.concatenate([ids for _, ids in asked])
    assert len(np.unique(voted)) == 100
    # Worked out by hand: the time of the first sample that a batch left, and the chance to come later in all of them.
    escapes, left = np.ones(own_digits.samples.size), np.ones(own_digits.samples.size, bool)
    for record, ids in asked:
        left[ids] = False
        end = record["time"][left].min()
        assert record["time"][ids].max() < end
        escapes *= np.exp(-record["rate"] * end)
    assert use.weights[voted] == pytest.approx(1 / (1 - escapes[voted]))
    assert np.isnan(np.delete(use.weights, voted)).all()
    # No two batches go by the same times, whatever the seed of the collection.
    units = [record["rate"] * record["time"] for record, _ in asked]
    assert abs(spearmanr(units[1], units[2]).statistic) < 0.1
    result = correlate(own_digits.samples, own_digits.run, own_digits.votes, keys=["avh"])
    assert result.weighted is not None
    assert "inverse of its chance" in queue_sentence(result.queue, weighs=True)


def test_a_random_order_keeps_half_of_the_known_members_for_the_end(own_digits):
    settings = setup.configure(
        own_digits.votes, own_digits.run, own_digits.prediction, DRAWN.with_(queue="random"), who="lead"
    )
    record = read_record(own_digits.dataset, settings.record)
    kept = (record["rate"] == LAST).to_numpy()
    assert 0 < kept.sum() < 0.2 * own_digits.samples.size
    assert record["time"][kept].min() > record["time"][~kept].max()


@pytest.mark.slow
def test_the_noise_ceiling_of_drawn_votes_is_of_the_samples_asked_about_and_no_weighted_number_has_it(own_digits):
    setup.configure(own_digits.votes, own_digits.run, own_digits.prediction, DRAWN.with_(target=3), who="lead")
    for who in ("ann", "bob", "cid"):
        give(own_digits, 40, who)
    result, counts = (
        correlate(own_digits.samples, own_digits.run, own_digits.votes, keys=["avh"]),
        own_digits.votes.counts,
    )
    asked = np.flatnonzero(counts.asked)
    assert result.weighted is not None
    assert result.ceiling == of_ticks(counts.hits[asked], counts.asked[asked])
    row = export_table(result).iloc[0]
    assert row["disattenuated"] == pytest.approx(row["spearman"] / result.ceiling.ceiling)
    record = predict_hsf(own_digits.samples, own_digits.run, own_digits.votes).record
    assert record.weighted
    assert (record.ceiling, record.ceiling_low, record.ceiling_high) == (None, None, None)


@pytest.mark.slow
def test_verbs_say_of_votes_from_a_biased_queue_only_what_they_correct(own_digits, own_demo_root, cli):
    setup.configure(own_digits.votes, own_digits.run, own_digits.prediction, DRAWN, who="lead")
    give(own_digits, 32)
    at = ("digits", "--workspace", own_demo_root)
    assert "correct for it" not in cli("correlate", *at, "--analysis", "hard").out
    assert set(analyse(own_digits.samples, own_digits.run, own_digits.votes, "hard", keys=["avh"])["queue"]) == {
        "hardest"
    }
    for drawn in (True, False):
        if not drawn:  # without its record the chances are not known
            (own_digits.dataset.root / "queues" / "0001.parquet").unlink()
        assert ("--out or --json correct for it" in cli("correlate", *at).out) == drawn
        predicted = cli("predict", *at, "--seed", int(drawn)).out
        meant = "weighted to the dataset" if drawn else "of such images and not of the dataset"
        assert f"votes came from the queue hardest: what follows is {meant}" in predicted
        assert "over all images like the" in predicted


def test_the_informative_queue_asks_where_votes_teach_most_and_draws_anew_after_a_prediction(own_predicted):
    informative = CollectionSettings(design="classify", queue="informative", target=100, control_share=0.0)
    settings = setup.configure(
        own_predicted.votes, own_predicted.run, own_predicted.prediction, informative, who="lead"
    )
    assert settings.prediction == own_predicted.prediction.name
    record = read_record(own_predicted.dataset, settings.record)
    information = own_predicted.prediction.table()["information"]
    assert spearmanr(record["rate"], information).statistic == pytest.approx(1)
    assert queue.next_questions(own_predicted.decisions, own_predicted.votes, own_predicted.run, "ann", ahead=1)[
        0
    ].id == np.argmin(record["time"])
    # Saved again it keeps its record; another prediction gives it another one.
    assert (
        setup.configure(
            own_predicted.votes, own_predicted.run, own_predicted.prediction, settings.with_(target=99), who="lead"
        ).record
        == settings.record
    )
    later = setup.configure(
        own_predicted.votes,
        own_predicted.run,
        own_predicted.prediction,
        settings.with_(prediction="before"),
        who="lead",
    )
    assert later.record == settings.record
    own_predicted.prediction.root.rename(own_predicted.prediction.root.with_name("later"))
    own_predicted.prediction = type(own_predicted.prediction)(own_predicted.prediction.root.with_name("later"))
    assert (
        setup.configure(
            own_predicted.votes, own_predicted.run, own_predicted.prediction, informative, who="lead"
        ).record
        == settings.record + 1
    )


@pytest.fixture
def photos(workspace, tmp_path):
    """A table of 16 photos of two classes."""
    grey_images(tmp_path / "photos", *(f"{name}/{number}.png" for name in "ab" for number in range(8)))
    import_dataset(workspace, "p", tmp_path / "photos")
    return open_dataset(workspace, "p")


def with_more(workspace, tmp_path, *names):
    """The table after an import of the same folder with more images."""
    grey_images(tmp_path / "photos", *names)
    import_dataset(workspace, "p", tmp_path / "photos", force=True)
    return open_dataset(workspace, "p")


def answer(opened, number, who="ann"):
    """Paths that an annotator is asked about one by one, each answered."""
    paths = []
    for _ in range(number):
        (question,) = queue.next_questions(opened.decisions, opened.votes, opened.run, who, ahead=1)
        assert say(opened, who, question, 0) == ""
        paths.append(opened.samples.paths()[question.id])
    opened.refresh()
    return paths


def test_annotators_go_on_after_images_were_added_and_the_new_ones_come_last(photos, workspace, tmp_path):
    setup.configure(photos.votes, photos.run, photos.prediction, DRAWN.with_(queue="random"), who="lead")
    order = read_record(photos.dataset, 1).sort_values("time").index.tolist()
    first = answer(photos, 5)
    opened = with_more(workspace, tmp_path, "a/new.png", "b/new.png")
    assert first + answer(opened, 11) == order
    assert sorted(answer(opened, 2)) == ["a/new.png", "b/new.png"]
    assert queue.next_questions(opened.decisions, opened.votes, opened.run, "ann") == ()


def test_saved_again_the_queue_draws_anew_from_all_that_is_left(photos, workspace, tmp_path):
    assert (
        setup.configure(photos.votes, photos.run, photos.prediction, DRAWN.with_(queue="random"), who="lead").record
        == 1
    )
    first = answer(photos, 5)
    opened = with_more(workspace, tmp_path, "a/new.png")
    again = setup.configure(opened.votes, opened.run, opened.prediction, setup.settings_of(opened.votes), who="lead")
    assert again.record == 2
    assert set(read_record(opened.dataset, 2).index) == set(opened.samples.paths())
    assert sorted(first + answer(opened, 12)) == sorted(opened.samples.paths())
    assert setup.configure(opened.votes, opened.run, opened.prediction, again, who="lead").record == 2


def test_votes_are_weighted_by_the_records_of_before_and_after_the_import(photos, workspace, tmp_path):
    # Settings of a queue that draws hard samples, which a model of the test's own rates.
    record = write_record(
        photos.dataset, photos.dataset.samples(["path"])["path"].to_numpy(object), np.linspace(1, 20, 16)
    )
    settings = DRAWN.with_(record=record).model_dump() | {"class_names": photos.decisions.own_classes}
    with photos.votes.log.transaction(photos.samples.name) as log:
        log.choose(SETTINGS, json.dumps(settings), who="lead", at=0.0)
    before = answer(photos, 5)
    assert queue_use(photos.votes).weights is not None
    opened = with_more(workspace, tmp_path, "a/new.png", "a/newer.png")
    use = queue_use(opened.votes)
    assert (use.votes, use.weights) == ({"hardest": 5}, None)  # the new images had no chance yet

    setup.configure(
        opened.votes, opened.run, opened.prediction, setup.settings_of(opened.votes).with_(queue="random"), who="lead"
    )
    after = answer(opened, 4)
    weights = queue_use(opened.votes).weights
    first, second = (read_record(opened.dataset, number) for number in (1, 2))
    for path, weight in zip(opened.samples.paths(), weights, strict=True):
        if path not in before + after:
            assert np.isnan(weight)
            continue
        escapes = 1.0
        for record, gone in ((first, before), (second, before + after)):
            end = record["time"].drop(gone, errors="ignore").min()
            escapes *= np.exp(-record["rate"].get(path, 0.0) * end)
        assert weight == pytest.approx(1 / (1 - escapes))


def test_each_cluster_comes_before_a_second_of_one_and_those_with_a_label_are_known(made_up, workspace):
    rng, sizes = np.random.default_rng(0), (200, 60, 40)
    clusters = np.repeat(range(3), sizes)
    labels = np.full(300, -1)
    labels[[200, 260]] = 0, 1
    made_up(20 * np.eye(3, 8)[clusters] + rng.normal(size=(300, 8)), labels)
    opened = open_dataset(workspace, "dots")
    found = next_labels(opened.samples, opened.run, opened.dataset, 40)
    assert clusters[found.ids[0]] == 0  # the others have a labelled image each
    assert (found.labelled, found.samples) == (2, 300)
    assert not np.isin([200, 260], found.ids).any()
    assert found.covered[-1] > found.at_random[-1]
    assert (np.diff(found.covered) > 0).all()
    assert set(clusters[found.ids[:6]]) == {0, 1, 2}
    within = next_labels(opened.samples, opened.run, opened.dataset, 3, filters=Filters(where="id >= 260"))
    assert (within.ids >= 260).all()
    with pytest.raises(CurateError, match="left to label"):
        next_labels(opened.samples, opened.run, opened.dataset, 3, filters=Filters(where="id = 260"))


@pytest.mark.slow
def test_the_queue_goes_by_the_order_without_chances_and_saving_again_gives_the_next_batch(own_digits):
    order = next_labels(own_digits.samples, own_digits.run, own_digits.dataset, 30).ids.tolist()
    avc = own_digits.samples.frame(columns=["avc"])["avc"].rank(pct=True)
    assert avc[order].mean() < 0.4  # the less certain first
    diverse = DRAWN.with_(queue="diverse")
    first = setup.configure(own_digits.votes, own_digits.run, own_digits.prediction, diverse, who="lead")
    assert give(own_digits, 20) == order[:20]
    use = queue_use(own_digits.votes)
    assert (use.votes, use.biased, use.weights) == ({"diverse": 20}, 20, None)
    following = next_labels(own_digits.samples, own_digits.run, own_digits.dataset, 5).ids.tolist()
    assert not set(following) & set(order[:20])
    assert (
        setup.configure(own_digits.votes, own_digits.run, own_digits.prediction, diverse, who="lead").record
        == first.record + 1
    )
    assert give(own_digits, 5) == following


def test_the_verb_writes_the_order_with_what_it_covers(cli, own_demo_root, tmp_path):
    out, words = tmp_path / "next.csv", ["select", "digits", "--rule", "diverse", "--workspace", own_demo_root]
    code, printed, _ = cli(*words, "--budget", "25", "--where", "split = 'test'", "--out", out)
    assert code == 0
    assert "25 images cover" in printed
    rows, record = pd.read_csv(out), json.loads((tmp_path / "next.csv.manifest.json").read_text())
    assert rows.columns.tolist() == ["id", "path", "order", "covered", "avc"]
    assert rows["order"].tolist() == list(range(1, 26))
    assert (record["rule"], record["drawn"], record["weighted_by"]) == ("diverse", False, "avc")
    assert record["covered"] == pytest.approx(rows["covered"].iloc[-1], abs=1e-6)
    assert record["covered"] > record["covered_at_random"]
    for wrong in (["--out", "x.csv"], ["--out", "x.csv", "--budget", "5", "--portion", "0.5"]):
        assert cli(*words, *wrong)[0] == 2
