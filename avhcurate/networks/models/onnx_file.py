"""Classifiers in ONNX files: `onnx:FILE`. The last matrix product gives the class weights, its input the features.

The file is data: OpenVINO runs it with operators of its own, no library of others is loaded, and weights kept outside
the file are read only from its folder.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avhcurate.errors import CurateError, Option
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.backends import AlreadyConverted, compiled, openvino
from avhcurate.networks.models.extras import package
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.weights import Weights, first_line
from avhcurate.workspace.disk.files import user_path

#: Operators after the head that keep the order of its outputs.
_AFTER_HEAD = ("Identity", "Flatten", "Reshape", "Squeeze", "Dropout", "Cast", "Softmax", "LogSoftmax")

#: Pixels a side where the file leaves the size open.
_SIDE = 224

#: Largest share of the logits' size by which the head may miss the file's own logits.
_TOLERANCE = 1e-3

#: NumPy's type of an input by its number in TensorProto: float, float16, double.
_TYPES = {1: np.float32, 10: np.float16, 11: np.float64}


@dataclass(frozen=True)
class _Input:
    """The input of images: type, `batch` and `side` where they are fixed; `channels_last` for (N, H, W, C)."""

    dtype: Any
    batch: int | None
    channels: int
    side: int | None
    channels_last: bool


class OnnxClassifier(nn.Module):
    """Images (N, C, S, S) to logits (N, K): OpenVINO gives the features (N, D), the head is a linear layer.

    `run` takes a batch as the file does and returns the features first. It runs on the CPU and in float32, wherever the
    images and the head are.
    """

    def __init__(self, run: Callable[..., Any], images: _Input, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__()
        self._run = run
        self._input = images
        self.head = nn.Linear(weight.shape[1], len(weight))
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight))
            self.head.bias.copy_(torch.from_numpy(bias))

    def forward(self, images: Tensor) -> Tensor:
        if torch.jit.is_tracing():
            raise AlreadyConverted
        pixels = images.detach().float().cpu().numpy()
        return self.head(torch.from_numpy(_outputs(self._run, self._input, pixels)[0]).to(images))


def onnx_classifier(address: str) -> Architecture:
    """Return the classifier in an ONNX file; its images are prepared as ImageNet networks want them by default.

    Raises CurateError when onnx or OpenVINO is not installed, or the file is not such a classifier.
    """
    name = f"onnx:{address}"
    path = user_path(address)
    onnx = package("onnx", name, "onnx")
    core = openvino(name).Core()
    try:
        # Refuses weights outside the folder of the file.
        model = onnx.load(path)
        content = model.SerializeToString(deterministic=True)
    except Exception as error:  # errors of the disk, of onnx and of protobuf
        raise CurateError(f"{path} cannot be read ({first_line(error)}). Export the network again.") from None
    images = _image_input(model.graph)
    product = _last_product(model.graph)
    if product is None:
        raise CurateError(
            f"{path} does not end with a matrix product (Gemm, or MatMul and Add) of features and constant weights. "
            "Angles need class weights: export a network that ends with a linear layer."
        )
    matrix, bias, logits = product
    del model.graph.output[:]

    def giving(*outputs: str) -> Callable[..., Any]:
        """Return what computes these tensors of the file; constants too, transposed or cast as they may be."""
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=output) for output in outputs)
        return compiled(core.read_model(model.SerializeToString()), torch.float32)

    def build(num_classes: int | None, side: int) -> nn.Module:
        pixels = np.random.default_rng(0).normal(size=(2, images.channels, side, side)).astype(np.float32)
        try:
            run = giving(matrix.input[0], logits)
            features, expected = _outputs(run, images, pixels)
            weight, offset = _head(matrix, *giving(matrix.input[1], *bias)(_feeds(images, pixels)[0]))
            error = np.abs(features @ weight.T + offset - expected).max() / max(1.0, np.abs(expected).max())
        except Exception as problem:  # OpenVINO has errors of its own
            raise CurateError(
                f"OpenVINO fails on {path} and images of shape {pixels.shape} ({first_line(problem)}).",
                fix=f"Give the size that it takes by {Option('crop')}, or export it again",
            ) from None
        if not error <= _TOLERANCE:
            raise CurateError(f"{path} does not give its logits by its last matrix product. Export a linear head.")
        return OnnxClassifier(run, images, weight, offset)

    side = images.side or _SIDE
    preprocess = Preprocess(resize=side * 8 // 7, crop=side)
    if images.channels == 1:
        preprocess = preprocess.greyscale()
    weights = Weights({}, hashlib.sha256(content).hexdigest(), path.name)
    return Architecture(build, preprocess, made=lambda _: weights, fixed=True)


def _feeds(images: _Input, pixels: np.ndarray) -> list[np.ndarray]:
    """Return images (N, C, S, S) as the file takes them, a batch each; a fixed batch is filled up with black images."""
    pixels = pixels.astype(images.dtype)
    if images.channels_last:
        pixels = pixels.transpose(0, 2, 3, 1)
    size = images.batch or len(pixels)
    full = np.concatenate([pixels, np.zeros((-len(pixels) % size, *pixels.shape[1:]), pixels.dtype)])
    return [np.ascontiguousarray(full[at : at + size]) for at in range(0, len(full), size)]


def _outputs(run: Callable[..., Any], images: _Input, pixels: np.ndarray) -> list[np.ndarray]:
    """Return outputs (N, ...) float32 of images (N, C, S, S)."""
    parts = [run(batch) for batch in _feeds(images, pixels)]
    return [np.concatenate(batches)[: len(pixels)].astype(np.float32) for batches in zip(*parts, strict=True)]


def _image_input(graph: Any) -> _Input:
    """Return the one input, of images (N, C, S, S) or (N, S, S, C)."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    shapes = [[dim.dim_value or None for dim in value.type.tensor_type.shape.dim] for value in inputs]
    kinds = [value.type.tensor_type.elem_type for value in inputs]
    if len(inputs) != 1 or len(shapes[0]) != 4 or kinds[0] not in _TYPES:
        raise CurateError(f"The ONNX file takes inputs {shapes}. It must take one batch of float images (N, C, H, W).")
    batch, *image = shapes[0]
    channels, height, width = image
    channels_last = width in (1, 3) and channels not in (1, 3)
    if channels_last:
        height, width, channels = image
    if channels not in (1, 3, None) or height != width:
        raise CurateError(f"The ONNX file takes images of shape {image}. They must be square, with 1 or 3 channels.")
    return _Input(_TYPES[kinds[0]], batch, channels or 3, height, channels_last)


def _last_product(graph: Any) -> tuple[Any, list[str], str] | None:
    """Return the matrix product behind an output, the names of its bias, if any, and of its logits."""
    nodes = {output: node for node in graph.node for output in node.output}
    for output in graph.output:
        node = nodes.get(output.name)
        while node is not None and node.op_type in _AFTER_HEAD:
            node = nodes.get(node.input[0])
        if node is None:
            continue
        if node.op_type in ("Gemm", "MatMul"):
            return node, list(node.input[2:]), node.output[0]
        products = [nodes[name] for name in node.input if name in nodes and nodes[name].op_type == "MatMul"]
        if node.op_type == "Add" and len(products) == 1:
            return products[0], [name for name in node.input if name != products[0].output[0]], node.output[0]
    return None


def _head(matrix: Any, weight: np.ndarray, *bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return class weights (K, D) and bias (K,) of a matrix product, float32."""
    options = {attribute.name: attribute.f if attribute.type == 1 else attribute.i for attribute in matrix.attribute}
    if not options.get("transB"):
        weight = weight.T
    offset = sum((part.reshape(-1) * options.get("beta", 1.0) for part in bias), np.zeros(1))
    weight = np.ascontiguousarray(weight * options.get("alpha", 1.0), np.float32)
    return weight, np.broadcast_to(offset, len(weight)).astype(np.float32)
