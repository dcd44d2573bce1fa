"""The project's own networks, for small images: their modules, and the names after `avhcurate:`."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.networks.models import DIGITS_WEIGHTS, torchvision_zoo
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.weights import read_weights

#: Per-channel statistics of the training images of CIFAR-10 and of the digits, in units of [0, 1] pixel values.
CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2470, 0.2435, 0.2616)
DIGITS_MEAN = (0.3051,)
DIGITS_STD = (0.3760,)

#: Depths of He et al. 2016, section 4.2: depth = 6 n + 2 with n blocks a stage.
CIFAR_DEPTHS = (20, 32, 44, 56)


def _conv3(width_in: int, width: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3 x 3 convolution that keeps the size; the batch norm after it has the bias."""
    return nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False)


class DigitsNet(nn.Module):
    """Grey images (N, 1, 8, 8) to logits (N, K); the features (N, width) are the output of `embed`.

    The features do not pass a ReLU, so an angle to a class weight is free to be anything between 0 and 180 degrees.
    """

    def __init__(self, num_classes: int = 10, width: int = 64) -> None:
        super().__init__()
        self.conv1 = _conv3(1, 32)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = _conv3(32, 64)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = _conv3(64, 64)
        self.bn3 = nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(2)
        self.embed = nn.Linear(64 * 2 * 2, width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.pool(torch.relu(self.bn2(self.conv2(x))))
        x = self.pool(torch.relu(self.bn3(self.conv3(x))))
        return self.head(self.embed(x.flatten(1)))


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, projected by 1 x 1 where the shape changes."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv3(width_in, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3(width, width)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class _SmallResNet(nn.Module):
    """Stages of basic blocks, each twice as wide as the one before, and a linear head on the pooled last stage."""

    def __init__(self, *, stages: int, blocks: int, num_classes: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(stages)]
        self.conv = _conv3(3, width)
        self.bn = nn.BatchNorm2d(width)
        self.stages = nn.Sequential(*(_stage(*ends, blocks) for ends in pairwise([width, *widths])))
        self.head = nn.Linear(widths[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(torch.relu(self.bn(self.conv(x))))
        return self.head(x.mean(dim=(2, 3)))


def _stage(width_in: int, width: int, blocks: int) -> nn.Sequential:
    first = BasicBlock(width_in, width, stride=width // width_in)
    return nn.Sequential(first, *(BasicBlock(width, width, 1) for _ in range(blocks - 1)))


class CifarResNet(_SmallResNet):
    """Images (N, 3, 32, 32) to logits (N, K); features are the pooled output of the last stage, (N, 4 * width)."""

    def __init__(self, depth: int = 20, num_classes: int = 10, width: int = 16) -> None:
        super().__init__(stages=3, blocks=(depth - 2) // 6, num_classes=num_classes, width=width)


class CifarResNet18(_SmallResNet):
    """ResNet-18 for small images: (N, 3, H, W) to logits (N, K); features are the pooled last stage, (N, 8 * width).

    Its first layer is a 3 x 3 convolution of stride 1 in place of a 7 x 7 one of stride 2 and a pool.
    """

    def __init__(self, num_classes: int = 10, width: int = 64) -> None:
        super().__init__(stages=4, blocks=2, num_classes=num_classes, width=width)


class Cnn9(nn.Module):
    """Nine 3 x 3 convolutions in three blocks, a linear embedding, a linear head: (N, 3, H, W) to logits (N, K).

    The features are the output of `embed`, (N, features), as in the paper's experiment on domain generalisation. No
    ReLU follows it, so the angle to a class weight may be anything between 0 and 180 degrees. `embed` takes the mean of
    the last feature map over its pixels: a flattened map would tie the network to one image size, and hold most of its
    parameters.
    """

    def __init__(self, num_classes: int = 10, width: int = 64, features: int = 256) -> None:
        super().__init__()
        self.blocks = _blocks(3, (width, 2 * width, 4 * width), convolutions=3)
        self.embed = nn.Linear(4 * width, features)
        self.head = nn.Linear(features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.embed(self.blocks(x).mean(dim=(2, 3))))


class VggSmall(nn.Module):
    """Eight 3 x 3 convolutions with batch norm in four blocks, two linear layers: (N, 3, H, W) to logits (N, K).

    The features are the output of a ReLU, (N, 8 * width), so none is negative.
    """

    def __init__(self, num_classes: int = 10, width: int = 32, dropout: float = 0.2) -> None:
        super().__init__()
        self.blocks = _blocks(3, (width, 2 * width, 4 * width, 8 * width), convolutions=2)
        self.embed = nn.Linear(8 * width, 8 * width)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(8 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(torch.relu(self.embed(self.blocks(x).mean(dim=(2, 3))))))


class AlexNetSmall(nn.Module):
    """Five convolutions without normalisation, three linear layers with dropout: (N, 3, H, W) to logits (N, K).

    The first convolutions keep the size and three pools halve it, so that small images leave a map; its mean over
    quarters of the image is passed on. The features are the output of a ReLU, (N, 8 * width), so none is negative.
    Without normalisation it wants a smaller rate than the others, near 0.01.
    """

    def __init__(self, num_classes: int = 10, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 5, padding=2)
        self.conv2 = nn.Conv2d(width, 3 * width, 5, padding=2)
        self.conv3 = nn.Conv2d(3 * width, 6 * width, 3, padding=1)
        self.conv4 = nn.Conv2d(6 * width, 4 * width, 3, padding=1)
        self.conv5 = nn.Conv2d(4 * width, 4 * width, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.quarters = nn.AdaptiveAvgPool2d(2)
        self.dropout = nn.Dropout(dropout)
        self.fc6 = nn.Linear(4 * 4 * width, 8 * width)
        self.fc7 = nn.Linear(8 * width, 8 * width)
        self.head = nn.Linear(8 * width, num_classes)
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5, self.fc6, self.fc7):
            # Nothing else keeps the signal's size from layer to layer.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = torch.relu(self.conv4(torch.relu(self.conv3(x))))
        x = self.quarters(self.pool(torch.relu(self.conv5(x)))).flatten(1)
        x = torch.relu(self.fc6(self.dropout(x)))
        x = torch.relu(self.fc7(self.dropout(x)))
        return self.head(x)


class CifarFast(nn.Module):
    """A network that learns in few epochs: images (N, 3, H, W) to logits (N, K), from 16 pixels a side.

    Its first layer is not learnt: `fit` takes it from the images, as filters of 2 x 2 pixels whose outputs are
    uncorrelated and of one size, each with its negative. Three blocks of two convolutions follow, which begin near the
    identity; their batch norms have a bias and no scale. The features, (N, last width), are the largest of the last map
    over its pixels, made small so that the logits begin small; after a GELU they are hardly ever negative.
    """

    filters: Tensor
    fitted: Tensor

    def __init__(
        self, num_classes: int = 10, widths: tuple[int, ...] = (64, 256, 256), *, head_bias: bool = False
    ) -> None:
        super().__init__()
        filters = torch.linalg.qr(torch.randn(12, 12)).Q.view(12, 3, 2, 2)
        self.register_buffer("filters", torch.cat([filters, -filters]))
        self.register_buffer("fitted", torch.tensor(False))
        self.blocks = nn.Sequential(*(_fast_block(*ends) for ends in pairwise((24, *widths))))
        self.head = nn.Linear(widths[-1], num_classes, bias=head_bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(F.gelu(F.conv2d(x, self.filters)))
        return self.head(x.amax(dim=(2, 3)) * _FEATURE_SCALE)

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Take the first layer from normalised images (N, 3, H, W)."""
        patches = images.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12).double()
        values, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (directions / (values + _WHITENING_FLOOR).sqrt()).T.reshape(12, 3, 2, 2)
        self.filters.copy_(torch.cat([filters, -filters]))
        self.fitted.fill_(True)


#: What the features of `CifarFast` are multiplied by, and what is added to the variance of a direction of its patches,
#: so that those in which images hardly differ are not blown up.
_FEATURE_SCALE = 1 / 9
_WHITENING_FLOOR = 5e-4


class _ShiftNorm(nn.BatchNorm2d):
    """Batch norm with a bias alone, whose statistics follow the last few batches."""

    def __init__(self, width: int) -> None:
        super().__init__(width, momentum=0.4, affine=False)
        self.bias = nn.Parameter(torch.zeros(width))


def _fast_block(width_in: int, width: int) -> nn.Sequential:
    first = _conv3(width_in, width)
    second = _conv3(width, width)
    for layer in (first, second):
        # The first outputs are the inputs, so that the signal passes all layers from the start.
        nn.init.dirac_(layer.weight[: layer.in_channels].data)
    pool = nn.MaxPool2d(2)
    return nn.Sequential(first, pool, _ShiftNorm(width), nn.GELU(), second, _ShiftNorm(width), nn.GELU())


def _blocks(channels: int, widths: tuple[int, ...], *, convolutions: int) -> nn.Sequential:
    """Return a block a width, each with as many convolutions and a 2 x 2 max-pool at its end."""
    return nn.Sequential(*(_block(*ends, convolutions) for ends in pairwise((channels, *widths))))


def _block(width_in: int, width: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (width_in, *[width] * (convolutions - 1)):
        layers += [_conv3(channels, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def _small(network: Callable[[int], nn.Module]) -> Architecture:
    """Return a network for RGB images, of 32 pixels a side unless the user says otherwise."""
    return Architecture(
        lambda num_classes, _: network(num_classes or 10),
        Preprocess(resize=32, crop=32, mean=CIFAR_MEAN, std=CIFAR_STD),
    )


def _visda() -> Architecture:
    """ResNet-101 with the paper's head for VisDA-17, 2048-512-ReLU-K: the features are the 512 outputs of the ReLU.

    Published weights are ImageNet's; of the head they hold nothing, so `hidden` stays as drawn.
    """
    body = torchvision_zoo.architecture("resnet101")

    def build(num_classes: int | None, side: int) -> nn.Module:
        module = body.build(num_classes, side)
        layers = {"hidden": nn.Linear(2048, 512), "relu": nn.ReLU(), "head": nn.Linear(512, num_classes or 12)}
        module.fc = nn.Sequential(OrderedDict(layers))
        return module

    def adapt(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: value for name, value in tensors.items() if name not in ("fc.weight", "fc.bias")}

    return Architecture(build, body.preprocess, body.published, adapt=adapt, drawn=("fc.hidden.",))


def _digits() -> Architecture:
    return Architecture(
        lambda num_classes, _: DigitsNet(num_classes or 10),
        Preprocess(resize=8, crop=8, mean=DIGITS_MEAN, std=DIGITS_STD),
        lambda: read_weights(DIGITS_WEIGHTS),
        tuple("0123456789"),
    )


#: Architectures by name, made when the name is asked for.
OWN: dict[str, Callable[[], Architecture]] = {
    "digits": _digits,
    **{f"resnet{depth}": partial(_small, partial(CifarResNet, depth)) for depth in CIFAR_DEPTHS},
    "resnet18": partial(_small, CifarResNet18),
    "cnn9": partial(_small, Cnn9),
    "alexnet-small": partial(_small, AlexNetSmall),
    "vgg-small": partial(_small, VggSmall),
    "cifar-fast": partial(_small, CifarFast),
    "resnet101-visda": _visda,
}
