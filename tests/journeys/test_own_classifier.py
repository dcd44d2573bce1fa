"""A classifier of one's own: scored by its factory and checkpoint, pseudo-labels by AVC, self-training, export."""

import hashlib
import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from avhcurate.networks.training.digits import read_digits
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.pages import expect, open_at, settled
from tests.fakes.datasets import write_images
from tests.journeys.pictures import all_loaded

pytestmark = [pytest.mark.slow, pytest.mark.browser]

#: What a person has: a file that builds the network.
NETS = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(64, 16), nn.ReLU())
        self.fc = nn.Linear(16, 10)

    def forward(self, images):
        return self.fc(self.body(images.mean(1, keepdim=True)))

def build():
    return Small()
"""
PREPARED = ("--resize", 8, "--crop", 8, "--mean", 0, "--std", 1)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with photos of digits in two splits, the network's file and its checkpoint, trained on some of them."""
    digits = read_digits()
    images, labels = digits.images[:400], digits.labels[:400]
    names = {
        f"{'train' if n < 200 else 'test'}/{label}/{n:03}.png": image
        for n, (image, label) in enumerate(zip(images, labels, strict=True))
    }
    write_images(tmp_path / "photos", names)
    (tmp_path / "own_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(tmp_path / "workspace"))
    import own_nets

    torch.manual_seed(0)
    network = own_nets.build()
    given = torch.from_numpy(images[:120]).float()[:, None].expand(-1, 3, -1, -1) / 255
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(network(given), torch.from_numpy(labels[:120]).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(network.state_dict(), tmp_path / "model.pt")
    yield tmp_path
    sys.modules.pop("own_nets", None)


def by_avc(run, portion):
    """What the rule selects, by its formula: thresholds of both gates by class, and the label of each sample."""
    features = np.asarray(run.features(), np.float64)
    weights, bias = run.class_weights().astype(np.float64), run.bias().astype(np.float64)
    logits = features @ weights.T + bias
    probs = np.exp(logits - logits.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    lengths = np.linalg.norm(features, axis=1)[:, None] * np.linalg.norm(weights, axis=1)
    angles = np.arccos(np.clip(features @ weights.T / lengths, -1, 1))
    avc = (np.pi - angles) / (np.pi - angles).sum(1, keepdims=True)
    predicted = probs.argmax(1)
    lambdas, betas = np.full((2, 10), np.nan)
    for label in np.unique(predicted):
        mine = predicted == label
        kept = max(1, int(portion * mine.sum() + 1e-9))
        lambdas[label] = np.sort(probs[mine, label])[::-1][kept - 1]
        betas[label] = np.sort(avc[mine, label])[::-1][kept - 1]
    chosen = np.nanargmax(probs / lambdas, axis=1)
    own = avc[np.arange(len(chosen)), chosen]
    return chosen, own >= betas[chosen] - 1e-12, lambdas, betas


def test_own_network_to_pseudo_labels_self_training_and_export(project, cli, serve, page):
    model = ("--model", "own_nets:build")
    assert cli("import", "digits", "photos").code == 0
    scored = cli("score", "digits", *model, "--weights", "model.pt", *PREPARED)
    assert scored.code == 0, scored.err
    (run,) = Workspace(project / "workspace").dataset("digits").runs()
    digest = hashlib.sha256((project / "model.pt").read_bytes()).hexdigest()
    assert run.record.weights_sha256 == digest
    classes = [str(digit) for digit in range(10)]
    assert run.record.classes == classes

    # Side by side: one run, whose accuracy is that of its outputs.
    (row,) = json.loads(cli("models", "digits", "--json").out)["rows"]
    assert cli("export", "digits", "--out", "all.csv").code == 0
    table = pd.read_csv("all.csv").set_index("id")
    logits = run.features() @ run.class_weights().T + run.bias()
    accuracy = (logits.argmax(1) == table["label"]).mean()
    assert (row["model"], row["n"]) == ("build · model.pt", 400)
    assert row["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert 0.6 < accuracy < 0.99

    # By the verb: the file and its manifest say what the formula says.
    selected = cli("select", "digits", *model, "--rule", "avc", "--portion", "0.5", "--out", "pseudo.csv")
    assert selected.code == 0, selected.err
    rows = pd.read_csv("pseudo.csv")
    chosen, passes, lambdas, betas = by_avc(run, 0.5)
    assert rows["id"].tolist() == np.flatnonzero(passes).tolist()
    assert rows["pseudo_label"].tolist() == chosen[passes].tolist()
    np.testing.assert_allclose(rows["threshold"], betas[chosen[passes]], rtol=1e-5)
    manifest = json.loads((project / "pseudo.csv.manifest.json").read_text())
    assert (manifest["rule"], manifest["portion"], manifest["selected"]) == ("avc", 0.5, len(rows))
    assert (manifest["model"], manifest["weights_sha256"]) == ("own_nets:build", digest)
    assert manifest["classes"] == classes
    by_class = pd.DataFrame(manifest["per_class"])
    np.testing.assert_allclose(by_class["lambda"].astype(float), lambdas, rtol=1e-5)
    np.testing.assert_allclose(by_class["beta"].astype(float), betas, rtol=1e-5)
    assert by_class["selected"].tolist() == np.bincount(chosen[passes], minlength=10).tolist()
    right = (rows["pseudo_label"].to_numpy() == table["label"][rows["id"]].to_numpy()).mean()
    assert manifest["accuracy_against_given_labels"] == pytest.approx(right)

    # On the page: the same choice gives the same figures and the same bytes.
    address = serve(project / "workspace")
    open_at(page, f"{address}/pseudo_labels?dataset=digits&pseudo.rule=avc&pseudo.portion=0.5")
    said = page.locator(".st-key-page-result")
    expect(said).to_contain_text(f"{len(rows):,}")
    expect(said).to_contain_text(f"{100 * right:.1f} %")
    assert all_loaded(page)
    page.get_by_role("button", name="Export").click()
    settled(page)
    with page.expect_download() as download:
        page.get_by_role("button", name=f"{len(rows)} images").click()
    assert download.value.path().read_bytes() == (project / "pseudo.csv").read_bytes()

    # Two rounds of self-training from the split with labels to the other, and what they selected goes out.
    parts = ("--source", "digits", "--target", "digits", "--source-where", "split = 'train'")
    trained = cli(
        *("self-train", *parts, "--target-where", "split = 'test'", *model, "--weights", "model.pt"),
        *("--rule", "avc", "--portion", "0.4", "--rounds", 2, "--epochs", 8, "--learning-rate", 0.02, "--json"),
    )
    assert trained.code == 0, trained.err
    (adapted,) = Workspace(project / "workspace").dataset("digits").self_trainings()
    summary = json.loads(trained.out)
    assert adapted.record.weights_sha256 == digest
    assert adapted.rounds() == [0, 1, 2]
    assert summary["accuracy"] == pytest.approx(adapted.report(2).accuracy.value)
    assert cli("select", "digits", "--self-training", adapted.name, "--round", 2, "--out", "round.csv").code == 0
    last = pd.read_csv("round.csv")
    assert len(last) == adapted.report(2).selected > 40
    assert set(table["split"][last["id"]]) == {"test"}
    precise = (last["pseudo_label"].to_numpy() == table["label"][last["id"]].to_numpy()).mean()
    assert adapted.report(2).precision.value == pytest.approx(precise)

    open_at(page, f"{address}/self_training?dataset=digits")
    expect(page.get_by_text(f"selects {len(last):,} of 200 images")).to_be_visible()
    expect(page.get_by_text(f"{100 * summary['accuracy']:.1f} %").first).to_be_visible()
    assert all_loaded(page)
    page.locator(".st-key-selftrain-export").get_by_role("button").click()
    settled(page)
    with page.expect_download() as download:
        page.get_by_role("button", name=f"{len(last)} images").click()
    assert download.value.path().read_bytes() == (project / "round.csv").read_bytes()
