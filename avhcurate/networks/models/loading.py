"""From a model's name to a network with weights, last linear layer and preprocessing: to run it, or to train it."""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from avhcurate.errors import CurateError, Option, Run, Text
from avhcurate.networks.models import extras, torchvision_zoo
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.factory import factory, of_plugin
from avhcurate.networks.models.head import Head, check_head, expose_head, find_head
from avhcurate.networks.models.hub import hub_classifier
from avhcurate.networks.models.names import FACTORY, FORMS, PLUGINS, ModelName, refuse_unknown
from avhcurate.networks.models.onnx_file import onnx_classifier
from avhcurate.networks.models.own import OWN
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.runtime import one_thread
from avhcurate.networks.models.weights import Weights, load_weights, own_weights, read_weights, without_prefixes
from avhcurate.networks.models.zero_shot import TEMPLATES, zero_shot
from avhcurate.workspace.data.run_records import PromptsRecord

_MAKERS = {"timm": extras.timm_architecture, "transformers": hub_classifier, "onnx": onnx_classifier, FACTORY: factory}


class OtherClasses(CurateError):
    """A model whose classes are not the dataset's."""


class ModelSpec(BaseModel):
    """What the user says about a model: `--model NAME` and its options; None means the model's own.

    weights: a safetensors file or PyTorch checkpoint, or "random" for untrained weights drawn from `seed`.
    head: the linear layer whose input is the features and whose output the logits.
    features_only: any classes will do, and none: what its last layer takes, or it returns, are the features.
    resize, crop: pixels; mean, std: one number or three, in units of [0, 1] pixel values.
    prompts, class_names: only of a zero-shot model: templates with {} for the class name, and the names in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    weights: Literal["random"] | Path | None = None
    head: str | None = None
    features_only: bool = False
    resize: int | None = None
    crop: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    seed: int = 0
    prompts: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()

    @cached_property
    def model(self) -> ModelName:
        """The name taken apart."""
        return ModelName.of(self.name)

    @property
    def zero_shot(self) -> bool:
        """Whether the model makes its class weights of the names of classes."""
        return self.model.family == "clip"

    def class_prompts(self) -> PromptsRecord | None:
        """Return what a zero-shot model is told of the classes. Raises CurateError where another is told anything."""
        if self.zero_shot:
            return PromptsRecord(templates=self.prompts or TEMPLATES, names=self.class_names)
        if self.prompts or self.class_names:
            raise CurateError(
                f"{Option('prompt')} and {Option('classes')} are for clip:NAME. {self.name} has its own classes."
            )
        return None


@dataclass(frozen=True)
class LoadedModel:
    """A classifier ready to run: `module` takes normalised (N, C, S, S) float32 and returns logits (N, K).

    `module` is in eval mode, float32, on the CPU, without gradients; `head` is the nn.Linear inside it whose input is
    the features (N, D). `class_weights` (K, D) and `bias` (K,), float32, are those of `head` or of another head on the
    same features. `classes` are the names that its weights came with, if any. `prompts` are those of a zero-shot model,
    whose features all have the length of its logit scale. `code` is that of `Architecture`.
    """

    name: str
    module: nn.Module
    head: nn.Linear
    head_name: str
    class_weights: np.ndarray
    bias: np.ndarray
    preprocess: Preprocess
    weights_sha256: str
    weights_source: str
    classes: tuple[str, ...] | None = None
    prompts: PromptsRecord | None = None
    code: dict[str, str] | None = None


@dataclass(frozen=True)
class NewModel:
    """A network to train, on the CPU; `new_head`: its weights had no head for its classes; `source` of the weights."""

    module: nn.Module
    preprocess: Preprocess
    head_name: str
    weights_sha256: str
    source: str
    new_head: bool
    code: dict[str, str] | None = None


def decisive(model: LoadedModel | NewModel) -> dict[str, Any]:
    """Return what decides the numbers of a network, for the name of what it makes."""
    decides = {"weights": model.weights_sha256, "head": model.head_name, "preprocess": asdict(model.preprocess)}
    if model.code:
        decides["code"] = model.code
    return decides


def find_architecture(
    name: ModelName, *, sha256: str | None = None, prompts: PromptsRecord | None = None
) -> Architecture:
    """Return the network of a name; `sha256` is that of the weights file, by which a published one is recognised.

    `prompts` tell a zero-shot network its classes. Names are those of `names.FORMS`. Raises CurateError with near
    matches for any other.
    """
    family, address = name.family, name.address
    if name.text in extras.EFFICIENTNET_LITE:
        return extras.efficientnet_lite(address)
    if family == "torchvision" and address in torchvision_zoo.names():
        return torchvision_zoo.architecture(address, sha256=sha256)
    if family == "avhcurate" and address in OWN:
        return OWN[address]()
    if family == "clip":
        return zero_shot(address, prompts or PromptsRecord(templates=TEMPLATES, names=()))
    if family in _MAKERS:
        return _MAKERS[family](address)
    if family in PLUGINS:
        return of_plugin(name)
    refuse_unknown(name)
    raise CurateError(f"The installed torchvision has no {name.text!r}. Give one of {FORMS}.")


def load_model(spec: ModelSpec, *, num_classes: int | None = None) -> LoadedModel:
    """Build, load and check a model. `num_classes`: that of the dataset, to be refused when the head has others.

    Without `num_classes` the class count is that of the weights. The global random state is left as it was. Raises
    CurateError, naming the thing and the next step, for mistakes of the user's.
    """
    try:
        with torch.random.fork_rng(devices=[]), one_thread():
            return _loaded(spec, num_classes)
    except CurateError as error:
        if spec.name in str(error):
            raise
        raise type(error)(Text(f"{spec.name}: ", error.what), fix=error.fix) from error.__cause__


def _loaded(spec: ModelSpec, num_classes: int | None) -> LoadedModel:
    architecture, weights = _architecture(spec)
    if architecture.fixed and spec.weights is not None:
        raise CurateError(f"{spec.name} comes with its weights, so leave {Option('weights')} out.")
    if spec.weights is None and architecture.made is None:
        weights = _published_weights(spec.name, architecture)
    architecture, module, head = _built(spec, architecture, num_classes)
    if weights is not None:
        tensors = architecture.adapt(without_prefixes(weights.tensors, module.state_dict()))
        rows = len(tensors.get(f"{head.name}.weight", ()))
        if rows and rows != len(module.get_submodule(head.name).weight):  # type: ignore[arg-type]
            _refuse_other_classes(rows, num_classes)
            module = architecture.module(rows)
        load_weights(module, tensors | architecture.drawn_tensors(module, tensors), source=weights.source)
    elif architecture.made is not None and spec.weights is None:
        weights = architecture.made(module)
    else:
        _draw_zero_head(module, head)
        weights = own_weights(module, "random")
    module, linear = expose_head(module, head)
    _refuse_other_classes(linear.out_features, num_classes)
    check_head(module, linear, architecture.preprocess.random_images(), name=head.name)
    classes = weights.classes
    if spec.weights is None or architecture.recognised:
        classes = architecture.classes
    if classes and len(classes) != linear.out_features:
        classes = None
    bias = np.zeros(linear.out_features, np.float32)
    if isinstance(linear.bias, Tensor):
        bias = linear.bias.numpy()
    return LoadedModel(
        name=spec.name,
        module=module,
        head=linear,
        head_name=head.name,
        class_weights=linear.weight.numpy(),
        bias=bias,
        preprocess=architecture.preprocess,
        weights_sha256=weights.sha256,
        weights_source=weights.source,
        classes=classes,
        prompts=spec.class_prompts(),
        code=architecture.code,
    )


def new_model(spec: ModelSpec, num_classes: int, *, pretrained: bool = False) -> NewModel:
    """Return the network of `spec` for `num_classes`, with random weights drawn from `spec.seed`, or with given ones.

    A network of the user's own keeps the weights that its factory makes, unless others are given. Weights come from the
    file of the spec or, with `pretrained`, are those that the name is published with. A head for another number of
    classes stays random, as do one that the network starts at zero and layers that published weights lack. Raises
    CurateError for mistakes of the user's.
    """
    with torch.random.fork_rng(devices=[]):
        architecture, weights = _architecture(spec)
        if architecture.fixed:
            raise CurateError(f"{spec.name} can be used to score, but not trained. Choose another network.")
        if pretrained and weights is None:
            weights = _published_weights(spec.name, architecture)
        architecture, module, head = _built(spec, architecture, num_classes)
        new_head = _draw_zero_head(module, head)
    state = module.state_dict()
    weight = f"{head.name}.weight"
    if len(state[weight]) != num_classes:
        raise CurateError(
            f"{spec.name} has {len(state[weight])} classes and the dataset has {num_classes}. Let its factory take "
            "num_classes."
        )
    if weights is not None:
        tensors = architecture.adapt(without_prefixes(weights.tensors, state))
        tensors |= architecture.drawn_tensors(module, tensors)
        new_head = weight not in tensors or tensors[weight].shape != state[weight].shape
        if new_head:
            tensors |= {name: state[name] for name in state if name.startswith(f"{head.name}.")}
        load_weights(module, tensors, source=weights.source)
    elif architecture.made is not None:
        # They may mean something, and tell the factory from what it was before an edit.
        weights = architecture.made(module)
    else:
        weights = Weights({}, "", "chance")
        new_head = True
    return NewModel(
        module, architecture.preprocess, head.name, weights.sha256, weights.source, new_head, architecture.code
    )


def _architecture(spec: ModelSpec) -> tuple[Architecture, Weights | None]:
    """Return the architecture, and the weights of the user's file."""
    weights = None
    sha256 = None
    if isinstance(spec.weights, Path):
        weights = read_weights(spec.weights)
        sha256 = weights.sha256
    return find_architecture(spec.model, sha256=sha256, prompts=spec.class_prompts()), weights


def _published_weights(name: str, architecture: Architecture) -> Weights:
    if architecture.published is None:
        raise CurateError(
            f"{name} comes without weights.",
            fix=f"Give them by {Option('weights', 'FILE')} (or random, for timing), or {Run('train')}",
        )
    return architecture.published()


def _built(
    spec: ModelSpec, architecture: Architecture, num_classes: int | None
) -> tuple[Architecture, nn.Module, Head]:
    """Return it with the user's preprocessing, a module of it with weights drawn from the seed, and its head."""
    preprocess = architecture.preprocess.overridden(**spec.model_dump(include={"resize", "crop", "mean", "std"}))
    architecture = replace(architecture, preprocess=preprocess)
    torch.default_generator.manual_seed(spec.seed)
    module = architecture.module(num_classes)
    channels = next((layer.in_channels for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
    if architecture.any_channels and channels == 1:
        architecture = replace(architecture, preprocess=preprocess.greyscale())
    images = architecture.preprocess.random_images()
    return architecture, module, find_head(module, images, name=spec.head, features_only=spec.features_only)


def _draw_zero_head(module: nn.Module, head: Head) -> bool:
    """Draw a head that is all zero, as new vision transformers have: a class weight of no length has no angle.

    Return whether it was so.
    """
    layer = module.get_submodule(head.name)
    if not isinstance(layer, nn.Linear | nn.Conv2d) or layer.weight.any():
        return False
    layer.reset_parameters()
    return True


def _refuse_other_classes(rows: int, num_classes: int | None) -> None:
    if num_classes is not None and rows != num_classes:
        raise OtherClasses(
            f"The model has {rows} classes and the dataset has {num_classes}.",
            fix=(
                f"Fit a head for these {num_classes} by {Option('head', 'fit')}, or give weights that were trained "
                f"for them by {Option('weights', 'FILE')}"
            ),
        )
