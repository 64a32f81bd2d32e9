"""Discriminator penalties, and the couplings between generators.

The gradient of a function with respect to images is the one tape outside `gantrain.game`.

A coupling is a class with the networks that it trains along with the generators (`trained`) and
`terms(generated, z, real, draw) -> {name: (weight, value)}`. All couplings work for any number of
domains: what the thesis writes for two is the mean over all pairs of domains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from gantrain import latent, nets
from gantrain.adaptation import source_of
from gantrain.augment import augment
from gantrain.game import pairs

EPSILON = 1e-12  # inside every root: a flat discriminator has a gradient of exactly zero


def value_and_gradient(function, images):
    """f(x) and df/dx.

    Args:
        function: images -> scalar.
        images: float tensor [B, H, W, C] or [B, 2].

    Returns:
        The scalar, and the gradient as float32 of the shape of `images`.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        value = function(images)
    return value, tf.cast(tape.gradient(value, images), tf.float32)


def input_gradient(discriminator, images):
    """dD(x)/dx, float32, shape of `images`, in training mode as the loss sees the network.

    D(x) of a discriminator of patches is the mean of its logits, as in the adversarial losses: else
    the bound on the gradient would tighten with the number of patches.
    """
    def total(x):
        logits = tf.cast(discriminator(x, training=True), tf.float32)
        # Every image has its own, so the gradient of the sum holds each one's gradient.
        return tf.reduce_sum(tf.reduce_mean(logits, axis=list(range(1, logits.shape.rank))))

    return value_and_gradient(total, images)[1]


def _squared_norm(gradient):
    return tf.reduce_sum(tf.square(gradient), axis=list(range(1, gradient.shape.rank)))


def gradient_penalty(discriminator, real, fake, draw):
    """E[(||dD(x^)/dx^||_2 - 1)^2], x^ = a x + (1 - a) G(z), a ~ U[0, 1] (thesis eq. 2.1).

    Args:
        discriminator: images -> logits.
        real, fake: float32 [B, H, W, C] or [B, 2].
        draw: `gantrain.game.Draw`, for one a per image.
    """
    alpha = draw.uniform(*[1] * (real.shape.rank - 1))
    mixed = alpha * real + (1.0 - alpha) * fake
    norm = tf.sqrt(_squared_norm(input_gradient(discriminator, mixed)) + EPSILON)
    return tf.reduce_mean(tf.square(norm - 1.0))


def r1(discriminator, real, fake, draw):
    """1/2 E[||dD(x)/dx||_2^2] on real images (Mescheder et al. 2018, eq. 9)."""
    return 0.5 * tf.reduce_mean(_squared_norm(input_gradient(discriminator, real)))


def attack(loss, images, length):
    """x + length * g / ||g||_2, g = dloss/dx: the fast gradient method (Miyato et al. 2017).

    Args:
        loss: images -> scalar, a sum over images that do not depend on each other.
        images: float32 [B, H, W, C].
        length: L2 length of the step, scalar or [B, 1, 1, 1].

    Returns:
        Images of the same shape, held constant.
    """
    _, gradient = value_and_gradient(loss, images)
    norm = tf.sqrt(_squared_norm(gradient) + EPSILON)[:, None, None, None]
    return tf.stop_gradient(images + length * gradient / norm)


@dataclass(frozen=True)
class DiscriminatorPenalty:
    """How discriminators are kept smooth.

    Attributes:
        summary: one line for `gantrain list`.
        weight: default of `--penalty_weight`; for `clip` the bound.
        term: (discriminator, real, fake, draw) -> scalar, or None.
        clips: True if the weights are clipped after every update.
    """

    summary: str
    weight: float = 1.0
    term: Callable | None = None
    clips: bool = False


DISCRIMINATOR_PENALTIES = {
    "none": DiscriminatorPenalty("no penalty"),
    "gp": DiscriminatorPenalty("gradient norm 1 between real and fake (WGAN-GP)", 10.0,
                               gradient_penalty),
    "r1": DiscriminatorPenalty("gradient norm 0 on real images", 5.0, r1),
    "clip": DiscriminatorPenalty("weights in [-w, w] after every update (WGAN)", 0.01, clips=True),
}


# --- Couplings -----------------------------------------------------------------------------------


class FeatureRegulariser:
    """FR: F_diff = 1/K sum_k mean((G_1^k(z) - G_2^k(z))^2), the first K layers (thesis eq. 4.1).

    Deviation: eq. 4.1 divides by K, listing 6.10 does not; the equation is followed.
    """

    trained = ()

    def __init__(self, weight, layers):
        self.weight, self.layers = weight, layers

    def terms(self, generated, z, real, draw):
        distances = [tf.reduce_mean(tf.square(tf.cast(a, tf.float32) - tf.cast(b, tf.float32)))
                     for one, other in pairs(generated)
                     for a, b in zip(one.features[:self.layers], other.features[:self.layers],
                                     strict=True)]
        return {"feature": (self.weight, tf.reduce_mean(tf.stack(distances)))}


@dataclass(frozen=True)
class Labels:
    """What the labels of the domains are like.

    Attributes:
        multi_label: True if a logit is an attribute of its own, not one of several classes.
        prior: float32 [C], share of every class (or of every attribute) in the data.
    """

    multi_label: bool
    prior: tf.Tensor

    def probabilities(self, logits):
        return tf.sigmoid(logits) if self.multi_label else tf.nn.softmax(logits)

    def cross_entropy(self, target, logits):
        """Per image, in nats, of target probabilities held constant; summed over attributes."""
        target = tf.stop_gradient(target)
        if self.multi_label:
            each = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logits)
            return tf.reduce_sum(each, axis=-1)
        return tf.nn.softmax_cross_entropy_with_logits(labels=target, logits=logits)

    def divergence(self, p, q):
        """KL(p || q) over the last axis, in nats; summed over attributes."""
        def kl(p, q):
            return tf.reduce_sum(p * (tf.math.log(p + EPSILON) - tf.math.log(q + EPSILON)), -1)
        return kl(p, q) + kl(1.0 - p, 1.0 - q) if self.multi_label else kl(p, q)


def squared(logits, labels, z):
    """1/2 sum_c (p_1c - p_2c)^2, p the class probabilities (thesis eq. 4.2).

    Its gradient vanishes where both predictions are confident, also where they disagree.
    """
    def distance(one, other):
        difference = labels.probabilities(one) - labels.probabilities(other)
        return 0.5 * tf.reduce_sum(tf.square(difference), axis=-1)
    return _over_pairs(distance, logits)


def cross_entropy(logits, labels, z):
    """1/2 (CE(p, q) + CE(q, p)), the target of each side held constant.

    The gradient with respect to a logit is q - p: it does not vanish while two confident
    predictions differ.
    """
    def distance(one, other):
        return 0.5 * (labels.cross_entropy(labels.probabilities(other), one)
                      + labels.cross_entropy(labels.probabilities(one), other))
    return _over_pairs(distance, logits)


def jensen_shannon(logits, labels, z):
    """JSD(p || q) = 1/2 KL(p || m) + 1/2 KL(q || m), m = (p + q) / 2, in nats."""
    def distance(one, other):
        p, q = labels.probabilities(one), labels.probabilities(other)
        middle = (p + q) / 2.0
        return 0.5 * (labels.divergence(p, middle) + labels.divergence(q, middle))
    return _over_pairs(distance, logits)


def agreement(logits, labels, z):
    """Every domain descends to the sharpened consensus of all, while classes stay in use:

        1/k sum_i E_z[CE(t, p_i)] + 1/k sum_i KL(E_z[p_i] || prior),
        t = softmax(2 / k sum_i log p_i), held constant.

    For equal predictions, a uniform prior and t not sharpened it is the conditional minus the
    marginal entropy of the class up to a constant, so a lower value is more mutual information of z
    and the class (Bridle et al. 1991; Krause et al. 2010). The first weak preference of some z for
    a class is amplified in all domains at once; the second term forbids the collapse that agrees on
    one class.
    """
    k = len(logits)
    consensus = labels.probabilities(2.0 / k * tf.add_n(
        [v if labels.multi_label else tf.nn.log_softmax(v) for v in logits]))
    return _toward(consensus, logits, labels) + tf.add_n(
        [labels.divergence(tf.reduce_mean(labels.probabilities(v), axis=0), labels.prior)
         for v in logits]) / k


def anchored(logits, labels, z):
    """1/k sum_i E_z[CE(c(z), p_i)], c(z) the largest of the first C latent coordinates.

    The latent vector itself names the class, so the class histogram is uniform by construction and
    no consensus has to be found. Attributes: coordinate a above zero asks for attribute a.
    """
    head = z[:, :logits[0].shape[-1]]
    target = (tf.cast(head > 0.0, tf.float32) if labels.multi_label
              else tf.one_hot(tf.argmax(head, axis=-1), head.shape[-1]))
    return _toward(target, logits, labels)


def _toward(target, logits, labels):
    return tf.add_n([tf.reduce_mean(labels.cross_entropy(target, v)) for v in logits]) / len(logits)


def _over_pairs(distance, logits):
    """Mean over images and pairs of domains."""
    return tf.reduce_mean(tf.stack([tf.reduce_mean(distance(*pair)) for pair in pairs(logits)]))


SEMANTIC_FORMS = {"squared": squared, "cross_entropy": cross_entropy,
                  "jensen_shannon": jensen_shannon, "agreement": agreement, "anchored": anchored}


class SemanticLoss:
    """SL: a classifier C sees the same class in the images of one z (thesis eq. 4.2).

        L_sem = form(C(G_1(z)), ..., C(G_k(z)))

    Args:
        weight: of the term.
        classifier: images [-1, 1] -> logits, frozen here; or a list with one per domain.
        form: a key of SEMANTIC_FORMS: (logits per domain, `Labels`, z) -> scalar.
        labels: `Labels` of the domains.
        view: (images, draw) -> images, the noise and shifts that the classifier was trained with.
            They stay on: a change too small to survive them is no way to please the classifier.
    """

    trained = ()

    def __init__(self, weight, classifier, form, labels, view):
        self.weight, self.classifier, self.form = weight, classifier, SEMANTIC_FORMS[form]
        self.labels, self.view = labels, view

    def terms(self, generated, z, real, draw):
        each = self.classifier if isinstance(self.classifier, list) else (
            [self.classifier] * len(generated))
        logits = [tf.cast(c(self.view(g.image, draw), training=False), tf.float32)
                  for c, g in zip(each, generated, strict=True)]
        return {"semantic": (self.weight, self.form(logits, self.labels, z))}


class CycleConsistency:
    """CC: L_cyc = sum_i E[||F(G_i(z)) - z||_2^2] / dim(z) (thesis eq. 4.3).

    The encoder F descends the same term, so it belongs to the generators' player.

    Deviation: divided by the size of z, so that one weight serves any latent size (the published
    listing 6.16 takes the mean absolute error instead of the squared norm of the text).
    """

    def __init__(self, weight, encoder):
        self.weight, self.encoder = weight, encoder
        self.trained = (encoder,)

    def terms(self, generated, z, real, draw):
        errors = [tf.reduce_mean(tf.square(
            tf.cast(self.encoder(g.image, training=True), tf.float32) - z)) for g in generated]
        return {"latent_cycle": (self.weight, tf.add_n(errors))}


class PerceptualLoss:
    """PL: content between generated images, style between generated and real (thesis eq. 4.5).

    With phi_j the features of layer j and Gram_j(x) = phi_j^T phi_j / (H_j W_j C_j):

        content = mean over pairs of ||phi_j(G_1(z)) - phi_j(G_2(z))||^2 / E||phi_j||^2
        style   = mean over domains and layers of ||Gram_j(G_i(z)) - Gram_j(x_i)||_F^2
                  / E||Gram_j(x_i)||_F^2

    Deviation: the thesis leaves both terms unnormalised (values above 1e4 and 1e7, section 7.4.1)
    and scales them by 1e-3 and 1e-13. Divided by the energy of the features they are of order
    one for any feature network, so weights near 1 compare with the adversarial term.

    Args:
        weights: (content, style).
        extractor: `gantrain.nets.frozen.FeatureNet`.
    """

    trained = ()

    def __init__(self, weights, extractor):
        self.weights, self.extractor = weights, extractor

    def terms(self, generated, z, real, draw):
        fake = [self._features(g.image) for g in generated]
        content = [relative_error(a[name], b[name], tf.concat([a[name], b[name]], 0))
                   for a, b in pairs(fake) for name in self.extractor.content]
        style = []
        for features, images in zip(fake, real, strict=True):
            target = self._features(images)
            for name in self.extractor.style:
                wanted = gram(target[name])
                style.append(relative_error(gram(features[name]), wanted, wanted))
        return {"perceptual_content": (self.weights[0], tf.reduce_mean(tf.stack(content))),
                "perceptual_style": (self.weights[1], tf.reduce_mean(tf.stack(style)))}

    def _features(self, images):
        if images.shape[-1] == 1:
            images = tf.repeat(images, 3, axis=-1)
        return {k: tf.cast(v, tf.float32)
                for k, v in self.extractor.model(images, training=False).items()}


def gram(features):
    """[B, H, W, C] -> [B, C, C]: inner products of channels, divided by H * W * C."""
    _, height, width, channels = features.shape
    return tf.einsum("bijc,bijd->bcd", features, features) / (height * width * channels)


def relative_error(one, other, scale):
    """Mean squared difference in units of the mean square of `scale`, which is held constant."""
    energy = tf.stop_gradient(tf.reduce_mean(tf.square(scale)))
    return tf.reduce_mean(tf.square(one - other)) / (energy + EPSILON)


def _semantic(config, domains, frozen):
    """SL: a classifier sees the same class in every domain (eq. 4.2)."""
    c = config.coupling
    if config.adaptation.label_loss:
        # How often a class occurs in a target is known from its labels.
        domains = [domains[source_of(config, domains)]]
    shares = [np.mean(d.labels, 0) if d.multi_label
              else np.bincount(d.labels, minlength=len(d.classes)) / d.size for d in domains]
    labels = Labels(domains[0].multi_label, tf.constant(np.mean(shares, 0), tf.float32))
    return SemanticLoss(c.semantic_loss, frozen.get("classifier"), c.semantic_form, labels,
                        classifier_view(c))


def classifier_view(options):
    """How a classifier of this config sees images, in its training and in the semantic loss.

    Gaussian noise of `--classifier_noise` after the changes of `--classifier_augment`.
    """
    def view(images, draw):
        images = augment(images, options.classifier_augment, draw)
        if options.classifier_noise:
            images += options.classifier_noise * draw.normal(*images.shape[1:])
        return images
    return view


def _feature(config, domains, frozen):
    """FR: equal features in the first generator layers (eq. 4.1)."""
    return FeatureRegulariser(config.coupling.feature_loss, config.coupling.feature_layers)


def _cycle(config, domains, frozen):
    """CC: an encoder finds z again from every image (eq. 4.3)."""
    n = config.nets
    encoder = nets.build_encoder(domains[0].shape, latent.size(n), width=n.width,
                                 seed=config.run.seed)
    return CycleConsistency(config.coupling.cycle_loss, encoder)


def _perceptual(config, domains, frozen):
    """PL: like content between domains, like style to real images (eq. 4.5)."""
    return PerceptualLoss(config.coupling.perceptual_loss, frozen.get("extractor"))


# The name is that of the option whose weight switches the coupling on.
COUPLINGS = {"feature_loss": _feature, "semantic_loss": _semantic, "cycle_loss": _cycle,
             "perceptual_loss": _perceptual}
