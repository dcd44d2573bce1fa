"""The report: its figures are those of the verbs, its commands can be given, and the file asks for nothing."""

import re
import shlex

import numpy as np
import pytest
import typer
from huggingface_hub import DatasetCard

import avhcurate
from avhcurate.cli import app
from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import CurateError
from avhcurate.features.correlation.service import correlate
from avhcurate.features.disagreement.service import disagree
from avhcurate.features.quality.service import measure_dataset
from avhcurate.features.report import service
from avhcurate.features.report.parts import interval
from avhcurate.features.suspects.service import find_suspects
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.features.suspects.store import suspects_of

BLACK = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def digits():
    """120 scored digits with simulated votes, suspects and measures."""
    made = avhcurate.example(fresh=True)
    find_suspects(made.opened.run, made.opened.votes, SuspectsSettings(dataset=made.name, sources="angular,neighbours"))
    measure_dataset(made.workspace, "digits")
    return open_dataset(made.workspace, "digits")


def written(opened, out, **options):
    return service.write_report(opened, out, **options).read_text(encoding="utf-8")


def test_the_figures_are_those_of_the_verbs(digits):
    rows = {name: cells for name, *cells in service.describe_correlation(digits).rows}
    signs = {score.name: -score.sign for score in digits.samples.ranked.values() if score.sign}
    values = {name: rho.split(" ")[0] for name, (_, rho) in rows.items() if name in signs and rho != "-"}
    agreement = [signs[name] * float(value) for name, value in values.items()]
    assert agreement == sorted(agreement, reverse=True)  # one that goes against people is not closest to them
    avh = correlate(digits.samples, digits.run, digits.votes).table.query("bin == 'all'").set_index("score").loc["avh"]
    assert rows["AVH"] == ["120", interval(avh["spearman"], avh["ci_low"], avh["ci_high"])]
    ids = disagree(digits.samples, digits.run, digits.prediction).ids
    galleries = service.describe_gap(digits).galleries
    assert [len(gallery.tiles) + gallery.others for gallery in galleries] == [len(some) for some in ids.values()]
    record = suspects_of(digits.run)[-1].record
    assert f"{record.listed:,} of 120 labels" in service.describe_suspects(digits).text
    bins = {name: count for name, count, _ in service.describe_votes(digits).bars}
    hsf = digits.samples.frame(columns=["hsf"])["hsf"].to_numpy(float)
    assert bins["[0.8, 1]"] == np.count_nonzero(hsf >= 0.8)


def test_excluded_samples_are_in_no_figure(digits):
    assert f"{digits.samples.votes.total:,} simulated votes on 120 images" in service.describe_votes(digits).text
    wrong = digits.samples.frame(Filters(mistakes=True))["id"].to_list()
    annotate(digits.decisions, wrong, "exclude")
    left, n = digits.samples.frame(Filters()), 120 - len(wrong)
    data, network, votes = (build(digits) for build in service.SECTIONS[:3])
    assert data.text.startswith(f"{n} images of 10 classes. {len(wrong)} more are excluded")
    assert sum(count for _, count, _ in data.bars) == n > 100
    assert sum(count for _, count, _ in votes.bars) == n
    assert f"{left['votes'].sum():,} simulated votes on {n} images" in votes.text
    assert "accuracy 100.0 %" in network.text
    undo(digits.decisions)
    assert "excluded" not in service.describe_data(digits).text


def test_a_section_that_cannot_be_made_says_why_and_the_others_stand(digits, tmp_path, monkeypatch):
    def refuse(*_):
        raise CurateError("The score quantiles 0.2 and 0.8 are both 0, for ties.")

    for verb in ("correlate", "disagree"):
        monkeypatch.setattr(service, verb, refuse)
    text = written(digits, tmp_path / "report.html", images=False)
    assert text.count("The score quantiles 0.2 and 0.8 are both 0, for ties.") == 2
    assert "labels, by the run&#39;s own head" in text


def test_every_command_can_be_given(digits):
    commands = typer.main.get_command(app).commands
    for build in service.SECTIONS:
        program, verb, *arguments = shlex.split(build(digits).command)
        assert program == "avhcurate"
        commands[verb].make_context(verb, arguments)


@pytest.mark.slow
def test_the_file_asks_for_nothing_and_inlines_images_where_wanted(digits, tmp_path):
    with_images, without = written(digits, tmp_path / "a.html"), written(digits, tmp_path / "b.html", images=False)
    for text in (with_images, without):
        assert re.findall(r"""(?:src|href)=["'](?!data:)""", text) == []
        assert "<script" not in text
        assert "simulated annotators" in text
    assert with_images.count("data:image/") > 10
    assert "data:image/" not in without
    assert str(digits.dataset.root.parent) not in with_images  # where the images lie is nobody's business


def test_names_are_text_in_the_report_and_on_the_card(make_dataset, tmp_path, cli):
    opened = make_dataset({"<b onclick=alert(1)>/a.png": BLACK, "cat: [|x/b.png": BLACK})
    place = ("--card", tmp_path / "README.md", "--workspace", opened.workspace.root)
    assert cli("report", "pets", "--out", tmp_path / "report.html", *place)[0] == 0
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    for text in ((tmp_path / "report.html").read_text(encoding="utf-8"), card.split("---", 2)[2]):
        assert "<b onclick" not in text
        assert "&lt;b onclick=alert(1)&gt;" in text
    assert DatasetCard(card).data.label_names == list(opened.samples.classes)
    assert r"| cat: \[\|x | 1 |" in card
    assert str(opened.workspace.root) not in card
    assert cli("report", "pets", *place)[0] == 2
    assert cli("report", "pets", "--workspace", opened.workspace.root)[0] == 2


def test_what_is_not_computed_yet_is_named_with_its_command(make_dataset, tmp_path):
    text = written(make_dataset({"cat/a.png": BLACK, "dog/b.png": BLACK}), tmp_path / "report.html")
    assert all(f"<pre>avhcurate {verb} pets" in text for verb in ("score", "votes", "quality"))
    assert "run `" not in text
