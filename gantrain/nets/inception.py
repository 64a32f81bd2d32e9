"""Inception features of images, for Frechet and kernel distances between sets of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from gantrain.deferred import keras, tf
from gantrain.files import sha256
from gantrain.nets.applications import Application, load

SIDE = 299

INCEPTION = Application(
    "InceptionV3",
    lambda **options: keras.applications.InceptionV3(**options),
    "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
    "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "bcbd6486424b2319ff4ef7d526e38f63",
    "--inception_weights",
    {"input_shape": (SIDE, SIDE, 3)},
)


def resized(images: tf.Tensor) -> tf.Tensor:
    """Images [b, H, W, C] in [-1, 1] at the size of the network; those of that size as they are."""
    return tf.image.resize(images, (SIDE, SIDE), antialias=True)


class Inception(NamedTuple):
    """A frozen feature network and what has to be stored with every number made of it.

    Args:
        features: images [b, H, W, 1 or 3] float32 in [-1, 1] -> [b, 2048] float32; of tensors, so
            that it can be compiled.
        description: {"network", "version", "weights", "sha256", "resizer"}.
    """

    features: Callable
    description: dict[str, str]


def inception(path: str | os.PathLike | None = None, offline: bool = False) -> Inception:
    """InceptionV3 trained on ImageNet: the mean over space of its last convolutional block.

    Images of any size are brought to 299x299 by bilinear interpolation that averages where it
    shrinks (antialias=True), so that a large image does not alias (Parmar et al. 2022). They are
    not rounded to 8 bits first. Gray is repeated.

    Deviation: the published FID is of the graph that was trained in TensorFlow in 2015, whose
    pools and weights are others, resized without antialiasing: values are near its values, not
    comparable with them.

    Args:
        path: weights file (.h5 or .weights.h5, with or without the dense layer); None uses the
            Keras cache and, unless `offline`, its download.
        offline: never touch the network.

    Raises:
        UserError: if the weights are not at hand.
    """
    net, file = load(INCEPTION, path, offline)
    last = net.get_layer("mixed10").output
    pooled = keras.layers.GlobalAveragePooling2D(dtype="float32")(last)
    model = keras.Model(net.input, pooled, name="inception")
    model.trainable = False

    def features(images):
        images = tf.cast(images, tf.float32)
        if images.shape[-1] == 1:
            images = tf.repeat(images, 3, axis=-1)
        # Keras's own preprocessing of this network ends in [-1, 1] too.
        return model(resized(images), training=False)

    return Inception(
        features,
        {
            "network": "InceptionV3, Keras ImageNet weights (not the 2015 TensorFlow graph of the "
            "published FID)",
            "version": f"Keras {keras.__version__}",
            "weights": file.name,
            "sha256": sha256(file),
            "resizer": f"TensorFlow bilinear, antialias=True, to {SIDE}x{SIDE}",
        },
    )
