"""Random numbers that are the same with XLA and without, on every device.

TensorFlow's own kernels make a uniform number of the low 23 bits of a Philox word, XLA of the high
ones, so that a run would change its draws with the compiler. The integers agree: what is made of
them here agrees too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import tensorflow as tf


def uniform(shape: Sequence[int] | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Numbers uniform on [0, 1), in steps of 2^-24, the finest that float32 has below 1.

    Args:
        shape: of the result, integers or int32 tensor.
        seed: int32 [2].

    Returns:
        float32 tensor.
    """
    words = tf.random.stateless_uniform(shape, seed, None, None, tf.uint32, alg="philox")
    # Through int32: a GPU has no kernel that makes floats of unsigned words.
    return (
        tf.cast(
            tf.bitcast(tf.bitwise.right_shift(words, tf.constant(8, tf.uint32)), tf.int32),
            tf.float32,
        )
        * 2.0**-24
    )


def normal(shape: Sequence[int], seed: tf.Tensor) -> tf.Tensor:
    """Standard normal numbers, sqrt(-2 log u) cos(2 pi v) (Box and Muller, 1958).

    The logarithm and the cosine round as each compiler's do: equal up to the last bits.

    Args:
        shape: of the result, a sequence of integers.
        seed: int32 [2].

    Returns:
        float32 tensor.
    """
    u, v = tf.unstack(uniform((2, *shape), seed))
    # 1 - u is in (0, 1], where the logarithm is finite.
    return tf.sqrt(-2.0 * tf.math.log(1.0 - u)) * tf.cos(2.0 * math.pi * v)
