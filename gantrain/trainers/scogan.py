"""SCoGAN: one GAN per domain, coupled by terms of the generators' loss (thesis chapter 4)."""

from __future__ import annotations

import tensorflow as tf

from gantrain.penalties import COUPLINGS
from gantrain.trainers.cogan import CoGAN


class SCoGAN(CoGAN):
    """Soft-coupled GAN (thesis eqs. 4.1 to 4.5): CoGAN whose generators are coupled by penalties.

    for t = 1, 2, ..., steps do
        for n_critic do
            x_i ~ p_data_i for every domain i, z ~ p_z       unpaired batches, one z
            D <- descend  sum_i adv_D(D_i(x_i), D_i(G_i(z))) + penalty(D_i)
                          + w_y label(C_s) + w_t sum_i transfer(C_s, C_i) + w_u sum_i self(C_i)
        z ~ p_z
        G, F <- descend  sum_i adv_G(D_i(G_i(z)))
                         + w_FR feature(G_1 ... G_k) + w_SL semantic(G_1 ... G_k)
                         + w_CC latent_cycle(G_1 ... G_k, F) + w_PL perceptual(G_1 ... G_k, x)

    A coupling whose weight is zero is absent. F is the encoder of latent cycle consistency. The
    terms of labels are those of CoGAN, whose heads are then what the semantic loss consults.
    """

    def __init__(self, config, domains, frozen):
        self.couplings = []
        super().__init__(config, domains, frozen)

    def coupled_networks(self):
        flat, consulted = self.config.flat(), self.frozen
        if self.heads:
            consulted = consulted | {"classifier": self.heads.classifiers}
        self.couplings = [build(self.config, self.domains, consulted)
                          for name, build in COUPLINGS.items() if any(tf.nest.flatten(flat[name]))]
        return [net for coupling in self.couplings for net in coupling.trained]

    def coupling_terms(self, generated, z, real, draw):
        terms = {}
        for coupling in self.couplings:
            terms |= coupling.terms(generated, z, real, draw)
        ramp = self.config.coupling.coupling_ramp
        if ramp:
            rise = tf.minimum(tf.cast(draw.step, tf.float32) / ramp, 1.0)
            terms = {name: (weight * rise, value) for name, (weight, value) in terms.items()}
        return terms

    def models(self):
        return super().models() | {net.name: net for coupling in self.couplings
                                   for net in coupling.trained}
