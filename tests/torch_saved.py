"""Files as `torch.save` writes them, byte for byte, without PyTorch.

A stand-in for the module `torch` is registered while a pickle is written, so that the pickle names
what PyTorch's own names. Nothing here is used by `gantrain.nets.torch_files`.
"""

import contextlib
import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
KINDS = {
    "?": "Bool",
    "u1": "Byte",
    "i1": "Char",
    "i2": "Short",
    "i4": "Int",
    "i8": "Long",
    "f2": "Half",
    "f4": "Float",
    "f8": "Double",
}


def _named(module, name):
    def function(*args):
        raise AssertionError("only its name is written")

    function.__module__, function.__name__, function.__qualname__ = module, name, name
    return function


_TORCH = {
    "torch": {
        f"{kind}Storage": type(f"{kind}Storage", (), {"__module__": "torch"})
        for kind in KINDS.values()
    },
    "torch._utils": {
        name: _named("torch._utils", name)
        for name in (
            "_rebuild_tensor",
            "_rebuild_tensor_v2",
            "_rebuild_parameter",
            "_rebuild_qtensor",
        )
    },
    "torch.nn": {},
    "torch.nn.parameter": {"Parameter": _named("torch.nn.parameter", "Parameter")},
}


@contextlib.contextmanager
def fake_torch():
    modules = {name: types.ModuleType(name) for name in _TORCH}
    for name, content in _TORCH.items():
        vars(modules[name]).update(content)
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


class Storage:
    """Numbers of one type; a view has a root, and begins in it at `first`."""

    def __init__(self, numbers, root=None, first=0):
        self.numbers, self.root, self.first = np.ascontiguousarray(numbers), root, first

    @property
    def kind(self):
        return _TORCH["torch"][
            KINDS[self.numbers.dtype.newbyteorder("=").str[1:].replace("b1", "?")] + "Storage"
        ]


class Tensor:
    """A view of a storage; strides and offset count numbers."""

    form = "_rebuild_tensor_v2"

    def __init__(self, storage, size, stride, offset=0):
        self.place = (storage, offset, tuple(size), tuple(stride))

    @classmethod
    def of(cls, array):
        array = np.asarray(array)
        step = array.dtype.itemsize
        return cls(
            Storage(array.ravel()),
            array.shape,
            [s // step for s in np.ascontiguousarray(array).reshape(array.shape).strides],
        )

    def __reduce_ex__(self, protocol):
        more = () if self.form == "_rebuild_tensor" else (False, OrderedDict())
        return _TORCH["torch._utils"][self.form], (*self.place, *more)


class OldTensor(Tensor):
    """As PyTorch wrote it before 0.4."""

    form = "_rebuild_tensor"


class Parameter:
    """`torch.nn.Parameter`, as it is written today."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce_ex__(self, protocol):
        return _TORCH["torch._utils"]["_rebuild_parameter"], (self.tensor, True, OrderedDict())


class OldParameter(Parameter):
    """`torch.nn.Parameter`, as state dicts held it before 0.4: with a state to set."""

    def __reduce_ex__(self, protocol):
        return (
            _TORCH["torch.nn.parameter"]["Parameter"],
            (self.tensor,),
            (True, False, OrderedDict()),
        )


class Metadata(OrderedDict):
    """A state dict with the attribute `_metadata` that modules add."""

    def __reduce_ex__(self, protocol):
        state = {"_metadata": OrderedDict({"": {"version": 1}})}
        return OrderedDict, (), state, None, iter(self.items())


def pickled(state, legacy):
    """(pickle, {key: numbers of a root storage}) of a state dict."""
    keys, storages = {}, {}

    def key_of(storage):
        # Before 1.6 a key was an address, and storages were written in the order of the strings.
        return keys.setdefault(
            id(storage), str(1933719376 - 48 * len(keys) if legacy else len(keys))
        )

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if not isinstance(value, Storage):
                return None
            root = value.root or value
            storages[key_of(root)] = root.numbers
            identity = ("storage", value.kind, key_of(root), "cpu", len(root.numbers))
            if not legacy:
                return identity
            view = (key_of(value), value.first, len(value.numbers)) if value.root else None
            return (*identity, view)

    buffer = io.BytesIO()
    with fake_torch():
        Pickler(buffer, protocol=2).dump(state)
    return buffer.getvalue(), storages


def legacy(state=None, *, parts=None):
    """The bytes of a file from before PyTorch 1.6; `parts` is what `pickled` gives."""
    data, storages = parts or pickled(state, legacy=True)
    info = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    head = [pickle.dumps(v, protocol=2) for v in (MAGIC, 1001, info)]
    keys = sorted(storages)
    return b"".join(
        [
            *head,
            data,
            pickle.dumps(keys, protocol=2),
            *(
                struct.pack("<q", len(storages[key]))
                + storages[key].astype(storages[key].dtype.newbyteorder("<")).tobytes()
                for key in keys
            ),
        ]
    )


def zipped(state=None, *, parts=None, order="little", root="archive"):
    """The bytes of a file since PyTorch 1.6: stored members that begin at multiples of 64."""
    data, storages = parts or pickled(state, legacy=False)
    members = {"data.pkl": data, ".format_version": b"1", ".storage_alignment": b"64"}
    if order:
        members["byteorder"] = order.encode()
    for key, numbers in storages.items():
        swapped = numbers.dtype.newbyteorder("<" if order != "big" else ">")
        members[f"data/{key}"] = numbers.astype(swapped).tobytes()
    members |= {"version": b"3\n", ".data/serialization_id": b"1" * 40}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(f"{root}/{name}")
            begin = buffer.tell() + 30 + len(member.filename) + 4
            padding = -begin % 64
            member.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
            archive.writestr(member, content)
    return buffer.getvalue()


FORMATS = {"legacy": legacy, "zip": zipped}


def save(path, arrays, form="zip"):
    """Arrays as a state dict of plain tensors."""
    path.write_bytes(FORMATS[form](OrderedDict((k, Tensor.of(v)) for k, v in arrays.items())))


# (name of torchvision, channels in, out, kernel) of every convolution, written down from
# torchvision's models, in the order of computation.
BACKBONES = {
    "alex": [
        ("0", 3, 64, 11),
        ("3", 64, 192, 5),
        ("6", 192, 384, 3),
        ("8", 384, 256, 3),
        ("10", 256, 256, 3),
    ],
    "vgg": [
        ("0", 3, 64, 3),
        ("2", 64, 64, 3),
        ("5", 64, 128, 3),
        ("7", 128, 128, 3),
        ("10", 128, 256, 3),
        ("12", 256, 256, 3),
        ("14", 256, 256, 3),
        ("17", 256, 512, 3),
        ("19", 512, 512, 3),
        ("21", 512, 512, 3),
        ("24", 512, 512, 3),
        ("26", 512, 512, 3),
        ("28", 512, 512, 3),
    ],
    "squeeze": [("0", 3, 64, 3)]
    + [
        row
        for i, c, s, e in [
            (3, 64, 16, 64),
            (4, 128, 16, 64),
            (6, 128, 32, 128),
            (7, 256, 32, 128),
            (9, 256, 48, 192),
            (10, 384, 48, 192),
            (11, 384, 64, 256),
            (12, 512, 64, 256),
        ]
        for row in [
            (f"{i}.squeeze", c, s, 1),
            (f"{i}.expand1x1", s, e, 1),
            (f"{i}.expand3x3", s, e, 3),
        ]
    ],
}
CHANNELS = {
    "alex": [64, 192, 384, 256, 256],
    "vgg": [64, 128, 256, 512, 512],
    "squeeze": [64, 128, 256, 384, 384, 512, 512],
}


def random_lpips(net, seed=0):
    """(state dict of torchvision, state dict of the lpips package), random."""
    rng, backbone = np.random.default_rng(seed), {}
    for name, before, after, kernel in BACKBONES[net]:
        weight = rng.standard_normal((after, before, kernel, kernel), np.float32)
        backbone[f"features.{name}.weight"] = weight * np.float32(
            np.sqrt(2 / (kernel * kernel * before))
        )
        backbone[f"features.{name}.bias"] = 0.1 * rng.standard_normal(after, np.float32)
    linear = {
        f"lin{i}.model.1.weight": rng.uniform(0, 1, (1, n, 1, 1)).astype("float32")
        for i, n in enumerate(CHANNELS[net])
    }
    return backbone, linear


def save_npz(path, backbone, linear):
    """The same weights as an .npz: kernels [h, w, in, out], counted from 1."""
    arrays = {}
    for number, name in enumerate([n for n in backbone if n.endswith(".weight")], start=1):
        arrays[f"conv{number}/kernel"] = backbone[name].transpose(2, 3, 1, 0)
        arrays[f"conv{number}/bias"] = backbone[name.replace(".weight", ".bias")]
    for name, value in linear.items():
        arrays[name.split(".")[0]] = value.reshape(1, 1, -1, 1)
    np.savez(path, **arrays)
