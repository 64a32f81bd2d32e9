"""Files of others: what is refused, file by file, before anything is believed or run."""

import json
import os
import zipfile

import h5py
import numpy as np
import pytest
from tiny import refused

from gantrain import hdf5, reading
from gantrain.config import config_text, make
from gantrain.errors import UserError
from gantrain.nets import saved
from gantrain.runs.directory import RunDirectory


@pytest.mark.parametrize(
    ("text", "reason"),
    (
        ("[" * 100_000, "nested too deeply"),
        ("[" * 100 + "]" * 100, "nested too deeply"),
        ('{"steps": NaN}', "NaN"),
        ('{"steps": -Infinity}', "-Infinity"),
        ('{"steps": 1e999}', "too large"),
        ('{"steps": ' + "9" * 5000 + "}", "too large"),
        ('{"steps": -1}', "steps is -1"),
        ('{"steps": true}', "steps is True"),
        ('{"steps": 1.0}', "steps is 1.0"),
        ('{"steps": 1, "a": "\\ud800"}', "surrogates"),
        ("[]", "not an object"),
        ("{}", "has no steps"),
        ("", "Expecting value"),
    ),
)
def test_json_that_is_refused(tmp_path, text, reason):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=reason) as error:
        reading.read_json(tmp_path / "a.json", {"steps": reading.natural})
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("name", "value"),
    (
        ("noise_dim", None),
        ("noise_dim", 10**12),
        ("noise_dim", -3),
        ("noise_dim", "6"),
        ("width", 1e9),
        ("net", "nowhere"),
        ("batch_size", [1, 2]),
        ("unheard_of", 1),
    ),
)
def test_the_config_of_a_run_passes_its_bounds(tmp_path, name, value):
    path, config = tmp_path / "config.json", make(gan_type="cogan", dataset="pen2street")
    stored = json.loads(config_text(config))
    for section in stored.values():
        if isinstance(section, dict) and (name in section or name == "unheard_of"):
            section[name] = value
    path.write_text(config_text(config))
    assert RunDirectory(tmp_path).config() == config
    path.write_text(json.dumps(stored))
    refused(RunDirectory(tmp_path).config, str(path), "not ", name)


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, "/dev/zero"):
        refused(lambda path=path: reading.opened(path), str(path), "a regular file is expected")


def test_an_archive_holds_what_its_headers_say(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(6.0).reshape(2, 3), b=np.asfortranarray(np.ones((2, 3))), c=3)
    found = reading.read_arrays(path)
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and found["b"].shape == (2, 3)
    assert found["c"] == 3 and list(reading.read_arrays(path, lambda names: names[1:2])) == ["b"]
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }"
    for shape in ("(1000000, 1000000)", "(-1,)", "(3, 0)", "(3.0,)", "[1]", "(1,) * 9"):
        text = (header % shape).encode().ljust(117) + b"\n"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", b"\x93NUMPY\1\0" + bytes([118, 0]) + text + bytes(8))
        with pytest.raises(ValueError):
            reading.read_arrays(path)


def test_an_array_of_nothing_is_not_made(tmp_path):
    def stored(write):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            write(file)
        with h5py.File(tmp_path / "a.h5", "r") as file:
            hdf5.refuse_links(file)

    stored(lambda file: file.create_dataset("g/a", data=np.ones(3)))
    for write in (
        lambda file: file.create_dataset("a", (10**6, 10**6), "f4"),
        lambda file: file.__setitem__("a", h5py.SoftLink("/b")),
        lambda file: file.__setitem__("a", h5py.ExternalLink("b.h5", "/b")),
        lambda file: file.create_group("a").__setitem__("again", file),
        lambda file: file.create_dataset("a", (9,), "u1", external=[("/etc/passwd", 0, 9)]),
    ):
        with pytest.raises(ValueError):
            stored(write)


def network(*layers):
    return {"class_name": "Sequential", "config": {"layers": list(layers)}}


@pytest.mark.parametrize("form", ("keras", "h5"))
@pytest.mark.parametrize(
    "entry",
    (
        {"class_name": "Lambda", "config": {}},
        {"class_name": "Custom>Lambda", "config": {}},
        {"class_name": "__lambda__", "config": {"value": "eA=="}},
        {"class_name": "TFSMLayer", "module": "keras.layers", "config": {"filepath": "x"}},
        {"class_name": "TextVectorization", "config": {"vocabulary": "/etc/passwd"}},
        {"class_name": "Mine", "module": "their.code", "config": {}},
        {"class_name": "get_file", "module": "keras.utils", "config": {}},
        {"class_name": "Layer", "module": "keras.layers\n.x", "config": {}},
        {"class_name": "run", "module": "keras.ops", "config": {}},
        {"class_name": "X", "module": "os", "registered_name": "gantrain>X"},
        {"class_name": "function", "module": "builtins", "config": "system"},
        {"class_name": ["a"]},
    ),
)
def test_a_network_with_code_is_not_loaded(tmp_path, form, entry):
    path, inner = tmp_path / f"a.{form}", {"class_name": "TimeDistributed", "config": entry}
    plain = {"class_name": "Dense", "module": "keras.layers", "config": {}}
    own = {"class_name": "gantrain>Conv2D", "config": {}}

    def write(config):
        place = tmp_path / "model.weights.h5" if form == "keras" else path
        with h5py.File(place, "w") as file:
            file.attrs["model_config"] = json.dumps(config)
        if form == "keras":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("metadata.json", "{}")
                archive.writestr("config.json", json.dumps(config))
                archive.write(place, place.name)

    write(network(plain, own))
    saved.refuse_code(path)
    for config in (network(plain, entry), network(inner)):
        write(config)
        refused(lambda: saved.refuse_code(path), str(path), "nothing of it was run")


@pytest.mark.parametrize("extra", ("../escape", "/etc/x", "assets/words", "config.json"))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_network_is_three_files(tmp_path, extra):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5", extra):
            archive.writestr(name, "{}")
    with pytest.raises(ValueError, match="holds"):
        saved.refuse_code(tmp_path / "a.keras")


def test_a_message_is_one_line_whatever_a_file_is_called():
    assert str(UserError("a\nb\x1b[2J\ud800é")) == r"a\nb\x1b[2J\ud800é"
