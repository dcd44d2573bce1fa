"""The small networks: their size counted by hand, the images they take, and where their features may point."""

import pytest
import torch
from torch import nn

from avhcurate.networks.models import own
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.head import FeatureTap
from avhcurate.networks.models.loading import ModelSpec, load_model, new_model
from avhcurate.networks.models.own import AlexNetSmall, CifarFast, CifarResNet18, Cnn9, VggSmall
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.weights import own_weights

NETWORKS = {"cnn9": Cnn9, "vgg-small": VggSmall, "alexnet-small": AlexNetSmall, "resnet18": CifarResNet18}
WIDTHS = {"cnn9": 256, "vgg-small": 256, "alexnet-small": 512, "resnet18": 512}


def images(n=2, side=32, seed=0):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def features(name, pixels, **options):
    model = load_model(ModelSpec(name=f"avhcurate:{name}", weights="random", **options))
    with torch.inference_mode():
        return FeatureTap(model.module, model.head)(pixels)


def test_a_hidden_layer_that_published_weights_lack_is_drawn_from_the_seed(monkeypatch):
    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 2048, 8), nn.Linear(2048, 1000)

        def forward(self, x):
            return self.fc(self.conv(x).flatten(1))

    published = own_weights(Body(), "published")
    body = Architecture(lambda *_: Body(), Preprocess(resize=8, crop=8), lambda: published)
    monkeypatch.setattr(own.torchvision_zoo, "architecture", lambda name: body)
    specs = [ModelSpec(name="avhcurate:resnet101-visda", seed=seed) for seed in (0, 0, 1)]
    one, again, other = (new_model(spec, 5, pretrained=True).module for spec in specs)
    assert torch.equal(one.fc.hidden.weight, again.fc.hidden.weight)
    assert not torch.equal(one.fc.hidden.weight, other.fc.hidden.weight)
    assert torch.equal(other.conv.weight, published.tensors["conv.weight"])


@pytest.mark.parametrize(
    ("module", "parameters"),
    [
        (Cnn9(7), 1_988_935),  # nine convolutions of 3 x 3 pixels, 256 features, as in the paper
        (Cnn9(7, width=32), 516_263),
        (VggSmall(10), 1_241_578),
        (AlexNetSmall(10), 3_243_850),
        (CifarResNet18(10), 11_173_962),
        (CifarFast(10), 1_971_328),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_network_has_its_number_of_parameters(module, parameters):
    """Counted by hand from the widths of the layers."""
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("side", [16, 33])
def test_a_network_takes_images_of_any_size_from_16_pixels(name, side):
    """Only the features of cnn9 may point away from the positive."""
    x, logits = features(name, images(side=side), crop=side, resize=side)
    assert x.shape == (2, WIDTHS[name])
    assert logits.shape == (2, 10)
    assert logits.isfinite().all()
    assert (float((x < 0).float().mean()) > 0.2) == (name == "cnn9")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_head_is_found_by_name_and_fits_the_dataset(name):
    model = load_model(ModelSpec(name=f"avhcurate:{name}", weights="random"), num_classes=7)
    found = (model.head_name, model.preprocess.crop, model.class_weights.shape)
    assert found == ("head", 32, (7, WIDTHS[name]))


def test_the_first_layer_of_cifar_fast_whitens_its_images():
    """Of correlated pixels it makes outputs of unit size, uncorrelated, each with its negative."""
    blurred = nn.functional.avg_pool2d(images(64), 3, 1)
    module = CifarFast(3)
    module.fit(blurred)
    outputs = nn.functional.conv2d(blurred, module.filters).permute(0, 2, 3, 1).reshape(-1, 24)
    torch.testing.assert_close(outputs[:, :12], -outputs[:, 12:])
    second_moments = outputs[:, :12].T @ outputs[:, :12] / len(outputs)
    assert (second_moments - torch.diag(second_moments.diag())).abs().max() < 1e-3
    assert 0.9 < second_moments.diag().min() <= second_moments.diag().max() <= 1.001


def test_cifar_fast_begins_near_the_identity_and_passes_images_of_16_pixels():
    module = load_model(ModelSpec(name="avhcurate:cifar-fast", weights="random", crop=16, resize=16), num_classes=7)
    assert module.head_name == "head"
    assert module.class_weights.shape == (7, 256)
    weight = module.module.blocks[0][0].weight
    torch.testing.assert_close(weight[:24], nn.init.dirac_(torch.empty_like(weight[:24])), rtol=0, atol=0)
    assert module.module(images(2, 16)).isfinite().all()
