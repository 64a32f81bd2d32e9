"""Random numbers that are the same with XLA and without, on every device.

TensorFlow's own kernels make a uniform number of the low 23 bits of a Philox word, XLA of the high
ones, so that a run would change its draws with the compiler. The integers agree: what is made of
them here agrees too.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

from gantrain.deferred import tf


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


class Draw:
    """The random numbers of one iteration as a function of (seed, step).

    The n-th draw of an iteration is the same whether the run was resumed or not, and k replicas
    together draw what one device would: each takes its slice of the global batch.

    Args:
        seed: the run's seed.
        step: int64 scalar tensor, the iteration.
        batch_size: global batch.
        replica, replicas: which slice of the batch this is.
    """

    def __init__(
        self,
        seed: int,
        step: tf.Tensor,
        batch_size: int,
        replica: int | tf.Tensor = 0,
        replicas: int = 1,
    ):
        self.step, self.local = step, batch_size // replicas
        self._global, self._first = batch_size, tf.cast(replica, tf.int32) * self.local
        self._base = tf.random.experimental.stateless_fold_in(
            tf.constant([seed, 0x67616E], tf.int32), tf.cast(step, tf.int32)
        )
        self._calls = self._asides = 0

    def aside(self) -> Draw:
        """A Draw of its own for a part that some iterations leave out.

        What is drawn after that part is then the same with and without it.
        """
        self._asides += 1
        other = copy.copy(self)
        # The calls of this Draw are numbered from one, so zero leads to numbers nobody else has.
        other._base = tf.random.experimental.stateless_fold_in(
            tf.random.experimental.stateless_fold_in(self._base, 0), self._asides
        )
        other._calls = other._asides = 0
        return other

    def times(self, count: int) -> Draw:
        """A Draw of its own for `count` images in the place of each of this one's."""
        other = self.aside()
        other._global, other.local = self._global * count, self.local * count
        other._first = self._first * count
        return other

    def _seed(self):
        self._calls += 1
        return tf.random.experimental.stateless_fold_in(self._base, self._calls)

    def mine(self, values: tf.Tensor) -> tf.Tensor:
        """This replica's part of values [global batch, ...]."""
        return values[self._first : self._first + self.local]

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """The inverse of `mine`: values of all replicas, in the order of the global batch."""
        if self._global == self.local:
            return values
        gathered = tf.distribute.get_replica_context().all_gather(values, axis=0)
        return tf.ensure_shape(gathered, (self._global, *values.shape[1:]))

    def everyone(self) -> tf.Tensor:
        """float32 [global batch], uniform on [0, 1): the same numbers on every replica."""
        return uniform((self._global,), self._seed())

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        """float32 [B, *shape], uniform on [low, high); B is this replica's part of the batch."""
        drawn = uniform((self._global, *shape), self._seed())
        return self.mine(low + (high - low) * drawn)

    def normal(self, *shape: int) -> tf.Tensor:
        """float32 [B, *shape], standard normal."""
        return self.mine(normal((self._global, *shape), self._seed()))
