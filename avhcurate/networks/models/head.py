"""The last linear layer of a classifier: found by tracing one batch, its input captured as features."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.networks.models.weights import first_line

#: Largest share of the logits' size by which features @ weights + bias may miss them: float32 and bfloat16 matmul.
_TOLERANCE = 5e-3


class FeatureTap(nn.Module):
    """A network that returns (features (N, D), logits (N, K)): the input of its head, and its output.

    With `own_logits` the logits are the head's own output, for a network that returns something else: a dict, say, or
    a softmax.
    """

    def __init__(self, module: nn.Module, head: nn.Linear, *, own_logits: bool = False) -> None:
        super().__init__()
        self.module, self._own_logits = module, own_logits
        self.train(module.training)
        self._kept: tuple[Tensor, Tensor] | None = None
        self.hook = head.register_forward_hook(self._keep)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        returned, kept = self.module(images), self._kept
        self._kept = None
        assert kept is not None
        if self._own_logits:
            return kept
        return kept[0], returned

    def _keep(self, head: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if self._own_logits:
            # A copy, because what follows the head may work in place.
            output = output.clone()
        self._kept = inputs[0], output


class HeadOutput(nn.Module):
    """A network that returns the output of its head."""

    def __init__(self, module: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.tap = FeatureTap(module, head, own_logits=True)
        self.train(module.training)

    def forward(self, images: Tensor) -> Tensor:
        return self.tap(images)[1]


class _OneTensor(nn.Module):
    """A network that returns its features, where it may return them inside of something else."""

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
    """Return the linear layer whose output tensor is what `module` returns for `images`, or the one called `name`.

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
            f"The model returns {_kind(output)}, not one tensor of logits. Name the layer that gives them by --head "
            f"NAME. {_linear_layers(calls)}"
        )
    for call in reversed(calls):
        if _same_memory(call.output, logits) and call.output._version == call.version:
            return Head(call.name, direct=logits is output)
        if _same_memory(call.output, logits):
            break
    raise CurateError(_not_linear(calls, last, logits))


def find_features(module: nn.Module, images: Tensor) -> Head:
    """Return the layer whose input are the features of any network: its head or, where it has none, an empty name.

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
    """Return a module that returns logits, and the nn.Linear inside it that gives them.

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
    """Raise CurateError unless features @ class_weights.T + bias are the logits (N, K) that `module` returns."""
    tap = FeatureTap(module, head)
    with torch.inference_mode():
        features, logits = tap(images)
        tap.hook.remove()
        wanted = (len(images), head.out_features)
        if tuple(logits.shape) != wanted or features.shape != (len(images), head.in_features):
            raise CurateError(
                f"The layer {name!r} gives logits of shape {tuple(logits.shape)}, not (samples, classes) {wanted}. "
                "Name another layer by --head."
            )
        if not torch.isfinite(logits).all():
            raise CurateError("The model's logits are not finite. Check that the weights are complete and its own.")
        bias = None if head.bias is None else head.bias.double()
        error = (F.linear(features.double(), head.weight.double(), bias) - logits).abs().max().item()
        size = logits.abs().max().item()
    if error > _TOLERANCE * size:
        raise CurateError(
            f"The model's output is not features @ weights + bias of its layer {name!r} (it differs by {error:.2g} of "
            f"{size:.2g}). Give a model that ends with a plain linear layer."
        )


def _traced(module: nn.Module, images: Tensor) -> tuple[object, list[_Call], str]:
    """Return the network's output, the runs of its linear layers in order, and its last layer of any kind."""
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
            f"The model fails on images of shape {tuple(images.shape)}: {first_line(error)}. Give the size that it "
            "takes by --crop."
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
        near = difflib.get_close_matches(name, [call.name for call in calls]) or ["another"]
        raise CurateError(
            f"The model has no layer {name!r}: did you mean {' or '.join(near)}? {_linear_layers(calls)}"
        ) from None
    # By identity, because a layer may have several names.
    runs = sum(call.layer is layer for call in calls)
    if runs == 1:
        return name
    why = f"runs {runs} times in a forward pass, and a head runs once"
    if not runs:
        why = "does not run in a forward pass"
        if not isinstance(layer, nn.Linear):
            why = f"is a {type(layer).__name__}, not a linear layer"
    raise CurateError(f"--head {name}: it {why}. {_linear_layers(calls)}")


def _not_linear(calls: list[_Call], last: str, logits: Tensor) -> str:
    if not calls:
        return f"The model ends with {last} and has no linear layer. Give a model that ends with one."
    return (
        f"The model ends with {last} and returns shape {tuple(logits.shape)}, which is not the output of a linear "
        f"layer. If layer {calls[-1].name!r} gives the logits, say --head {calls[-1].name}."
    )


def _linear_layers(calls: list[_Call]) -> str:
    names = list(dict.fromkeys(call.name for call in calls))
    return f"Its linear layers, last first: {', '.join(reversed(names[-5:])) or 'none'}."


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
