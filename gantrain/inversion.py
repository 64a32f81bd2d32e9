"""Latent inversion: the z whose generated image is nearest to a given one.

A coupled GAN has no network from images to images. What it translates goes through the latent
space that its generators share: z* is found for an image of one domain, and the generator of
another makes its image of z* (Liu and Tuzel 2016, section 5).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gantrain import latent
from gantrain.game import Draw
from gantrain.penalties import value_and_gradient

# A step of Adam in units of the prior, and how many are made; how many latent vectors are tried
# before any descends, and how many of them descend for one image.
RATE, STEPS, CANDIDATES, RESTARTS = 0.1, 100, 1_000, 10
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

        z* = argmin_z  ||G(z) - x||_2^2 / (H W C)  [+ lpips(G(z), x)]

    (Liu and Tuzel 2016, section 5, "cross-domain image transformation"). Latent vectors of the
    prior are compared with the image first. From the nearest of them, and from `start` where there
    is one, Adam descends (Kingma and Ba 2015, algorithm 1), its rate falling to zero along a
    cosine, and the lowest point of all paths is kept. Noise stays in the support of the prior. A
    category stays what it was on its path; the paths of an image start in as many different
    categories as there are paths. What is found for an image does not depend on the others of its
    batch.

    Args:
        generator: z [B, size of z] -> float32 [B, H, W, C] in [-1, 1], in inference mode.
        prior: `gantrain.config.Nets`, what z is made of.
        compile: function -> compiled function, `gantrain.runtime.Runtime.function`.
        steps: of Adam on every path.
        rate: of its first step.
        restarts: paths per image.
        candidates: latent vectors that are compared with every image.
        seed: of the candidates.
        lpips: (images, images) -> float32 [B], a second term of the loss with its weight, or None.
    """

    def __init__(self, generator, prior, compile, *, steps=STEPS, rate=RATE, restarts=RESTARTS,
                 candidates=CANDIDATES, seed=0, lpips=None):
        self.generator, self.prior, self.lpips = generator, prior, lpips
        self.steps, self.rate, self.restarts = steps, rate, restarts
        groups = max(prior.noise_categories, 1)
        each = max(-(-candidates // groups), -(-restarts // groups))
        self.candidates = latent.every_category(prior, Draw(seed, tf.constant(0, tf.int64), each))
        self._compare, self._descend = compile(self._distances), compile(self._descent)
        self._choose = compile(self._nearest)

    def __call__(self, x, start=None):
        """Finds z of every image.

        Args:
            x: float32 [B, H, W, C] in [-1, 1].
            start: float32 [B, size of z], where one path begins, as an encoder gives it; it is
                moved into the prior's support. None leaves all paths to the candidates.

        Returns:
            `Inverted`.
        """
        x = tf.convert_to_tensor(x, tf.float32)
        size = x.shape[1] * x.shape[2]
        starts = []
        if start is not None:
            start = tf.convert_to_tensor(start, tf.float32)
            starts.append(latent.nearest(self.prior, start)[:, None])
        if self.restarts > len(starts):
            flat = tf.reshape(self.candidates, (-1, latent.size(self.prior)))
            most = max(1, PIXELS // size)
            distances = tf.concat([self._compare(x, flat[i:i + most])
                                   for i in range(0, len(flat), most)], axis=1)
            starts.append(self._choose(distances)[:, :self.restarts - len(starts)])
        starts = tf.concat(starts, axis=1)
        most = max(1, PIXELS // (size * self.restarts))
        parts = [self._descend(x[i:i + most], starts[i:i + most])
                 for i in range(0, len(x), most)]
        return Inverted(*(np.concatenate([np.asarray(v) for v in values])
                          for values in zip(*parts, strict=True)))

    def _distances(self, x, z):
        """Mean squared difference of every image and the image of every z, [B, N]."""
        made = tf.reshape(self.generator(z), (tf.shape(z)[0], -1))
        x = tf.reshape(x, (tf.shape(x)[0], -1))
        product = tf.matmul(x, made, transpose_b=True)
        squares = tf.reduce_sum(tf.square(x), 1)[:, None] + tf.reduce_sum(tf.square(made), 1)
        return (squares - 2.0 * product) / tf.cast(tf.shape(x)[1], tf.float32)

    def _nearest(self, distances):
        """The best candidates of every image, [B, restarts, size of z], of each category alike."""
        groups, each, size = self.candidates.shape
        distances = tf.reshape(distances, (-1, groups, each))
        values, places = tf.math.top_k(-distances, -(-self.restarts // groups))
        places += each * tf.range(groups)[:, None]
        values, places = (tf.reshape(v, (tf.shape(v)[0], -1)) for v in (values, places))
        best = tf.math.top_k(values, self.restarts).indices
        places = tf.gather(places, best, axis=1, batch_dims=1)
        return tf.gather(tf.reshape(self.candidates, (-1, size)), places)

    def _descent(self, x, starts):
        """Adam on every z, all steps in one program: (z [B, size of z], error [B])."""
        batch, paths = tf.shape(starts)[0], tf.shape(starts)[1]
        category, noise = latent.split(self.prior, tf.reshape(starts, (-1, starts.shape[2])))
        targets = tf.repeat(x, paths, axis=0)

        def losses(noise):
            made = self.generator(tf.concat([category, noise], axis=1))
            loss = squared_error(made, targets)
            return loss if self.lpips is None else loss + self.lpips(made, targets)

        def step(t, noise, first, second, best, lowest):
            # Every z has a loss of its own, so the gradient of their sum holds each one's.
            loss, gradient = value_and_gradient(losses, noise)
            better = loss < lowest
            best = tf.where(better[:, None], noise, best)
            lowest = tf.where(better, loss, lowest)
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * tf.square(gradient)
            rate = 0.5 * self.rate * (1.0 + tf.cos(math.pi * t / self.steps))
            t += 1.0
            move = first / (1.0 - 0.9**t) / (tf.sqrt(second / (1.0 - 0.999**t)) + 1e-8)
            return t, latent.inside(self.prior, noise - rate * move), first, second, best, lowest

        zeros = tf.zeros_like(noise)
        worst = tf.fill((batch * paths,), np.float32(np.inf))
        _, last, _, _, best, lowest = tf.while_loop(
            lambda t, *state: t < self.steps, step, (0.0, noise, zeros, zeros, noise, worst))
        loss = losses(last)
        best = tf.where((loss < lowest)[:, None], last, best)
        lowest = tf.reshape(tf.minimum(loss, lowest), (batch, paths))
        z = tf.reshape(tf.concat([category, best], axis=1), (batch, paths, -1))
        z = tf.gather(z, tf.argmin(lowest, axis=1), axis=1, batch_dims=1)
        return z, tf.sqrt(squared_error(self.generator(z), x))


def squared_error(made, x):
    """Mean squared difference of images over their pixels, [B]."""
    return tf.reduce_mean(tf.square(made - x), axis=list(range(1, x.shape.rank)))


def invert(generator, x, prior, compile, *, start=None, **options):
    """z of one batch of images: `Inverter` for a single call.

    Args:
        generator, prior, compile, options: those of `Inverter`.
        x, start: those of its call.

    Returns:
        `Inverted`.
    """
    return Inverter(generator, prior, compile, **options)(x, start)


def cross_domain(generators, source, stream, prior, compile, *, encoder=None, **options):
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
    for x in stream:
        z, error = inverter(x, encode(x) if encode else None)
        yield Crossed(z, error, [np.asarray(made) for made in generate(z)])
