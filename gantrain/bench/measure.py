"""The report of `gantrain bench`: ratios of things measured in turns.

Absolute figures drift with whatever else a machine runs. So the step stands between two runs of a
plain convolution of the same precision, one precision's step beside the other's, the compiled step
between two eager ones.
"""

from __future__ import annotations

import io
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gantrain import files
from gantrain.bench import profile
from gantrain.bench.clock import seconds
from gantrain.bench.count import alone, flops, held
from gantrain.bench.programs import program
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.reading import read_json
from gantrain.runs import callbacks, loop
from gantrain.runs.train import all_finite
from gantrain.stop import current
from gantrain.use.watch import watch

NARROW = 0.125  # width at which dispatch, not arithmetic, would limit an eager step
CONVOLUTIONS = ((64, 32, 128), (64, 16, 256), (64, 16, 512), (64, 8, 512))  # batch, side, channels
MATRIX = 2_048
SLOT = 0.5  # seconds of convolutions between two steps
SETTLED = 0.25  # share of the steps after which resident memory must be flat


def report(options: Any) -> Iterator[str]:
    """Measures this machine and the step on it.

    Args:
        options: `gantrain.commands.tables.Bench`.

    Yields:
        One line of text per finding.

    Raises:
        UserError: the file to compare with is not one of these measurements.
    """
    before = _earlier(options.compare, options.program) if options.compare else None
    with tempfile.TemporaryDirectory() as directory:
        if options.only in (None, "peak"):
            measured = []
            yield from _against_peak(options, directory, measured)
            yield from _written(options, measured, before)
        if options.only in (None, "eager"):
            yield _against_eager(options, _narrow(options, directory))
        if options.only in (None, "memory") and options.steps:
            yield from _over_time(options, _narrow(options, directory))


def _narrow(options, directory):
    return program(options, options.precision.split(",")[0], NARROW, directory)


# --- the peak ------------------------------------------------------------------------------------


class _Measured:
    """One precision of the program, and what was found out about it.

    Attributes:
        started, compiled: seconds until it was built, and of the first call.
        work: floating-point operations of an iteration.
        peaks, steps: GFLOP/s of the convolution around every timed iteration, and its seconds.
    """

    def __init__(self, options, precision, directory):
        began, self.precision = time.perf_counter(), precision
        self.program = program(options, precision, options.width or None, directory)
        self.started = time.perf_counter() - began
        self.compiled = seconds(lambda: self.program.iterate(0))
        runtime = self.program.runtime
        compiled: Any = runtime.function(lambda: self.program.iterate(0))
        self.function = compiled.get_concrete_function()
        self.work = flops(self.function)
        kind = {"mixed_bfloat16": tf.bfloat16, "mixed_float16": tf.float16}
        self.dtype = kind.get(precision, tf.float32)
        self.convolve, self.cost = _fastest(runtime, self.dtype)
        self.peaks, self.steps = [], []

    def time(self, step):
        """One iteration between two runs of the convolution."""
        before = _speed(self.convolve, self.cost)
        self.steps.append(seconds(lambda: self.program.iterate(step)))
        self.peaks.append((before + _speed(self.convolve, self.cost)) / 2)

    def figures(self):
        """What `--output` stores; images count those of every domain and update."""
        step, trainer = float(np.median(self.steps)), self.program.trainer
        images = self.program.config.data.batch_size * trainer.per_step * len(self.program.domains)
        shares = self.work / np.array(self.steps) / 1e9 / np.array(self.peaks)
        return {
            "precision": self.precision,
            "seconds": step,
            "gflop": self.work / 1e9,
            "images_per_second": images / step,
            "images_per_convolution": images / step / (float(np.median(self.peaks)) / 1e3),
            "convolution_gflops": float(np.median(self.peaks)),
            "share": float(np.median(shares)),
            "share_low": float(shares.min()),
            "share_high": float(shares.max()),
            "started_seconds": self.started,
            "compile_seconds": self.compiled,
        }


def _against_peak(options, directory, measured):
    """Lines about plain operations, and about the steps beside the fastest convolution."""
    for precision in options.precision.split(","):
        base = _resident_peak()
        one = _Measured(options, precision, directory)
        measured.append(one)
        runtime = one.program.runtime
        if len(measured) == 1:
            yield f"{runtime.device}; TensorFlow {tf.__version__}"
        yield (
            f"{precision}: built in {one.started:.1f} s, compiled with its first iteration in "
            f"{one.compiled:.1f} s; best 3x3 convolution {_speed(one.convolve, one.cost):.0f}, "
            f"matrix product {_speed(*_product(runtime, one.dtype)):.0f} GFLOP/s"
        )
        counted, variables = held(one.function.graph), _variables(one.program)
        yield (
            f"{precision}: memory on paper {(counted + variables) / 1e6:.0f} MB (weights and "
            f"moments {variables / 1e6:.0f}, the rest while an iteration runs); this process grew "
            f"by {_resident_peak() - base:.0f} MB at its peak, TensorFlow's own code included"
        )
    for step in range(1, options.iterations + 1):
        for one in measured:
            one.time(step)
    o = measured[0].program.config.flat()
    yield (
        f"step: {options.program}, {o.get('net') or o.get('generator') or o['classifier_net']} at "
        f"width {o['width']:g}, {o['image_size']} pixels, batch {o['batch_size']}, n_critic "
        f"{o.get('n_critic', 1)}: {measured[0].work / 1e9:.4g} GFLOP"
    )
    for one in measured:
        found = one.figures()
        yield (
            f"{one.precision}: {found['seconds']:.3g} s (median of {len(one.steps)}), "
            f"{1 / found['seconds']:.3g} iterations and {found['images_per_second']:.3g} images "
            f"per second, {one.work / found['seconds'] / 1e9:.0f} GFLOP/s"
        )
        yield (
            f"{one.precision}: share of the convolution peak measured between the steps "
            f"({found['convolution_gflops']:.0f} GFLOP/s): {100 * found['share']:.0f} % "
            f"({100 * found['share_low']:.0f} to {100 * found['share_high']:.0f} %)"
        )
        own = alone(one.program.runtime, one.function)
        yield (
            f"{one.precision}: the step's own convolutions and products, each run alone: "
            f"{own:.3g} s, {100 * own / found['seconds']:.0f} % of the step"
        )
        ratios = np.array(one.steps) / np.array(measured[0].steps)
        if one is not measured[0]:
            yield (
                f"{one.precision} takes {np.median(ratios):.2f} of the time of "
                f"{measured[0].precision} ({ratios.min():.2f} to {ratios.max():.2f})"
            )
        if options.profile:
            yield from profile.lines(one.program.iterate, options.iterations)


def _written(options, measured, before):
    """Stores the figures, and lines about their ratio to those of an earlier run."""
    found = {"program": options.program, "measured": [one.figures() for one in measured]}
    if options.output:
        files.write_text(options.output, files.to_json(found, indent=2) + "\n")
    old = {m["precision"]: m for m in before["measured"]} if before else {}
    for new in found["measured"]:
        if new["precision"] in old:
            was = old[new["precision"]]
            yield (
                f"{new['precision']} against {options.compare}: "
                f"{new['images_per_convolution'] / was['images_per_convolution']:.2f} times the "
                "images per second, each beside its own convolution"
            )


_MEASURED = {
    "precision": str,
    "images_per_convolution": lambda value: type(value) in (int, float) and value > 0,
}


def _earlier(path, name):
    """The figures that an earlier `--output` stored."""
    try:
        found = read_json(path, {"program": str, "measured": [_MEASURED]})
        if found["program"] != name:
            raise UserError(f"--compare {path}: it measured {found['program']}, not {name}")
    except OSError as error:
        raise UserError(f"--compare {path}: {error.strerror}") from None
    except ValueError:
        raise UserError(f"--compare {path}: no file that bench --output wrote") from None
    return found


def _variables(opened):
    """Bytes of everything that a checkpoint of a run holds."""
    return sum(
        int(np.prod(v.shape)) * tf.as_dtype(v.dtype).size for v in opened.trainer.state().values()
    )


def _resident_peak():
    """The largest resident memory of this process so far in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _fastest(runtime, dtype):
    """The fastest of the CONVOLUTIONS, compiled, and its floating-point operations."""
    made = [_convolution(runtime, dtype, *shape) for shape in CONVOLUTIONS]
    return max(made, key=lambda one: _speed(*one))


def _convolution(runtime, dtype, batch, side, channels):
    """A compiled 3x3 convolution, and its floating-point operations."""
    images = tf.cast(tf.random.stateless_normal((batch, side, side, channels), (0, 0)), dtype)
    kernel = tf.cast(tf.random.stateless_normal((3, 3, channels, channels), (0, 1)), dtype)
    # One number comes back, so that the copy to the host is none of the measurement.
    run = runtime.function(lambda: tf.nn.conv2d(images, kernel, 1, "SAME")[0, 0, 0, 0])
    return run, flops(run.get_concrete_function())


def _product(runtime, dtype):
    """A compiled matrix product, and its floating-point operations."""
    one = tf.cast(tf.random.stateless_normal((MATRIX, MATRIX), (0, 2)), dtype)
    run = runtime.function(lambda: tf.matmul(one, one)[0, 0])
    return run, flops(run.get_concrete_function())


def _speed(run: Callable, cost: float) -> float:
    """GFLOP/s of a compiled function over at least SLOT seconds."""
    seconds(run)
    spent, count = 0.0, 0
    while spent < SLOT:
        spent += seconds(run)
        count += 1
    return count * cost / spent / 1e9


# --- dispatch ------------------------------------------------------------------------------------


def _against_eager(options, program):
    """One line: the compiled step beside the same step run operation by operation."""
    compiled, eager = [], []
    for step in range(options.iterations + 1):
        compiled.append(seconds(lambda step=step: program.iterate(step)))
        tf.config.run_functions_eagerly(True)
        try:
            eager.append(seconds(lambda step=step: program.iterate(step)))
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
                run, max(steps // 8, 1), 2, state, lambda: all_finite(state.values())
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
        stop=current(),
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
    return pages * resource.getpagesize() / 1e6
