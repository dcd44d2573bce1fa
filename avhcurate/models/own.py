"""The project's own networks: what follows `avhcurate:`."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.models import cifar, digits, small, torchvision_zoo
from avhcurate.models.architecture import Architecture, Pretrained
from avhcurate.models.embedded import DIGITS_WEIGHTS
from avhcurate.models.preprocess import Preprocess
from avhcurate.models.weights import Weights, read_weights


def _cifar(depth: int) -> Architecture:
    def build(num_classes: int | None, side: int) -> nn.Module:
        return cifar.CifarResNet(depth, num_classes or 10)

    return Architecture(
        build,
        Preprocess(resize=32, crop=32, mean=cifar.MEAN, std=cifar.STD),
        without_weights="train them by `avhcurate train NAME --model ...`, or give the file by --weights FILE",
    )


def _small(network: Callable[[int], nn.Module]) -> Architecture:
    """A network for RGB images of any size from 16 pixels a side; 32 unless the user says otherwise."""

    def build(num_classes: int | None, side: int) -> nn.Module:
        return network(num_classes or 10)

    return Architecture(
        build,
        Preprocess(resize=32, crop=32, mean=cifar.MEAN, std=cifar.STD),
        without_weights="train them by `avhcurate train NAME --model ...`, or give the file by --weights FILE",
    )


def _visda() -> Architecture:
    """ResNet-101 with the paper's head for VisDA-17, 2048-512-ReLU-K: the features are the 512 outputs of the ReLU.

    Published weights are ImageNet's; of the head they hold nothing, so `hidden` starts as chance makes it.
    """
    body = torchvision_zoo.architecture("resnet101")

    def build(num_classes: int | None, side: int) -> nn.Module:
        module = body.build(num_classes, side)
        layers = {"hidden": nn.Linear(2048, 512), "relu": nn.ReLU(), "head": nn.Linear(512, num_classes or 12)}
        module.fc = nn.Sequential(OrderedDict(layers))
        return module

    def adapt(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        if "fc.weight" not in tensors:
            return tensors
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            hidden = nn.Linear(2048, 512).state_dict(prefix="fc.hidden.")
        return {name: value for name, value in tensors.items() if name not in ("fc.weight", "fc.bias")} | hidden

    return Architecture(build, body.preprocess, body.pretrained and Pretrained(body.pretrained.load), adapt=adapt)


def _digits() -> Architecture:
    def build(num_classes: int | None, side: int) -> nn.Module:
        return digits.DigitsNet(num_classes or 10)

    return Architecture(
        build,
        Preprocess(resize=8, crop=8, mean=digits.MEAN, std=digits.STD),
        Pretrained(_digits_weights, tuple("0123456789")),
    )


def _digits_weights() -> Weights:
    if not DIGITS_WEIGHTS.is_file():
        raise CurateError(
            f"there is no {DIGITS_WEIGHTS}: run from a clone of the repository, which carries it, or make it by "
            "`python -m avhcurate.training.digits`"
        )
    return read_weights(DIGITS_WEIGHTS)


#: What each name stands for; called when the name is asked for.
OWN: dict[str, Callable[[], Architecture]] = {
    "digits": _digits,
    **{f"resnet{depth}": partial(_cifar, depth) for depth in cifar.DEPTHS},
    "resnet18": partial(_small, cifar.CifarResNet18),
    "cnn9": partial(_small, small.Cnn9),
    "alexnet-small": partial(_small, small.AlexNetSmall),
    "vgg-small": partial(_small, small.VggSmall),
    "resnet101-visda": _visda,
}
