"""A notebook from arrays to a label file: scored, doubted, corrected, selected in the grid, exported, trained on."""

import json
import sys
import types

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, WeightedRandomSampler

import avhcurate
from avhcurate.datasets.sources.demo import simulated_votes
from avhcurate.networks.training.digits import read_digits
from avhcurate.workspace.data import people
from tests.fakes import messages
from tests.fakes.decisions import decision

pytest.importorskip("anywidget", reason="anywidget is not installed: pip install 'avhcurate[notebook]'")
pytestmark = pytest.mark.slow

#: Digits whose label is wrong in what is handed in, and by which.
PLANTED = {3: 8, 31: 7, 58: 1, 77: 4}
EPOCHS = 6


def grey(image):
    return torch.from_numpy(np.array(image.convert("L"))).float().flatten() / 255


def trained(digits, hear, *, epochs=EPOCHS):
    """A small network that learns from a dataset by two workers, and what they gave it, by id."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for epoch in range(epochs):
        samples, given, losses = digits.to_torch(transform=grey, ids=True), {}, []
        workers = {"num_workers": 2 * (epoch in (0, epochs - 1))}  # the first and the last by workers
        for images, labels, ids in DataLoader(samples, 32, shuffle=True, **workers):
            logits = network(images)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            hear(ids, logits)
            losses.append(loss.item())
            given |= {int(id): (int(label), image) for image, label, id in zip(images, labels, ids, strict=True)}
    return np.mean(losses), given


def test_from_arrays_to_a_label_file_and_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(people, "_who", lambda: people.OPERATOR)  # no page was drawn in this process
    kernel = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: kernel))
    images, truth = (part[:120] for part in read_digits()[:2])
    given = truth.copy()
    given[list(PLANTED)] = list(PLANTED.values())
    classes = [str(digit) for digit in range(10)]
    digits = avhcurate.dataset("digits", images, given, classes=classes, workspace=tmp_path / "workspace")
    digits.votes(simulated_votes("first_120"), simulated=True).score("avhcurate:digits")
    counts = simulated_votes("first_120")
    hsf = counts[np.arange(120), given] / counts.sum(axis=1)
    assert digits["hsf"].to_numpy(float) == pytest.approx(hsf)

    # The planted errors lead the suspects, with the label that is right, and are corrected.
    suspects = digits.suspects(limit=8)
    found = suspects.set_index("id")["suggested"].to_dict()
    assert {id: found.get(id) for id in PLANTED} == {id: truth[id] for id in PLANTED}
    assert set(suspects["id"][:4]) == set(PLANTED)
    for id in PLANTED:
        assert digits.relabel([id], str(found[id])) == 1
    assert set(digits.suspects()["id"]).isdisjoint(PLANTED)

    # In the grid: three of the hardest are selected and excluded by its key; a condition tags others.
    # AVH stays that of the given label, so what was corrected would stand first.
    grid = digits.gallery("curated_label = label", sort="avh")
    messages.check("grid", json.dumps(grid.data))
    grid.selection = {"view": grid.data["view"], "ranges": [[0, 3]]}
    hardest = digits.frame("curated_label = label").sort_values("avh", ascending=False)["id"].head(3).tolist()
    assert grid.ids == hardest
    said = []
    monkeypatch.setattr(grid, "send", lambda answer, buffers=None: said.append(answer))
    exclusion = decision("exclude", *hardest, version=grid.data["actions"]["version"])
    grid._handle_custom_msg({"ask": 1, "address": "decisions/new", "body": json.dumps([exclusion])}, [])
    assert said[-1]["json"]["outcomes"][0]["text"] == "3 images excluded"
    assert (grid.ids, grid.data["count"]) == ([], 120 - len(PLANTED) - 3)
    assert digits.tag("hsf < 0.5", "look again") == len(digits.frame("list_contains(tags, 'look again')")) > 0

    # It is heard while it learns. What was corrected is believed least, by the label that was given.
    start, _ = trained(digits, lambda ids, logits: digits.heard(ids, logits, name="first"), epochs=1)
    loss, seen = trained(digits, lambda ids, logits: digits.heard(ids, logits, name="net"))
    assert loss < start / 2
    training = digits.workspace.dataset("digits").training("heard-net")
    assert training.evaluations()["epoch"].tolist() == list(range(1, EPOCHS + 1))
    believed = training.epoch_scores("learnt from").set_index("id")["aum"]
    assert set(believed.index) == set(range(120)) - set(hardest)
    assert set(PLANTED) <= set(believed.nsmallest(8).index)  # of the label that was given

    # The file says what the loader gave: the same images, each with the label that is right.
    out = tmp_path / "labels.csv"
    assert digits.export(out) == len(seen) == 117
    rows = pd.read_csv(out).set_index("id")
    assert rows["curated_label"].to_dict() == {id: label for id, (label, _) in seen.items()}
    assert rows["curated_label"].to_dict() == {id: truth[id] for id in rows.index}
    assert rows["label"].to_dict() == {id: given[id] for id in rows.index}
    for id, (_, image) in seen.items():
        assert (image.numpy() * 255).round().astype(int).tolist() == images[id].flatten().tolist()
    manifest = json.loads(out.with_name("labels.csv.manifest.json").read_text())
    assert (manifest["samples"], manifest["dataset"]) == (117, "digits")

    # Undo takes one step back at a time, and the next loader, file and grid know it.
    assert digits.undo() == "tag look again"
    assert digits.undo() == "exclude"
    assert digits.undo() == f"relabel {truth[list(PLANTED)[-1]]}"
    again = digits.to_torch(transform=grey, ids=True)
    assert digits.export(tmp_path / "undone.csv") == len(again) == 120
    undone = pd.read_csv(tmp_path / "undone.csv")
    assert undone["curated_label"].tolist() == again.labels
    assert undone.set_index("id")["curated_label"][list(PLANTED)].tolist() == [*truth[list(PLANTED)[:3]], 4]
    grid.update()
    assert grid.data["count"] == 120 - len(PLANTED) + 1

    # The hard end is drawn more often where the loader is asked to.
    hard = digits.to_torch("label_name = '1'", transform=grey, weights="avh", ids=True)
    drawn = [id for *_, ids in DataLoader(hard, 8, sampler=WeightedRandomSampler(hard.weights, 32)) for id in ids]
    assert {int(id) for id in drawn} <= set(hard.ids)
