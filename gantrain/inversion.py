"""Latent inversion: the z whose generated image is nearest to a given one.

A coupled GAN has no network from images to images. What it translates goes through the latent
space that its generators share: z* is found for an image of one domain, and the generator of
another makes its image of z* (Liu and Tuzel 2016, section 5).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from gantrain import latent, nets
from gantrain.deferred import tf
from gantrain.nets import NoiseNets
from gantrain.noise import Draw
from gantrain.terms.gradients import value_and_gradient
from gantrain.trainer import Generates

# The rate of Adam in units of the prior, and the steps of the paths that win. Latent vectors that
# are compared with an image before any descends, paths that begin, and paths that win.
RATE, STEPS, CANDIDATES, RESTARTS, WINNERS = 0.1, 300, 1_000, 10, 3
# Share of the steps after which most paths end: who leads then mostly wins.
TRIAL = 0.1
# What a call of the generator makes at most, in pixels over its whole batch.
PIXELS = 2**19


class Inverted(NamedTuple):
    """What was found for a batch of images.

    Attributes:
        z: float32 [B, size of z], in the support of the prior.
        error: float32 [B], root of the mean squared difference of G(z) and x over the pixels, in
            units of [-1, 1].
    """

    z: np.ndarray
    error: np.ndarray


class Crossed(NamedTuple):
    """A batch of images of one domain in all domains.

    Attributes:
        z, error: as of `Inverted`.
        images: one float32 [B, H, W, C] in [-1, 1] per domain; that of the source is the
            reconstruction.
    """

    z: np.ndarray
    error: np.ndarray
    images: list[np.ndarray]


class Inverter:
    """Inverts one generator; what is compiled for the first batch serves all that follow.

        z* = argmin_z  ||G(z) - x||_2^2 / (H W C)

    (Liu and Tuzel 2016, section 5, "cross-domain image transformation"). Latent vectors of the
    prior are compared with the image first. From the nearest of them, and from `start` where there
    is one, Adam descends (Kingma and Ba 2015, algorithm 1). After a tenth of the steps the lowest
    paths go on alone. Noise stays in the support of the prior. A category stays what it was on its
    path; the paths of an image begin in as many different categories as there are paths. What is
    found for an image does not depend on the others of its batch.

    Deviation: the paper names a distance between images and no way of descent.

    Args:
        generator: z [B, size of z] -> float32 [B, H, W, C] in [-1, 1], in inference mode.
        prior: `gantrain.nets.NoiseNets`, what z is made of.
        compile: function -> compiled function, `gantrain.runtime.Runtime.function`.
        steps: of Adam on the paths that go on to the end.
        rate: of Adam, from which it falls to zero along a cosine.
        restarts: paths that begin per image.
        candidates: latent vectors that are compared with every image.
        seed: of the candidates.
    """

    def __init__(
        self,
        generator: Callable,
        prior: NoiseNets,
        compile: Callable,
        *,
        steps: int = STEPS,
        rate: float = RATE,
        restarts: int = RESTARTS,
        candidates: int = CANDIDATES,
        seed: int = 0,
    ):
        self.generator, self.prior = generator, prior
        self.steps, self.rate, self.restarts = steps, rate, restarts
        groups = max(prior.noise_categories, 1)
        each = max(-(-candidates // groups), -(-restarts // groups))
        self.candidates = latent.every_category(prior, Draw(seed, tf.constant(0, tf.int64), each))
        self._compare, self._choose = compile(self._distances), compile(self._nearest)
        self._descend = compile(self._descent)

    def __call__(self, x: tf.Tensor, start: tf.Tensor | None = None) -> Inverted:
        """Finds z of every image.

        Args:
            x: float32 [B, H, W, C] in [-1, 1].
            start: float32 [B, size of z], where one path begins, as an encoder gives it; it is
                moved into the prior's support. None leaves all paths to the candidates.

        Returns:
            `Inverted`.
        """
        x = tf.convert_to_tensor(x, tf.float32)
        starts = self._starts(x, start)
        # Parts of one size, the last filled up: a program is traced once for each.
        number = -(-len(x) * x.shape[1] * x.shape[2] * starts.shape[1] // PIXELS)
        size = -(-len(x) // number)
        order = np.minimum(np.arange(number * size), len(x) - 1).reshape(number, size)
        parts = [self._invert(tf.gather(x, rows), tf.gather(starts, rows)) for rows in order]
        return Inverted(
            *(
                np.concatenate([np.asarray(v) for v in values])[: len(x)]
                for values in zip(*parts, strict=True)
            )
        )

    def _starts(self, x, start):
        """Where the paths of every image begin, [B, restarts, size of z]."""
        starts = []
        if start is not None:
            start = tf.convert_to_tensor(start, tf.float32)
            starts.append(latent.nearest(self.prior, start)[:, None])
        if self.restarts > len(starts):
            # The same number of each category in every part.
            most = max(1, PIXELS // (x.shape[1] * x.shape[2] * len(self.candidates)))
            parts = [
                self._compare(x, self.candidates[:, i : i + most])
                for i in range(0, self.candidates.shape[1], most)
            ]
            chosen = self._choose(tf.concat(parts, axis=2))
            starts.append(chosen[:, : self.restarts - len(starts)])
        return tf.concat(starts, axis=1)

    def _invert(self, x, starts):
        trial = round(TRIAL * self.steps) if starts.shape[1] > WINNERS else 0
        if trial:
            starts, _ = self._descend(x, starts, tf.constant(trial, tf.float32))
            starts = starts[:, :WINNERS]
        z, error = self._descend(x, starts, tf.constant(self.steps - trial, tf.float32))
        return z[:, 0], error[:, 0]

    def _distances(self, x, z):
        """Mean squared difference of images and of the images of z [C, N, size], [B, C, N]."""
        shape = tf.shape(z)
        made = self.generator(tf.reshape(z, (-1, z.shape[2])))
        made, x = (tf.reshape(v, (tf.shape(v)[0], -1)) for v in (made, x))
        squares = tf.reduce_sum(tf.square(x), 1)[:, None] + tf.reduce_sum(tf.square(made), 1)
        distances = squares - 2.0 * tf.matmul(x, made, transpose_b=True)
        return tf.reshape(distances / tf.cast(tf.shape(x)[1], tf.float32), (-1, shape[0], shape[1]))

    def _nearest(self, distances):
        """The best candidates of every image, [B, restarts, size of z], of each category alike."""
        groups, each, size = self.candidates.shape
        values, places = tf.math.top_k(-distances, -(-self.restarts // groups))
        places += each * tf.range(groups)[:, None]
        values, places = (tf.reshape(v, (tf.shape(v)[0], -1)) for v in (values, places))
        best = tf.math.top_k(values, self.restarts).indices
        places = tf.gather(places, best, axis=1, batch_dims=1)
        return tf.gather(tf.reshape(self.candidates, (-1, size)), places)

    def _descent(self, x, starts, steps):
        """Adam on every z, all steps in one program.

        Returns:
            The lowest point of every path and its error, the paths of an image in order of their
            loss: z [B, paths, size of z], error [B, paths].
        """
        batch, paths = tf.shape(starts)[0], tf.shape(starts)[1]
        category, noise = latent.split(self.prior, tf.reshape(starts, (-1, starts.shape[2])))
        targets = tf.repeat(x, paths, axis=0)

        def losses(noise):
            return squared_error(self.generator(tf.concat([category, noise], axis=1)), targets)

        def step(t, noise, first, second, best, lowest):
            # Every z has a loss of its own, so the gradient of their sum holds each one's.
            loss, gradient = value_and_gradient(losses, noise)
            better = loss < lowest
            best = tf.where(better[:, None], noise, best)
            lowest = tf.where(better, loss, lowest)
            first = 0.9 * first + 0.1 * gradient
            second = 0.99 * second + 0.01 * tf.square(gradient)
            rate = 0.5 * self.rate * (1.0 + tf.cos(math.pi * t / steps))
            t += 1.0
            move = first / (1.0 - 0.9**t) / (tf.sqrt(second / (1.0 - 0.99**t)) + 1e-8)
            return t, latent.inside(self.prior, noise - rate * move), first, second, best, lowest

        zeros, worst = tf.zeros_like(noise), tf.fill((batch * paths,), np.float32(np.inf))
        _, last, _, _, best, lowest = tf.while_loop(
            lambda t, *state: t < steps, step, (0.0, noise, zeros, zeros, noise, worst)
        )
        loss = losses(last)
        best = tf.where((loss < lowest)[:, None], last, best)
        z = tf.concat([category, best], axis=1)
        error = tf.sqrt(squared_error(self.generator(z), targets))
        order = tf.argsort(tf.reshape(tf.minimum(loss, lowest), (batch, paths)), axis=1)
        z, error = tf.reshape(z, (batch, paths, -1)), tf.reshape(error, (batch, paths))
        return tuple(tf.gather(v, order, axis=1, batch_dims=1) for v in (z, error))


def squared_error(made: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Mean squared difference of images over their pixels, [B]."""
    return tf.reduce_mean(tf.square(made - x), axis=list(range(1, x.shape.rank)))


def cross_domain(
    generators: Sequence[Callable],
    source: int,
    stream: Iterable,
    prior: NoiseNets,
    compile: Callable,
    *,
    encoder: Callable | None = None,
    **options: Any,
) -> Iterator[Crossed]:
    """Images of one domain in all domains, batch by batch: G_1(z*) ... G_k(z*).

    Args:
        generators: one z -> images in inference mode per domain.
        source: number of the domain that the images belong to.
        stream: iterable of float32 [B, H, W, C] in [-1, 1], read once.
        prior, compile, options: those of `Inverter`.
        encoder: images -> z [B, size of z] in inference mode, where a path begins, or None.

    Yields:
        `Crossed`, one per batch.
    """
    inverter = Inverter(generators[source], prior, compile, **options)
    encode = compile(encoder) if encoder else None
    generate = compile(lambda z: [generator(z) for generator in generators])
    size = 0
    for x in stream:
        # A short batch is filled up: of another size it would have every program traced anew.
        count, size = len(x), max(size, len(x))
        x = np.asarray(x)[np.minimum(np.arange(size), count - 1)]
        z, error = inverter(x, encode(x) if encode else None)
        made = [np.asarray(images)[:count] for images in generate(z)]
        yield Crossed(z[:count], error[:count], made)


def generators_of(trainer: Generates) -> list[Callable]:
    """z -> images float32 [-1, 1] of every domain of a `gantrain.trainer.Generates`."""
    return [functools.partial(_image, g) for g in trainer.generators()]


def encoder_of(trainer: Generates) -> Callable | None:
    """Images -> z [B, size of z] where the run trained an encoder (CC), or None."""
    encoder = trainer.encoder()
    return encoder and functools.partial(_latent, encoder)


def _image(generator, z):
    return nets.generate(generator, z, training=False).image


def _latent(encoder, x):
    return tf.cast(encoder(x, training=False), tf.float32)
