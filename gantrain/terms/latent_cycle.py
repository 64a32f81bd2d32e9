"""CC: an encoder finds the latent vector again from every image (thesis eq. 4.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gantrain import latent, nets
from gantrain.core import Config
from gantrain.data.domain import Domain
from gantrain.deferred import tf
from gantrain.game import Play, Terms
from gantrain.options import Options, option
from gantrain.terms import Term


@dataclass(frozen=True)
class LatentCycleOptions(Options):
    """CC, latent cycle consistency."""

    switch = "cycle_loss"

    cycle_loss: float = option(
        0.0,
        "CC, eq. 4.3: an encoder finds z again from every image",
        low=0.0,
        const=10.0,
        short="CC",
    )


class LatentCycle(Term):
    """CC: L_cyc = sum_i E[||F(G_i(z)) - z||_2^2] / dim(z) (thesis eq. 4.3).

    The encoder F descends the same term, so it belongs to the generators' player.

    Deviation: divided by the size of z, so that one weight serves any latent size (the published
    listing 6.16 takes the mean absolute error instead of the squared norm of the text).
    """

    options, logs = LatentCycleOptions, ("latent_cycle",)

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        self.weight = config.of(LatentCycleOptions).cycle_loss
        self.encoder = nets.build_encoder(
            domains[0].shape,
            latent.size(config.of(nets.NoiseNets)),
            width=config.of(nets.Width).width,
            seed=config.run.seed,
        )
        self.trained = (self.encoder,)

    def __call__(self, play: Play) -> Terms:
        errors = [
            tf.reduce_mean(tf.square(tf.cast(self.encoder(x, training=True), tf.float32) - play.z))
            for x in play.fake
        ]
        return {"latent_cycle": (self.weight, tf.add_n(errors))}
