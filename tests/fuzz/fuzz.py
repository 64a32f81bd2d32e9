"""Damaged and hostile files for every reader, drawn from a seed: `python fuzz.py --cases 10000`.

Each case writes whole files of one reader, damages one of them, and reads. What may follow is one
line, or data that the reader promises: nothing else, within 20 seconds and 4 GB.
"""

import argparse
import bz2
import collections
import contextlib
import copy
import faulthandler
import gzip
import io
import json
import os
import pickle
import resource
import struct
import sys
import tempfile
import time
import traceback
import zipfile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

sys.path.insert(0, str(Path(__file__).parents[1]))
from torch_saved import FORMATS, Storage, Tensor

from gantrain import decoding
from gantrain.compare import sets
from gantrain.config import config_text, make, read_config
from gantrain.data import celeba, cifar, folders, idx, npz, palettes, sketches, svhn, usps
from gantrain.errors import UserError
from gantrain.measures import evaluate
from gantrain.nets import saved, torch_files
from gantrain.runs.directory import RunDirectory
from gantrain.runs.lock import Lock, _parsed

SECONDS, BYTES = 20, 4 * 2**30


def pixels(*shape):
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, dtype=np.uint8)


# ------------------------------------------------------------------------------- whole files


def idx_bytes(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder, pack):
    ending = ".gz" if pack else ""
    for name, array in (("images-idx3", pixels(5, 28, 28)), ("labels-idx1", np.arange(5))):
        data = idx_bytes(array.astype(np.uint8))
        (folder / f"train-{name}-ubyte{ending}").write_bytes(gzip.compress(data) if pack else data)


ARRAYS = {"images": pixels(4, 6, 6, 3), "labels": np.arange(4)}


def write_npz(folder, arrays=ARRAYS, packed=False):
    (np.savez_compressed if packed else np.savez)(folder / "set.npz", **arrays)


MAT = {"X": pixels(32, 32, 3, 4), "y": np.arange(1, 5, dtype=np.uint8)[:, None]}


def write_mat(folder, arrays=MAT):
    savemat(folder / "train_32x32.mat", arrays, do_compression=True)


def write_cifar(folder):
    for name in cifar.FILES["train"]:
        records = pixels(2, 3073)
        records[:, 0] %= 10
        (folder / name).write_bytes(records.tobytes())


def write_usps(folder, packed):
    line = " ".join(f"{i}:{-1 + i / 128:.4f}" for i in range(1, 257))
    text = "".join(f"{digit} {line}\n" for digit in (1, 10, 3)).encode()
    name = "usps.bz2" if packed else "usps"
    (folder / name).write_bytes(bz2.compress(text) if packed else text)


HDF5 = {"train/data": np.linspace(0, 1, 3 * 256).reshape(3, 256), "train/target": np.arange(3)}


def write_hdf5(folder, arrays=HDF5):
    with h5py.File(folder / "usps.h5", "w") as file:
        for name, array in arrays.items():
            if isinstance(array, np.ndarray) and array.dtype.kind in "US":
                array = array.astype("S")
            elif isinstance(array, np.ndarray) and array.dtype == object:
                array = np.array([b"a", b"b"])
            file[name] = array


def write_celeba(folder):
    rows = [f"{n:06}.jpg  1 -1  1" for n in range(1, 5)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(["4", "Bald Smiling Young", *rows, ""]))


def write_sketches(folder):
    for place in ("list", "image", "sketch-rendered/width-5"):
        (folder / place).mkdir(parents=True)
    (folder / "list/train.txt").write_text("a\nb\n")
    (folder / "list/test.txt").write_text("c\n")
    for name in "abc":
        (folder / f"image/{name}.jpg").touch()
        for number in range(1, 6):
            (folder / f"sketch-rendered/width-5/{name}_{number:02}.png").touch()


def write_image(folder, kind):
    Image.fromarray(pixels(9, 7, 3)).save(folder / f"image.{kind}")


def write_folder(folder):
    for name in ("a_class_1.png", "b_class_0.png"):
        Image.fromarray(pixels(9, 7, 3)).save(folder / name)


DOMAIN = {
    "name": "a", "shape": [32, 32, 3], "size": 9, "classes": ["0", "1"], "multi_label": False,
    "targets": 0, "palette": None, "levels": None, "fingerprint": None, "left_out": {},
}  # fmt: skip
METRICS = {"step": 3, "metrics": ["fid"], "weights": {"fid": None}, "values": {"fid": 1.5}}
JSONS = {
    "config.json": json.loads(config_text(make(gan_type="gan", dataset="ring"))),
    "domains.json": [DOMAIN, DOMAIN | {"name": "b", "levels": [0, 255, "uint16"]}],
    "summary.json": {"steps": 4, "loss": 0.5},
    "metrics.json": METRICS,
    "environment.json": {"python": "3", "before": [{"python": "2"}]},
    "metrics.jsonl": {"step": 3, "g/loss": 0.5},
    ".lock": {"machine": "m", "pid": 5, "start": "1", "host": "h", "since": "s"},
    "palette.json": {"a": [1, 2, 3], "b": [4, 5, 6], "void": [0, 0, 0]},
}


def write_json(folder, name, value=None):
    text = json.dumps(JSONS[name] if value is None else value)
    (folder / name).write_text(text + "\n" * (name == "metrics.jsonl"))


def read_json(folder, name):
    run = RunDirectory(folder)
    return {
        "config.json": lambda: read_config(folder / name),
        "domains.json": run.domains,
        "summary.json": run.summary,
        "metrics.json": lambda: evaluate.stored(run),
        "environment.json": lambda: run._read_json(name, {"before?": [dict]}),
        "metrics.jsonl": run.metrics,
        ".lock": lambda: _parsed((Lock(folder)._read() or ("",))[0]),
        "palette.json": lambda: palettes.read_palette(folder / name),
    }[name]()


STATE = {"w": np.arange(6, dtype=np.float32), "step": np.int64(3)}


class Variable:
    """What a checkpoint is restored to."""

    shape, name = (6,), "w"

    def assign(self, value):
        assert value.shape == (6,)


def write_checkpoint(folder):
    (folder / "checkpoints").mkdir()
    np.savez(folder / "checkpoints/00000003.npz", **STATE)


FEATURES = {
    "inception": np.ones((3, 4), np.float32),
    "provenance": np.array(
        json.dumps({"reference": {}, "networks": {}, "image_size": None, "levels": None})
    ),
}


def write_torch(folder, form):
    storage = Storage(np.arange(24, dtype=np.float32))
    (folder / "a.pth").write_bytes(FORMATS[form]({"lin": Tensor(storage, (4, 6), (6, 1))}))


LAYER = {
    "module": "keras.layers", "class_name": "Dense", "config": {"units": 2, "name": "d"},
    "registered_name": None,
}  # fmt: skip
NETWORK = {
    "module": "keras", "class_name": "Sequential", "registered_name": None,
    "config": {"name": "s", "layers": [LAYER]},
}  # fmt: skip


def write_keras(folder, network=NETWORK):
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file["layers/dense/vars/0"] = np.ones((3, 2))
    with zipfile.ZipFile(folder / "a.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(network))
        archive.writestr("model.weights.h5", weights.getvalue())


def write_keras_h5(folder, network=NETWORK):
    with h5py.File(folder / "a.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(network)
        file["model_weights/dense/w"] = np.ones((3, 2))


# ------------------------------------------------------------------------------------ promises


def labelled(made, low=0, classes=10):
    images, labels = made
    assert images.dtype in (np.uint8, np.uint16) and images.ndim == 4 and images.size
    if labels is not None:
        assert labels.dtype == np.int32 and labels.shape == images.shape[:1]
        assert labels.min() >= low and labels.max() < classes


def finite(arrays):
    assert all(a.dtype.kind in "?iuf" for a in arrays.values())


def attributes(made):
    files, values, names = made
    assert values.shape == (len(files), len(names)) and set(np.unique(values)) <= {0, 1}


def restored(folder):
    return RunDirectory(folder).restore({"w": Variable()})


# {reader: (write, read and check)}.
READERS = {
    "idx": (lambda f: write_idx(f, False), lambda f: labelled(idx.read_digits(f, "train"))),
    "idx.gz": (lambda f: write_idx(f, True), lambda f: labelled(idx.read_digits(f, "train"))),
    "npz": (write_npz, lambda f: labelled(npz.read_npz(f / "set.npz", "train"), -(2**31), 2**31)),
    "npz packed": (
        lambda f: write_npz(f, packed=True),
        lambda f: labelled(npz.read_npz(f / "set.npz", "train"), -(2**31), 2**31),
    ),
    "mat": (write_mat, lambda f: labelled(svhn.read_svhn(f, "train"))),
    "cifar": (write_cifar, lambda f: labelled(cifar.read_cifar10(f, "train"))),
    "usps": (lambda f: write_usps(f, False), lambda f: labelled(usps.read_usps(f, "train"))),
    "usps.bz2": (lambda f: write_usps(f, True), lambda f: labelled(usps.read_usps(f, "train"))),
    "usps.h5": (write_hdf5, lambda f: labelled(usps.read_usps(f, "train"))),
    "celeba": (
        write_celeba, lambda f: attributes(celeba.read_attributes(f / "list_attr_celeba.txt"))
    ),
    "sketches": (write_sketches, lambda f: sketches.read_photo_sketch(f, "train", 32)),
    "folder": (write_folder, lambda f: folders.read_folder(f, "train", 8, "a").images[0]),
    **{
        f"image {kind}": (
            lambda f, kind=kind: write_image(f, kind),
            lambda f, kind=kind: decoding.samples(f / f"image.{kind}", "image"),
        )
        for kind in ("png", "jpg", "tif", "bmp", "gif", "webp", "ppm")
    },
    **{
        name: (lambda f, name=name: write_json(f, name), lambda f, name=name: read_json(f, name))
        for name in JSONS
    },
    "checkpoint": (write_checkpoint, restored),
    "features": (
        lambda f: write_npz(f, FEATURES),
        lambda f: sets.reference_set(f / "set.npz", None),
    ),
    **{
        f"torch {form}": (
            lambda f, form=form: write_torch(f, form),
            lambda f: finite(torch_files.read(f / "a.pth")),
        )
        for form in FORMATS
    },
    "keras": (write_keras, lambda f: code(f / "a.keras")),
    "keras h5": (write_keras_h5, lambda f: code(f / "a.h5")),
}  # fmt: skip


def code(path):
    """Damage is the caller's to tell; what passes has no code."""
    try:
        saved.refuse_code(path)
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError("damaged") from error


# -------------------------------------------------------------------------------------- damage


def cut(data, rng):
    return data[: int(rng.integers(0, max(len(data), 1)))]


def flipped(data, rng):
    data = bytearray(data)
    for place in rng.integers(0, max(len(data), 1), int(rng.integers(1, 9))):
        if data:
            data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


def begun(data, rng):
    """Mostly in the head, where sizes and kinds stand."""
    return flipped(data[:200], rng) + data[200:]


def sized(data, rng):
    """Four or eight bytes that say a number far too large, negative or none."""
    values = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 10**12, 2**40, 2**63 - 1, 2**64 - 1)
    value, order = values[rng.integers(len(values))], "<>"[rng.integers(2)]
    raw = struct.pack(f"{order}Q", value)
    raw = raw if rng.integers(2) else struct.pack(f"{order}I", value & 0xFFFFFFFF)
    place = int(rng.integers(0, max(min(len(data), 400), 1)))
    return data[:place] + raw + data[place + len(raw) :]


def other(data, rng):
    """Another kind of file."""
    kinds = (b"", b"\0" * 5000, b"PK\3\4" + data, b"<html>404</html>", b"\x89HDF\r\n\x1a\n" + data,
             pickle.dumps([1, 2]), b"\xff" * 300, gzip.compress(data), rng.bytes(3000),
             b"a" * 10**6, "\u202e\u0000é".encode("utf-16"), b"[" * 10**5)  # fmt: skip
    return kinds[rng.integers(len(kinds))]


def spliced(data, rng):
    """A part that is twice there, or gone."""
    a, b = sorted(rng.integers(0, len(data) + 1, 2).tolist())
    return data[:b] + data[a:] if rng.integers(2) else data[:a] + data[b:]


BYTEWISE = (cut, flipped, begun, sized, other, spliced)


def special(path, rng):
    """A file that never ends, waits, or is none."""
    path.unlink()
    what = rng.integers(4)
    if what == 0:
        os.mkfifo(path)
    elif what == 1:
        path.symlink_to("/dev/zero")
    elif what == 2:
        path.symlink_to(path)
    else:
        path.mkdir()


def hostile_value(rng):
    values = (None, True, -1, 0, 10**12, 2**70, -(10**30), 1e308, float("nan"), float("inf"), "",
              "\ud800", "x" * 5000, "../../a", "a\nb", "\0", [], {}, [[]], [None], {"a": {}},
              [float("nan")], list(range(3000)), nested(3000), nested(20), "Lambda",
              {"class_name": "Lambda"}, {"class_name": "run", "module": "os"})  # fmt: skip
    return values[rng.integers(len(values))]


def nested(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


def hostile_json(value, rng):
    """A copy of a JSON value with one part replaced, gone or added."""
    value, holder = copy.deepcopy(value), None
    part = value
    while isinstance(part, (dict, list)) and len(part) and (holder is None or rng.integers(4)):
        keys = list(part) if isinstance(part, dict) else range(len(part))
        holder, key = part, keys[rng.integers(len(keys))]
        part = part[key]
    if holder is None or not rng.integers(8):
        return hostile_value(rng)
    if rng.integers(6):
        holder[key] = hostile_value(rng)
    else:
        del holder[key]
    return value


def dumped(value):
    """JSON however deep."""
    sys.setrecursionlimit(50_000)
    try:
        return json.dumps(value)
    finally:
        sys.setrecursionlimit(1_000)


def hostile_array(array, rng):
    """What a file may hold in an array's place."""
    n = len(array) if np.ndim(array) else 1
    arrays = (
        np.zeros((0, *np.shape(array)[1:])), np.zeros((n, 0, 0, 3), np.uint8),
        np.asarray(array).astype(str), np.full(np.shape(array), np.nan),
        np.full(np.shape(array), np.inf), np.full(np.shape(array), 2**40),
        np.full(np.shape(array), -1), np.full(np.shape(array), 2**63, np.uint64),
        np.ones(np.shape(array), complex), np.full(np.shape(array), 300), np.uint8(3),
        np.array([{}, None], object), np.ones(np.shape(array)) * 0.5, np.asarray(array).T,
        np.zeros(5, [("a", "i4"), ("b", "f8")]), np.ones((n + 1, 2, 2, 2), np.uint8),
        np.full(np.shape(array), 2**32), np.zeros(n, "M8[s]"), np.ones(np.shape(array), bool),
    )  # fmt: skip
    return arrays[rng.integers(len(arrays))]


# {reader: (whole value, write of another)}, for those whose parts can be named.
PARTS = {
    "npz": (ARRAYS, write_npz), "mat": (MAT, write_mat), "usps.h5": (HDF5, write_hdf5),
    "features": (FEATURES, write_npz),
}  # fmt: skip
CONFIGS = {"keras": write_keras, "keras h5": write_keras_h5}


def damage(reader, folder, rng):
    """Spoils one of the whole files; says how."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    path = files[rng.integers(len(files))]
    if rng.integers(2) and (reader in JSONS or reader in CONFIGS):
        value = hostile_json(JSONS.get(reader, NETWORK), rng)
        if reader in CONFIGS:
            with contextlib.suppress(RecursionError):
                CONFIGS[reader](folder, value)
        else:
            path.write_text(dumped(value) + "\n")
        return "value"
    if rng.integers(2) and reader in PARTS:
        whole, write = PARTS[reader]
        name = list(whole)[rng.integers(len(whole))]
        changed = whole | {name: hostile_array(whole[name], rng)}
        if not rng.integers(6):
            del changed[name]
        try:
            write(folder, changed)
        except (TypeError, ValueError):  # the format cannot hold it
            return "none"
        return "array"
    if not rng.integers(12):
        special(path, rng)
        return "special"
    change = BYTEWISE[rng.integers(len(BYTEWISE))]
    path.write_bytes(change(path.read_bytes(), rng))
    return change.__name__


def case(seed, number, place):
    """Runs one case; returns (reader, damage, how it ended)."""
    rng = np.random.default_rng([seed, number])
    reader = list(READERS)[number % len(READERS)]
    write, read = READERS[reader]
    with tempfile.TemporaryDirectory(dir=place) as folder:
        folder = Path(folder)
        write(folder)
        how = damage(reader, folder, rng)
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            read(folder)
            return reader, how, "read"
        except UserError as error:
            assert str(error) and "\n" not in str(error), error
            return reader, how, "refused"
        except OSError as error:
            # The command line says in one line what no reader has said in its own words.
            assert error.errno and error.filename, error
            return reader, how, "refused"
        finally:
            faulthandler.cancel_dump_traceback_later()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--place", default=None)
    options = parser.parse_args()
    end, wrong, counts = time.monotonic() + 60 * options.minutes, 0, collections.Counter()
    for number in range(options.first, options.first + options.cases):
        if time.monotonic() > end:
            break
        try:
            counts[case(options.seed, number, options.place)[2]] += 1
        except Exception:
            wrong += 1
            print(f"--seed {options.seed} --first {number} --cases 1", file=sys.stderr)
            traceback.print_exc(limit=-6)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    wrong += most > BYTES
    print(f"{counts.total() + wrong} cases: {dict(counts)}, {most / 2**20:.0f} MiB, {wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
