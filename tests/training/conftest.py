"""Small data and networks that trainings share."""

import pytest
import torch

from avhcurate.models.digits import MEAN, STD, DigitsNet
from avhcurate.training.digits import read_digits
from avhcurate.training.images import LabelledImages


@pytest.fixture(scope="session")
def digit_halves():
    """The digits' training half and the other, as pictures."""
    digits = read_digits()
    images, labels = torch.from_numpy(digits.images)[:, None], torch.from_numpy(digits.labels)
    chosen = (torch.from_numpy(digits.split == half) for half in ("train", "test"))
    return tuple(LabelledImages(images[half], labels[half], MEAN, STD) for half in chosen)


@pytest.fixture
def digits_net():
    """Makes a new DigitsNet from a seed."""

    def make(seed=0):
        torch.manual_seed(seed)
        return DigitsNet()

    return make
