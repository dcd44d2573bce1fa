"""Classifiers in ONNX files: `onnx:FILE`. The last matrix product gives the class weights, its input the features.

The file is data: operators are onnxruntime's own, no library of others is loaded, and weights kept outside the file
are read from its folder only.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from avhcurate.errors import CurateError
from avhcurate.networks.models.architecture import Architecture
from avhcurate.networks.models.extras import package
from avhcurate.networks.models.preprocess import Preprocess
from avhcurate.networks.models.weights import Weights, first_line
from avhcurate.workspace.disk.files import user_path

#: Larger files are not ONNX: a message of protobuf ends there, and more weights lie in files next to it.
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
    """The last matrix product: the names of its input and output, weights (K, D) and bias (K,)."""

    features: str
    logits: str
    weight: np.ndarray
    bias: np.ndarray


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
        if self.channels == 1:
            return preprocess.greyscale()
        return preprocess


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
        self._session, self._input, self._outputs = session, images, [head.features, head.logits]
        self.head = nn.Linear(head.weight.shape[1], len(head.weight))
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(head.weight))
            self.head.bias.copy_(torch.from_numpy(head.bias))

    def forward(self, images: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            raise RuntimeError("onnxruntime runs it already")
        return self.head(self.outputs(images)[0].to(images))

    def outputs(self, images: Tensor) -> list[Tensor]:
        """Return features (N, D) and the file's own logits (N, K), on the CPU."""
        given = self._input
        pixels = images.detach().float().cpu().numpy().astype(given.dtype)
        if given.channels_last:
            pixels = pixels.transpose(0, 2, 3, 1)
        size = given.batch or len(pixels)
        # A fixed batch is filled up with black images.
        full = np.concatenate([pixels, np.zeros((-len(pixels) % size, *pixels.shape[1:]), pixels.dtype)])
        parts = [
            self._session.run(self._outputs, {given.name: np.ascontiguousarray(full[at : at + size])})
            for at in range(0, len(full), size)
        ]
        joined = [np.concatenate(each)[: len(pixels)] for each in zip(*parts, strict=True)]
        return [torch.from_numpy(each.astype(np.float32)) for each in joined]


def onnx_classifier(path: Path) -> Architecture:
    """Return the classifier in an ONNX file; its images are prepared as ImageNet networks want them by default.

    Raises CurateError when onnx or onnxruntime is not installed, or the file is not such a classifier.
    """
    name, path = f"onnx:{path}", user_path(path)
    onnx, runtime = package("onnx", name, "onnx"), package("onnxruntime", name, "onnx")
    content = _content(path)
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own errors
        raise CurateError(f"{path} is not an ONNX file ({first_line(error)}). Export the network again.") from None
    outside = _files_outside(model, path)
    images = _image_input(model.graph)
    try:
        head = _Graph(onnx, model.graph, path.parent).head()
    except Exception as error:  # a damaged tensor
        raise CurateError(
            f"The class weights in {path} cannot be read ({first_line(error)}). Export the network again."
        ) from None
    if head is None:
        raise CurateError(
            f"{path} does not end with a matrix product (Gemm, or MatMul and Add) of features and constant weights. "
            "Angles need class weights: export a network that ends with a linear layer."
        )
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=output) for output in (head.features, head.logits))
    changed = model.SerializeToString()

    def build(num_classes: int | None, side: int) -> nn.Module:
        try:
            module = OnnxClassifier(_Session(runtime, changed, path.parent.resolve()), images, head)
        except Exception as error:  # onnxruntime has errors of its own
            raise CurateError(f"onnxruntime does not take {path} ({first_line(error)}). Export it again.") from None
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
        raise CurateError(f"The ONNX file {path} does not exist. Give the file that the network was exported to.")
    if path.stat().st_size >= _MAX_BYTES:
        raise CurateError(f"{path} is larger than 2 GiB, the limit of an ONNX file. Export with external data.")
    return path.read_bytes()


def _files_outside(model: Any, path: Path) -> list[Path]:
    """Return the files that hold weights of the model. Raises CurateError for one that is not in its folder."""
    folder = path.parent.resolve()
    names = {entry.value for tensor in _tensors(model) for entry in tensor.external_data if entry.key == "location"}
    files = [(folder / name).resolve() for name in sorted(names)]
    for name, file in zip(sorted(names), files, strict=True):
        if not file.is_relative_to(folder) or Path(name).is_absolute():
            raise CurateError(f"{path} takes weights from {name!r}, outside its folder. It is not loaded.")
        if not file.is_file():
            raise CurateError(f"{path} takes weights from {name!r}, which is not there. Copy that file next to it.")
    return files


def _tensors(message: Any) -> Iterator[Any]:
    """Yield every tensor in a message, those of sub-graphs and functions too."""
    for _, value in message.ListFields():
        items = [value]
        if hasattr(value, "append"):
            items = value
        for item in items:
            if hasattr(item, "external_data"):
                yield item
            elif hasattr(item, "ListFields"):
                yield from _tensors(item)


def _image_input(graph: Any) -> _Input:
    """Return the one input, of images (N, C, S, S) or (N, S, S, C)."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    shapes = [[dim.dim_value or None for dim in value.type.tensor_type.shape.dim] for value in inputs]
    kinds = [value.type.tensor_type.elem_type for value in inputs]
    if len(inputs) != 1 or len(shapes[0]) != 4 or kinds[0] not in _TYPES:
        named = ", ".join(f"{value.name} {shape}" for value, shape in zip(inputs, shapes, strict=True)) or "nothing"
        raise CurateError(f"The ONNX file takes {named}. It must take one batch of float images (N, C, H, W).")
    batch, *image = shapes[0]
    channels, height, width = image
    channels_last = width in (1, 3) and channels not in (1, 3)
    if channels_last:
        height, width, channels = image
    if channels not in (1, 3, None) or height != width:
        raise CurateError(f"The ONNX file takes images of shape {image}. They must be square, with 1 or 3 channels.")
    return _Input(inputs[0].name, _TYPES[kinds[0]], batch, channels or 3, height, channels_last)


class _Graph:
    """The nodes of a graph by their outputs, and its constants."""

    def __init__(self, onnx: Any, graph: Any, folder: Path) -> None:
        self._read, self._folder = onnx.numpy_helper.to_array, str(folder)
        self._outputs = [output.name for output in graph.output]
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._nodes = {output: node for node in graph.node for output in node.output}

    def head(self) -> _Head | None:
        """Return the head behind the first output that has one."""
        for output in self._outputs:
            node = self._nodes.get(output)
            while node is not None and node.op_type in _AFTER_HEAD:
                node = self._nodes.get(node.input[0])
            head = node and self._product(node)
            if head is not None:
                return head
        return None

    def _constant(self, name: str) -> np.ndarray | None:
        """Return the value of a constant, also behind a transposition."""
        if name in self._constants:
            return np.asarray(self._read(self._constants[name], self._folder))
        node = self._nodes.get(name)
        if node is None or node.op_type not in ("Constant", "Identity", "Transpose", "Cast"):
            return None
        if node.op_type == "Constant":
            values = [np.asarray(self._read(each.t)) for each in node.attribute if each.name == "value"]
            return next(iter(values), None)
        value = self._constant(node.input[0])
        if value is not None and node.op_type == "Transpose":
            return value.T
        return value

    def _product(self, node: Any) -> _Head | None:
        """Return the matrix product with constant weights that is this node, or that it adds a constant to."""
        logits, bias, matrix = node.output[0], None, node
        if node.op_type == "Add":
            values = {name: self._constant(name) for name in node.input}
            products = [name for name, value in values.items() if value is None]
            if len(values) != 2 or len(products) != 1:
                return None
            bias = next(value for value in values.values() if value is not None)
            matrix = self._nodes.get(products[0])
        if matrix is None or matrix.op_type not in ("Gemm", "MatMul"):
            return None
        weight = self._constant(matrix.input[1])
        options = {each.name: each.f if each.type == 1 else each.i for each in matrix.attribute}
        if weight is None or weight.ndim != 2 or options.get("transA"):
            return None
        if not options.get("transB"):
            weight = weight.T
        weight = weight * options.get("alpha", 1.0)
        if len(matrix.input) > 2:
            given = self._constant(matrix.input[2])
            if given is None or bias is not None:
                return None
            bias = given * options.get("beta", 1.0)
        if bias is None:
            bias = np.zeros(1)
        if bias.size not in (1, len(weight)):
            return None
        bias = np.broadcast_to(bias.reshape(-1), len(weight)).astype(np.float32)
        return _Head(matrix.input[0], logits, np.ascontiguousarray(weight, np.float32), bias)


def _check(module: OnnxClassifier, images: Tensor) -> None:
    """Raise CurateError unless the head gives the file's own logits, and the images are what the file takes."""
    try:
        features, logits = module.outputs(images)
        error = (module.head(features) - logits).abs().max().item()
    except Exception as problem:  # as above
        raise CurateError(
            f"It fails on images of shape {tuple(images.shape)}: {first_line(problem)}. Give the size that it takes by "
            "--crop."
        ) from None
    if not error <= _TOLERANCE * max(1.0, logits.abs().max().item()):
        raise CurateError(
            f"Its last matrix product does not give its logits (they differ by {error:.2g}). Export a network that "
            "ends with a linear layer."
        )
