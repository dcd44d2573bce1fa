"""Classifiers in ONNX files: `onnx:FILE`. The last matrix product gives the class weights, its input the features.

The file is data: operators are onnxruntime's own, no library of others is loaded, and weights kept outside the file
are read from its folder only.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avhcurate.disk.files import user_path
from avhcurate.errors import CurateError
from avhcurate.models.architecture import Architecture
from avhcurate.models.extras import package
from avhcurate.models.preprocess import Preprocess
from avhcurate.models.weights import Weights, first_line

#: Larger files are none: a message of protobuf ends there, and more weights lie in files beside it.
_MAX_BYTES = 2 << 30

#: Operators after the head that keep the order of its outputs.
_AFTER_HEAD = ("Identity", "Flatten", "Reshape", "Squeeze", "Dropout", "Cast", "Softmax", "LogSoftmax")

#: Pixels a side where the file leaves the size open.
_SIDE = 224

#: Largest share of the logits' size by which the head may miss the file's own logits.
_TOLERANCE = 1e-3

#: NumPy's type of an input by its number in TensorProto: float, float16, double.
_TYPES = {1: np.float32, 10: np.float16, 11: np.float64}

#: Where onnxruntime looks for weights outside a model that it is given as bytes.
_FOLDER_KEY = "session.model_external_initializers_file_folder_path"


@dataclass(frozen=True)
class _Head:
    """The last matrix product: the names of its input and output, weights (K, D) and bias (K,) or None."""

    features: str
    logits: str
    weight: np.ndarray
    bias: np.ndarray | None


@dataclass(frozen=True)
class _Input:
    """The input of images: name, type, `batch` and `side` where they are fixed; `channels_last` for (N, H, W, C)."""

    name: str
    dtype: Any
    batch: int | None
    channels: int
    side: int | None
    channels_last: bool

    def preprocess(self) -> Preprocess:
        """As ImageNet networks want their images: nothing in the file says otherwise."""
        side = self.side or _SIDE
        preprocess = Preprocess(resize=side * 8 // 7, crop=side)
        return preprocess.greyscale() if self.channels == 1 else preprocess


class _Session:
    """An onnxruntime session, shared by the copies of its module."""

    def __init__(self, runtime: Any, content: bytes, folder: Path) -> None:
        options = runtime.SessionOptions()
        options.log_severity_level = 4
        options.add_session_config_entry(_FOLDER_KEY, str(folder))
        self.run = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Session":
        return self


class OnnxClassifier(nn.Module):
    """Images (N, C, S, S) to logits (N, K): onnxruntime gives the features (N, D), the head is a linear layer.

    It runs on the CPU and in float32, wherever the images and the head are.
    """

    def __init__(self, session: _Session, images: _Input, head: _Head) -> None:
        super().__init__()
        self._session, self._input, self._outputs = session, images, (head.features, head.logits)
        self.head = nn.Linear(head.weight.shape[1], len(head.weight), bias=head.bias is not None)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(head.weight))
            if head.bias is not None:
                self.head.bias.copy_(torch.from_numpy(head.bias))

    def forward(self, images: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            raise RuntimeError("onnxruntime runs it already")
        return self.head(self.outputs(images)[0].to(images))

    def outputs(self, images: Tensor) -> list[Tensor]:
        """Features (N, D) and the file's own logits (N, K), on the CPU."""
        given = self._input
        pixels = images.detach().float().cpu().numpy().astype(given.dtype)
        if given.channels_last:
            pixels = pixels.transpose(0, 2, 3, 1)
        size = given.batch or len(pixels)
        parts = [self._part(pixels[at : at + size], size) for at in range(0, len(pixels), size)]
        return [torch.from_numpy(np.concatenate(each).astype(np.float32)) for each in zip(*parts, strict=True)]

    def _part(self, pixels: np.ndarray, size: int) -> list[np.ndarray]:
        short = size - len(pixels)
        padded = np.concatenate([pixels, np.zeros((short, *pixels.shape[1:]), pixels.dtype)]) if short else pixels
        outputs = self._session.run(list(self._outputs), {self._input.name: np.ascontiguousarray(padded)})
        return [output[: len(pixels)] for output in outputs]


def onnx_classifier(path: Path) -> Architecture:
    """The classifier in an ONNX file; its images are prepared as ImageNet networks want them, unless told otherwise.

    Raises CurateError when onnx or onnxruntime is not installed, or the file is not such a classifier.
    """
    name, path = f"onnx:{path}", user_path(path)
    onnx, runtime = package("onnx", name, "onnx"), package("onnxruntime", name, "onnx")
    content = _content(path)
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own errors
        raise CurateError(f"{path} is no ONNX file ({first_line(error)}): export the network again") from None
    outside = _files_outside(model, path)
    images = _image_input(model.graph)
    try:
        head = _last_product(onnx, model.graph, path.parent)
    except Exception as error:  # a damaged tensor
        raise CurateError(f"the class weights in {path} cannot be read ({first_line(error)})") from None
    if head is None:
        raise CurateError(
            f"{path} does not end with a matrix product (Gemm, or MatMul and Add) of features and constant weights: "
            "angles need class weights"
        )
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=output) for output in (head.features, head.logits))
    changed = model.SerializeToString()

    def build(num_classes: int | None, side: int) -> nn.Module:
        try:
            module = OnnxClassifier(_Session(runtime, changed, path.parent.resolve()), images, head)
        except Exception as error:  # whatever onnxruntime finds wrong
            raise CurateError(f"onnxruntime does not take {path} ({first_line(error)}): export it again") from None
        _check(module, torch.randn(2, images.channels, side, side, generator=torch.Generator().manual_seed(0)))
        return module

    def built_in(module: nn.Module) -> Weights:
        digest = hashlib.sha256(content)
        for file in outside:
            with open(file, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return Weights({}, digest.hexdigest(), path.name)

    return Architecture(build, images.preprocess(), built_in=built_in)


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise CurateError(f"ONNX file {path} does not exist: give the file that the network was exported to")
    if path.stat().st_size >= _MAX_BYTES:
        raise CurateError(f"{path} is larger than 2 GiB, which no ONNX file is: export with external data")
    return path.read_bytes()


def _files_outside(model: Any, path: Path) -> list[Path]:
    """The files that hold weights of the model, in order. Raises CurateError for one that is not in its folder."""
    folder = path.parent.resolve()
    names = {entry.value for tensor in _tensors(model) for entry in tensor.external_data if entry.key == "location"}
    files = []
    for name in sorted(names):
        file = (folder / name).resolve()
        if not file.is_relative_to(folder) or Path(name).is_absolute():
            raise CurateError(f"{path} takes weights from {name!r}, outside its folder: it is not loaded")
        if not file.is_file():
            raise CurateError(f"{path} takes weights from {name!r}, which is not there: copy that file beside it")
        files.append(file)
    return files


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor in a message, those of sub-graphs and functions too."""
    for _, value in message.ListFields():
        for item in value if hasattr(value, "append") else [value]:
            if hasattr(item, "external_data"):
                yield item
            elif hasattr(item, "ListFields"):
                yield from _tensors(item)


def _image_input(graph: Any) -> _Input:
    """The one input, of images (N, C, S, S) or (N, S, S, C)."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    shapes = [[dim.dim_value or None for dim in value.type.tensor_type.shape.dim] for value in inputs]
    kinds = [value.type.tensor_type.elem_type for value in inputs]
    if len(inputs) != 1 or len(shapes[0]) != 4 or kinds[0] not in _TYPES:
        named = ", ".join(f"{value.name} {shape}" for value, shape in zip(inputs, shapes, strict=True)) or "nothing"
        raise CurateError(f"the ONNX file takes {named}: it must take one batch of float images (N, C, H, W)")
    batch, *image = shapes[0]
    channels_last = image[2] in (1, 3) and image[0] not in (1, 3)
    channels, height, width = (image[2], image[0], image[1]) if channels_last else image
    if channels not in (1, 3, None) or height != width:
        raise CurateError(f"the ONNX file takes images of shape {image}: they must be square, with 1 or 3 channels")
    return _Input(inputs[0].name, _TYPES[kinds[0]], batch, channels or 3, height, channels_last)


def _last_product(onnx: Any, graph: Any, folder: Path) -> _Head | None:
    """The head behind the first output that has one."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes = {output: node for node in graph.node for output in node.output}

    def constant(name: str) -> np.ndarray | None:
        if name in constants:
            return np.asarray(onnx.numpy_helper.to_array(constants[name], str(folder)))
        node = nodes.get(name)
        if node is None or node.op_type not in ("Constant", "Identity", "Transpose", "Cast"):
            return None
        if node.op_type == "Constant":
            return next(
                (np.asarray(onnx.numpy_helper.to_array(a.t)) for a in node.attribute if a.name == "value"), None
            )
        value = constant(node.input[0])
        return value.T if value is not None and node.op_type == "Transpose" else value

    for output in graph.output:
        node = nodes.get(output.name)
        while node is not None and node.op_type in _AFTER_HEAD:
            node = nodes.get(node.input[0])
        head = None if node is None else _product(node, nodes, constant)
        if head is not None:
            return head
    return None


def _product(node: Any, nodes: dict[str, Any], constant: Callable[[str], np.ndarray | None]) -> _Head | None:
    """The matrix product with constant weights that is this node, or that this node adds a constant to."""
    logits, bias, matrix = node.output[0], None, node
    if node.op_type == "Add":
        added = [constant(name) for name in node.input]
        bias = next((value for value in added if value is not None), None)
        product = next((name for name, value in zip(node.input, added, strict=True) if value is None), "")
        matrix = nodes.get(product)
    if matrix is None or matrix.op_type not in ("Gemm", "MatMul") or (matrix is not node and bias is None):
        return None
    weight = constant(matrix.input[1])
    if weight is None or weight.ndim != 2:
        return None
    options = {a.name: a.f if a.type == 1 else a.i for a in matrix.attribute}
    weight = (weight if options.get("transB") else weight.T) * options.get("alpha", 1.0)
    if len(matrix.input) > 2:
        given = constant(matrix.input[2])
        if given is None or bias is not None:
            return None
        bias = given * options.get("beta", 1.0)
    if options.get("transA") or (bias is not None and bias.size not in (1, len(weight))):
        return None
    bias = None if bias is None else np.broadcast_to(bias.reshape(-1), len(weight)).astype(np.float32)
    return _Head(matrix.input[0], logits, np.ascontiguousarray(weight, np.float32), bias)


def _check(module: OnnxClassifier, images: Tensor) -> None:
    """Raises CurateError unless the head gives the file's own logits, and the images are what the file takes."""
    try:
        features, logits = module.outputs(images)
        error = (module.head(features) - logits).abs().max().item()
    except Exception as problem:  # as above
        shape = tuple(images.shape)
        raise CurateError(
            f"it fails on images of shape {shape}: {first_line(problem)}. Give the size it takes by --crop"
        ) from None
    if not error <= _TOLERANCE * max(1.0, logits.abs().max().item()):
        raise CurateError(f"its last matrix product does not give its logits (they differ by {error:.2g})")
