"""Classifiers in ONNX files: the file's own logits, features before its last product, nothing from elsewhere."""

import numpy as np
import pytest
import torch

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.backends import AS_IS
from avhcurate.networks.models.engine import Network
from avhcurate.networks.models.loading import ModelSpec, load_model, new_model
from avhcurate.networks.models.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from tests.fakes.refusals import refused

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("openvino", reason="the extra onnx is not installed")

RNG = np.random.default_rng(0)
WEIGHT, BIAS = RNG.normal(size=(4, 6)).astype(np.float32), RNG.normal(size=4).astype(np.float32)
KERNEL = RNG.normal(size=(6, 3, 3, 3)).astype(np.float32)

#: What a head may look like: nodes after the features `x` (N, 6), to `y`, and its constants.
HEADS = {
    "gemm": ([("Gemm", ["x", "w", "b"], {"transB": 1})], {"w": WEIGHT, "b": BIAS}),
    "scaled": ([("Gemm", ["x", "w", "b"], {"alpha": 2.0, "beta": 0.5})], {"w": WEIGHT.T / 2, "b": BIAS * 2}),
    "matmul": ([("MatMul", ["x", "w"], {}), ("Add", ["b", "1"], {})], {"w": WEIGHT.T, "b": BIAS}),
    "transposed": (
        [("Transpose", ["w"], {"perm": [1, 0]}), ("MatMul", ["x", "1"], {}), ("Add", ["2", "b"], {})],
        {"w": WEIGHT, "b": BIAS},
    ),
    "softmax": ([("Gemm", ["x", "w", "b"], {"transB": 1}), ("Softmax", ["1"], {})], {"w": WEIGHT, "b": BIAS}),
}


def write(path, head="gemm", *, shape=("N", 3, 8, 8), outside=None, kernel=KERNEL):
    """A convolution, its mean over pixels, and a head; weights in the file, or in the file `outside`."""
    nodes, constants = HEADS[head] if isinstance(head, str) else head
    make = onnx.helper.make_node
    body = [("Conv", ["images", "k"], {}), ("GlobalAveragePool", ["map"], {}), ("Flatten", ["pooled"], {})]
    graph_nodes = [
        make(op, given, [out], **o) for (op, given, o), out in zip(body, ["map", "pooled", "x"], strict=True)
    ]
    if shape[1] == 8:
        graph_nodes.insert(0, make("Transpose", ["photo"], ["images"], perm=[0, 3, 1, 2]))
    for number, (op, given, attributes) in enumerate(nodes, 1):
        last = number == len(nodes)
        graph_nodes.append(make(op, given, ["y" if last else str(number)], **attributes))
    tensors = [onnx.numpy_helper.from_array(np.ascontiguousarray(v), n) for n, v in {**constants, "k": kernel}.items()]
    info = onnx.helper.make_tensor_value_info
    images = info("photo" if shape[1] == 8 else "images", onnx.TensorProto.FLOAT, shape)
    graph = onnx.helper.make_graph(graph_nodes, "net", [images], [info("y", onnx.TensorProto.FLOAT, None)], tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    if outside:
        onnx.save(model, path, save_as_external_data=True, location=outside, size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def load(path, classes=None, **options):
    return load_model(ModelSpec(name=f"onnx:{path}", **options), num_classes=classes)


def refusal(path, **options):
    with pytest.raises(CurateError) as caught:
        load(path, **options)
    return str(caught.value)


def expected(pixels):
    """Features and logits by NumPy alone."""
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), axis=(2, 3))
    features = np.einsum("nchwij,ocij->nohw", windows, KERNEL).mean(axis=(2, 3))
    return features, features @ WEIGHT.T + BIAS


@pytest.mark.parametrize("head", HEADS)
def test_every_form_of_a_head_gives_features_and_logits(head, tmp_path):
    model = load(write(tmp_path / "net.onnx", head), 4)
    np.testing.assert_allclose(model.class_weights, WEIGHT, rtol=1e-6)
    np.testing.assert_allclose(model.bias, BIAS, rtol=1e-6)
    network = Network(model, device="cpu", batch_size=4)
    assert (network.backend.name, network.backend.why) == (AS_IS, "")
    rgb = RNG.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    features, logits = network(rgb)
    pixels = ((rgb / 255 - IMAGENET_MEAN) / IMAGENET_STD).astype(np.float32).transpose(0, 3, 1, 2)
    for got, want in zip((features, logits), expected(pixels), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), ("N", 3, "H", "W"), (1, 8, 8, 3)])
def test_fixed_batches_open_sizes_and_channels_last(shape, tmp_path):
    model = load(write(tmp_path / "net.onnx", shape=shape), crop=None if 8 in shape else 8)
    pixels = torch.randn(5, 3, 8, 8)
    with torch.inference_mode():
        np.testing.assert_allclose(model.module(pixels), expected(pixels.numpy())[1], rtol=1e-4, atol=1e-4)
    assert model.preprocess.crop == 8


def test_images_are_prepared_for_the_files_size(tmp_path):
    assert load(write(tmp_path / "net.onnx")).preprocess == Preprocess(9, 8)
    assert load(write(tmp_path / "open.onnx", shape=("N", 3, "H", "W"))).preprocess == Preprocess(256, 224)
    grey = write(tmp_path / "grey.onnx", shape=("N", 1, 8, 8), kernel=KERNEL[:, :1])
    assert load(grey).preprocess.channels == 1
    assert "images of shape (2, 3, 9, 9)" in refusal(tmp_path / "net.onnx", crop=9)


@pytest.mark.slow
def test_a_network_exported_by_torch_keeps_its_logits(tmp_path):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    network = torch.nn.Sequential(network, torch.nn.Linear(5, 3)).eval()
    file = tmp_path / "net.onnx"
    images_of_any_number = {"input": {0: torch.export.Dim("N")}}
    torch.onnx.export(network, (torch.zeros(2, 3, 12, 12),), file, dynamic_shapes=images_of_any_number, verbose=False)
    model, images = load(file, 3), torch.randn(3, 3, 12, 12)
    with torch.inference_mode():
        torch.testing.assert_close(model.module(images), network(images), rtol=1e-4, atol=1e-5)


def test_the_hash_is_of_all_weights_in_the_file_and_beside_it(tmp_path):
    inside = load(write(tmp_path / "in.onnx"))
    file = write(tmp_path / "out.onnx", outside="out.bin")
    first = load(file)
    np.testing.assert_array_equal(first.class_weights, inside.class_weights)
    weights = bytearray((tmp_path / "out.bin").read_bytes())
    weights[-2] ^= 1
    (tmp_path / "out.bin").write_bytes(weights)
    assert len({inside.weights_sha256, first.weights_sha256, load(file).weights_sha256}) == 3


def test_weights_outside_the_folder_are_not_read(tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    file = write(folder / "net.onnx", outside="net.bin")
    content = file.read_bytes()
    (folder / "net.bin").rename(tmp_path / "abc.bin")
    assert "not regular file" in refusal(file)
    (folder / "net.bin").symlink_to(tmp_path / "abc.bin")
    assert "symbolic link" in refusal(file)
    for location, named in ((b"../ab.b", "outside the directory"), (b"/etc/np", "absolute path")):
        file.write_bytes(content.replace(b"net.bin", location))
        assert named in refusal(file)


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (([("Relu", ["x"], {})], {}), "does not end with a matrix product"),
        (([("Gemm", ["x", "w", "b"], {"transB": 1}), ("Relu", ["1"], {})], {"w": WEIGHT, "b": BIAS}), "does not end"),
        (([("MatMul", ["x", "w"], {}), ("Add", ["1", "1"], {})], {"w": WEIGHT.T}), "does not end"),
        (([("Evil", ["x"], {"domain": "evil"}), ("Gemm", ["1", "w"], {})], {"w": WEIGHT.T}), "OpenVINO fails on"),
    ],
)
def test_what_is_no_classifier_with_a_linear_head_is_refused(head, named, tmp_path):
    assert named in refusal(write(tmp_path / "net.onnx", head))


def test_classes_weights_and_training_are_refused_saying_why(tmp_path):
    file = write(tmp_path / "net.onnx")
    with refused(4, 9, Option("head", "fit"), Option("weights", "FILE")):
        load(file, 9)
    assert "leave --weights out" in refusal(file, weights="random")
    assert "cannot be read" in refusal(tmp_path / "gone.onnx")
    assert "must be square" in refusal(write(tmp_path / "wide.onnx", shape=("N", 3, 8, 16)))
    with pytest.raises(CurateError, match="not trained"):
        new_model(ModelSpec(name=f"onnx:{file}"), 4)
