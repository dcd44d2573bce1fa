"""torchvision's classification networks: `torchvision:NAME`, with their published weights and transforms."""

import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.weights import Weights, read_weights

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

#: Published files that are older than the network's code call a DenseNet layer norm.1 which is now norm1.
_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..+)$")

#: Classifiers on the way, for training alone: at rest GoogLeNet and Inception do not run them.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


@cache
def names() -> tuple[str, ...]:
    """Return every classification network of the installed torchvision."""
    zoo = _zoo()
    return tuple(zoo.list_models(module=zoo))


def architecture(name: str, *, sha256: str | None = None) -> Architecture:
    """A network with the transforms of its default weights, or of the published file that `sha256` is the hash of."""
    zoo = _zoo()
    published = zoo.get_model_weights(name)
    entry = next((entry for entry in published if sha256 and sha256.startswith(_hash_prefix(entry))), None)
    weights = entry or published["DEFAULT"]

    def build(num_classes: int | None, side: int) -> nn.Module:
        options: dict[str, Any] = {}
        if num_classes is not None:
            options["num_classes"] = num_classes
        if name.startswith("vit_"):
            options["image_size"] = side
        if name in ("googlenet", "inception_v3"):
            # Published weights and those tuned from them expect transform_input.
            options |= {"aux_logits": False, "init_weights": False, "transform_input": True}
        return zoo.get_model(name, weights=None, **options)

    return Architecture(
        build,
        _preprocess(weights),
        lambda: _download(name, weights),
        tuple(weights.meta["categories"]),
        recognised=entry is not None,
        adapt=_adapted,
    )


def _zoo() -> ModuleType:
    """Import torchvision where one of its networks is asked for: it takes longer than torch itself."""
    import torchvision.models

    return torchvision.models


def _preprocess(weights: "WeightsEnum") -> Preprocess:
    transforms = weights.transforms()
    return Preprocess(
        resize=transforms.resize_size[0],
        crop=transforms.crop_size[0],
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        interpolation=transforms.interpolation.value,
    )


def _download(name: str, weights: "WeightsEnum") -> Weights:
    """Read the published file from torch's cache, fetching it first if it is not there."""
    path = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(weights.url).path).name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(weights.url, str(path), _hash_prefix(weights), progress=sys.stderr.isatty())
        except (OSError, RuntimeError) as error:
            raise CurateError(
                f"The weights of torchvision:{name} could not be downloaded ({error}).",
                fix=f"Fetch {weights.url} and give it by {Option('weights', 'FILE')}",
            ) from None
    downloaded = read_weights(path)
    if not downloaded.sha256.startswith(_hash_prefix(weights)):
        raise CurateError(f"The downloaded weights {path} are damaged. Delete the file and run again.")
    return replace(downloaded, source=f"torchvision {weights}")


def _hash_prefix(weights: "WeightsEnum") -> str:
    prefix = re.search(r"-([0-9a-f]{8,})\.", weights.url)
    assert prefix, weights.url
    return prefix[1]


def _adapted(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {_DENSENET.sub(r"\1\2", name): tensor for name, tensor in tensors.items() if not name.startswith(_AUXILIARY)}
