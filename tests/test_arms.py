"""Every published run, typed from the text of its source, beside what its arm resolves to."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from gantrain import flags
from gantrain.commands import COMMANDS
from gantrain.config import configure, make, resolve
from gantrain.experiments import EXPERIMENTS, table
from gantrain.experiments.table import Reproduction

PAGE = Path(__file__).parent.parent / "docs" / "reproducing.md"

# Thesis, section 2.6: DCGAN's optimizer.
ADAM_DCGAN = dict(
    g_lr=2e-4, d_lr=2e-4, g_beta1=0.5, d_beta1=0.5, g_beta2=0.999, d_beta2=0.999
)  # fmt: skip
# Section 2.5.
ADAM_GP = dict(g_lr=1e-4, d_lr=1e-4, g_beta1=0.0, d_beta1=0.0, g_beta2=0.9, d_beta2=0.9)
# Sections 2.5 and 4.1: lambda 10, five discriminator updates, layer normalisation.
WGAN_GP = dict(
    loss="wasserstein", d_penalty="gp", penalty_weight=10.0, penalty_every=1, n_critic=5,
    d_norm="layer",
)  # fmt: skip
GAN = dict(loss="non_saturating", d_penalty="none", n_critic=1, d_norm=None)
PLAIN = dict(
    load_size=None, flip=False, augment="none", label_smoothing=0.0, spectral_norm=False, ema=0.0,
    lr_decay=0.0, width=1.0,
)  # fmt: skip
LATENT = dict(noise_dim=100, noise_type="uniform", noise_categories=0)
# Section 5.1; "These settings mirror those used in the official implementation", as section 3.3's.
DIGITS = PLAIN | LATENT | ADAM_DCGAN | dict(
    image_size=32, net="cogan32", batch_size=128, weight_init="xavier", weight_decay=5e-4
)  # fmt: skip
MNIST2EDGE = DIGITS | dict(dataset="mnist2edge", steps=20_000)
# "SVHN pruned" (section 2.7).
MNIST2SVHN = DIGITS | dict(dataset="mnist2svhn_prune", steps=25_000)
# Section 5.3.
FACES = PLAIN | LATENT | dict(
    dataset="celeb_smiling", image_size=128, net="cogan128", batch_size=128, weight_init="normal",
    weight_decay=1e-4, steps=35_000,
)  # fmt: skip
# Section 5.4: "the same ... as for CelebSmiling"; 20,000 iterations.
ANIMALS = FACES | WGAN_GP | ADAM_GP | dict(steps=20_000)
# Tables 3.1 and A.1: all rows of the generators but the last are shared, "without any shared
# layers" in SCoGAN.
COGAN = dict(gan_type="cogan", shared_layers=4, d_shared_layers=3)
COGAN_128 = dict(gan_type="cogan", shared_layers=5)
SCOGAN = dict(gan_type="scogan", shared_layers=0, d_shared_layers=0)
NONE = dict(semantic_loss=0.0, feature_loss=0.0, cycle_loss=0.0, perceptual_loss=(0.0, 0.0))
# Equation 4.2; ten epochs of 60,000, 130,262 and 202,599 images, 2 x 128 at a time.
SL = dict(semantic_loss=10.0, semantic_form="squared")
SL_EDGE, SL_SVHN, SL_FACES = (SL | dict(classifier_steps=n) for n in (2_344, 5_088, 7_914))
# Section 4.1: K = 3.
FR = dict(feature_loss=100.0, feature_layers=3)
CC = dict(cycle_loss=10.0)
# Chapter 5, equation 4.5.
PL = dict(perceptual_loss=(1e-3, 1e-13), perceptual_form="unnormalised", perceptual_layers=None)


def scogan(*couplings):
    options = SCOGAN | NONE
    for coupling in couplings:
        options |= coupling
    return options


# Section 2.3.2.
RING = dict(
    gan_type="gan", dataset="ring", net="toy", noise_dim=10, batch_size=100, width=1.0,
    g_lr=1e-4, d_lr=1e-4,
)  # fmt: skip
ADAM = dict(g_beta1=0.9, d_beta1=0.9, g_beta2=0.999, d_beta2=0.999)

# Isola et al. 2017, section 6, from which the poster and the honours project start.
PIX2PIX = dict(
    gan_type="pix2pix", image_size=256, load_size=286, flip=True, width=1.0, weight_init="normal",
    generator="unet", norm="batch", dropout=0.5, patch="70", loss="non_saturating", n_critic=1,
    d_penalty="none", adversarial_weight=1.0, conditional=True, l1_loss=100.0, weight_decay=0.0,
    label_smoothing=0.0, random_erasing=0.0, early_stopping=0,
) | ADAM_DCGAN  # fmt: skip
# 200 epochs of Cityscapes' 2,975 pairs, from labels to photographs, one at a time.
POSTER = PIX2PIX | dict(dataset="cityscapes", direction="b2a", batch_size=1, steps=200 * 2_975)
# Sections 6 and 6.1.4 of the honours project: 900 photographs to train on, 16 at a time.
HONOURS = PIX2PIX | dict(
    dataset="photo_sketch", direction="a2b", batch_size=16, steps=200 * 900 // 16
)
# Course project, sections 3.1 to 4.6: 1,000 epochs of 120 batches; images are resized, no more.
COURSE = dict(
    gan_type="cyclegan", image_size=128, load_size=128, flip=False, batch_size=4, width=1.0,
    steps=120_000, discriminators="one", lambda_identity=0.0, lambda_cycle=10.0, g_lr=1e-4,
    d_lr=1e-6, loss="least_squares", generator="resnet6", norm="instance", n_critic=1,
    d_penalty="none",
)  # fmt: skip

# {table: (samples of its measurement, {arm: settings})}.
PUBLISHED = {
    **{
        f"table{number}": (
            samples,
            {
                name: FACES
                | game
                | dict(
                    gan_type="cogan",
                    dataset=dataset,
                    image_size=size,
                    net=f"cogan{size}",
                    steps=steps,
                    shared_layers={128: 5, 256: 6}[size],
                )
            },
        )
        for number, name, dataset, samples, size, game, steps in (
            ("3.3", "CoGAN", "horse2zebra", 1_000, 256, GAN | ADAM_DCGAN, 35_000),
            ("3.4", "CoGAN", "apple2orange", 995, 256, GAN | ADAM_DCGAN, 35_000),
            ("3.5", "CoGAN", "horse2zebra", 1_000, 128, GAN | ADAM_DCGAN, 35_000),
            ("3.6", "CoGAN", "apple2orange", 995, 128, GAN | ADAM_DCGAN, 35_000),
            ("3.7", "CoGAN-GP", "horse2zebra", 1_000, 128, WGAN_GP | ADAM_GP, 25_000),
            ("3.8", "CoGAN-GP", "apple2orange", 995, 128, WGAN_GP | ADAM_GP, 25_000),
        )
    },
    # "If not otherwise specified, all models are trained with the WGAN-GP loss."
    "table5.1": (
        30_000,
        {
            "CoGAN": MNIST2EDGE | WGAN_GP | COGAN,
            # Section 4.1: alpha = 10 on these domains.
            "FR": MNIST2EDGE | WGAN_GP | scogan(FR | dict(feature_loss=10.0)),
            "SL": MNIST2EDGE | WGAN_GP | scogan(SL_EDGE),
            "CC": MNIST2EDGE | WGAN_GP | scogan(CC),
            "PL": MNIST2EDGE | WGAN_GP | scogan(PL),
        },
    ),
    "table5.2": (
        50_000,
        {
            "CoGAN": MNIST2SVHN | WGAN_GP | COGAN,
            "FR": MNIST2SVHN | WGAN_GP | scogan(FR),
            "SLFR": MNIST2SVHN | WGAN_GP | scogan(SL_SVHN, FR),
            "SLCC": MNIST2SVHN | WGAN_GP | scogan(SL_SVHN, CC),
            "FRCC": MNIST2SVHN | WGAN_GP | scogan(FR, CC),
            "PL": MNIST2SVHN | WGAN_GP | scogan(PL),
        },
    ),
    # "Deviating from CoGAN's configuration, we use the WGAN-GP loss": CoGAN is section 3.3's.
    "table5.3": (
        50_000,
        {
            "CoGAN": FACES | GAN | ADAM_DCGAN | COGAN_128,
            "SLFR": FACES | WGAN_GP | ADAM_GP | scogan(SL_FACES, FR),
            "SLCC": FACES | WGAN_GP | ADAM_GP | scogan(SL_FACES, CC),
            "PL": FACES | WGAN_GP | ADAM_GP | scogan(PL),
        },
    ),
    "table5.4": (
        {"CoGAN(a2o)": 995, "PL(a2o)": 995, "CoGAN(h2z)": 1_000, "PL(h2z)": 1_000},
        {
            "CoGAN(a2o)": ANIMALS | COGAN_128 | dict(dataset="apple2orange"),
            "PL(a2o)": ANIMALS | scogan(PL) | dict(dataset="apple2orange"),
            "CoGAN(h2z)": ANIMALS | COGAN_128 | dict(dataset="horse2zebra"),
            "PL(h2z)": ANIMALS | scogan(PL) | dict(dataset="horse2zebra"),
        },
    ),
    "table7.1": (50_000, {"SL": MNIST2SVHN | WGAN_GP | scogan(SL_SVHN)}),
    # Section 3.3: "DCGAN hyperparameter settings", 25,000 iterations.
    "figure3.8": (
        50_000,
        {f"{n} shared": MNIST2SVHN | GAN | COGAN | dict(shared_layers=n) for n in (4, 3, 2, 1)},
    ),
    # Section 4.1: 4,000 iterations, "DCGAN hyperparameter settings, alpha = 10, non-saturating".
    "figure4.1": (
        None,
        {
            "CoGAN": MNIST2EDGE | GAN | COGAN | dict(steps=4_000),
            "SCoGAN-FR": MNIST2EDGE | GAN | scogan(FR) | dict(steps=4_000, feature_loss=10.0),
        },
    ),
    "figure7.1": (None, {"PL": FACES | WGAN_GP | ADAM_GP | scogan(PL)}),
    "figure2.10": (None, {"ring": RING | ADAM | GAN | dict(steps=2_000)}),
    "figure2.11": (None, {"ring_k5": RING | ADAM | GAN | dict(n_critic=5, steps=2_000)}),
    **{
        figure: (None, {"ring_wgan_gp": RING | WGAN_GP | ADAM_GP | dict(steps=3_000)})
        for figure in ("figure2.14", "figure2.15")
    },
    # Cityscapes' 500 validation images.
    "objectives": (
        500,
        {
            "L1": POSTER | dict(adversarial_weight=0.0),
            "GAN": POSTER | dict(l1_loss=0.0, conditional=False),
            "cGAN": POSTER | dict(l1_loss=0.0),
            "L1+GAN": POSTER | dict(conditional=False),
            "L1+cGAN": POSTER,
        },
    ),
    "patches": (500, {name: POSTER | dict(patch=name) for name in ("1", "16", "70", "142", "286")}),
    "rates": (
        500,
        {
            "2e-4": POSTER,
            "6e-4": POSTER | dict(g_lr=6e-4, d_lr=6e-4),
            "6.7e-5": POSTER | dict(g_lr=6.67e-5, d_lr=6.67e-5),
            "6e-4 (100 epochs)": POSTER | dict(g_lr=6e-4, d_lr=6e-4, steps=100 * 2_975),
        },
    ),
    # "equally well after 100 epochs"; section 4.1.2: nine residual blocks.
    "generators": (
        None,
        {
            name: HONOURS | dict(generator=generator, dropout=dropout, steps=100 * 900 // 16)
            for name, generator, dropout in (
                ("U-Net", "unet", 0.5),
                ("without skips", "unet_noskip", 0.5),
                ("ResNet", "resnet9", 0.0),
                ("U-Net++", "unetpp", 0.5),
            )
        },
    ),
    # "Running 200 epochs for each."
    "l1_weights": (None, {f"{w}": HONOURS | dict(l1_loss=float(w)) for w in (0, 10, 100, 200)}),
    "discriminators": (None, {"PatchGAN": HONOURS, "global": HONOURS | dict(patch="global")}),
    "regularisation": (
        None,
        {
            "plain": HONOURS,
            "least squares": HONOURS | dict(loss="least_squares"),
            "rates x 3": HONOURS | dict(g_lr=6e-4, d_lr=6e-4),
            # "real labels to be 0.9"
            "smoothing": HONOURS | dict(label_smoothing=0.1),
            "erasing": HONOURS | dict(random_erasing=0.5),
            # "we stopped training at 300 epochs"
            "best model": HONOURS
            | dict(
                generator="unetpp",
                patch="global",
                label_smoothing=0.1,
                random_erasing=0.5,
                steps=300 * 900 // 16,
            ),
        },
    ),
    # Section 4.4 with figures 5 and 6: photographs and Cezanne.
    "cycle_weights": (
        None,
        {
            name: COURSE | dict(dataset="cezanne2photo", lambda_cycle=weight)
            for name, weight in (("10", 10.0), ("1", 1.0))
        },
    ),
    "learning_rates": (
        None,
        {
            "1e-4 / 1e-6": COURSE | dict(dataset="facades"),
            "1e-4 / 1e-4": COURSE | dict(dataset="facades", d_lr=1e-4),
        },
    ),
}
# What differs by choice; docs/reproducing.md says why.
DEVIATIONS = {
    (figure, "steps"): 8_000 for figure in ("figure2.10", "figure2.11", "figure2.14", "figure2.15")
}


def full(name, arm, **asked):
    return make(**table.options(EXPERIMENTS[name], arm, Reproduction("full", **asked), 0)).flat()


@pytest.mark.parametrize("name", [n for n, e in EXPERIMENTS.items() if not e.computed])
def test_a_full_run_has_the_settings_that_its_source_prints(name):
    samples, settings = PUBLISHED[name]
    experiment = EXPERIMENTS[name]
    assert [arm.name for arm in experiment.arms] == list(settings)
    for arm in experiment.arms:
        own = full(name, arm)
        wanted = {k: DEVIATIONS.get((name, k), v) for k, v in settings[arm.name].items()}
        assert {k: own.get(k, "absent") for k in wanted} == wanted, arm.name
        if samples:
            of_arm = samples[arm.name] if isinstance(samples, dict) else samples
            assert experiment.samples(arm, "full") == of_arm, arm.name


def test_every_column_can_be_asked_for_by_name():
    """`--arms` takes names with commas between them."""
    for name, experiment in EXPERIMENTS.items():
        names = [arm.name for arm in experiment.arms]
        assert len(set(names)) == len(names) and not [n for n in names if "," in n], name


def test_one_run_has_one_published_number():
    """Columns of two tables that are one run by their options cannot differ in what is printed."""
    seen = {}
    for name, experiment in EXPERIMENTS.items():
        for arm in experiment.arms:
            own = {k: v for k, v in full(name, arm).items() if k not in ("run_dir", "preset")}
            for label, number in arm.published.items():
                if isinstance(number, float):
                    other = seen.setdefault((label, str(sorted(own.items(), key=str))), number)
                    assert other == number, (name, arm.name, label)


# --- what the listings compute -------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, arm, changed",
    [
        ("table5.2", "CoGAN", {}),
        # 6.10 adds the distances of three layers, 6.15 takes the mean over ten classes.
        ("table5.2", "FR", dict(shared_layers=1, feature_loss=300.0)),
        ("table5.2", "SLCC", dict(shared_layers=1, semantic_loss=2.0, cycle_loss=10.0)),
        ("table5.1", "FR", dict(shared_layers=1, feature_loss=30.0)),
        # Thirteen attributes.
        ("table5.3", "SLFR", dict(shared_layers=1, semantic_loss=20 / 13, feature_loss=300.0)),
        ("table5.4", "PL(h2z)", dict(shared_layers=1)),
        ("table3.3", "CoGAN", {}),
        ("figure4.1", "SCoGAN-FR", dict(shared_layers=1, feature_loss=30.0)),
        ("figure7.1", "PL", dict(shared_layers=1)),
    ],
)
def test_the_listings_compute_other_multiples(name, arm, changed):
    (chosen,) = (a for a in EXPERIMENTS[name].arms if a.name == arm)
    text, code = full(name, chosen), full(name, chosen, reading="listing")
    assert code["run_dir"] == text["run_dir"].replace("-seed0", "-listing-seed0") != text["run_dir"]
    wanted = text | changed | dict(weight_decay=0.0, run_dir=code["run_dir"])
    assert {k: v for k, v in code.items() if v != text[k]}.keys() >= {"weight_decay", "run_dir"}
    assert code == {k: pytest.approx(v) if isinstance(v, float) else v for k, v in wanted.items()}


# --- the page ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("reproducing_page", PAGE.with_suffix(".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_commands_of_the_page_are_those_of_the_arms(script):
    text = PAGE.read_text()
    assert script.page(text) == text, "run: python docs/reproducing.py"


def test_a_command_of_the_page_trains_its_arm(script):
    """As it is typed, for every column."""
    text = PAGE.read_text()
    rows = re.findall(
        r"^\| (?:`(\S+)`: .*?)? ?\| (.+?) \| `gantrain (.+?)` \| ([\d,]+) \|$", text, re.M
    )
    name, found = "", {}
    for title, arm, words, steps in rows:
        name = title or name
        found[name, arm] = words, int(steps.replace(",", ""))
    known = {command: value[:2] for command, value in COMMANDS.items()}
    arms = {(n, arm.name): arm for n, e in EXPERIMENTS.items() for arm in e.arms}
    assert found.keys() == arms.keys()
    for (name, column), (words, steps) in found.items():
        _, options = flags.parse("gantrain", known, "train", shlex.split(words))
        typed, own = resolve(configure(options)).flat(), full(name, arms[name, column])
        assert {k for k in own if own[k] != typed[k]} <= set(script.PLACES), (name, column)
        assert typed["steps"] == steps
