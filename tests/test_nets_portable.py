"""A network's file holds Keras's own layers, the same function, and what `translate` does."""

import zipfile

import keras
import numpy as np
import pytest

from gantrain import nets
from gantrain.nets import layers as own
from gantrain.nets.classifiers import CLASSIFIERS
from gantrain.nets.translation import UPSAMPLES

NOISE = np.random.default_rng(0)


def moved(network):
    """The network with running statistics as training leaves them."""
    for variable in network.non_trainable_variables:
        if "moving" in variable.path:
            variable.assign(NOISE.uniform(0.5, 1.5, variable.shape))
    return network


def outputs(network, x):
    return [np.asarray(v) for v in keras.tree.flatten(network(x, training=False))]


def filed(network, path):
    """What the file of a network holds, read as a stranger reads it."""
    nets.portable(network).save(path)
    assert b"gantrain" not in zipfile.ZipFile(path).read("config.json")
    return keras.saving.load_model(path, compile=False)


@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize("name", ["toy", "compact", "cogan32", "residual"])
def test_networks_from_noise(tmp_path, name, spectral_norm):
    shape = (2,) if name == "toy" else (32, 32, 3)
    (g,), (d,) = nets.build_gan(
        name, 1, shape, noise_dim=5, width=0.125, spectral_norm=spectral_norm, seed=0
    )
    for network, size in ((nets.image_model(g), (5,)), (d, shape)):
        x = NOISE.normal(size=(3, *size)).astype("float32")
        wanted = outputs(moved(network), x)
        for ours, theirs in zip(
            wanted, outputs(filed(network, tmp_path / "n.keras"), x), strict=True
        ):
            np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("upsample", UPSAMPLES)
@pytest.mark.parametrize("generator, norm", [("unet", "batch"), ("resnet6", "instance")])
def test_translators_of_any_size(tmp_path, generator, norm, upsample):
    network = moved(
        nets.build_translator(
            generator, 32, 3, 1, width=0.125, norm=norm, upsample=upsample, dropout=0.5, seed=0
        )
    )
    read = filed(network, tmp_path / "n.keras")
    x = NOISE.normal(size=(2, 64, 32, 3)).astype("float32")
    np.testing.assert_allclose(outputs(read, x)[0], outputs(network, x)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(tmp_path, name):
    network = moved(nets.build_classifier(name, (32, 32, 3), 4, width=0.125, seed=0))
    x = NOISE.normal(size=(2, 32, 32, 3)).astype("float32")
    read = filed(network, tmp_path / "n.keras")
    np.testing.assert_allclose(outputs(read, x)[0], outputs(network, x)[0], rtol=1e-4, atol=1e-5)


def test_a_network_used_as_in_training(tmp_path):
    """Every image by its own statistics and the masks of one alone, whatever lies beside it."""
    x = NOISE.normal(size=(2, 32, 32, 3)).astype("float32")
    for dropout in (0.0, 0.5):
        network = moved(
            nets.build_translator("unet", 32, 3, 3, width=0.125, dropout=dropout, seed=0)
        )
        apply = nets.applied(network, "training", 3)
        wanted = np.concatenate([apply(one[None]) for one in x])
        portable = nets.portable(network, True, 3, 32)
        assert portable.input_shape[1:] == ((32, 32, 3) if dropout else (None, None, 3))
        read = filed(portable, tmp_path / "n.keras")
        for made in (outputs(read, x)[0], read.predict(x, verbose=0)):
            np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-5)
        assert np.abs(outputs(network, x)[0] - wanted).max() > 0.01


def test_every_layer_of_ours_is_covered():
    """A new layer that `portable` does not know would make files that need this package."""
    kinds = [
        kind
        for kind in vars(own).values()
        if isinstance(kind, type)
        and kind.__module__ == own.__name__
        and issubclass(kind, keras.Layer)
    ]
    x = keras.Input((8, 8, 4))
    options = {
        "SpectralNorm": {"layer": keras.layers.Conv2D(4, 3)},
        "ReflectionPad2D": {"pad": 1},
        "Dropout": {"rate": 0.5},
    }
    for kind in kinds:
        size = {"filters": 4, "kernel_size": 3} if issubclass(kind, keras.layers.Conv2D) else {}
        if kind is own.ConvTranspose2D:
            size = {"filters": 4, "kernel_size": 3}
        layer = kind(**options.get(kind.__name__, size))
        text = nets.portable(keras.Model(x, layer(x))).to_json()
        assert "gantrain" not in text, kind
