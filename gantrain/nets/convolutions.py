"""A strided convolution and its adjoint, each with gradients that suit a CPU.

Both are TensorFlow's own functions: what differs is how a gradient, or an output of few channels,
is computed where oneDNN is slow at it (TensorFlow 2.21: a quarter to a half of the time, see
`tests/test_convolutions.py` for equality). The gradients are again these functions, so that a
gradient penalty differentiates them once more.
"""

from __future__ import annotations

import numpy as np

from gantrain import devices
from gantrain.deferred import tf

SMALL = 8  # side of the largest map whose kernel's gradient is a product of patches
MANY = 512  # channels of that map that pay for laying the patches out
FEW = 4  # channels of an image: fewer than a processor's lanes


def suits(large: tuple, small: tuple) -> bool:
    """Whether these functions gain over TensorFlow's plain ones: on a CPU, for known sizes.

    Args:
        large, small: height, width and channels of both maps; the stride is 2.
    """
    if None in (*large, *small) or devices.visible():
        return False
    halved = large[:2] == tuple(2 * side for side in small[:2])
    return halved and (_few_patches(small) or large[2] <= FEW)


def _few_patches(small):
    return max(small[:2]) <= SMALL and small[2] >= MANY


def convolve(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A convolution of stride 2, padding "SAME".

    Args:
        x: [B, H, W, I].
        kernel: [k, k, I, O].

    Returns:
        [B, h, w, O].
    """

    @tf.custom_gradient
    def run(x, kernel):
        def gradient(dy):
            return spread(dy, kernel, x.shape[1:3]), of_kernel(x, dy, kernel)

        return tf.nn.conv2d(x, kernel, 2, "SAME"), gradient

    return run(x, kernel)


def spread(y: tf.Tensor, kernel: tf.Tensor, size: tuple) -> tf.Tensor:
    """The adjoint of `convolve`, a transposed convolution.

    Args:
        y: [B, h, w, O].
        kernel: [k, k, I, O].
        size: H, W.

    Returns:
        [B, H, W, I].
    """

    @tf.custom_gradient
    def run(y, kernel):
        def gradient(dx):
            return convolve(dx, kernel), of_kernel(dx, y, kernel)

        channels = kernel.shape[2]
        halved = tuple(size) == tuple(2 * side for side in y.shape[1:3])
        if channels <= FEW and halved:
            # Four neighbouring pixels at once fill the lanes that three channels leave idle.
            pixels = tf.nn.conv2d(y, _of_blocks(kernel), 1, "SAME")
            return tf.nn.depth_to_space(pixels, 2), gradient
        shape = (tf.shape(y)[0], *size, channels)
        return tf.nn.conv2d_transpose(y, kernel, shape, 2, "SAME"), gradient

    return run(y, kernel)


def of_kernel(x: tf.Tensor, dy: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The gradient of `convolve` with respect to its kernel: patches of x times dy.

    Of small maps it is one matrix product; oneDNN's own kernel takes two to four times as long.
    """
    side, _, inputs, outputs = kernel.shape
    if not _few_patches(dy.shape[1:]):
        return tf.raw_ops.Conv2DBackpropFilter(
            input=x,
            filter_sizes=kernel.shape,
            out_backprop=dy,
            strides=[1, 2, 2, 1],
            padding="SAME",
        )
    patches = tf.image.extract_patches(x, [1, side, side, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME")
    columns = tf.reshape(patches, (-1, side * side * inputs))
    product = tf.matmul(columns, tf.reshape(dy, (-1, outputs)), transpose_a=True)
    return tf.reshape(product, kernel.shape)


def _of_blocks(kernel):
    """The kernel [t, t, O, 4 I] whose pixels of stride 1 are the 2x2 blocks of the adjoint.

    Pixel 2i + a of the adjoint sums y[i + d] kernel[a + pad - 2d] over d, in either direction;
    pad is what "SAME" puts before the map.
    """
    side, _, inputs, outputs = kernel.shape
    pad, reach = max(side - 2, 0) // 2, side // 2
    taps = np.zeros((2, 2 * reach + 1, side), np.float32)
    for a in range(2):
        for d in range(-reach, reach + 1):
            if 0 <= a + pad - 2 * d < side:
                taps[a, d + reach, a + pad - 2 * d] = 1
    used = taps.any((0, 2))
    first = min(np.flatnonzero(used)[0], 2 * reach - np.flatnonzero(used)[-1])
    taps = tf.constant(taps[:, first : 2 * reach + 1 - first], kernel.dtype)
    moved = tf.einsum("apq,brs,qsio->proabi", taps, taps, kernel)
    return tf.reshape(moved, (*taps.shape[1:2], *taps.shape[1:2], outputs, 4 * inputs))
