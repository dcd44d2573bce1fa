"""Weights from files that cannot run code: safetensors, or PyTorch checkpoints read with `weights_only`."""

import hashlib
import json
import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.workspace.disk.budget import check_file
from avhcurate.workspace.disk.columns import listed

#: Where training scripts put the tensors in a checkpoint; the first that is there is taken.
CONTAINERS = ("state_dict", "model_state_dict", "model", "ema", "state_dict_ema", "model_ema")

#: What DataParallel, DistributedDataParallel and Lightning put before each name.
_PREFIXES = ("module.", "model.")

#: torch.compile's wrapper, at the front or around an inner layer.
_COMPILED = "_orig_mod."

#: Tensors that inference does not use: missing or left over, they do no harm.
_COUNTERS = ("num_batches_tracked", "n_averaged")


@dataclass(frozen=True)
class Weights:
    """Named tensors, the SHA-256 of their file, and a word on where they come from, for the record.

    `classes` are the class names in the file, in order; None where it gives none.
    """

    tensors: dict[str, Tensor]
    sha256: str
    source: str
    classes: tuple[str, ...] | None = None


def read_weights(path: Path) -> Weights:
    """Read a safetensors file or a PyTorch checkpoint; the content decides which, not the name.

    Raises CurateError when the file is missing, holds Python code, or holds no tensors.
    """
    if not path.is_file():
        raise CurateError(f"The weights file {path} does not exist, or is a folder. Check the path.")
    check_file(path)
    with open(path, "rb") as stream:
        start = stream.read(9)
        stream.seek(0)
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if start[8:] == b"{":
        tensors, metadata = _read_safetensors(path)
        return Weights(tensors, sha256, path.name, _class_names(metadata))
    if start.startswith((b"PK", b"\x80")):
        content = _read_checkpoint(path)
        tensors, keys = _unwrapped(content, path)
        return Weights(tensors, sha256, " ".join([path.name, *keys]), _class_names(content))
    raise CurateError(f"The weights file {path} is neither safetensors nor a PyTorch checkpoint. Save it as one.")


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Put the tensors into `module`, all or none.

    Raises CurateError, with names and counts, when tensors are missing, unexpected or of another shape.
    """
    expected: OrderedDict[str, Tensor] = module.state_dict()  # type: ignore[assignment]
    problems = _problems(expected, tensors)
    if problems:
        raise CurateError(f"{source} does not fit the model: {'; '.join(problems)}. Give weights of this model.")
    state = OrderedDict((name, tensor) for name, tensor in tensors.items() if name in expected)
    # Layers such as MNASNet's ask for the version they were saved with, which safetensors has no place for.
    state._metadata = expected._metadata  # type: ignore[attr-defined]
    module.load_state_dict(state, strict=False)


def own_weights(module: nn.Module, source: str) -> Weights:
    """Return the tensors that a module already holds, and their hash."""
    tensors = {name: tensor for name, tensor in module.state_dict().items() if isinstance(tensor, Tensor)}
    return Weights(tensors, tensors_sha256(tensors), source)


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Return the hash over names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def without_prefixes(tensors: Mapping[str, Tensor], expected: Iterable[str]) -> dict[str, Tensor]:
    """Return the tensors under the names of `expected`: without what wrappers put before them.

    >>> list(without_prefixes({"module._orig_mod.fc.weight": torch.zeros(1)}, ["fc.weight"]))
    ['fc.weight']
    """
    expected = list(expected)
    renamed = dict(tensors)
    if not any(_COMPILED in name for name in expected):
        renamed = {name.replace(_COMPILED, ""): tensor for name, tensor in renamed.items()}
    foreign = [prefix for prefix in _PREFIXES if not any(name.startswith(prefix) for name in expected)]
    wrappers = re.compile(f"(?:{'|'.join(map(re.escape, foreign))})*")
    return {name[wrappers.match(name).end() :]: tensor for name, tensor in renamed.items()}  # type: ignore[union-attr]


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """Return the tensors and the texts of a file."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        return load_file(path), metadata or {}
    except (SafetensorError, ValueError) as error:
        raise CurateError(f"The weights file {path} is damaged ({error}). Copy or download it again.") from None


def _read_checkpoint(path: Path) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # an unusual pickle: what matters of it is said below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        name = re.search(r"GLOBAL ([\w.]+)", str(error)) or ["", "more than tensors"]
        raise CurateError(
            f"The weights file {path} holds Python objects ({name[1]}), which could run code, so it is not loaded. "
            "Save only the tensors, by torch.save(model.state_dict(), FILE) or as safetensors."
        ) from None
    except Exception as error:
        raise CurateError(
            f"The weights file {path} cannot be read ({first_line(error)}). Save model.state_dict()."
        ) from None


def _class_names(saved: Any) -> tuple[str, ...] | None:
    """Return the names of classes that a file has as "classes", a list or JSON.

    >>> _class_names({"classes": '["cat", "dog"]'}), _class_names({"classes": ["a", "b"]}), _class_names({})
    (('cat', 'dog'), ('a', 'b'), None)
    """
    names = None
    with suppress(AttributeError, ValueError):
        names = saved.get("classes")
        if isinstance(names, str):
            names = json.loads(names)
    if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
        return tuple(names)
    return None


def _unwrapped(content: Any, path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors in a checkpoint, and the keys that led to them, as [model.state_dict]."""
    keys: list[str] = []
    while isinstance(content, Mapping) and (held := [k for k in CONTAINERS if isinstance(content.get(k), Mapping)]):
        keys = [*keys, held[0]]
        content = content[held[0]]
    tensors = {}
    if isinstance(content, Mapping):
        tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CurateError(f"The weights file {path} holds no tensors by name. Save model.state_dict().")
    if keys:
        return tensors, [f"[{'.'.join(keys)}]"]
    return tensors, []


def _problems(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> list[str]:
    def counted(names: Iterable[str]) -> list[str]:
        return [name for name in names if not name.endswith(_COUNTERS)]

    both = [name for name in expected if name in tensors and isinstance(expected[name], Tensor)]
    kinds = {
        "missing": counted(name for name in expected if name not in tensors),
        "unexpected": counted(name for name in tensors if name not in expected),
        "of another shape": [name for name in both if expected[name].shape != tensors[name].shape],
    }
    return [f"{len(names)} {kind} ({listed(names, 3)})" for kind, names in kinds.items() if names]


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, 200 characters at most, without where in C++ it was raised.

    >>> first_line(RuntimeError("Exception from src/core.cpp:105:\\n\\nno operator Evil\\nin net.onnx"))
    'no operator Evil'
    """
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Exception from ")]
    return (lines or [type(error).__name__])[0].strip()[:200]
