"""A network as an exported graph whose convolutions are packed for the processor, each with what follows it.

oneDNN, which runs convolutions on a CPU, otherwise reorders the weights of each one for every batch, and writes each
result to memory before the activation or the sum after it reads it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule, Node

_aten, _onednn = torch.ops.aten, torch.ops.mkldnn

#: Most images a batch that an exported graph takes.
_MOST_IMAGES = 4096

_ADDITIONS = (_aten.add.Tensor, _aten.add_.Tensor)

#: oneDNN's name of an activation, and the numbers it needs beside it.
_Activation = tuple[str, list[Any], str]
_NO_ACTIVATION: _Activation = ("none", [], "")


def export(module: nn.Module, images: Tensor) -> ExportedProgram:
    """A module that takes batches like `images`, of any number, and returns one tensor, as a program without Python.

    Raises whatever `torch.export` raises where the module's course depends on values or on the number of images.
    """
    any_number = ({0: Dim("images", min=1, max=_MOST_IMAGES)},)
    with torch.no_grad():
        return torch.export.export(module, (images,), dynamic_shapes=any_number)


def packed_graph(program: ExportedProgram, size: int) -> GraphModule:
    """The program with packed weights in each convolution, for batches of about `size` images.

    A symmetric padding before it, an activation after it and a sum with another tensor become part of it where nothing
    else uses what lies between. Several threads may run the graph at once. Raises RuntimeError where oneDNN does not
    take the convolutions.
    """
    graph = program.module(check_guards=False)
    assert isinstance(graph, GraphModule)
    packed: set[Node] = set()
    for node in graph.graph.find_nodes(op="call_function", target=_aten.conv2d.default):
        convolution = _Convolution.of(node, graph)
        if convolution is not None:
            packed.add(_replace(convolution, f"packed_{len(packed)}", graph, size, packed))
    # The logits, say, when only features are returned.
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


@dataclass(frozen=True)
class _Convolution:
    """A convolution of the graph, with the symmetric padding before it."""

    node: Node
    images: Node
    weight: Tensor
    bias: Node | None
    padding: list[int]
    stride: list[int]
    dilation: list[int]
    groups: int

    @classmethod
    def of(cls, node: Node, graph: GraphModule) -> "_Convolution | None":
        """None where its weights are not the module's own."""
        names = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
        given: dict[str, Any] = dict(zip(names, node.args, strict=False)) | node.kwargs
        images, weight = given["input"], given["weight"]
        if weight.op != "get_attr":
            return None
        padding = _pair(given.get("padding", 0))
        around = _padding_of(images)
        if around is not None:
            images, padding = images.all_input_nodes[0], [a + b for a, b in zip(padding, around, strict=True)]
        return cls(
            node,
            images,
            _tensor(graph, str(weight.target)),
            given.get("bias"),
            padding,
            _pair(given.get("stride", 1)),
            _pair(given.get("dilation", 1)),
            given.get("groups", 1),
        )


def _replace(convolution: _Convolution, name: str, graph: GraphModule, size: int, packed: set[Node]) -> Node:
    """Puts the packed convolution in place of the nodes that it stands for, and returns it."""
    nodes, node = graph.graph, convolution.node
    channels_and_sides = [int(length) for length in convolution.images.meta["val"].shape[1:]]
    geometry = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
    weight = _onednn._reorder_convolution_weight(convolution.weight.detach(), *geometry, [size, *channels_and_sides])
    # A tensor in oneDNN's layout cannot be saved.
    graph.register_buffer(name, weight, persistent=False)
    chain = [node]
    added = _added(convolution, packed)
    if added is not None:
        chain.append(next(iter(node.users)))
    activation = _activation_after(chain[-1])
    if activation != _NO_ACTIVATION:
        chain.append(next(iter(chain[-1].users)))
    with nodes.inserting_before(node):
        given = (nodes.get_attr(name), convolution.bias, *geometry)
        if added is None:
            arguments: tuple[Any, ...] = (convolution.images, *given, *activation)
            new = nodes.call_function(_onednn._convolution_pointwise.default, arguments)
        else:
            unary = (None, [], None) if activation == _NO_ACTIVATION else activation
            last = (*given, "add", 1.0, *unary)
            if added.in_place:
                arguments = (added.other, convolution.images, *last)
                new = nodes.call_function(_onednn._convolution_pointwise_.binary, arguments)
            else:
                arguments = (convolution.images, added.other, *last)
                new = nodes.call_function(_onednn._convolution_pointwise.binary, arguments)
    new.meta = dict(chain[-1].meta)
    chain[-1].replace_all_uses_with(new)
    for replaced in reversed(chain):
        nodes.erase_node(replaced)
    return new


@dataclass(frozen=True)
class _Addend:
    """What is added to a convolution's output; `in_place` where nothing else needs its memory from then on."""

    other: Node
    in_place: bool


def _added(convolution: _Convolution, packed: set[Node]) -> _Addend | None:
    """The tensor of equal shape that the only user of a convolution adds to it, where it is known before."""
    node = convolution.node
    addition = _only_user(node)
    if addition is None or addition.target not in _ADDITIONS or len(addition.all_input_nodes) != 2 or addition.kwargs:
        return None
    other = next(added for added in addition.all_input_nodes if added is not node)
    shapes = [added.meta["val"].shape for added in (node, other)]
    changed = addition.all_input_nodes[0]
    if shapes[0] != shapes[1] or not other < node or (addition.target is _ADDITIONS[1] and len(changed.users) > 1):
        return None
    # The convolution writes its output while it still reads its input.
    free = other in packed and other is not convolution.images
    return _Addend(other, in_place=free and all(user <= addition for user in other.users))


def _activation_after(node: Node) -> _Activation:
    """The activation that is the only user of a node."""
    user = _only_user(node)
    if user is None or user.op != "call_function":
        return _NO_ACTIVATION
    # The name without the underscore of what works in place.
    name = str(getattr(user.target, "overloadpacket", "")).removeprefix("aten.").removesuffix("_")
    limits = [*user.args[1:3], *(-1.0, 1.0)[len(user.args) - 1 :]]
    found: dict[str, _Activation] = {
        "relu": ("relu", [], ""),
        "relu6": ("hardtanh", [0.0, 6.0], ""),
        "hardtanh": ("hardtanh", limits, ""),
        "silu": ("swish", [], ""),
    }
    return found.get(name, _NO_ACTIVATION)


def _padding_of(node: Node) -> list[int] | None:
    """Rows and columns of zeros that a node puts on both sides of images."""
    if node.target is not _aten.pad.default:
        return None
    given: tuple[Any, ...] = node.args[1:]
    around, mode, value = given + ("constant", None)[len(given) - 1 :]
    zeros = mode == "constant" and not value and not node.kwargs
    if not zeros or len(around) != 4 or around[0] != around[1] or around[2] != around[3]:
        return None
    if not all(isinstance(width, int) and width >= 0 for width in around):
        return None
    return [around[2], around[0]]


def _only_user(node: Node) -> Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _pair(value: Any) -> list[int]:
    """Of rows and of columns, where one number may stand for both."""
    values = list(value) if isinstance(value, Sequence) else [value]
    return values * 2 if len(values) == 1 else values


def _tensor(graph: GraphModule, name: str) -> Tensor:
    owner, _, leaf = name.rpartition(".")
    return getattr(graph.get_submodule(owner), leaf)
