"""Weights and checkpoints in files that are complete or absent and cannot run code; the random states in them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.networks.models.weights import first_line
from avhcurate.workspace.disk.files import replacing, write_atomic


def save_weights(module: nn.Module, path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write the state dict as safetensors; a crash does not damage the previous file.

    Equal tensors and metadata give equal bytes.
    """
    # Tied tensors are stored once for each name: safetensors refuses shared memory.
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    write_atomic(path, _with_metadata_sorted(save(state, metadata=metadata)))


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint. Raises CurateError when the disk is full, which keeps the previous checkpoint."""
    try:
        with replacing(path) as stream:
            torch.save(state, stream)
    # On a full disk torch fails in its own way.
    except (OSError, RuntimeError) as error:
        raise CurateError(
            f"The checkpoint {path} could not be written ({first_line(error)}). Free some disk space and run the same "
            "command again. The previous checkpoint is still valid."
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return what `write_checkpoint` wrote, None when there is nothing. Raises CurateError for a damaged file."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file makes torch raise almost anything.
    except Exception as error:
        raise CurateError(f"The checkpoint {path} cannot be read. Delete it to train from the beginning.") from error
    return state


def checkpoint_step(path: Path) -> int:
    """Return the steps made when the checkpoint was written; -1 when there is none."""
    state = read_checkpoint(path) or {"step": -1}
    return int(state["step"])


def _with_metadata_sorted(safetensors: bytes) -> bytes:
    """Sort the metadata of a file by name, as safetensors writes them in another order in each process.

    A file is the length of its header in eight bytes, the header as JSON padded with blanks, then the tensors.
    """
    size = int.from_bytes(safetensors[:8], "little")
    header = json.loads(safetensors[8 : 8 + size])
    if metadata := header.get("__metadata__"):
        header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + safetensors[8 + size :]


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of torch's global generators."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Restore what `random_states` returned."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
    if "mps" in states and device.type == "mps":
        torch.mps.set_rng_state(states["mps"])


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators, which dropout uses, for the block, and restore them after it."""
    before = random_states(device)
    try:
        torch.manual_seed(seed)
        yield
    finally:
        set_random_states(before, device)
