"""Files of weights: whole, equal for equal tensors, readable without running code."""

import json
import os

import pytest
import torch
from safetensors import safe_open
from torch import nn

from avhcurate.errors import CurateError
from avhcurate.networks.training.checkpoints import checkpoint_step, read_checkpoint, save_weights, write_checkpoint


def test_saved_weights_are_safetensors_with_their_metadata(tmp_path):
    module, file = nn.Linear(3, 2), tmp_path / "new folder" / "weights.safetensors"
    save_weights(module, file, {"versions": json.dumps({"torch": "2"}), "name": "läufer"})
    with safe_open(file, "pt") as saved:
        assert saved.metadata() == {"versions": '{"torch": "2"}', "name": "läufer"}
        assert torch.equal(saved.get_tensor("weight"), module.weight)
        assert torch.equal(saved.get_tensor("bias"), module.bias)
    assert int.from_bytes(file.read_bytes()[:8], "little") % 8 == 0
    assert [path.name for path in file.parent.iterdir()] == ["weights.safetensors"]


def test_a_full_disk_leaves_the_checkpoint_before_whole(tmp_path, monkeypatch):
    file = tmp_path / "checkpoint.pt"
    write_checkpoint(file, {"step": 3, "weights": torch.arange(4)})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CurateError, match="No space left"):
        write_checkpoint(file, {"step": 4})
    assert checkpoint_step(file) == 3
    assert torch.equal(read_checkpoint(file)["weights"], torch.arange(4))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_no_checkpoint_is_step_minus_one_and_a_damaged_one_is_refused(tmp_path):
    assert checkpoint_step(tmp_path / "none") == -1
    (tmp_path / "damaged").write_bytes(b"PK nothing")
    with pytest.raises(CurateError, match="Delete it"):
        read_checkpoint(tmp_path / "damaged")
