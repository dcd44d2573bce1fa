"""The project's own networks: what follows `avhcurate:`."""

from collections.abc import Callable
from functools import partial

from torch import nn

from avhcurate.errors import CurateError
from avhcurate.models import cifar, digits, small
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
}
