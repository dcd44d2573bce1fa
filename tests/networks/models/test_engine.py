"""The engine: the numbers of the plain network, in order, whatever the batch, the thread and the precision."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models import card, engine
from avhcurate.networks.models.backends import AS_IS, OPENVINO
from avhcurate.networks.models.engine import Network, default_batch_size, embed, in_order
from avhcurate.networks.models.head import FeatureTap
from avhcurate.networks.models.loading import LoadedModel
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.runtime import find_device, fold_batch_norm, products_on
from tests.fakes.refusals import refused

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")

SIDE, WIDTH, CLASSES = 12, 16, 5
PREPROCESS = Preprocess(resize=None, crop=SIDE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


class Net(nn.Module):
    """Two convolutions with batch norm that has statistics, a residual, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH)
        self.conv2, self.bn2 = nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.BatchNorm2d(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(x + self.bn2(self.conv2(x)))
        return self.head(x.mean((2, 3)))


class Looping(Net):
    """A loop over the images, so that no graph holds for any number of them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(torch.stack([image * 1 for image in x]))


def loaded(network: type[Net] = Net) -> LoadedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = network()
        for norm in (module.bn1, module.bn2):
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.normal_(norm.bias)
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    module.eval().requires_grad_(False)
    weight, bias = module.head.weight.numpy(), module.head.bias.numpy()
    return LoadedModel("net", module, module.head, "head", weight, bias, PREPROCESS, "sha", "random")


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def reference(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features and logits in float64, from the module itself."""
    model = loaded()
    tap = FeatureTap(model.module, model.head).double()
    normalised = (pixels / 255 - np.array(PREPROCESS.mean)) / np.array(PREPROCESS.std)
    features, logits = tap(torch.from_numpy(normalised.transpose(0, 3, 1, 2)))
    return features.numpy(), logits.numpy()


@pytest.mark.parametrize(("count", "size"), [(1, 8), (3, 8), (8, 8), (20, 8), (3, 1)])
def test_features_and_logits_are_those_of_the_network_in_float64_in_batches_of_any_size(count: int, size: int) -> None:
    outputs = Network(loaded(), device="cpu", batch_size=size, backend=AS_IS)(images(count))
    for values, expected in zip(outputs, reference(images(count)), strict=True):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_reduced_precision_stays_near_and_its_head_is_applied_in_float32() -> None:
    model = loaded()
    network = Network(model, device="cpu", precision="bfloat16", batch_size=8)
    assert network.precision == "bfloat16"
    features, logits = network(images(8))
    error = np.linalg.norm(features - reference(images(8))[0]) / np.linalg.norm(features)
    assert 1e-5 < error < 2e-2
    np.testing.assert_allclose(logits, features @ model.class_weights.T + model.bias, atol=1e-5)


def test_the_loaded_model_stays_as_it_was() -> None:
    model = loaded()
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    Network(model, device="cpu", precision="bfloat16", batch_size=2)
    after = model.module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not model.head._forward_pre_hooks


def test_a_network_that_cannot_be_converted_runs_as_it_is_and_says_so() -> None:
    network = Network(loaded(Looping), device="cpu", batch_size=8)
    assert network.backend.name == AS_IS
    assert network.backend.why.startswith("it cannot be converted: ")
    for count in (1, 5, 8):
        np.testing.assert_allclose(network(images(count))[0], reference(images(count))[0], atol=1e-5)


def test_batch_norm_is_folded_without_changing_the_output() -> None:
    module = loaded().module
    pixels = torch.randn(2, 3, SIDE, SIDE)
    folded = fold_batch_norm(module, pixels)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded.modules())
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules()) == 2
    torch.testing.assert_close(folded(pixels), module(pixels), atol=1e-5, rtol=1e-5)


def test_a_convolution_whose_output_is_used_twice_is_not_folded() -> None:
    class Twice(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            plain = self.conv1(x)
            return self.head((plain + self.bn1(plain)).mean((2, 3)))

    module, pixels = loaded(Twice).module, torch.randn(2, 3, SIDE, SIDE)
    folded = fold_batch_norm(module, pixels)
    torch.testing.assert_close(folded(pixels), module(pixels))


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize(("network", "backend"), [(Net, OPENVINO), (Looping, AS_IS)])
def test_batches_come_back_in_order_with_their_own_results(network: type[Net], backend: str, threads: int) -> None:
    made = Network(loaded(network), device="cpu", batch_size=4, backend=backend)

    def prepare(seed: int) -> tuple[np.ndarray, int]:
        time.sleep(0.01 * (seed % 3))
        return images(4, seed), seed

    results = list(embed(made, range(12), prepare))
    assert [payload for payload, *_ in results] == list(range(12))
    for seed, features, _ in results:
        np.testing.assert_allclose(features, reference(images(4, seed))[0], atol=1e-5)
    assert torch.get_num_threads() == threads


def test_few_batches_are_under_way_at_once_and_closing_early_ends_the_threads() -> None:
    network = Network(loaded(), device="cpu", batch_size=2, backend=AS_IS)
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for seed in range(100):
            taken += 1
            yield seed

    results = embed(network, items(), lambda seed: (images(2, seed), seed))
    for done in range(20):
        next(results)
        assert taken <= done + 2 + 4 * torch.get_num_threads()
    assert any(thread.name.startswith("avhcurate") for thread in threading.enumerate())
    results.close()
    assert not any(thread.name.startswith("avhcurate") for thread in threading.enumerate())


class Clock:
    """Time of a made-up GPU, on which a forward pass takes 10 and a copy 1; what is launched waits for its stream."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 0
        self.ends = dict[str, list[int]](copied_in=[], ran=[], copied_out=[])
        self.computing = self.current = self.Stream()
        for name, value in {
            "Stream": lambda device: self.Stream(),
            "Event": lambda **_: self.Event(self),
            "current_stream": lambda device: self.current,
            "stream": self.on,
        }.items():
            patch.setattr(torch.cuda, name, value)
        copy, arrive = torch.Tensor.copy_, torch.Tensor.cpu
        within = torch.Tensor.to

        def to(tensor: torch.Tensor, *given: object, non_blocking: bool = False) -> torch.Tensor:
            if not non_blocking:
                return within(tensor, *given)
            self.did("copied_in", 1)
            return tensor

        patch.setattr(torch.Tensor, "to", to)
        patch.setattr(torch.Tensor, "copy_", lambda to, tensor, **_: self.did("copied_out", 1) or copy(to, tensor))
        patch.setattr(torch.Tensor, "cpu", lambda tensor: self.wait(self.current.free) or arrive(tensor))
        patch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: None)
        for module in (card, engine):
            patch.setattr(module, "pinned", lambda shape, dtype: torch.empty(shape, dtype=dtype))

    class Stream:
        free = 0

        def wait_stream(self, other: "Clock.Stream") -> None:
            self.free = max(self.free, other.free)

    class Event:
        def __init__(self, clock: "Clock") -> None:
            self.clock = clock

        def record(self, stream: "Clock.Stream") -> None:
            self.at = stream.free

        def synchronize(self) -> None:
            self.clock.wait(self.at)

    @contextmanager
    def on(self, stream: "Clock.Stream") -> Iterator[None]:
        self.current = stream
        yield
        self.current = self.computing

    def did(self, what: str, takes: int) -> None:
        self.current.free = max(self.now, self.current.free) + takes
        self.ends[what].append(self.current.free)

    def wait(self, until: int) -> None:
        self.now = max(self.now, until)


def test_on_a_gpu_no_copy_waits_for_another_batch_and_it_is_never_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Network(loaded(), device="cpu", batch_size=4, backend=AS_IS)
    expected = [made(images(4, seed))[0] for seed in range(8)]
    run = made.backend.run
    with monkeypatch.context() as patch:
        clock = Clock(patch)
        made.device = torch.device("cuda")
        made._card = card.Card(made.device)
        made.backend = replace(made.backend, run=lambda batch: clock.did("ran", 10) or run(batch))
        features, waited = [], []
        for _, one, _ in embed(made, range(8), lambda seed: (images(4, seed), seed)):
            features.append(one)
            waited.append(clock.now)
            clock.now += 8  # what is done with it
    np.testing.assert_array_equal(features, expected)
    ends = clock.ends
    # Two copies a batch, features and logits, are all that is between two passes.
    assert np.diff(ends["ran"]).tolist() == [12] * 7
    arrived = ends["copied_out"][1::2]
    for number, before in enumerate([-8, *waited[:-1]]):
        assert waited[number] == max(before + 8, arrived[number])
    # The next batches come in while one is computed.
    assert all(came < ran for came, ran in zip(ends["copied_in"][1:], ends["ran"], strict=False))


def test_batches_are_as_large_as_a_gpu_has_memory_and_few_are_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    for gigabytes in (2, 8, 80):
        card_of = SimpleNamespace(total_memory=gigabytes << 30)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device, card_of=card_of: card_of)
        sizes.append([default_batch_size(side, torch.device("cuda")) for side in (224, 32, 600)])
    assert sizes == [[32, 1024, 4], [128, 1024, 17], [256, 1024, 35]]
    made = Network(loaded(), device="cpu", batch_size=2, backend=AS_IS)
    made.device = torch.device("mps")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    monkeypatch.setattr(made, "launch", lambda batch: card.Launched([(torch.zeros(2, 3), torch.zeros(2, 3))]))
    began = iter(range(100))
    with closing(embed(made, began, lambda seed: (images(2, seed), seed))) as results:
        next(results)
    assert next(began) == 16 + 2 + 2  # in threads, waiting, and on the card


def test_items_that_come_while_results_are_awaited_are_begun_before_those_end() -> None:
    coming = deque([0, 1, 2])
    items = (coming.popleft() if coming else None for _ in itertools.count())
    results = in_order(lambda item: item, items, workers=1, intra_op=1)
    assert next(results) == 0
    coming.extend((3, 4))
    assert next(results) == 1
    assert not coming
    assert [*results] == [2, 3, 4]


def test_a_fault_in_a_thread_comes_to_the_caller() -> None:
    def prepare(seed: int) -> tuple[np.ndarray, int]:
        if seed == 5:
            raise ValueError("no such batch")
        return images(2, seed), seed

    with pytest.raises(ValueError, match="no such batch"):
        list(embed(Network(loaded(), device="cpu", backend=AS_IS), range(10), prepare))


def test_an_unknown_precision_or_device_is_named() -> None:
    with pytest.raises(CurateError, match=r"float8.*bfloat16"):
        Network(loaded(), precision="float8")
    with pytest.raises(CurateError, match=r"abacus.*auto"):
        find_device("abacus")
    with refused(Option("precision", "tf32"), "float32", "bfloat16"):
        Network(loaded(), device="cpu", precision="tf32")


def test_products_on_a_gpu_are_exact_unless_told_otherwise_and_settings_come_back() -> None:
    settings = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)
    before = [setting.fp32_precision for setting in settings]
    cases = (("cuda", "float32", ["ieee"] * 2), ("cuda", "tf32", ["tf32"] * 2), ("cpu", "float32", before))
    for kind, precision, expected in cases:
        with products_on(torch.device(kind), precision):
            assert [setting.fp32_precision for setting in settings] == expected
    assert [setting.fp32_precision for setting in settings] == before


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float16"])
def test_a_gpu_gives_the_features_of_the_cpu(precision: str) -> None:
    network = Network(loaded(), device="cuda", precision=precision, batch_size=8)
    exact = Network(loaded(), device="cpu", batch_size=8)(images(20))[0]

    def prepare(seed: int) -> tuple[np.ndarray, int]:
        batch = network.empty_batch(20, images(20).shape[1:])
        assert torch.from_numpy(batch).is_pinned()
        batch[:] = images(20, seed)
        return batch, seed

    # Others are on their way while one is fetched.
    streamed = [features for _, features, _ in embed(network, range(10), prepare)]
    for features in (network(images(20))[0], streamed[0]):
        error = np.linalg.norm(features - exact) / np.linalg.norm(exact)
        assert error < (1e-5 if precision == "float32" else 0.03)
    for seed, features in enumerate(streamed):
        np.testing.assert_allclose(features, network(images(20, seed))[0], rtol=1e-4)
