"""Graphs of fixed shapes beside one of any shape, in one model that holds its weights once.

A graph of dynamic shape recomputes its shapes whenever they change, which costs a short text as
much as its matrix products. A tile is the same graph for one shape, (rows, length); shorter input
is padded to it. OpenVINO's ``If`` chooses among the tiles and the dynamic graph, so that one
compiled model has all of them, with their shared weights packed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from indexer.embedding.batching import Shape

if TYPE_CHECKING:
    import openvino

CHOICE: Final = "tile"
"""The input that chooses: the place of a tile, or their number for the dynamic graph, if any."""


def lay_tiles(graph: openvino.Model, tiles: Sequence[Shape], *, whole: bool) -> openvino.Model:
    """A model with the graph's inputs, and CHOICE, that runs one of its tiles, or the ``whole``.

    All inputs of the graph are (n, length) int32; with a tile they must have its shape. CHOICE is
    missing where there is but one graph.
    """
    leaves = [_fix(graph, tile) for tile in tiles]
    return _choose([*leaves, graph.clone()] if whole else leaves, 0)


def lay_packs(
    whole: openvino.Model | None, packed: Callable[[int], openvino.Model], sizes: Sequence[int]
) -> openvino.Model:
    """A model with PACK and CHOICE that runs a packed graph; or the whole one, with its inputs."""
    leaves = list(map(packed, sizes))
    return _choose([*leaves, whole.clone()] if whole else leaves, 0)


def _fix(graph: openvino.Model, tile: Shape) -> openvino.Model:
    """The graph for one shape; its inputs stay dynamic, as those of an If must be."""
    import openvino
    from openvino import opset13 as opset

    fixed = graph.clone()
    inner = _inputs(fixed)
    fixed.reshape({name: list(tile) for name in inner})
    given = _parameters(inner)
    for name, parameter in given.items():
        shaped = opset.reshape(parameter, np.asarray(tile, np.int64), special_zero=False)
        for target in inner[name].output(0).get_target_inputs():
            target.replace_source_output(shaped.output(0))
    return openvino.Model(fixed.get_results(), list(given.values()))


def _choose(leaves: Sequence[openvino.Model], first: int) -> openvino.Model:
    """A model that runs leaf ``CHOICE - first``, found by bisection."""
    import openvino
    from openvino import opset13 as opset

    if len(leaves) == 1:
        return leaves[0]
    middle = len(leaves) // 2
    bodies = (_choose(leaves[:middle], first), _choose(leaves[middle:], first + middle))
    inner = [_inputs(body) for body in bodies]
    given = _parameters(name for name in {**inner[0], **inner[1]} if name != CHOICE)
    choice = opset.parameter([], openvino.Type.i32)
    choice.output(0).set_names({CHOICE})
    given[CHOICE] = choice
    branch = opset.if_op(opset.less(choice, opset.constant(np.int32(first + middle))).output(0))
    branch.set_then_body(bodies[0])
    branch.set_else_body(bodies[1])
    for name, parameter in given.items():
        ends = [side.get(name) for side in inner]
        if any(end is not None for end in ends):
            branch.set_input(parameter.output(0), *ends)
    results = [body.get_results()[0] for body in bodies]
    found = opset.result(branch.set_output(*results))
    return openvino.Model([found], list(given.values()))


def _inputs(model: openvino.Model) -> Mapping[str, openvino.Node]:
    """The model's parameters by name."""
    return {node.output(0).get_any_name(): node for node in model.get_parameters()}


def _parameters(names: Iterable[str]) -> dict[str, openvino.Node]:
    """New parameters with these names, (n, length) int32."""
    import openvino
    from openvino import opset13 as opset

    made = {name: opset.parameter([-1, -1], openvino.Type.i32) for name in names}
    for name, parameter in made.items():
        parameter.output(0).set_names({name})
    return made
