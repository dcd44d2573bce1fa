"""Samples in a DataLoader, with workers however they start, and a training of the user's own that is heard."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, WeightedRandomSampler

import avhcurate
from avhcurate.errors import CurateError
from avhcurate.networks.training.heard import HeardTraining
from tests.fakes.refusals import refused

ROOT = Path(__file__).parents[2]
#: Reads every image of the example with two workers of each kind that this system has; tests/test_wheel.py runs it too.
LOADERS = """
import multiprocessing
import numpy as np
from torch.utils.data import DataLoader
import avhcurate

if __name__ == "__main__":
    digits = avhcurate.example()
    samples = digits.to_torch(transform=np.array, ids=True)
    expected = {id: np.asarray(digits.image(id)).sum() for id in samples.ids}
    for kind in multiprocessing.get_all_start_methods():
        seen = {}
        for images, labels, ids in DataLoader(samples, 16, shuffle=True, num_workers=2, multiprocessing_context=kind):
            assert labels.tolist() == [samples.labels[id] for id in ids]
            seen |= dict(zip(ids.tolist(), images.sum((1, 2, 3)).tolist()))
        assert seen == expected, kind
        print(kind)
"""


@pytest.fixture
def digits(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    return avhcurate.dataset("digits", images, np.arange(40) % 4, workspace=tmp_path / "workspace")


@pytest.mark.slow
def test_workers_read_the_images_whether_forked_spawned_or_of_a_forkserver(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(LOADERS)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert {"fork", "forkserver", "spawn"} <= {*ended.stdout.split()}


def test_a_forked_worker_opens_the_images_for_itself(digits):
    samples = digits.to_torch(transform=np.array)
    _ = samples[0]  # this process has the file open
    loader = DataLoader(samples, 4, num_workers=2, multiprocessing_context="fork")
    images = torch.cat([batch for batch, _ in loader]).numpy()
    assert (images == np.stack([np.asarray(digits.image(id)) for id in range(40)])).all()


def test_weights_are_a_column_or_one_for_each_sample(digits):
    assert digits.to_torch().weights == [1.0] * 40
    assert digits.to_torch("id > 37", weights="id").weights == [38.0, 39.0]
    assert digits.to_torch("id > 37", weights=np.arange(40) * 2).weights == [76.0, 78.0]
    samples = digits.to_torch("id > 37", transform=np.array, weights=[0, 1], ids=True)
    sampler = WeightedRandomSampler(samples.weights, 9)
    assert [id for _, _, ids in DataLoader(samples, 3, sampler=sampler) for id in ids.tolist()] == [39] * 9
    for wrong in ([1, 2, 3], [1, -1], [1, np.nan]):
        with pytest.raises(CurateError, match="weights"):
            digits.to_torch("id > 37", weights=wrong)
    with refused("40 of 40"):
        digits.to_torch(weights="avh")


def course(digits):
    """The newest training of a dataset, as anybody reads it."""
    return digits.workspace.dataset("digits").trainings()[-1]


def test_what_a_training_says_of_each_sample_is_recorded_by_epoch(digits):
    logits = torch.randn(3, 40, 4, generator=torch.manual_seed(0))
    for epoch in range(3):
        samples = digits.to_torch(ids=True)
        for ids in torch.randperm(40).split(16):
            digits.heard(ids, logits[epoch, ids].requires_grad_())
    training = course(digits)
    assert training.evaluations()[["epoch", "step"]].to_numpy().tolist() == [[1, 3], [2, 6], [3, 9]]
    labels = torch.tensor(samples.labels)
    own = logits.gather(2, labels.expand(3, -1)[:, :, None])[:, :, 0]
    others = logits.scatter(2, labels.expand(3, -1)[:, :, None], -torch.inf).max(2).values
    found = training.epoch_scores("learnt from")
    np.testing.assert_allclose(found["aum"], (own - others).mean(0), atol=1e-5)
    np.testing.assert_allclose(found["confidence_mean"], (own - logits.logsumexp(2)).exp().mean(0), atol=1e-5)
    right = (logits.argmax(2) == labels).numpy()
    forgotten = (right[:-1] & ~right[1:]).sum(0)
    assert found["forgetting"].tolist() == np.where(right.any(0), forgotten, 3).tolist()
    record = training.record
    assert (record.train_samples, record.held_out_samples, record.finished) == (40, 0, None)


def test_the_next_epoch_learns_what_was_decided_meanwhile(digits):
    digits.to_torch(ids=True)
    digits.heard(range(40), np.zeros((40, 4)))
    digits.relabel([3], "0")
    digits.exclude([7])
    samples = digits.to_torch(ids=True)
    assert (samples.labels[3], len(samples), 7 in samples.ids) == (0, 39, False)
    digits.heard(samples.ids, np.eye(4)[samples.labels])
    newest = course(digits).samples(-1, part="learnt from")
    assert newest["confidence"].isna().to_numpy().nonzero()[0].tolist() == [7]
    assert not newest["correct"][3]  # of its given label


def test_an_epoch_ends_with_its_samples_or_with_the_next_and_a_name_goes_on(digits):
    whole = np.zeros((40, 4))
    digits.heard(range(40), whole, name="net")
    digits.to_torch("id < 30", ids=True)
    digits.heard(range(20), whole[:20], name="net")  # the last batch of this epoch was dropped
    digits.to_torch(ids=True)
    digits.heard(range(40), whole, name="other")
    assert [training.name for training in digits.workspace.dataset("digits").trainings()] == [
        "heard-net",
        "heard-other",
    ]
    net = digits.workspace.dataset("digits").training("heard-net")
    assert (net.complete, len(net.evaluations())) == (True, 2)
    another = avhcurate.open(digits.workspace.root, "digits")
    another.heard(range(40), whole, name="net")
    assert (net.complete, net.evaluations()["epoch"].tolist()) == (False, [1, 2, 3])
    with refused("heard-net"):
        HeardTraining(digits.workspace.dataset("digits"), np.arange(40), "net")
    with refused("(3, 5)", "(3, 4)"):
        another.heard([1, 2, 3], np.zeros((3, 5)))


@pytest.mark.slow
def test_the_end_of_the_process_completes_the_training(tmp_path):
    script = (
        "import avhcurate, numpy as np, sys\n"
        "d = avhcurate.dataset('digits', np.zeros((9, 8, 8), 'uint8'), [0, 1, 2] * 3, workspace=sys.argv[1])\n"
        "d.heard(range(9), np.eye(3)[[0, 1, 2] * 3])\n"
        "d.heard(range(5), np.zeros((5, 3)))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "w")], env=environment, check=True)
    training = course(avhcurate.open(tmp_path / "w", "digits"))
    assert (training.complete, len(training.evaluations())) == (True, 2)
    assert training.epoch_scores("learnt from")["aum"].tolist() == [0.5] * 5 + [1] * 4
