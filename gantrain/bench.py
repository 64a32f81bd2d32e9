"""Speed of the compiled step, as shares of what this machine itself can do (`gantrain bench`).

Absolute figures drift with whatever else a machine runs. Every comparison here is therefore a ratio
of two things measured in turns: the step between two runs of a plain convolution, the compiled step
between two eager ones.
"""

from __future__ import annotations

import collections
import io
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gantrain import nets
from gantrain.config import make
from gantrain.data import digits
from gantrain.data.domain import Domain
from gantrain.data.pairs import paired
from gantrain.data.sources import DIGITS
from gantrain.runs import callbacks, loop
from gantrain.runs.build import build
from gantrain.runs.train import finite
from gantrain.use.watch import watch

NET, CLASSIFIER = "cogan32", "digit"
NARROW = 0.125  # width at which dispatch, not arithmetic, would limit an eager step
CONVOLUTIONS = ((64, 32, 128), (64, 16, 256), (64, 16, 512), (64, 8, 512))  # batch, side, channels
MATRIX = 2_048
IMAGES, PAIRS = 1_000, 16  # per domain, of digits and of noise
ALONE = 5  # runs of each operation by itself
SLOT = 0.5  # seconds of convolutions between two steps
SETTLED = 0.25  # share of the steps after which resident memory must be flat


def report(options: Any) -> Iterator[str]:
    """Measures this machine and the step on it.

    Args:
        options: `gantrain.commands.Bench`.

    Yields:
        One line of text per finding.
    """
    with tempfile.TemporaryDirectory() as directory:
        if options.only in (None, "peak"):
            yield from _against_peak(options, _program(options, options.width, directory))
        if options.only in (None, "eager"):
            yield _against_eager(options, _program(options, NARROW, directory))
        if options.only in (None, "memory") and options.steps:
            yield from _over_time(options, _program(options, NARROW, directory))


def _program(options, width, directory):
    """The program that is measured, at a width, with a run directory of its own."""
    return PROGRAMS[options.program](options, width, directory)


def _scogan(options, width, directory):
    """SCoGAN with semantic loss and feature regulariser, 32 pixels, on few embedded images.

    The classifier is untrained: its arithmetic is that of a trained one.
    """
    domains = [
        Domain("pen", *digits.pen_digits(IMAGES, 0), DIGITS).with_channels(3),
        Domain("street", *digits.street_digits(IMAGES, 1), DIGITS),
    ]
    classifier = nets.build_classifier(CLASSIFIER, domains[0].shape, len(DIGITS), seed=0)
    config = make(
        **dict(
            gan_type="scogan",
            dataset="pen2street",
            net=NET,
            width=width,
            semantic_loss=10.0,
            feature_loss=100.0,
            loss="wasserstein",
            d_penalty="gp",
            batch_size=options.batch_size or 64,
            n_critic=options.n_critic or 5,
            steps=max(options.steps, 1),
            run_dir=directory,
        )
    )
    return build(config, domains, {"classifier": classifier})


def _translation(gan_type, generator, size):
    """Maker of a translation run on few pairs of noise."""

    def make(options, width, directory):
        pixels = np.random.default_rng(0).integers(0, 256, (2, PAIRS, size, size, 3), np.uint8)
        domains = paired(*(Domain(n, p) for n, p in zip("AB", pixels, strict=True)))
        config = make(
            **dict(
                gan_type=gan_type,
                dataset="pairs:noise",
                image_size=size,
                load_size=size,
                generator=generator,
                width=width,
                batch_size=options.batch_size or 1,
                n_critic=options.n_critic or 1,
                steps=max(options.steps, 1),
                run_dir=directory,
            )
        )
        return build(config, domains)

    make.__doc__ = f"{gan_type} with {generator}, {size} pixels, batch 1."
    return make


# What can be measured; each a function (options, width, run directory) -> `OpenRun`.
PROGRAMS = {
    "scogan": _scogan,
    "pix2pix": _translation("pix2pix", "unet", 256),
    "cyclegan": _translation("cyclegan", "resnet9", 128),
}


# --- the peak ------------------------------------------------------------------------------------


def _against_peak(options, program):
    """Lines about plain operations, and about the step beside the fastest convolution."""
    yield f"{program.runtime.device}; TensorFlow {tf.__version__}"
    # The first call builds the program, outside every measurement.
    _seconds(lambda: program.iterate(0))
    step_function = program.runtime.function(lambda: program.iterate(0)).get_concrete_function()
    work = flops(step_function)

    speeds = {}
    for batch, side, channels in CONVOLUTIONS:
        convolve, cost = _convolution(program.runtime, batch, side, channels)
        speeds[convolve] = _speed(convolve, cost), cost
        yield (
            f"3x3 convolution, {batch} x {side} x {side} x {channels}: "
            f"{speeds[convolve][0]:.0f} GFLOP/s"
        )
    multiply, cost = _product(program.runtime)
    yield f"matrix product, {MATRIX} x {MATRIX}: {_speed(multiply, cost):.0f} GFLOP/s"

    convolve = max(speeds, key=speeds.__getitem__)
    cost = speeds[convolve][1]
    before, steps, shares, peaks = _speed(convolve, cost), [], [], []
    for step in range(1, options.iterations + 1):
        steps.append(_seconds(lambda step=step: program.iterate(step)))
        after = _speed(convolve, cost)
        peaks.append((before + after) / 2)
        shares.append(work / steps[-1] / 1e9 / peaks[-1])
        before = after
    o = program.config.flat()
    yield (
        f"step: {options.program}, {o.get('net') or o['generator']} at width {o['width']:g}, "
        f"{o['image_size']} pixels, batch {o['batch_size']}, n_critic {o['n_critic']}: "
        f"{np.median(steps):.3g} s "
        f"(median of {len(steps)}), {work / 1e9:.4g} GFLOP, "
        f"{work / np.median(steps) / 1e9:.0f} GFLOP/s"
    )
    yield (
        f"share of the convolution peak measured between the steps "
        f"({np.median(peaks):.0f} GFLOP/s): {100 * np.median(shares):.0f} % "
        f"({100 * min(shares):.0f} to {100 * max(shares):.0f} %)"
    )
    own = alone(program.runtime, step_function)
    yield (
        f"the step's own convolutions and products, each run alone: {own:.3g} s, "
        f"{work / own / 1e9:.0f} GFLOP/s, {100 * own / np.median(steps):.0f} % of the step"
    )


def _convolution(runtime, batch, side, channels):
    """A compiled 3x3 convolution, and its floating-point operations."""
    images = tf.random.stateless_normal((batch, side, side, channels), (0, 0))
    kernel = tf.random.stateless_normal((3, 3, channels, channels), (0, 1))
    # One number comes back, so that the copy to the host is none of the measurement.
    run = runtime.function(lambda: tf.nn.conv2d(images, kernel, 1, "SAME")[0, 0, 0, 0])
    return run, flops(run.get_concrete_function())


def _product(runtime):
    """A compiled matrix product, and its floating-point operations."""
    one = tf.random.stateless_normal((MATRIX, MATRIX), (0, 2))
    run = runtime.function(lambda: tf.matmul(one, one)[0, 0])
    return run, flops(run.get_concrete_function())


def _speed(run, cost):
    """GFLOP/s of a compiled function over at least SLOT seconds."""
    _seconds(run)
    seconds, count = 0.0, 0
    while seconds < SLOT:
        seconds += _seconds(run)
        count += 1
    return count * cost / seconds / 1e9


def _seconds(run):
    """Wall time of one call, its results on the host."""
    began = time.perf_counter()
    for value in tf.nest.flatten(run()):
        value.numpy()
    return time.perf_counter() - began


# --- counting ------------------------------------------------------------------------------------


def flops(function: Callable) -> float:
    """Floating-point operations of the products and convolutions of one call.

    Two per multiply-add, as a peak is counted; element-wise operations are left out.

    Args:
        function: a concrete function whose shapes are static.

    Returns:
        An int.
    """
    return sum(2 * _MULTIPLY_ADDS[op.type](op) for op in _multiplying(function))


def _multiplying(function):
    """The products and convolutions of one call, in calls of other functions too.

    Only those that reach a result: what is pruned before a run costs nothing.
    """
    graph = function.graph
    seen, stack = set(), [t.op for t in graph.outputs] + list(graph.control_outputs)
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        stack += [t.op for t in op.inputs] + list(op.control_inputs)
        if op.type in _MULTIPLY_ADDS:
            yield op
        elif op.type in ("PartitionedCall", "StatefulPartitionedCall"):
            yield from _multiplying(graph._get_function(op.get_attr("f").name))


def alone(runtime: Any, function: Callable) -> float:
    """Seconds that the products and convolutions of one call take, each kind run by itself.

    Args:
        runtime: `gantrain.runtime.Runtime`, compiles each.
        function: a concrete function whose shapes are static.
    """
    kinds = collections.Counter(map(_kind, _multiplying(function)))
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
    _seconds(run)
    return np.median([_seconds(run) for _ in range(ALONE)])


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


# --- dispatch ------------------------------------------------------------------------------------


def _against_eager(options, program):
    """One line: the compiled step beside the same step run operation by operation."""
    compiled, eager = [], []
    for step in range(options.iterations + 1):
        compiled.append(_seconds(lambda step=step: program.iterate(step)))
        tf.config.run_functions_eagerly(True)
        try:
            eager.append(_seconds(lambda step=step: program.iterate(step)))
        finally:
            tf.config.run_functions_eagerly(False)
    # The first pair holds the compilation.
    compiled, eager = np.array(compiled[1:]), np.array(eager[1:])
    return (
        f"step at width {NARROW:g}: {1e3 * np.median(compiled):.0f} ms compiled, "
        f"{1e3 * np.median(eager):.0f} ms eagerly, {np.median(eager / compiled):.1f} times as "
        f"long (median of {len(eager)})"
    )


# --- a run ---------------------------------------------------------------------------------------


class _Resident(callbacks.Callback):
    """Notes the resident memory and the input wait at every log line."""

    def __init__(self):
        self.steps, self.megabytes, self.waits = [], [], []

    def __call__(self, step, logs):
        if logs:
            self.steps.append(step)
            self.megabytes.append(resident_megabytes())
            self.waits.append(logs["input_wait"])


def _over_time(options, program):
    """Lines about the real loop with the callbacks of a run, over many steps."""
    run, steps = program.directory, options.steps
    resident, state = _Resident(), program.trainer.state()
    loop.fit(
        program.iterate,
        program.batches.host(0),
        program.compiled(program.trainer.report),
        [
            callbacks.Guard(run),
            callbacks.Scalars(run),
            callbacks.Progress(steps, 0, stream=io.StringIO()),
            callbacks.Samples(run, max(steps // 8, 1), watch(program).picture),
            callbacks.Checkpoints(
                run, max(steps // 8, 1), 2, state, lambda: finite(state.values())
            ),
            resident,
        ],
        start=0,
        steps=steps,
        log_every=max(steps // 40, 1),
        also_log=lambda step: False,
        batch_images=(
            program.config.data.batch_size * program.trainer.per_step * len(program.domains)
        ),
        stop=loop.Stop(),
    )
    yield f"input wait: {100 * np.mean(resident.waits):.2f} % of the time of {steps} steps"
    first = int(SETTLED * len(resident.steps))
    at, megabytes = resident.steps[first:], resident.megabytes[first:]
    if len(at) > 1 and all(megabytes):
        slope = 1_000 * np.polyfit(at, megabytes, 1)[0]
        yield (
            f"resident memory from step {at[0]} to {at[-1]}: {megabytes[0]:.0f} to "
            f"{megabytes[-1]:.0f} MB, {slope:+.1f} MB per 1,000 steps"
        )


def resident_megabytes() -> float:
    """Resident memory of this process in MB; 0 where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    import resource

    return pages * resource.getpagesize() / 1e6
