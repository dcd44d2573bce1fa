"""Small networks for images of 16 pixels a side and up: CNN-9, and variants of AlexNet and VGG."""

from itertools import pairwise

import torch
from torch import Tensor, nn


class Cnn9(nn.Module):
    """Nine 3 x 3 convolutions in three blocks, a linear embedding, a linear head: (N, 3, H, W) to logits (N, K).

    The features are the output of `embed`, (N, features), as in the paper's experiment on domain generalisation. No
    ReLU follows it, so an angle to a class weight is free to be anything between 0 and 180 degrees. What `embed` takes
    is the mean of the last feature map over its pixels: a flattened map would tie the network to one image size, and
    would give most of its parameters to that one layer.
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
    quarters of the image goes on. The features are the output of a ReLU, (N, 8 * width), so none is negative. Without
    normalisation it wants a smaller rate than the others, near 0.01.
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


def _blocks(channels: int, widths: tuple[int, ...], *, convolutions: int) -> nn.Sequential:
    """A block a width, each with as many convolutions and a 2 x 2 max-pool at its end."""
    return nn.Sequential(*(_block(*ends, convolutions) for ends in pairwise((channels, *widths))))


def _block(width_in: int, width: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (width_in, *[width] * (convolutions - 1)):
        # Batch norm has the bias.
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.MaxPool2d(2))
