"""Inception features from files of the real layouts, their resizing, and what is missing."""

import hashlib

import h5py
import keras
import numpy as np
import pytest
from PIL import Image
from tiny import refused

from gantrain.main import main
from gantrain.nets import applications
from gantrain.nets import inception as inception_module
from gantrain.nets.inception import INCEPTION, inception

FILE = INCEPTION.file


def write_published(net, path):
    """The layout of the published file: Keras 2 in HDF5, layers by their order."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in net.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.0.9"
        for layer in net.layers:
            group = file.create_group(layer.name)
            weights = [*layer.trainable_weights, *layer.non_trainable_weights]
            names = [f"{layer.name}/{w.name}:0" for w in weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, weights, strict=True):
                group[name] = weight.numpy()


@pytest.fixture(scope="module")
def whole():
    """InceptionV3 in which no two weights of equal shape can be exchanged unseen."""
    net = keras.applications.InceptionV3(weights=None)
    rng = np.random.default_rng(0)
    for layer in net.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    rng.uniform(0, 0.5, beta.shape),
                    rng.normal(0, 0.1, mean.shape),
                    rng.uniform(0.2, 1.0, variance.shape),
                ]
            )
    return net


@pytest.fixture(scope="module")
def reference(whole):
    """The same network without its pool and its dense layer."""
    return keras.Model(whole.input, whole.get_layer("mixed10").output)


@pytest.fixture(scope="module")
def file(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / FILE
    write_published(reference, path)
    return path


@pytest.fixture(scope="module")
def net(file):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return inception(file, offline=True)
    finally:
        keras.config.set_dtype_policy("float32")


def resized(images, side=299):
    """By Pillow, which averages where it shrinks, channel by channel."""
    return np.stack(
        [
            np.stack(
                [
                    np.asarray(
                        Image.fromarray(image[..., c]).resize(
                            (side, side), Image.Resampling.BILINEAR
                        )
                    )
                    for c in range(image.shape[-1])
                ],
                -1,
            )
            for image in images
        ]
    )


def pictures(size, channels=3, count=2):
    shape = (count, *size, channels)
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("size", [(299, 299), (32, 32), (400, 610)])
def test_features_are_the_pooled_last_block_of_the_resized_image(net, reference, size):
    images = pictures(size)
    made = net.features(images)
    expected = np.asarray(reference(resized(images), training=False)).mean((1, 2))
    assert made.shape == (2, 2048) and made.dtype == "float32"
    assert np.std(expected) > 0.01 and np.ptp(expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(made, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_images_may_be_resized_one_by_one_before_they_make_a_batch(net):
    images = pictures((40, 61))
    np.testing.assert_array_equal(
        net.features(inception_module.resized(images)), net.features(images)
    )


def test_gray_is_repeated(net):
    gray = pictures((40, 40), 1, 1)
    np.testing.assert_allclose(net.features(gray), net.features(np.repeat(gray, 3, -1)), atol=1e-5)


def test_the_description_names_the_file_and_the_resizer(net, file):
    assert net.description["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert net.description["weights"] == FILE
    assert "not the 2015" in net.description["network"]
    assert "antialias=True" in net.description["resizer"] and "299" in net.description["resizer"]
    assert keras.__version__ in net.description["version"]
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    "write",
    [
        lambda net, folder: write_published(net, folder / "top.h5"),
        lambda net, folder: net.save_weights(folder / "top.weights.h5"),
    ],
    ids=["h5", "weights.h5"],
)
def test_a_file_with_the_dense_layer_gives_the_same_features(tmp_path, whole, write):
    write(whole, tmp_path)
    images = pictures((299, 299), count=1)
    inner = keras.Model(whole.input, whole.get_layer("avg_pool").output)
    made = inception(next(tmp_path.iterdir())).features(images)
    np.testing.assert_allclose(made, inner(images, training=False), rtol=1e-4, atol=1e-4)


def test_weights_in_the_cache_need_no_network(tmp_path, monkeypatch, file):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / FILE).write_bytes(file.read_bytes())
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.utils, "get_file", None)
    assert inception(offline=True).description["weights"] == FILE


def test_a_download_is_checked_and_kept_in_the_cache(tmp_path, monkeypatch, file):
    asked = {}

    def download(name, origin, **options):
        asked.update(options, name=name, origin=origin)
        return str(file)

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.utils, "get_file", download)
    monkeypatch.setattr(applications, "unreachable", lambda urls: [])
    applications.load(INCEPTION)
    assert asked == {
        "name": FILE,
        "origin": INCEPTION.url,
        "cache_dir": tmp_path,
        "cache_subdir": "models",
        "file_hash": INCEPTION.md5,
    }


def test_prepare_fills_the_cache_that_check_looks_into(tmp_path, monkeypatch, file, capsys):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert main(["check", "inception"]) == 2
    assert "missing; gantrain prepare inception" in capsys.readouterr().out
    place = tmp_path / "models" / FILE

    def download(name, origin, **options):
        place.parent.mkdir()
        place.write_bytes(file.read_bytes())
        return str(place)

    monkeypatch.setattr(keras.utils, "get_file", download)
    monkeypatch.setattr(applications, "unreachable", lambda urls: [])
    for command in ("prepare", "check"):
        assert main([command, "inception"]) == 0
        assert capsys.readouterr().out.endswith(f"{place}: ready\n")


def test_what_is_missing_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    refused(lambda: inception(offline=True), "--offline", "--inception_weights", FILE)
    refused(lambda: inception(tmp_path / "missing.h5"), "missing.h5: no such file")
    (tmp_path / "text.h5").write_text("not weights")
    refused(lambda: inception(tmp_path / "text.h5"), "not an HDF5 file", FILE)

    def no_network(*arguments, **options):
        raise Exception("URL fetch failure\nof something")

    monkeypatch.setattr(keras.utils, "get_file", no_network)
    monkeypatch.setattr(applications, "unreachable", lambda urls: ["storage.org"])
    refused(inception, "no answer from storage.org", f"--inception_weights PATH to {FILE}")
    monkeypatch.setattr(applications, "unreachable", lambda urls: [])
    refused(
        inception, "cannot download the InceptionV3", "URL fetch failure", "--inception_weights"
    )


@pytest.mark.parametrize("suffix", [".h5", ".weights.h5"])
def test_weights_of_another_network_are_refused(tmp_path, suffix):
    image = keras.Input((8, 8, 3))
    other = keras.Model(image, keras.layers.Conv2D(4, 3)(image))
    path = tmp_path / f"other{suffix}"
    other.save_weights(path) if suffix == ".weights.h5" else write_published(other, path)
    refused(lambda: inception(path), "other", "not a weights file of InceptionV3")


def test_an_hdf5_file_of_something_else_is_refused(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as data:
        data["images"] = np.zeros(3)
    refused(lambda: inception(tmp_path / "data.h5"), "not a weights file of InceptionV3")
