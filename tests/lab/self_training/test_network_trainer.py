"""The whole network behind the loop of self-training: it learns soft labels, adapts, and resumes to the same bits."""

import filecmp
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models import mnasnet0_5

from avhcurate.lab.self_training.loop import PseudoLabelled, TargetEvaluator, self_train
from avhcurate.lab.self_training.network_trainer import FILE, FullTrainer
from avhcurate.lab.self_training.settings import Schedule
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.recipe import Recipe
from avhcurate.networks.training.trainer import train
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.disk.jobs import Cancelled, Progress

RECIPE = Recipe(epochs=3, batch_size=50, learning_rate=0.05, crop_padding=0, flip=False, precision="bfloat16", clip=1.0)


def full(net, source, target, folder, *, classes=10, recipe=RECIPE, stop=lambda: False):
    watched = {"checkpoints": folder, "progress": lambda _: Progress(should_stop=stop)}
    return FullTrainer(net, source, target, num_classes=classes, recipe=recipe, **watched)


@pytest.fixture
def halves(digit_halves):
    """Some digits with labels, and others darker and washed out."""
    source, target = (half.part(np.arange(300)) for half in digit_halves)
    pale = (target.take(torch.arange(300)) * 0.4 + 60).to(torch.uint8)
    return source, LabelledImages(pale, target.labels, target.mean, target.std)


def test_a_network_that_asks_for_the_version_of_its_weights_goes_on_from_a_round(tmp_path):
    images = LabelledImages(torch.zeros(4, 3, 32, 32, dtype=torch.uint8), torch.arange(4) % 3, (0.5,) * 3, (0.5,) * 3)
    trainers = [full(mnasnet0_5(num_classes=3), images, images, tmp_path, classes=3) for _ in range(2)]
    trainers[0].save(tmp_path)
    trainers[1].restore(tmp_path)
    states = [trainer.module.state_dict() for trainer in trainers]
    assert all(map(torch.equal, states[0].values(), states[1].values()))


@pytest.fixture
def adapt(halves, digits_net, tmp_path):
    """A self-training of a new network in a folder of that name: (folder, the labels of the target)."""

    def run(name, *, labels=None, should_stop=lambda: False):
        source, target = halves
        labels = np.asarray(target.labels) if labels is None else labels
        trainer = full(digits_net(), source, replace(target, labels=labels), tmp_path / name, stop=should_stop)
        folder = SelfTrainingFolder(tmp_path / name)
        evaluator = TargetEvaluator(labels, list("0123456789"))
        options = {"schedule": Schedule(0.3, 0.2, 0.5), "progress": Progress(should_stop=should_stop)}
        self_train(trainer, np.arange(300), rule="avc-mrkld", evaluator=evaluator, folder=folder, **options)
        return folder

    return run


def same_bits(first, second):
    assert first.rounds() == second.rounds() == [0, 1, 2]
    return all(filecmp.cmp(first.round(n) / FILE, second.round(n) / FILE, shallow=False) for n in first.rounds())


@pytest.mark.slow
def test_it_adapts_resumes_in_mid_round_and_never_sees_a_label_of_the_target(adapt):
    whole = adapt("whole")
    assert whole.report(2).accuracy.value > whole.report(0).accuracy.value + 0.05
    calls = []

    def stop():  # a look before each round and one after each step: in the middle of round 1
        calls.append(0)
        return len(calls) == 26

    with pytest.raises(Cancelled, match="Cancelled in epoch"):
        adapt("cut", should_stop=stop)
    unlabelled = adapt("cut", labels=np.full(300, -1))
    assert unlabelled.report(2).accuracy.value is None
    assert same_bits(whole, unlabelled)


def test_a_checkpoint_of_another_selection_is_not_gone_on_from(halves, digits_net, tmp_path):
    """As a GPU may select otherwise when a run goes on: the round is then made from its beginning."""
    source, target = (half.part(np.arange(60)) for half in halves)
    first, second = (PseudoLabelled(np.arange(n), np.eye(10, dtype=np.float32)[:n]) for n in (5, 6))

    def trained(folder, pseudo, stop=lambda: False):
        trainer = full(digits_net(), source, target, folder, recipe=replace(RECIPE, epochs=1), stop=stop)
        trainer.fit(1, pseudo)
        return trainer.module.state_dict()

    with pytest.raises(Cancelled):
        trained(tmp_path / "cut", first, lambda: True)
    again, anew = trained(tmp_path / "cut", second), trained(tmp_path / "new", second)
    assert all(torch.equal(again[name], anew[name]) for name in anew)
    assert len(list((tmp_path / "cut").iterdir())) == 1


def test_its_outputs_are_those_of_the_network(halves, digits_net, tmp_path):
    source, target = halves
    net = digits_net()
    outputs = full(net, source, target, tmp_path).outputs()
    pixels = (target.take(torch.arange(300)) / 255 - target.mean[0]) / target.std[0]
    with torch.inference_mode():
        logits = net.eval()(pixels).numpy()
    found = np.concatenate([block for block, _ in outputs.blocks()])
    np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-5)


def test_one_hot_soft_labels_teach_what_labels_teach(halves, digits_net):
    source, _ = halves
    soft = torch.nn.functional.one_hot(source.labels, 10).float()
    recipe = replace(RECIPE, epochs=1, precision="float32")
    hard, same = (train(digits_net(), data, recipe) for data in (source, replace(source, labels=soft)))
    for name, tensor in hard.state_dict().items():
        torch.testing.assert_close(tensor, same.state_dict()[name], rtol=1e-4, atol=1e-5, msg=name)


def test_what_is_learnt_is_the_source_and_the_selected(halves, digits_net, tmp_path):
    source, target = halves
    goals = np.full((2, 10), 0.1, np.float32)
    learnt = full(digits_net(), source, target, tmp_path)._with(PseudoLabelled(np.array([7, 11]), goals))
    assert len(learnt) == 302
    torch.testing.assert_close(learnt.take(torch.tensor([300, 301])), target.take(torch.tensor([7, 11])))
    torch.testing.assert_close(learnt.labels_of(torch.tensor([300, 301])), torch.from_numpy(goals))
    assert learnt.labels_of(torch.tensor([5])).argmax() == source.labels[5]
