"""Named sets of options, one per published experiment or machine size, a reason per line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """Differences from the defaults.

    Attributes:
        summary: one line for `gantrain list presets`.
        options: `{flag name: value}`.
    """

    summary: str
    options: dict


# A classifier of the semantic loss sees every image ten times (sections 5.1 to 5.3): 60,000 of
# MNIST and its edges, 130,262 of MNIST and pruned SVHN, 202,599 faces; 256 at a time.
EPOCHS_10 = dict(edge=2_344, svhn=5_088, faces=7_914)

# Section 5.1: Xavier, z uniform on [-1, 1], weight decay 0.0005, WGAN-GP; batch size and Adam of
# DCGAN (section 2.6).
THESIS_DIGITS = dict(
    g_lr=2e-4,
    d_lr=2e-4,
    g_beta1=0.5,
    d_beta1=0.5,
    g_beta2=0.999,
    d_beta2=0.999,
    loss="wasserstein",
    d_penalty="gp",
    n_critic=5,
    batch_size=128,
    noise_dim=100,
    weight_init="xavier",
    weight_decay=5e-4,
    net="cogan32",
    width=1.0,
)

# Section 5.3: weight decay 0.0001, weights from N(0, 0.02), WGAN-GP with its own Adam (section
# 2.5), 35,000 iterations.
THESIS_FACES = THESIS_DIGITS | dict(
    g_lr=1e-4,
    d_lr=1e-4,
    g_beta1=0.0,
    d_beta1=0.0,
    g_beta2=0.9,
    d_beta2=0.9,
    weight_init="normal",
    weight_decay=1e-4,
    net="cogan128",
    steps=35_000,
    image_size=128,
    classifier_steps=EPOCHS_10["faces"],
)

# Section 5.4: as section 5.3, 20,000 iterations, perceptual loss.
THESIS_CYCLEGAN = THESIS_FACES | dict(
    gan_type="scogan", steps=20_000, perceptual_form="unnormalised", perceptual_loss=(1e-3, 1e-13)
)

# Section 2.3.2: the toy GAN of table 2.1. The thesis stops at 2,000 iterations; the coordinates of
# its points are unknown, and on ours the modes separate between 4,000 and 6,000.
RING = dict(
    gan_type="gan",
    dataset="ring",
    net="toy",
    noise_dim=10,
    batch_size=100,
    steps=8_000,
    g_lr=1e-4,
    d_lr=1e-4,
    g_beta1=0.9,
    d_beta1=0.9,
    loss="non_saturating",
    n_critic=1,
)

# What a semantic loss couples in, with every set of classes. What each option is for, and the runs
# it was chosen by, is in docs/results.md.
COUPLED = dict(
    gan_type="scogan",
    net="compact",
    # A game that is cheap per update and keeps both marginals whole.
    loss="non_saturating",
    d_penalty="r1",
    penalty_weight=0.1,
    penalty_every=20,
    n_critic=1,
    g_lr=1e-3,
    d_lr=1e-3,
    g_beta1=0.0,
    d_beta1=0.0,
    g_beta2=0.99,
    d_beta2=0.99,
    ema=0.99,
    # Categories give z something discrete to mean; which digit each becomes is found by the game.
    noise_dim=64,
    noise_categories=10,
    # Consensus instead of distance: a gradient from the first step, and no collapse.
    semantic_form="agreement",
    # A classifier that cannot be fooled by invisible changes: noise, shifts and attacks in its
    # training, noise and shifts in the loss.
    classifier_net="compact",
    classifier_noise=0.3,
    classifier_augment="shift",
    classifier_attack=2.0,
)

# The embedded digits on two cores.
PEN2STREET = COUPLED | dict(
    dataset="pen2street", semantic_loss=3.0, lr_decay=0.3, classifier_steps=600
)

# Adaptation in the same game. The classifier that the consensus is read from is the heads' own, so
# that the labels of the source carry the pairs as well.
ADAPT = {k: v for k, v in PEN2STREET.items() if not k.startswith("classifier_")} | dict(
    dataset="mnist2street",
    semantic_loss=1.0,
    label_loss=3.0,
    label_self=3.0,
    # What tells a handwritten digit from one on a house: size, the digits beside it, colours.
    label_augment="zoom,neighbours,recolour,shift",
    target_augment="zoom,recolour,shift",
    # What the consensus is read through; the heads know no noise, so little of it.
    classifier_augment="shift,recolour",
    classifier_noise=0.2,
    # Of what it is compared with: the same trunk on the source alone.
    classifier_steps=1_500,
)

# The embedded facades, 64 pixels, on two cores. At a quarter of the width an update is many times
# cheaper than at half: the optimizer's passes over the weights then stay in the cache.
PLAN2FACADE = dict(
    dataset="plan2facade",
    image_size=64,
    width=0.25,
    log_every=200,
    sample_every=1_000,
    checkpoint_every=1_000,
)

# Park et al. 2020, section 4, and the authors' code: no PatchNCE of the target domain, ten times
# the weight for the other; half the epochs, over the last quarter of which the rate falls.
FASTCUT = dict(lambda_nce=10.0, nce_identity=False, flip_equivariance=True, lr_decay=0.25)

PRESETS = {
    "coupled": Preset(
        "the game, networks and loss that couple classes: what --semantic_loss alone takes",
        COUPLED | dict(evaluate_every=1_000),
    ),
    "quick": Preset(
        "pen2street on two cores in minutes: pairs of digits in both styles",
        PEN2STREET | dict(steps=1_200, evaluate_every=300, sample_every=300, checkpoint_every=300),
    ),
    # The semantic classifier's own errors bound the coherence: it is trained longer.
    "cpu": Preset(
        "the same, wider and longer: sharper street digits, more of them right",
        PEN2STREET
        | dict(
            width=1.5,
            steps=3_000,
            lr_decay=0.5,
            ema=0.995,
            classifier_steps=2_000,
            evaluate_every=300,
            sample_every=300,
            checkpoint_every=300,
        ),
    ),
    "adapt_mnist2street": Preset(
        "street digits classified, and drawn in pairs, from MNIST's labels alone",
        ADAPT | dict(steps=1_500, sample_every=500, checkpoint_every=500),
    ),
    "quick_pix2pix": Preset(
        "plan2facade on two cores in minutes: plans of facades to pictures, from pairs",
        PLAN2FACADE | dict(gan_type="pix2pix", batch_size=4, steps=8_000),
    ),
    # No identity loss: plans have no colours to keep, and it would cost two passes of six.
    "quick_cyclegan": Preset(
        "the same without pairs, in both directions",
        PLAN2FACADE
        | dict(gan_type="cyclegan", steps=4_000, upsample="resize", lambda_identity=0.0),
    ),
    "quick_cut": Preset(
        "the same without pairs, in one direction: half the networks, no way back",
        PLAN2FACADE | dict(gan_type="cut", steps=4_000, upsample="resize"),
    ),
    "quick_fastcut": Preset(
        "the same in half the steps, each cheaper (FastCUT)",
        PLAN2FACADE | dict(gan_type="cut", steps=2_000, upsample="resize") | FASTCUT,
    ),
    "ring": Preset("figure 2.10: the toy GAN that covers the ten modes", RING),
    "ring_k5": Preset(
        "figure 2.11: five discriminator updates make it collapse", RING | dict(n_critic=5)
    ),
    "ring_wgan_gp": Preset(
        "figure 2.14: the collapsing set-up under WGAN-GP",
        RING
        | dict(
            n_critic=5,
            loss="wasserstein",
            d_penalty="gp",
            g_beta1=0.0,
            d_beta1=0.0,
            g_beta2=0.9,
            d_beta2=0.9,
        ),
    ),
    "mnist2edge": Preset(
        "table 5.1: SCoGAN on MNIST and its edges; add a coupling",
        THESIS_DIGITS
        | dict(
            gan_type="scogan",
            dataset="mnist2edge",
            steps=20_000,
            classifier_steps=EPOCHS_10["edge"],
        ),
    ),
    "mnist2svhn": Preset(
        "table 5.2: SCoGAN on MNIST and pruned SVHN; add a coupling",
        THESIS_DIGITS
        | dict(
            gan_type="scogan",
            dataset="mnist2svhn_prune",
            steps=25_000,
            classifier_steps=EPOCHS_10["svhn"],
        ),
    ),
    "celeb_smiling": Preset(
        "table 5.3: SCoGAN on faces without and with a smile; add a coupling",
        THESIS_FACES | dict(gan_type="scogan", dataset="celeb_smiling"),
    ),
    "apple2orange": Preset(
        "table 5.4: SCoGAN-PL on 128x128 apples and oranges",
        THESIS_CYCLEGAN | dict(dataset="apple2orange"),
    ),
    "horse2zebra": Preset(
        "table 5.4: SCoGAN-PL on 128x128 horses and zebras",
        THESIS_CYCLEGAN | dict(dataset="horse2zebra"),
    ),
}
