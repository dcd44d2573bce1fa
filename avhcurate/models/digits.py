"""DigitsNet: a small CNN for 8 x 8 scans of digits, a linear head on features that may point anywhere."""

import torch
from torch import Tensor, nn

#: Mean and deviation of the training half's pixels, in units of [0, 1] pixel values.
MEAN = (0.3051,)
STD = (0.3760,)


class DigitsNet(nn.Module):
    """Grey images (N, 1, 8, 8) to logits (N, K); the features (N, width) are the output of `embed`.

    The features do not pass a ReLU, so an angle to a class weight is free to be anything between 0 and 180 degrees.
    """

    def __init__(self, num_classes: int = 10, width: int = 64) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.conv3, self.bn3 = nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64)
        self.pool = nn.MaxPool2d(2)
        self.embed = nn.Linear(64 * 2 * 2, width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.pool(torch.relu(self.bn2(self.conv2(x))))
        x = self.pool(torch.relu(self.bn3(self.conv3(x))))
        return self.head(self.embed(x.flatten(1)))
