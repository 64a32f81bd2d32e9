"""Batches as a function of the seed and the step.

Nothing here has a position to lose: batch n is computed from (seed, n), so a run resumes at any
step without iterator state, replicas never draw the same example twice, and a run repeats exactly.
So are crops and mirroring: they follow what is held in memory and are never part of it.
"""

from __future__ import annotations

import collections
import math
import os
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from gantrain.data.domain import Domain, FileImages
from gantrain.data.pairs import pair_count
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.images import to_float

# Steps decoded ahead of the one that trains.
PREFETCH = 3


class Batch(NamedTuple):
    """The examples of one domain for one iteration.

    Attributes:
      images: float32 [per_step, B, H, W, C] in [-1, 1], or [per_step, B, 2] for points; the T
        targets of paired inputs are [per_step, B, T, H, W, C].
      labels: None, int32 [per_step, B] or uint8 [per_step, B, A]; of T targets, with the axis T.
    """

    images: Any
    labels: Any


class Placement(NamedTuple):
    """Where examples are cropped and whether they are mirrored.

    Attributes:
      row, column: int64, in 65536ths of the free rows above and the free columns to the left.
      flip: bool, whether left and right change places.
    """

    row: Any
    column: Any
    flip: Any


class Batches:
    """Shuffled batches of every domain: each in an order of its own, or pair by pair.

    Sets in memory are held as variables and gathered inside the compiled step; build this under
    the distribution strategy's scope and every device holds a copy. Sets on disk are decoded
    ahead by threads, in the very same order.

    Args:
      domains: list of `gantrain.data.domain.Domain`.
      batch_size: examples per domain and update, over all replicas together (B).
      per_step: batches per iteration, such as the discriminator updates `n_critic`.
      seed: integer; with the step it decides every batch.
      paired: whether the examples at a position of all domains are those of one pair, cropped and
        mirrored alike.
      flip: whether half of the examples, drawn at random, are mirrored.

    Raises:
      UserError: a domain is empty, a set has no pairs, or points shall be mirrored.
    """

    def __init__(
        self,
        domains: Sequence[Domain],
        batch_size: int,
        per_step: int,
        seed: int,
        paired: bool = False,
        flip: bool = False,
    ):
        for domain in domains:
            if not domain.size:
                raise UserError(f"domain {domain.name} is empty; check the data set")
            if flip and len(domain.shape) != 3:
                raise UserError(f"--flip: {domain.name} has points, not images; leave the flag out")
        pairs = pair_count(domains)
        if paired and not pairs:
            names = ", ".join(domain.name for domain in domains)
            raise UserError(f"the domains {names} have no pairs; take a paired --dataset")
        self._sizes = [pairs if paired else domain.size for domain in domains]
        self._rows = [
            tf.Variable(domain.rows.astype(np.int64), trainable=False) if paired else None
            for domain in domains
        ]
        self._shapes = [domain.shape for domain in domains]
        self._held_shapes = [tuple(domain.images.shape[1:]) for domain in domains]
        self._types = [domain.images.dtype for domain in domains]
        self._cropped = [domain.crop is not None for domain in domains]
        self._flipped = flip
        self._batch_size = batch_size
        self._per_step = per_step
        self._keys = [_key(seed, 0 if paired else number) for number in range(len(domains))]
        self._files = [
            domain.images if isinstance(domain.images, FileImages) else None for domain in domains
        ]
        self._stored = [_store(domain.images) for domain in domains]
        labels = [domain.labels for domain in domains]
        self._label_types = [None if values is None else values.dtype for values in labels]
        self._labels = [
            None if values is None else tf.Variable(values.astype(np.int64), trainable=False)
            for values in labels
        ]

    def indices(self, domain: int, positions: Any) -> tf.Tensor:
        """Index of the example at each position of a domain's endless shuffled sequence.

        Position p belongs to epoch p // N; each epoch is a permutation of all N examples or pairs.

        Args:
          domain: number of the domain.
          positions: int64 tensor.

        Returns:
          int64 tensor of the same shape; with T targets of one input, [..., T].
        """
        size = self._sizes[domain]
        epoch = positions // size
        index = _permute(positions % size, size, _mix(self._keys[domain] ^ (epoch & _MASK)))
        rows = self._rows[domain]
        if rows is None:
            return index
        index = tf.gather(rows.read_value(), index)
        return index[..., 0] if rows.shape[1] == 1 else index

    def placements(self, domain: int, positions: Any) -> Placement:
        """How the example at each position is cropped and mirrored; its targets are alike.

        Args:
          domain: number of the domain.
          positions: int64 tensor or array.

        Returns:
          A Placement of tensors or arrays of the same shape.
        """
        # The keys of the epochs are mixed from the same number: another constant sets these apart.
        drawn = _mix(_mix(self._keys[domain] ^ 0x2545F491) ^ (positions & _MASK))
        drawn = _mix(drawn ^ (positions // (_MASK + 1) & _MASK))
        return Placement(drawn // 65536, drawn & 65535, _mix(drawn ^ 1) & 1 == 1)

    def batch(
        self,
        step: Any,
        host: Sequence[tf.Tensor] = (),
        replica: int | tf.Tensor = 0,
        replicas: int = 1,
    ) -> list[Batch]:
        """The batches of one iteration: TensorFlow operations that a compiled step can contain.

        Args:
          step: int64 scalar tensor, number of the iteration.
          host: what `host` yielded for this step.
          replica: number of this replica, an integer or an int32 scalar tensor.
          replicas: number of replicas; each gets its own slice of the global batch.

        Returns:
          One `Batch` per domain.

        Raises:
          UserError: the batch size does not divide among the replicas.
        """
        share, rest = divmod(self._batch_size, replicas)
        if rest:
            raise UserError(
                f"--batch_size {self._batch_size} does not divide among {replicas} devices; "
                f"use a multiple of {replicas}"
            )
        first = replica * share
        positions = self._positions(step, share) + tf.cast(first, tf.int64)
        streamed = iter(host)
        batches = []
        for number, stored in enumerate(self._stored):
            index = self.indices(number, positions)
            if stored is None:
                shape = [*index.shape[2:], *self._held_shapes[number]]
                begin = tf.concat([[0], [first], tf.zeros([len(shape)], tf.int32)], 0)
                pixels = tf.slice(next(streamed), begin, [self._per_step, share, *shape])
            else:
                pixels = self._gather(number, index)
            if pixels.dtype in (tf.uint8, tf.uint16):
                pixels = to_float(pixels)
            if self._flipped or self._held_shapes[number] != self._shapes[number]:
                placement = self.placements(number, positions)
                pixels = _place(pixels, self._shapes[number], placement, self._flipped)
            labels = self._labels[number]
            if labels is not None:
                labels = tf.cast(tf.gather(labels.read_value(), index), self._label_types[number])
            batches.append(Batch(pixels, labels))
        return batches

    def host(self, start_step: int) -> Generator[tuple, None, None]:
        """Yield what `batch` needs from the host, from `start_step` on, without end.

        Returns:
          An iterator over tuples with one uint8 or uint16 tensor [per_step, B, H, W, C], or
          [per_step, B, T, H, W, C], for each domain that is not in memory; empty tuples if all are.

        Raises:
          UserError: an image cannot be read.
        """
        streamed = [number for number, files in enumerate(self._files) if files is not None]
        if not streamed:
            while True:
                yield ()
        # Threads rather than tf.data: OpenCV decodes outside Python's lock, and an unreadable
        # file arrives here as the error that names it.
        pool = ThreadPoolExecutor(os.cpu_count())
        ahead: collections.deque = collections.deque()
        try:
            step = start_step
            while True:
                while len(ahead) < PREFETCH:
                    ahead.append([self._decode(pool, number, step) for number in streamed])
                    step += 1
                # Everything here stays on the host: an operation on the accelerator would wait for
                # the step that trains there.
                with tf.device("CPU:0"):
                    pixels = tuple(
                        tf.reshape(
                            np.stack([image.result() for image in decoding]),
                            [*leading, *self._held_shapes[number]],
                        )
                        for number, (leading, decoding) in zip(
                            streamed, ahead.popleft(), strict=True
                        )
                    )
                yield pixels
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _positions(self, step, share):
        """Positions [per_step, share] of the first `share` examples of each global batch."""
        batch = tf.cast(step, tf.int64) * self._per_step + tf.range(self._per_step, dtype=tf.int64)
        return batch[:, None] * self._batch_size + tf.range(share, dtype=tf.int64)

    def _decode(self, pool, number, step):
        """Start to decode the images of one domain and step: their shape and a list of futures."""
        with tf.device("CPU:0"):
            positions = self._positions(step, self._batch_size)
            indices = self.indices(number, positions).numpy()
            # Of an array rather than a tensor: twenty small operations less to dispatch.
            placement = self.placements(number, positions.numpy())
        files = self._files[number]
        if not (self._cropped[number] and files.crops):
            decoding = [pool.submit(files.__getitem__, int(index)) for index in indices.flat]
            return indices.shape, decoding
        rows, columns = (np.ravel(share) / 65536 for share in (placement.row, placement.column))
        targets = indices.size // rows.size
        places = zip(np.repeat(rows, targets), np.repeat(columns, targets), strict=True)
        decoding = [
            pool.submit(files.__getitem__, int(index), place)
            for index, place in zip(indices.flat, places, strict=True)
        ]
        return indices.shape, decoding

    def _gather(self, number, index):
        """Images at `index`, back in their own type and shape."""
        shape = self._held_shapes[number]
        rows = tf.gather(self._stored[number].read_value(), index)
        if rows.dtype != tf.int64:
            return rows
        pixels = tf.reshape(tf.bitcast(rows, self._types[number]), [*index.shape, -1])
        return tf.reshape(pixels[..., : math.prod(shape)], [*index.shape, *shape])


_MASK = 0xFFFFFFFF
# With fewer, sets of some tens of images show which examples follow each other (chi-squared).
_ROUNDS = 10


def _mix(value):
    """Scramble integers in [0, 2^32): a hash of two xorshift-multiply rounds.

    Written without shifts, so that Python integers and int64 tensors go through the same code;
    the multiplier is below 2^27 and no product exceeds 63 bits.
    """
    for _ in range(2):
        value = ((value // 65536) ^ value) * 0x45D9F3B & _MASK
    return (value // 65536) ^ value


def _key(seed, number):
    """A 32-bit key from a seed of any size and a domain's number."""
    key = _mix(number + 1)
    while True:
        key = _mix(key ^ (seed & _MASK))
        seed >>= 32
        if seed in (0, -1):
            return key


def _permute(index, size, key):
    """Permute [0, size) with a keyed Feistel network and cycle walking (Black and Rogaway, 2002).

    Deviation: `tf.random.experimental.index_shuffle` does the same with another cipher, but XLA
    does not know its kernel (TensorFlow 2.21), and its batched seeds fail inside a graph.

    Args:
      index: int64 tensor, values in [0, size).
      size: number of elements, a Python integer.
      key: int64 tensor of index's shape, 32-bit values; each key is a permutation.

    Returns:
      int64 tensor of index's shape.
    """
    # A table of a columns and b rows that is barely larger than the set: few steps to walk.
    a = math.isqrt(size - 1) + 1
    b = -(-size // a)
    numbers = tf.reshape(tf.range(1, _ROUNDS + 1, dtype=tf.int64), [-1] + [1] * key.shape.rank)
    # 31 bits, so that a square fits in int64.
    keys = tf.unstack(_mix(key ^ (numbers * 0x9E3779B1 & _MASK)) // 2, num=_ROUNDS)

    def encrypt(value):
        column, row = value % a, value // a
        for number, round_key in enumerate(keys):
            if number % 2:
                row = (row + tf.square(column ^ round_key) // 65536) % b
            else:
                column = (column + tf.square(row ^ round_key) // 65536) % a
        return column + a * row

    def walk(value, outside):
        value = tf.where(outside, encrypt(value), value)
        return value, value >= size

    # A value outside the set is encrypted again; its cycle leads back to where it came from.
    index, _ = tf.while_loop(
        lambda value, outside: tf.reduce_any(outside), walk, (index, tf.ones_like(index, tf.bool))
    )
    return index


def _place(images, shape, placement, flip):
    """Crop and mirror each example of a batch.

    One gather of pixels does both. Measured against gathers of rows and of columns, slices and a
    product with one-hot matrices, it is as quick as any, with XLA and without, and its graph does
    not grow with the batch. Floating-point pixels, because a GPU gathers no bytes (see `_store`).

    Args:
      images: float32 [per_step, B, ..., H, W, C].
      shape: (H', W', C) of the results.
      placement: a Placement of tensors [per_step, B].
      flip: whether to mirror at all.

    Returns:
      float32 [per_step, B, ..., H', W', C].
    """
    *leading, old_height, old_width, channels = images.shape
    height, width, _ = shape
    count = math.prod(leading)
    targets = math.prod(leading[2:])

    def of_each(values):
        """[count, 1]: the same for all targets of a pair."""
        return tf.repeat(tf.reshape(values, [-1, 1]), targets, axis=0)

    down, across = tf.range(height, dtype=tf.int64), tf.range(width, dtype=tf.int64)
    if flip:
        across = tf.where(of_each(placement.flip), width - 1 - across, across[None])
    rows = of_each(placement.row) * (old_height - height + 1) // 65536 + down
    columns = of_each(placement.column) * (old_width - width + 1) // 65536 + across
    first = tf.range(count, dtype=tf.int64)[:, None] * old_height
    indices = ((first + rows) * old_width)[:, :, None] + columns[:, None, :]
    pixels = tf.gather(tf.reshape(images, [-1, channels]), indices)
    return tf.reshape(pixels, [*leading, height, width, channels])


def _store(images):
    """Keep a set in memory as a variable, or None for a set on disk.

    Rows of bytes are stored as int64 words: on a GPU TensorFlow has variables and a gather of
    int64 but not of uint8, and would keep the set on the host. The labels are int64 for the same
    reason.
    """
    if isinstance(images, FileImages):
        return None
    if images.dtype.kind == "u":
        rows = np.ascontiguousarray(images).reshape(len(images), -1).view(np.uint8)
        rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 8))) if rows.shape[1] % 8 else rows
        images = rows.view(np.int64)
    return tf.Variable(images, trainable=False)
