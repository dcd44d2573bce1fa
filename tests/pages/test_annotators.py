"""The Annotators page without a browser: figures are the log's, exclusion moves HSF, withdrawal is for good."""

import io
import math

import pandas as pd
import pytest

from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate import annotators, exclusion, queue, setup, ui_annotators
from avhcurate.features.annotate.ui_annotators import file_of, need_text
from avhcurate.features.annotate.vote_files import log_votes
from avhcurate.measures.stats.sample_size import Need
from avhcurate.people.annotators import ExclusionRule
from avhcurate.workspace.data.workspace import Workspace
from tests.fakes.datasets import copy_dataset
from tests.fakes.votes import answer_all, collect, truth
from tests.fakes.workspaces import copied

EACH = 12


@pytest.fixture(scope="module")
def voted_root(demo_root, tmp_path_factory):
    """The digits with the votes of two who are right and one who never is."""
    root = copied(demo_root, tmp_path_factory.mktemp("annotators") / "demo")
    opened = table_of(root)
    collect(opened, queue="hardest", target=3, control_share=0.5)
    right = truth(opened)
    for name in ("ann", "bob"):
        answer_all(opened, name, right, EACH)
    answer_all(opened, "mal", lambda id: (right(id) + 1) % 10, EACH)
    setup.choose_source(opened.votes, key="k-way", who="boss")
    return root


@pytest.fixture
def own_root(voted_root, tmp_path):
    return copied(voted_root, tmp_path / "voted")


def table_of(root):
    return open_dataset(Workspace(root), "digits")


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def press(app, label):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception


def people(app):
    return next(frame.value for frame in app.dataframe if "Agreement" in frame.value).set_index("Annotator")


def test_before_the_first_answer_it_shows_what_is_wanted(open_page, own_demo_root):
    collect(table_of(own_demo_root), target=4)
    app = open_page("annotators", own_demo_root)
    assert metrics(app)["Votes collected"] == "0"
    assert any("No answers yet" in info.value for info in app.info)
    assert not app.get("plotly_chart")


def test_a_row_an_annotator_with_intervals(open_page, voted_root, words):
    app = open_page("annotators", voted_root)
    rows = people(app)
    assert rows["State"].tolist() == ["counts"] * 3
    assert rows.loc["mal", "Controls right"] == 0
    assert rows.loc["ann", "Controls right"] == 100
    assert rows["Controls right, 95 %"].str.contains("n ").all()
    assert rows.loc["ann", "Median time"] == 0.7
    opened = table_of(voted_root)
    made, quality = (
        queue.progress(opened.decisions, opened.votes, opened.run),
        annotators.vote_quality(opened.votes, "classify"),
    )
    alone = quality.table.assign(compared=0, agreement=math.nan, agreement_low=math.nan, agreement_high=math.nan)
    assert ui_annotators.shown(alone)["Agreement, 95 %"].tolist() == ["n 0"] * 3
    shown = metrics(app)
    assert shown["Votes collected"] == f"{made.votes:,}"
    assert shown["Images done"] == str(made.done)
    assert shown["Annotators"] == "3"
    assert shown["Fleiss' kappa"] == f"{quality.kappa.value:.2f}"
    assert shown["Krippendorff's alpha"] == f"{quality.alpha.value:.2f}"
    text = words(app)
    assert f"{quality.alpha.low:.2f}–{quality.alpha.high:.2f}" in text
    assert f"{opened.samples.votes.total:,} given in the app by 3 annotators" in text
    assert f"{opened.votes.sources()['simulated']:,} simulated votes" in text


@pytest.mark.slow
def test_excluding_by_hand_moves_hsf_and_including_moves_it_back(open_page, own_root):
    app = open_page("annotators", own_root)
    before = table_of(own_root).samples.frame(columns=["hsf"])["hsf"].mean()
    app.multiselect(key="annotators.chosen").set_value(["mal"]).run()
    app.text_input(key="annotators.why").set_value("guesses").run()
    app.button(key="annotators.exclude").click().run()
    assert not app.exception
    rows = people(app)
    assert "guesses" in rows.loc["mal", "State"]
    assert table_of(own_root).samples.frame(columns=["hsf"])["hsf"].mean() > before
    app.multiselect(key="annotators.chosen").set_value(["mal"]).run()
    app.button(key="annotators.include").click().run()
    assert table_of(own_root).samples.frame(columns=["hsf"])["hsf"].mean() == pytest.approx(before)
    history = next(frame.value for frame in app.dataframe if "Action" in frame.value)
    assert history["Action"].tolist() == ["include", "exclude"]


def test_each_two_annotators_are_a_heat_map_and_a_table(open_page, voted_root):
    app = open_page("annotators", voted_root)
    rows = next(frame.value for frame in app.dataframe if "Cohen's kappa" in frame.value)
    assert set(rows.head(2)[["One", "Other"]].to_numpy().ravel()) == {"ann", "bob", "mal"}, "who disagree come first"
    assert rows["Say the same"].tolist() == [0, 0, 100]
    assert rows["Images"].tolist() == annotators.annotator_pairs(quality_of_root(voted_root))["n"].tolist()
    assert rows.loc[2, "Say the same, 95 %"].endswith("–100 %")


def quality_of_root(root):
    return annotators.vote_quality(table_of(root).votes, "classify")


def test_a_rule_says_whom_it_leaves_out_before_it_is_applied_and_is_undone(open_page, own_root, words):
    app = open_page("annotators", own_root)
    assert app.button(key="annotators.rule.exclude").disabled
    app.number_input(key="annotators.rule.answers").set_value(1).run()
    app.number_input(key="annotators.rule.control_accuracy").set_value(50).run()
    votes = table_of(own_root).votes
    outside = exclusion.left_out_by(votes, annotators.annotators(votes), ExclusionRule(control_accuracy=0.5))
    assert f"Leaves out **{outside.text}**" in words(app)
    assert outside.text.startswith("1 of 3 annotators")
    assert not annotators.annotators(votes)["excluded"].any()
    app.button(key="annotators.rule.exclude").click().run()
    assert not app.exception
    assert "rule: " in people(app).loc["mal", "State"]
    assert setup.source(table_of(own_root).votes).left_out == 1
    app.button(key="annotators.rule.undo").click().run()
    assert not app.exception
    assert people(app)["State"].tolist() == ["counts"] * 3
    assert f"Leaves out **{outside.text}**" in words(app)


def test_what_hsf_is_made_of_can_be_chosen(open_page, own_root):
    app = open_page("annotators", own_root)
    app.radio(key="annotators.source.digits.chosen").set_value("simulated")
    press(app, "Use")
    assert table_of(own_root).samples.simulated
    app.radio(key="annotators.source.digits.chosen").set_value("k-way")
    app.number_input(key="annotators.source.digits.control_filter").set_value(0.7)
    press(app, "Use")
    opened = table_of(own_root)
    assert not opened.samples.simulated
    assert setup.source(opened.votes).left_out == 1


@pytest.mark.slow
def test_withdrawal_asks_for_the_name_and_then_is_for_good(open_page, own_root, words):
    app = open_page("annotators", own_root)
    app.multiselect(key="annotators.chosen").set_value(["mal"]).run()
    assert "cannot be undone" in words(app)
    assert app.button(key="annotators.really").disabled
    app.text_input(key="annotators.confirm").set_value("mal").run()
    app.button(key="annotators.really").click().run()
    assert not app.exception
    left = annotators.responses(table_of(own_root).votes, controls=True)
    assert set(left["annotator"]) == {"ann", "bob"}


def test_the_file_of_votes_holds_each_of_them(voted_root):
    opened = table_of(voted_root)
    rows = pd.read_csv(io.BytesIO(file_of(opened.samples, opened.votes, ".csv")))
    answers = annotators.responses(opened.votes, controls=True)
    assert len(rows) == len(answers)
    assert rows.groupby("annotator").size().to_dict() == answers.groupby("annotator").size().to_dict()
    assert (
        len(pd.read_parquet(io.BytesIO(file_of(opened.samples, opened.votes, ".parquet"))))
        == opened.samples.votes.samples
    )


@pytest.mark.slow
def test_the_forms_hold_the_settings_of_the_dataset_that_is_open(open_page, own_root):
    copy_dataset(own_root, "more")
    opened = open_dataset(Workspace(own_root), "more")
    collect(opened, queue="fewest", target=7)
    setup.choose_source(opened.votes, key="simulated", control_filter=0.6, who="lead")
    app = open_page("annotators", own_root)
    app.number_input(key="annotators.settings.digits.target").set_value(9)
    press(app, "Save for everybody")
    assert setup.settings_of(table_of(own_root).votes).target == 9
    app.selectbox(key="frame.dataset").set_value("more").run()
    press(app, "Save for everybody")
    press(app, "Use")
    settings, source = setup.settings_of(opened.votes), setup.source(opened.votes)
    assert (settings.queue, settings.target) == ("fewest", 7)
    assert (source.choice, source.control_filter) == ("simulated", 0.6)


def test_images_whose_label_people_contradict_are_shown_with_what_they_say(open_page, own_demo_root, grids):
    opened = table_of(own_demo_root)
    collect(opened, queue="hardest", control_share=0.0)
    right = truth(opened)
    for name in ("ann", "bob", "cid"):  # all find nines in place of the eights
        answer_all(opened, name, lambda id: max(right(id), 9 * (right(id) == 8)), EACH)
    shown = grids(open_page("annotators", own_demo_root))["Where people contradict the label"]["tiles"]
    eights = {int(id) for id in annotators.vote_quality(opened.votes, "classify").votes["id"] if right(id) == 8}
    assert {tile["id"] for tile in shown} == eights != set()
    assert {(tile["title"], tile["sub"]) for tile in shown} == {("8", "people: 9")}


def test_a_forecast_from_few_votes_says_by_how_much_it_is_low():
    need = Need(500, 3.0, 0.1, 0.2, 0.05, 9, 3000, 1500)
    assert "low: by 0.016 to 0.034 from 3 votes and 0.003 to 0.011 from 5" in need_text(need)
    assert "low" not in need_text(Need(500, 10.0, 0.1, 0.2, 0.05, 19, 4500, 1500))


def test_answers_of_a_file_are_judged_without_a_collection(open_page, own_demo_root, tmp_path, words):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    rows = opened.samples.frame(columns=["path", "label"]).head(40)
    said = [(path, who, label) for path, label in rows.itertuples(index=False) for who in ("ada", "ben")]
    file = tmp_path / "answers.csv"
    pd.DataFrame(said, columns=["sample", "annotator", "label"]).to_csv(file, index=False)
    log_votes(opened.votes, file)
    setup.choose_source(opened.votes, key="k-way", who="ada")
    app = open_page("annotators", own_demo_root)
    assert not app.exception
    assert "No votes are collected yet" not in words(app)
    table = people(app)
    assert table["Votes"].to_dict() == {"ada": 40, "ben": 40}


def test_the_images_whose_majority_the_network_changed_come_first(open_page, own_root, tmp_path):
    opened = table_of(own_root)
    rows = opened.samples.frame(columns=["id", "path", "label", "predicted", "hsf"])
    # Only who is never right has answered about this one, and the network is right.
    image = rows[rows["hsf"].isna() & (rows["label"] == rows["predicted"])].iloc[0]
    wrong = opened.samples.classes[(int(image["label"]) + 1) % 10]
    file = tmp_path / "more.csv"
    pd.DataFrame({"path": [image["path"]], "annotator": ["mal"], "label": [wrong]}).to_csv(file, index=False)
    log_votes(opened.votes, file)
    app = open_page("annotators", own_root)
    press(app, "Weigh the votes")
    opened = table_of(own_root)
    changed = opened.samples.frame(Filters(panel=("network",)), columns=["id", "consensus_label"])
    assert changed.set_index("id")["consensus_label"].to_dict() == {image["id"]: image["label"]}
    assert any(
        f"The network changed what most people say about {len(changed)} of them" in text.value for text in app.markdown
    )
    pictures = [html.proto.body for html in app.get("html") if "avh-pairs" in html.proto.body]
    assert any(f"image {image['id']}: {wrong} 1 of 1" in body for body in pictures)
