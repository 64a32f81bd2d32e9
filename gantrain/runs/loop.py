"""The only training loop: steps, what is done between them, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from gantrain.deferred import tf
from gantrain.files import Unwritten
from gantrain.progress import phase
from gantrain.stop import FREE, STEPS, WRITING, Stop

# The speed is known once so many steps were made, or so many seconds have passed.
EARLY_STEPS, EARLY_SECONDS = 20, 2.0


Logs = dict[str, Any]  # what was measured, host floats, and the hashes of the `networks` that did


class Callback:
    """What is done after every step (`gantrain.runs.callbacks`); this one does nothing.

    The loop calls it with the step that was reached and, on a log step, what was measured, else
    None. Those that come later see what it adds.

    Attributes:
        ended: why the run is over at this step already, or None.
        level: whether a second signal may cut it short (STEPS); nothing that writes may be.
        saved: step of the state that it wrote last.
    """

    ended: str | None = None
    saved: int | None = None
    level = WRITING

    def begin(self, step: int) -> None:
        """Before the first step, at the one that the run goes on from."""

    def __call__(self, step: int, logs: Logs | None) -> None:
        pass

    def pace(self, seconds: float) -> None:
        """How long a step took on average, without the compiling first one, once that is known."""

    def close(self, step: int, over: bool) -> None:
        """Ends it, at the last step of the run (`over`) or where it is interrupted."""


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
        stop: the program's `Stop`.

    Returns:
        The step reached.

    Raises:
        Interrupted: the end was wanted; every callback has been closed, so all is saved.
        Unwritten: a file could not be written; the others were, and the message says whether the
            state is saved. Any other exception passes through and saves nothing: the state may be
            that of half a step.
    """
    step, since, waited = start, None, 0.0
    counted, paced, spent = 0, False, 0.0
    failed: list[Unwritten] = []

    def each(act):
        for callback in callbacks:
            with stop.holding(callback.level):
                try:
                    act(callback)
                except Unwritten as error:
                    # What can be saved is: the others have their turn, then the run ends.
                    failed.append(error)

    def goes_on():
        return not (step >= steps or failed or stop.wanted or any(c.ended for c in callbacks))

    with stop.holding():
        if start:
            each(lambda callback: callback.begin(start))
        while goes_on():
            first, asked = step == start, time.perf_counter()
            with (
                phase("compile", "compiling the step") if first else nullcontext(),
                # Until the first step is made there is nothing to save: it may be left at once.
                stop.holding(FREE if first else STEPS),
            ):
                inputs = next(host)
                waited += time.perf_counter() - asked
                logs = iterate(tf.constant(step, tf.int64), inputs)
                if first:
                    wait_for(logs | report())
            step += 1
            stop.steps += 1
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
            each(lambda callback, step=step, values=values: callback(step, values))
            if first or values:
                since, waited, counted = time.perf_counter(), 0.0, 0
        if step > start or not stop.reason:
            over = not (failed or stop.reason)
            each(lambda callback: callback.close(step, over))
    if failed:
        saved = any(callback.saved == step for callback in callbacks)
        raise Unwritten(f"{failed[0]}{f'; saved at step {step}' if saved else ''}")
    if stop.reason:
        raise stop.interrupted(f"saved at step {step} of {steps}")
    return step
