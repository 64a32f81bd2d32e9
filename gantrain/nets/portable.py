"""A network in Keras's own layers: the same function, for a file that needs no gantrain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from gantrain import noise
from gantrain.deferred import Deferred, keras, layers, ops

if TYPE_CHECKING:
    from gantrain.nets import layers as own
else:
    own = Deferred("gantrain.nets.layers")


def _same() -> dict[type[keras.Layer], type[keras.Layer]]:
    """{layer of ours: Keras's, which computes the same from the same weights, only slower}."""
    return {
        own.Conv2D: layers.Conv2D,
        own.ConvTranspose2D: layers.Conv2DTranspose,
        own.BatchNorm: layers.BatchNormalization,
        own.PReLU: layers.PReLU,
        own.Dropout: layers.Dropout,
    }


def _drawn() -> dict[type, Callable]:
    """Layers without weights that Keras lacks, as operations of a graph."""
    return {own.ReflectionPad2D: _reflected, own.MinibatchStd: _with_deviation}


def portable(
    model: keras.Model, training: bool = False, seed: int = 0, side: int | None = None
) -> keras.Model:
    """The same function and weights as `model`, without a layer of this package.

    Args:
        model: a functional Keras model.
        training: whether every image is normalised by its own statistics and dropout is on, as
            pix2pix is used (Isola et al. 2017, section 3.4): what `gantrain.nets.applied` makes of
            one image, whatever lies beside it in a batch.
        seed: of the dropout masks.
        side: of the images whose masks these are, the only ones that a network with dropout then
            takes; without dropout, or not as in training, it takes those that `model` takes.
    """
    made: dict[str, keras.layers.Layer] = {}
    drawn = _drawn()
    masked = training and any(isinstance(x, layers.Dropout) and x.rate for x in model.layers)

    def clone(layer):
        # Operations of a graph hold no weights, and need no copy.
        plain = isinstance(layer, layers.Layer) and type(layer) not in drawn
        made[layer.name] = _of_keras(layer) if plain else layer
        return made[layer.name]

    def call(layer, *args, **kwargs):
        if type(layer) in drawn:
            return drawn[type(layer)](layer, *args)
        if training and isinstance(layer, layers.BatchNormalization):
            # Before the layer, since `predict` has all layers of a network in inference.
            (x,) = args
            args = (_normalised(x, layer.epsilon),)
        if masked and isinstance(layer, layers.Dropout):
            (x,) = args
            return _masked(x, _mask(model, layer.name, seed, x.shape[1:]), layer.name)
        return layer(*args, **kwargs)

    shape = (side, side, model.input_shape[-1])
    network = keras.models.clone_model(
        model,
        input_tensors=keras.Input(shape, name="images") if masked else None,
        clone_function=clone,
        call_function=call,
    )
    for layer in model.layers:
        if getattr(made.get(layer.name), "weights", ()):
            weights = _weights(layer)
            if training and isinstance(layer, layers.BatchNormalization):
                # What is left to the layer is gamma x + beta.
                weights[-2:] = np.zeros_like(weights[-2]), np.ones_like(weights[-1]) - layer.epsilon
            made[layer.name].set_weights(weights)
    return network


def _of_keras(layer):
    """A layer of Keras for one of ours, with weights of its own."""
    kind = type(layer)
    if kind is own.SpectralNorm:
        return _of_keras(layer.layer)
    about = {"name": layer.name, "dtype": layer.dtype_policy}
    if kind is own.InstanceNorm:
        return layers.GroupNormalization(-1, epsilon=own.InstanceNorm.EPSILON, **about)
    if kind is own.MaxPool2x2:
        return layers.MaxPooling2D(2, **about)
    # One layer of stride 2, as they are computed; see `_weights`.
    if kind in (own.ResizeConv2D, own.ConvPool2D):
        side = layer.kernel_size[0] + 1
        conv = layers.Conv2DTranspose if kind is own.ResizeConv2D else layers.Conv2D
        return conv(layer.filters, side, 2, "same", use_bias=layer.use_bias, **about)
    if kind is own.DepthToSpace:
        # A transposed convolution that moves numbers: it takes maps of any size.
        size = layer.output.shape[-1]
        return layers.Conv2DTranspose(size, 2, 2, use_bias=False, trainable=False, **about)
    # First weights are not needed, and may be those of an initializer of ours.
    options = {k: v for k, v in layer.get_config().items() if not k.endswith("_initializer")}
    return _same().get(kind, kind).from_config(options)


def _weights(layer):
    """Weights of a layer, as `_of_keras` of it takes them."""
    kind = type(layer)
    if kind is own.SpectralNorm:
        kernel, *rest = _weights(layer.layer)
        return [kernel / ops.convert_to_numpy(layer.sigma()), *rest]
    if kind is own.DepthToSpace:
        # Pixel (a, b) of a block of C channels lies behind the first C (2 a + b).
        size = layer.output.shape[-1]
        return [np.eye(4 * size).reshape(2, 2, size, 4 * size)]
    if kind in (own.ResizeConv2D, own.ConvPool2D):
        return [ops.convert_to_numpy(layer.composed()), *layer.get_weights()[1:]]
    return layer.get_weights()


def _mask(model, name, seed, shape):
    """Factors [H, W, C] of a layer of dropout, as `gantrain.nets.applied` draws them."""
    layer = model.get_layer(name)
    states = [id(v) for v in model.non_trainable_variables]
    state = [seed, states.index(id(layer.seed_generator.state))]
    drawn = noise.uniform((1, *shape), ops.convert_to_tensor(state, "uint32"))
    kept = ops.convert_to_numpy(drawn)[0] >= layer.rate
    return np.where(kept, 1.0 / (1.0 - layer.rate), 0.0)


def _masked(x, mask, name):
    """Maps times the weights of a layer."""
    layer = layers.EinsumDense("bhwc,hwc->bhwc", mask.shape, trainable=False, name=name)
    y = layer(x)
    layer.set_weights([mask])
    return y


def _normalised(x, epsilon):
    """Channels of every image by their own mean and variance."""
    values = ops.cast(x, "float32")
    mean, variance = ops.moments(values, (1, 2), keepdims=True)
    return ops.cast((values - mean) * ops.rsqrt(variance + epsilon), x.dtype)


def _reflected(layer, x):
    side = (layer.pad, layer.pad)
    return ops.pad(x, ((0, 0), side, side, (0, 0)), mode="reflect")


def _with_deviation(layer, x):
    std = ops.mean(ops.sqrt(ops.var(ops.cast(x, "float32"), axis=0) + 1e-8))
    channel = ops.zeros_like(x[..., :1]) + ops.cast(std, x.dtype)
    return ops.concatenate([x, channel], axis=-1)
