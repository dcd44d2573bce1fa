"""Label suspects: planted errors in the digits, honest scores out of fold, resuming, decisions, and the files."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
from scipy.special import softmax

import avhcurate
from avhcurate import scores
from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.curate.history import history_entries
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.report.service import describe_suspects
from avhcurate.features.suspects import decisions, service
from avhcurate.features.suspects.out_of_fold import cross_validate
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.features.suspects.store import OutOfFoldFolder, suspects_of
from avhcurate.networks.scoring import heads
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data.event import IMPORT_LABELS
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import SILENT, Cancelled, Jobs, Progress
from tests.fakes.datasets import bare_dataset
from tests.fakes.linear_algebra import threads_at
from tests.fakes.refusals import refused
from tests.fakes.sources import attach
from tests.fakes.workspaces import copied


def search(opened, progress=SILENT, **options):
    settings = SuspectsSettings(dataset=opened.samples.name, **options)
    return service.find_suspects(opened.run, opened.votes, settings, progress=progress)


@pytest.fixture
def dots(blobs, workspace):
    return open_dataset(workspace, "dots")


def digits_of(root):
    return open_dataset(Workspace(root), "digits")


@pytest.fixture(scope="module", autouse=True)
def few_strengths():
    """Three strengths of the heads' penalty are tried, which takes a fifth of the time of all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "STRENGTHS", (64.0, 1.0, 0.02))
        yield


def test_a_fold_without_which_one_class_is_left_is_refused_in_words(workspace, tmp_path):
    bare_dataset(workspace, ["0.png", "1.png", "2.png"], [0, 1, 1], ["cat", "dog"])
    np.savez(tmp_path / "outputs.npz", features=np.eye(3), weight=np.eye(2, 3))
    attach(workspace, "d", str(tmp_path / "outputs.npz"), str(tmp_path / "outputs.npz"))
    with pytest.raises(CurateError, match="Without one of the folds a single class is left"):
        search(open_dataset(workspace, "d"), out_of_fold=True, folds=2)


def apart():
    """Three classes of twenty samples about directions of their own."""
    labels = np.repeat([0, 1, 2], 20)
    return np.eye(3, 6)[labels] + np.random.default_rng(0).normal(scale=0.1, size=(60, 6)) + 0.1, labels


@pytest.fixture
def blobs(made_up):
    """Those, but sample 0 is labelled 1, and sample 59 is a mixture."""
    features, labels = apart()
    features[59] = features[0] / 2 + features[20] / 2
    labels[0] = 1
    return made_up(features, labels)


def test_each_source_finds_most_planted_errors_and_chance_does_not(suspects_root, demo_root):
    truth, opened = digits_of(demo_root).dataset.labels(), digits_of(suspects_root)
    wrong = set(np.flatnonzero(opened.dataset.labels() != truth).tolist())
    assert len(wrong) == 30
    folder = suspects_of(opened.run)[-1]
    found, n = folder.suspects(), len(wrong)
    assert folder.record.sources == ["angular", "neighbours", "cleanlab", "votes"]
    hits = {}
    for source in folder.record.sources:
        first = found.sort_values(f"{source}_score", ascending=False)["id"].head(n)
        hits[source] = len(wrong & set(first))
        assert len(wrong & set(found["id"][found[f"{source}_doubts"]])) >= 0.8 * n
    assert min(hits.values()) >= 0.7 * n, hits
    assert len(wrong & set(found.sort_values("rank")["id"].head(n))) >= max(hits.values()) - 1 >= 0.9 * n
    chance = np.random.default_rng(0).choice(len(truth), n, replace=False)
    assert len(wrong & set(chance.tolist())) <= 3
    of_wrong = found[found["id"].isin(wrong)]
    assert (of_wrong["suggested"] == truth[of_wrong["id"]]).mean() >= 0.9
    assert (of_wrong["verdict"] == "nearer").mean() >= 0.8
    weights = folder.record.weights
    assert set(weights) == set(folder.record.sources)
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["angular"] == 0, "angles and cleanlab judge by the same heads"
    assert folder.record.often is None


def test_the_list_holds_the_doubted_and_the_ambiguous_by_rank_with_both_kinds_of_neighbours(suspects_root):
    opened = digits_of(suspects_root)
    folder = suspects_of(opened.run)[-1]
    found, record, labels = folder.suspects(), folder.record, opened.dataset.labels()
    doubted = np.any([found[f"{source}_doubts"] for source in record.sources], axis=0)
    assert (doubted | (found["verdict"] == "ambiguous")).all()
    assert found["rank"].is_monotonic_increasing
    assert record.listed == len(found) == sum(record.verdicts.values())
    assert record.simulated
    for row in found.head(20).to_dict("records"):
        assert set(labels[row["near_given"]]) == {row["label"]}
        assert set(labels[row["near_suggested"]]) == {row["suggested"]}
        assert row["id"] not in row["near_given"]


def test_the_same_call_finds_what_is_stored(suspects_root, dots, tmp_path):
    said, digits = [], digits_of(copied(suspects_root, tmp_path / "own"))
    again = search(digits, out_of_fold=True, progress=Progress(lambda *report: said.append(report)))
    assert said == []
    assert [folder.name for folder in suspects_of(digits.run)] == [again.name]
    lists = [search(dots, sources=[source]).name for source in ("angular", "neighbours", "angular")]
    assert [folder.name for folder in suspects_of(dots.run)] == lists[1:], "the one last asked for is the newest"


def test_far_down_the_list_only_neighbours_are_shown(dots, monkeypatch):
    searched = search(dots, sources=["angular"]).suspects().iloc[0]
    monkeypatch.setattr(service, "_SHOWN_TO", 0)
    found = search(dots, sources=["angular", "neighbours"]).suspects().iloc[0]
    assert searched["id"] == found["id"] == 0  # labelled 1, and all its neighbours are of class 0
    assert (len(searched["near_given"]), len(found["near_given"])) == (6, 0)
    assert searched["near_suggested"].tolist() == found["near_suggested"].tolist()


def test_each_sample_is_scored_by_a_head_that_was_trained_without_it(blobs, dots):
    """Every head again, by hand, from the other folds alone."""
    dataset, run = blobs
    folder = cross_validate(dataset, run, folds=3)
    folds, labels, features = folder.folds(), dataset.labels(), np.array(run.features())
    assert sorted(np.bincount(folds)) == [20, 20, 20]
    for fold in range(3):
        others = np.flatnonzero(folds != fold)
        head, _ = heads.fit_head(heads.Samples(features, others, labels[others].astype(np.int64), others, 3))
        np.testing.assert_array_equal(head.class_weights, folder.head(fold)[0])
    rows = search(dots, out_of_fold=True, folds=3).suspects().set_index("id")
    class_weights, bias = folder.head(folds[0])
    avh = scores.avh(features[:1].astype(float), class_weights.astype(float), labels[:1])
    assert rows.loc[0, "avh"] == pytest.approx(avh[0], rel=1e-6)
    logits = features[:1] @ class_weights.T + bias
    assert rows.loc[0, "confidence"] == pytest.approx(scores.confidence(logits, labels[:1])[0], rel=1e-4)
    assert (rows.loc[0, "predicted"], rows.loc[0, "label"]) == (0, 1), "an absurd label does not pull its own score"
    assert rows.loc[0, "confidence"] < 0.2


def test_labels_that_can_only_be_known_by_heart_are_not_predicted(made_up, workspace):
    """Noise with labels by chance, that a head which saw a sample could repeat: out of fold it can only guess."""
    rng = np.random.default_rng(0)
    made_up(rng.normal(size=(80, 300)), rng.integers(0, 2, 80))
    folder = search(open_dataset(workspace, "dots"), sources=("angular",), out_of_fold=True, folds=2)
    assert 0.3 < folder.record.heads.accuracy < 0.7


def test_copies_share_a_fold_and_what_has_no_label_or_no_features_is_left_out(made_up):
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 20)
    features = np.eye(2, 4)[labels] + rng.normal(scale=0.1, size=(40, 4))
    features[[7, 12, 31]] = features[2]
    features[5] = 0
    labels[9] = -1
    dataset, run = made_up(features, labels, broken=[11])
    folds = cross_validate(dataset, run, folds=3).folds()
    assert np.flatnonzero(folds < 0).tolist() == [5, 9, 11]
    assert len(set(folds[[2, 7, 12, 31]])) == 1


def test_a_cancelled_cross_validation_resumes_after_its_last_head(blobs):
    dataset, run = blobs
    two_are_there = Progress(should_stop=lambda: bool(list(run.root.glob("out_of_fold/*/heads/1/class_weights.npy"))))
    with pytest.raises(Cancelled, match="the same command resumes"):
        cross_validate(dataset, run, folds=3, progress=two_are_there)
    (folder,) = OutOfFoldFolder.all_of(run)
    assert [folder.has_head(fold) for fold in range(3)] == [True, True, False]
    first = folder.head(0)[0]
    assert cross_validate(dataset, run, folds=3).complete
    np.testing.assert_array_equal(folder.head(0)[0], first)


@pytest.mark.parametrize("out_of_fold", [False, True])
def test_a_wrong_label_and_a_mixed_image_are_told_apart(dots, out_of_fold):
    found = search(dots, out_of_fold=out_of_fold, folds=3).suspects().set_index("id")
    assert (found.loc[0, "verdict"], found.loc[0, "suggested"], found.loc[0, "rank"]) == ("nearer", 0, 1)
    assert found.loc[59, "verdict"] == "ambiguous"
    assert found.loc[59, "margin"] < found.loc[0, "margin"] / 5


def test_heads_are_fitted_in_one_thread(dots):
    with threads_at(scipy.optimize, "minimize") as fitted:
        search(dots, sources=("angular", "neighbours"), out_of_fold=True, folds=3)
    assert fitted == {1}


def test_sources_that_cannot_be_had_are_named_and_refused_where_asked_for(dots):
    record = search(dots, sources=["neighbours", "angular"]).record
    assert (record.sources, record.missing) == (["angular", "neighbours"], {})
    assert set(search(dots).record.missing) == {"votes"}
    with refused("votes"):
        search(dots, sources=["votes"])
    with pytest.raises(CurateError, match="hunch"):
        search(dots, sources=["hunch"])


def test_probabilities_alone_are_judged_as_with_their_network_and_say_what_else_they_lack(dots, workspace, tmp_path):
    run = dots.run
    np.save(tmp_path / "p.npy", softmax(run.logits_of(run.scored_ids()), axis=1))
    attach(workspace, "dots", probs=str(tmp_path / "p.npy"), name="alone")
    alone = open_dataset(workspace, "dots", "alone")
    assert search(alone).record.missing["neighbours"] == "the run has no embeddings"
    folder, whole = search(alone, sources=["cleanlab"]), search(dots, sources=["cleanlab"])
    rows, same = (found.suspects().set_index("id")["cleanlab_score"] for found in (folder, whole))
    assert rows[0] == pytest.approx(same[0], rel=1e-5)
    assert folder.suspects()["id"][0] == 0
    assert folder.suspects()["verdict"][0] == "nearer"
    assert len(folder.suspects()["near_given"][0]) == 0
    for options, why in (({"sources": ["angular"]}, "no class weights"), ({"out_of_fold": True}, "--features FILE")):
        with pytest.raises(CurateError, match=why):
            search(alone, **options)


def test_tick_votes_doubt_and_never_become_k_way_ones(dots, workspace, tmp_path):
    rows = [(f"{i}.png", "c0", who, int(i > 3)) for i in range(1, 20) for who in range(5)]
    pd.DataFrame(rows, columns=["sample", "class", "annotator", "selected"]).to_csv(tmp_path / "v.csv", index=False)
    attach_votes(workspace, "dots", tmp_path / "v.csv")
    folder = search(open_dataset(workspace, "dots"), sources=["votes"])
    found = folder.suspects().query("votes_doubts").set_index("id")
    assert folder.record.votes.kind == "tick"
    assert not folder.record.simulated
    assert sorted(found.index) == [1, 2, 3]
    assert (found["suggested"] == -1).all()
    assert (found["votes_n"] == 5).all()
    attach_votes(workspace, "dots", tmp_path / "v.csv", simulated=True, force=True)
    assert search(open_dataset(workspace, "dots"), sources=["votes"]).record.simulated


def test_decisions_stand_in_the_log_and_can_be_taken_back(dots):
    decisions.accept(dots.decisions, {0: 0, 5: 1, 6: 2})  # one event for several labels
    decisions.keep(dots.decisions, [7])
    assert decisions.states(dots.samples, []).to_dict() == {}
    assert decisions.states(dots.samples, [0, 5, 7, 8]).to_dict() == {0: "accepted", 5: "accepted", 7: "kept", 8: ""}
    assert dots.samples.frame(Filters(tags=(decisions.KEPT,)), columns=["id"])["id"].tolist() == [7]
    undo(dots.decisions)
    assert decisions.states(dots.samples, [0, 5, 7]).to_dict() == {0: "accepted", 5: "accepted", 7: ""}
    undo(dots.decisions)
    assert decisions.states(dots.samples, [0, 5, 7]).to_dict() == {0: "", 5: "", 7: ""}
    assert [entry.action for entry in history_entries(dots.decisions)[0]] == ["tag", IMPORT_LABELS]


def test_the_command_line_prints_and_writes_the_suspects(suspects_root, tmp_path, cli):
    root = copied(suspects_root, tmp_path / "demo")
    words = ["suspects", "digits", "--out-of-fold", "--out", tmp_path / "out.csv", "--workspace", root]
    said = cli(*words).out
    assert "SIMULATED votes" in said
    folder = suspects_of(digits_of(root).run)[-1]
    written, found = pd.read_csv(tmp_path / "out.csv"), folder.suspects()
    assert written.columns.tolist() == [
        *("id", "path", "label", "label_name", "suggested", "suggested_name", "verdict", "angular_score"),
        *("neighbours_score", "cleanlab_score", "votes_score", "rank", "votes_source"),
    ]
    assert written["id"].tolist() == found["id"].tolist()
    assert written["angular_score"].to_numpy() == pytest.approx(found["angular_score"].to_numpy())
    assert f"{written['path'][0]}" in said
    assert "Weights: angles " in said
    assert len(said.splitlines()) == 4 + 1 + 20 + 1
    assert f"{len(found) - 20} more are in doubt" in said
    nines = cli(*words[:3], "--where", "label = '9'", "--limit", 3, "--workspace", root).out
    assert "outside the condition and left out" in nines
    assert len(re.findall(r" 9 .* (\d of \d sources|no source of weight)$", nines, re.M)) == 3
    job = Jobs(root).newest()
    assert (job.verb, job.state) == ("suspects", "done")
    again = cli(*words)
    assert (again.code, "give --force" in again.err) == (2, True)


def test_a_pair_of_classes_that_is_often_confused_comes_first_and_is_said(made_up, workspace, cli):
    labels = np.repeat([0, 1, 2], 120)
    features = np.eye(3, 6)[labels] + np.random.default_rng(0).normal(scale=0.1, size=(360, 6)) + 0.1
    labels[:40] = 1
    labels[300] = 0
    made_up(features, labels)
    options = {"sources": ["angular", "neighbours"], "out_of_fold": True, "folds": 3}
    folder = search(open_dataset(workspace, "dots"), **options)
    assert folder.record.often == (0, 1)
    found = folder.suspects()
    first = found.index[found["id"] == 300][0]
    assert first > 20, "what is wrong but not of the pair comes after it"
    assert (found["id"][:first] < 40).all()
    command = ["suspects", "dots", "--sources", "angular,neighbours", "--out-of-fold", "--folds", 3]
    assert "“c0” is often called “c1”: these labels come first.\n" in cli(*command, "--workspace", workspace.root).out
    assert "“c0” is often called “c1”" in describe_suspects(open_dataset(workspace, "dots")).text


def test_votes_are_no_target_and_the_network_counts_beside_them_as_far_as_it_is_right(dots, workspace, tmp_path):
    """The order of what nobody voted on is that of the network alone, however wrong people say the others are."""
    sources = ["angular", "neighbours"]
    alone = service.LabelSearch(dots.run, dots.votes, SILENT)
    network = alone.weighed(alone.evidence(sources, alone.predictions()), alone.predictions()).doubt
    rows = [(f"{i}.png", "c0", who, int(i > 9)) for i in range(1, 20) for who in range(5)]
    pd.DataFrame(rows, columns=["sample", "class", "annotator", "selected"]).to_csv(tmp_path / "v.csv", index=False)
    attach_votes(workspace, "dots", tmp_path / "v.csv")
    voted = service.LabelSearch(dots.run, open_dataset(workspace, "dots").votes, SILENT)
    judged = voted.predictions()
    weighed = voted.weighed(voted.evidence([*sources, "votes"], judged), judged)
    right = 2 * (judged.view["predicted"] == voted.labels).mean() - 1
    assert weighed.weights["votes"] == pytest.approx(1 / (1 + right)) != 0.5
    rest = np.arange(20, 60)
    assert np.argsort(network[rest]).tolist() == np.argsort(weighed.doubt[rest]).tolist()
    assert weighed.doubt[1:10].mean() > weighed.doubt[10:20].mean() + 0.5, "people reject them"


def test_what_is_decided_or_excluded_is_left_out_of_every_list(made_up, workspace, cli, tmp_path):
    features, labels = apart()
    labels[[0, 1, 20, 21, 40]] = 1, 2, 0, 2, 0
    made_up(features, labels)
    opened = open_dataset(workspace, "dots")
    found = search(opened, sources=["angular"]).suspects()
    first, second, third, *others = found["id"]
    decisions.keep(opened.decisions, [first])
    decisions.accept(opened.decisions, {second: int(found["suggested"][1])})
    annotate(opened.decisions, [third], "exclude")
    command = ["suspects", "dots", "--sources", "angular", "--workspace", workspace.root]
    assert "3 are decided or excluded and left out" in cli(*command, "--out", tmp_path / "out.csv").out
    assert pd.read_csv(tmp_path / "out.csv")["id"].tolist() == others
    printed = json.loads(cli(*command, "--json").out)
    assert (printed["left_out"], [row["id"] for row in printed["rows"]]) == (3, others)
    assert avhcurate.open(workspace.root, "dots").suspects(sources="angular")["id"].tolist() == others
    section = describe_suspects(open_dataset(workspace, "dots"))
    assert "3 are decided or excluded" in section.text
    (shown,) = section.galleries
    assert len(shown.tiles) + shown.others == len(others) > 1
