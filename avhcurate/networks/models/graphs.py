"""A network as an exported graph whose convolutions are packed for the processor, each with what follows it.

Otherwise oneDNN, which runs convolutions on a CPU, reorders the weights of each one for every batch, and writes each
result to memory before the activation or the sum after it reads it back.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule, Node

_aten, _onednn = torch.ops.aten, torch.ops.mkldnn

#: Most images in a batch of an exported graph.
_MOST_IMAGES = 4096

#: The arguments of a convolution after its weight: bias, stride, padding, dilation, groups.
_USUAL = (None, [1, 1], [0, 0], [1, 1], 1)

#: oneDNN's names of activations, and their limits.
_ACTIVATIONS: dict[Any, tuple[str, list[float]]] = {
    _aten.relu.default: ("relu", []),
    _aten.relu_.default: ("relu", []),
    _aten.relu6.default: ("hardtanh", [0.0, 6.0]),
    _aten.relu6_.default: ("hardtanh", [0.0, 6.0]),
    _aten.silu.default: ("swish", []),
    _aten.silu_.default: ("swish", []),
}


def export(module: nn.Module, images: Tensor) -> ExportedProgram:
    """Return a module that takes batches like `images`, of any number, as a program without Python.

    Raises what `torch.export` raises where the result depends on values or on the number of images.
    """
    any_number = ({0: Dim("images", min=1, max=_MOST_IMAGES)},)
    with torch.no_grad():
        return torch.export.export(module, (images,), dynamic_shapes=any_number)


def packed_graph(program: ExportedProgram, size: int) -> GraphModule:
    """Return the program with packed weights in each convolution, for batches of about `size` images.

    An activation after a convolution and a sum with another tensor become part of it where nothing else uses what lies
    between. Several threads may run the graph at once. Raises RuntimeError where oneDNN does not take the convolutions.
    """
    graph = program.module(check_guards=False)
    assert isinstance(graph, GraphModule)
    for number, node in enumerate(graph.graph.find_nodes(op="call_function", target=_aten.conv2d.default)):
        weight: Any = node.args[1]
        if weight.op == "get_attr":
            _pack(graph, node, f"packed_{number}", size)
    # The logits, for example, when only features are returned.
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def _pack(graph: GraphModule, node: Node, name: str, size: int) -> None:
    """Replace a convolution, and the sum and activation after it, by a packed convolution."""
    taken: Any = node.args
    images, constant = taken[:2]
    given = tuple(taken[2:])
    bias, stride, padding, dilation, groups = given + _USUAL[len(given) :]
    geometry = (padding, stride, dilation, groups)
    shape = [size, *map(int, images.meta["val"].shape[1:])]
    owner, _, leaf = constant.target.rpartition(".")
    weight: Tensor = getattr(graph.get_submodule(owner), leaf)
    packed = _onednn._reorder_convolution_weight(weight.detach(), *geometry, shape)
    # A tensor in oneDNN's layout cannot be saved.
    graph.register_buffer(name, packed, persistent=False)
    chain, other = [node], _added(node)
    if other is not None:
        chain += node.users
    activation = _activation_after(chain[-1])
    if activation is not None:
        chain += chain[-1].users
    last = chain[-1]
    with graph.graph.inserting_before(last):
        common = (graph.graph.get_attr(name), bias, *geometry)
        if other is None:
            arguments: Any = (images, *common, *(activation or ("none", [])), "")
            new = graph.graph.call_function(_onednn._convolution_pointwise.default, arguments)
        else:
            after: Any = (None, [], None)
            if activation is not None:
                after = (*activation, "")
            arguments = (images, other, *common, "add", 1.0, *after)
            new = graph.graph.call_function(_onednn._convolution_pointwise.binary, arguments)
    new.meta = dict(last.meta)
    last.replace_all_uses_with(new)
    for replaced in reversed(chain):
        graph.graph.erase_node(replaced)


def _added(node: Node) -> Node | None:
    """Return the tensor of equal shape that the only user of a convolution adds to it."""
    addition = _only_user(node)
    if addition is None or addition.target not in (_aten.add.Tensor, _aten.add_.Tensor) or addition.kwargs:
        return None
    others = [added for added in addition.all_input_nodes if added is not node]
    if len(others) != 1 or others[0].meta["val"].shape != node.meta["val"].shape:
        return None
    changed = addition.all_input_nodes[0]
    if addition.target is _aten.add_.Tensor and len(changed.users) > 1:
        return None
    return others[0]


def _activation_after(node: Node) -> tuple[str, list[float]] | None:
    """Return the activation that is the only user of a node."""
    user = _only_user(node)
    if user is None:
        return None
    if user.target in (_aten.hardtanh.default, _aten.hardtanh_.default) and len(user.args) == 3:
        return "hardtanh", list(user.args[1:])  # type: ignore[arg-type]
    return _ACTIVATIONS.get(user.target)


def _only_user(node: Node) -> Node | None:
    if len(node.users) != 1:
        return None
    return next(iter(node.users))
