"""Counting: floating-point operations of a compiled function, and the memory that it must hold."""

from __future__ import annotations

import collections
import math
from typing import Any

import numpy as np

from gantrain.bench.clock import seconds
from gantrain.deferred import tf

ALONE = 5  # runs of each operation by itself
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# Their outputs are the memory of something else.
HELD_ALREADY = ("Placeholder", "ReadVariableOp", "Identity", "IdentityN", "Reshape", *CALLS)


def flops(function: Any) -> float:
    """Floating-point operations of the products and convolutions of one call.

    Two per multiply-add, as a peak is counted; element-wise operations are left out.

    Args:
        function: a concrete function whose shapes are static.

    Returns:
        An int.
    """
    return sum(2 * _MULTIPLY_ADDS[op.type](op) for op in _multiplying(function.graph))


def held(graph: tf.Graph) -> int:
    """Bytes that one call holds at its fullest, on paper: a tensor from its making to its last use.

    Operations run in the order of the trace, one after the other, none in the place of its input.

    Args:
        graph: of a concrete function whose shapes are static.
    """
    operations = graph.get_operations()
    last = {t.ref(): i for i, op in enumerate(operations) for t in op.inputs}
    ends: dict[int, int] = collections.defaultdict(int)
    now = fullest = 0
    for i, op in enumerate(operations):
        inside = held(_called(graph, op)) if op.type in CALLS else 0
        if op.type not in HELD_ALREADY:
            for tensor in op.outputs:
                if tensor.ref() in last and tensor.shape.is_fully_defined():
                    size = _size(tensor) * tensor.dtype.size
                    now += size
                    ends[last[tensor.ref()]] += size
        fullest = max(fullest, now + inside)
        now -= ends.pop(i, 0)
    return fullest


def _called(graph, op):
    return graph._get_function(op.get_attr("f").name).graph


def _multiplying(graph):
    """The products and convolutions of one call, in calls of other functions too.

    Only those that reach a result: what is pruned before a run costs nothing.
    """
    seen, stack = set(), [t.op for t in graph.outputs] + list(graph.control_outputs)
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        stack += [t.op for t in op.inputs] + list(op.control_inputs)
        if op.type in _MULTIPLY_ADDS:
            yield op
        elif op.type in CALLS:
            yield from _multiplying(_called(graph, op))


def alone(runtime: Any, function: Any) -> float:
    """Seconds that the products and convolutions of one call take, each kind run by itself.

    Args:
        runtime: `gantrain.runtime.Runtime`, compiles each.
        function: a concrete function whose shapes are static.
    """
    kinds = collections.Counter(map(_kind, _multiplying(function.graph)))
    return sum(count * _seconds_alone(runtime, *kind) for kind, count in kinds.items())


def _kind(op):
    """What decides the speed of an operation: type, input shapes, output shape, attributes."""
    attributes = [a.name for a in op.op_def.attr if a.type != "type"]
    return (
        op.type,
        tuple(
            (arg.name, tuple(t.shape), t.dtype)
            for arg, t in zip(op.op_def.input_arg, op.inputs, strict=True)
        ),
        tuple(op.outputs[0].shape),
        tuple(
            (name, _hashable(op.get_attr(name))) for name in attributes if not name.startswith("_")
        ),
    )


def _hashable(value):
    if isinstance(value, list):
        return tuple(value)
    return value.decode() if isinstance(value, bytes) else value


def _seconds_alone(runtime, name, inputs, output, attributes):
    """Median seconds of one operation on random inputs; a size it is told is that of its result."""
    values = {
        arg: tf.constant(output)
        if dtype == tf.int32
        else tf.cast(tf.random.stateless_normal(shape, (0, i)), dtype)
        for i, (arg, shape, dtype) in enumerate(inputs)
    }
    operation = getattr(tf.raw_ops, name)
    attributes = {k: list(v) if isinstance(v, tuple) else v for k, v in attributes}
    run = runtime.function(lambda: tf.reshape(operation(**values, **attributes), [-1])[0])
    seconds(run)
    return np.median([seconds(run) for _ in range(ALONE)])


def _size(tensor):
    return math.prod(tensor.shape.as_list())


def _matmul(op):
    rows = op.inputs[0].shape[0 if op.get_attr("transpose_a") else 1]
    return _size(op.outputs[0]) * rows


def _batch_matmul(op):
    return _size(op.outputs[0]) * op.inputs[0].shape[-2 if op.get_attr("adj_x") else -1]


def _conv(op):
    """Every output value takes one kernel [h, w, in, out] of products per output channel."""
    kernel = op.inputs[1].shape
    return _size(op.outputs[0]) * math.prod(kernel[:-1])


def _conv_backprop_input(op):
    """The transposed convolution: as many products as the convolution from output to input."""
    kernel, gradient = op.inputs[1].shape, op.inputs[2]
    return _size(gradient) * math.prod(kernel[:-1])


def _conv_backprop_filter(op):
    kernel, gradient = op.outputs[0].shape, op.inputs[2]
    return _size(gradient) * math.prod(kernel[:-1])


_MULTIPLY_ADDS = {
    "MatMul": _matmul,
    "BatchMatMulV2": _batch_matmul,
    "BatchMatMulV3": _batch_matmul,
    "Conv2D": _conv,
    "Conv2DBackpropInput": _conv_backprop_input,
    "Conv2DBackpropFilter": _conv_backprop_filter,
}
