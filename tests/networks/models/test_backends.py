"""Backends of the CPU: onnxruntime gives the features of the network as it is; which one a pass gets."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.networks.models import backends
from avhcurate.networks.models.backends import AS_IS, FEW_IMAGES, ONNXRUNTIME, Backend, find_backend

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")


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


def example() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (8, 12, 12, 3), dtype=torch.uint8, generator=generator)


def module(network: type[Net] = Net, dtype: torch.dtype = torch.float32) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return network().to(dtype).eval().requires_grad_(False)


def chosen(network: Net, images: int | None = None, dtype: torch.dtype = torch.float32) -> Backend:
    return find_backend(None, network, example(), dtype, threads=1, images=images)


def test_a_long_pass_in_float32_gets_onnxruntime_with_the_features_of_the_network() -> None:
    network = module()
    backend = chosen(network, images=10**7)
    assert (backend.name, backend.why, backend.concurrent) == (ONNXRUNTIME, "", True)
    for count in (1, 5, 8):
        torch.testing.assert_close(backend.run(example()[:count]), network(example()[:count]), atol=1e-5, rtol=1e-5)


def test_short_passes_other_precisions_and_machines_without_it_run_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    few = chosen(module(), images=100)
    assert (few.name, few.why, few.concurrent) == (AS_IS, FEW_IMAGES, False)
    assert chosen(module(dtype=torch.bfloat16), dtype=torch.bfloat16).name == AS_IS
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert chosen(module()).name == AS_IS


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
