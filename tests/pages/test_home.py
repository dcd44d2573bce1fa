"""The Home page without a browser: what is loaded, the job panel in every state, and the forms that start jobs."""

import base64
import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import avhcurate
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.locked import lock
from avhcurate.datasets.sources.service import import_dataset
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError, Option
from avhcurate.features.annotate import setup
from avhcurate.features.home import ui as home_ui
from avhcurate.features.home import ui_guide
from avhcurate.features.quality.service import measure_dataset
from avhcurate.networks.models import names
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.scoring.accuracy import Accuracy
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.people.attach import attach_votes
from avhcurate.ui.base import job_forms
from avhcurate.ui.base.user_errors import plain
from avhcurate.workspace.data import background
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.app_files import page_file
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.datasets import copy_dataset
from tests.fakes.votes import answer_all, collect
from tests.fakes.workspaces import HOSTILE_COLUMN, copied


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def job(root, state, **more):
    """Leaves a job's record behind, as one that ended so would."""
    kept = Jobs(root)
    record = kept.create("score", "digits", ["score", "digits", "--model=torchvision:resnet50"])
    kept.write(record.model_copy(update={"state": state, **more}))
    return record


def test_it_says_what_is_loaded(open_page, demo_root, words):
    app = open_page("home", demo_root)
    assert app.title[0].value == "digits"
    assert metrics(app) == {"Images": "1,797", "Classes": "10", "Simulated votes": "89,850", "Model runs": "1"}
    runs = app.dataframe[0].value.iloc[0]
    expected = ["avhcurate:digits", "complete", 1797, "float32", "torch · few images"]
    assert runs[["Model", "State", "Images", "Precision", "Run by"]].tolist() == expected
    assert "50 an image, k-way" in words(app)


def test_it_shows_what_it_is_for_and_three_ways_on_with_the_open_run(open_page, demo_root, unscored_root, words):
    app = open_page("home", demo_root, **{"class": "3"})
    opened = open_dataset(Workspace(demo_root), "digits")
    rows = opened.samples.frame(columns=["id", "hsf", "confidence", "avh"])
    apart = (rows["hsf"] - rows["confidence"]).argmin()
    text = words(app)
    for title, place in (("Network sure, people not", apart), ("Hardest", rows["avh"].argmax())):
        assert f"Image {rows['id'][place]}'" in text
        assert title in text
    assert f"{rows['hsf'][apart]:.0%} of the simulated panel chose" in text
    assert f"the network is {rows['confidence'][apart]:.0%} sure" in text
    links = {link.proto.label: link.proto.query_string for link in app.main.get("page_link")}
    ways = ["The hardest images", "Where people and network disagree", "Labels that may be wrong"]
    (query,) = {links[way] for way in ways}
    assert "dataset=digits" in query
    assert "class" not in query
    assert not any(button.key == "frame.clear" for button in app.button)
    assert "network not" not in words(open_page("home", unscored_root))


def test_a_picture_says_that_one_side_is_sure_only_where_it_is(own_demo_root):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    rows = opened.samples.frame(columns=["id", "hsf", "confidence", "votes"])
    assert not ((rows["hsf"] > 0.8) & (rows["confidence"] < 0.5)).any()
    shown = home_ui._extremes(opened.samples, opened.run)
    assert list(shown) == ["Network sure, people not", "Hardest"]
    assert (shown["Network sure, people not"]["hsf"], shown["Network sure, people not"]["confidence"]) < (0.5, 1.0)
    collect(opened, control_share=0.0)
    answer_all(opened, "ann", lambda id: 0, 10)  # one vote an image
    setup.choose_source(opened.votes, key="k-way", who="boss")
    few = open_dataset(Workspace(own_demo_root), "digits")
    assert not few.samples.simulated
    assert list(home_ui._extremes(few.samples, few.run)) == ["Hardest", "Easiest"]


def test_a_picture_may_be_excluded_while_the_page_is_drawn(own_demo_root, monkeypatch):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    query, found = opened.samples.query, []

    def excluding(asked, *parameters):
        rows = query(asked, *parameters)
        for (id,) in rows * asked.endswith("LIMIT 1"):
            found.append(id)
            annotate(opened.decisions, [id], "exclude")
        return rows

    monkeypatch.setattr(opened.samples, "query", excluding)
    assert [row["id"] for row in home_ui._extremes(opened.samples, opened.run).values()] == found[:2]


@pytest.mark.parametrize(("confidence", "votes", "so"), [(0.4, 5, True), (0.6, 5, False), (0.4, 4, False)])
def test_people_are_sure_and_the_network_is_not_by_five_votes_or_more(own_demo_root, add_run, confidence, votes, so):
    workspace = Workspace(own_demo_root)
    counts = votes * np.eye(10, dtype=np.int32)[open_dataset(workspace, "digits").dataset.labels()]
    np.save(own_demo_root / "counts.npy", counts)
    attach_votes(workspace, "digits", own_demo_root / "counts.npy", force=True)
    doubts = lambda rows: np.where(rows["id"] == 7, confidence, 1.0)  # noqa: E731
    run = add_run(own_demo_root, "zz-doubts-1", lambda rows: rows.assign(confidence=doubts(rows)))
    shown = home_ui._extremes(
        open_dataset(workspace, "digits", run).samples, open_dataset(workspace, "digits", run).run
    )
    assert (7 in [row["id"] for title, row in shown.items() if title == "People sure, network not"]) is so


@pytest.mark.slow
def test_answers_that_are_not_counted_are_offered_on_three_pages(open_page, own_demo_root, words):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    collect(opened, control_share=0.0)
    answer_all(opened, "ann", lambda id: 0, 10)
    for page in ("home", "correlation", "annotate"):
        app = open_page(page, own_demo_root, **{"annotate.name": "ada"})
        assert "HSF uses 89,850 simulated votes, not people's. Not counted: 10 answers of people." in words(app), page
    open_page("home", own_demo_root).button(key="votes.use.k-way").click().run()
    assert not open_dataset(Workspace(own_demo_root), "digits").samples.simulated
    app = open_page("home", own_demo_root)
    assert "Not counted: 89,850 simulated votes." in words(app)
    app.button(key="votes.use.simulated").click().run()
    assert open_dataset(Workspace(own_demo_root), "digits").samples.simulated


def test_human_votes_are_not_called_simulated_and_figures_take_all_images(open_page, human_root, words):
    app = open_page("home", human_root, **{"class": "4"})
    assert metrics(app)["Human votes"] == "89,850"
    assert "imulated" not in words(app)
    assert sum(chart_of(app, "home.classes", "x")) == 1797
    assert sum(chart_of(app, "home.hsf", "y")) == 1797


def chart_of(app, key, axis):
    """The numbers of a chart's first trace, as the browser would decode them."""
    node = next(node for node in app.get("plotly_chart") if node.proto.id.endswith(key))
    numbers = json.loads(node.proto.spec)["data"][0][axis]
    if isinstance(numbers, dict):
        numbers = np.frombuffer(base64.b64decode(numbers["bdata"]), numbers["dtype"]).tolist()
    return numbers


def test_without_votes_or_a_run_it_says_so_and_offers_both(open_page, unscored_root, words):
    app = open_page("home", unscored_root)
    assert "No votes yet" in words(app)
    assert metrics(app)["Model runs"] == "0"
    assert not app.dataframe
    app.segmented_control(key="home.have").set_value("votes").run()
    assert app.text_input(key="home.votes_files")


def submit(app, label):
    return next(button for button in app.button if button.label == label)


#: The address of the form that scores.
SCORE = {"home__have": "classifier"}


def test_scoring_starts_with_what_the_form_says(open_page, demo_root, no_process):
    app = open_page("home", demo_root, **SCORE)
    assert app.selectbox(key="home.score_model").value == "avhcurate:digits", "the last run's model comes first"
    app.text_input(key="home.score_weights").set_value("/w.safetensors")
    app.selectbox(key="home.score_precision").set_value("bfloat16")
    app.number_input(key="home.score_limit").set_value(100)
    submit(app, "Start scoring").click().run()
    ((argv, verb, dataset),) = no_process
    options = ["--model=avhcurate:digits", "--weights=/w.safetensors", "--precision=bfloat16", "--limit=100"]
    assert (argv, verb, dataset) == (["score", "digits", *options], "score", "digits")


def test_a_fifth_is_locked_first_unless_the_form_says_no(open_page, demo_root, tmp_path, no_process, words):
    key = "home.score_lock"
    assert not [box for box in open_page("home", demo_root, **SCORE).checkbox if box.key == key]
    fresh = Workspace(tmp_path / "fresh")
    import_dataset(fresh, "digits", demo_root / "downloads" / "digits" / "digits.parquet")
    app = open_page("home", fresh.root, **SCORE)
    assert app.checkbox(key=key).value
    submit(app, "Start scoring").click().run()
    assert no_process[0][0][:2] == ["score", "digits"]
    assert "--no-lock" not in no_process[0][0], "the job locks it"
    app = open_page("home", fresh.root, **SCORE)
    app.checkbox(key=key).set_value(False)
    submit(app, "Start scoring").click().run()
    assert "--no-lock" in no_process[1][0]
    locked = lock(open_dataset(fresh, "digits").decisions, open_dataset(fresh, "digits").run)
    app = open_page("home", fresh.root, **SCORE)
    assert not [box for box in app.checkbox if box.key == key]
    assert f"{locked.samples} images are locked" in words(app)


@pytest.mark.parametrize("installed", [True, False])
def test_a_cluster_is_offered_where_ray_is_installed(open_page, demo_root, no_process, monkeypatch, installed):
    monkeypatch.setattr(job_forms, "find_spec", lambda package: package if installed else None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    app = open_page("home", demo_root, **SCORE)
    where = [box for box in app.selectbox if box.key == "home.score_engine"]
    assert len(where) == installed
    for box in where:
        assert box.options == ["In one process here", "On a Ray cluster of this machine"]
        box.set_value("ray")
    submit(app, "Start scoring").click().run()
    assert ("--engine=ray" in no_process[0][0]) == installed


def test_proposed_is_a_model_that_is_here_with_a_head_for_other_classes(open_page, unscored_root, monkeypatch):
    monkeypatch.setattr(names, "is_here", lambda name: name == "efficientnet-lite0")
    app = open_page("home", unscored_root)
    assert app.selectbox(key="home.score_model").value == "efficientnet-lite0"
    assert app.selectbox(key="home.score_head").value == "fit"


@pytest.fixture
def typed(monkeypatch):
    """Names of models that may be typed: what AppTest chooses must be among the options."""
    names = ("clip:models/clip", "http.server:test", "lab.nets:make", "resnet5")
    monkeypatch.setattr(job_forms, "network_names", lambda: names)


@pytest.mark.usefixtures("typed")
def test_zero_shot_scoring_takes_a_prompt_a_line(open_page, demo_root, no_process):
    app = open_page("home", demo_root, **SCORE)
    app.selectbox(key="home.score_model").set_value("clip:models/clip")
    app.text_area(key="home.score_prompt").set_value("a photo of a {}\n\n a drawing of a {} ")
    app.text_input(key="home.score_classes").set_value("cat,dog")
    submit(app, "Start scoring").click().run()
    options = ["--model=clip:models/clip", "--prompt=a photo of a {}", "--prompt=a drawing of a {}"]
    assert no_process[0][0] == ["score", "digits", *options, "--classes=cat,dog"]


@pytest.mark.usefixtures("typed")
def test_a_models_name_imports_only_what_the_owner_lists_and_a_part_of_one_starts_nothing(
    open_page, demo_root, no_process, monkeypatch
):
    app = open_page("home", demo_root, **SCORE)
    refusals = {
        "resnet5": "avhcurate:resnet56 or torchvision:resnet50",
        "http.server:test": "lists it in AVHCURATE_FACTORIES",
        "lab.nets:make": "lists it in AVHCURATE_FACTORIES",
    }
    for name, said in refusals.items():
        app.selectbox(key="home.score_model").set_value(name)
        submit(app, "Start scoring").click().run()
        assert said in app.error[0].value.replace("\\", "")
    assert no_process == []
    monkeypatch.setenv("AVHCURATE_FACTORIES", "lab.nets:make")
    submit(app, "Start scoring").click().run()
    assert no_process[0][0] == ["score", "digits", "--model=lab.nets:make"]


def test_votes_and_imports_start_from_their_forms(open_page, demo_root, no_process):
    app = open_page("home", demo_root, home__have="votes")
    app.text_input(key="home.votes_files").set_value("/votes.csv")
    app.checkbox(key="home.votes_simulated").set_value(True)
    submit(app, "Attach votes").click().run()
    assert no_process.pop() == (["votes", "digits", "/votes.csv", "--simulated"], "votes", "digits")
    app.segmented_control(key="home.have").set_value("images").run()
    for name, source, said in (
        ("", "", "Choose a file, or give the path"),
        ("../source", "list:/visda/test.txt", "not a valid name"),
    ):
        app.text_input(key="home.import_name").set_value(name)
        app.text_input(key="home.import_source").set_value(source)
        submit(app, "Import").click().run()
        ((error,),) = (form.get("error") for form in app.get("form"))
        assert said in error.value
    assert no_process == []
    app.text_input(key="home.import_name").set_value("source")
    app.text_input(key="home.import_root").set_value("/visda/test")
    app.text_input(key="home.import_classes").set_value("visda17")
    submit(app, "Import").click().run()
    argv = ["import", "source", "list:/visda/test.txt", "--root=/visda/test", "--classes=visda17"]
    assert no_process == [(argv, "import", "source")]


def test_an_empty_workspace_offers_the_demo_an_import_and_public_data_once_their_terms_are_agreed_to(
    open_page, workspace, no_process, words
):
    app = open_page("home", workspace.root)
    assert app.title[0].value == "Welcome"
    assert app.button(key="frame.demo")
    assert submit(app, "Import")
    app.segmented_control(key="home.have").set_value("nothing").run()
    assert "CC BY-NC-SA 4.0" in words(app)
    submit(app, "Fetch").click().run()
    assert "tick that you agree" in app.error[0].value
    assert no_process == []
    app.selectbox(key="home.public").set_value("imagenetv2").run()
    app.text_input(key="home.fetch_mirror").set_value("/data/v2")
    app.checkbox(key="home.fetch_agreed.imagenetv2").set_value(True)
    submit(app, "Fetch").click().run()
    assert no_process == [(["fetch", "imagenetv2", "--mirror=/data/v2", "--yes"], "fetch", "imagenetv2")]


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_stopped_job_says_why_and_can_be_resumed_or_put_away(open_page, own_demo_root, no_process, words, state):
    record = job(own_demo_root, state, message="no such *file*" if state == "failed" else "", done=500, total=1000)
    app = open_page("home", own_demo_root)
    text = words(app)
    assert "Score digits with torchvision" in text
    assert "at 500 of 1,000" in text
    if state == "failed":
        assert app.error[0].value == r"no such \*file\*"
    app.button(key="jobs.resume").click().run()
    assert no_process == [(record.argv, "score", "digits")]
    app.button(key="jobs.dismiss").click().run()
    assert "Score digits with" not in words(app)


def test_a_stopped_job_of_arrays_in_a_notebook_is_not_offered_again(open_page, own_demo_root, words):
    jobs = Jobs(own_demo_root)
    record = jobs.create("attach", "digits", [])
    jobs.write(record.model_copy(update={"state": "failed", "message": "no room"}))
    app = open_page("home", own_demo_root)
    assert "Run the cell there again" in words(app)
    assert "jobs.resume" not in [button.key for button in app.button]
    with pytest.raises(CurateError, match="Run its cell there again"):
        background.resume(own_demo_root, record)


def test_a_job_whose_process_is_gone_was_interrupted(open_page, own_demo_root, words):
    job(own_demo_root, "running", done=5, total=10)
    assert "was interrupted" in words(open_page("home", own_demo_root))


def test_a_running_job_shows_progress_and_can_be_cancelled(open_page, own_demo_root, words):
    kept = Jobs(own_demo_root)
    record = kept.create("score", "digits", ["score", "digits", "--model=avhcurate:digits"], who="ann@x.org")
    with kept.running(record) as progress:
        progress.tell(0, 1797)
        time.sleep(0.35)
        progress.tell(4, 1797, "forward")
        app = open_page("home", own_demo_root, **SCORE)
        bar = app.get("progress")[0].proto
        assert bar.value == 0
        assert "4 of 1,797" in bar.text
        assert "digits, by ann" in words(app)
        assert "left" in bar.text
        assert submit(app, "Start scoring").disabled
        app.button(key="jobs.cancel").click().run()
        assert progress.should_stop()
        assert app.button(key="jobs.cancel").disabled
        assert "Stopping after the current batch" in app.get("progress")[0].proto.text
    app.run()
    assert not app.get("progress")
    assert not submit(app, "Start scoring").disabled


def test_a_finished_job_refreshes_the_tables_and_turns_to_what_it_brought(open_page, own_demo_root, no_process):
    app = open_page("home", own_demo_root)
    app.text_input(key="home.import_name").set_value("more")
    app.text_input(key="home.import_source").set_value("/x")
    submit(app, "Import").click().run()
    ((argv, verb, name),), kept = no_process, Jobs(own_demo_root)
    with kept.running(kept.create(verb, name, argv)):
        app.run()
        assert app.title[0].value == "digits"
        copy_dataset(own_demo_root, "more")
    app.run()
    assert not app.exception
    assert app.title[0].value == "more"
    assert "Import more: done" in app.toast[0].value.replace("\\", "")


def test_a_job_on_the_dataset_in_view_leaves_the_filters(open_page, own_demo_root, no_process, asked):
    app = open_page("home", own_demo_root, **SCORE, **{"class": "3"})
    submit(app, "Start scoring").click().run()
    ((argv, verb, name),), kept = no_process, Jobs(own_demo_root)
    with kept.running(kept.create(verb, name, argv)):
        app.run()
    app.run()
    assert "done" in app.toast[0].value
    assert asked(app, "class") == "3"


@pytest.mark.slow
def test_the_pages_never_load_torch():
    package = Path(avhcurate.__file__).parent
    files = [*package.rglob("ui.py"), *package.rglob("ui_*.py"), package / "ui" / "shell" / "main.py"]
    names = ", ".join(".".join(file.relative_to(package.parent).with_suffix("").parts) for file in files)
    heavy = ("torch", "torchvision", "umap", "sklearn")
    code = f"import sys\nimport {names}\nprint([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


# --- columns of the user's own --------------------------------------------------------------------------------


def test_the_harder_end_of_a_column_is_said_on_home_and_kept(open_page, columns_root, tmp_path):
    root = copied(columns_root, tmp_path / "workspace")
    app = open_page("home", root)
    app.selectbox(key="home.column").set_value(HOSTILE_COLUMN).run()
    control = next(group for group in app.get("button_group") if group.key == f"home.harder.{HOSTILE_COLUMN}")
    assert control.value == "none"
    control.set_value("low").run()
    assert not app.exception
    assert Workspace(root).dataset("digits").record.harder == {HOSTILE_COLUMN: "low"}
    assert "low" in [group.value for group in app.get("button_group") if group.key == control.key]


def test_samples_are_counted_by_a_column_of_few_values(open_page, columns_root, asked):
    app = open_page("home", columns_root)
    assert app.selectbox(key="home.group").options == ["Classes", "place", "seen"]
    app.selectbox(key="home.group").set_value("place").run()
    assert asked(app, "home.group") == "place"
    charts = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    assert ["park, old", "zoo", "none"] in [list(chart["data"][0].get("y", [])) for chart in charts]


# --- what do you have? -------------------------------------------------------------------------------------------


GUIDED = {
    "images": ("home.import_source", "near duplicates"),
    "labels": ("home.import_source", "score the images"),
    "classifier": ("home.score_weights", "hardest images"),
    "votes": ("home.votes_files", "people and the network disagree"),
    "nothing": ("home.fetch_mirror", "look at them"),
}


def test_each_answer_of_the_guide_has_its_form_and_one_next_step(open_page, demo_root, workspace):
    app = open_page("home", demo_root)
    for have, (field, step) in GUIDED.items():
        app.segmented_control(key="home.have").set_value(have).run()
        assert app.text_input(key=field)
        assert step in " ".join(link.proto.label for link in app.main.get("page_link")), have
    app = open_page("home", workspace.root, home__have="votes")
    assert app.text_input(key="home.import_source")


def test_an_upload_is_imported_under_its_name_and_uploaded_labels_relabel(
    open_page, own_demo_root, monkeypatch, no_process
):
    app = open_page("home", own_demo_root, home__have="labels")
    sent = {}
    monkeypatch.setattr(ui_guide, "sent", sent.get)
    sent["home.import_source"] = upload(b"path,label\na.png,1\n", "my pets.csv")
    submit(app, "Import").click().run()
    ((argv, verb, name),) = no_process
    assert (verb, name) == ("import", "my-pets")
    assert Path(argv[2]).read_bytes() == sent["home.import_source"].getvalue()
    paths = open_dataset(Workspace(own_demo_root), "digits").samples.paths()[:2]
    labels = upload(f"path,label\n{paths[0]},7\n{paths[1]},7\n".encode(), "labels.csv")
    sent["home.labels"] = labels
    submit(app, "Relabel").click().run()
    assert "2 applied" in app.toast[0].value
    assert open_dataset(Workspace(own_demo_root), "digits").samples.frame()["curated_label"][:2].tolist() == [7, 7]
    sent["home.labels"] = None
    submit(app, "Relabel").click().run()
    (error,) = app.error
    assert "Choose a file of labels" in error.value


def upload(data, name):
    """A file as a browser sends it."""
    file = io.BytesIO(data)
    file.name = name
    return file


def test_photos_start_one_job_by_a_path_or_a_zip_and_are_called_as_these(
    open_page, own_demo_root, tmp_path, monkeypatch, no_process, words
):
    (tmp_path / "my pets").mkdir()
    app = open_page("home", own_demo_root)
    app.text_input(key="home.review_path").set_value(f" {tmp_path / 'my pets'} ").run()
    argv = ["review", str(tmp_path / "my pets"), "--dataset=my-pets"]
    assert no_process.pop() == (argv, "review", "my-pets")
    assert app.text_input(key="home.review_path").value == ""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in ("inner/cat/1.png", "inner/dog/1.png"):
            archive.writestr(path, b"not read yet")
    monkeypatch.setattr(ui_guide, "sent", lambda field: upload(packed.getvalue(), "Ann's photos.zip"))
    app.text_input(key="home.review_path").set_value("/ignored").run()
    ((argv, _, name),) = no_process
    assert (name, Path(argv[1]).name) == ("Ann-s-photos", "inner")
    monkeypatch.setattr(ui_guide, "sent", lambda field: upload(b"", "photos.exe"))
    app.text_input(key="home.review_path").set_value("/ignored").run()
    assert "not a zip of images" in app.error[0].value
    with Jobs(own_demo_root).running(Jobs(own_demo_root).create("review", "my-pets", argv)):
        app.run()
        assert "Find wrong labels in my-pets" in words(app)
        assert not [box for box in app.text_input if box.key == "home.review_path"]


def test_changed_photos_are_imported_anew_by_a_button(open_page, own_demo_root, no_process):
    kept, argv = Jobs(own_demo_root), ["review", "/photos", "--dataset=photos"]
    with pytest.raises(CurateError), kept.running(kept.create("review", "photos", argv)):
        raise CurateError(f"The source has changed. Use {Option('force', True)} to import it again.")
    open_page("home", own_demo_root).button(key="jobs.--force").click().run()
    assert no_process == [([*argv, "--force"], "review", "photos")]


@pytest.mark.slow
def test_what_a_job_has_made_opens_by_itself_from_home_alone(open_page, own_demo_root, no_process):
    address = "suspects?dataset=digits"
    for page, title in (("home", "Suspects"), ("gallery", "Gallery")):
        app = open_page("home", own_demo_root)
        app.text_input(key="home.review_path").set_value("/photos").run()
        argv, verb, name = no_process.pop()
        if page != "home":
            app.switch_page(str(page_file(page))).run()
        kept = Jobs(own_demo_root)
        with kept.running(kept.create(verb, name, argv)) as progress:
            app.run()
            assert app.title[0].value != "Suspects"
            progress.opens(address)
            app.run()
            assert app.title[0].value == title


@pytest.fixture(scope="module")
def unlabelled_root(demo_root, tmp_path_factory):
    """Sixty digits without a label, scored."""
    root = tmp_path_factory.mktemp("unlabelled")
    rows = pq.read_table(demo_root / "downloads" / "digits" / "digits.parquet")
    pq.write_table(rows.slice(0, 60).drop_columns(["label"]), root / "bare.parquet")
    space = Workspace(root / "space")
    import_dataset(space, "bare", root / "bare.parquet")
    score_dataset(space, "bare", ModelSpec(name="avhcurate:digits"))
    return space.root


@pytest.mark.parametrize("page", ["home", "gallery", "correlation", "models", "map", "suspects", "pseudo_labels"])
def test_a_page_opens_on_a_dataset_without_labels(open_page, unlabelled_root, page, words):
    app = open_page(page, unlabelled_root)
    if page == "map":
        assert "draw around a group and tag it" in app.info[0].value
    if page == "home":
        assert "would add AVH" in "".join(info.value for info in app.info)
    if page == "gallery":
        frame = open_dataset(Workspace(unlabelled_root), "bare").samples.frame()
        assert frame[["avc", "max_confidence", "norm"]].notna().all(axis=None)
        assert frame[["avh", "loss"]].isna().all(axis=None)


# --- a page or all of them filled by one button -------------------------------------------------------------------

MODEL, HALVES = "--model=avhcurate:digits", ("--source=digits", "--target=digits")


@pytest.mark.parametrize(
    ("page", "says", "verb", "options"),
    [
        ("map", "Make a map", "project", ["digits", "--model={run}"]),
        ("suspects", "Find suspects", "suspects", ["digits", "--model={run}"]),
        ("degradation", "Degrade some images", "degrade", ["digits", "--model={run}"]),
        ("training_dynamics", "Train a network", "train", ["digits", MODEL]),
        ("self_training", "Adapt a network", "self-train", [*HALVES, MODEL, "--source-where=split = 'train'"]),
    ],
)
def test_one_click_fills_an_empty_page(open_page, demo_root, no_process, page, says, verb, options):
    button = open_page(page, demo_root).button(key="page.fill")
    assert button.label == says
    button.click().run()
    run = Workspace(demo_root).dataset("digits").run().name
    assert no_process == [([verb, *(option.format(run=run) for option in options)], verb, "digits")]


def test_a_busy_workspace_fills_no_page(open_page, own_demo_root):
    jobs = Jobs(own_demo_root)
    with jobs.running(jobs.create("score", "digits", ["score", "digits"])):
        assert open_page("map", own_demo_root).button(key="page.fill").disabled
        assert open_page("home", own_demo_root).button(key="home.fill").disabled


def test_home_fills_every_page_of_the_digits_once(open_page, own_demo_root, unscored_root, no_process):
    app = open_page("home", own_demo_root)
    assert any("about 2 minutes on two cores" in node.value for node in app.markdown)
    app.button(key="home.fill").click().run()
    assert no_process == [(["demo", "--full"], "demo", "digits")]
    jobs = Jobs(own_demo_root)
    with jobs.running(jobs.create("demo", "digits", ["demo", "--full"])) as progress:
        progress.report(250, 800, "Suspects: neighbours")
        app = open_page("home", own_demo_root)
        assert "Demo digits" in " ".join(node.value for node in app.markdown)
        assert not any(button.key == "home.fill" for button in app.button)
    for root in (own_demo_root, unscored_root):
        assert not any(button.key == "home.fill" for button in open_page("home", root).button)


@pytest.mark.slow
def test_copies_across_splits_are_counted_with_accuracy_with_and_without_them(open_page, own_digits, words):
    root, dataset = own_digits.workspace.root, own_digits.dataset
    app = open_page("home", root)
    assert "Nothing has looked for copies of an image in two splits." in words(app)
    assert "Look for copies" in [link.proto.label for link in app.get("page_link")]
    measure_dataset(own_digits.workspace, "digits")
    rows = own_digits.samples.frame()
    train, test = (rows.index[rows["split"] == split].to_numpy() for split in ("train", "test"))
    wrong = test[rows.loc[test, "label"] != rows.loc[test, "predicted"]]
    copies = np.union1d(test[:40], wrong)
    columns = pd.read_parquet(dataset.quality.columns_path).set_index("id", drop=False)
    columns["duplicate_group"] = pd.Series(pd.NA, columns.index, "Int64")
    columns.loc[copies, "duplicate_group"] = columns.loc[train[: len(copies)], "duplicate_group"] = range(len(copies))
    columns.loc[test[-2:], "duplicate_group"] = 10_000  # twins of each other, not of a training image
    columns.to_parquet(dataset.quality.columns_path)
    app = open_page("home", root)
    assert not app.exception
    alone = np.setdiff1d(test, copies)
    right = (rows["label"] == rows["predicted"]).astype(int)
    texts = [Accuracy(len(ids), int(right[ids].sum()), 10) for ids in (test, alone)]
    said = f"{len(copies)} of {len(test)} images of test have a copy in the training split."
    assert plain(f"{said} With them: {texts[0]}. Without: {texts[1]}.") in words(app)
    assert texts[1].correct == len(alone)
    (link,) = [link for link in app.get("page_link") if link.proto.label == "See the copies"]
    assert "quality.only=leak" in link.proto.query_string
