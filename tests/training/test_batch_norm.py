"""Batch norm in training: what is shared keeps its names and is trained, what is frozen keeps its statistics."""

import copy

import pytest
import torch
from torch import nn

from avhcurate.errors import CurateError
from avhcurate.models.own import CifarFast
from avhcurate.training.batch_norm import check_sync_batchnorm, set_to_train, share_batch_norm
from avhcurate.training.images import LabelledImages
from avhcurate.training.learner import make_learner
from avhcurate.training.recipe import Recipe

CUDA = torch.device("cuda")


def images(side=32):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 3, side, side, generator=generator)


def fast():
    """The network whose batch norms have a bias and no scale, after some training of their biases."""
    torch.manual_seed(0)
    module = CifarFast(10, (8, 8, 8))
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    return module


@pytest.mark.parametrize("make", [fast, lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))])
def test_shared_batch_norms_keep_names_outputs_and_gradients(make):
    module = make()
    shared = share_batch_norm(copy.deepcopy(module))
    assert sum(isinstance(layer, nn.SyncBatchNorm) for layer in shared.modules()) > 0
    assert {name: tuple(tensor.shape) for name, tensor in shared.state_dict().items()} == {
        name: tuple(tensor.shape) for name, tensor in module.state_dict().items()
    }
    for one in (module, shared):
        one.train()(images()).square().sum().backward()
    gradients = {name: one.grad for name, one in module.named_parameters()}
    assert {name for name, one in shared.named_parameters()} == set(gradients)
    for name, one in shared.named_parameters():
        torch.testing.assert_close(one.grad, gradients[name], rtol=1e-3, atol=1e-3)


def test_a_batch_norm_that_does_more_is_refused_by_name():
    class Activated(nn.BatchNorm2d):
        def forward(self, x):
            return torch.relu(super().forward(x))

    check_sync_batchnorm(CUDA, fast())
    with pytest.raises(CurateError, match=r"cannot share 1 \(Activated\), which does more"):
        check_sync_batchnorm(CUDA, nn.Sequential(nn.Conv2d(3, 4, 3), Activated(4)))
    with pytest.raises(CurateError, match="needs CUDA"):
        check_sync_batchnorm(torch.device("cpu"), fast())


@pytest.mark.parametrize("freeze", [True, False])
def test_norms_without_a_scale_keep_their_statistics_where_they_are_frozen(freeze):
    data = LabelledImages(torch.zeros(8, 3, 32, 32, dtype=torch.uint8), torch.arange(8), (0.5,) * 3, (0.5,) * 3)
    learner = make_learner(fast(), data, Recipe(epochs=1, freeze=freeze))
    before = [copy.deepcopy(buffer) for buffer in learner.buffers()]
    set_to_train(learner)
    learner(images())
    assert all(map(torch.equal, before, learner.buffers())) == freeze
