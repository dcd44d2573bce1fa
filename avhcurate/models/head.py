"""The last linear layer of a classifier: found by tracing one batch, its input captured as features."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.models.weights import first_line

#: Largest share of the logits' size by which features @ weights + bias may miss them: float32 and bfloat16 matmul.
_TOLERANCE = 5e-3


class FeatureTap(nn.Module):
    """A network that returns (features (N, D), logits (N, K)): the input of its head, and its output."""

    def __init__(self, module: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.module = module
        self.train(module.training)
        self._features: Tensor | None = None
        self.hook = head.register_forward_pre_hook(self._keep)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.module(images)
        features, self._features = self._features, None
        assert features is not None
        return features, logits

    def _keep(self, head: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._features = inputs[0]


class HeadOutput(nn.Module):
    """A network that returns the output of its head: for one that returns a dict, or a softmax of its logits."""

    def __init__(self, module: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.module = module
        self.train(module.training)
        self._logits: Tensor | None = None
        head.register_forward_hook(self._keep)

    def forward(self, images: Tensor) -> Tensor:
        self.module(images)
        logits, self._logits = self._logits, None
        assert logits is not None
        return logits

    def _keep(self, head: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        # A copy, because what follows the head may work in place.
        self._logits = output.clone()


class _OneTensor(nn.Module):
    """A network that returns its features alone, where it may return them inside of something else."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Tensor:
        features = _logits_of(self.module(images))
        assert features is not None
        return features


@dataclass(frozen=True)
class Head:
    """Where the head is. `direct` when its output, or a view of it, is what the network returns.

    Without a name it is none of the network's layers: what the network returns, (N, `width`), are the features.
    """

    name: str
    direct: bool
    width: int = 0


@dataclass(frozen=True)
class _Call:
    """One run of a linear layer, or of a 1 x 1 convolution over one pixel, which is the same."""

    name: str
    layer: nn.Module
    output: Tensor
    version: int


def find_head(module: nn.Module, images: Tensor, *, name: str | None = None) -> Head:
    """The linear layer whose output tensor is what `module` returns for `images`, or the one called `name`.

    A network may also return its logits as `.logits` or under the key "logits". Views of the output (flatten,
    identity, dropout at rest) count as the output. Raises CurateError when there is no such layer, or when the
    network fails on the images.
    """
    output, calls, last = _traced(module, images)
    if name is not None:
        return Head(_checked_name(module, calls, name), direct=False)
    logits = _logits_of(output)
    if logits is None:
        raise CurateError(
            f"the model returns {_kind(output)}, not one tensor of logits: "
            f"name the layer that gives them by --head NAME.{_linear_layers(calls)}"
        )
    last_call = next((call for call in reversed(calls) if _same_memory(call.output, logits)), None)
    if last_call is None or last_call.output._version != last_call.version:
        raise CurateError(_not_linear(calls, last, logits))
    return Head(last_call.name, direct=logits is output)


def find_features(module: nn.Module, images: Tensor) -> Head:
    """The layer whose input are the features of any network: its head or, where it has none, an empty name.

    A layer that gives the logits of which the network returns something else, as their softmax, is the head too. Raises
    CurateError for a network that returns no tensor (N, D).
    """
    try:
        return find_head(module, images)
    except CurateError:
        output, calls, _ = _traced(module, images)
        returned = _logits_of(output)
        if returned is None or returned.ndim != 2:
            raise
    if calls and calls[-1].output.shape == returned.shape:
        return Head(calls[-1].name, direct=False)
    return Head("", direct=True, width=returned.shape[1])


def expose_head(module: nn.Module, head: Head) -> tuple[nn.Module, nn.Linear]:
    """A module that returns logits alone, and the nn.Linear inside it that gives them.

    A 1 x 1 convolution is replaced, in `module`, by the linear layer that computes the same. A network without a head
    is followed by a layer that changes nothing.
    """
    if not head.name:
        unchanged = nn.Linear(head.width, head.width, bias=False).requires_grad_(False)
        unchanged.weight.copy_(torch.eye(head.width))
        return nn.Sequential(_OneTensor(module), unchanged).train(module.training), unchanged
    layer = module.get_submodule(head.name)
    if isinstance(layer, nn.Conv2d):
        linear = _linear_from(layer)
        pixel = nn.Unflatten(1, (linear.out_features, 1, 1))
        module.set_submodule(head.name, nn.Sequential(nn.Flatten(1), linear, pixel))
        flat = nn.Sequential(module, nn.Flatten(1)).train(module.training)
        return (flat if head.direct else HeadOutput(module, linear)), linear
    assert isinstance(layer, nn.Linear)
    return (module if head.direct else HeadOutput(module, layer)), layer


def check_head(module: nn.Module, head: nn.Linear, images: Tensor, *, name: str) -> None:
    """Raises CurateError unless features @ class_weights.T + bias are the logits (N, K) that `module` returns."""
    tap = FeatureTap(module, head)
    with torch.inference_mode():
        features, logits = tap(images)
        tap.hook.remove()
        wanted = (len(images), head.out_features)
        if tuple(logits.shape) != wanted or features.shape != (len(images), head.in_features):
            raise CurateError(
                f"layer {name!r} gives logits of shape {tuple(logits.shape)}, not (samples, classes) {wanted}"
            )
        bias = None if head.bias is None else head.bias.double()
        error = (F.linear(features.double(), head.weight.double(), bias) - logits).abs().max().item()
        size = logits.abs().max().item()
    if not torch.isfinite(logits).all():
        raise CurateError(
            "the model's logits are not finite on random images: are the weights whole, and of this model?"
        )
    if error > _TOLERANCE * size:
        raise CurateError(
            f"the model's output is not features @ weights + bias of its layer {name!r} (it differs by {error:.2g} of "
            f"{size:.2g}): give a model that ends with a plain linear layer"
        )


def _traced(module: nn.Module, images: Tensor) -> tuple[object, list[_Call], str]:
    """The network's output, the runs of its linear layers in order, and its last layer of any kind."""
    calls: list[_Call] = []
    last = ""

    def watch(name: str, layer: nn.Module) -> Any:
        def keep(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            nonlocal last
            last = f"{name!r} ({type(layer).__name__})"
            # Kept until the end, so that no later tensor takes the same memory and passes for this one.
            if inputs and isinstance(output, Tensor) and _is_linear(layer, inputs[0]):
                calls.append(_Call(name, layer, output, output._version))

        return layer.register_forward_hook(keep)

    leaves = [
        (n, m) for n, m in module.named_modules() if isinstance(m, nn.Linear | nn.Conv2d) or not any(m.children())
    ]
    hooks = [watch(name, layer) for name, layer in leaves]
    try:
        # Not inference_mode, whose tensors do not count their changes in place.
        with torch.no_grad():
            return module(images), calls, last
    except Exception as error:
        raise CurateError(
            f"the model fails on images of shape {tuple(images.shape)}: {first_line(error)}. "
            "Give the size it takes by --crop"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()


def _is_linear(layer: nn.Module, features: object) -> bool:
    if isinstance(layer, nn.Linear):
        return True
    pointwise = isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1
    return pointwise and isinstance(features, Tensor) and features.shape[2:] == (1, 1)


def _same_memory(a: Tensor, b: Tensor) -> bool:
    return a.numel() == b.numel() and a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def _logits_of(output: object) -> Tensor | None:
    if isinstance(output, Mapping):
        output = output.get("logits")
    logits = getattr(output, "logits", output)
    return logits if isinstance(logits, Tensor) else None


def _checked_name(module: nn.Module, calls: list[_Call], name: str) -> str:
    try:
        layer = module.get_submodule(name)
    except AttributeError:
        near = difflib.get_close_matches(name, [call.name for call in calls])
        hint = f"did you mean {' or '.join(near)}?" if near else "choose another."
        raise CurateError(f"the model has no layer {name!r}: {hint}{_linear_layers(calls)}") from None
    # By identity, because a layer may have several names.
    runs = [call for call in calls if call.layer is layer]
    if not runs:
        linear = isinstance(layer, nn.Linear)
        why = "does not run in a forward pass" if linear else f"is a {type(layer).__name__}, not a linear layer"
        raise CurateError(f"--head {name}: it {why}.{_linear_layers(calls)}")
    if len(runs) > 1:
        raise CurateError(f"--head {name}: it runs {len(runs)} times in a forward pass, and a head runs once")
    return name


def _not_linear(calls: list[_Call], last: str, logits: Tensor) -> str:
    if not calls:
        return f"the model ends with {last} and has no linear layer: angles need one that gives the logits"
    name = calls[-1].name
    how = f"changes the output of its last layer {last}" if last.startswith(f"{name!r} ") else f"ends with {last}"
    return (
        f"the model {how} and returns shape {tuple(logits.shape)}, which is not the output of a linear layer: "
        f"angles need one. If layer {name!r} gives the logits, say --head {name}"
    )


def _linear_layers(calls: list[_Call]) -> str:
    names = list(dict.fromkeys(call.name for call in calls))
    return f" Its linear layers, last first: {', '.join(reversed(names[-5:]))}" if names else " It has no linear layer"


def _kind(output: object) -> str:
    if isinstance(output, Mapping):
        return f"a dict with {', '.join(map(str, output))}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {len(output)}"
    return f"a {type(output).__name__}"


def _linear_from(convolution: nn.Conv2d) -> nn.Linear:
    linear = nn.Linear(convolution.in_channels, convolution.out_channels, bias=convolution.bias is not None)
    with torch.no_grad():
        linear.weight.copy_(convolution.weight.flatten(1))
        if convolution.bias is not None:
            linear.bias.copy_(convolution.bias)
    return linear.requires_grad_(False)
