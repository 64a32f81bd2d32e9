"""The whole suite on CPU, as two logical devices, so that two replicas need no second process."""

import os
import signal
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Bit equality is a promise for the CPU; a machine's GPUs are asked for with CUDA_VISIBLE_DEVICES.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Processes side by side share the cores; threads of each would wait for the others'.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import keras
import pytest
import tensorflow as tf
import tiny

from gantrain import consulted, nets
from gantrain.data.datasets import DATASETS
from gantrain.data.palettes import PALETTES

ROOT = Path(__file__).resolve().parent.parent

# Logical devices have to be set up before TensorFlow first uses any.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(autouse=True)
def usual_state():
    """A test that trains in half precision or eagerly leaves no trace in the next."""
    yield
    keras.config.set_dtype_policy("float32")
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="session", autouse=True)
def hung_up():
    """SIGHUP as in a terminal, where the tests run under nohup too."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def quick_judges():
    """A panel of two tiny judges of two steps, that of runs that several tests share included."""
    full = consulted.PANEL
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consulted, "PANEL", tiny.panel(full))
        yield full


@pytest.fixture(autouse=True)
def learning(request, quick_judges, monkeypatch):
    """The judges as they are for the tests that learn."""
    if "slow" in request.keywords:
        monkeypatch.setattr(consulted, "PANEL", quick_judges)


@pytest.fixture(scope="session", autouse=True)
def tiny_registries():
    """The tiny networks and data sets, by name, beside those of the program."""
    with pytest.MonkeyPatch.context() as patch:
        for table, extra in (
            (nets.NETS, tiny.NETS),
            (nets.CLASSIFIERS, tiny.CLASSIFIERS),
            (nets.TRANSLATORS, tiny.TRANSLATORS),
            (DATASETS, tiny.DATASETS),
            (PALETTES, tiny.PALETTES),
        ):
            for name, entry in extra.items():
                patch.setitem(table, name, entry)
        yield


@pytest.fixture(scope="session")
def classifier_file(tmp_path_factory):
    """A `.keras` classifier of ten classes with random weights."""
    path = tmp_path_factory.mktemp("classifier") / "classifier.keras"
    nets.build_classifier("plain", (32, 32, 3), 10, seed=4).save(path)
    return path


@pytest.fixture(scope="session")
def lpips_file(tmp_path_factory):
    """AlexNet weights in the layout of the LPIPS file, random."""
    path = tmp_path_factory.mktemp("lpips") / "alexnet_lpips.npz"
    tiny.write_lpips(path)
    return path
