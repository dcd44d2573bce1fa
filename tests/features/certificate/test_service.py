"""Certificates: planned and drawn before anything is seen, valid for what was looked at, and loose once labels move."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import betabinom, hypergeom

from avhcurate.datasets.curate import certificate_texts as texts
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.curate.certificate import certificate
from avhcurate.datasets.curate.certificate_plan import newest_certificate
from avhcurate.datasets.curate.history import undo_entry
from avhcurate.datasets.curate.label_files import relabel_from
from avhcurate.datasets.export.service import export
from avhcurate.datasets.table.columns import KEPT
from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError, Option, Run
from avhcurate.features.certificate import service
from avhcurate.features.certificate.settings import CertifySettings
from avhcurate.features.report.service import write_card, write_report
from avhcurate.workspace.data.event import LOOK, NEITHER
from avhcurate.workspace.data.people import Person, Role, acting_as
from avhcurate.workspace.disk.files import write_parquet
from tests.fakes.refusals import refused


def planned(opened, **options):
    return service.plan(opened.decisions, opened.votes, **{"at_most": 0.02, "seed": 3} | options)


def truth_of(opened, paths):
    """The class that a person who never errs sees: the given label of the digits."""
    labels = opened.dataset.labels()
    ids = service.ids_of(opened.decisions, tuple(paths))
    return {path: opened.samples.classes[labels[ids[path]]] for path in paths}


def looked(opened, folder, count):
    """Draw images and look at them all, as somebody who never errs."""
    paths = service.draw(opened.decisions, folder, count)
    service.look(opened.decisions, folder, truth_of(opened, paths))
    return paths


def most(wrong, looks, size, alpha=0.05):
    """The most wrong labels by brute force: every number is tried, and the mixture is summed."""
    numbers = np.arange(size + 1)
    chance = hypergeom.pmf(wrong, size, numbers, looks)
    prior = betabinom.pmf(numbers, size, 1, 100)
    return int(numbers[chance > alpha * (prior @ chance)].max())


def spoil(opened, count, seed=0):
    """Make labels wrong by a file, which nobody decides by hand."""
    ids = np.random.default_rng(seed).choice(opened.samples.size, count, replace=False)
    labels = (opened.dataset.labels()[ids] + 1) % len(opened.samples.classes)
    relabel_from(opened.decisions, pd.DataFrame({"id": ids, "label": labels}))
    return ids


def test_the_whole_order_is_on_disk_before_anything_is_drawn_and_follows_from_the_seed(own_digits):
    folder = planned(own_digits)
    plan = folder.plan().to_pandas()
    order = np.random.default_rng(3).permutation(own_digits.samples.size)
    paths = own_digits.samples.paths_of(range(own_digits.samples.size))
    assert plan["path"].tolist() == [paths[id] for id in order]
    assert folder.record.drawn == 0
    first = service.draw(own_digits.decisions, folder, 20)
    assert list(first) == plan["path"][:20].tolist()
    assert service.draw(own_digits.decisions, folder, 20) == first, "what has no answer is drawn again, nothing else"
    service.look(own_digits.decisions, folder, truth_of(own_digits, first[:5]))
    assert service.draw(own_digits.decisions, folder, 20) == tuple(plan["path"][5:25])


def test_the_bound_is_that_of_brute_force_and_no_class_seen_means_a_wrong_label(own_digits):
    spoil(own_digits, 60)
    folder = planned(own_digits)
    size = own_digits.samples.size
    paths = service.draw(own_digits.decisions, folder, 120)
    answers = truth_of(own_digits, paths)
    service.look(own_digits.decisions, folder, answers)
    labels = dict(zip(*(folder.plan(120)[name].to_pylist() for name in ("path", "label")), strict=True))
    wrong = sum(labels[path] != said for path, said in answers.items())
    assert wrong, "the planted errors are among the first looks"
    found = certificate(own_digits.decisions, folder)
    assert found.high == pytest.approx(most(wrong, 120, size) / size)
    assert (found.looks, found.wrong, found.record.changed) == (120, wrong, 60)
    assert found.low * size <= 60 <= found.high * size
    (path,) = service.draw(own_digits.decisions, folder, 1)
    service.look(own_digits.decisions, folder, {path: NEITHER})
    assert certificate(own_digits.decisions, folder).wrong == wrong + 1


def test_what_is_skipped_or_cannot_be_told_counts_as_wrong_and_is_said(own_digits):
    folder = planned(own_digits)
    size = own_digits.samples.size
    paths = service.draw(own_digits.decisions, folder, 50)
    answers = truth_of(own_digits, paths)
    service.look(own_digits.decisions, folder, {path: answers[path] for path in paths[10:48]})
    found = certificate(own_digits.decisions, folder)
    assert (found.looks, found.skipped) == (38, 10), "the last two are not skipped: nobody has come to them"
    assert found.high == pytest.approx(most(10, 48, size) / size)
    assert found.low == 0, "nothing was found wrong"
    service.look(own_digits.decisions, folder, dict.fromkeys(paths[:10]))
    found = certificate(own_digits.decisions, folder)
    assert (found.skipped, found.cannot_tell) == (0, 10)
    assert found.high == pytest.approx(most(10, 48, size) / size)
    assert "10 nobody could tell" in " ".join(texts.notes(found))


def test_labels_that_a_person_decided_are_not_drawn_and_those_of_a_file_are(own_digits):
    annotate(own_digits.decisions, list(range(300)), "tag", KEPT)
    annotate(own_digits.decisions, [400], "relabel", 3)
    spoil(own_digits, 5, seed=8)
    annotate(own_digits.decisions, [500], "exclude")
    folder = planned(own_digits)
    record = folder.record
    ids = service.ids_of(own_digits.decisions, tuple(folder.plan(record.rest)["path"].to_pylist()))
    assert record.population == own_digits.samples.size - 1
    assert record.reviewed >= 297, "a file may have changed some of these since"
    assert not {400, 500} & {*ids.values()}
    filed = {id for (id,) in own_digits.samples.query("SELECT id FROM samples WHERE curated_label != label")} - {400}
    assert filed - {500} <= {*ids.values()}
    assert "decided by hand count as right" in " ".join(texts.notes(certificate(own_digits.decisions, folder)))


def test_it_is_reached_and_ends_when_labels_move_until_these_are_looked_at(own_digits):
    folder = planned(own_digits)
    looked(own_digits, folder, 220)
    found = certificate(own_digits.decisions, folder)
    assert found.verdict == "reached"
    assert "You can stop" in texts.verdict(found)
    unseen = folder.plan().to_pandas()["path"][1000:1031]
    ids = service.ids_of(own_digits.decisions, tuple(unseen))
    labels = own_digits.dataset.labels()
    rows = pd.DataFrame({"id": list(ids.values())})
    rows["label"] = (labels[rows["id"]] + 1) % 10
    relabel_from(own_digits.decisions, rows)
    loose = certificate(own_digits.decisions, folder)
    size = own_digits.samples.size
    assert (loose.moved, loose.verdict) == (31, "not reached")
    assert loose.high == pytest.approx(found.high + 31 / size)
    assert loose.renew == round(loose.high * size) - int(0.02 * size)
    assert f"31 labels changed since: {loose.renew} looks renew it" in " ".join(texts.notes(loose))
    drawn = service.draw(own_digits.decisions, folder, 5)
    assert {*drawn} <= {*unseen}, "looks at what has changed come first"
    service.look(own_digits.decisions, folder, truth_of(own_digits, drawn))
    assert certificate(own_digits.decisions, folder).wrong == 5, "they were made wrong, and a look says so"
    undo_entry(own_digits.decisions, str(own_digits.decisions.log.last(own_digits.dataset.id, [LOOK]).id))
    now = own_digits.samples.frame(columns=["path", "curated_label_name"]).set_index("path")["curated_label_name"]
    service.look(own_digits.decisions, folder, {path: now[path] for path in drawn})
    renewed = certificate(own_digits.decisions, folder)
    assert (renewed.moved, renewed.renew) == (26, loose.renew - 5)
    undo_entry(own_digits.decisions, str(own_digits.decisions.log.last(own_digits.dataset.id, ["import labels"]).id))
    assert certificate(own_digits.decisions, folder).high == pytest.approx(found.high, abs=6 / size)


def test_a_label_that_is_corrected_after_a_look_no_longer_counts(own_digits):
    spoil(own_digits, 60)
    folder = planned(own_digits)
    looked(own_digits, folder, 200)
    before = certificate(own_digits.decisions, folder)
    assert before.wrong
    ids = service.ids_of(own_digits.decisions, before.against)
    for path, label in truth_of(own_digits, before.against).items():
        annotate(own_digits.decisions, [ids[path]], "relabel", own_digits.samples.classes.index(label))
    after = certificate(own_digits.decisions, folder)
    assert (after.wrong, after.moved) == (0, 0)
    assert after.high == pytest.approx(before.high - before.wrong / own_digits.samples.size)


def test_second_looks_tell_how_often_looks_err_and_widen_the_bound(own_digits):
    folder = planned(own_digits)
    paths = looked(own_digits, folder, 220)
    once = certificate(own_digits.decisions, folder)
    assert once.misses is None
    assert "if the looks are right" in " ".join(texts.notes(once))
    answers = truth_of(own_digits, paths[:60])
    with acting_as(Person("bo", Role.CURATOR)):
        service.look(own_digits.decisions, folder, answers | {paths[0]: NEITHER})
    twice = certificate(own_digits.decisions, folder)
    assert (twice.looks, twice.again) == (220, 60)
    assert 1 / 60 < twice.misses < 0.2
    assert twice.high > once.high
    assert "second looks" in " ".join(texts.notes(twice))


def test_when_every_label_was_seen_the_number_is_exact(own_digits):
    annotate(own_digits.decisions, list(range(own_digits.samples.size - 40)), "tag", KEPT)
    ids = range(own_digits.samples.size - 3, own_digits.samples.size)
    relabel_from(
        own_digits.decisions, pd.DataFrame({"id": ids, "label": (own_digits.dataset.labels()[[*ids]] + 1) % 10})
    )
    folder = planned(own_digits)
    looked(own_digits, folder, 100)
    found = certificate(own_digits.decisions, folder)
    assert found.looks == 40, "there are fewer than were asked for"
    assert found.low == found.high == pytest.approx(3 / own_digits.samples.size)
    assert texts.sentence(found).startswith("3 of 1,797 labels are wrong")
    with refused("nothing to draw"):
        service.draw(own_digits.decisions, folder, 1)


def test_too_many_wrong_labels_can_no_longer_be_reached(own_digits):
    spoil(own_digits, 600)
    folder = planned(own_digits)
    looked(own_digits, folder, 60)
    found = certificate(own_digits.decisions, folder)
    assert found.verdict == "cannot be reached"
    assert found.low > 0.02
    assert "Correct labels" in texts.verdict(found)


def test_the_verb_plans_draws_takes_answers_and_computes_again(own_demo_root, own_digits, cli, tmp_path, monkeypatch):
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(own_demo_root))
    assert "certify digits --at-most 0.02" in cli("certify", "digits").err
    said = cli("certify", "digits", "--at-most", "0.02").out
    assert "Nobody has looked at the 1,797 labels yet" in said
    assert "190 if 0 % are wrong" in said
    ids = tmp_path / "ids.csv"
    assert cli("certify", "digits", "--next", "250", "--out", ids).code == 0
    rows = pd.read_csv(ids)
    assert rows.columns.tolist() == ["id", "path"], "no label is told"
    truth = own_digits.dataset.labels()
    rows.assign(label=truth[rows["id"]]).to_csv(tmp_path / "answers.csv", index=False)
    assert cli("certify", "digits", "--checks", tmp_path / "answers.csv").code == 0
    assert "250 were there already" in cli("certify", "digits", "--checks", tmp_path / "answers.csv").err
    result = json.loads(cli("certify", "digits", "--badge", tmp_path / "labels.svg", "--json").out)
    names = "low high estimate looks reviewed population confidence verdict"
    assert {*names.split()} <= {*result}
    assert (result["looks"], result["population"], result["verdict"]) == (250, 1797, "reached")
    assert result["high"] == pytest.approx(most(0, 250, 1797) / 1797)
    badge = (tmp_path / "labels.svg").read_text()
    assert "at most 1.6 %" in badge
    assert f"seed {result['seed']}" in badge
    (tmp_path / "said.json").write_text(json.dumps(result))
    own_digits.refresh()
    annotate(own_digits.decisions, [1], "relabel", 7)
    assert "agrees with the history" in cli("certify", "digits", "--verify", tmp_path / "said.json").out
    (tmp_path / "said.json").write_text(json.dumps(result | {"high": 0.001}))
    assert "does not agree: high 0.001" in cli("certify", "digits", "--verify", tmp_path / "said.json").err


def test_answers_to_images_that_were_not_drawn_are_refused_by_name(own_digits, tmp_path):
    folder = planned(own_digits)
    service.draw(own_digits.decisions, folder, 10)
    other = folder.plan().to_pandas()["path"].iloc[500]
    file = tmp_path / "answers.csv"
    pd.DataFrame({"path": [other], "label": ["3"]}).to_csv(file, index=False)
    with refused(other, "not drawn", Run("certify", "digits", next="50")):
        service.take_answers(own_digits.decisions, folder, file)
    drawn = folder.plan(2).to_pandas()["path"].tolist()
    pd.DataFrame({"path": [drawn[0]], "label": ["a cat"]}).to_csv(file, index=False)
    with refused("a cat", "neither"):
        service.take_answers(own_digits.decisions, folder, file)
    pd.DataFrame({"path": [drawn[0], drawn[0]], "label": ["3", "4"]}).to_csv(file, index=False)
    with refused(drawn[0], "two answers"):
        service.take_answers(own_digits.decisions, folder, file)
    pd.DataFrame({"path": drawn, "label": ["neither", "cannot tell"]}).to_csv(file, index=False)
    assert service.take_answers(own_digits.decisions, folder, file) == (2, 0)
    pd.DataFrame({"path": drawn, "label": ["3", "cannot tell"]}).to_csv(file, index=False)
    with refused(drawn[0], "something else", Run("history", "digits")):
        service.take_answers(own_digits.decisions, folder, file)


def test_a_plan_needs_labels_and_the_same_plan_stays(own_digits):
    with pytest.raises(CurateError, match="No such image has a label"):
        planned(own_digits, where="id < 0")
    folder = planned(own_digits, where="id < 100")
    assert folder.record.population == 100
    assert planned(own_digits, where="id < 100", seed=5).name == folder.name
    assert planned(own_digits, where="id < 100", seed=5, again=True).name == "2"
    assert newest_certificate(own_digits.dataset).record.seed == 5
    with refused(Option("at_most")):
        CertifySettings(dataset="digits", at_most=2)


def test_it_travels_with_exports_and_is_computed_again(own_digits, tmp_path):
    folder = planned(own_digits)
    out = tmp_path / "labels.csv"
    export(own_digits, Filters(), "csv", out)
    manifest = tmp_path / "labels.csv.manifest.json"
    assert "certificate_of_labels" not in json.loads(manifest.read_text()), "nobody has looked yet"
    looked(own_digits, folder, 220)
    export(own_digits, Filters(), "csv", out, force=True)
    told = json.loads(manifest.read_text())["certificate_of_labels"]
    assert (told["looks"], told["seed"], told["population"]) == (220, 3, 1797)
    found, differs = service.verify(own_digits.decisions, manifest)
    assert not differs
    said = texts.sentence(found)
    assert said in write_card(own_digits, tmp_path / "README.md").read_text()
    assert said in write_report(own_digits, tmp_path / "report.html", images=False).read_text()
    spoil(own_digits, 100)
    assert service.verify(own_digits.decisions, manifest)[1] == "", "it is computed as it was then"
    assert certificate(own_digits.decisions, folder).moved > 80
    plan = folder.plan()
    # Somebody who wants to choose what is looked at.
    write_parquet(folder.plan_path, pa.concat_tables([plan.slice(1500), plan.slice(0, 1500)]))
    assert service.verify(own_digits.decisions, manifest)[1], "an order that is not that of the seed is told"
