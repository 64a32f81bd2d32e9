"""Named sets of options, one per published experiment or machine size, a reason per line; and
`resolve`, which turns every option left open into a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gantrain.config import (
    FROM_NOISE,
    PIX2PIX,
    SEGMENTATION,
    TRANSLATION,
    Config,
    options,
    validate,
)
from gantrain.errors import UserError


@dataclass(frozen=True)
class Preset:
    """Differences from the defaults.

    Attributes:
        summary: one line for `gantrain list presets`.
        options: `{flag name: value}`.
    """

    summary: str
    options: dict


# Section 5.1: Xavier, z uniform on [-1, 1], weight decay 0.0005, WGAN-GP; batch size and Adam of
# DCGAN (section 2.6).
THESIS_DIGITS = dict(
    g_lr=2e-4, d_lr=2e-4, g_beta1=0.5, d_beta1=0.5, g_beta2=0.999, d_beta2=0.999,
    loss="wasserstein", d_penalty="gp", n_critic=5, batch_size=128, noise_dim=100,
    weight_init="xavier", weight_decay=5e-4, net="cogan32", width=1.0)

# Section 5.3: weight decay 0.0001, weights from N(0, 0.02), WGAN-GP with its own Adam (section
# 2.5), 35,000 iterations.
THESIS_FACES = THESIS_DIGITS | dict(
    g_lr=1e-4, d_lr=1e-4, g_beta1=0.0, d_beta1=0.0, g_beta2=0.9, d_beta2=0.9,
    weight_init="normal", weight_decay=1e-4, net="cogan128", steps=35_000, image_size=128)

# Section 5.4: as section 5.3, 20,000 iterations, perceptual loss.
THESIS_CYCLEGAN = THESIS_FACES | dict(gan_type="scogan", steps=20_000, perceptual_loss=(1.0, 1.0))

# Section 2.3.2: the toy GAN of table 2.1. The thesis stops at 2,000 iterations; the coordinates of
# its points are unknown, and on ours the modes separate between 4,000 and 6,000.
RING = dict(gan_type="gan", dataset="ring", net="toy", noise_dim=10, batch_size=100, steps=8_000,
            g_lr=1e-4, d_lr=1e-4, g_beta1=0.9, d_beta1=0.9, loss="non_saturating", n_critic=1)

# The embedded digits on two cores. What each option is for, and the runs it was chosen by, is in
# docs/results.md.
PEN2STREET = dict(
    gan_type="scogan", dataset="pen2street", net="compact",
    # A game that is cheap per update and keeps both marginals whole.
    loss="non_saturating", d_penalty="r1", penalty_weight=0.1, penalty_every=20, n_critic=1,
    g_lr=1e-3, d_lr=1e-3, g_beta1=0.0, d_beta1=0.0, g_beta2=0.99, d_beta2=0.99, lr_decay=0.3,
    ema=0.99,
    # Categories give z something discrete to mean; which digit each becomes is found by the game.
    noise_dim=64, noise_categories=10,
    # Consensus instead of distance: a gradient from the first step, and no collapse.
    semantic_loss=3.0, semantic_form="agreement",
    # A classifier that cannot be fooled by invisible changes: noise, shifts and attacks in its
    # training, noise and shifts in the loss.
    classifier_net="compact", classifier_noise=0.3, classifier_augment="shift",
    classifier_attack=2.0, classifier_steps=600)

# Adaptation in the same game. The classifier that the consensus is read from is the heads' own, so
# that the labels of the source carry the pairs as well.
ADAPT = {k: v for k, v in PEN2STREET.items() if not k.startswith("classifier_")} | dict(
    dataset="mnist2street", semantic_loss=1.0, label_loss=3.0, label_self=3.0,
    # What tells a handwritten digit from one on a house: size, the digits beside it, colours.
    label_augment="zoom,neighbours,recolour,shift", target_augment="zoom,recolour,shift",
    # What the consensus is read through; the heads know no noise, so little of it.
    classifier_augment="shift,recolour", classifier_noise=0.2,
    # Of what it is compared with: the same trunk on the source alone.
    classifier_steps=1_500)

# The embedded facades, 64 pixels, on two cores. At a quarter of the width an update is many times
# cheaper than at half: the optimizer's passes over the weights then stay in the cache.
PLAN2FACADE = dict(dataset="plan2facade", image_size=64, width=0.25, log_every=200,
                   sample_every=1_000, checkpoint_every=1_000)

PRESETS = {
    "quick": Preset("pen2street on two cores in minutes: pairs of digits in both styles",
                    PEN2STREET | dict(steps=1_200, evaluate_every=300, sample_every=300,
                                      checkpoint_every=300)),
    # The semantic classifier's own errors bound the coherence: it is trained longer.
    "cpu": Preset("the same, wider and longer: sharper street digits, more of them right",
                  PEN2STREET | dict(width=1.5, steps=3_000, lr_decay=0.5, ema=0.995,
                                    classifier_steps=2_000, evaluate_every=300, sample_every=300,
                                    checkpoint_every=300)),
    "adapt_mnist2street": Preset(
        "street digits classified, and drawn in pairs, from MNIST's labels alone",
        ADAPT | dict(steps=1_500, sample_every=500, checkpoint_every=500)),
    "quick_pix2pix": Preset(
        "plan2facade on two cores in minutes: plans of facades to pictures, from pairs",
        PLAN2FACADE | dict(gan_type="pix2pix", batch_size=4, steps=8_000)),
    # No identity loss: plans have no colours to keep, and it would cost two passes of six.
    "quick_cyclegan": Preset(
        "the same without pairs, in both directions",
        PLAN2FACADE | dict(gan_type="cyclegan", steps=4_000, upsample="resize",
                           lambda_identity=0.0)),
    "ring": Preset("figure 2.10: the toy GAN that covers the ten modes", RING),
    "ring_k5": Preset("figure 2.11: five discriminator updates make it collapse",
                      RING | dict(n_critic=5)),
    "ring_wgan_gp": Preset("figure 2.14: the collapsing set-up under WGAN-GP", RING | dict(
        n_critic=5, loss="wasserstein", d_penalty="gp", g_beta1=0.0, d_beta1=0.0, g_beta2=0.9,
        d_beta2=0.9)),
    "mnist2edge": Preset("table 5.1: SCoGAN on MNIST and its edges; add a coupling", THESIS_DIGITS
                         | dict(gan_type="scogan", dataset="mnist2edge", steps=20_000)),
    "mnist2svhn": Preset("table 5.2: SCoGAN on MNIST and pruned SVHN; add a coupling", THESIS_DIGITS
                         | dict(gan_type="scogan", dataset="mnist2svhn_prune", steps=25_000)),
    "celeb_smiling": Preset("table 5.3: SCoGAN on faces without and with a smile; add a coupling",
                            THESIS_FACES | dict(gan_type="scogan", dataset="celeb_smiling")),
    "apple2orange": Preset("table 5.4: SCoGAN-PL on 128x128 apples and oranges", THESIS_CYCLEGAN
                           | dict(dataset="apple2orange")),
    "horse2zebra": Preset("table 5.4: SCoGAN-PL on 128x128 horses and zebras", THESIS_CYCLEGAN
                          | dict(dataset="horse2zebra")),
}


def configure(explicit: dict, stored: Config | None = None) -> Config:
    """The config of a command line: explicit flags, else the stored run, else the preset.

    Args:
        explicit: options that were given.
        stored: config of the run that is resumed.

    Returns:
        A validated config in which some options may still be None.
    """
    if stored is not None:
        return validate(moved(stored, explicit))
    preset = explicit.get("preset")
    if preset is not None and preset not in PRESETS:
        validate(Config().with_options(preset=preset))
    chosen = PRESETS[preset].options if preset else {}
    return validate(Config().with_options(**(chosen | explicit)))


def moved(stored: Config, explicit: dict) -> Config:
    """The config of a run with some options changed, which knows its data set by the first name.

    A set that is named by its place, such as `folder:PATH`, may lie elsewhere than where the run
    began; then `place` says where. Whether the content is the same is found when it is read.
    """
    kind, colon, _ = stored.data.dataset.partition(":")
    dataset = explicit.get("dataset")
    if colon and dataset and dataset.startswith(kind + colon):
        elsewhere = None if dataset == stored.data.dataset else dataset
        explicit = {"place": elsewhere} | explicit | {"dataset": stored.data.dataset}
    return stored.with_options(**explicit)


def resolve(config: Config) -> Config:
    """Replaces every None by the value that follows from the other options.

    Raises:
        UserError: two options contradict each other.
    """
    from gantrain.penalties import DISCRIMINATOR_PENALTIES
    flat = dict(config.flat())

    def default(name, value):
        """The option's value; `value` where it was left open."""
        if flat[name] is None:
            flat[name] = value
        return flat[name]

    kind = config.run.gan_type
    translates, segments = kind in TRANSLATION, kind in SEGMENTATION
    default("run_dir", run_name(config))
    size = default("image_size", image_size(config.data.dataset))
    default("batch_size", 1 if translates else 8 if segments else 64)
    default("flip", translates or segments)
    default("weight_init", "normal" if translates else "xavier")
    default("lr_decay", 0.5 if translates or segments else 0.0)
    loss = default("loss", LOSSES.get(kind, "non_saturating"))
    penalty = default("d_penalty", "gp" if loss == "wasserstein" else "none")
    default("penalty_weight", DISCRIMINATOR_PENALTIES[penalty].weight)
    default("n_critic", 5 if loss == "wasserstein" else 1)
    default("d_norm", "layer" if penalty in ("gp", "r1") else None)
    # WGAN-GP's Adam (Gulrajani et al. 2017; thesis section 2.5), else DCGAN's (section 2.6).
    rate, beta1, beta2 = (1e-4, 0.0, 0.9) if penalty == "gp" else (2e-4, 0.5, 0.999)
    for player in "gd":
        default(f"{player}_lr", rate)
        default(f"{player}_beta1", beta1)
        default(f"{player}_beta2", beta2)
    if (translates or segments) and config.data.fit != "none":
        # 286 for 256.
        default("load_size", size and round(size * 143 / 128))
    if segments:
        # Long et al. 2015, section 4.3; its networks have no normalisation.
        default("norm", "batch")
        default("dropout", 0.5)
    elif translates:
        _translation(kind, size, default)
    elif kind in FROM_NOISE:
        _from_noise(kind, size, default)
    return validate(config.with_options(**flat))


# Thesis section 5.1; Zhu et al. 2017, section 4.
LOSSES = {"scogan": "wasserstein", "cyclegan": "least_squares"}


def _from_noise(kind, size, default):
    """What is left open of networks from noise."""
    from gantrain.nets import pair_at
    # The thesis's table for a size, or the residual pair, which has any; points have no size.
    net = default("net", {None: "toy", 32: "cogan32", 128: "cogan128", 256: "cogan256"}.get(
        size, "residual"))
    pair = pair_at(net, size or 0)
    default("noise_dim", pair.noise_dim)
    shared = kind == "cogan"
    default("shared_layers", pair.shared[0] if shared else 0)
    default("d_shared_layers", pair.shared[1] if shared else 0)


def _translation(kind, size, default):
    """What is left open of networks from images (Isola et al. 2017, section 6.1; Zhu et al. 2017,
    section 7.1)."""
    from gantrain.nets import largest_patch
    paired = kind in PIX2PIX
    generator = default("generator", "unet" if paired else
                        "resnet9" if size and size >= 256 else "resnet6")
    default("norm", "batch" if paired else "instance")
    default("dropout", 0.5 if paired and generator.startswith("unet") else 0.0)
    default("patch", largest_patch(size))
    default("test_mode", "training" if paired else "inference")


def image_size(dataset):
    """The size a data set is scaled to by default."""
    from gantrain.data.datasets import find
    return find(dataset).image_size


def run_name(config) -> str:
    """runs/<gan_type>-<dataset>[-domains][-preset][-couplings]-seed<seed>: the same command names
    the same directory, so that running it again resumes it."""
    flat = config.flat()
    couplings = [f.metadata["short"] for f in options()
                 if f.metadata["short"] and flat[f.name] != f.default]
    parts = [config.run.gan_type, config.data.dataset, config.data.domains or "",
             config.run.preset or "", "".join(couplings), f"seed{config.run.seed}"]
    return "runs/" + "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", p) for p in parts if p)


def refuse_changes(stored: Config, wanted: Config, where):
    """Raises UserError if a resumed run would differ from the one that was started."""
    differences = stored.differences(wanted)
    if differences:
        raise UserError(f"--run_dir {where}: holds a run with other options "
                        f"({'; '.join(differences)}); choose another --run_dir, or start anew with "
                        f"--no-resume")
