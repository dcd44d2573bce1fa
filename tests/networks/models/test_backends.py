"""Backends of the CPU: each gives the features of the network as it is; which one a pass gets."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.networks.models import backends
from avhcurate.networks.models.backends import AS_IS, ONNXRUNTIME, PACKED, Backend, find_backend
from avhcurate.networks.models.graphs import export, packed_graph

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")


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


def example() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (8, 12, 12, 3), dtype=torch.uint8, generator=generator)


def module(network: type[Net] = Net, dtype: torch.dtype = torch.float32) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return network().to(dtype).eval().requires_grad_(False)


def chosen(network: Net, images: int | None = None, dtype: torch.dtype = torch.float32) -> Backend:
    return find_backend(None, network, example(), dtype, threads=1, images=images)


@pytest.fixture
def graphs_are_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_seconds", lambda run, _: float(isinstance(run, Net)))


@pytest.mark.parametrize(
    ("name", "dtype", "tolerance"),
    [(PACKED, torch.float32, 1e-5), (PACKED, torch.bfloat16, 0.02), (ONNXRUNTIME, torch.float32, 1e-5)],
)
def test_a_backend_gives_the_features_of_the_network(name: str, dtype: torch.dtype, tolerance: float) -> None:
    network = module(dtype=dtype)
    backend = find_backend(name, network, example(), dtype, threads=1)
    with torch.inference_mode():
        for count in (1, 5, 8):
            expected = network(example()[:count])
            torch.testing.assert_close(backend.run(example()[:count]), expected, atol=tolerance, rtol=tolerance)


def test_convolutions_take_in_the_sum_and_the_activation_after_them() -> None:
    graph = packed_graph(export(module(), example()), 8).graph
    names = [str(node.target) for node in graph.nodes]
    assert sum("mkldnn._convolution_pointwise" in name for name in names) == 7
    assert sum(".binary" in name for name in names) == 2
    kept = [name for name in names if any(word in name for word in ("relu", "silu", "hardtanh", "elu"))]
    assert sorted(kept) == ["aten.elu.default", "aten.hardtanh.default"]  # oneDNN has none; another user
    assert sum("aten.add." in name for name in names) == 1
    assert "aten.conv2d.default" not in names


@pytest.mark.usefixtures("graphs_are_faster")
def test_a_long_pass_gets_a_graph_and_a_short_one_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    few = chosen(module(), images=100)
    assert (few.name, few.why, few.concurrent) == (AS_IS, "few images", False)
    assert chosen(module(), images=10**7).name == ONNXRUNTIME
    assert chosen(module()).name == ONNXRUNTIME
    assert chosen(module(dtype=torch.bfloat16), dtype=torch.bfloat16).name == PACKED
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert chosen(module()).name == PACKED


def test_a_graph_that_gains_nothing_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_seconds", lambda run, _: float(not isinstance(run, Net)))
    backend = chosen(module())
    assert (backend.name, backend.why) == (AS_IS, "onnxruntime is not faster")


def test_a_network_that_depends_on_the_number_of_images_runs_as_it_is() -> None:
    backend = chosen(module(Counting))
    assert (backend.name, backend.concurrent) == (AS_IS, False)
    assert backend.why.startswith("it cannot be exported: ")


@pytest.mark.parametrize("name", ["cuda graph", ONNXRUNTIME])
def test_a_run_whose_backend_is_not_here_cannot_be_resumed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, name: str, extra: str) -> None:
        raise CurateError(f"{name} needs the package {module}")

    monkeypatch.setattr(backends, "package", missing)
    with pytest.raises(CurateError, match=rf"began with {name}.*remove its folder"):
        find_backend(name, module(), example(), torch.float32, threads=1)
