"""Weights files: what is taken, what is refused, and that nothing in them runs."""

import hashlib
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from avhcurate.errors import CurateError
from avhcurate.networks.models.weights import load_weights, own_weights, read_weights, without_prefixes


def network(classes: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.BatchNorm1d(5), nn.Linear(5, classes))


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return network().state_dict()


def same(loaded: dict[str, torch.Tensor], state: dict[str, torch.Tensor]) -> bool:
    return loaded.keys() == state.keys() and all(torch.equal(loaded[name], state[name]) for name in state)


def test_safetensors_are_known_by_content_and_hashed(tmp_path, state):
    path = tmp_path / "weights.bin"
    save_file(state, path)
    weights = read_weights(path)
    assert same(weights.tensors, state)
    assert weights.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert weights.source == "weights.bin"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_plain_state_dict_is_read_in_both_of_torchs_formats(tmp_path, state, zipped):
    torch.save(state, tmp_path / "weights.pt", _use_new_zipfile_serialization=zipped)
    assert same(read_weights(tmp_path / "weights.pt").tensors, state)


@pytest.mark.parametrize("container", ["state_dict", "model", "model_state_dict", "ema"])
def test_the_state_dict_inside_a_training_checkpoint_is_found(tmp_path, state, container):
    torch.save({"epoch": 7, container: state, "optimizer": {"state": {}}}, tmp_path / "checkpoint.pt")
    weights = read_weights(tmp_path / "checkpoint.pt")
    assert same(weights.tensors, state)
    assert weights.source == f"checkpoint.pt [{container}]"


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model."])
def test_what_wrappers_put_before_each_name_is_left_out(state, prefix):
    wrapped = {prefix + name: tensor for name, tensor in state.items()}
    assert same(without_prefixes(wrapped, state), state)


def test_a_network_that_really_has_a_layer_called_module_keeps_its_names(state):
    wrapped = {"module." + name: tensor for name, tensor in state.items()}
    assert same(without_prefixes(wrapped, wrapped), wrapped)


class Bomb:
    """Unpickled, it would write the file that its path names."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("write", ["torch", "torch legacy", "pickle"])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, state, write):
    path, marker = tmp_path / "evil.pt", tmp_path / "marker"
    content = {"state_dict": state, "extra": Bomb(marker)}
    if write == "pickle":
        path.write_bytes(pickle.dumps({"extra": Bomb(marker)}, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=write == "torch")
    with pytest.raises(CurateError, match=r"evil\.pt .*(could run code|cannot be read).*save"):
        read_weights(path)
    assert not marker.exists()


def test_a_whole_pickled_model_is_refused_naming_what_it_holds(tmp_path):
    torch.save(network(), tmp_path / "model.pt")
    with pytest.raises(CurateError, match=r"torch\.nn\.modules\.container\.Sequential.*model\.state_dict\(\)"):
        read_weights(tmp_path / "model.pt")


def test_a_missing_file_a_folder_and_a_cut_one_are_named(tmp_path, state):
    save_file(state, tmp_path / "whole.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "whole.safetensors").read_bytes()[:-8])
    for path, message in (
        (tmp_path / "nowhere.pt", r"nowhere\.pt does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "cut.safetensors", r"cut\.safetensors is damaged"),
    ):
        with pytest.raises(CurateError, match=message):
            read_weights(path)


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 cut off", b"\x80\x02 cut off"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "junk.pt").write_bytes(content)
    with pytest.raises(CurateError, match=r"junk\.pt"):
        read_weights(tmp_path / "junk.pt")


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], torch.zeros(3)])
def test_a_checkpoint_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(CurateError, match=r"odd\.pt holds .*state_dict\(\)"):
        read_weights(tmp_path / "odd.pt")


def test_tensors_that_do_not_fit_are_named_and_counted(state):
    odd = {name: tensor for name, tensor in state.items() if not name.startswith("2.")}
    odd |= {"3.weight": torch.zeros(4, 5), "extra.weight": torch.zeros(1)}
    module = network()
    before = own_weights(module, "").sha256
    with pytest.raises(CurateError) as refusal:
        load_weights(module, odd, source="odd.pt")
    message = str(refusal.value)
    assert "odd.pt does not fit" in message
    assert "4 missing (2.weight, 2.bias, 2.running_mean and 1 more)" in message
    assert "1 unexpected (extra.weight)" in message
    assert "1 of another shape (3.weight)" in message
    assert own_weights(module, "").sha256 == before


def test_own_weights_are_hashed_over_names_and_values():
    module = network()
    first = own_weights(module, "a").sha256
    assert own_weights(module, "b").sha256 == first
    with torch.no_grad():
        module[1].weight[0, 0] += 1
    assert own_weights(module, "a").sha256 != first
