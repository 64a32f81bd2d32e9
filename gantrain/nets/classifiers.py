"""Classifiers of the semantic loss and of the evaluation, and the encoder of cycle consistency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gantrain import progress
from gantrain.deferred import keras, layers, ops, tf
from gantrain.errors import UserError
from gantrain.images import to_float
from gantrain.nets.blocks import CHANNELS, OF_THE_BATCH, Row
from gantrain.nets.gans import COGAN32, compact_gan


@dataclass(frozen=True)
class ClassifierTable:
    """The table of a classifier.

    Args:
        summary: one line for the list of architectures.
        rows: rows from the image to the logits.
    """

    summary: str
    rows: tuple[Row, ...]


def trunk(rows: Sequence[Row]) -> tuple[Row, ...]:
    """A discriminator's rows as a classifier's.

    Its head gets the classes, and nothing looks at the other images of the batch.
    """
    kept = tuple(row for row in rows[:-1] if row.kind not in OF_THE_BATCH)
    return (*kept, replace(rows[-1], size=CHANNELS))


# Deviation: the tables print a 2x2 pooling of stride 1 that doubles its input, which no pooling
# does; stride 2 is meant.
DIGIT = ClassifierTable(
    summary="the thesis's classifier for digits and attributes (tables B.1 and B.2)",
    rows=(
        Row("conv", 32, 3, activation="leaky_relu_0.3"),
        Row("conv", 64, 3, activation="leaky_relu_0.3"),
        Row("pool", kernel=2, stride=2),
        Row("dropout", 0.25),
        Row("flatten"),
        Row("dense", 128, activation="leaky_relu_0.3"),
        Row("dropout", 0.5),
        Row("dense", CHANNELS),
    ),
)

COMPACT = ClassifierTable(
    summary="strided convolutions without normalisation, cheap in the semantic loss",
    rows=(
        Row("conv", 32, 4, 2, activation="leaky_relu_0.2"),
        Row("conv", 64, 3, activation="leaky_relu_0.2"),
        Row("conv", 96, 3, 2, activation="leaky_relu_0.2"),
        Row("conv", 128, 3, 2, activation="leaky_relu_0.2"),
        Row("flatten"),
        Row("dense", 128, activation="leaky_relu_0.2"),
        Row("dense", CHANNELS),
    ),
)

# Discriminators of `gantrain.nets.gans` with a softmax head in the logit's place: what a label
# head on their trunk is compared with.
COMPACT_TRUNK = ClassifierTable(
    summary="the trunk of compact's discriminator at 32 pixels, with a head of classes",
    rows=trunk(compact_gan(32).discriminator),
)

COGAN32_TRUNK = ClassifierTable(
    summary="the trunk of cogan32's discriminator (CoGAN's LeNet), with a head of classes",
    rows=trunk(COGAN32.discriminator),
)

# The panel of judges: three architectures, none of them the semantic loss's. What fools one need
# not fool the others, and what is there to be read they all should read.
EVALUATION = ClassifierTable(
    summary="strided convolutions with batch normalisation, the first of the judges",
    rows=(
        Row("conv", 24, 5, 2, "batch", "relu"),
        Row("conv", 48, 3, 2, "batch", "relu"),
        Row("conv", 96, 3, 1, "batch", "relu"),
        Row("conv", 96, 3, 2, "batch", "relu"),
        Row("flatten"),
        Row("dropout", 0.3),
        Row("dense", CHANNELS),
    ),
)

EVALUATION_POOLED = ClassifierTable(
    summary="poolings, no normalisation and a hidden dense layer, the second of the judges",
    rows=(
        Row("conv", 24, 4, 2, activation="leaky_relu_0.2"),
        Row("conv", 48, 3, activation="leaky_relu_0.2"),
        Row("pool", kernel=2, stride=2),
        Row("conv", 64, 3, activation="leaky_relu_0.2"),
        Row("pool", kernel=2, stride=2),
        Row("flatten"),
        Row("dense", 128, activation="leaky_relu_0.2"),
        Row("dropout", 0.3),
        Row("dense", CHANNELS),
    ),
)

EVALUATION_WIDE = ClassifierTable(
    summary="three convolutions of large kernels, the third of the judges",
    rows=(
        Row("conv", 16, 7, 2, "batch", "relu"),
        Row("conv", 32, 5, 2, "batch", "relu"),
        Row("conv", 64, 5, 2, "batch", "relu"),
        Row("flatten"),
        Row("dropout", 0.3),
        Row("dense", CHANNELS),
    ),
)

ENCODER = (
    Row("conv", 64, 3, 1, activation="leaky_relu_0.2"),
    Row("conv", 128, 3, 2, activation="leaky_relu_0.2"),
    Row("conv", 128, 3, 2, activation="leaky_relu_0.2"),
    Row("conv", 256, 3, 2, activation="leaky_relu_0.2"),
    Row("flatten"),
    Row("dropout", 0.4),
    Row("dense", CHANNELS),
)
"""The encoder F of latent cycle consistency (thesis equation 4.3), which the text does not print.

Layer sizes as the project's issue gives them; one dropout, in front of the dense layer.
"""

CLASSIFIERS: dict[str, ClassifierTable] = {
    "digit": DIGIT,
    "compact": COMPACT,
    "evaluation": EVALUATION,
    "evaluation_pooled": EVALUATION_POOLED,
    "evaluation_wide": EVALUATION_WIDE,
    "compact_trunk": COMPACT_TRUNK,
    "cogan32_trunk": COGAN32_TRUNK,
}


def penultimate(classifier: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """The features that a classifier decides by: what its last dense layer reads.

    They stand for images in Frechet and kernel distances that need no download. Values of another
    classifier, let alone of Inception, are not comparable with them.

    Args:
        classifier: from `build_classifier`, or any functional Keras model with a dense layer.

    Returns:
        images [B, H, W, C] in [-1, 1] -> float32 [B, D].

    Raises:
        UserError: the model has no dense layer.
    """
    dense = [layer for layer in classifier.layers if isinstance(layer, layers.Dense)]
    if not dense:
        raise UserError(
            f"classifier {classifier.name!r} has no dense layer to take features from; "
            f"give another --classifier"
        )
    body = keras.Model(classifier.input, dense[-1].input)

    def features(images):
        made = ops.cast(body(images, training=False), "float32")
        return ops.reshape(made, (ops.shape(made)[0], -1))

    return features


def logits_of(classifier: keras.Model, images: np.ndarray, batch_size: int = 250) -> np.ndarray:
    """Logits of many images, float32 [N, C]; images are integers or [-1, 1], in memory."""
    made = []
    for start in range(0, len(images), batch_size):
        progress.at(start, len(images))
        part = images[start : start + batch_size]
        part = to_float(part) if part.dtype.kind == "u" else part
        made.append(classifier(part, training=False).numpy())
    return np.concatenate(made).astype(np.float32)
