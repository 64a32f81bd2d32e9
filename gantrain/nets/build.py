"""From tables to networks: what a table and the data decide, in one builder for k networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gantrain.deferred import keras, layers, tf
from gantrain.errors import UserError
from gantrain.nets.blocks import CHANNELS, OF_THE_BATCH, Row, Settings, build_rows, own
from gantrain.nets.classifiers import CLASSIFIERS, ENCODER
from gantrain.nets.gans import GANTable, gan_at
from gantrain.nets.patch import logits_side, patch_at, receptive_field
from gantrain.nets.translation import TRANSLATORS, halvings_of

# First element of every initialiser's key: two networks of one seed share no draw.
_GENERATOR, _DISCRIMINATOR, _CLASSIFIER, _ENCODER = range(4)
_TRANSLATOR, _PATCH, _HEAD, _PROJECTION = range(4, 8)


class Generated(NamedTuple):
    """What a generator makes of noise.

    Args:
        image: [B, H, W, C] (or [B, 2]) float32, in [-1, 1] for images.
        features: the output, after the activation, of every hidden weight row, in order.
    """

    image: keras.KerasTensor
    features: tuple[keras.KerasTensor, ...]


def generate(generator: keras.Model, z: tf.Tensor, training: bool) -> Generated:
    """G(z) with the features that the feature regulariser compares (thesis equation 4.1).

    Args:
        generator: from `build_gan`, or loaded from its file.
        z: [B, noise_dim] noise.
        training: whether batch normalisation uses the batch's own statistics.
    """
    made = generator(z, training=training)
    return Generated(made["image"], tuple(made["features"]))


def image_model(generator: keras.Model) -> keras.Model:
    """The same generator, weights included, with the image as its only output."""
    return keras.Model(generator.input, generator.output["image"], name=generator.name)


def build_gan(
    name: str,
    domains: int,
    shape: tuple[int, ...],
    *,
    noise_dim: int,
    width: float = 1.0,
    shared_layers: int = 0,
    d_shared_layers: int = 0,
    d_norm: str | None = None,
    spectral_norm: bool = False,
    weight_init: str = "xavier",
    alone: bool = False,
    seed: int,
) -> tuple[list[keras.Model], list[keras.Model]]:
    """Makes one generator and one discriminator per domain from two tables.

    Sharing rows by identity is CoGAN's coupling (thesis section 3.1); no sharing is what the soft
    couplings of SCoGAN act on.

    Args:
        name: a key of `NETS`.
        domains: number of domains, k.
        shape: shape of one image [H, W, C] with H = W, or of one point.
        noise_dim: size of the latent vector.
        width: factor on the size of every row but the last.
        shared_layers: first weight rows of the generators that are the same layers.
        d_shared_layers: last weight rows of the discriminators that are the same layers.
        d_norm: replaces the normalisation of the discriminator rows that have one: "batch",
            "layer", "none"; None keeps the table's. A gradient penalty needs "layer" or "none".
        spectral_norm: divide every kernel of the discriminators by its largest singular value.
        weight_init: "xavier" (normal) or "normal" (standard deviation 0.02).
        alone: leave out the discriminator rows that look at the whole batch in testing too, so that
            what is read from a hidden layer belongs to one image.
        seed: decides every initial weight and dropout mask; not negative.

    Returns:
        The generators, z [B, noise_dim] -> {"image", "features"}, and the discriminators,
        image -> logits [B, 1]. Images and logits are float32 under every precision.

    Raises:
        UserError: if the network does not fit the data or the numbers of shared rows the network.
    """
    gan = _gan_for(name, shape)
    _check_shared("--shared_layers", shared_layers, gan.generator, name)
    _check_shared("--d_shared_layers", d_shared_layers, gan.discriminator, name)

    noise = [keras.Input((noise_dim,), name="noise") for _ in range(domains)]
    made = build_rows(
        gan.generator,
        noise,
        size=shape[-1],
        settings=Settings(weight_init, width=width),
        seed=(seed, _GENERATOR),
        names="g",
        shared=(0, shared_layers),
    )
    generators = [
        keras.Model(z, {"image": image, "features": features}, name=f"generator_{i + 1}")
        for i, (z, (*features, image)) in enumerate(zip(noise, made, strict=True))
    ]

    images = [keras.Input(shape, name="image") for _ in range(domains)]
    table = tuple(row for row in gan.discriminator if not (alone and row.kind in OF_THE_BATCH))
    rows = sum(row.weighted for row in table)
    judged = build_rows(
        table,
        images,
        size=shape[-1],
        settings=Settings(weight_init, spectral_norm, d_norm, width),
        seed=(seed, _DISCRIMINATOR),
        names="d",
        shared=(rows - d_shared_layers, rows),
    )
    discriminators = [
        keras.Model(x, outputs[-1], name=f"discriminator_{i + 1}")
        for i, (x, outputs) in enumerate(zip(images, judged, strict=True))
    ]
    return generators, discriminators


def build_heads(
    discriminators: list[keras.Model], classes: int, *, weight_init: str = "xavier", seed: int
) -> list[keras.Model]:
    """One dense layer of classes on the last hidden layer of every discriminator.

    Liu and Tuzel 2016, section 5: the classifiers share the head, and with the discriminators all
    their other layers.

    Args:
        discriminators: from `build_gan`.
        classes: number of classes.
        weight_init: "xavier" (normal) or "normal" (standard deviation 0.02).
        seed: decides the initial weights; not negative.

    Returns:
        Per discriminator a classifier, image -> logits [B, classes] float32.
    """
    made = build_rows(
        (Row("dense", CHANNELS),),
        [_input_of_the_last_layer(d) for d in discriminators],
        size=classes,
        settings=Settings(weight_init),
        seed=(seed, _HEAD),
        names="head",
        shared=(0, 1),
    )
    return [
        keras.Model(d.input, logits, name=f"classifier_{i + 1}")
        for i, (d, (logits,)) in enumerate(zip(discriminators, made, strict=True))
    ]


def _input_of_the_last_layer(network: keras.Model) -> keras.KerasTensor:
    # A layer that networks share has an input in each: only the network's own output knows which.
    layer, call, _ = network.output._keras_history
    return layer._inbound_nodes[call].input_tensors[0]


def build_classifier(
    name: str, shape: tuple[int, ...], classes: int, *, width: float = 1.0, seed: int
) -> keras.Model:
    """A classifier, image [B, H, W, C] in [-1, 1] -> logits [B, classes] float32.

    Softmax (one label) or sigmoid (several) belongs to the loss.

    Args:
        name: a key of `CLASSIFIERS`.
        shape: shape of one image.
        classes: number of classes, or of attributes.
        width: factor on the size of every row but the last.
        seed: decides every initial weight and dropout mask.
    """
    if name not in CLASSIFIERS:
        raise UserError(f"classifier {name!r} is unknown: choose one of {sorted(CLASSIFIERS)}")
    return _single(CLASSIFIERS[name].rows, shape, classes, width, (seed, _CLASSIFIER), name)


def build_encoder(
    shape: tuple[int, ...], noise_dim: int, *, width: float = 1.0, seed: int
) -> keras.Model:
    """The encoder F of latent cycle consistency, image -> z [B, noise_dim] float32.

    Thesis equation 4.3: F minimises ||F(G(z)) - z||^2 together with the generators.

    Args:
        shape: shape of one image.
        noise_dim: size of the latent vector.
        width: factor on the size of every row but the last.
        seed: decides every initial weight and dropout mask.
    """
    return _single(ENCODER, shape, noise_dim, width, (seed, _ENCODER), "encoder")


def build_translator(
    name: str,
    size: int,
    channels_in: int,
    channels_out: int,
    *,
    width: float = 1.0,
    norm: str | None = None,
    upsample: str = "transpose",
    dropout: float = 0.0,
    weight_init: str = "normal",
    seed: int,
    number: int = 0,
) -> keras.Model:
    """A generator from images to images, [B, H, W, c] in [-1, 1] -> [B, H, W, C] in [-1, 1].

    H and W may be any multiples of `multiple(name, size)`. The image is float32 under every
    precision. Dropout and batch normalisation follow `training`: pix2pix also tests with True.

    Args:
        name: a key of `TRANSLATORS`.
        size: side of the training images; it decides how deep a U-Net is.
        channels_in: channels of the input.
        channels_out: channels of the output.
        width: factor on the size of every row but the last.
        norm: replaces the table's normalisation: "batch", "instance", "none"; None keeps it,
            "batch" in U-Nets and "instance" in ResNets.
        upsample: a key of `UPSAMPLES`.
        dropout: rate where the papers put it; 0 for none, 0.5 in pix2pix.
        weight_init: "xavier" (normal) or "normal" (standard deviation 0.02, as the papers').
        seed: decides every initial weight and dropout mask; not negative.
        number: of the generator among those of one run; each starts from other weights.

    Raises:
        UserError: if there is no such generator for images of this size.
    """
    halvings = halvings_of(name, size)
    table = TRANSLATORS[name].rows(halvings, upsample, dropout)
    settings = Settings(weight_init, norm=norm, width=width)
    return _on_images(
        table, channels_in, channels_out, settings, (seed, _TRANSLATOR), "generator", number
    )


def with_features(generator: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The same generator, weights included, with what is compared by PatchNCE; and that alone.

    Park et al. 2020, section 4: the pixels, the first and second downsampling convolution, in front
    of its norm, and the first and fifth residual block. Where a network has no such layer it is
    left out.

    Args:
        generator: from `build_translator`.

    Returns:
        images -> [image, features, ...], and images -> [features, ...].
    """
    halving = [layer for layer in generator.layers if getattr(layer, "strides", None) == (2, 2)]
    down = [layer for layer in halving if isinstance(layer, own.Conv2D)]
    blocks = [layer for layer in generator.layers if isinstance(layer, layers.Add)]
    features = [generator.input, *(f.output for f in (*down[:2], *blocks[:5:4]))]
    return (
        keras.Model(generator.input, [generator.output, *features], name=generator.name),
        keras.Model(generator.input, features, name=f"{generator.name}_encoder"),
    )


def build_projection(
    channels: list[int],
    *,
    units: int = 256,
    width: float = 1.0,
    weight_init: str = "normal",
    seed: int,
) -> keras.Model:
    """The MLPs of PatchNCE, one per layer, features [B, S, C_l] -> [B, S, units] float32 each.

    Park et al. 2020, section 3.2: two layers of 256 units. The norm is the loss's to divide by.

    Args:
        channels: C_l, the channels of every layer.
        units: of the hidden layer and of the output.
        width: factor on the size of the hidden layer.
        weight_init: "xavier" (normal) or "normal" (standard deviation 0.02).
        seed: decides every initial weight; not negative.
    """
    features = [keras.Input((None, c), name=f"features_{i + 1}") for i, c in enumerate(channels)]
    made = build_rows(
        (Row("dense", units, activation="relu"), Row("dense", CHANNELS)),
        features,
        size=units,
        settings=Settings(weight_init, width=width),
        seed=(seed, _PROJECTION),
        names="p",
    )
    return keras.Model(features, [outputs[-1] for outputs in made], name="projection")


def applied(network: keras.Model, test_mode: str, seed: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """A trained generator as a function of images, which changes no state of the network.

    Args:
        network: from `build_translator`.
        test_mode: "inference", or "training": dropout is on and batch statistics are those of the
            images given, as pix2pix was published (Isola et al. 2017, section 3.4).
        seed: of the dropout masks, which are the same in every call.

    Returns:
        [B, H, W, c] in [-1, 1] -> [B, H, W, C] in [-1, 1] float32.
    """
    if test_mode == "inference":
        return lambda images: network(images, training=False)

    def apply(images):
        # Seeds of dropout are the only integers among the state.
        state = [
            keras.ops.convert_to_tensor([seed, i], "uint32") if "int" in str(v.dtype) else v.value
            for i, v in enumerate(network.non_trainable_variables)
        ]
        made, _ = network.stateless_call(
            [v.value for v in network.trainable_variables], state, images, training=True
        )
        return made

    return apply


def build_patch_discriminator(
    patch: str,
    channels: int,
    *,
    size: int,
    width: float = 1.0,
    norm: str | None = None,
    spectral_norm: bool = False,
    weight_init: str = "normal",
    seed: int,
    number: int = 0,
) -> keras.Model:
    """A discriminator of patches, [B, H, W, channels] in [-1, 1] -> logits [B, h, w, 1] float32.

    A conditional one judges the input and the output of a generator, concatenated.

    Args:
        patch: a key of `PATCHES`; "global" gives h = w = 1 for images of `size`.
        channels: channels of what it judges.
        size: side of the training images.
        width: factor on the size of every row but the last.
        norm: replaces the table's batch normalisation: "batch", "layer", "instance", "none"; a
            gradient penalty needs one of the last three.
        spectral_norm: divide every kernel by its largest singular value.
        weight_init: "xavier" (normal) or "normal" (standard deviation 0.02, as the papers').
        seed: decides every initial weight; not negative.
        number: of the discriminator among those of one run; each starts from other weights.

    Raises:
        UserError: if there is no such discriminator or the images are too small for it.
    """
    settings = Settings(weight_init, spectral_norm, norm, width)
    table = patch_at(patch, size)
    return _on_images(table, channels, 1, settings, (seed, _PATCH), "discriminator", number)


def described(name: str, generator: keras.Model, patch: str | None, size: int) -> str:
    """A generator and its patch discriminator in one line.

    Args:
        name: a key of `TRANSLATORS`.
        generator: from `build_translator`.
        patch: a key of `PATCHES`, or None where there is no discriminator.
        size: side of the training images.
    """
    text = f"generator {name}, {generator.count_params():,} weights"
    if patch is None:
        return f"{text}; no discriminator"
    rows = patch_at(patch, size)
    side = logits_side(rows, size)
    return (
        f"{text}; discriminator with a receptive field of {receptive_field(rows)} pixels, "
        f"{side} x {side} logits"
    )


def _on_images(rows, channels, size, settings, seed, name, number) -> keras.Model:
    """A convolutional network on images of any size."""
    image = keras.Input((None, None, channels), name="image")
    (outputs,) = build_rows(
        rows, [image], size=size, settings=settings, seed=seed, names=name[0], first=number
    )
    return keras.Model(image, outputs[-1], name=f"{name}_{number + 1}")


def _single(rows, shape, size, width, seed, name) -> keras.Model:
    if len(shape) != 3:
        raise UserError(f"{name} needs images, and this data has shape {tuple(shape)}")
    image = keras.Input(shape, name="image")
    (outputs,) = build_rows(
        rows, [image], size=size, settings=Settings(width=width), seed=seed, names=name
    )
    return keras.Model(image, outputs[-1], name=name)


def _gan_for(name: str, shape: tuple[int, ...]) -> GANTable:
    if len(shape) == 3 and shape[0] != shape[1]:
        raise UserError(f"network {name!r} needs square images, not {shape[0]}x{shape[1]}")
    return gan_at(name, shape[0] if len(shape) == 3 else 0)


def _check_shared(flag: str, shared: int, rows: tuple[Row, ...], name: str) -> None:
    most = sum(row.weighted for row in rows) - 1
    if not 0 <= shared <= most:
        raise UserError(f"{flag} {shared}: {name!r} can share 0 to {most} rows, one stays apart")
