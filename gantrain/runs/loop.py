"""The only training loop; resume, signals, time limit."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any

from gantrain.deferred import tf
from gantrain.progress import phase

# The speed is known once so many steps were made, or so many seconds have passed.
EARLY_STEPS, EARLY_SECONDS = 20, 2.0


class Interrupted(Exception):
    """A signal or the time limit ended the run early, with everything saved."""


Logs = dict[str, Any]  # what was measured, host floats, and the hashes of the `networks` that did


class Callback:
    """What is done after every step (`gantrain.runs.callbacks`); this one does nothing.

    The loop calls it with the step that was reached and, on a log step, what was measured, else
    None. Those that come later see what it adds.
    """

    def __call__(self, step: int, logs: Logs | None) -> None:
        pass

    def pace(self, seconds: float) -> None:
        """How long a step took on average, without the compiling first one, once that is known."""

    def close(self, step: int) -> None:
        """Ends it, at the last step."""


class Stop:
    """A flag that signals and the time limit raise and the loop reads between two steps."""

    def __init__(self, limit_seconds: float = 0.0):
        self.reason: str | None = None
        self.finished = False
        self._deadline = time.monotonic() + limit_seconds if limit_seconds else None

    @property
    def wanted(self) -> str | None:
        if self._deadline and time.monotonic() > self._deadline:
            self.reason = self.reason or "time limit"
        return self.reason

    def finish(self, reason: str) -> None:
        """Ends the run here as one that has reached its end."""
        self.reason, self.finished = reason, True

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.reason:
            raise KeyboardInterrupt  # the second Ctrl-C does not wait for the step
        self.reason = signal.Signals(number).name


@contextmanager
def listening(stop: Stop) -> Iterator[None]:
    """SIGINT and SIGTERM raise the flag while the block runs (in the main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(n, stop) for n in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def wait_for(logs: dict) -> None:
    """Returns once the device has made the step of these logs."""
    float(next(iter(logs.values())))


def fit(
    iterate: Callable[..., dict],
    host: Iterator[tuple],
    report: Callable[[], dict],
    callbacks: Sequence[Callback],
    *,
    start: int,
    steps: int,
    log_every: int,
    also_log: Callable[[int], bool],
    batch_images: int,
    stop: Stop,
) -> int:
    """Runs steps `start` ... `steps`; nothing waits for the device between two log steps.

    But twice at the beginning: for the end of the compiling, and to know the speed.

    Args:
        iterate: compiled (step, host input) -> {name: scalar tensor}.
        host: iterator of host inputs from `start` on.
        report: compiled () -> {name: scalar tensor}, read with every log line.
        callbacks: see `gantrain.runs.callbacks`.
        start, steps: first step and the step to reach.
        log_every: steps between two log lines; `also_log(step)` asks for further ones.
        batch_images: images that one step consumes, for `images_per_second`.
        stop: a `Stop`.

    Returns:
        The step reached.

    Raises:
        Interrupted: the flag was raised; every callback has been closed, so all is saved. Any other
            exception passes through and saves nothing: the state may be that of half a step.
    """
    step, since, waited = start, None, 0.0
    counted, paced, spent = 0, False, 0.0
    while step < steps and not stop.wanted:
        first, asked = step == start, time.perf_counter()
        with phase("compile", "compiling the step") if first else nullcontext():
            inputs = next(host)
            waited += time.perf_counter() - asked
            logs = iterate(tf.constant(step, tf.int64), inputs)
            if first:
                wait_for(logs | report())
        step += 1
        counted += 1
        done, values = step - start - 1, None
        early = not paced and (done >= EARLY_STEPS or spent > EARLY_SECONDS)
        if step % log_every == 0 or step == steps or also_log(step):
            values = {name: float(v) for name, v in (logs | report()).items()}
            now = time.perf_counter()
            # The first interval holds the compilation; its speed is that of no later step.
            elapsed = now - (since or asked)
            values |= {
                "images_per_second": counted * batch_images / elapsed,
                "input_wait": waited / elapsed,
            }
        elif early:
            wait_for(logs)
        if done:
            spent += time.perf_counter() - asked
        paced = paced or early or bool(done and values)
        if paced:
            for callback in callbacks:
                callback.pace(spent / done)
        for callback in callbacks:
            callback(step, values)
        if first or values:
            since, waited, counted = time.perf_counter(), 0.0, 0
    for callback in callbacks:
        callback.close(step)
    if step < steps and not stop.finished:
        raise Interrupted(
            f"{stop.reason}: saved at step {step} of {steps}; the same command goes on from there"
        )
    return step
