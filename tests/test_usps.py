"""The reader of USPS, on small files of exactly the published formats, whole and damaged."""

import bz2

import h5py
import numpy as np
import pytest
from tiny import refused

from gantrain.data import usps


def digits(count):
    """Values [count, 256] in [-1, 1] with three decimals, some of them zero, and labels 0 to 9."""
    values = np.random.default_rng(count).uniform(-1, 1, (count, 256)).round(3)
    values[:, ::7], values[:, 1::7], values[:, 2::7] = -1, 1, 0
    return values, np.arange(count) % 10


def lines(values, labels):
    """LIBSVM's text: labels from 1, indices from 1, zeros left out, a blank before the end."""
    return "".join(
        f"{label + 1} " + "".join(f"{i + 1}:{v:g} " for i, v in enumerate(row) if v) + "\n"
        for row, label in zip(values, labels, strict=True)
    )


def write_usps(folder, split="train", count=12, compress=True):
    """One split of USPS as LIBSVM publishes it; returns its values and labels."""
    values, labels = digits(count)
    folder.mkdir(parents=True, exist_ok=True)
    text = lines(values, labels).encode()
    name = usps.PARTS[split]
    if compress:
        (folder / f"{name}.bz2").write_bytes(bz2.compress(text))
    else:
        (folder / name).write_bytes(text)
    return values, labels


def write_hdf5(folder, **parts):
    """`usps.h5` with groups of `data` in [0, 1] and `target`."""
    with h5py.File(folder / "usps.h5", "w") as file:
        for split, (values, labels) in parts.items():
            file[f"{split}/data"] = ((values + 1) / 2).astype(np.float32)
            file[f"{split}/target"] = np.asarray(labels, np.int32)


def levels(values):
    return np.rint((values + 1) * 127.5).reshape(-1, 16, 16, 1)


@pytest.mark.parametrize("compress", (True, False))
@pytest.mark.parametrize("split", ("train", "test"))
def test_text(tmp_path, split, compress):
    values, labels = write_usps(tmp_path, split, 12 if split == "train" else 7, compress)
    images, read = usps.read_usps(tmp_path, split)
    assert images.dtype == np.uint8 and read.dtype == np.int32
    np.testing.assert_allclose(images, levels(values), atol=1)
    np.testing.assert_array_equal(read, labels)
    # A value that the text leaves out is zero, which is mid-gray, not black.
    assert images[0].ravel()[0] == 0 and images[0].ravel()[1] == 255
    assert images[0].ravel()[2] in (127, 128)


def test_hdf5(tmp_path):
    train, test = digits(12), digits(5)
    write_hdf5(tmp_path, train=train, test=test)
    for split, (values, labels) in (("train", train), ("test", test)):
        images, read = usps.read_usps(tmp_path, split)
        np.testing.assert_allclose(images, levels(values), atol=1)
        np.testing.assert_array_equal(read, labels)


def test_the_text_is_read_where_both_are(tmp_path):
    _, labels = write_usps(tmp_path, count=12)
    write_hdf5(tmp_path, train=digits(5))
    assert len(usps.read_usps(tmp_path, "train")[1]) == len(labels)


GOOD = lines(*digits(3))


@pytest.mark.parametrize(
    "text, parts",
    (
        ("", ("[N, 256]",)),
        (GOOD + "4 1:x\n", ("line 4",)),
        (GOOD + "4 0:1\n", ("line 4", "index 0")),
        (GOOD + "4 257:1\n", ("line 4", "index 257")),
        (GOOD + "\n", ("line 4",)),
        (GOOD + "four 1:1\n", ("line 4",)),
        (GOOD + "11 1:1\n", ("label",)),
        (GOOD + "0 1:1\n", ("label",)),
        (GOOD + "1.5 1:1\n", ("label",)),
        (GOOD + "4 1:1.5\n", ("pixel",)),
        (GOOD + "4 1:nan\n", ("pixel",)),
        (GOOD + "\xe9 1:1\n", ("cannot be read",)),
    ),
)
def test_damaged_text(tmp_path, text, parts):
    path = tmp_path / "usps"
    path.write_text(text, encoding="latin-1")
    refused(lambda: usps.read_usps(tmp_path, "train"), str(path), "download it again", *parts)


@pytest.mark.parametrize("kept", (0, 10, 0.5, 0.99))
def test_truncated_bz2(tmp_path, kept):
    write_usps(tmp_path, count=60)
    path = tmp_path / "usps.bz2"
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    refused(lambda: usps.read_usps(tmp_path, "train"), str(path), "download it again")


def test_damaged_hdf5(tmp_path):
    path = tmp_path / "usps.h5"
    for content in (b"", b"\x89HDF\r\n\x1a\n" + bytes(40)):
        path.write_bytes(content)
        refused(lambda: usps.read_usps(tmp_path, "train"), str(path), "download it again")
    values, labels = digits(5)
    for part in (
        (values[:4], labels),
        (values[:, :100], labels),
        (values, labels + 6),
        (2 * values, labels),
    ):
        write_hdf5(tmp_path, train=part)
        refused(lambda: usps.read_usps(tmp_path, "train"), str(path), "download it again")
    refused(lambda: usps.read_usps(tmp_path, "test"), str(path), "download it again")


def test_missing(tmp_path):
    write_usps(tmp_path, "test")
    refused(lambda: usps.read_usps(tmp_path, "train"), "usps.bz2", "missing")
