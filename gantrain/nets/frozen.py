"""Frozen feature networks: VGG19 for the perceptual loss, AlexNet for it and for LPIPS.

Both take images in [-1, 1] and scale them inside, and both say by name which of their outputs
carry content and which carry style, so that a loss need not know which network it has.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np
from keras import layers

from gantrain.errors import UserError


class FeatureNet(NamedTuple):
    """A frozen network and the names of its outputs.

    Args:
        model: images [B, H, W, 3] float32 in [-1, 1] -> {name: [B, h, w, c] float32}.
        content: names of the outputs whose values describe content.
        style: names of the outputs whose Gram matrices describe style.
    """

    model: keras.Model
    content: tuple[str, ...]
    style: tuple[str, ...]


_VGG19_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"


def vgg19(path: str | os.PathLike | None = None, offline: bool = False) -> FeatureNet:
    """VGG19 trained on ImageNet, as the published code reads it (thesis listing 6.17).

    Args:
        path: weights file (.h5 or .weights.h5, with or without the dense layers); None uses the
            Keras cache and, unless `offline`, its download.
        offline: never touch the network.

    Raises:
        UserError: if the weights are not at hand.
    """
    content = ("block5_conv2",)
    style = tuple(f"block{i}_conv1" for i in range(1, 6))
    image = keras.Input((None, None, 3), name="image")
    x = keras.applications.vgg19.preprocess_input(
        layers.Rescaling(127.5, 127.5, dtype="float32")(image)
    )
    outputs = {}
    for layer in _load_vgg19(path, offline).layers[1:]:
        # Built anew in float32: its activations overflow float16.
        copy = type(layer).from_config({**layer.get_config(), "dtype": "float32"})
        x = copy(x)
        copy.set_weights(layer.get_weights())
        if layer.name in (*content, *style):
            outputs[layer.name] = x
        if layer.name == content[-1]:
            break
    return FeatureNet(_frozen(image, outputs, "vgg19"), content, style)


def _load_vgg19(path: str | os.PathLike | None, offline: bool) -> keras.Model:
    if path is None:
        home = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
        if offline and not (home / "models" / _VGG19_FILE).exists():
            raise UserError(
                f"--offline and no VGG19 weights in the Keras cache: give --vgg_weights PATH "
                f"or put {_VGG19_FILE} under {home / 'models'}"
            )
        try:
            return keras.applications.VGG19(include_top=False, weights="imagenet")
        except Exception as error:  # Keras raises a bare Exception when a download fails.
            raise UserError(
                f"cannot download the VGG19 weights ({str(error).splitlines()[0]}): "
                f"give --vgg_weights PATH to {_VGG19_FILE}"
            ) from error
    if not Path(path).is_file():
        raise UserError(f"--vgg_weights {path}: no such file; {_VGG19_FILE} is expected")
    if not h5py.is_hdf5(path):
        raise UserError(f"--vgg_weights {path}: not an HDF5 file; {_VGG19_FILE} is expected")
    for include_top in (False, True):
        net = keras.applications.VGG19(include_top=include_top, weights=None)
        try:
            net.load_weights(path)
            return net
        except (ValueError, KeyError, OSError) as error:
            reason = str(error).splitlines()[0]
    raise UserError(f"--vgg_weights {path}: not a VGG19 weights file of Keras ({reason})")


# name, kernel, channels, stride, zero padding, whether a 3x3 max pool of stride 2 comes first
_ALEXNET = (
    ("conv1", 11, 64, 4, 2, False),
    ("conv2", 5, 192, 1, 2, True),
    ("conv3", 3, 384, 1, 1, True),
    ("conv4", 3, 256, 1, 1, False),
    ("conv5", 3, 256, 1, 1, False),
)

# LPIPS's statement of ImageNet's mean and deviation for images in [-1, 1].
_LPIPS_SHIFT = np.array([-0.030, -0.088, -0.188])
_LPIPS_SCALE = np.array([0.458, 0.448, 0.450])


def alexnet(path: str | os.PathLike) -> FeatureNet:
    """The convolutions of torchvision's AlexNet as LPIPS v0.1 uses them (Zhang et al. 2018).

    Outputs `relu1` to `relu5`. Padding is explicit zeros: "same" would pad a stride of 4 on other
    sides. Images need 31 pixels a side at least.

    Deviation: content is `relu5` and style `relu1` to `relu5` when it stands in for VGG19, the
    nearest to the layers that the thesis takes.

    Args:
        path: LPIPS weights as .npz with `convN/kernel` [h, w, in, out] and `convN/bias`.

    Raises:
        UserError: if the file is missing or is something else.
    """
    arrays = _read_npz(path)
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(
        (1 / _LPIPS_SCALE).tolist(), (-_LPIPS_SHIFT / _LPIPS_SCALE).tolist(), dtype="float32"
    )(image)
    outputs = {}
    for name, kernel, channels, stride, padding, pooled in _ALEXNET:
        if pooled:
            x = layers.MaxPooling2D(3, 2, dtype="float32")(x)
        x = layers.ZeroPadding2D(padding, dtype="float32")(x)
        conv = layers.Conv2D(
            channels, kernel, stride, activation="relu", name=name, dtype="float32"
        )
        x = conv(x)
        try:
            conv.set_weights([arrays[f"{name}/kernel"], arrays[f"{name}/bias"]])
        except (KeyError, ValueError) as error:
            raise _not_lpips(path) from error
        outputs[name.replace("conv", "relu")] = x
    return FeatureNet(_frozen(image, outputs, "alexnet"), ("relu5",), tuple(outputs))


def lpips_weights(path: str | os.PathLike) -> tuple[np.ndarray, ...]:
    """The linear weights of LPIPS v0.1 for `relu1` to `relu5`, each [channels] float32.

    Args:
        path: the same file as for `alexnet`, with `lin0` to `lin4`.

    Raises:
        UserError: if the file is missing or is something else.
    """
    arrays = _read_npz(path)
    try:
        return tuple(
            arrays[f"lin{i}"].reshape(row[2]).astype("float32") for i, row in enumerate(_ALEXNET)
        )
    except (KeyError, ValueError) as error:
        raise _not_lpips(path) from error


def _read_npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; alexnet_lpips.npz is expected") from error
    except (OSError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise _not_lpips(path) from error


def _not_lpips(path: str | os.PathLike) -> UserError:
    return UserError(
        f"{path}: not an LPIPS file of AlexNet; an .npz with conv1/kernel, conv1/bias to conv5 "
        "and lin0 to lin4 is expected"
    )


def _frozen(image, outputs: dict, name: str) -> keras.Model:
    model = keras.Model(image, outputs, name=name)
    model.trainable = False
    return model
