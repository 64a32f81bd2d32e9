"""GAN: a generator and a discriminator in alternating descent (thesis section 2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gantrain.core import Config
from gantrain.data.batches import Batch
from gantrain.data.domain import Domain
from gantrain.noise import Draw
from gantrain.optimizers import sides
from gantrain.trainers.from_noise import FromNoise


class GAN(FromNoise):
    """Generative adversarial network (thesis algorithm 1).

    for t = 1, 2, ..., steps do
        for n_critic do
            x ~ p_data, z ~ p_z                              a batch of each
            D <- descend  adv_D(D(x), D(G(z))) + penalty(D)
        z ~ p_z
        G <- descend  adv_G(D(G(z)))
    """

    examples = (
        "gantrain --gan_type gan --dataset mnist",
        "gantrain --preset ring",
        "gantrain --gan_type gan --dataset folder:photos --image_size 64 --ema 0.999",
    )
    takes = (1, 1)

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        super().__init__(config, domains)
        self.players = sides(config, self.G, self.D, self.per_step, self.adversarial.clip)

    def train_step(self, batch: Sequence[Batch], draw: Draw) -> dict:
        for i in range(self.per_step):
            play = self.play(batch, draw, i)
            logs = self.players["discriminators"].descend(
                lambda play=play: self.adversarial.of_discriminators(play)
            )
        logs |= self.players["generators"].descend(
            lambda: self.adversarial.of_generators(self.play(batch, draw, i))
        )
        self.follow(draw)
        return logs
