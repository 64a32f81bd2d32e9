"""Which process wrote a file, and whether it still lives."""

from __future__ import annotations

import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path


def _machine() -> str:
    parts = [platform.node()]
    with suppress(OSError):
        # A process of before a reboot is dead, and other containers have other numbers.
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


# Where the number of a process means the same process, until the next boot.
MACHINE = _machine()


def started(pid: int) -> str | None:
    """When a process of this machine began, as its kernel counts; None if that cannot be known."""
    try:
        # Behind the name, which may hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[19] if fields[0] not in "ZX" else "over"
    except (OSError, IndexError):
        return None


def alive(pid: int, start: str | None = None) -> bool | None:
    """Whether a process of this machine lives; None if that cannot be known.

    Args:
        pid: its number.
        start: what `started` gave for it: a number is used again.
    """
    if os.name != "posix":
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # another user's
    now = started(pid)
    return now != "over" and (start is None or now is None or start == now)
