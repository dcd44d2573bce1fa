"""The last linear layer of a classifier: found by tracing one batch, its input captured as features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.weights import first_line

#: Largest share of the logits' size by which features @ weights + bias may miss them: float32 and bfloat16 matmul.
_TOLERANCE = 5e-3


class FeatureTap(nn.Module):
    """A network that returns (features (N, D), logits (N, K)): the input of its head, and its output.

    With `own_logits` the logits are the head's own output, for a network that returns something else: a dict, say, or
    a softmax.
    """

    def __init__(self, module: nn.Module, head: nn.Module, *, own_logits: bool = False) -> None:
        super().__init__()
        self.module = module
        self._own_logits = own_logits
        self.train(module.training)
        self._kept: tuple[Tensor, Tensor] | None = None
        self.hook = head.register_forward_hook(self._keep)

    def forward(self, images: Tensor) -> Any:
        returned = self.module(images)
        kept = self._kept
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


class HeadOutput(FeatureTap):
    """A network that returns the output of its head."""

    def __init__(self, module: nn.Module, head: nn.Linear) -> None:
        super().__init__(module, head, own_logits=True)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)[1]


class _OneTensor(nn.Module):
    """A network that returns its features, where it may return them inside of something else."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Any:
        return _logits_of(self.module(images))


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


def find_head(module: nn.Module, images: Tensor, *, name: str | None = None, features_only: bool = False) -> Head:
    """Return the linear layer whose output tensor is what `module` returns for `images`, or the one called `name`.

    A network may also return its logits as `.logits` or under the key "logits". Views of the output (flatten,
    identity, dropout at rest) count as the output. With `features_only` a layer that gives the logits of which the
    network returns something else, as their softmax, is the head too, and a network that returns a tensor (N, D) needs
    no head. Raises CurateError without such a layer, or when the network fails on the images.
    """
    output, calls = _traced(module, images)
    linear = ", ".join(dict.fromkeys(call.name for call in reversed(calls[-5:]))) or "none"
    if name is not None:
        layer = dict(module.named_modules(remove_duplicate=False)).get(name)
        # By identity, because a layer may have several names.
        if sum(call.layer is layer for call in calls) != 1:
            raise CurateError(
                f"{Option('head')} {name}: give a linear layer that runs once in a forward pass. The last ones: "
                f"{linear}."
            )
        return Head(name, direct=False)
    logits = _logits_of(output)
    if logits is not None:
        same = [call for call in calls if _same_memory(call.output, logits)]
        if same and same[-1].output._version == same[-1].version:
            return Head(same[-1].name, direct=logits is output)
        if features_only and calls and calls[-1].output.shape == logits.shape:
            return Head(calls[-1].name, direct=False)
        if features_only and logits.ndim == 2:
            return Head("", direct=True, width=logits.shape[1])
    raise CurateError(
        f"The model returns a {type(output).__name__} that is not the output of a linear layer.",
        fix=f"If a layer gives the logits, name it by {Option('head', 'NAME')}. Linear layers, last first: {linear}",
    )


def expose_head(module: nn.Module, head: Head) -> tuple[nn.Module, nn.Linear]:
    """Return a module that returns logits, and the nn.Linear inside it that gives them.

    A 1 x 1 convolution is replaced, in `module`, by the linear layer that computes the same. A network without a head
    is followed by a layer that changes nothing.
    """
    if not head.name:
        linear = nn.Linear(head.width, head.width, bias=False).requires_grad_(False)
        linear.weight.copy_(torch.eye(head.width))
        return nn.Sequential(_OneTensor(module), linear).train(module.training), linear
    layer: Any = module.get_submodule(head.name)
    if not isinstance(layer, nn.Conv2d):
        if head.direct:
            return module, layer
        return HeadOutput(module, layer), layer
    linear = nn.Linear(layer.in_channels, layer.out_channels, bias=layer.bias is not None).requires_grad_(False)
    linear.load_state_dict(
        {name: tensor.flatten(1) if tensor.ndim > 1 else tensor for name, tensor in layer.state_dict().items()}
    )
    pixel = nn.Unflatten(1, (linear.out_features, 1, 1))
    module.set_submodule(head.name, nn.Sequential(nn.Flatten(1), linear, pixel))
    if head.direct:
        return nn.Sequential(module, nn.Flatten(1)).train(module.training), linear
    return HeadOutput(module, linear), linear


def check_head(module: nn.Module, head: nn.Linear, images: Tensor, *, name: str) -> None:
    """Raise CurateError unless features @ class_weights.T + bias are the logits (N, K) that `module` returns."""
    tap = FeatureTap(module, head)
    with torch.inference_mode():
        features, logits = tap(images)
        tap.hook.remove()
        wanted = (len(images), head.out_features)
        if tuple(logits.shape) != wanted or features.shape != (len(images), head.in_features):
            raise CurateError(
                f"The layer {name!r} gives logits of shape {tuple(logits.shape)}, not (images, classes) {wanted}.",
                fix=f"Name another layer by {Option('head')}",
            )
        if not torch.isfinite(logits).all():
            raise CurateError("The model's logits are not finite. Check that the weights are complete and its own.")
        difference = features.double() @ head.weight.double().T - logits
        if head.bias is not None:
            difference += head.bias.double()
        error = difference.abs().max().item()
        size = logits.abs().max().item()
    if error > _TOLERANCE * size:
        raise CurateError(
            f"The model's output is not features @ weights + bias of its layer {name!r} (it differs by {error:.2g} of "
            f"{size:.2g}). Give a model that ends with a plain linear layer."
        )


def _traced(module: nn.Module, images: Tensor) -> tuple[object, list[_Call]]:
    """Return the network's output, and the runs of its linear layers in order."""
    calls: list[_Call] = []

    def watch(name: str, layer: nn.Module) -> Any:
        def keep(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            # Kept until the end, so that no later tensor takes the same memory and passes for this one.
            if isinstance(layer, nn.Linear) or inputs[0].shape[2:] == (1, 1):
                calls.append(_Call(name, layer, output, output._version))

        return layer.register_forward_hook(keep)

    pointwise = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.Linear) or _is_pointwise(m)]
    hooks = [watch(name, layer) for name, layer in pointwise]
    try:
        # Not inference_mode, whose tensors do not count their changes in place.
        with torch.no_grad():
            return module(images), calls
    except Exception as error:
        raise CurateError(
            f"The model fails on images of shape {tuple(images.shape)}: {first_line(error)}.",
            fix=f"Give the size that it takes by {Option('crop')}",
        ) from error
    finally:
        for hook in hooks:
            hook.remove()


def _is_pointwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1


def _same_memory(a: Tensor, b: Tensor) -> bool:
    return a.numel() == b.numel() and a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def _logits_of(output: object) -> Tensor | None:
    if isinstance(output, Mapping):
        output = output.get("logits")
    logits = getattr(output, "logits", output)
    if isinstance(logits, Tensor):
        return logits
    return None
