"""PatchNCE: a patch of the output is nearer to the input's at its place than to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from gantrain import nets
from gantrain.core import Config
from gantrain.deferred import keras, tf
from gantrain.noise import Draw
from gantrain.options import Options, option


@dataclass(frozen=True)
class PatchNCEOptions(Options):
    """PatchNCE."""

    nce_temperature: float = option(
        0.07, "what the similarities of two patches are divided by", above=0.0
    )
    nce_locations: int = option(
        256, "locations of an image that are compared, in every layer", low=2, high=65_536
    )


class PatchNCE:
    """The contrastive loss of patches, over several layers (Park et al. 2020, eqs. 3 and 4).

    The queries are of the generated image and the keys, held constant, of its source: features of
    the generator's own first half, behind an MLP H_l for every layer l that descends the loss along
    with the generator. The other locations of the same image are the negatives.

    Deviation: means over layers and locations, as in the authors' code, where eq. 4 has sums; each
    image has locations of its own, where the code draws them once per batch.

    Args:
        config: a resolved `gantrain.core.Config`.
        encoder: images -> features of the layers that are compared, [B, h, w, C_l] each.

    Attributes:
        H: the MLPs as one model, features [B, S, C_l] of every layer -> [B, S, 256].
    """

    options: ClassVar[type[Options]] = PatchNCEOptions

    def __init__(self, config: Config, encoder: keras.Model):
        self.o = config.of(PatchNCEOptions)
        self.H = nets.build_projection(
            [features.shape[-1] for features in encoder.outputs],
            width=config.of(nets.Width).width,
            weight_init=config.of(nets.WeightInit).weight_init,
            seed=config.run.seed,
        )

    def __call__(
        self, made: Sequence[tf.Tensor], source: Sequence[tf.Tensor], draw: Draw
    ) -> tf.Tensor:
        """The mean over the layers, a float32 scalar.

        Args:
            made: features of the generated images, [B, h, w, C_l] of every layer.
            source: those of the images that they were made of.
            draw: `gantrain.noise.Draw`, which the locations are drawn from.
        """
        queries, keys = [], []
        for one, other in zip(made, source, strict=True):
            batch, height, width, channels = one.shape
            count = height * width
            # The largest of uniform numbers are distinct places, each as likely.
            places = tf.math.top_k(draw.uniform(count), min(self.o.nce_locations, count)).indices
            for found, features in ((queries, one), (keys, other)):
                flat = tf.reshape(features, (batch, count, channels))
                found.append(tf.gather(flat, places, batch_dims=1))
        pairs = zip(self.H(queries, training=True), self.H(keys, training=True), strict=True)
        losses = [patch_nce(q, k, self.o.nce_temperature) for q, k in pairs]
        return tf.reduce_mean(tf.stack(losses))


def patch_nce(queries: tf.Tensor, keys: tf.Tensor, temperature: float) -> tf.Tensor:
    """mean_s -log(exp(q_s . k_s / T) / sum_j exp(q_s . k_j / T)) of vectors divided by their norm.

    Args:
        queries, keys: [B, S, C] of the same S locations; no gradient passes through the keys.
        temperature: T.

    Returns:
        float32 scalar, the mean over images and locations; log S where all keys are equal.
    """
    # The epsilon bounds the gradient where a vector is zero.
    q, k = (tf.math.l2_normalize(tf.cast(v, tf.float32), -1, 1e-8) for v in (queries, keys))
    logits = tf.matmul(q, tf.stop_gradient(k), transpose_b=True) / temperature
    matching = tf.broadcast_to(tf.range(q.shape[1]), q.shape[:2])
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(matching, logits))
