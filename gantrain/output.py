"""Standard output and error that may fail without ending what is being done.

A pipe whose reader has left, a terminal that is gone, a log on a full disk: what is said is lost,
and the work goes on.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

NAMES = ("output", "error")


class Output:
    """A text stream that takes no more once it has failed.

    Args:
        stream: the real one; None where the process has none.
        name: for messages.

    Attributes:
        lost: why what was said is lost, in one line; None while it is not, and where nobody listens
            to a pipe any more.
    """

    def __init__(self, stream: TextIO | None, name: str):
        self.stream, self.name, self.failed = stream, name, stream is None
        self.lost: str | None = None
        if isinstance(stream, io.TextIOWrapper):
            # The name of a file may hold what the terminal's alphabet lacks.
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _attempt(self, act: str, *words: str) -> Any:
        try:
            return None if self.failed else getattr(self.stream, act)(*words)
        except (OSError, ValueError) as error:
            self.failed = True
            # ValueError: somebody has closed it.
            if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                reason = error.strerror or error
                self.lost = f"{self.name}: cannot be written ({reason}); what it said is lost"
            return None

    def write(self, text: str) -> int:
        self._attempt("write", text)
        return len(text)

    def flush(self) -> None:
        self._attempt("flush")

    def isatty(self) -> bool:
        return bool(self._attempt("isatty"))


@contextmanager
def bearing() -> Iterator[Output]:
    """Standard output, and error, as `Output` while the block runs; gives the first."""
    # A file that is opened later would get the number of one that is closed, and what C writes.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    output, errors = (
        Output(stream, f"standard {n}") for stream, n in zip(before, NAMES, strict=True)
    )
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
    try:
        yield output
    finally:
        sys.stdout, sys.stderr = before
        for one in (output, errors):
            if one.failed and one.stream is not None:
                _empty(one.stream)


def _empty(stream):
    """Sends what a failed stream still holds nowhere, so that leaving Python does not fail."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
