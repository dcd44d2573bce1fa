"""CIFAR ResNets: three or four stages of basic blocks on small images, a linear head on the pooled features."""

import torch
from torch import Tensor, nn

#: Per-channel statistics of the CIFAR-10 training images, in units of [0, 1] pixel values.
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)

#: Depths of He et al. 2016, section 4.2: depth = 6 n + 2 with n blocks a stage.
DEPTHS = (20, 32, 44, 56)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, projected by 1 x 1 where the shape changes."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """Images (N, 3, 32, 32) to logits (N, K); features are the pooled output of the last stage, (N, 4 * width)."""

    def __init__(self, depth: int = 20, num_classes: int = 10, width: int = 16) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"depth must be one of {DEPTHS}, got {depth}")
        blocks = (depth - 2) // 6
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.stages = nn.Sequential(
            _stage(width, width, blocks, stride=1),
            _stage(width, 2 * width, blocks, stride=2),
            _stage(2 * width, 4 * width, blocks, stride=2),
        )
        self.head = nn.Linear(4 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(torch.relu(self.bn(self.conv(x))))
        return self.head(x.mean(dim=(2, 3)))


class CifarResNet18(nn.Module):
    """ResNet-18 for small images: (N, 3, H, W) to logits (N, K); features are the pooled last stage, (N, 8 * width).

    A 3 x 3 convolution of stride 1 stands where the original has one of 7 x 7, stride 2, and a pool.
    """

    def __init__(self, num_classes: int = 10, width: int = 64) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.stages = nn.Sequential(
            _stage(width, width, 2, stride=1),
            _stage(width, 2 * width, 2, stride=2),
            _stage(2 * width, 4 * width, 2, stride=2),
            _stage(4 * width, 8 * width, 2, stride=2),
        )
        self.head = nn.Linear(8 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(torch.relu(self.bn(self.conv(x))))
        return self.head(x.mean(dim=(2, 3)))


def _stage(width_in: int, width: int, blocks: int, *, stride: int) -> nn.Sequential:
    first = BasicBlock(width_in, width, stride)
    return nn.Sequential(first, *(BasicBlock(width, width, 1) for _ in range(blocks - 1)))
