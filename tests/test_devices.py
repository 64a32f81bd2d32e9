"""GPUs: chosen and limited before anything computes, in every command; nothing else is touched."""

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import tensorflow as tf
import tiny

import gantrain
from gantrain import devices
from gantrain.commands import COMMANDS
from gantrain.main import main

PACKAGE = Path(gantrain.__file__).parent

# Logical devices can be set up before TensorFlow uses a device, and never after: so can what is
# asked of GPUs. A command that used one before would end in the RuntimeError.
FIRST = """
import sys
from gantrain import deferred, devices, main

def apply():
    tf = sys.modules["tensorflow"]
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
    print("devices are asked for")

deferred.when_loaded(apply)
sys.exit(main.main(sys.argv[1:]))
"""


@pytest.fixture
def machine(monkeypatch):
    """A machine of four GPUs that are not in use yet; gives what was asked of them."""
    gpus = [types.SimpleNamespace(name=f"GPU:{i}") for i in range(4)]
    asked = types.SimpleNamespace(seen=gpus, grow=[], limits={}, used=False)

    def set_visible(some, kind):
        if asked.used and some != asked.seen:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        asked.seen = some

    def grow(gpu, on):
        if asked.used and gpu not in asked.grow:
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        asked.grow.append(gpu)

    def limit(gpu, logical):
        if asked.used and asked.limits.get(gpu.name) != logical[0].memory_limit:
            raise RuntimeError("Virtual devices cannot be modified after being initialized")
        asked.limits[gpu.name] = logical[0].memory_limit

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: asked.seen)
    monkeypatch.setattr(tf.config, "set_visible_devices", set_visible)
    monkeypatch.setattr(tf.config, "set_logical_device_configuration", limit)
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", grow)
    yield asked
    monkeypatch.undo()
    devices.begin()


def names(gpus):
    return [gpu.name for gpu in gpus]


def test_memory_grows_on_every_gpu_that_is_used(machine):
    devices.begin()
    assert names(machine.grow) == ["GPU:0", "GPU:1", "GPU:2", "GPU:3"] and not machine.limits
    assert devices.told() == ["uses GPU 0, 1, 2, 3, memory as needed"]


def test_what_is_not_used_is_hidden(machine):
    devices.begin("3,0", memory_mb=500)
    assert names(machine.seen) == ["GPU:3", "GPU:0"] and not machine.grow
    assert machine.limits == {"GPU:3": 500, "GPU:0": 500}
    assert devices.told() == ["uses GPU 3, 0, 500 MB of each; leaves alone GPU 1, 2"]
    # A run that asks for less of it, and one that leaves it open.
    devices.ask(replicas=1)
    assert names(machine.seen) == ["GPU:3"]
    devices.ask()
    assert names(machine.seen) == ["GPU:3"]
    devices.begin("none")
    assert machine.seen == []
    assert devices.told() == ["uses no GPU; leaves alone GPU 0, 1, 2, 3"]


@pytest.mark.parametrize("words", ["4", "-1", "a", "1,1", "0,", "0-3"])
def test_gpus_that_are_not_there_are_refused(machine, words):
    tiny.refused(lambda: devices.begin(words), f"--gpus {words}")


def test_a_machine_without_gpus_says_so(capsys):
    assert main(["--dataset", "ring", "--gan_type", "gan", "--gpus", "0"]) == 2
    assert "--gpus 0: there is no GPU" in capsys.readouterr().err
    devices.begin()
    assert devices.told() == []


def test_what_comes_too_late_is_never_swallowed(machine):
    machine.used = True
    with pytest.warns(RuntimeWarning, match="new process"):
        devices.begin()
    tiny.refused(lambda: devices.begin("1"), "--gpus", "new process")
    tiny.refused(lambda: devices.begin(memory_mb=100), "--gpu_mem_mb", "new process")
    machine.grow = list(machine.seen)
    devices.begin()


def test_every_command_takes_them():
    from gantrain.flags import records_of

    for name, (_, of, _) in COMMANDS.items():
        if name not in ("train", "list"):
            assert {"gpus", "gpu_mem_mb"} <= {
                field for record in records_of(of) for field in record.__dataclass_fields__
            }


@pytest.mark.parametrize("words", [["--semantic_loss", "--classifier"], ["compare"]])
def test_devices_are_asked_for_before_a_network_is_read(tmp_path, words, classifier_file):
    """Real processes: a consulted network that is read from a file would use a device first."""
    if words == ["compare"]:
        for part in ("a", "b"):
            (tmp_path / part).mkdir()
            for number in range(10):
                tf.io.write_file(
                    str(tmp_path / part / f"{number}.png"),
                    tf.io.encode_png(tf.fill((32, 32, 3), tf.cast(20 * number, tf.uint8))),
                )
        words = ["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--classifier"]
    else:
        words = ["--width", "0.02", "--batch_size", "4", "--steps", "1", "--dry_run", *words]
    done = subprocess.run(
        [sys.executable, "-c", FIRST, *words, str(classifier_file)],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("devices are asked for") >= 1
