"""Backends of the CPU: OpenVINO gives the features of the network as it is; which one a pass gets."""

import ctypes
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.networks.models import backends
from avhcurate.networks.models.backends import AS_IS, FEW_IMAGES, MISSING, OPENVINO, Backend, find_backend

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")


class SignalStack(ctypes.Structure):
    """Where handlers of signals run, as C has it."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


class Net(nn.Module):
    """Paddings, activations, sums, outputs that are used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, bias=False)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.last = nn.Conv2d(8, 6, 3, padding=2, dilation=2)

    def forward(self, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2).to(self.stem.weight.dtype) / 255
        x = F.relu6(self.stem(F.pad(x, (0, 1, 0, 1))))
        x = F.silu(self.depthwise(F.pad(x, (1, 1, 1, 1)))) + x
        return F.elu(self.last(x)).mean((2, 3)).float()


class Counting(Net):
    """More than two images are something else."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * (2 if len(images) > 2 else 1)


class Deciding(Net):
    """Bright images are something else."""

    def forward(self, images: Tensor) -> Tensor:
        features = super().forward(images)
        return features * 2 if images.float().mean() > 200 else features


class Copying(Net):
    """A part of it is not torch's."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.from_numpy(super().forward(images).numpy())


class NoRed(Net):
    """An edited network: images with much red are black, which no noise is."""

    def forward(self, images: Tensor) -> Tensor:
        red = images[..., 0].float().mean((1, 2)) > 200
        return super().forward(images * ~red[:, None, None, None])


def example() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (8, 12, 12, 3), dtype=torch.uint8, generator=generator)


def module(network: type[Net] = Net, dtype: torch.dtype = torch.float32) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return network().to(dtype).eval().requires_grad_(False)


def chosen(network: Net, dtype: torch.dtype = torch.float32, **options: Any) -> Backend:
    return find_backend(None, network, example(), dtype, **options)


def test_a_long_pass_gets_openvino_with_the_features_of_the_network_and_nobody_hears_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = module()
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)  # importing it would take two seconds of each start
    backend = chosen(network, images=10**7)
    assert (backend.name, backend.why, backend.concurrent) == (OPENVINO, "", True)
    for count in (1, 5, 8):
        torch.testing.assert_close(backend.run(example()[:count]), network(example()[:count]), atol=1e-5, rtol=1e-5)
    assert sys.modules["openvino_telemetry"] is None
    assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
    reduced = find_backend(OPENVINO, network, example(), torch.bfloat16).run(example())
    torch.testing.assert_close(reduced, network(example()), atol=2e-2, rtol=2e-2)


def off(by: float) -> Tensor:
    """Return what to add to the features of the example, so that they are off by a share of their spread."""
    features = module()(example())
    noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
    spread = torch.linalg.vector_norm(features - features.mean(dim=0))
    return noise * by * spread / torch.linalg.vector_norm(noise)


@pytest.mark.parametrize(
    ("error", "own", "refused"),
    [
        (0.10, 0.10, False),
        (0.149, 0.10, False),
        (0.154, 0.10, False),  # one and a half times, and a little
        (0.16, 0.10, True),
        (0.004, 0.0, False),
        (0.006, 0.0, True),
        (0.249, 0.30, False),
        (0.26, 0.30, True),  # however wrong the network itself is
        (math.nan, 0.10, True),
    ],
)
def test_openvino_in_bfloat16_is_judged_by_the_networks_own_error_in_it(
    error: float, own: float, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The errors are made up, so that no processor with bfloat16 is needed."""
    made = backends.compiled

    def wrong(file: Path, dtype: torch.dtype, **options: int) -> Any:
        run = made(file, torch.float32, **options)
        if dtype is torch.float32:
            return run
        return lambda images: [run(images)[0] + off(error).numpy()]

    monkeypatch.setattr(backends, "_has_bfloat16", lambda: True)
    monkeypatch.setattr(backends, "compiled", wrong)
    # What all features have in common makes no error small.
    reduced = lambda images: module()(images) + off(own)  # noqa: E731
    backend = chosen(module(), torch.bfloat16, reference=lambda: (reduced, example()))
    assert (backend.name, backend.exact) == (OPENVINO, refused)
    if refused:
        torch.testing.assert_close(backend.run(example()), module()(example()), atol=1e-5, rtol=1e-5)
        assert f"{100 * error:.1f} % of their spread off, the network's own {100 * own:.1f} %" in backend.why
    else:
        assert backend.why == ""
    assert not find_backend(OPENVINO, module(), example(), torch.bfloat16, reference=lambda: 1 / 0).exact


def test_short_passes_other_precisions_and_machines_without_it_run_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    few = chosen(module(), images=100)
    assert (few.name, few.why, few.concurrent) == (AS_IS, FEW_IMAGES, False)
    assert chosen(module(), torch.float16).name == AS_IS
    instructions = backends.openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert chosen(module(), torch.bfloat16).name == (OPENVINO if "BF16" in instructions else AS_IS)
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert (chosen(module()).name, chosen(module()).why) == (AS_IS, MISSING)


@pytest.mark.parametrize("network", [Counting, Deciding, Copying])
def test_a_network_of_which_a_trace_holds_for_some_images_only_runs_as_it_is(network: type[Net]) -> None:
    backend = chosen(module(network))
    assert (backend.name, backend.concurrent) == (AS_IS, False)
    assert backend.why.startswith("it cannot be converted: ")


def test_a_converted_network_is_kept_and_used_only_if_it_is_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "networks"
    first = chosen(module(), cache=cache).run(example())
    (kept,) = cache.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(backends.openvino(), "convert_model", lambda _: 1 / 0)
        torch.testing.assert_close(chosen(module(), cache=cache).run(example()), first, atol=0, rtol=0)
        for other in ({"code": {"nets": "edited"}}, {"network": NoRed}):
            network = module(other.pop("network", Net))
            assert "division by zero" in chosen(network, cache=cache, **other).why
    red = torch.zeros_like(example())
    red[..., 0] = 255
    edited = module(NoRed)
    torch.testing.assert_close(chosen(edited, cache=cache).run(red), edited(red), atol=1e-5, rtol=1e-5)
    for number in range(6):
        assert chosen(module(), cache=cache, code={"nets": f"{number}"}).name == OPENVINO
    assert (len(list(cache.iterdir())), kept.exists()) == (4, False)


def test_a_kept_network_that_is_damaged_or_gives_other_features_is_converted_again(tmp_path: Path) -> None:
    chosen(module(), cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    (kept / "network.bin").write_bytes(b"")
    assert chosen(module(), cache=tmp_path).name == OPENVINO
    assert (kept / "network.bin").stat().st_size
    assert chosen(module(Counting), cache=tmp_path).name == AS_IS
    assert list(tmp_path.iterdir()) == [kept]


@pytest.mark.parametrize("name", ["cuda graph", OPENVINO])
def test_a_run_whose_backend_is_not_here_cannot_be_resumed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, name: str, extra: str) -> None:
        raise CurateError(f"{name} needs the package {module}")

    monkeypatch.setattr(backends, "package", missing)
    with pytest.raises(CurateError, match=rf"began with {name}.*remove its folder"):
        find_backend(name, module(), example(), torch.float32)


def test_a_network_leaves_no_signal_stack_with_who_opens_it():
    def stack() -> tuple[Any, ...]:
        there = SignalStack()
        assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(there)) == 0
        return there.start, there.flags, there.size

    before = stack()
    openvino = pytest.importorskip("openvino")
    images = openvino.opset13.parameter([2, 3], np.float32)
    run = backends.compiled(openvino.Model([openvino.opset13.relu(images)], [images], "relu"), torch.float32)
    assert run(np.full((2, 3), -1, np.float32))[0].tolist() == [[0.0] * 3] * 2
    assert stack() == before
