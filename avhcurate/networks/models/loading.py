"""A model by name, with weights, last linear layer and preprocessing: `load_model` to run it, `new_model` to train."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.head import Head, check_head, expose_head, find_features, find_head
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.registry import ZERO_SHOT, find_architecture
from avhcurate.networks.models.runtime import one_thread
from avhcurate.networks.models.weights import Weights, load_weights, own_weights, read_weights, without_prefixes
from avhcurate.networks.models.zero_shot import TEMPLATES, ClassPrompts


class OtherClasses(CurateError):
    """A model whose classes are not the dataset's."""


class ModelSpec(BaseModel):
    """What the user says about a model: `--model NAME` and its options; None means the model's own.

    weights: a safetensors file or PyTorch checkpoint, or "random" for untrained weights drawn from `seed`.
    head: the linear layer whose input is the features and whose output the logits.
    features_only: any classes will do, and none: what its last layer takes, or it returns, are the features.
    resize, crop: pixels; mean, std: one number or three, in units of [0, 1] pixel values.
    prompts, class_names: of a zero-shot model alone: templates with {} for the class name, and the names in order.
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

    @property
    def zero_shot(self) -> bool:
        """Whether the model makes its class weights of the names of classes."""
        return self.name.startswith(ZERO_SHOT)

    def class_prompts(self) -> ClassPrompts:
        """What a zero-shot model is told of the classes. Raises CurateError where another model is told anything."""
        if not self.zero_shot and (self.prompts or self.class_names):
            raise CurateError(f"--prompt and --classes are for {ZERO_SHOT}NAME. {self.name} has its own classes.")
        return ClassPrompts(self.class_names, self.prompts or TEMPLATES)


@dataclass(frozen=True)
class LoadedModel:
    """A classifier ready to run: `module` takes normalised (N, C, S, S) float32 and returns logits (N, K).

    `module` is in eval mode, float32, on the CPU, without gradients; `head` is the nn.Linear inside it whose input is
    the features (N, D). `classes` are the names that its weights came with, if any. `prompts` are those of
    a zero-shot model, whose features all have the length of its logit scale. `other_head`: class weights and bias of
    another head on the same features.
    """

    name: str
    module: nn.Module
    head: nn.Linear
    head_name: str
    preprocess: Preprocess
    weights_sha256: str
    weights_source: str
    classes: tuple[str, ...] | None
    prompts: ClassPrompts | None = None
    other_head: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def class_weights(self) -> np.ndarray:
        """(K, D) float32."""
        if self.other_head is not None:
            return self.other_head[0]
        return self.head.weight.detach().float().cpu().numpy()

    @property
    def bias(self) -> np.ndarray:
        """(K,) float32; zeros when the head has none."""
        if self.other_head is not None:
            return self.other_head[1]
        if self.head.bias is None:
            return np.zeros(self.head.out_features, np.float32)
        return self.head.bias.detach().float().cpu().numpy()


@dataclass(frozen=True)
class NewModel:
    """A network to train, on the CPU; `new_head`: its weights had no head for its classes; `source` of the weights."""

    module: nn.Module
    preprocess: Preprocess
    head_name: str
    weights_sha256: str
    source: str
    new_head: bool


def load_model(spec: ModelSpec, *, num_classes: int | None = None) -> LoadedModel:
    """Builds, loads and checks a model. `num_classes`: that of the dataset, to be refused when the head has others.

    Without `num_classes` the class count is that of the weights. The global random state is left as it was. Raises
    CurateError, naming the thing and the next step, for mistakes of the user's.
    """
    weights = read_weights(spec.weights) if isinstance(spec.weights, Path) else None
    try:
        with torch.random.fork_rng(devices=[]), one_thread():
            sha256 = None
            if weights is not None:
                sha256 = weights.sha256
            architecture = find_architecture(spec.name, sha256=sha256, prompts=spec.class_prompts())
            if architecture.built_in and spec.weights is not None:
                raise CurateError(f"{spec.name} comes with its weights, so leave --weights out.")
            if spec.weights is None and not architecture.keeps_weights and not architecture.built_in:
                weights = _published_weights(spec.name, architecture, " (--weights random: for timing)")
            return _loaded(spec, architecture, weights, num_classes)
    except CurateError as error:
        if spec.name in str(error):
            raise
        raise type(error)(f"{spec.name}: {error}") from error.__cause__


def _loaded(
    spec: ModelSpec, architecture: Architecture, weights: Weights | None, num_classes: int | None
) -> LoadedModel:
    architecture, module, head = _built(spec, architecture, num_classes)
    if weights:
        tensors = architecture.adapt(without_prefixes(weights.tensors, module.state_dict()))
        module = _fitting(module, architecture, head, tensors, num_classes)
        load_weights(module, tensors, source=weights.source)
    elif architecture.built_in:
        weights = architecture.built_in(module)
    else:
        source = f"as {spec.name} makes them"
        if spec.weights == "random":
            _draw_zero_head(module, head)
            source = "random"
        weights = own_weights(module, source)
    module, linear = expose_head(module, head)
    _refuse_other_classes(linear.out_features, num_classes)
    check_head(module, linear, architecture.preprocess.random_images(), name=head.name)
    classes, prompts = weights.classes, None
    if architecture.pretrained and (spec.weights is None or architecture.recognised):
        classes = architecture.pretrained.classes
    if classes and len(classes) != linear.out_features:
        classes = None
    if spec.zero_shot:
        classes, prompts = spec.class_names, spec.class_prompts()
    return LoadedModel(
        name=spec.name,
        module=module,
        head=linear,
        head_name=head.name,
        preprocess=architecture.preprocess,
        weights_sha256=weights.sha256,
        weights_source=weights.source,
        classes=classes,
        prompts=prompts,
    )


def new_model(spec: ModelSpec, num_classes: int, *, pretrained: bool = False) -> NewModel:
    """Return the network of `spec` for `num_classes`, with random weights drawn from `spec.seed`, or with given ones.

    A network of the user's own keeps the weights that its factory makes, unless others are given.
    Weights come from the file of the spec or, with `pretrained`, are those that the name is published with. A head for
    another number of classes stays random, as do one that the network starts at zero and layers that published weights
    lack. Raises CurateError for mistakes of the user's.
    """
    with torch.random.fork_rng(devices=[]):
        architecture = find_architecture(spec.name, prompts=spec.class_prompts())
        if architecture.built_in:
            raise CurateError(f"{spec.name} can be used to score, but not trained. Choose another network.")
        weights = read_weights(spec.weights) if isinstance(spec.weights, Path) else None
        if pretrained and weights is None:
            weights = _published_weights(spec.name, architecture)
        architecture, module, head = _built(spec, architecture, num_classes)
        drawn = _draw_zero_head(module, head)
    state, weight = module.state_dict(), f"{head.name}.weight"
    if len(state[weight]) != num_classes:
        raise CurateError(
            f"{spec.name} has {len(state[weight])} classes and the dataset has {num_classes}. Let its factory take "
            "num_classes."
        )
    if weights is None and architecture.keeps_weights:
        # They may mean something, and tell the factory from what it was before an edit.
        own = own_weights(module, f"as {spec.name} makes them")
        return NewModel(module, architecture.preprocess, head.name, own.sha256, own.source, new_head=drawn)
    if weights is None:
        return NewModel(module, architecture.preprocess, head.name, "", "chance", new_head=True)
    given = without_prefixes(weights.tensors, state)
    tensors = architecture.adapt(given)
    tensors |= {name: state[name] for name in tensors if name.startswith(architecture.drawn) and name not in given}
    new_head = weight not in tensors or tensors[weight].shape != state[weight].shape
    if new_head:
        tensors = tensors | {name: state[name] for name in state if name.startswith(f"{head.name}.")}
    load_weights(module, tensors, source=weights.source)
    return NewModel(module, architecture.preprocess, head.name, weights.sha256, weights.source, new_head)


def _built(
    spec: ModelSpec, architecture: Architecture, num_classes: int | None
) -> tuple[Architecture, nn.Module, Head]:
    """The architecture with the user's preprocessing, a module of it with weights drawn from the seed, and its head."""
    preprocess = architecture.preprocess.overridden(resize=spec.resize, crop=spec.crop, mean=spec.mean, std=spec.std)
    torch.default_generator.manual_seed(spec.seed)
    module = replace(architecture, preprocess=preprocess).module(num_classes)
    channels = next((layer.in_channels for layer in module.modules() if isinstance(layer, nn.Conv2d)), None)
    if architecture.any_channels and channels == 1:
        preprocess = preprocess.greyscale()
    images = preprocess.random_images()
    if spec.features_only and spec.head is None:
        return replace(architecture, preprocess=preprocess), module, find_features(module, images)
    head = find_head(module, images, name=spec.head)
    return replace(architecture, preprocess=preprocess), module, head


def _draw_zero_head(module: nn.Module, head: Head) -> bool:
    """Draw a head that is all zero, as new vision transformers have: a class weight of no length has no angle.

    Whether it was so.
    """
    layer = module.get_submodule(head.name)
    if not isinstance(layer, nn.Linear | nn.Conv2d) or layer.weight.any():
        return False
    layer.reset_parameters()
    return True


def _published_weights(name: str, architecture: Architecture, alternative: str = "") -> Weights:
    if architecture.pretrained is None:
        raise CurateError(f"{name} comes without weights. {architecture.without_weights}{alternative}.")
    return architecture.pretrained.load()


def _fitting(
    module: nn.Module,
    architecture: Architecture,
    head: Head,
    tensors: dict[str, Tensor],
    num_classes: int | None,
) -> nn.Module:
    """Return the module itself, or a new one with as many classes as the head has in the weights."""
    rows = tensors.get(f"{head.name}.weight")
    built = module.state_dict().get(f"{head.name}.weight")
    if rows is None or built is None or len(rows) == len(built):
        return module
    _refuse_other_classes(len(rows), num_classes)
    return architecture.module(len(rows))


def _refuse_other_classes(rows: int, num_classes: int | None) -> None:
    if num_classes is not None and rows != num_classes:
        raise OtherClasses(
            f"The model has {rows} classes and the dataset has {num_classes}. Fit a head for these {num_classes} by "
            "--head fit, or give weights that were trained for them by --weights FILE."
        )
