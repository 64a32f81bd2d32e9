"""What one row of an architecture table means, written once for every network.

A row becomes a *block*: a function of a symbolic tensor that holds its layers. Calling the same
block in two networks is what sharing a row means, so shared weights are one variable by identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from gantrain import noise
from gantrain.nets import convolutions

CHANNELS = None
"""Size of a row whose width the data decides: the channels of an image, the latent size."""

Block = Callable[[keras.KerasTensor], keras.KerasTensor]


@dataclass(frozen=True)
class Row:
    """One line of an architecture table.

    Args:
        kind: a key of `KINDS`.
        size: channels or neurons; the rate of a `dropout` row; `CHANNELS` where the data decides.
        kernel: side of the kernel or of the pooling window; for a `dense` row the side of the
            square map that its output is reshaped to, 0 for none.
        stride: stride; the kinds `up`, `res_up` and `res_down` are always by 2.
        norm: a key of `NORMS`, applied before the activation.
        activation: a key of `ACTIVATIONS`.
        pad: a key of `PADS`: what surrounds the map in `conv` and `res` rows.
        dropout: rate of the dropout behind the activation, 0 for none.
        name: what a later row calls this row's output in its `of`.
        of: names of the rows whose outputs, joined along the channels, this row reads; empty for
            the row before it.
    """

    kind: str
    size: float | None = 0
    kernel: int = 0
    stride: int = 1
    norm: str = "none"
    activation: str = "linear"
    pad: str = "same"
    dropout: float = 0.0
    name: str = ""
    of: tuple[str, ...] = ()

    @property
    def weighted(self) -> bool:
        """Whether the row has a kernel: the rows that `--shared_layers` counts."""
        return self.kind in WEIGHTED


@dataclass(frozen=True)
class Settings:
    """What all rows of one network have in common, beside its table.

    Args:
        weight_init: a key of `WEIGHT_INITS`.
        spectral_norm: divide every kernel by its largest singular value.
        norm: a key of `NORMS` that replaces the norm of the rows that have one; None keeps it.
        width: factor on the size of every row but the last.
    """

    weight_init: str = "xavier"
    spectral_norm: bool = False
    norm: str | None = None
    width: float = 1.0


def scaled(size: int, width: float) -> int:
    """The size of a row at another width: a multiple of 4, and at least 4."""
    return size if width == 1 else max(4, 4 * round(size * width / 4))


@keras.saving.register_keras_serializable(package="gantrain")
class SpectralNorm(layers.Wrapper):
    """A layer whose kernel is divided by its largest singular value.

    W / sigma(W) with sigma = v' W u; u and v follow from one power iteration per training call and
    are constants to the gradient (Miyato et al. 2018, equations 8 to 10 and appendix A).

    Deviation: u is iterated to convergence when the layer is built, so that the first steps are
    already bounded. `keras.layers.SpectralNormalization` is not used: it overwrites the kernel
    itself in every training call, so that optimizers, averages and checkpoints see another weight.

    Args:
        layer: a layer with a `kernel` whose last axis is taken as the columns of the matrix W.
    """

    def build(self, input_shape: tuple | None = None) -> None:
        super().build(input_shape)
        columns = self.layer.kernel.shape[-1]
        self.u = self.add_weight(
            name="u",
            shape=(columns,),
            initializer=keras.initializers.Constant(columns**-0.5),
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )
        # Fifteen iterations from here, as PyTorch does: one from an arbitrary u is far off.
        u = self.u.value
        for _ in range(15):
            u, _ = self._iterate(u)
        self.u.assign(u)

    def _matrix(self):
        kernel = ops.cast(self.layer.kernel, "float32")
        return ops.reshape(kernel, (-1, kernel.shape[-1]))

    def _iterate(self, u):
        matrix = ops.stop_gradient(self._matrix())
        v = ops.normalize(ops.matmul(matrix, u), axis=-1)
        return ops.normalize(ops.matmul(v, matrix), axis=-1), v

    def sigma(self, training: bool = False) -> tf.Tensor:
        """The estimate of the largest singular value of the kernel, a float32 scalar."""
        u, v = self._iterate(self.u.value)
        if training:
            self.u.assign(u)
        return ops.sum(v * ops.matmul(self._matrix(), u))

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        kernel = self.layer.kernel
        normalised = ops.cast(kernel, "float32") / self.sigma(training)

        def values(variables):
            # A layer does not cast what stands in for its variables.
            values = [normalised if v is kernel else v.value for v in variables]
            return [ops.cast(value, self.compute_dtype) for value in values]

        outputs, _ = self.layer.stateless_call(
            values(self.layer.trainable_variables),
            values(self.layer.non_trainable_variables),
            inputs,
        )
        return outputs

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return self.layer.compute_output_shape(input_shape)


@keras.saving.register_keras_serializable(package="gantrain")
class MinibatchStd(layers.Layer):
    """Appends one channel: the mean standard deviation of the features over the batch.

    It lets a discriminator see that a batch lacks variety (Karras et al. 2018, section 3).

    Deviation: one group, the whole batch, so that any batch size works.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = ops.cast(inputs, "float32")
        # The epsilon stays inside the root: its gradient at a constant batch must be finite.
        std = ops.mean(ops.sqrt(ops.var(x, axis=0) + 1e-8))
        channel = ops.broadcast_to(std, (*ops.shape(x)[:-1], 1))
        return ops.concatenate([inputs, ops.cast(channel, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], input_shape[-1] + 1)


def _doubled(shape) -> tuple:
    """Batch, height and width of a map twice as large; None where they are not known."""
    batch, *sides, _ = shape
    return (batch, *(None if side is None else 2 * side for side in sides))


def _two_by_two(kernel, mirrored: bool = False):
    """The kernel k+1 wide whose stride-2 use sums the k-wide kernel over every 2x2 block.

    One matrix product: on a CPU, sums of slices of a kernel of many channels take several times as
    long as the convolution of a small map.
    """
    side, _, *channels = kernel.shape
    line = np.eye(side + 1, side) + np.eye(side + 1, side, -1)
    line = line[::-1] if mirrored else line
    matrix = ops.cast(np.kron(line, line), kernel.dtype)
    pixels = ops.matmul(matrix, ops.reshape(kernel, (side * side, -1)))
    return ops.reshape(pixels, (side + 1, side + 1, *channels))


@keras.saving.register_keras_serializable(package="gantrain")
class ResizeConv2D(layers.Conv2D):
    """Nearest-neighbour resize by 2, then a convolution, as one transposed convolution.

    The same function as the two layers with the same weights, at 16/36 of the multiplications for
    a 3x3 kernel (Karras et al. 2018, fused scaling); repeated pixels leave no checkerboard (Odena
    et al. 2016).
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        # A transposed convolution lays its kernel down mirrored, with its channels exchanged.
        kernel = ops.transpose(ops.convert_to_tensor(self.kernel), (0, 1, 3, 2))
        outputs = _spread(inputs, _two_by_two(kernel, mirrored=True))
        return _biased(self, outputs)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*_doubled(input_shape), self.filters)


@keras.saving.register_keras_serializable(package="gantrain")
class ConvPool2D(layers.Conv2D):
    """A convolution, then 2x2 average pooling, as one convolution of stride 2.

    The same function as the two layers with the same weights, at 16/36 of the multiplications for
    a 3x3 kernel (Gulrajani et al. 2017, ConvMeanPool; Karras et al. 2018, fused scaling).
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return _biased(self, _convolve(inputs, _two_by_two(ops.convert_to_tensor(self.kernel)) / 4))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, _ = input_shape
        return (batch, height // 2, width // 2, self.filters)


@keras.saving.register_keras_serializable(package="gantrain")
class MaxPool2x2(layers.Layer):
    """2x2 max pooling of stride 2 as two maxima of halves; an odd last row or column is left out.

    The same function as Keras's layer. XLA knows the second derivative of its pooling, which a
    gradient penalty needs, in float32 alone, and compares in bfloat16 there: a critic's gradient
    was off by up to 4.6 % (TensorFlow 2.21).
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width, channels = inputs.shape[1:]
        rows, columns = height // 2, width // 2
        if (height, width) != (2 * rows, 2 * columns):
            inputs = inputs[:, : 2 * rows, : 2 * columns]
        # Halves of long runs of memory: a maximum over two axes takes six times as long on a CPU.
        lines = tf.reshape(inputs, (-1, rows, 2, 2 * columns * channels))
        upper = tf.maximum(*tf.unstack(lines, axis=2))
        pairs = tf.reshape(upper, (-1, rows, columns, 2 * channels))
        return tf.maximum(*tf.split(pairs, 2, axis=-1))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, height, width, channels = input_shape
        return (batch, *(side and side // 2 for side in (height, width)), channels)


@keras.saving.register_keras_serializable(package="gantrain")
class Dropout(layers.Dropout):
    """Keras's layer with a mask that is the same with XLA and without."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or not self.rate:
            return inputs
        kept = noise.uniform(tf.shape(inputs), self.seed_generator.next()) >= self.rate
        return tf.where(kept, inputs / (1.0 - self.rate), tf.zeros_like(inputs))


@keras.saving.register_keras_serializable(package="gantrain")
class BatchNorm(layers.BatchNormalization):
    """Batch normalisation whose training form is one kernel, not four passes over the features.

    Deviation: its running variance is the unbiased one, N/(N-1) times Keras's.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        if not (training and self.trainable and len(inputs.shape) == 4):
            return super().call(inputs, training=training)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        for running, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            running.assign(self.momentum * running + (1.0 - self.momentum) * value)
        return outputs


@keras.saving.register_keras_serializable(package="gantrain")
class PReLU(layers.PReLU):
    """x + (alpha - 1) min(x, 0): the same function as Keras's, in fewer passes."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs + (self.alpha - 1.0) * ops.minimum(inputs, 0.0)


@keras.saving.register_keras_serializable(package="gantrain")
class Conv2D(layers.Conv2D):
    """Keras's layer; `gantrain.nets.convolutions` computes it where that is quicker."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        if (self.strides, self.padding) != ((2, 2), "same"):
            return super().call(inputs)
        return _biased(self, _convolve(inputs, tf.identity(ops.convert_to_tensor(self.kernel))))


@keras.saving.register_keras_serializable(package="gantrain")
class ConvTranspose2D(layers.Conv2DTranspose):
    """A transposed convolution; one of stride 1 to few channels is computed by 2x2 blocks.

    The same function as Keras's layer. An image has so few channels that a convolution to it
    leaves most of a processor's lanes idle; four neighbouring pixels at once fill them.
    `gantrain.nets.convolutions` computes one of stride 2 where that is quicker.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        height, width = inputs.shape[1:3]
        # A custom gradient is of tensors: outside a compiled step this is still the variable.
        kernel = tf.identity(ops.convert_to_tensor(self.kernel))
        if self.strides == (2, 2) and self.padding == "same":
            return _biased(self, _spread(inputs, kernel))
        if self.strides != (1, 1) or self.filters > 4 or not height or height % 2 or width % 2:
            return super().call(inputs)
        return _biased(self, _transposed_by_blocks(inputs, kernel))


def _biased(layer, outputs):
    return tf.nn.bias_add(outputs, ops.convert_to_tensor(layer.bias)) if layer.use_bias else outputs


def _convolve(inputs, kernel):
    """A convolution of stride 2, padding "same"."""
    small = (*(side and -(-side // 2) for side in inputs.shape[1:3]), kernel.shape[3])
    if convolutions.suits(tuple(inputs.shape[1:]), small):
        return convolutions.convolve(inputs, kernel, "SAME")
    return ops.conv(inputs, kernel, 2, "same")


def _spread(inputs, kernel):
    """A transposed convolution of stride 2, padding "same"."""
    large = _doubled(inputs.shape)[1:]
    if convolutions.suits((*large, kernel.shape[2]), tuple(inputs.shape[1:])):
        return convolutions.spread(inputs, kernel, large)
    return ops.conv_transpose(inputs, kernel, 2, "same")


@tf.custom_gradient
def _transposed_by_blocks(inputs, kernel):
    """Transposed convolution, stride 1, of [B, H, W, I] by [k, k, O, I]: H and W even.

    Pixel (2i + a, 2j + b) is the convolution of the mirrored kernel, moved by (a, b), at (2i, 2j).
    """
    side = kernel.shape[0]
    mirrored = tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
    moved = tf.concat(
        [
            tf.pad(mirrored, [[a, 1 - a], [b, 1 - b], [0, 0], [0, 0]])
            for a in (0, 1)
            for b in (0, 1)
        ],
        axis=-1,
    )
    padding = [[0, 0], *[[side // 2, (side - 1) // 2]] * 2, [0, 0]]
    outputs = tf.nn.depth_to_space(tf.nn.conv2d(inputs, moved, 2, padding), 2)

    def gradient(upstream):
        # Of the plain form, whose own kernels are quick in this direction.
        return (
            tf.nn.conv2d(upstream, kernel, 1, "SAME"),
            tf.raw_ops.Conv2DBackpropFilter(
                input=upstream,
                filter_sizes=kernel.shape,
                out_backprop=inputs,
                strides=[1, 1, 1, 1],
                padding="SAME",
            ),
        )

    return outputs, gradient


@keras.saving.register_keras_serializable(package="gantrain")
class DepthToSpace(layers.Layer):
    """Lays the 4 C channels of a pixel out as 2x2 pixels of C channels (Shi et al. 2016)."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return tf.nn.depth_to_space(inputs, 2)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*_doubled(input_shape), input_shape[-1] // 4)


@keras.saving.register_keras_serializable(package="gantrain")
class Icnr(keras.initializers.Initializer):
    """Equal kernels for the four channels that `DepthToSpace` makes into 2x2 pixels.

    The layer so starts as a convolution before a nearest-neighbour resize, without a checkerboard
    (Aitken et al. 2017).

    Args:
        of: the initializer of a quarter of the kernel.
    """

    def __init__(self, of: Any):
        self.of = keras.initializers.get(of)

    def __call__(self, shape: tuple, dtype: Any = None) -> tf.Tensor:
        return ops.tile(self.of((*shape[:-1], shape[-1] // 4), dtype), (1, 1, 1, 4))

    def get_config(self) -> dict:
        return {"of": keras.initializers.serialize(self.of)}


@keras.saving.register_keras_serializable(package="gantrain")
class ReflectionPad2D(layers.Layer):
    """Mirrors the pixels next to the border across it; the border itself is not repeated.

    Args:
        pad: pixels added on every side; the map must be larger than that.
    """

    def __init__(self, pad: int, **kwargs):
        super().__init__(**kwargs)
        self.pad = pad

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        side = (self.pad, self.pad)
        return ops.pad(inputs, ((0, 0), side, side, (0, 0)), mode="reflect")

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        batch, *sides, channels = input_shape
        return (batch, *(s if s is None else s + 2 * self.pad for s in sides), channels)

    def get_config(self) -> dict:
        return {**super().get_config(), "pad": self.pad}


def _map_mean(x):
    """Mean over height and width, [B, 1, 1, C]: one axis after the other is the quicker way."""
    return tf.reduce_mean(tf.reduce_mean(x, 2, keepdims=True), 1, keepdims=True)


@tf.custom_gradient
def _instance_norm(x, gamma, beta):
    centred = x - _map_mean(x)
    inverse = tf.math.rsqrt(_map_mean(tf.square(centred)) + InstanceNorm.EPSILON)

    def gradient(dy):
        mean = _map_mean(dy)
        along = inverse * _map_mean(dy * centred)
        scale = gamma * inverse
        pixels = tf.cast(tf.shape(x)[1] * tf.shape(x)[2], x.dtype)
        return (
            scale * dy - centred * (scale * inverse * along) - scale * mean,
            pixels * tf.reduce_sum(along, (0, 1, 2)),
            pixels * tf.reduce_sum(mean, (0, 1, 2)),
        )

    return centred * (gamma * inverse) + beta, gradient


@keras.saving.register_keras_serializable(package="gantrain")
class InstanceNorm(layers.Layer):
    """Every channel of every image to mean 0 and variance 1, then its own scale and shift.

    y = gamma (x - mean) / sqrt(var + 1e-5) + beta, mean and variance over height and width
    (Ulyanov et al. 2016), in float32 under every precision. The same function in training and use.

    `keras.layers.GroupNormalization(-1)` is the same function. Its gradient in closed form, and
    means over one axis after the other, take two thirds of its time on a CPU.
    """

    EPSILON = 1e-5

    def build(self, input_shape: tuple) -> None:
        options = {"shape": (input_shape[-1],), "autocast": False}
        self.gamma = self.add_weight(name="gamma", initializer="ones", **options)
        self.beta = self.add_weight(name="beta", initializer="zeros", **options)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x, gamma, beta = (ops.cast(v, "float32") for v in (inputs, self.gamma, self.beta))
        return ops.cast(_instance_norm(x, gamma, beta), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape


class _Maker:
    """Makes the layers of one row: named, seeded, in the row's precision."""

    def __init__(self, row: Row, settings: Settings, name: str, seed: list[int], head: bool):
        self.row = row
        self.name = name
        self.settings = settings
        # A loss in half precision loses its small differences: heads are float32.
        self.dtype = "float32" if head else None
        # A weighted row counts channels; the rate of a dropout row is not read from here.
        self.size: Any = (
            row.size if head or not row.weighted else scaled(int(row.size), settings.width)
        )
        self.norm = row.norm
        if settings.norm is not None and row.norm != "none":
            self.norm = settings.norm
        self._seeds = iter(np.random.SeedSequence(seed).generate_state(8))

    def seed(self) -> int:
        return int(next(self._seeds)) & 0x7FFFFFFF

    def plain(self, cls, *args, part: str, **kwargs):
        return cls(*args, name=f"{self.name}_{part}", dtype=self.dtype, **kwargs)

    def weights(self, cls, *args, part: str = "weights", icnr: bool = False, **kwargs):
        """A layer with a kernel: the only place where one is made."""
        initializer = WEIGHT_INITS[self.settings.weight_init](self.seed())
        if icnr:
            initializer = Icnr(initializer)
        layer = self.plain(cls, *args, part=part, kernel_initializer=initializer, **kwargs)
        if not self.settings.spectral_norm:
            return layer
        return SpectralNorm(layer, name=f"{self.name}_{part}_sn", dtype=self.dtype)

    def conv(self, size: int, kernel: int, cls=Conv2D, part: str = "weights", **kwargs):
        return self.weights(cls, size, kernel, padding="same", part=part, **kwargs)

    @property
    def bias(self) -> bool:
        """`use_bias` of a kernel whose output the row's norm takes."""
        return self.norm not in OF_EACH_CHANNEL

    def padded_conv(self, part: str = "weights", **kwargs) -> list[layers.Layer]:
        """The row's convolution, its padding before it, without a bias that its norm subtracts."""
        padding, around = PADS[self.row.pad]
        conv = self.weights(
            Conv2D,
            self.size,
            self.row.kernel,
            padding=padding,
            part=part,
            use_bias=self.bias,
            **kwargs,
        )
        if around is None:
            return [conv]
        cls, pixels = around(self.row.kernel)
        return [self.plain(cls, pixels, part=f"{part}_pad"), conv]

    def _listed(self, entry, flat: bool, part: str) -> list[layers.Layer]:
        if entry is None:
            return []
        cls, kwargs = entry
        if flat:
            kwargs = {k: v for k, v in kwargs.items() if k != "shared_axes"}
        return [self.plain(cls, part=part, **kwargs)]

    def normalisation(self, flat: bool = False, part: str = "") -> list[layers.Layer]:
        return self._listed(NORMS[self.norm], flat, part + "norm")

    def norm_and_activation(self, flat: bool = False, part: str = "") -> list[layers.Layer]:
        made = self.normalisation(flat, part)
        made += self._listed(ACTIVATIONS[self.row.activation], flat, part + "activation")
        if self.row.dropout:
            # After the row's kernels, so that its first weights do not depend on the rate.
            rate, seed = self.row.dropout, self.seed()
            made.append(self.plain(Dropout, rate, seed=seed, part=part + "dropout"))
        return made


def _chain(made: list[layers.Layer]) -> Block:
    def block(x):
        for layer in made:
            x = layer(x)
        return x

    return block


def _dense(make: _Maker, shape) -> Block:
    side = make.row.kernel
    if side == 0:
        dense = make.weights(layers.Dense, make.size, use_bias=make.bias)
        return _chain([dense, *make.norm_and_activation(flat=True)])
    return _chain(
        [
            make.weights(layers.Dense, side * side * make.size, use_bias=make.bias),
            make.plain(layers.Reshape, (side, side, make.size), part="reshape"),
            *make.norm_and_activation(),
        ]
    )


def _conv(make: _Maker, shape) -> Block:
    return _chain([*make.padded_conv(strides=make.row.stride), *make.norm_and_activation()])


def _convt(make: _Maker, shape) -> Block:
    convt = make.weights(
        ConvTranspose2D,
        make.size,
        make.row.kernel,
        make.row.stride,
        padding="same",
        use_bias=make.bias,
    )
    return _chain([convt, *make.norm_and_activation()])


def _up(make: _Maker, shape) -> Block:
    conv = make.conv(make.size, make.row.kernel, ResizeConv2D, use_bias=make.bias)
    return _chain([conv, *make.norm_and_activation()])


def _subpixel(make: _Maker, shape) -> Block:
    conv = make.conv(4 * make.size, make.row.kernel, icnr=True, use_bias=make.bias)
    space = make.plain(DepthToSpace, part="space")
    return _chain([conv, space, *make.norm_and_activation()])


def _res(make: _Maker, shape) -> Block:
    """Residual block that ends in its sum, without an activation (Gross and Wilber 2016)."""
    first, second = make.padded_conv(part="first"), make.padded_conv(part="second")
    residual = _chain(
        [
            *first,
            *make.norm_and_activation(part="first_"),
            *second,
            *make.normalisation(part="second_"),
        ]
    )
    add = make.plain(layers.Add, part="add")
    return lambda x: add([residual(x), x])


def _residual(make: _Maker, first: layers.Layer, second: layers.Layer, skip: Block) -> Block:
    """Pre-activation residual block (Miyato et al. 2018, figure 7)."""
    residual = _chain(
        [
            *make.norm_and_activation(part="first_"),
            first,
            *make.norm_and_activation(part="second_"),
            second,
        ]
    )
    add = make.plain(layers.Add, part="add")
    return lambda x: add([residual(x), skip(x)])


def _res_up(make: _Maker, shape) -> Block:
    kernel = make.row.kernel
    first = make.conv(make.size, kernel, ResizeConv2D, part="first")
    second = make.conv(make.size, kernel, part="second")
    # A 1x1 convolution and a repetition of pixels commute: convolving first is a quarter the work.
    resize = make.plain(layers.UpSampling2D, 2, part="skip_resize")
    return _residual(make, first, second, _chain([make.conv(make.size, 1, part="skip"), resize]))


def _res_down(make: _Maker, shape) -> Block:
    kernel = make.row.kernel
    first = make.conv(shape[-1], kernel, part="first")
    second = make.conv(make.size, kernel, ConvPool2D, part="second")
    # A 1x1 convolution and an average commute: pooling first is a quarter the work.
    pool = make.plain(layers.AveragePooling2D, 2, part="skip_pool")
    return _residual(make, first, second, _chain([pool, make.conv(make.size, 1, part="skip")]))


def _norm(make: _Maker, shape) -> Block:
    return _chain(make.norm_and_activation(flat=len(shape) == 2))


def _pool(make: _Maker, shape) -> Block:
    size, stride = make.row.kernel, make.row.stride
    if (size, stride) == (2, 2):
        return make.plain(MaxPool2x2, part="pool")
    return make.plain(layers.MaxPooling2D, size, stride, part="pool")


def _dropout(make: _Maker, shape) -> Block:
    return make.plain(Dropout, make.size, seed=make.seed(), part="dropout")


def _minibatch_std(make: _Maker, shape) -> Block:
    return make.plain(MinibatchStd, part="minibatch_std")


def _flatten(make: _Maker, shape) -> Block:
    return make.plain(layers.Flatten, part="flatten")


def build_rows(
    rows: tuple[Row, ...],
    inputs: list[keras.KerasTensor],
    *,
    size: int,
    settings: Settings,
    seed: tuple[int, ...],
    names: str,
    shared: tuple[int, int] = (0, 0),
    first: int = 0,
) -> list[list[keras.KerasTensor]]:
    """Applies one table to every input: k networks, some of whose rows are the same layers.

    Rows without weights (pooling, dropout, norm) travel with the weight row before them, or with
    the first where none is before them.

    Args:
        rows: the table; its last weight row is the head, float32 under every precision.
        inputs: one symbolic input per network.
        size: what `CHANNELS` stands for.
        settings: what all rows have in common.
        seed: key of the initial weights; network and row number are added to it, so that a row's
            first weights depend on neither the number of networks nor on what is shared.
        names: prefix of the layers' names.
        shared: the half-open range of weight rows that are shared.
        first: number of the first network, for networks of one run that are built one by one.

    Returns:
        Per network, the output of every weight row in order; the last is the network's output,
        after every row.
    """
    last = max(i for i, row in enumerate(rows) if row.weighted)
    ranks = np.maximum(np.cumsum([row.weighted for row in rows]) - 1, 0)
    blocks: dict[int, Block] = {}
    outputs = []
    for network, x in enumerate(inputs, first):
        out = []
        named: dict[str, Any] = {}
        for i, row in enumerate(rows):
            common = shared[0] <= ranks[i] < shared[1]
            if row.of:
                sources = [named[name] for name in row.of]
                join = layers.Concatenate(name=f"{names}{network + 1}_row{i}_join")
                x = sources[0] if len(sources) == 1 else join(sources)
            if not (common and i in blocks):
                row = replace(row, size=size) if row.size is CHANNELS else row
                name = f"{names}{'' if common else network + 1}_row{i}"
                make = _Maker(row, settings, name, [*seed, network, i], head=i >= last)
                blocks[i] = KINDS[row.kind](make, x.shape)
            x = named[row.name] = blocks[i](x)
            if row.weighted:
                out.append(x)
        outputs.append([*out[:-1], x])
    return outputs


KINDS: dict[str, Callable[[_Maker, tuple], Block]] = {
    "dense": _dense,
    "conv": _conv,
    "convt": _convt,
    "up": _up,
    "subpixel": _subpixel,
    "res": _res,
    "res_up": _res_up,
    "res_down": _res_down,
    "norm": _norm,
    "pool": _pool,
    "dropout": _dropout,
    "minibatch_std": _minibatch_std,
    "flatten": _flatten,
}

WEIGHTED = {"dense", "conv", "convt", "up", "subpixel", "res", "res_up", "res_down"}

# Rows whose output for one image depends on the others of its batch, in testing too.
OF_THE_BATCH = {"minibatch_std"}

# Padding of the convolution itself, and the layer in front of it, from the side of the kernel.
PADS: dict[str, tuple[str, Callable[[int], tuple] | None]] = {
    "same": ("same", None),
    "valid": ("valid", None),
    "one": ("valid", lambda kernel: (layers.ZeroPadding2D, 1)),
    "reflect": ("valid", lambda kernel: (ReflectionPad2D, kernel // 2)),
}

NORMS = {
    "none": None,
    # Deviation: momentum 0.9. Samples use the running statistics, and at Keras's 0.99, which the
    # listings take, these would lag behind the weights for the first thousand steps.
    "batch": (BatchNorm, {"momentum": 0.9}),
    # One group is layer normalisation over height, width and channels, as the thesis defines it
    # (section 2.1.7); LayerNormalization by itself would treat every pixel apart.
    "layer": (layers.GroupNormalization, {"groups": 1}),
    "instance": (InstanceNorm, {}),
}

# Norms that subtract the mean of each channel: a bias in front of them changes nothing.
OF_EACH_CHANNEL = {"batch", "instance"}

ACTIVATIONS = {
    "linear": None,
    "relu": (layers.ReLU, {}),
    "tanh": (layers.Activation, {"activation": "tanh"}),
    "leaky_relu_0.2": (layers.LeakyReLU, {"negative_slope": 0.2}),
    "leaky_relu_0.3": (layers.LeakyReLU, {"negative_slope": 0.3}),
    # Deviation: one slope per channel, as in CoGAN's own definition; the listings' Keras default is
    # one per pixel and channel, which ties a slope to a place and costs 4 million weights at 256
    # pixels.
    "prelu": (
        PReLU,
        {"alpha_initializer": keras.initializers.Constant(0.25), "shared_axes": [1, 2]},
    ),
}

WEIGHT_INITS = {
    "xavier": lambda seed: keras.initializers.GlorotNormal(seed=seed),
    "normal": lambda seed: keras.initializers.RandomNormal(0.0, 0.02, seed=seed),
}
