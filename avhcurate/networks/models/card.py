"""The ways to and from an NVIDIA GPU, on which no copy waits for what is computed of another batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Launched:
    """Outputs of a batch, perhaps on their way from a GPU, which may still read its `images`."""

    outputs: list[tuple[Tensor, Tensor]]
    images: Any = None
    arrived: Any = None

    def landed(self) -> tuple[np.ndarray, np.ndarray]:
        """Return features (n, D) and logits (n, K) once they are here."""
        if self.arrived is not None:
            self.arrived.synchronize()
        features, logits = zip(*self.outputs, strict=True)
        # Copies, so that pinned memory serves the next batch.
        return torch.cat(features).numpy(force=True), torch.cat(logits).numpy(force=True)


class Card:
    """Copies of a GPU: what goes in has a stream of its own, what comes out an event after the last of it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._in = torch.cuda.Stream(device)

    def sent(self, images: Tensor) -> Tensor:
        """Return images on their way, for which what is launched next waits."""
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._in):
            there = images.to(self._device, non_blocking=True)
        computing.wait_stream(self._in)
        # Else their memory would be given again while they are read.
        there.record_stream(computing)
        return there

    def fetched(self, tensors: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return tensors on their way here."""
        features, logits = (pinned(each.shape, each.dtype).copy_(each, non_blocking=True) for each in tensors)
        return features, logits

    def launched(self) -> Any:
        """Return an event after all that was launched until now."""
        # To wait for it leaves the core to a thread that decodes.
        event = torch.cuda.Event(blocking=True)
        event.record(torch.cuda.current_stream(self._device))
        return event


def pinned(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return memory that a GPU reads and writes while it computes."""
    return torch.empty(shape, dtype=dtype, pin_memory=True)
