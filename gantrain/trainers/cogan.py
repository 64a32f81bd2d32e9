"""CoGAN: one GAN per domain, coupled by shared layers (thesis section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gantrain.core import Config
from gantrain.data.batches import Batch
from gantrain.data.domain import Domain
from gantrain.nets import gan_at
from gantrain.noise import Draw
from gantrain.optimizers import sides
from gantrain.terms import total, trained
from gantrain.trainers.from_noise import Coupled


class CoGAN(Coupled):
    """Coupled GAN (Liu and Tuzel 2016; thesis eq. 3.1), for k domains.

    Weights of G_1 ... G_k are the same in their first layers, those of D_1 ... D_k in their last.

    for t = 1, 2, ..., steps do
        for n_critic do
            x_i ~ p_data_i for every domain i, z ~ p_z       unpaired batches, one z
            D <- descend  sum_i adv_D(D_i(x_i), D_i(G_i(z))) + penalty(D_i)
                          + w_y label(C_s) + w_t sum_i transfer(C_s, C_i) + w_u sum_i self(C_i)
        z ~ p_z
        G <- descend  sum_i adv_G(D_i(G_i(z)))

    A shared layer is one layer object: it collects the gradient of all domains and moves once.
    `--shared_layers` and `--d_shared_layers` say how many layers are shared. The terms of labels
    are absent without `--label_loss`; s is the source, the only domain whose labels y are read, and
    C_i a head of classes on the trunk of D_i (`gantrain.terms.labels.LabelHeads`).
    """

    examples = (
        "gantrain --gan_type cogan --dataset mnist2edge",
        "gantrain --gan_type cogan --dataset mnist2edge2negative --shared_layers 2",
        "gantrain --gan_type cogan --dataset mnist2usps --label_loss --source mnist",
    )

    @classmethod
    def paper(cls, flat: dict) -> dict:
        """The tables' own shared layers."""
        if flat["net"] is None:
            return {}
        shared, d_shared = gan_at(flat["net"], flat["image_size"] or 0).shared
        return {"shared_layers": shared, "d_shared_layers": d_shared}

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        super().__init__(config, domains, consulted)
        self.players = sides(
            config, self.G, self.D + trained(self.labels), self.per_step, self.adversarial.clip
        )

    def train_step(self, batch: Sequence[Batch], draw: Draw) -> dict:
        for i in range(self.per_step):
            play = self.play(batch, draw, i)
            logs = self.players["discriminators"].descend(
                lambda play=play: (
                    self.adversarial.of_discriminators(play) | total(self.labels, play)
                )
            )
        logs |= self.players["generators"].descend(
            lambda: self.adversarial.of_generators(self.play(batch, draw, i))
        )
        self.follow(draw)
        return logs
