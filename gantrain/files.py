"""How files are written, so that none is ever seen half, and what a file is known by."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any

from gantrain.errors import UserError
from gantrain.processes import MACHINE, alive


class Unwritten(UserError):
    """A file could not be written, as on a full disk: what is in memory can still be saved."""


def unwritten(path: str | PathLike, error: OSError) -> Unwritten:
    """The line about a file that could not be written."""
    return Unwritten(
        f"{path}: cannot be written ({error.strerror or error}); free space or choose another "
        f"place, then run the command again"
    )


@contextmanager
def replacing(path: str | PathLike) -> Iterator[Path]:
    """Gives a temporary path beside `path` that becomes `path` if the block succeeds.

    A full disk, a signal or an exception leaves the old file whole, and what a killed process has
    left goes with the next. The suffix is kept, since some writers choose their format by it; the
    rest of the name is short, since `path` may have the longest name that a file can have.

    Raises:
        Unwritten: the file cannot be written; the message says why.
    """
    path = Path(path)
    own = temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        yield own
        with open(own, "rb") as written:
            os.fsync(written.fileno())
        os.replace(own, path)
    except OSError as error:
        raise unwritten(path, error) from error
    finally:
        with suppress(OSError):
            own.unlink(missing_ok=True)


def temporary(path: Path) -> Path:
    """Beside `path`, the name of what is being written to it, which says by whom."""
    name = hashlib.sha256(path.name.encode()).hexdigest()[:16]
    return path.with_name(f".writing-{MACHINE}-{os.getpid()}-{name}{path.suffix[-16:]}")


TEMPORARY = re.compile(r"\.writing-([0-9a-f]{8})-(\d+)-.*")
# Seconds after which what another machine began to write is taken for left behind.
ABANDONED = 3_600.0
_swept: set[str] = set()


def sweep(folder: Path, alone: bool = False) -> None:
    """Removes what processes that were killed while they wrote have left; once for each folder.

    Args:
        folder: where a file is about to be written.
        alone: True if nobody else can be writing there.
    """
    if str(folder) in _swept and not alone:
        return
    _swept.add(str(folder))
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = TEMPORARY.fullmatch(entry.name)
            if not found or found.groups() == (MACHINE, str(os.getpid())):
                continue
            lives = alive(int(found[2])) if found[1] == MACHINE else None
            with suppress(OSError):
                if alone or lives is False or time.time() - entry.stat().st_mtime > ABANDONED:
                    os.unlink(entry.path)


def write_text(path: str | PathLike, text: str) -> None:
    """Writes a text file in one atomic step."""
    with replacing(path) as temporary:
        temporary.write_text(text)


def file_name(text: str) -> str:
    """A text as (part of) the name of a file: what a path cannot hold anywhere becomes "_"."""
    return re.sub(r"[^A-Za-z0-9_.]+", "_", text)


# Characters of a name, which file systems end at 255; what is moved aside gets more.
LONGEST = 200


def short(name: str) -> str:
    """The name of a file or folder, whose end is a hash where it would be too long."""
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 13]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def finite(value: Any) -> Any:
    """A JSON value without what JSON cannot hold.

    A score that is NaN or infinite is undefined, and left out of its dict; in a list it is None.
    """
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items() if not _undefined(v)}
    if isinstance(value, (list, tuple)):
        return [None if _undefined(v) else finite(v) for v in value]
    return value


def _undefined(value):
    return isinstance(value, float) and not math.isfinite(value)


def to_json(value: Any, indent: int | None = None) -> str:
    """The text of a JSON value, `finite`: what every file of a run is written by."""
    return json.dumps(finite(value), indent=indent, allow_nan=False) + "\n"


def sha256(path: str | PathLike) -> str:
    """Hash of a file, in hexadecimal: what a number that rests on a file is stored with."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
