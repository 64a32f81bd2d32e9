"""State dicts of PyTorch: both formats to the byte, and files that mean harm."""

import io
import os
import pickle
import random
import struct
import sys
import tarfile
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from torch_saved import (
    FORMATS,
    KINDS,
    Metadata,
    OldParameter,
    OldTensor,
    Parameter,
    Storage,
    Tensor,
    fake_torch,
    legacy,
    pickled,
    save,
    zipped,
)

from gantrain.errors import UserError
from gantrain.nets import torch_files

BOTH = pytest.mark.parametrize("form", FORMATS)


@pytest.fixture
def read(tmp_path):
    def reading(data, **options):
        path = tmp_path / "file.pth"
        path.write_bytes(data)
        return torch_files.read(path, **options)

    return reading


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_type_and_shape(tmp_path, form, kind):
    rng = np.random.default_rng(0)
    arrays = {
        f"a{shape}": rng.normal(0, 90, shape).astype(kind)
        for shape in [(), (1,), (7,), (2, 3), (4, 3, 2, 5), (0, 3)]
    }
    save(tmp_path / "a.pth", arrays, form)
    found = torch_files.read(tmp_path / "a.pth")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and found[name].dtype.isnative
        np.testing.assert_array_equal(found[name], array)


@BOTH
def test_strides_and_offsets_are_those_of_the_storage(read, form):
    shared = Storage(np.arange(24, dtype=np.float32))
    found = read(
        FORMATS[form](
            {
                "whole": Tensor(shared, (4, 6), (6, 1)),
                "transposed": Tensor(shared, (6, 4), (1, 6)),
                "last": Tensor(shared, (6,), (1,), 18),
                "column": Tensor(shared, (4,), (6,), 5),
                "nothing": Tensor(shared, (0, 9), (9, 1), 24),
            }
        )
    )
    whole = np.arange(24, dtype=np.float32).reshape(4, 6)
    for name, expected in {
        "whole": whole,
        "transposed": whole.T,
        "last": whole[3],
        "column": whole[:, 5],
        "nothing": np.zeros((0, 9)),
    }.items():
        np.testing.assert_array_equal(found[name], expected)


@pytest.mark.parametrize("order", ["little", "big", None])
def test_the_byte_order_is_that_of_the_archive(read, order):
    found = read(zipped({"a": Tensor.of(np.float32([1, -2.5]))}, order=order, root="my model"))
    np.testing.assert_array_equal(found["a"], [1, -2.5])


@BOTH
def test_a_prefix_reads_only_what_begins_with_it(read, form):
    parts = pickled(
        {name: Tensor.of(np.ones(3)) for name in ("features.0", "lin0", "head")}, form == "legacy"
    )
    assert list(read(FORMATS[form](parts=parts), prefix="features.")) == ["features.0"]
    assert list(read(FORMATS[form](parts=parts), prefix=("lin", "head"))) == ["lin0", "head"]


def test_parameters_views_and_metadata(read):
    root = Storage(np.arange(9, dtype=np.float32))
    view = Storage(root.numbers[2:7], root, 2)
    state = Metadata(
        a=OldParameter(OldTensor(view, (2, 2), (2, 1), 1)),
        b=Parameter(Tensor.of(np.float32([4, 5]))),
        c=OldTensor(root, (9,), (1,)),
    )
    found = read(legacy(state))
    np.testing.assert_array_equal(found["a"], [[3, 4], [5, 6]])
    np.testing.assert_array_equal(found["b"], [4, 5])
    np.testing.assert_array_equal(found["c"], np.arange(9))
    with pytest.raises(UserError, match="larger than its storage"):
        read(legacy({"a": OldTensor(view, (6,), (1,))}))


def test_a_file_of_python_2_opcode_by_opcode(read):
    """The layout of the linear weights in the lpips package, saved from a GPU in 2018."""

    def string(text):
        return b"U" + bytes([len(text)]) + text.encode()

    def tensor(name, key, count):
        return (
            b"]("
            + string(name)
            + b"ctorch._utils\n_rebuild_tensor_v2\n(("
            + string("storage")
            + b"ctorch\nFloatStorage\n"
            + string(key)
            + string("cuda:0")
            + b"\x8a\x02"
            + struct.pack("<h", count)
            + b"NtQK\x00(K\x01M"
            + struct.pack("<H", count)
            + b"K\x01K\x01t(M"
            + struct.pack("<H", count)
            + b"K\x01K\x01K\x01t\x89NtRe"
        )

    info = (
        b"\x80\x02}q\x01("
        + string("protocol_version")
        + b"q\x02M\xe9\x03"
        + string("type_sizes")
        + b"}("
        + string("int")
        + b"K\x04u"
        + string("little_endian")
        + b"\x88u."
    )
    state = (
        b"\x80\x02ccollections\nOrderedDict\nq\x01]q\x02("
        + tensor("lin0", "1933719376", 64)
        + tensor("lin1", "1917047168", 192)
        + b"e\x85R."
    )
    keys = b"\x80\x02](" + string("1917047168") + string("1933719376") + b"e."
    data = (
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."
        + info
        + state
        + keys
    )
    for count in (192, 64):
        data += struct.pack("<q", count) + np.arange(count, dtype="<f4").tobytes()
    found = read(data)
    assert {k: v.shape for k, v in found.items()} == {"lin0": (1, 64, 1, 1), "lin1": (1, 192, 1, 1)}
    np.testing.assert_array_equal(found["lin1"].ravel(), np.arange(192))


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@BOTH
def test_nothing_that_a_file_names_is_run(tmp_path, read, form):
    mark = tmp_path / "run"
    source = f"open({str(mark)!r}, 'w')"
    for function, args in [
        (os.system, (f"touch '{mark}'",)),
        (eval, (source,)),
        (exec, (source,)),
        (open, (str(mark), "w")),
        (getattr, (os, "system")),
    ]:
        if function is getattr:
            args = ("", "join")
        name = f"{function.__module__}.{function.__name__}".replace("builtins", "__builtin__")
        with pytest.raises(UserError, match=f"names ({name}|io.open|posix.system), which no"):
            read(FORMATS[form]({"a": Call(function, *args)}))
    assert not mark.exists()
    # The same pickle does run in Python's own reader, so that the test tests something.
    pickle.loads(pickle.dumps(Call(os.system, f"touch '{mark}'")))
    assert mark.exists()


@BOTH
@pytest.mark.parametrize(
    "name",
    [
        "torch.serialization load",
        "torch._utils __builtins__",
        "torch._utils _rebuild_tensor.__globals__",
        "torch load",
        "torch.nn.parameter sys",
        "collections abc",
    ],
)
def test_near_names_are_refused_too(read, form, name):
    module, attribute = name.split()
    data = f"\x80\x02c{module}\n{attribute}\n.".encode("latin1")
    with pytest.raises(UserError, match="names .*, which no state dict needs"):
        read(FORMATS[form](parts=(data, {})))
    # By the opcode of newer protocols, which takes the names from the stack.
    data = b"\x80\x04\x8c%c%s\x8c%c%s\x93." % (
        len(module),
        module.encode(),
        len(attribute),
        attribute.encode(),
    )
    with pytest.raises(UserError, match="names .*, which no state dict needs"):
        read(FORMATS[form](parts=(data, {})))


@BOTH
@pytest.mark.parametrize(
    "state", [b"(N}U\x09_functionNst", b"}U\x09_functionNs", b"(N}U\x08__call__Nst"]
)
def test_a_file_cannot_change_the_reader(read, form, state):
    """BUILD sets attributes of whatever is on the stack."""
    for name in (b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n"):
        with pytest.raises(UserError, match="changes a function"):
            read(FORMATS[form](parts=(b"\x80\x02" + name + state + b"b.", {})))
    found = read(FORMATS[form]({"a": Tensor.of(np.ones(2))}))
    np.testing.assert_array_equal(found["a"], [1, 1])


@BOTH
def test_sizes_are_checked_before_anything_is_read(read, form):
    numbers = Storage(np.arange(6, dtype=np.float32))
    for tensor in (
        Tensor(numbers, (7,), (1,)),
        Tensor(numbers, (6,), (1,), 1),
        Tensor(numbers, (2,), (6,)),
        Tensor(numbers, (3, 3), (0, 0)),
        Tensor(numbers, (2**62,), (0,)),
        Tensor(numbers, (2,), (2**62,)),
        Tensor(numbers, (2,), (1,), 2**70),
    ):
        with pytest.raises(UserError, match="tensor a is larger than its storage"):
            read(FORMATS[form]({"a": tensor}))
    for size, stride, offset in [
        ((2,), (1,), -1),
        ((-2,), (1,), 0),
        ((2,), (-1,), 5),
        ((2.0,), (1,), 0),
        (("2",), (1,), 0),
        ((True,), (1,), 0),
    ]:
        with pytest.raises(UserError, match="no natural number"):
            read(FORMATS[form]({"a": Tensor(numbers, size, stride, offset)}))
    with pytest.raises(UserError):
        read(FORMATS[form]({"a": Tensor(numbers, (2, 3), (1,))}))


@BOTH
def test_a_storage_is_as_long_as_the_pickle_says(read, form):
    data, storages = pickled({"a": Tensor.of(np.ones(6, np.float32))}, form == "legacy")
    (key,) = storages
    for count in (5, 7):
        with pytest.raises(UserError):
            read(FORMATS[form](parts=(data, {key: np.ones(count, np.float32)})))
    with pytest.raises(UserError):
        read(FORMATS[form](parts=(data, {"9": storages[key]})))


def test_a_few_bytes_cannot_take_forever(read):
    # Each tuple holds the one before twice: to hash the last takes 2^40 steps.
    tuples = b"".join(b"0h%ch%c\x86q%c" % (i, i, i + 1) for i in range(40))
    start = b"\x80\x02}X\1\0\0\0a\x85q\0" + tuples
    for end in (b"K\1s.", b"\x85K\1\x86\x85R.", b"Q."):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a/data.pkl", start + end)
        with pytest.raises(UserError, match="not a readable state dict"):
            read(buffer.getvalue())


def test_a_key_is_no_path(tmp_path, read):
    (tmp_path / "secret").write_bytes(b"12345678")
    data, storages = pickled({"a": Tensor.of(np.ones(2, np.float32))}, False)
    for key in (b"../../secret", os.fsencode(tmp_path / "secret")):
        key = b"X" + struct.pack("<I", len(key)) + key
        with pytest.raises(UserError, match="no item named"):
            read(zipped(parts=(data.replace(b"X\1\0\0\0" + b"0", key), storages)))


def test_a_few_bytes_cannot_take_much_memory(read):
    # A memo that were a table would be as long as its highest index.
    with pytest.raises(UserError, match="something else"):
        read(legacy(parts=(b"\x80\x02Nr\xff\xff\xff\xff.", {})))
    # A deflated storage of zeros, and one that claims to be larger than any network.
    data, _ = pickled({"a": Tensor.of(np.ones(2, np.float32))}, False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", data)
        archive.writestr("a/data/0", bytes(2**20))
    with pytest.raises(UserError, match="too large"):
        read(buffer.getvalue())
    data, _ = pickled({n: Tensor.of(np.ones(2, np.float32)) for n in "ab"}, False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", data.replace(b"K\2tq", b"\x8a\x05\0\0\0\0\1tq", 1))
        for key in "01":
            archive.writestr(f"a/data/{key}", b"")
    with pytest.raises(UserError, match="its tensors are too large"):
        read(buffer.getvalue())


@BOTH
def test_a_cut_file_is_a_user_error(read, form):
    data = FORMATS[form](OrderedDict(a=Tensor.of(np.ones((3, 4))), b=Tensor.of(np.ones(5))))
    for length in range(0, len(data), 7):
        with pytest.raises(UserError, match="download it again"):
            read(data[:length])


@BOTH
def test_a_damaged_file_is_a_user_error_or_still_whole(read, form):
    data = FORMATS[form](OrderedDict(a=Tensor.of(np.ones((3, 4))), b=Tensor.of(np.ones(5))))
    rng = random.Random(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] = rng.randrange(256)
        try:
            found = read(bytes(damaged))
        except UserError as error:
            refused += "\n" not in str(error)
        else:
            assert all(isinstance(v, np.ndarray) for v in found.values())
    assert refused > 100


@BOTH
def test_what_is_no_state_dict_says_so(read, form):
    tensor = Tensor.of(np.ones(2))
    for state in (tensor, [tensor], {"a": 1}, {3: tensor}, {"model": {"a": tensor}}, "text"):
        with pytest.raises(UserError, match=r"something else than named tensors.*state_dict\(\)"):
            read(FORMATS[form](state))


def test_other_files_say_what_they_are(tmp_path, read):
    for data, reason in [
        (b"", "empty"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs", "another kind of file"),
        (b"\x89HDF\r\n", "another kind of file"),
        (pickle.dumps({"a": 1}, protocol=2), "not those of torch.save"),
    ]:
        with pytest.raises(UserError, match=reason):
            read(data)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    with pytest.raises(UserError, match="tar archive of PyTorch before"):
        read(buffer.getvalue())
    for names, reason in [
        (["x.npy"], "without a data.pkl"),
        (["a/b/data.pkl"], "without"),
        (["a/data.pkl", "a/constants.pkl"], "TorchScript"),
    ]:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, b"")
        with pytest.raises(UserError, match=reason):
            read(buffer.getvalue())
    for path in (tmp_path, tmp_path / "missing.pth"):
        with pytest.raises(UserError, match="cannot be read"):
            torch_files.read(path)


def test_the_stand_in_for_torch_is_gone_after_writing():
    before = sys.modules.get("torch")
    with fake_torch():
        assert sys.modules["torch"] is not before
    assert sys.modules.get("torch") is before
