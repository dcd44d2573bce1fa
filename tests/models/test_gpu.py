"""The GPU's path without one: replayed batches with a recorder that repeats in place, and settings of precision."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.models.cpu_backends import AS_IS
from avhcurate.models.engine import Network
from avhcurate.models.gpu import CUDA_GRAPH, ReplayedBatches, gpu_backend, products_of, products_on
from tests.models.test_engine import loaded


class Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def forward(self, images: Tensor) -> Tensor:
        self.runs += 1
        return images.float().mean((1, 2))


def repeats(function: Callable[[], None]) -> Callable[[], None]:
    """As a CUDA graph: runs once, and again on the same memory."""
    function()
    return function


def forgets(function: Callable[[], None]) -> Callable[[], None]:
    """A recording that misses what the images are."""
    function()
    return lambda: None


def images(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 4, 4, 3), dtype=torch.uint8, generator=generator)


def test_full_batches_are_replayed_and_others_run_as_they_are() -> None:
    example, replays = images(8), []

    def record(function: Callable[[], None]) -> Callable[[], None]:
        function()

        def replay() -> None:
            replays.append(1)
            function()

        return replay

    module = Mean()
    batches = ReplayedBatches(module, example, record)
    first, second = batches(images(8, 1)), batches(images(8, 2))
    assert len(replays) == 2
    torch.testing.assert_close(first, Mean()(images(8, 1)))  # the second has not changed it
    torch.testing.assert_close(second, Mean()(images(8, 2)))
    torch.testing.assert_close(batches(images(3, 3)), Mean()(images(3, 3)))
    assert len(replays) == 2
    torch.testing.assert_close(example, images(8))


def test_a_network_that_cannot_be_recorded_runs_as_it_is_and_says_so() -> None:
    assert gpu_backend(Mean(), images(8), record=repeats).name == CUDA_GRAPH
    wrong = gpu_backend(Mean(), images(8), record=forgets)
    assert (wrong.name, wrong.concurrent) == (AS_IS, False)
    assert "not those of the network" in wrong.why
    with pytest.raises(CurateError, match="began with cuda graph"):
        gpu_backend(Mean(), images(8), CUDA_GRAPH, record=forgets)
    with pytest.raises(CurateError, match="began with onnxruntime"):
        gpu_backend(Mean(), images(8), "onnxruntime", record=repeats)
    assert gpu_backend(Mean(), images(8), AS_IS, record=repeats).name == AS_IS


def test_products_are_exact_unless_told_otherwise_and_settings_come_back() -> None:
    settings = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [setting.fp32_precision for setting in settings]
    for precision, expected in (("float32", "ieee"), ("bfloat16", "ieee"), ("tf32", "tf32")):
        with products_of(precision):
            assert {setting.fp32_precision for setting in settings} == {expected}
    assert [setting.fp32_precision for setting in settings] == before
    for kind, expected in (("cuda", ["ieee", "ieee"]), ("cpu", before)):
        with products_on(torch.device(kind), "float32"):
            assert [setting.fp32_precision for setting in settings] == expected


def test_tf32_is_refused_without_a_gpu_of_nvidia() -> None:
    with pytest.raises(CurateError, match="tf32 is for NVIDIA GPUs"):
        Network(loaded(), device="cpu", precision="tf32")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float16"])
def test_a_gpu_gives_the_features_of_the_cpu(precision: str) -> None:
    network = Network(loaded(), device="cuda", precision=precision, batch_size=8)
    assert network.backend.name == CUDA_GRAPH
    rgb = np.random.default_rng(0).integers(0, 256, (20, 12, 12, 3), dtype=np.uint8)
    exact = Network(loaded(), device="cpu", batch_size=8)(rgb)[0]
    error = np.linalg.norm(network(rgb)[0] - exact) / np.linalg.norm(exact)
    assert error < (1e-5 if precision == "float32" else 0.03)
    assert torch.from_numpy(network.empty_batch(2, (4, 4, 3))).is_pinned()


def test_too_little_memory_for_the_network_is_said_with_the_next_step(monkeypatch) -> None:
    def fails(function: Callable[[], None]) -> Callable[[], None]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    backend = lambda self, module, *_: gpu_backend(Mean(), images(8), record=fails)  # noqa: E731
    monkeypatch.setattr(Network, "_backend", backend)
    with pytest.raises(CurateError, match="cpu has too little memory for the network and 4 images at once: give a"):
        Network(loaded(), device="cpu", batch_size=4)
