"""How files are written, so that none is ever seen half, and what a file is known by."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any

from gantrain.errors import UserError


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

    A full disk, a signal or an exception leaves the old file whole. The suffix is kept, since some
    writers choose their format by it; the rest of the name is short, since `path` may have the
    longest name that a file can have.

    Raises:
        Unwritten: the file cannot be written; the message says why.
    """
    path = Path(path)
    name = hashlib.sha256(path.name.encode()).hexdigest()[:16]
    temporary = path.with_name(f".writing-{os.getpid()}-{name}{path.suffix[-16:]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise unwritten(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | PathLike, text: str) -> None:
    """Writes a text file in one atomic step."""
    with replacing(path) as temporary:
        temporary.write_text(text)


def file_name(text: str) -> str:
    """A text as (part of) the name of a file: what a path cannot hold anywhere becomes "_"."""
    return re.sub(r"[^A-Za-z0-9_.]+", "_", text)


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
