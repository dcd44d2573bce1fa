"""Backends of the CPU: the features of the network as it is, whichever runs it; the trial that chooses one."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.models import cpu_backends
from avhcurate.models.cpu_backends import AS_IS, ONNXRUNTIME, PACKED, Backend, CpuBackends
from avhcurate.models.graphs import export, packed_graph

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")

#: Milliseconds an image that a trial is told.
TIMES = {AS_IS: 30.0, PACKED: 20.0, ONNXRUNTIME: 10.0}


class Net(nn.Module):
    """Whatever packing takes in or must leave alone: paddings, activations, sums, outputs that are used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, bias=False)
        self.depthwise = nn.Conv2d(8, 8, 3, groups=8)
        self.wide = nn.Conv2d(8, 16, 1)
        self.narrow = nn.Conv2d(16, 8, 1)
        self.again = nn.Conv2d(8, 8, 3, padding=1)
        self.twice = nn.Conv2d(8, 8, 1)
        self.last = nn.Conv2d(8, 6, 3, padding=2, dilation=2)

    def forward(self, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2).to(self.stem.weight.dtype) / 255
        x = F.relu6(self.stem(F.pad(x, (0, 1, 0, 1))))
        x = F.silu(self.depthwise(F.pad(x, (1, 1, 1, 1))))
        x = self.narrow(F.relu(self.wide(x))) + x
        x = F.relu(x + self.again(x))
        once = self.twice(x)
        x = F.hardtanh(once, -0.1, 0.4) + once
        return F.elu(self.last(x)).mean((2, 3)).float()


class Counting(Net):
    """More than two images are something else."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) * (2 if len(images) > 2 else 1)


def backends(network: type[Net] = Net, dtype: torch.dtype = torch.float32) -> CpuBackends:
    generator = torch.Generator().manual_seed(0)
    example = torch.randint(0, 256, (8, 12, 12, 3), dtype=torch.uint8, generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = network().to(dtype).eval().requires_grad_(False)
    return CpuBackends(module, example, dtype, threads=1)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What a trial finds, which a test may change."""
    times = dict(TIMES)

    def told(_: CpuBackends, backend: Backend) -> Backend:
        return replace(backend, tried={backend.name: times[backend.name]})

    monkeypatch.setattr(CpuBackends, "_timed", told)
    return times


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_a_packed_graph_gives_the_networks_features(dtype: torch.dtype, tolerance: float) -> None:
    made = backends(dtype=dtype)
    packed = made.named(PACKED)
    with torch.inference_mode():
        for count in (1, 5, 8):
            expected = made.module(made.example[:count])
            torch.testing.assert_close(packed.run(made.example[:count]), expected, atol=tolerance, rtol=tolerance)


def test_convolutions_take_in_what_stands_around_them() -> None:
    made = backends()
    graph = packed_graph(export(made.module, made.example), 8).graph
    names = [str(node.target) for node in graph.nodes]
    assert sum("mkldnn._convolution_pointwise" in name for name in names) == 7
    assert sum(".binary" in name for name in names) == 2
    assert sum("aten.pad." in name for name in names) == 1  # on one side only
    kept = [name for name in names if any(word in name for word in ("relu", "silu", "hardtanh", "elu"))]
    assert sorted(kept) == ["aten.elu.default", "aten.hardtanh.default"]  # oneDNN has none; another user
    assert sum("aten.add." in name for name in names) == 1
    assert "aten.conv2d.default" not in names


def test_onnxruntime_gives_the_same_features_and_is_chosen_where_it_is_fastest(timed: dict[str, float]) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    made = backends()
    chosen = made.fastest(images=10**7)
    assert (chosen.name, chosen.tried, chosen.concurrent) == (ONNXRUNTIME, TIMES, True)
    with torch.inference_mode():
        for count in (1, 8):
            expected = made.module(made.example[:count])
            torch.testing.assert_close(chosen.run(made.example[:count]), expected, atol=2e-6, rtol=1e-5)


def test_a_short_pass_makes_no_backend_and_a_longer_one_tries_no_onnxruntime(
    timed: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_backends, "_onnxruntime_session", lambda *_: pytest.fail("onnxruntime was tried"))
    made = backends()
    few = made.fastest(images=100)
    assert (few.name, few.why, few.tried) == (AS_IS, "few images", {AS_IS: 30.0})
    for images in (1000 * torch.get_num_threads(), None):
        more = made.fastest(images=images)
        assert (more.name, more.tried) == (PACKED, {AS_IS: 30.0, PACKED: 20.0})
    timed[PACKED] = 31.0
    assert made.fastest(images=1000 * torch.get_num_threads()).name == AS_IS


def test_bfloat16_and_a_missing_package_leave_onnxruntime_out(
    timed: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(module: str, name: str, extra: str) -> None:
        raise CurateError(f"{name} needs the package {module}: pip install 'avhcurate[{extra}]'")

    monkeypatch.setattr(cpu_backends, "package", missing)
    for made in (backends(dtype=torch.bfloat16), backends()):
        assert made.fastest(images=10**7).name == PACKED
    with pytest.raises(CurateError, match=r"began with onnxruntime.*avhcurate\[onnx\].*remove its folder"):
        backends().named(ONNXRUNTIME)


@pytest.mark.parametrize("images", [None, 10**7])
def test_a_network_whose_course_depends_on_the_batch_runs_as_it_is(timed: dict[str, float], images: int | None) -> None:
    chosen = backends(Counting).fastest(images=images)
    assert (chosen.name, chosen.concurrent) == (AS_IS, False)
    assert chosen.why.startswith("it cannot be exported: ")


def test_what_another_device_began_is_not_gone_on_with() -> None:
    with pytest.raises(CurateError, match=r"began with cuda graph.*it is of a GPU.*remove its folder"):
        backends().named("cuda graph")


def test_a_trial_measures_each_backend() -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    made = backends()
    chosen = made.fastest(images=10**9)
    assert set(chosen.tried) == set(TIMES)
    assert chosen.tried[chosen.name] == min(chosen.tried.values()) > 0
