"""How files that others may have written are opened: as data of bounded size, and nothing runs.

Only regular files are opened: a FIFO would be waited for, a device never ends. JSON is checked
against a form, arrays against the size of their file.
"""

from __future__ import annotations

import json
import math
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import IO, Any

import numpy as np

from gantrain.errors import UserError

# A file that is compressed may become so many times larger, or so large in any case.
EXPANSION, EXPANDED = 200, 2**28
# Bytes of JSON, and how deep it is nested.
JSON_BYTES, JSON_DEPTH = 2**26, 32


def regular(path: str | PathLike) -> os.stat_result:
    """What the system says of a regular file.

    Raises:
        UserError: it is a folder, FIFO, socket or device.
        OSError: it is not there or not to be reached.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a FIFO, socket or device"
        raise UserError(f"{path}: cannot be read, it is {kind}; a regular file is expected")
    return found


def opened(path: str | PathLike) -> IO[bytes]:
    """A regular file, open to be read. Raises as `regular`."""
    regular(path)
    return open(path, "rb")


def most_bytes(path: str | PathLike) -> int:
    """Bytes that what is compressed in a file may have; raises as `regular`."""
    return max(EXPANDED, EXPANSION * regular(path).st_size)


# --- JSON ----------------------------------------------------------------------------------------


def natural(value: Any) -> bool:
    """Whether a JSON value is a whole number from 0 on."""
    return type(value) is int and value >= 0


def read_json(path: str | PathLike, form: Any) -> Any:
    """The value of a JSON file.

    Args:
        path: of a regular file.
        form: as for `parse_json`.

    Raises:
        OSError: it cannot be read.
        UserError: it is no regular file.
        ValueError: it is no JSON of this form; the message says what is wrong, in one line.
    """
    if regular(path).st_size > JSON_BYTES:
        raise ValueError(f"has more than {JSON_BYTES:,} bytes")
    return parse_json(Path(path).read_bytes(), form)


def parse_json(text: str | bytes, form: Any) -> Any:
    """The value of a JSON text of numbers that are finite, nested as deep as files of runs are.

    Args:
        text: JSON, in UTF-8.
        form: a type; a function that says whether a value fits; a list of the form of all entries;
            or a dict {key: form}, where other keys may be present, and one that ends in "?" absent.

    Raises:
        ValueError: it is none.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if text.count("[") + text.count("{") > JSON_DEPTH:
        _refuse_depth(value)
    if "\\u" in text:
        # Half a character cannot be written to any file again.
        json.dumps(value, ensure_ascii=False).encode()
    expect(value, form, "it")
    return value


def expect(value: Any, form: Any, name: str) -> None:
    """Raises ValueError, by its name, for a part of a value that is not of the form given."""
    if isinstance(form, (dict, list)) and not isinstance(value, type(form)):
        raise ValueError(f"{name} is {_short(value)}, not {_called(type(form))}")
    if isinstance(form, list):
        for number, part in enumerate(value):
            expect(part, form[0], f"entry {number} of {name}")
    elif isinstance(form, dict):
        for key, own in form.items():
            key, optional = key.removesuffix("?"), key.endswith("?")
            if key in value:
                expect(value[key], own, key)
            elif not optional:
                raise ValueError(f"{name} has no {key}")
    elif isinstance(form, type):
        if type(value) is not form and form is not object:
            raise ValueError(f"{name} is {_short(value)}, not {_called(form)}")
    elif not form(value):
        raise ValueError(f"{name} is {_short(value)}")


def _called(kind):
    return {dict: "an object", list: "a list", str: "a text", int: "a whole number"}[kind]


def _short(value):
    text = repr(value)
    return text if len(text) < 60 else f"{text[:60]} ..."


def _refuse_depth(value):
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > JSON_DEPTH:
            raise ValueError("is nested too deeply")
        level = [
            part
            for parts in level
            if isinstance(parts, (dict, list))
            for part in (parts.values() if isinstance(parts, dict) else parts)
        ]


def _no_number(text):
    raise ValueError(f"{text} is no number of JSON")


def _real(text):
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:60]} is too large a number")
    return value


def _whole(text):
    if len(text) > 20:
        raise ValueError(f"{text[:60]} is too large a number")
    return int(text)


_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_real, parse_int=_whole)


# --- NumPy's archives ----------------------------------------------------------------------------


def read_arrays(path: str | PathLike, choose: Callable[[list[str]], Any] = list) -> Mapping:
    """Arrays of an .npz archive, none of which is unpickled or larger than the file can hold.

    Args:
        path: of a regular file.
        choose: gives the names that are read, of a list of those that are there.

    Returns:
        {name: array}.

    Raises:
        OSError: it cannot be read.
        UserError: it is no regular file, or `choose` refuses what is there.
        ValueError: it is no such archive, or damaged; the message says how, in one line.
    """
    most = most_bytes(path)
    try:
        with opened(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            names = [member.filename.removesuffix(".npy") for member in members]
            if len(set(names)) < len(names):
                raise ValueError("holds two arrays of one name")
            wanted = [members[names.index(name)] for name in choose(names)]
            if sum(member.file_size for member in wanted) > most:
                raise ValueError("its arrays are too large for the size of the file")
            return {m.filename.removesuffix(".npy"): _array(archive, m) for m in wanted}
    except (UserError, MemoryError):
        raise
    except Exception as error:  # NumPy and zipfile meet damage with many kinds of exception.
        if isinstance(error, OSError) and error.errno:
            raise
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None


def _array(archive, member):
    """The array of a member, whose header must claim just what follows it."""
    name = member.filename.removesuffix(".npy")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise ValueError(f"{name} is of an unknown version {version}")
        shape, by_columns, dtype = readers[version](file)
        if dtype.hasobject:
            raise ValueError(f"{name} holds pickled objects, which are not loaded")
        count = math.prod(shape)
        if file.tell() + count * dtype.itemsize != member.file_size or min(shape, default=0) < 0:
            raise ValueError(f"{name} says {dtype} {list(shape)}, and holds other than that")
        values = np.zeros(count, dtype)
        left = memoryview(values.view(np.uint8) if values.nbytes else b"")
        while left and (read := file.readinto(left)):
            left = left[read:]
        if left or file.read(1):
            raise ValueError(f"{name} has no end")
    return values.reshape(shape, order="F" if by_columns else "C")
