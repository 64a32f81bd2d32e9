"""CoGAN: one GAN per domain, coupled by shared layers (thesis section 3.1)."""

from __future__ import annotations

from gantrain.adaptation import LabelHeads
from gantrain.metrics.adaptation import adaptation
from gantrain.trainers.classifier import logits_of
from gantrain.trainers.gan import GAN


class CoGAN(GAN):
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
    C_i a head of classes on the trunk of D_i (`gantrain.adaptation.LabelHeads`).
    """

    domains_taken = (2, None)

    def __init__(self, config, domains, frozen):
        self.heads = None
        super().__init__(config, domains, frozen)
        if self.heads:
            self.score = self.adapted

    def label_networks(self):
        if not self.config.adaptation.label_loss:
            return []
        self.heads = LabelHeads(self.config, self.domains, self.D)
        return self.heads.classifiers

    def label_terms(self, batch, fake, draw, update):
        if not self.heads:
            return {}
        # Nobody reads the labels of the others.
        labels = batch[self.heads.source].labels[update]
        return self.heads.terms([b.images[update] for b in batch], labels, fake, draw)

    def adapted(self, domains):
        """How well each domain's classifier does on its test part, and one of the source alone."""
        def logits(classifiers):
            return [logits_of(c, d.in_memory().images)
                    for c, d in zip(classifiers, domains, strict=True)]
        alone = self.frozen.get("source_only")
        return adaptation(logits(self.heads.classifiers), [d.labels for d in domains], self.names,
                          self.heads.source, logits([alone] * len(domains)) if alone else None)

    def models(self):
        return super().models() | (self.heads.models() if self.heads else {})
