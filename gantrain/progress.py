"""What the program is doing, how far it is, and where its time went.

A phase that is over within seconds says nothing. One that lasts shows what it does and, where that
can be known, how far it is: on a terminal one line that is written anew every second and wiped in
the end, elsewhere a line now and then, ever more rarely.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO, TypeVar

# Seconds: before a phase speaks, between two writings of a live line, between two lines at most.
PATIENCE, LIVE, RARELY = 3.0, 1.0, 60.0
# Kinds of phases in the order in which they are told; "other" is the time between them.
KINDS = ("start", "data", "classifiers", "compile", "steps", "measuring", "saving", "other")

T = TypeVar("T")


class Phase:
    """A stretch of time; `phase` makes it.

    Attributes:
        kind: of KINDS, what its time is counted as.
        text: what is being done; "" for a phase whose work speaks for itself.
        whole: True if the phases inside are of its kind, too.
        seconds: how long it took, once it is over, the phases inside included.
        done, total: how far it is; a total of 0 is not known.
    """

    def __init__(self, kind: str, text: str, whole: bool):
        self.kind, self.text, self.whole = kind, text, whole
        self.seconds, self.done, self.total = 0.0, 0, 0
        self.began, self.over = time.monotonic(), threading.Event()

    def __str__(self):
        far = f": {self.done:,} of {self.total:,}" if self.total else ""
        return f"{self.text}{far}, {clock(time.monotonic() - self.began)}"


class Course:
    """The phases of one program: those under way, innermost last, and the seconds of each kind."""

    def __init__(self):
        self.began = self.mark = time.monotonic()
        self.phases: list[Phase] = []
        self.spent = dict.fromkeys(KINDS, 0.0)

    def turn(self) -> None:
        """Gives the time since the last turn to what is under way."""
        now = time.monotonic()
        outer = next((p for p in self.phases if p.whole), None)
        inner = outer or (self.phases[-1] if self.phases else None)
        self.spent[inner.kind if inner else "other"] += now - self.mark
        self.mark = now


_course = Course()
_writing = threading.Lock()
# Whether the last thing on the terminal is a live line.
_live = False


def restart() -> None:
    """Forgets the time of earlier programs of this process."""
    global _course
    _course = Course()


@contextmanager
def phase(kind: str, text: str = "", whole: bool = False) -> Iterator[Phase]:
    """Counts the time of a block, and says what it does once it lasts.

    Args:
        kind, text, whole: see `Phase`.
    """
    course, own = _course, Phase(kind, text, whole)
    course.turn()
    course.phases.append(own)
    if text:
        threading.Thread(target=_tell, args=(course, own, sys.stdout), daemon=True).start()
    try:
        yield own
    finally:
        course.turn()
        course.phases.remove(own)
        own.seconds = time.monotonic() - own.began
        with _writing:
            own.over.set()
        if text:
            _wipe(sys.stdout)


def track(items: Iterable[T], total: int) -> Iterator[T]:
    """The items of a loop, whose number the phase under way shows."""
    for done, item in enumerate(items):
        at(done, total)
        yield item


def at(done: int, total: int) -> None:
    """How far the phase under way is."""
    for own in _course.phases[-1:]:
        own.done, own.total = done, total


def say(line: str, stream: TextIO | None = None) -> None:
    """Prints a line, in the place of a live one where there is one."""
    stream = stream or sys.stdout
    _wipe(stream)
    print(line, file=stream, flush=True)


def live(line: str, stream: TextIO | None = None) -> bool:
    """Writes a line that the next one takes the place of; False where that is no terminal."""
    stream = stream or sys.stdout
    if not stream.isatty():
        return False
    with _writing:
        _rewrite(line, stream)
    return True


def went() -> str:
    """Where the time went since the program began, in one line."""
    _course.turn()
    each = ", ".join(f"{kind} {_length(s)}" for kind, s in _course.spent.items() if s >= 0.5)
    return f"{_length(time.monotonic() - _course.began)}: {each or 'start'}"


def _length(seconds):
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _tell(course, own, stream):
    wait = PATIENCE
    # A stream may be closed before the program is, as a test's is.
    with suppress(ValueError):
        while not own.over.wait(wait):
            if course.phases[-1:] != [own]:
                continue
            if not stream.isatty():
                say(str(own), stream)
                wait = min(2 * wait, RARELY)
                continue
            wait = LIVE
            with _writing:
                if not own.over.is_set():
                    _rewrite(str(own), stream)


def _rewrite(line, stream):
    global _live
    stream.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
    stream.flush()
    _live = True


def _wipe(stream):
    global _live
    with _writing:
        if _live:
            stream.write("\r\x1b[K")
            stream.flush()
        _live = False
