"""Fits an image classifier held in memory: SGD, one-cycle schedule, crop and flip, one checkpoint an epoch."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from avhcurate.storage.files import write_atomic


@dataclass(frozen=True)
class Recipe:
    """How to train. `crop_padding` 0 means no random crop; `precision` is the autocast type of the forward pass."""

    epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.15
    crop_padding: int = 4
    flip: bool = True
    seed: int = 0
    precision: torch.dtype = torch.float32


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to: mean training loss, seconds, and accuracy on the held-out set when one was given."""

    number: int
    loss: float
    seconds: float
    accuracy: float | None


def fit(
    module: nn.Module,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    *,
    mean: Tensor,
    std: Tensor,
    held_out: tuple[Tensor, Tensor] | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> None:
    """Trains `module` in place on `images` (N, C, H, W) uint8 and `labels` (N,) int64.

    `mean` and `std` (C,) are in units of [0, 1] pixel values and of the module's type. The order of samples and the
    augmentation come from `recipe.seed` alone. Raises FloatingPointError, naming epoch and step, when the loss is no
    longer finite.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    steps = recipe.epochs * math.ceil(len(images) / recipe.batch_size)
    optimizer = torch.optim.SGD(
        module.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=True,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(step / steps, recipe.warmup))
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for number in range(1, recipe.epochs + 1):
        started, total = time.perf_counter(), 0.0
        module.train()
        for step, index in enumerate(_batches(len(images), recipe.batch_size, generator)):
            batch = normalise(augment(images[index], recipe, generator), mean, std)
            with torch.autocast("cpu", recipe.precision, enabled=recipe.precision != torch.float32):
                loss = F.cross_entropy(module(batch), labels[index])
            if not math.isfinite(loss.item()):
                raise FloatingPointError(f"the loss is {loss.item()} in epoch {number}, step {step}: lower the rate")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(index)
        held = None if held_out is None else accuracy(module, *held_out, mean=mean, std=std)
        if on_epoch:
            on_epoch(Epoch(number, total / len(images), time.perf_counter() - started, held))


def one_cycle(progress: float, warmup: float) -> float:
    """Share of the peak rate at `progress` in [0, 1]: linear up to `warmup`, then linear down to zero.

    >>> one_cycle(0.1, 0.2), one_cycle(0.2, 0.2), one_cycle(0.6, 0.2)
    (0.5, 1.0, 0.5)
    """
    return progress / warmup if progress < warmup else (1 - progress) / (1 - warmup)


def augment(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Random crops of the padded images and mirror images, one draw a sample."""
    n, _, height, width = images.shape
    if recipe.crop_padding:
        pad = recipe.crop_padding
        top, left = torch.randint(0, 2 * pad + 1, (2, n, 1), generator=generator)
        rows = (top + torch.arange(height))[:, None, :, None]
        columns = (left + torch.arange(width))[:, None, None, :]
        padded = F.pad(images, (pad, pad, pad, pad))
        images = padded[
            torch.arange(n)[:, None, None, None], torch.arange(images.shape[1])[:, None, None], rows, columns
        ]
    if recipe.flip:
        mirrored = torch.rand(n, generator=generator) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    return images


def normalise(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """uint8 pixels to zero mean and unit deviation, in the type of `mean`, channels last in memory."""
    scaled = images.to(mean.dtype).div_(255).sub_(mean[:, None, None]).div_(std[:, None, None])
    return scaled.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def accuracy(module: nn.Module, images: Tensor, labels: Tensor, *, mean: Tensor, std: Tensor) -> float:
    """Share of samples whose largest logit is their label's."""
    module.eval()
    hits = 0
    for index in torch.arange(len(images)).split(500):
        hits += int((module(normalise(images[index], mean, std)).argmax(1) == labels[index]).sum())
    return hits / len(images)


def save_weights(module: nn.Module, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Writes the state dict as safetensors; a crash leaves the previous file whole.

    Equal tensors and metadata give equal bytes.
    """
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    write_atomic(path, _with_metadata_sorted(save(state, metadata=metadata)))


def _with_metadata_sorted(safetensors: bytes) -> bytes:
    """The same file with its metadata in order of name: safetensors writes them in another order in each process.

    A file is the length of its header in eight bytes, the header as JSON padded with blanks, then the tensors.
    """
    size = int.from_bytes(safetensors[:8], "little")
    header = json.loads(safetensors[8 : 8 + size])
    if metadata := header.get("__metadata__"):
        header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + safetensors[8 + size :]


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    yield from torch.randperm(n, generator=generator).split(size)
