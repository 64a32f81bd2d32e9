"""PL: like content between domains, like style to real images (thesis eq. 4.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from gantrain.consulted import FromFile
from gantrain.core import Config, LpipsWeights
from gantrain.data.domain import Domain
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.game import Play, Terms
from gantrain.nets import frozen
from gantrain.options import Options, option
from gantrain.terms import Term
from gantrain.terms.gradients import EPSILON


@dataclass(frozen=True)
class PerceptualOptions(Options):
    """PL, the perceptual loss."""

    switch = "perceptual_loss"

    perceptual_loss: tuple[float, float] = option(
        (0.0, 0.0),
        "PL, eq. 4.5: weights of content (between domains) and style (to real images)",
        low=0.0,
        two=(1.0, 1.0),
        short="PL",
    )
    vgg_weights: str | None = option(
        None,
        "VGG19 weights file for --perceptual_loss; --lpips_weights is the offline alternative",
        resumable=True,
    )

    def check(self, config: Config) -> None:
        if self.vgg_weights and config.of(LpipsWeights).lpips_weights:
            raise UserError("--vgg_weights and --lpips_weights exclude each other; give one")


class PerceptualLoss(Term):
    """PL: content between generated images, style between generated and real (thesis eq. 4.5).

    With phi_j the features of layer j and Gram_j(x) = phi_j^T phi_j / (H_j W_j C_j):

        content = mean over pairs of ||phi_j(G_1(z)) - phi_j(G_2(z))||^2 / E||phi_j||^2
        style   = mean over domains and layers of ||Gram_j(G_i(z)) - Gram_j(x_i)||_F^2
                  / E||Gram_j(x_i)||_F^2

    Deviation: the thesis leaves both terms unnormalised (values above 1e4 and 1e7, section 7.4.1)
    and scales them by 1e-3 and 1e-13. Divided by the energy of the features they are of order
    one for any feature network, so weights near 1 compare with the adversarial term.
    """

    options = PerceptualOptions
    also = (LpipsWeights,)
    logs = ("perceptual_content", "perceptual_style")

    @classmethod
    def consults(cls, config: Config, domains: Sequence[Domain]) -> dict:
        """VGG19 as in the thesis, or the network of LPIPS in its place."""
        lpips, vgg = config.of(LpipsWeights).lpips_weights, config.of(cls.options).vgg_weights
        return {
            "extractor": FromFile("LPIPS", lpips, lambda: frozen.lpips(lpips))
            if lpips
            else FromFile(
                "VGG19", vgg, lambda: frozen.vgg19(vgg, config.data.offline), frozen.vgg19_untrained
            )
        }

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        self.weights = config.of(PerceptualOptions).perceptual_loss
        self.extractor: Any = consulted.get("extractor")  # None in a run that is only looked at

    def __call__(self, play: Play) -> Terms:
        fake = [self._features(x) for x in play.fake]
        content = [
            relative_error(a[name], b[name], tf.concat([a[name], b[name]], 0))
            for a, b in combinations(fake, 2)
            for name in self.extractor.content
        ]
        style = []
        for features, images in zip(fake, play.real, strict=True):
            target = self._features(images)
            for name in self.extractor.style:
                wanted = gram(target[name])
                style.append(relative_error(gram(features[name]), wanted, wanted))
        return {
            "perceptual_content": (self.weights[0], tf.reduce_mean(tf.stack(content))),
            "perceptual_style": (self.weights[1], tf.reduce_mean(tf.stack(style))),
        }

    def _features(self, images):
        if images.shape[-1] == 1:
            images = tf.repeat(images, 3, axis=-1)
        return {
            k: tf.cast(v, tf.float32)
            for k, v in self.extractor.model(images, training=False).items()
        }


def gram(features: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] -> [B, C, C]: inner products of channels, divided by H * W * C."""
    _, height, width, channels = features.shape
    return tf.einsum("bijc,bijd->bcd", features, features) / (height * width * channels)


def relative_error(one: tf.Tensor, other: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Mean squared difference in units of the mean square of `scale`, which is held constant."""
    energy = tf.stop_gradient(tf.reduce_mean(tf.square(scale)))
    return tf.reduce_mean(tf.square(one - other)) / (energy + EPSILON)
