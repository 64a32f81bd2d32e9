"""The layers that Keras lacks, or has in a form that is slower or differentiates less often."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from gantrain import noise
from gantrain.nets import convolutions


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

    def composed(self) -> tf.Tensor:
        """The kernel [k+1, k+1, O, I] of that transposed convolution."""
        # It lays its kernel down mirrored, with its channels exchanged.
        kernel = ops.transpose(ops.convert_to_tensor(self.kernel), (0, 1, 3, 2))
        return _two_by_two(kernel, mirrored=True)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return _biased(self, _spread(inputs, self.composed()))

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*_doubled(input_shape), self.filters)


@keras.saving.register_keras_serializable(package="gantrain")
class ConvPool2D(layers.Conv2D):
    """A convolution, then 2x2 average pooling, as one convolution of stride 2.

    The same function as the two layers with the same weights, at 16/36 of the multiplications for
    a 3x3 kernel (Gulrajani et al. 2017, ConvMeanPool; Karras et al. 2018, fused scaling).
    """

    def composed(self) -> tf.Tensor:
        """The kernel [k+1, k+1, I, O] of that convolution."""
        return _two_by_two(ops.convert_to_tensor(self.kernel)) / 4

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return _biased(self, _convolve(inputs, self.composed()))

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
        return convolutions.convolve(inputs, kernel)
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

    def __init__(self, pad: int, **kwargs: Any):
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
