"""The last linear layer: found by what it computes, refused when there is none."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.head import FeatureTap, check_head, expose_head, find_head
from tests.fakes.refusals import refused

IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """A body, a decoy linear layer that is defined last, and a head; `end` is applied to the head's output."""

    def __init__(self, end=lambda logits: logits, classes: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(6, classes)
        self.decoy = nn.Linear(6, 6)
        self.end = end

    def forward(self, x: torch.Tensor):
        return self.end(self.head(self.decoy(self.body(x))))


def exposed(module: nn.Module, name: str | None = None):
    """What load_model does: find, expose, check."""
    module.eval().requires_grad_(False)
    found = find_head(module, IMAGES, name=name)
    exposed_module, head = expose_head(module, found)
    check_head(exposed_module, head, IMAGES, name=found.name)
    return exposed_module, head, found.name


def features_and_logits(module: nn.Module, head: nn.Linear):
    with torch.inference_mode():
        return FeatureTap(module, head)(IMAGES)


@pytest.mark.parametrize(
    "end",
    [
        lambda logits: logits,
        nn.Identity(),
        nn.Dropout(0.5),
        nn.Flatten(),
        lambda logits: logits.view(-1, 4).squeeze(),
        lambda logits: {"loss": None, "logits": logits},
        lambda logits: SimpleNamespace(logits=logits, hidden_states=None),
    ],
    ids=["plain", "identity", "dropout", "flatten", "view", "dict", "attribute"],
)
def test_the_head_is_the_layer_whose_output_is_the_models(end):
    module, head, name = exposed(Net(end))
    features, logits = features_and_logits(module, head)
    assert name == "head"
    torch.testing.assert_close(features @ head.weight.T + head.bias, logits)


def test_a_pointwise_convolution_over_one_pixel_is_a_linear_layer():
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 4, 1), nn.Flatten())
    expected = net.eval()(IMAGES).detach()
    module, head, name = exposed(net)
    features, logits = features_and_logits(module, head)
    assert name == "3"
    assert features.shape == (3, 6)
    torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize(
    ("end", "named"),
    [
        (nn.Softmax(dim=1), "returns a Tensor that is not the output of a linear layer.*last first: head, decoy"),
        (lambda logits: logits[:, :3], "returns a Tensor"),
        (nn.ReLU(inplace=True), "returns a Tensor"),
        (lambda logits: (logits, logits), "returns a tuple"),
        (lambda logits: {"scores": logits}, "returns a dict"),
    ],
    ids=["softmax", "part", "in place", "tuple", "dict"],
)
def test_a_model_that_does_not_end_with_a_linear_layer_is_refused_naming_what_it_ends_with(end, named):
    net = Net(end)
    nn.init.constant_(net.head.bias, 100)  # so that no value betrays a ReLU
    with pytest.raises(CurateError, match=named):
        exposed(net)


@pytest.mark.parametrize(
    "end", [nn.Softmax(dim=1), lambda logits: (logits, logits), nn.ReLU(inplace=True)], ids=["softmax", "tuple", "relu"]
)
def test_a_named_head_gives_the_logits_whatever_comes_after(end):
    torch.manual_seed(0)
    net = Net(end)
    with torch.no_grad():
        net.head.bias[0] = -10.0  # so that a softmax or ReLU after the head would show
    module, head, name = exposed(net, name="head")
    features, logits = features_and_logits(module, head)
    assert name == "head"
    torch.testing.assert_close(logits, F.linear(features, head.weight, head.bias))
    assert logits.min() < 0


def test_a_cosine_head_is_not_taken_for_a_linear_one_nor_a_convolution_over_a_map():
    class Cosine(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 20 * F.linear(F.normalize(x), F.normalize(self.weight))

    net = Net()
    net.head = Cosine(6, 4)
    with refused("'head'", "16 of 16"):
        exposed(net)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Conv2d(6, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(CurateError, match="last first: none"):
        exposed(net)


@pytest.mark.parametrize("name", ["haed", "body.0", "unused", "twice"])
def test_a_wrong_head_is_refused_by_name(name):
    net = Net()
    net.unused, net.twice = nn.Linear(6, 4), nn.Linear(6, 6)
    net.decoy = nn.Sequential(net.twice, net.twice)
    with refused(Option("head"), name, "head, decoy.0"):
        exposed(net, name=name)


def test_a_copy_of_the_tap_runs_its_own_network():
    module, head, _ = exposed(Net(nn.Softmax(dim=1)), name="head")
    tap = FeatureTap(module, head)
    twin = copy.deepcopy(tap)
    nn.init.zeros_(head.weight)
    with torch.inference_mode():
        assert twin(IMAGES)[1].std() > 0.01
        torch.testing.assert_close(tap(IMAGES)[1], head.bias.expand(3, 4))
