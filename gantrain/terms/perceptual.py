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
    perceptual_form: str = option(
        "relative",
        "units of PL: relative to the energy of the features, or unnormalised, as eq. 4.5 prints "
        "it, for the weights 0.001 and 1e-13",
        choices=("relative", "unnormalised"),
    )
    perceptual_layers: str | None = option(
        None,
        "layers of PL's network, CONTENT:STYLE, each comma separated; what is left out stays, as "
        "in block4_conv2: or :block1_conv1,block2_conv1",
    )
    vgg_weights: str | None = option(
        None,
        "VGG19 weights file for --perceptual_loss; --lpips_weights is the offline alternative",
        resumable=True,
    )

    @property
    def layers(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Those of content and those of style; () where the network's own are read."""
        content, _, style = (self.perceptual_layers or "").partition(":")
        return _names(content), _names(style)

    def check(self, config: Config) -> None:
        if self.perceptual_layers is not None and not any(self.layers):
            raise UserError(
                f"--perceptual_layers {self.perceptual_layers!r}: names no layer; "
                "give CONTENT:STYLE, as block4_conv2:block1_conv1,block2_conv1"
            )
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

    `--perceptual_form unnormalised` is the thesis's own:

        content = mean over layers of mean (phi_j(G_1(z)) - phi_j(G_2(z)))^2
        style   = mean over layers of ||Gram_j(G_i(z)) - Gram_j(x_i)||_F^2

    with the weights that it prints in the loss of each generator: the sums over pairs and over
    domains are descended, their means are logged. Listing 6.17's Gram matrices, divided by H W
    alone, in listing 6.18's mean over their elements give the same number.
    """

    options = PerceptualOptions
    also = (LpipsWeights,)
    logs = ("perceptual_content", "perceptual_style")

    @classmethod
    def consults(cls, config: Config, domains: Sequence[Domain]) -> dict:
        """VGG19 as in the thesis, or the network of LPIPS in its place."""
        o, lpips = config.of(PerceptualOptions), config.of(LpipsWeights).lpips_weights
        return {
            "extractor": FromFile(
                "LPIPS", lpips, lambda: frozen.reading(frozen.lpips(lpips), *o.layers)
            )
            if lpips
            else FromFile(
                "VGG19",
                o.vgg_weights,
                lambda: frozen.vgg19(o.vgg_weights, config.data.offline, *o.layers),
                lambda: frozen.vgg19_untrained(*o.layers),
            )
        }

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        o = config.of(PerceptualOptions)
        self.weights, self.plain = o.perceptual_loss, o.perceptual_form == "unnormalised"
        self.extractor: Any = consulted.get("extractor")  # None in a run that is only looked at

    def __call__(self, play: Play) -> Terms:
        fake = [self._features(x) for x in play.fake]
        pairs, domains = list(combinations(fake, 2)), len(fake)
        content = [
            squared_error(a[name], b[name])
            if self.plain
            else relative_error(a[name], b[name], tf.concat([a[name], b[name]], 0))
            for a, b in pairs
            for name in self.extractor.content
        ]
        style = []
        for features, images in zip(fake, play.real, strict=True):
            target = self._features(images)
            for name in self.extractor.style:
                made, wanted = gram(features[name]), gram(target[name])
                style.append(
                    tf.cast(tf.size(wanted[0]), tf.float32) * squared_error(made, wanted)
                    if self.plain
                    else relative_error(made, wanted, wanted)
                )
        several = (len(pairs), domains) if self.plain else (1, 1)
        return {
            "perceptual_content": (self.weights[0] * several[0], tf.reduce_mean(tf.stack(content))),
            "perceptual_style": (self.weights[1] * several[1], tf.reduce_mean(tf.stack(style))),
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


def squared_error(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Mean squared difference."""
    return tf.reduce_mean(tf.square(one - other))


def relative_error(one: tf.Tensor, other: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Mean squared difference in units of the mean square of `scale`, which is held constant."""
    energy = tf.stop_gradient(tf.reduce_mean(tf.square(scale)))
    return squared_error(one, other) / (energy + EPSILON)


def _names(text):
    return tuple(name.strip() for name in text.split(",") if name.strip())
