"""A network to train: built for a class count, with random or given weights, and a new head where they differ."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from avhcurate.errors import CurateError
from avhcurate.models.head import find_head
from avhcurate.models.loading import ModelSpec
from avhcurate.models.preprocess import Preprocess
from avhcurate.models.registry import find_architecture
from avhcurate.models.weights import load_weights, read_weights, without_prefixes


@dataclass(frozen=True)
class NewModel:
    """A network on the CPU; `new_head` when its head was not among the weights; `source` says where those are from."""

    module: nn.Module
    preprocess: Preprocess
    head_name: str
    weights_sha256: str
    source: str
    new_head: bool


def new_model(spec: ModelSpec, num_classes: int, *, pretrained: bool = False) -> NewModel:
    """The network of `spec` for `num_classes`, as chance makes it from `spec.seed`, or with weights.

    Weights come from the file of the spec or, with `pretrained`, are those that the name is published with. A head for
    another number of classes stays random. Raises CurateError for mistakes of the user's.
    """
    with torch.random.fork_rng(devices=[]):
        architecture = find_architecture(spec.name)
        weights = read_weights(spec.weights) if isinstance(spec.weights, Path) else None
        if pretrained and weights is None:
            if architecture.pretrained is None:
                raise CurateError(f"{spec.name} comes without weights: {architecture.without_weights}")
            weights = architecture.pretrained.load()
        given = architecture.preprocess.overridden(resize=spec.resize, crop=spec.crop, mean=spec.mean, std=spec.std)
        torch.default_generator.manual_seed(spec.seed)
        module = replace(architecture, preprocess=given).module(num_classes)
    channels = next((layer.in_channels for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
    if architecture.any_channels and channels == 1:
        given = given.greyscale()
    probe = torch.randn(2, given.channels, given.crop, given.crop, generator=torch.Generator().manual_seed(0))
    head = find_head(module, probe, name=spec.head).name
    layer = module.get_submodule(head)
    rows = len(layer.weight)  # type: ignore[arg-type]
    if rows != num_classes:
        raise CurateError(
            f"{spec.name} tells {rows} classes apart and the dataset has {num_classes}: "
            "let its factory take num_classes"
        )
    if weights is None:
        return NewModel(module, given, head, "", "chance", new_head=True)
    own = module.state_dict()
    tensors = architecture.adapt(without_prefixes(weights.tensors, own))
    known = tensors.get(f"{head}.weight")
    new_head = known is None or known.shape != own[f"{head}.weight"].shape
    if new_head:
        tensors = tensors | {name: own[name] for name in own if name.startswith(f"{head}.")}
    load_weights(module, tensors, source=weights.source)
    return NewModel(module, given, head, weights.sha256, weights.source, new_head)
