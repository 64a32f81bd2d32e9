"""Frozen feature networks: their numbers, their padding, and what missing files lead to."""

import hashlib

import keras
import numpy as np
import pytest
from torch_saved import BACKBONES, CHANNELS, random_lpips, save, save_npz

from gantrain.errors import UserError
from gantrain.measures.lpips import LPIPS
from gantrain.nets import frozen


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Random weights of the smaller two networks, in all three layouts."""
    path = tmp_path_factory.mktemp("lpips")
    for net in ("alex", "squeeze"):
        backbone, linear = random_lpips(net)
        head = {"classifier.1.weight": np.ones((4, 9), np.float32)}
        save(path / f"{net}_backbone.pth", backbone | head, "zip")
        save(path / f"{net}_linear.pth", linear, "legacy")
        save_npz(path / f"{net}.npz", backbone, linear)
    return path


def both(folder, net):
    return f"{folder / net}_backbone.pth,{folder / net}_linear.pth"


@pytest.mark.parametrize("size", [32, 64, 65, 70])
def test_alexnet_pads_like_its_origin(folder, size):
    net = frozen.lpips(folder / "alex.npz")
    x = np.random.default_rng(1).uniform(-1, 1, (1, size, size, 3)).astype("float32")
    made = net.model(x)

    def out(n, kernel, stride, padding):
        return (n + 2 * padding - kernel) // stride + 1

    first = out(size, 11, 4, 2)
    second = out(first, 3, 2, 0)
    third = out(second, 3, 2, 0)
    assert [made[f"relu{i}"].shape[1] for i in range(1, 6)] == [first, second, third, third, third]
    # The first corner by hand: two zeros on the left and on top, after the scaling of the input.
    arrays = np.load(folder / "alex.npz")
    scaled = (x[0] - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
    patch = np.pad(scaled, ((2, 0), (2, 0), (0, 0)))[:11, :11]
    corner = np.einsum("hwc,hwco->o", patch, arrays["conv1/kernel"]) + arrays["conv1/bias"]
    np.testing.assert_allclose(made["relu1"][0, 0, 0], np.maximum(corner, 0), atol=1e-4)


@pytest.mark.parametrize("net", ["alex", "squeeze"])
def test_every_layout_gives_the_same_network(folder, net):
    nets = [frozen.lpips(path) for path in (folder / f"{net}.npz", both(folder, net))]
    nets.append(frozen.lpips(str(folder / f"{net}_backbone.pth")))
    for other in nets[1:]:
        for one, two in zip(nets[0].model.get_weights(), other.model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    for one, two in zip(nets[0].linear, nets[1].linear, strict=True):
        assert one.dtype == np.float32 and one.ndim == 1
        np.testing.assert_array_equal(one, two)
    assert nets[2].linear == ()
    assert nets[1].description == {
        "network": f"LPIPS {net}",
        "version": "0.1",
        "weights": f"{net}_backbone.pth,{net}_linear.pth",
        "sha256": ",".join(
            hashlib.sha256((folder / f"{net}_{part}.pth").read_bytes()).hexdigest()
            for part in ("backbone", "linear")
        ),
    }
    assert nets[0].description["weights"] == f"{net}.npz"
    assert "," not in nets[0].description["sha256"]


@pytest.mark.parametrize("net", ["alex", "squeeze"])
def test_the_networks_of_lpips_are_frozen_and_named(folder, net):
    made = frozen.lpips(folder / f"{net}.npz")
    assert made.model.trainable_variables == []
    assert set(made.content) <= set(made.style) == set(made.model.output)
    assert [len(w) for w in made.linear] == CHANNELS[net]
    assert [made.model.output[n].shape[-1] for n in made.style] == CHANNELS[net]


def test_the_files_of_a_folder_are_told_apart_by_what_they_hold(tmp_path, folder):
    names = {"alex_backbone": "one", "alex_linear": "two", "squeeze_linear": "three"}
    for old, new in names.items():
        (tmp_path / f"{new}.pth").write_bytes((folder / f"{old}.pth").read_bytes())
    np.savez(tmp_path / "unrelated.npz", a=np.zeros(3))
    found = frozen.lpips(tmp_path)
    assert found.description["weights"] == "one.pth,two.pth"
    (tmp_path / "four.pth").write_bytes((folder / "squeeze_backbone.pth").read_bytes())
    with pytest.raises(UserError, match="weights for alex and squeeze"):
        frozen.lpips(tmp_path)
    assert frozen.lpips(tmp_path, "squeeze").description["weights"] == "four.pth,three.pth"
    with pytest.raises(UserError, match="not an LPIPS file of VGG16"):
        frozen.lpips(tmp_path, "vgg")
    with pytest.raises(UserError, match="LPIPS network vgg19: choose from alex, squeeze, vgg"):
        frozen.lpips(tmp_path, "vgg19")
    with pytest.raises(UserError, match=r"alex.npz and alex_backbone.pth are both for AlexNet"):
        frozen.lpips(folder)


def test_weights_of_vgg16_load(tmp_path):
    """The table has 13 convolutions with torchvision's names; constants, since they are many."""
    backbone = {}
    for i, (name, before, after, kernel) in enumerate(BACKBONES["vgg"]):
        backbone[f"features.{name}.weight"] = np.full((after, before, kernel, kernel), i, "f2")
        backbone[f"features.{name}.bias"] = np.full(after, -i, "f2")
    save(tmp_path / "vgg.pth", backbone)
    net = frozen.lpips(tmp_path / "vgg.pth")
    assert net.style == ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
    for i, weight in enumerate(net.model.get_weights()):
        assert np.ptp(weight) == 0 and float(np.mean(weight)) == (-1) ** (i % 2) * (i // 2)
    with pytest.raises(UserError, match="not an LPIPS file"):
        save(tmp_path / "vgg.pth", {k: v for k, v in backbone.items() if "28" not in k})
        frozen.lpips(tmp_path / "vgg.pth")


def test_a_wrong_lpips_file_is_a_user_error(tmp_path, folder):
    for name in ("missing.npz", "missing.pth", "one.pth,two.pth"):
        with pytest.raises(UserError, match=f"{name.split(',')[0]}: no such file"):
            frozen.lpips(tmp_path / name)
    with pytest.raises(UserError, match="no .npz and no .pth"):
        frozen.lpips(tmp_path)
    (tmp_path / "text.npz").write_text("not an archive")
    (tmp_path / "cut.npz").write_bytes((folder / "alex.npz").read_bytes()[:5000])
    np.savez(tmp_path / "pickle.npz", a=np.array([{}], dtype=object))
    for name in ("text.npz", "cut.npz", "pickle.npz"):
        with pytest.raises(UserError, match=f"{name}: not a readable .npz"):
            frozen.lpips(tmp_path / name)
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    arrays = dict(np.load(folder / "alex.npz"))
    np.savez(tmp_path / "shape.npz", **arrays | {"conv5/kernel": arrays["conv4/kernel"]})
    np.savez(tmp_path / "bias.npz", **arrays | {"conv5/bias": np.zeros(255)})
    for name in ("other.npz", "shape.npz", "bias.npz"):
        with pytest.raises(UserError, match="not an LPIPS file|not the convolutions"):
            frozen.lpips(tmp_path / name)
    kernel = arrays["conv1/kernel"]
    for name, change, reason in (
        ("nan", {"conv1/kernel": np.full_like(kernel, np.nan)}, "conv1/kernel is not of finite"),
        ("inf", {"lin0": arrays["lin0"] * np.inf}, "lin0 is not of finite"),
        ("complex", {"conv1/kernel": kernel.astype(complex)}, "conv1/kernel is not of finite"),
        ("text", {"conv1/bias": arrays["conv1/bias"].astype(str)}, "conv1/bias is not of finite"),
        ("turned", {"conv1/kernel": kernel.T}, "not an LPIPS file|not the convolutions"),
    ):
        np.savez(tmp_path / f"{name}.npz", **arrays | change)
        with pytest.raises(UserError, match=f"{name}.npz: .*({reason})"):
            frozen.lpips(tmp_path / f"{name}.npz")
    (tmp_path / "page.pth").write_text("<!DOCTYPE html>")
    (tmp_path / "cut.pth").write_bytes((folder / "alex_backbone.pth").read_bytes()[:5000])
    for name, reason in (("page.pth", "a web page"), ("cut.pth", "not a zip file")):
        with pytest.raises(UserError, match=reason):
            frozen.lpips(tmp_path / name)
    with pytest.raises(UserError, match="for alex but not the convolutions.*BACKBONE.pth"):
        frozen.lpips(folder / "alex_linear.pth")


def test_linear_weights_of_version_0_0_are_refused(folder, monkeypatch):
    old = hashlib.sha256((folder / "alex_linear.pth").read_bytes()).hexdigest()
    monkeypatch.setattr(frozen, "_LPIPS_OLD", {old})
    with pytest.raises(UserError, match=r"alex_linear.pth: linear weights of LPIPS 0.0.*v0.1"):
        frozen.lpips(both(folder, "alex"))


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
    assert net.description["weights"] == path.name and len(net.description["sha256"]) == 64
    with pytest.raises(UserError, match="vgg19.weights.h5: holds no linear weights"):
        LPIPS(net)


def test_vgg19_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with pytest.raises(UserError, match="--offline.*--vgg_weights"):
        frozen.vgg19(None, offline=True)
    with pytest.raises(UserError, match="no such file"):
        frozen.vgg19(tmp_path / "missing.h5")
    (tmp_path / "text.h5").write_text("not weights")
    with pytest.raises(UserError, match="not an HDF5 file"):
        frozen.vgg19(tmp_path / "text.h5")
