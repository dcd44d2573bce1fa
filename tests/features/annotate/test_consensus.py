"""The consensus of a dataset: its columns, what it rests on, its export, and that HSF knows no network."""

import json

import numpy as np
import pandas as pd
import pytest

from avhcurate.datasets.export.card import dataset_card
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.errors import Run
from avhcurate.features.annotate.consensus import answers_of, consensus_table, find_consensus
from avhcurate.features.annotate.vote_files import log_votes
from avhcurate.features.correlation.service import correlate, overall
from avhcurate.features.disagreement.service import disagree
from avhcurate.features.report.service import describe_consensus
from avhcurate.people.attach import attach_votes
from avhcurate.workspace.data.consensus import CONSENSUS, TOLD_APART, ConsensusFolder
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.refusals import refused

N = 60
LABELS = np.arange(N) % 3


@pytest.fixture
def dots(made_up, tmp_path) -> DatasetFolder:
    """Dots with the answers of two who are right, and of a third who is wrong about the first twelve."""
    features = np.eye(3)[LABELS] * 6 + 0.1 * np.random.default_rng(0).normal(size=(N, 3))
    dataset, _ = made_up(features, LABELS)
    rows = [(f"{i}.png", who, f"c{_said(i, who)}") for i in range(N) for who in ("ann", "bob", "cyd")]
    vote(dataset, rows, tmp_path / "votes.csv")
    return dataset


def _said(i: int, who: str) -> int:
    # Two of three are wrong about image 0.
    wrong = (who == "cyd" and i < 12) or (who == "bob" and i == 0)
    return int((LABELS[i] + wrong) % 3)


def vote(dataset: DatasetFolder, rows: list[tuple[str, str, str]], file) -> None:
    pd.DataFrame(rows, columns=["path", "annotator", "label"]).to_csv(file, index=False)
    log_votes(opened_again(dataset).votes, file)


def opened_again(dataset: DatasetFolder) -> OpenDataset:
    return open_dataset(Workspace(dataset.root.parents[1]), dataset.name)


def weigh(dataset: DatasetFolder, *, people: bool = False) -> OpenDataset:
    opened = opened_again(dataset)
    find_consensus(opened.votes, opened.run, people=people)
    return opened_again(dataset)


def test_the_columns_are_in_every_table_and_say_what_they_rest_on(dots):
    assert not set(CONSENSUS) & set(opened_again(dots).samples.columns)
    opened = weigh(dots)
    rows = consensus_table(opened.samples).set_index("id")
    assert rows["consensus_label"].tolist() == LABELS.tolist()
    assert (rows["answers"] == 3).all()
    assert opened.consensus.record.answers == 3 * N
    # Most people are wrong about image 0, and the network is not.
    assert rows["consensus_of"][0] == "network"
    assert opened.consensus.record.changed == 1
    assert set(rows["consensus_of"][1:]) == {"both"}
    assert rows["consensus"][0] < rows["consensus"][12:].min()
    assert opened.samples.count(Filters(panel=("network",))) == 1
    assert opened.samples.count(Filters(where="consensus_label = 'c0' AND consensus > 0.5")) == (LABELS == 0).sum()


def test_without_a_network_people_are_alone(dots):
    weigh(dots)
    opened = weigh(dots, people=True)
    rows = consensus_table(opened.samples).set_index("id")
    assert opened.consensus.record.run is None
    assert set(rows["consensus_of"]) == {"people"}
    assert len(ConsensusFolder.folders_of(dots)) == 1


def test_the_same_call_does_nothing_and_new_votes_give_another(dots, tmp_path):
    written = weigh(dots).consensus.record.finished
    assert weigh(dots).consensus.record.finished == written
    vote(dots, [("1.png", "dan", "c2")], tmp_path / "more.csv")
    assert weigh(dots).consensus.record.answers == 3 * N + 1


def test_hsf_correlation_and_disagreement_know_no_network_of_the_consensus(dots):
    def measured(opened: OpenDataset):
        sets = disagree(opened.samples, opened.run, opened.prediction).ids
        return (
            opened.samples.frame()[["hsf", "hsf_low", "hsf_high", "votes", "hsf_bin"]],
            overall(correlate(opened.samples, opened.run, opened.votes)),
            pd.DataFrame({name: pd.Series(ids) for name, ids in sets.items()}),
        )

    opened = opened_again(dots)
    before = measured(opened)
    agreed = consensus_table(weigh(dots).samples)
    # The network now says another class of every image: the consensus is another one, and nothing of people is.
    weights = np.array(opened.run.class_weights())
    opened.run.write_head(np.roll(weights, 1, axis=0), np.zeros(3, np.float32))
    weigh(dots, people=True)
    flipped = weigh(dots)
    assert not consensus_table(flipped.samples).equals(agreed)
    for was, now in zip(before, measured(flipped), strict=True):
        pd.testing.assert_frame_equal(was, now)


def test_the_consensus_goes_out_as_labels_and_not_once_votes_have_come(dots, cli, tmp_path, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(dots.root.parents[1]))
    out = tmp_path / "labels.csv"
    export = ("export", dots.name, "--labels", "consensus", "--out", str(out))
    ended = cli(*export)
    assert ended.code == 2
    assert f"avhcurate consensus {dots.name}" in ended.err
    opened = weigh(dots)
    assert cli(*export).code == 0
    rows = pd.read_csv(out)
    assert rows["curated_label"].tolist() == rows["consensus_label"].tolist() == LABELS.tolist()
    assert json.loads(out.with_name("labels.csv.manifest.json").read_text())["labels"] == "consensus"
    # It decides nothing about the images.
    assert opened_again(dots).samples.decision_counts == opened.samples.decision_counts == (0, 0, 0)
    vote(dots, [("1.png", "dan", "c2")], tmp_path / "more.csv")
    ended = cli(*export, "--force")
    assert ended.code == 2
    assert "changed" in ended.err


def test_counts_without_names_are_answers_of_somebody_not_known(dots, tmp_path):
    counts = np.zeros((N, 3), int)
    counts[:, 1] = 4
    np.save(tmp_path / "counts.npy", counts)
    bare = opened_again(dots)
    attach_votes(bare.workspace, dots.name, tmp_path / "counts.npy", force=True)
    answers = answers_of(opened_again(dots).votes)
    assert answers[answers["annotator"] == -1]["label"].value_counts().to_dict() == {1: 4 * N}


def test_without_votes_there_is_none(made_up):
    dataset, _ = made_up(np.eye(3)[LABELS], LABELS)
    with refused(dataset.name, Run("votes", dataset.name, "FILE")):
        weigh(dataset)


def test_the_card_and_the_report_tell_the_three_numbers_apart(dots):
    assert TOLD_APART not in opened_again(dots).hand(dataset_card, Filters())
    opened = weigh(dots)
    assert TOLD_APART in opened.hand(dataset_card, Filters())
    told = describe_consensus(opened)
    assert TOLD_APART in told.text
    assert [len(part.tiles) for part in told.galleries] == [1]


def test_the_verb_names_who_errs(dots, cli, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(dots.root.parents[1]))
    ended = cli("annotators", dots.name)
    assert ended.out.splitlines()[-1].endswith(": cyd")
    rows = pd.DataFrame(json.loads(cli("annotators", dots.name, "--json").out)["annotators"]).set_index("annotator")
    # cyd is wrong about 12 of 60, and bob and ann contradict each other about the first.
    assert rows["accuracy"]["cyd"] == pytest.approx(48 / 60, abs=0.02)
    assert rows["confuses"]["cyd"].split(" as ")[0] in {"c0", "c1", "c2"}
    assert rows["errs"].tolist() == [False, False, True]
