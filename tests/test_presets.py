"""Presets and the values that follow from other options."""

import pytest

from gantrain.config import configure, refuse_changes, resolve, run_name
from gantrain.data.datasets import DATASETS
from gantrain.errors import UserError
from gantrain.presets import PRESETS
from gantrain.trainers import TRAINERS


def resolved(**options):
    return resolve(configure(options)).flat()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_resolves(name):
    preset = PRESETS[name]
    assert preset.summary and "\n" not in preset.summary
    config = resolve(configure({"preset": name}))
    flat = config.flat()
    assert flat["preset"] == name
    assert {k: flat[k] for k in preset.options} == preset.options
    # Resolving leaves nothing open but what may stay open, and is a fixed point.
    free = {
        "domains",
        "classifier",
        "semantic_attributes",
        "perceptual_layers",
        "keep_best",
        "vgg_weights",
        "lpips_weights",
        "xla",
        "gpus",
        "d_norm",
        "image_size",
        "load_size",
        "source",
        "place",
    }
    assert {k for k, v in flat.items() if v is None} <= free
    assert resolve(config) == config
    assert flat["gan_type"] in TRAINERS and flat["dataset"] in DATASETS


def test_explicit_flags_win_over_the_preset():
    usual = resolved(preset="ring")
    changed = resolved(preset="ring", steps=7, g_lr=0.5)
    assert (changed["steps"], changed["g_lr"]) == (7, 0.5)
    assert {k for k in usual if usual[k] != changed[k]} == {"steps", "g_lr"}


def test_an_explicit_default_wins_over_the_preset_too():
    assert PRESETS["ring_k5"].options["n_critic"] == 5
    assert resolved(preset="ring_k5", n_critic=1)["n_critic"] == 1


def test_a_stored_run_wins_over_defaults_and_explicit_flags_over_it():
    stored = resolve(configure({"preset": "ring", "seed": 5}))
    config = configure({"steps": 9}, stored)
    assert (config.run.seed, config.run.steps, config.run.preset) == (5, 9, "ring")
    assert config.data.batch_size == 100


def test_an_unknown_preset_is_refused_with_a_suggestion():
    with pytest.raises(UserError, match="--preset rng: unknown; did you mean ring"):
        configure({"preset": "rng"})


@pytest.mark.parametrize(
    "options, expected",
    [
        # WGAN-GP for scogan (thesis section 5.1), non-saturating for the rest.
        (
            dict(gan_type="scogan"),
            dict(
                loss="wasserstein",
                d_penalty="gp",
                penalty_weight=10.0,
                n_critic=5,
                d_norm="layer",
                g_lr=1e-4,
                g_beta1=0.0,
                g_beta2=0.9,
                d_lr=1e-4,
                d_beta1=0.0,
                d_beta2=0.9,
                shared_layers=0,
                d_shared_layers=0,
            ),
        ),
        (
            dict(gan_type="cogan"),
            dict(
                loss="non_saturating",
                d_penalty="none",
                n_critic=1,
                d_norm=None,
                g_lr=2e-4,
                g_beta1=0.5,
                g_beta2=0.999,
                d_lr=2e-4,
                d_beta1=0.5,
                d_beta2=0.999,
                shared_layers=4,
                d_shared_layers=3,
            ),
        ),
        (dict(gan_type="gan", dataset="ring"), dict(net="toy", image_size=None, noise_dim=100)),
        (dict(dataset="celeb_smiling"), dict(net="cogan128", image_size=128)),
        (dict(dataset="horse2zebra"), dict(net="cogan256", image_size=256)),
        (dict(dataset="horse2zebra", image_size=64), dict(net="residual", image_size=64)),
        (
            dict(d_penalty="r1", loss="hinge"),
            dict(penalty_weight=5.0, n_critic=1, d_norm="layer", g_lr=2e-4),
        ),
        (
            dict(loss="wasserstein", d_penalty="clip"),
            dict(penalty_weight=0.01, n_critic=5, d_norm=None),
        ),
        # Isola et al. 2017, section 6; Zhu et al. 2017, sections 4 and 7.1.
        (
            dict(gan_type="pix2pix", dataset="facades"),
            dict(
                image_size=256,
                load_size=286,
                flip=True,
                batch_size=1,
                loss="non_saturating",
                generator="unet",
                norm="batch",
                dropout=0.5,
                patch="70",
                test_mode="training",
                weight_init="normal",
                lr_decay=0.5,
                g_lr=2e-4,
                g_beta1=0.5,
                g_beta2=0.999,
                l1_loss=100.0,
            ),
        ),
        (
            dict(gan_type="cyclegan", dataset="horse2zebra"),
            dict(
                image_size=256,
                load_size=286,
                flip=True,
                batch_size=1,
                loss="least_squares",
                generator="resnet9",
                norm="instance",
                dropout=0.0,
                patch="70",
                test_mode="inference",
                lr_decay=0.5,
                g_lr=2e-4,
                lambda_cycle=10.0,
                lambda_identity=0.5,
                pool_size=50,
            ),
        ),
        (dict(gan_type="cyclegan", dataset="plan2facade"), dict(generator="resnet6", patch="34")),
        # Park et al. 2020, section 4, and the authors' code.
        (
            dict(gan_type="cut", dataset="horse2zebra"),
            dict(
                image_size=256,
                load_size=286,
                flip=True,
                batch_size=1,
                loss="least_squares",
                generator="resnet9",
                norm="instance",
                dropout=0.0,
                patch="70",
                lr_decay=0.5,
                g_lr=2e-4,
                g_beta1=0.5,
                g_beta2=0.999,
                d_lr=2e-4,
                lambda_nce=1.0,
                nce_identity=True,
                flip_equivariance=False,
                nce_temperature=0.07,
                nce_locations=256,
            ),
        ),
        (
            dict(preset="quick_fastcut"),
            dict(
                generator="resnet6",
                lambda_nce=10.0,
                nce_identity=False,
                flip_equivariance=True,
                lr_decay=0.25,
            ),
        ),
        (dict(gan_type="pix2pix", dataset="facades", fit="none"), dict(load_size=None)),
        (dict(gan_type="pix2pix", dataset="facades", generator="resnet9"), dict(dropout=0.0)),
        (
            dict(gan_type="cogan"),
            dict(flip=False, batch_size=64, weight_init="xavier", lr_decay=0.0, load_size=None),
        ),
        (dict(loss="wasserstein", n_critic=2, d_lr=0.1), dict(n_critic=2, d_lr=0.1, g_lr=1e-4)),
    ],
)
def test_open_options_follow_from_the_others(options, expected):
    flat = resolved(**options)
    assert {k: flat[k] for k in expected} == expected


def test_generators_and_discriminators_keep_their_own_rates():
    """The slip of the published code: lr_g and lr_d swapped."""
    flat = resolved(g_lr=1e-3, d_lr=4e-3, g_beta1=0.1, d_beta1=0.2, g_beta2=0.3, d_beta2=0.4)
    assert [flat[k] for k in ("g_lr", "d_lr", "g_beta1", "d_beta1", "g_beta2", "d_beta2")] == [
        1e-3,
        4e-3,
        0.1,
        0.2,
        0.3,
        0.4,
    ]


@pytest.mark.parametrize(
    "options, name",
    [
        (dict(), "runs/scogan-pen2street-seed0"),
        (dict(gan_type="gan", dataset="ring", preset="ring", seed=3), "runs/gan-ring-ring-seed3"),
        (
            dict(semantic_loss=1.0, feature_loss=2.0, cycle_loss=3.0, perceptual_loss=(0.0, 1.0)),
            "runs/scogan-pen2street-coupled-SLFRCCPL-seed0",
        ),
        (
            dict(domains="a,b", dataset="folder:/some/where"),
            "runs/scogan-folder_some_where-a_b-seed0",
        ),
    ],
)
def test_the_same_command_names_the_same_directory(options, name):
    kind = options.pop("gan_type", "scogan")
    options |= {"gan_type": kind}
    assert run_name(configure(options)) == name
    assert resolved(**options)["run_dir"] == name


@pytest.mark.parametrize(
    "options, preset",
    [
        (dict(semantic_loss=10.0, dataset="mnist2svhn", width=0.25), "coupled"),
        (dict(semantic_loss=10.0, gan_type="scogan", dataset="folder:a,b"), "coupled"),
        (dict(semantic_loss=10.0, preset="mnist2svhn"), "mnist2svhn"),
        # A part of another game, or domains that need not agree.
        (dict(semantic_loss=10.0, loss="wasserstein"), None),
        (dict(semantic_loss=10.0, d_penalty="gp"), None),
        (dict(semantic_loss=10.0, net="cogan32"), None),
        (dict(semantic_loss=10.0, semantic_form="squared"), None),
        (dict(semantic_loss=1.0, label_loss=1.0, dataset="mnist2street"), None),
        (dict(semantic_loss=10.0, dataset="celeb_smiling"), None),
        (dict(semantic_loss=0.0), None),
        (dict(feature_loss=10.0), None),
        (dict(gan_type="cogan"), None),
    ],
)
def test_a_semantic_loss_takes_what_couples(options, preset):
    """By a name that is stored, and that explicit options win over."""
    flat = resolved(**options)
    assert flat["preset"] == preset
    assert {k: flat[k] for k in options} == options
    if preset is None and flat["gan_type"] == "scogan":
        assert (flat["loss"], flat["semantic_form"]) == ("wasserstein", "squared")
    if preset:
        chosen = PRESETS[preset].options | options
        assert {k: flat[k] for k in chosen} == chosen


def test_contradictions_between_resolved_values_are_refused():
    # Neither --loss nor --d_penalty is given: they follow from scogan.
    with pytest.raises(UserError, match="--d_norm batch .*--d_penalty gp"):
        resolved(gan_type="scogan", d_norm="batch")
    with pytest.raises(UserError, match="--label_smoothing .*wasserstein"):
        resolved(gan_type="scogan", label_smoothing=0.1)


def test_a_changed_option_is_refused_with_the_difference():
    stored = resolve(configure({"preset": "ring"}))
    with pytest.raises(UserError) as error:
        refuse_changes(stored, resolve(configure({"seed": 3, "g_lr": 0.5}, stored)), "runs/x")
    message = str(error.value)
    assert "--seed 0 -> 3" in message and "--g_lr 0.0001 -> 0.5" in message
    assert "runs/x" in message and "--no-resume" in message and "\n" not in message
    refuse_changes(stored, resolve(configure({"steps": 9, "xla": False}, stored)), "x")
