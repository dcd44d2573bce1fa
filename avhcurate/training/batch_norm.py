"""Batch norm in training: statistics shared between processes, and those of frozen layers kept."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from avhcurate.errors import CurateError


def check_sync_batchnorm(device: torch.device, module: nn.Module) -> None:
    """Raises CurateError where the batch norms of a network cannot be shared between processes."""
    if device.type != "cuda":
        raise CurateError("--sync-batchnorm needs CUDA devices: leave it out")
    for name, layer in module.named_modules():
        # torch would put its own in the place of one that does more, say an activation.
        if isinstance(layer, _BatchNorm) and type(layer).forward not in (_BatchNorm.forward, nn.SyncBatchNorm.forward):
            raise CurateError(
                f"--sync-batchnorm cannot share {name} ({type(layer).__name__}), which does more than batch norm: "
                "leave it out"
            )


def share_batch_norm(module: nn.Module) -> nn.Module:
    """The module with batch norms whose statistics are those of the batch of all processes; names stay."""
    biases = {
        name: layer.bias
        for name, layer in module.named_modules()
        if isinstance(layer, _BatchNorm) and not layer.affine and layer.bias is not None
    }
    module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    for name, bias in biases.items():
        _give_bias(module.get_submodule(name), bias)
    return module


def _give_bias(layer: nn.Module, bias: nn.Parameter) -> None:
    """Gives a converted layer the bias that it had without a scale, which torch drops.

    Between processes torch gives no gradient to a bias beside which there is no scale: it is one, and is not trained.
    """
    layer.bias = bias
    del layer.weight
    layer.register_buffer("weight", torch.ones_like(bias), persistent=False)


def set_to_train(learner: nn.Module) -> None:
    """Training mode, in which norms that are frozen keep their statistics."""
    learner.train()
    for layer in learner.modules():
        parameters = list(layer.parameters())
        if isinstance(layer, _BatchNorm) and parameters and not any(one.requires_grad for one in parameters):
            layer.eval()
