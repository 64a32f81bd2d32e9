"""Where an iteration's time goes: TensorFlow's own trace, summed by operation."""

from __future__ import annotations

import collections
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from gantrain.bench.clock import seconds
from gantrain.deferred import tf
from gantrain.errors import UserError

LISTED = 0.01  # share of the time from which an operation has a line of its own
# What is none of the networks' arithmetic, in words.
MOVES = {
    "casts": ("Cast",),
    "transposes and layouts": ("Transpose", "_MklToTf", "_MklInputConversion"),
    "copies": ("Slice", "StridedSlice", "ConcatV2", "Pack", "Unpack", "Pad", "Tile", "Split"),
}


def lines(iterate: Callable[[int], dict], iterations: int) -> Iterator[str]:
    """Lines about the operations of an iteration by their share of its time.

    On a GPU, and under XLA, operations are kernels, which are fused: their names say of what.

    Args:
        iterate: step -> tensors; it has run before.
        iterations: how many are traced.
    """
    spent, calls = collections.Counter(), collections.Counter()
    for name, picoseconds in _traced(iterate, iterations):
        spent[name] += picoseconds
        calls[name] += 1
    total = sum(spent.values())
    if not total:
        yield "profile: the trace is empty"
        return
    each = total / 1e9 / iterations
    yield f"profile of {iterations} iterations, {each:.4g} ms each, by operation:"
    for name, picoseconds in spent.most_common():
        if picoseconds < LISTED * total:
            break
        yield (
            f"{100 * picoseconds / total:6.1f} % {picoseconds / 1e9 / iterations:9.3g} ms "
            f"{calls[name] / iterations:6.4g} x {name}"
        )
    for what, names in MOVES.items():
        share = sum(spent[name] for name in names) / total
        yield f"{100 * share:6.1f} % {what}"


def _traced(iterate, iterations):
    """(operation, picoseconds) of every operation of the iterations."""
    try:
        from tensorflow.tsl.profiler.protobuf import xplane_pb2
    except ImportError:
        raise UserError(
            "--profile: this TensorFlow has no reader of its own traces; drop --profile"
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for step in range(iterations):
            seconds(lambda step=step: iterate(step + 1))
        tf.profiler.experimental.stop()
        space = xplane_pb2.XSpace()
        for path in Path(folder).rglob("*.xplane.pb"):
            space.ParseFromString(path.read_bytes())
    devices = [plane for plane in space.planes if plane.name.startswith("/device:GPU")]
    for plane in devices or [p for p in space.planes if p.name == "/host:CPU"]:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if devices:
                    yield name, event.duration_ps
                # The host's threads trace much else; an operation is "where:Type".
                elif ":" in name and "::" not in name and "__inference" not in name:
                    yield name.rpartition(":")[2], event.duration_ps
