"""State dicts of PyTorch, read without PyTorch and without running anything that a file says.

A file is a pickle that describes tensors, and the bytes of their storages. What the pickle may name
is a short list, and every entry of it only notes down a description; any other name is refused.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import zipfile
from typing import Any, NamedTuple

import numpy as np

from gantrain.errors import UserError
from gantrain.reading import opened

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the format before PyTorch 1.6
_PICKLE_BYTES, _STORAGE_BYTES = 2**22, 2**32  # more than any network here could need

_STORAGES = {
    "BoolStorage": "?", "ByteStorage": "u1", "CharStorage": "i1", "ShortStorage": "i2",
    "IntStorage": "i4", "LongStorage": "i8", "HalfStorage": "f2", "FloatStorage": "f4",
    "DoubleStorage": "f8",
}  # fmt: skip


def read(path: str | os.PathLike, prefix: str | tuple[str, ...] = "") -> dict[str, np.ndarray]:
    """The tensors of a state dict, from either format of `torch.save`.

    Since PyTorch 1.6 a file is a zip archive (`<name>/data.pkl`, `<name>/data/<key>`, `byteorder`);
    before, it was five pickles followed by the storages.

    Args:
        path: file of `torch.save(model.state_dict(), path)`.
        prefix: only tensors whose names begin with it, or with one of several, are read.

    Returns:
        {name: array of the tensor's shape and dtype}.

    Raises:
        UserError: the file is missing, damaged or something else, or names anything but tensors.
    """
    try:
        with opened(path) as file:
            zipped = file.read(4) == b"PK\3\4"
            file.seek(0)
            if not zipped:
                return _tensors(_legacy(file), prefix)
            with zipfile.ZipFile(file) as archive:
                return _tensors(_zipped(archive), prefix)
    except UserError:
        raise
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error}); a .pth file of "
            f"PyTorch is expected"
        ) from None
    except Exception as error:  # a damaged pickle or archive leads to any kind of exception
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path}: not a readable state dict of PyTorch ({reason}); download it "
            f"again, or save model.state_dict() anew"
        ) from None


class _Storage(NamedTuple):
    """Some numbers of one type; `view` is (first, count) in the storage of that key, or None."""

    key: str
    kind: str
    numbers: int
    view: tuple[int, int] | None

    @property
    def bytes(self):
        return self.numbers * np.dtype(self.kind).itemsize


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def __setstate__(self, state):
        """A parameter's gradient flag and hooks are of no interest."""


class _Dict(dict):
    def __init__(self, pairs=()):
        super().__init__()
        for name, value in pairs:
            self[_text(name)] = value

    def __setstate__(self, state):
        """The versions of the modules (`_metadata`) are of no interest."""


class _Name:
    """What a pickle may call. It has no attribute that the pickle could set."""

    __slots__ = ("_function",)

    def __init__(self, function):
        self._function = function

    def __call__(self, *args):
        return self._function(*args)

    def __setstate__(self, state):
        raise pickle.UnpicklingError("it changes a function")


def _tensor(storage, offset, size, stride, *_):
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor has no storage")
    if len(size) > 32:
        raise pickle.UnpicklingError("a tensor has too many axes")
    return _Tensor(
        storage, _natural(offset), tuple(map(_natural, size)), tuple(map(_natural, stride))
    )


def _parameter(tensor, *_):
    return tensor


def _natural(value):
    if type(value) is not int or not 0 <= value < 2**128:
        raise pickle.UnpicklingError("a size, stride or offset is no natural number")
    return value


def _text(value):
    if type(value) is not str:
        # The hash of tuples in tuples may take longer than anybody lives.
        raise pickle.UnpicklingError("a name is no text: something else than named tensors")
    return value


_NAMES = {
    ("collections", "OrderedDict"): _Name(_Dict),
    ("torch", "Size"): _Name(tuple),
    # Before PyTorch 0.4 tensors had no flags, and state dicts held parameters.
    ("torch._utils", "_rebuild_tensor"): _Name(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Name(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Name(_parameter),
    ("torch.nn.parameter", "Parameter"): _Name(_parameter),
    **{("torch", name): name for name in _STORAGES},
}  # fmt: skip


def _refused(unpickler):
    raise pickle.UnpicklingError("it has an operation that no state dict needs")


# In Python, since that of C neither lets an operation be left out nor looks at a key.
_InPython: Any = pickle._Unpickler


class _Unpickler(_InPython):
    dispatch = _InPython.dispatch | {
        operation[0]: _refused
        for operation in (
            pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.INST, pickle.OBJ, pickle.NEWOBJ,
            pickle.NEWOBJ_EX, pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET,
            pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
        )
    }  # fmt: skip

    def load_setitem(self):
        value, name = self.stack.pop(), self.stack.pop()
        self._set([name, value])

    def load_setitems(self):
        self._set(self.pop_mark())

    def load_dict(self):
        items = self.pop_mark()
        self.append({})
        self._set(items)

    dispatch |= {
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
    }

    def _set(self, items):
        if not isinstance(self.stack[-1], dict):
            raise pickle.UnpicklingError("it names an entry of what is no dict")
        for name, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][_text(name)] = value

    def find_class(self, module, name):
        try:
            return _NAMES[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which no state dict needs; nothing of it was run"
            ) from None

    def persistent_load(self, saved):
        what, kind, key, _, count, *view = saved
        if what != "storage" or _text(kind) not in _STORAGES or not isinstance(key, str):
            raise pickle.UnpicklingError("a storage is of an unknown kind")
        if view and view[0] is not None:
            _, first, size = view[0]
            view = [(_natural(first), _natural(size))]
        return _Storage(key, _STORAGES[kind], _natural(count), view[0] if view else None)


def _unpickle(file):
    """The next pickle of a file."""
    return _Unpickler(file, encoding="utf-8").load()


def _legacy(file):
    """(state, load) of the format before PyTorch 1.6; load(storage) gives its root's numbers."""
    head = file.read(_PICKLE_BYTES)
    if head[:1] != b"\x80":
        raise ValueError(_other_kind(head))
    pickles = io.BytesIO(head)
    if _unpickle(pickles) != _MAGIC or _unpickle(pickles) != _PROTOCOL:
        raise ValueError("its first numbers are not those of torch.save")
    _unpickle(pickles)  # the sizes of integers on the machine that wrote it
    state, keys = _unpickle(pickles), _unpickle(pickles)
    storages, places = _storages(state), {}
    position, end = pickles.tell(), file.seek(0, os.SEEK_END)
    for key in keys:
        file.seek(position)
        count = int.from_bytes(file.read(8), "little")
        if _text(key) not in storages or count != storages[key].numbers:
            raise ValueError(f"storage {key} is not the one that its tensors describe")
        places[key] = position + 8
        position += 8 + storages[key].bytes
    if position > end:
        raise ValueError("its end is missing")

    def load(storage):
        file.seek(places[storage.key])
        # Little-endian whatever the machine: PyTorch swaps when it writes.
        return np.frombuffer(file.read(storage.bytes), np.dtype(storage.kind).newbyteorder("<"))

    return state, load


def _other_kind(head):
    if head[257:262] == b"ustar":
        return "a tar archive of PyTorch before 0.1.7, which newer files have replaced"
    if head.lstrip()[:1] == b"<":
        return "a web page"
    return "empty" if not head else "it begins like another kind of file"


def _zipped(archive):
    """(state, load) of the format since PyTorch 1.6."""
    roots = [
        name.removesuffix("data.pkl")
        for name in archive.namelist()
        if name.endswith("/data.pkl") and name.count("/") == 1
    ]
    if len(roots) != 1:
        raise ValueError("a zip archive, but without a data.pkl")
    (root,) = roots
    if root + "constants.pkl" in archive.namelist():
        raise ValueError("a TorchScript program")

    def member(name, limit):
        if archive.getinfo(root + name).file_size > limit:
            raise ValueError(f"{name} is too large")
        return archive.read(root + name)

    order = "little"
    if root + "byteorder" in archive.namelist():
        order = member("byteorder", 16).decode()
    order = {"little": "<", "big": ">"}[order]
    state = _unpickle(io.BytesIO(member("data.pkl", _PICKLE_BYTES)))

    def load(storage):
        data = member(f"data/{storage.key}", storage.bytes)
        return np.frombuffer(data, np.dtype(storage.kind).newbyteorder(order), storage.numbers)

    return state, load


def _storages(state):
    """{key: storage} of a state dict."""
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, _Tensor) for name, value in state.items()
    ):
        raise ValueError("something else than named tensors")
    storages: dict[str, _Storage] = {}
    for value in state.values():
        storage = value.storage._replace(view=None)
        if storages.setdefault(storage.key, storage) != storage:
            raise ValueError(f"storage {storage.key} is described twice")
    return storages


def _tensors(read, prefix):
    state, load = read
    storages, loaded, tensors = _storages(state), {}, {}
    if sum(storage.bytes for storage in storages.values()) > _STORAGE_BYTES:
        raise ValueError("its tensors are too large")
    for name, (storage, offset, size, stride) in state.items():
        if not name.startswith(prefix):
            continue
        if storage.key not in loaded:
            loaded[storage.key] = load(storage)
        numbers = loaded[storage.key]
        if storage.view is not None:
            first, count = storage.view
            numbers = numbers[first : first + count]
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        elements = math.prod(size)
        if elements and (elements > len(numbers) or last >= len(numbers)):
            raise ValueError(f"tensor {name} is larger than its storage")
        width = numbers.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(
            numbers[offset:] if elements else numbers[:0],
            size,
            [width * n for n in stride],
            writeable=False,
        )
        tensors[name] = np.ascontiguousarray(view, numbers.dtype.newbyteorder("=")).reshape(size)
    return tensors
