"""How a program ends early: signals and the time limit, from its first line to its last.

Whatever has to be written is written first. Between two steps of training there is a state to save,
so there a signal only raises a flag (`Stop.holding`); everywhere else, while TensorFlow loads, data
are read, programs compile, scores are measured or models exported, all that counts is on the disk
already, and the program leaves at once. TensorFlow is not needed here: the handlers stand before it
is loaded.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from gantrain.errors import EXIT_USER

EXIT_INTERRUPTED = 75
# What schedulers and terminals send; Windows lacks some.
NAMES = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
# Seconds: a signal that is repeated within REPEAT is one, as a scheduler sends it to a group and to
# its processes; a compilation that does not come back to Python within PATIENCE is left as it is.
REPEAT, PATIENCE, LOOK = 1.0, 5.0, 0.25
# What the program is at: nothing that has to be saved; steps, whose end is waited for unless a
# second signal comes; writing, which nothing shortens.
FREE, STEPS, WRITING = range(3)


class Interrupted(KeyboardInterrupt):
    """A signal or the time limit ended the program early, with everything saved.

    It is no `Exception`, so that nobody who expects damaged files or strange libraries takes it for
    theirs.
    """


class Stop:
    """What ends a program early; one for the whole program, whatever it trains.

    Args:
        limit_seconds: time after which it is wanted, from now on; 0 is none.

    Attributes:
        reason: name of the first signal, or "time limit"; None while nothing is wanted.
        steps: of training that were made so far.
    """

    def __init__(self, limit_seconds: float = 0.0):
        self.reason: str | None = None
        self.steps, self._raised = 0, False
        self.began = time.monotonic()
        self._level, self._since = FREE, 0.0
        self._deadline: float | None = None
        self.limit(limit_seconds)

    def limit(self, seconds: float) -> None:
        """Sets the time, counted from the beginning of the program, after which it is wanted."""
        self._deadline = self.began + seconds if seconds else None

    @property
    def wanted(self) -> str | None:
        """Why the program should end now, or None."""
        self._look()
        return self.reason

    def _look(self):
        if self._deadline and time.monotonic() > self._deadline:
            self._first("time limit")

    def _first(self, reason):
        if self.reason is None:
            self.reason, self._since = reason, time.monotonic()

    def check(self) -> None:
        """Raises Interrupted if the end is wanted: for moments at which all is saved."""
        if self.wanted:
            raise self.interrupted()

    def interrupted(self, where: str = "all that was finished is saved") -> Interrupted:
        """What is raised at the end; `where` says what was saved."""
        self._raised = True
        if self.code == EXIT_USER:
            return Interrupted(
                "--time_limit: over before a step was made, since loading, compiling or measuring "
                "took longer; give more"
            )
        reason = self.reason or "interrupted"
        return Interrupted(f"{reason}: {where}; the same command goes on from there")

    @contextmanager
    def holding(self, level: int = STEPS) -> Iterator[None]:
        """Lets signals wait while the block runs: it ends by itself, and `wanted` is asked then."""
        before, self._level = self._level, level
        try:
            yield
        finally:
            self._level = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal."""
        self._first(signal.Signals(number).name)
        if self._level == FREE and not self._raised:
            raise self.interrupted()
        if self._level == STEPS and time.monotonic() - self._since > REPEAT:
            raise self.interrupted("left at once, the last checkpoint is whole")

    @property
    def code(self) -> int:
        """The exit code of a program that was interrupted.

        A time limit within which no step is made would have the job requeued for ever.
        """
        return EXIT_USER if self.reason == "time limit" and not self.steps else EXIT_INTERRUPTED

    def watch(self, over: threading.Event) -> None:
        """Sees to the end where nobody asks whether it is wanted, until `over`; for a thread."""
        idle = 0.0
        while not over.wait(LOOK):
            self._look()
            idle = idle + LOOK if self.reason and self._level == FREE else 0.0
            if idle and not self._raised:
                # The time limit comes by itself; the exception of a signal may have got lost.
                _thread.interrupt_main(signal.SIGINT)
            elif idle > PATIENCE:
                # A library does not come back to Python. Nothing is being written here.
                with suppress(OSError):
                    os.write(2, f"gantrain: {self.interrupted()}\n".encode())
                os._exit(self.code)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Raises once more what a destructor or a library has lost, rather than showing it."""

        def instead(show):
            def hook(*error):
                if self._raised:
                    self._raised = False
                else:
                    show(*error)

            return hook

        before = sys.excepthook, sys.unraisablehook
        sys.excepthook, sys.unraisablehook = map(instead, before)
        try:
            yield
        finally:
            sys.excepthook, sys.unraisablehook = before


_program: Stop | None = None


def current(limit_seconds: float = 0.0) -> Stop:
    """The `Stop` of the program under way; outside one, as in a notebook, a fresh one."""
    return _program or Stop(limit_seconds)


@contextmanager
def listening(stop: Stop, ends: bool = False) -> Iterator[None]:
    """Signals are handled by `stop` while the block runs (in the main thread only).

    Args:
        stop: becomes the `current` one.
        ends: True if the process ends after the block: signals change nothing of how it ended.
    """
    global _program
    if _program is stop or threading.current_thread() is not threading.main_thread():
        yield
        return
    # Under `nohup` a terminal may be closed.
    heard = [n for n in SIGNALS if n.name != "SIGHUP" or signal.getsignal(n) is not signal.SIG_IGN]
    outer, _program, over = _program, stop, threading.Event()
    before = {n: signal.signal(n, stop) for n in heard}
    threading.Thread(target=stop.watch, args=(over,), daemon=True).start()
    try:
        with stop.heard():
            yield
    finally:
        over.set()
        _program = outer
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if ends else handler)
