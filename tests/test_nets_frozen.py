"""Frozen feature networks: their numbers, their padding, and what missing files lead to."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from gantrain.errors import UserError
from gantrain.nets import frozen


@pytest.fixture(scope="module")
def random_alexnet(tmp_path_factory):
    rng = np.random.default_rng(0)
    arrays, channels = {}, 3
    for i, (kernel, size) in enumerate([(11, 64), (5, 192), (3, 384), (3, 256), (3, 256)]):
        scale = np.sqrt(2 / (kernel * kernel * channels))
        shape = (kernel, kernel, channels, size)
        arrays[f"conv{i + 1}/kernel"] = rng.normal(0, scale, shape).astype("float32")
        arrays[f"conv{i + 1}/bias"] = rng.normal(0, 0.1, size).astype("float32")
        arrays[f"lin{i}"] = rng.uniform(0, 1, (1, 1, size, 1)).astype("float32")
        channels = size
    path = tmp_path_factory.mktemp("lpips") / "alexnet_lpips.npz"
    np.savez(path, **arrays)
    return path


def lpips(net, weights, one, two):
    """Zhang et al. 2018, equation 1, transcribed in NumPy."""
    total = 0.0
    for name, weight in zip(net.style, weights, strict=True):
        a, b = (np.asarray(net.model(x, training=False)[name]) for x in (one, two))
        a, b = (f / (np.sqrt((f**2).sum(-1, keepdims=True)) + 1e-10) for f in (a, b))
        total += ((a - b) ** 2 @ weight).mean()
    return total


def test_alexnet_reproduces_the_official_lpips_example():
    root = os.environ.get("GANTRAIN_DATA_DIR")
    if not root:
        pytest.skip("GANTRAIN_DATA_DIR is not set; it names the folder with lpips/")
    folder = Path(root) / "lpips"
    one, two = (
        keras.utils.img_to_array(keras.utils.load_img(folder / "example" / f"{name}.png"))[None]
        / 127.5 - 1
        for name in ("ex_ref", "ex_p0")
    )  # fmt: skip
    path = folder / "alexnet_lpips.npz"
    value = lpips(frozen.alexnet(path), frozen.lpips_weights(path), one, two)
    assert value == pytest.approx(0.722, abs=5e-4)


@pytest.mark.parametrize("size", [32, 64, 65, 70])
def test_alexnet_pads_like_its_origin(random_alexnet, size):
    net = frozen.alexnet(random_alexnet)
    x = np.random.default_rng(1).uniform(-1, 1, (1, size, size, 3)).astype("float32")
    made = net.model(x)

    def out(n, kernel, stride, padding):
        return (n + 2 * padding - kernel) // stride + 1

    first = out(size, 11, 4, 2)
    second = out(first, 3, 2, 0)
    third = out(second, 3, 2, 0)
    assert [made[f"relu{i}"].shape[1] for i in range(1, 6)] == [first, second, third, third, third]
    # The first corner by hand: two zeros on the left and on top, after the scaling of the input.
    arrays = np.load(random_alexnet)
    scaled = (x[0] - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
    patch = np.pad(scaled, ((2, 0), (2, 0), (0, 0)))[:11, :11]
    corner = np.einsum("hwc,hwco->o", patch, arrays["conv1/kernel"]) + arrays["conv1/bias"]
    np.testing.assert_allclose(made["relu1"][0, 0, 0], np.maximum(corner, 0), atol=1e-4)


def test_alexnet_is_frozen_and_named(random_alexnet):
    net = frozen.alexnet(random_alexnet)
    assert net.model.trainable_variables == []
    assert set(net.content) | set(net.style) <= set(net.model.output)
    assert [len(w) for w in frozen.lpips_weights(random_alexnet)] == [64, 192, 384, 256, 256]


@pytest.mark.parametrize("load", [frozen.alexnet, frozen.lpips_weights])
def test_a_wrong_lpips_file_is_a_user_error(tmp_path, load):
    with pytest.raises(UserError, match=r"missing\.npz: no such file"):
        load(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("not an archive")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", a=np.array([{}], dtype=object))
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("text.npz", "other.npz", "pickle.npz", "array.npy"):
        with pytest.raises(UserError, match="not an LPIPS file"):
            load(tmp_path / name)


def test_vgg19_is_that_of_keras_whatever_the_precision(tmp_path):
    reference = keras.applications.VGG19(include_top=False, weights=None)
    path = tmp_path / "vgg19.weights.h5"
    reference.save_weights(path)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        net = frozen.vgg19(path, offline=True)
    finally:
        keras.config.set_dtype_policy("float32")
    names = ("block5_conv2", *(f"block{i}_conv1" for i in range(1, 6)))
    assert (*net.content, *net.style) == names
    assert net.model.trainable_variables == []
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    inner = keras.Model(reference.input, [reference.get_layer(n).output for n in names])
    expected = inner(keras.applications.vgg19.preprocess_input((0.5 * x + 0.5) * 255))
    made = net.model(x)
    for name, value in zip(names, expected, strict=True):
        np.testing.assert_allclose(made[name], value, atol=1e-4 * np.abs(value).max())


def test_vgg19_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(UserError, match="--offline.*--vgg_weights"):
        frozen.vgg19(None, offline=True)
    with pytest.raises(UserError, match="no such file"):
        frozen.vgg19(tmp_path / "missing.h5")
    (tmp_path / "text.h5").write_text("not weights")
    with pytest.raises(UserError, match="not an HDF5 file"):
        frozen.vgg19(tmp_path / "text.h5")
