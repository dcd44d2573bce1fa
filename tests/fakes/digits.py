"""The digits as images and a small network for them, which tests of training share."""

import pytest

# Torch takes seconds to import, and most tests do without it: only the fixtures import it.


@pytest.fixture(scope="session")
def digit_halves():
    """The digits' training half and the other, as images."""
    import torch

    from avhcurate.networks.models.own import DIGITS_MEAN, DIGITS_STD
    from avhcurate.networks.training.digits import read_digits
    from avhcurate.networks.training.images import LabelledImages

    digits = read_digits()
    images, labels = torch.from_numpy(digits.images)[:, None], torch.from_numpy(digits.labels)
    chosen = (torch.from_numpy(digits.split == half) for half in ("train", "test"))
    return tuple(LabelledImages(images[half], labels[half], DIGITS_MEAN, DIGITS_STD) for half in chosen)


@pytest.fixture
def digits_net():
    """Makes a new DigitsNet from a seed."""
    import torch

    from avhcurate.networks.models.own import DigitsNet

    def make(seed=0):
        torch.manual_seed(seed)
        return DigitsNet()

    return make
