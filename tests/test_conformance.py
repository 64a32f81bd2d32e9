"""What every trainer has to keep, whatever its algorithm: the matrix over TRAINERS.

A new trainer is in the matrix by its entry in TRAINERS, a new coupling by its entry in COUPLINGS.
"""

import inspect
import json

import numpy as np
import pytest
import tensorflow as tf
import tiny
from conformance import CHECKS, Played, switched_on

from gantrain import images, nets
from gantrain.config import default_config, heeded
from gantrain.core import PRECISIONS
from gantrain.data.batches import Batch
from gantrain.errors import UserError
from gantrain.noise import Draw
from gantrain.runs.train import all_finite, fit
from gantrain.stages import open_run, prepare
from gantrain.stop import Interrupted
from gantrain.terms.adversarial import Adversarial, boundary
from gantrain.terms.pool import ImagePool
from gantrain.trainer import Shows, Translates
from gantrain.trainers import TRAINERS
from gantrain.trainers.cyclegan import CycleGAN
from gantrain.trainers.scogan import COUPLINGS
from gantrain.use.held_out import HeldOut
from gantrain.use.samples import noise, samples

LABELS = dict(
    label_loss=1.0,
    label_transfer=0.5,
    label_self=0.7,
    label_confidence=0.0,
    label_augment="zoom,neighbours,recolour",
    target_augment="zoom,recolour",
    classifier_steps=2,
)
EVERY_OPTION_OF_NETWORKS = dict(
    ema=0.9, weight_decay=1e-4, lr_decay=0.5, augment="translation,cutout,color"
)
EVERY_OPTION = EVERY_OPTION_OF_NETWORKS | dict(noise_type="normal")


def variants():
    """{id: (trainer, number of domains, options)}."""
    made = {}
    for name, trainer in TRAINERS.items():
        least, most = trainer.takes
        for k in sorted({least, most or 3}):
            made[f"{name}-{k}"] = name, k, {}
    made["gan-ring"] = "gan", 1, dict(dataset="ring", net="toy")
    made["gan-every_option"] = (
        "gan",
        1,
        EVERY_OPTION
        | dict(loss="hinge", d_penalty="r1", penalty_every=2, spectral_norm=True, n_critic=2),
    )
    for coupling in COUPLINGS:
        made[f"scogan-{coupling}"] = "scogan", 2, switched_on(coupling)
    made["scogan-all"] = (
        "scogan",
        2,
        switched_on(*COUPLINGS)
        | EVERY_OPTION
        | dict(
            coupling_ramp=4,
            classifier_noise=0.3,
            classifier_augment="translation",
            penalty_every=2,
            n_critic=2,
        ),
    )
    made["cogan-critic"] = "cogan", 2, dict(n_critic=2)
    made["cogan-labels-3"] = "cogan", 3, LABELS
    made["scogan-labels"] = (
        "scogan",
        2,
        LABELS | dict(semantic_loss=1.0, semantic_form="agreement", d_shared_layers=1, net="plain"),
    )
    made["scogan-3"] = "scogan", 3, switched_on(*COUPLINGS)
    made["pix2pix-targets"] = (
        "pix2pix",
        2,
        EVERY_OPTION_OF_NETWORKS
        | dict(
            targets=3,
            random_erasing=0.5,
            patch="16",
            generator="unet",
            upsample="resize",
            label_smoothing=0.1,
        ),
    )
    made["pix2pix-gan"] = (
        "pix2pix",
        2,
        dict(l1_loss=0.0, conditional=False, d_penalty="gp", loss="wasserstein", n_critic=2),
    )
    made["pix2pix-l1"] = "pix2pix", 2, dict(adversarial_weight=0.0)
    made["cyclegan-one"] = (
        "cyclegan",
        2,
        EVERY_OPTION_OF_NETWORKS
        | dict(
            discriminators="one",
            lambda_identity=0.0,
            pool_size=3,
            n_critic=2,
            generator="resnet6",
            d_penalty="r1",
            penalty_every=2,
        ),
    )
    made["cut-fast"] = (
        "cut",
        2,
        EVERY_OPTION_OF_NETWORKS
        | dict(
            lambda_nce=10.0,
            nce_identity=False,
            flip_equivariance=True,
            nce_locations=20,
            n_critic=2,
            generator="resnet6",
            d_penalty="r1",
            penalty_every=2,
        ),
    )
    made["classifier-attacked"] = (
        "classifier",
        2,
        dict(
            classifier_attack=1.0,
            classifier_noise=0.3,
            classifier_mix="cutmix",
            classifier_net="evaluation",
        ),
    )
    made["segmenter-every_option"] = (
        "segmenter",
        2,
        dict(void=2, weight_decay=1e-4, lr_decay=0.5, norm="instance", dropout=0.3, flip=True),
    )
    return made


VARIANTS = variants()
# The fullest of every trainer, for what is too slow to do with all of them.
FULLEST = {name: f"{name}-{trainer.takes[0]}" for name, trainer in TRAINERS.items()} | {
    "gan": "gan-every_option",
    "cogan": "cogan-labels-3",
    "scogan": "scogan-all",
    "pix2pix": "pix2pix-targets",
    "cut": "cut-fast",
    "classifier": "classifier-attacked",
    "segmenter": "segmenter-every_option",
}


@pytest.fixture(scope="session")
def build(classifier_file, lpips_file, tmp_path_factory):
    """(variant, run directory, further options) -> a new `OpenRun`."""

    unused = tmp_path_factory.mktemp("conformance") / "run"

    def make(variant, run_dir=unused, **options):
        name, k, own = VARIANTS[variant]
        options = dict(gan_type=name, steps=4) | own | options
        usual = default_config(name)
        usual = usual.with_options(**{k: v for k, v in options.items() if k in usual.flat()})
        options = ({"n_critic": 1} if "n_critic" in heeded(usual) else {}) | options
        if options.get("semantic_loss") and not options.get("label_loss"):
            options["classifier"] = str(classifier_file)
        if options.get("perceptual_loss"):
            options["lpips_weights"] = str(lpips_file)
        points, targets = options.get("dataset") == "ring", options.pop("targets", 1)
        void = options.pop("void", 0)
        config = tiny.config(run_dir, **options)
        kind = TRAINERS[name]
        domains = (
            tiny.pairs(targets=targets)
            if issubclass(kind, Translates)
            else tiny.maps(void=void)
            if issubclass(kind, Shows)
            else tiny.domains(k)
        )
        return prepare(config, domains=None if points else domains)

    return make


def snapshot(session):
    return tiny.values(session.trainer.variables())


@pytest.fixture(scope="module", params=VARIANTS)
def played(request, build):
    return Played(build(request.param))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_trainer_keeps(check, played):
    check(played)


# ---------------------------------------------------------------------------------- compiled, half


def smooth(session):
    """Makes Adam's step continuous in the gradient.

    Its first step is the gradient's sign: where a gradient is nothing but rounding, as that of a
    bias in front of batch normalisation, two right answers would lie two steps apart.
    """
    for player in session.trainer.players.values():
        player.optimizer.epsilon = 1e-2
    return session


def lively(session):
    """Kernels of translators ten times as large: from N(0, 0.02) all images come out gray."""
    for player in session.trainer.players.values() if isinstance(session.trainer, Shows) else ():
        for w in player.kernels:
            w.assign(10.0 * w)
    return session


def assert_close(left, right, names, tolerance):
    for one, other, name in zip(left, right, names, strict=True):
        np.testing.assert_allclose(
            np.asarray(one, np.float64),
            np.asarray(other, np.float64),
            rtol=tolerance,
            atol=tolerance,
            err_msg=str(name),
        )


@pytest.mark.parametrize("trainer", TRAINERS)
def test_compiled_equals_eager(build, trainer):
    session = smooth(build(FULLEST[trainer]))
    variables = session.trainer.variables()
    start = snapshot(session)
    compiled = {k: float(v) for k, v in session.iterate(1).items()}
    after = snapshot(session)
    tiny.assign(variables, start)
    tf.config.run_functions_eagerly(True)
    eager = {k: float(v) for k, v in session.iterate(1).items()}
    assert compiled == pytest.approx(eager, rel=1e-3, abs=1e-4)
    assert_close(after, snapshot(session), [v.path for v in variables], 1e-3)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("trainer", TRAINERS)
def test_half_precision(build, trainer, precision):
    session = build(FULLEST[trainer], precision=precision)
    before = snapshot(session)
    tf.config.run_functions_eagerly(True)
    # Scaling for float16 looks for its scale in the first updates, and skips those: more of them
    # where a loss divides by the length of small features.
    moved: list = [False]
    for step in range(16):
        if np.mean(moved) > 0.8:
            break
        logs = session.iterate(step)
        for name, value in logs.items():
            assert value.dtype == tf.float32, name
            assert np.isfinite(value), name
        moved = [not np.array_equal(a, b) for a, b in zip(before, snapshot(session), strict=True)]
    assert np.mean(moved) > 0.8
    for player in session.trainer.players.values():
        assert all(w.dtype == "float32" for w in player.weights)
    assert all_finite(session.trainer.variables())


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("variant", sorted({*FULLEST.values(), "pix2pix-gan", "cyclegan-one"}))
def test_every_trainer_lowers_under_xla(build, variant, precision):
    """Slow: `tests/test_nets.py` lowers what of it once failed, for every table, in a second."""
    session = build(variant, precision=precision)
    step, host = tf.constant(0, tf.int64), next(session.batches.host(0))
    iteration = tf.function(session._iteration, jit_compile=True, autograph=False)
    assert "HloModule" in iteration.experimental_get_compiler_ir(step, host)(stage="hlo")


# --------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize(
    "variant, compiled, options",
    [
        ("gan-ring", True, dict(ema=0.99, loss="wasserstein", d_penalty="gp", n_critic=2)),
        ("gan-every_option", False, dict(n_critic=1)),
        ("gan-every_option", False, dict(n_critic=1, precision="mixed_float16")),
        ("cogan-2", False, dict(d_penalty="r1", penalty_every=3, ema=0.9)),
        ("scogan-all", False, dict(n_critic=1)),
        ("pix2pix-targets", False, dict(dropout=0.5)),
        ("cyclegan-2", False, dict(pool_size=3)),
        ("cut-fast", False, dict(generator="plain", n_critic=1)),
        ("classifier-attacked", False, {}),
        ("segmenter-2", False, {}),
    ],
)
def test_a_resumed_run_is_the_same_run(build, tmp_path, monkeypatch, variant, compiled, options):
    """N steps equal N/2, a new process's run, N/2: bit for bit."""
    monkeypatch.setattr("gantrain.runs.train._finish", lambda *args: None)  # is tested elsewhere
    tf.config.run_functions_eagerly(not compiled)
    options |= dict(checkpoint_every=100, sample_every=100)

    straight = build(variant, tmp_path / "straight", **options)
    fit(straight)
    first = build(variant, tmp_path / "resumed", **options)
    with pytest.raises(Interrupted, match="saved at step 2 of 4"):
        fit(first, tiny.After(2))
    second = build(variant, tmp_path / "resumed", **options)
    tiny.assign(second.trainer.variables(), [np.zeros_like(v) for v in snapshot(second)])
    fit(second)

    for one, other, v in zip(
        snapshot(straight), snapshot(second), straight.trainer.variables(), strict=True
    ):
        np.testing.assert_array_equal(one, other, err_msg=v.path)
    metrics = tiny.timeless(straight.directory.metrics())
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    assert tiny.timeless(second.directory.metrics()) == metrics


def test_dropout_masks_depend_on_the_restored_seeds(build, tmp_path):
    """The trap behind the resume test: without seed states the second half draws other masks."""
    session = build("cogan-2", tmp_path)
    seeds = [v for v in session.trainer.variables() if "seed" in v.path]
    assert seeds
    before = tiny.values(seeds)
    tf.config.run_functions_eagerly(True)
    session.iterate(0)
    assert all(not np.array_equal(a, b) for a, b in zip(before, seeds, strict=True))


# --------------------------------------------------------------------------------------- replicas


@pytest.mark.parametrize(
    "variant, options",
    [
        ("gan-ring", dict(loss="wasserstein", d_penalty="gp", batch_size=8)),
        ("cogan-2", dict(net="plain", d_penalty="r1", ema=0.9)),
        (
            "scogan-feature_loss",
            dict(
                net="plain",
                semantic_loss=5.0,
                weight_decay=1e-3,
                augment="translation",
                classifier_noise=0.1,
            ),
        ),
        ("pix2pix-2", dict(norm="instance", dropout=0.0, random_erasing=0.5)),
        ("cyclegan-2", dict(pool_size=3)),
        ("cut-2", dict(flip_equivariance=True, nce_locations=20, nce_temperature=1.0)),
        ("classifier-3", dict(classifier_net="plain", weight_decay=1e-3)),
        ("segmenter-every_option", dict(dropout=0.0)),
    ],
)
def test_two_replicas_equal_one_device(build, variant, options):
    """At the same global batch, on networks in which an image knows nothing of its neighbours."""
    one, two = (smooth(lively(build(variant, devices=n, **options))) for n in (1, 2))
    assert two.runtime.replicas == 2
    # A threshold or a norm of a part of the batch is not that of the whole.
    local = ("accuracy_real", "accuracy_fake", "grad_norm")
    for step in range(2):
        tf.config.run_functions_eagerly(True)
        expected = {k: float(v) for k, v in one.iterate(step).items()}
        tf.config.run_functions_eagerly(False)
        logs = {k: float(v) for k, v in two.iterate(step).items()}
        assert set(logs) == set(expected)
        for name, value in expected.items():
            if not any(part in name for part in local):
                assert logs[name] == pytest.approx(value, rel=1e-5, abs=1e-5), name
    assert_close(snapshot(one), snapshot(two), [v.path for v in one.trainer.variables()], 1e-5)


def test_replicas_have_to_divide_the_batch(build):
    session = build("gan-ring", devices=2, batch_size=5)
    with pytest.raises(UserError, match="--batch_size 5 does not divide among 2 devices"):
        session.iterate(0)


# ----------------------------------------------------------------------------------------- others


@pytest.mark.parametrize(
    "kind, k, reason",
    [
        ("gan", 2, "takes one domain, and .* gives 2 .*--domains a"),
        ("cogan", 1, "takes two or more domains, and .* gives 1"),
        ("scogan", 1, "takes two or more domains, and .* gives 1"),
    ],
)
def test_a_wrong_number_of_domains_is_refused(tmp_path, kind, k, reason):
    with pytest.raises(UserError, match=reason):
        prepare(tiny.config(tmp_path, gan_type=kind), domains=tiny.domains(k))


def test_the_shared_layers_of_cogan_are_one_layer(build):
    session = build("cogan-3")
    trainer = session.trainer
    shared = session.config.of(nets.Sharing)
    assert shared.shared_layers == 4 and shared.d_shared_layers == 3
    first = {id(w) for w in trainer.G[0].trainable_variables}
    common = first.intersection(*({id(w) for w in g.trainable_variables} for g in trainer.G))
    assert 0 < len(common) < len(first)
    assert len(trainer.players["generators"].weights) == len(first) + 2 * (len(first) - len(common))


def test_scogan_shares_nothing_and_starts_apart_unless_asked(build):
    apart = build("scogan-2")
    assert float(apart.trainer.report()["generators/weight_distance"]) > 0
    alike = build("scogan-2", same_init=True)
    assert float(alike.trainer.report()["generators/weight_distance"]) == 0
    assert not (
        {id(w) for w in alike.trainer.G[0].weights} & {id(w) for w in alike.trainer.G[1].weights}
    )


def test_weight_distance_is_the_mean_over_pairs(build):
    trainer = build("scogan-3").trainer
    a, b, c = (tiny.values(g.trainable_variables) for g in trainer.G)

    def distance(one, other):
        return np.sqrt(sum(((x - y) ** 2).sum() for x, y in zip(one, other, strict=True)))

    expected = np.mean([distance(a, b), distance(a, c), distance(b, c)])
    assert float(trainer.report()["generators/weight_distance"]) == pytest.approx(expected, 1e-5)


# ------------------------------------------------------------------------------ as the boxes say


def test_the_game_draws_as_its_box_says(build, monkeypatch):
    """Every update has its own noise, all domains share it, every critic update has its batch."""
    session = build("cogan-2", n_critic=3)
    noises, reals = [], []
    generate, objective = nets.generate, Adversarial.of_discriminators

    def watched(g, z, training):
        noises.append(np.array(z))
        assert training
        return generate(g, z, training)

    def watching(self, play):
        reals.append([np.array(x) for x in play.real])
        return objective(self, play)

    monkeypatch.setattr(nets, "generate", watched)
    monkeypatch.setattr(Adversarial, "of_discriminators", watching)
    tf.config.run_functions_eagerly(True)
    session.iterate(0)
    assert len(noises) == 4 * 2 and len(reals) == 3
    for one, other in zip(noises[::2], noises[1::2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert len({z.tobytes() for z in noises}) == 4
    batch = session.batches.batch(tf.constant(0, tf.int64))
    for i, real in enumerate(reals):
        for x, domain in zip(real, batch, strict=True):
            np.testing.assert_array_equal(x, domain.images[i])


def test_the_options_of_the_game_reach_its_loss(build):
    """Smoothed targets for real images only, both sides through the same kinds of change."""
    session = build("gan-ring", loss="least_squares", label_smoothing=0.25)
    trainer = session.trainer
    (d,) = trainer.D
    real, fake = tf.random.stateless_normal((4, 2), (1, 2)), tf.zeros((4, 2))
    terms = trainer.adversarial.discriminator_terms("ring", d, real, fake, None, 0)
    on_real, on_fake = np.float64(d(real)), np.float64(d(fake))
    expected = ((on_real - 0.75) ** 2).mean() / 2 + (on_fake**2).mean() / 2
    assert float(terms["adv/ring"][1]) == pytest.approx(expected, rel=1e-5)
    middle = (on_real.mean() + on_fake.mean()) / 2
    assert float(terms["accuracy_real/ring"][1]) == (on_real > middle).mean()
    assert float(terms["accuracy_fake/ring"][1]) == (on_fake < middle).mean()


def test_each_player_has_its_own_rates(build):
    rates = dict(g_lr=1e-3, d_lr=2e-3, g_beta1=0.1, d_beta1=0.2, g_beta2=0.3, d_beta2=0.4)
    players = build("cogan-2", **rates).trainer.players
    for name, prefix in (("generators", "g"), ("discriminators", "d")):
        optimizer = players[name].optimizer
        assert float(optimizer.learning_rate) == pytest.approx(rates[f"{prefix}_lr"])
        assert (optimizer.beta_1, optimizer.beta_2) == (
            rates[f"{prefix}_beta1"],
            rates[f"{prefix}_beta2"],
        )


def test_rates_fall_over_the_updates_of_each_player(build):
    """A discriminator makes n_critic updates per step: both rates reach zero at the last step."""
    players = build(
        "cogan-2", n_critic=3, steps=10, lr_decay=1.0, g_lr=1.0, d_lr=1.0
    ).trainer.players
    for name, updates in (("generators", 10), ("discriminators", 30)):
        schedule = players[name].optimizer._learning_rate
        assert float(schedule(updates)) == 0 and float(schedule(updates / 2)) == 0.5


def test_training_uses_the_batch_and_samples_do_not(build):
    """Batch statistics move in training; a sample is the same in any company."""
    session = build("cogan-2", ema=0.5)
    trainer = session.trainer
    statistics = [w for g in trainer.G for w in g.non_trainable_variables if "moving" in w.path]
    before = tiny.values(statistics)
    tf.config.run_functions_eagerly(True)
    session.iterate(0)
    assert all(not np.array_equal(a, b) for a, b in zip(before, statistics, strict=True))
    z = noise(session, 5)
    for whole, alone in zip(samples(session, z), samples(session, z[:1]), strict=True):
        np.testing.assert_allclose(whole[:1], alone, atol=1e-5)


def test_samples_and_models_are_those_of_the_average(build):
    session = build("gan-ring", ema=0.9)
    trainer, z = session.trainer, noise(session, 3)
    for w in trainer.G[0].trainable_variables:
        w.assign_add(tf.ones_like(w))
    averaged = trainer.averages[0].networks[0](z)["image"]
    np.testing.assert_allclose(samples(session, z)[0], averaged, rtol=1e-5)
    np.testing.assert_allclose(trainer.models()["generator_ring"](z), averaged, rtol=1e-5)
    assert not np.allclose(trainer.G[0](z)["image"], averaged)


def test_accuracy_counts_images_on_their_side_of_the_middle():
    assert float(boundary(tf.constant([[4.0], [6.0]]), tf.constant([[-1.0], [0.0]]))) == 2.25


def test_metrics_lines_are_plain_json(build, tmp_path):
    fit(build("gan-ring", tmp_path, steps=2))
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        values = json.loads(line)
        assert all(isinstance(v, (int, float)) for v in values.values())


# ------------------------------------------------------------------------------------- translation


def test_pix2pix_takes_the_nearest_target_and_shows_all_of_them(build):
    """Honours project, section 6.1: D's loss is the mean over the targets, L1 the least."""
    trainer = lively(build("pix2pix-2", targets=3, dropout=0.0, norm="instance")).trainer
    x = tf.random.stateless_uniform((2, 32, 32, 3), (1, 2), -1, 1)
    y = tf.random.stateless_uniform((2, 3, 32, 32, 3), (3, 4), -1, 1)
    terms, made = trainer.generator_objective(x, y, None)
    fake = trainer.G(x, training=True).numpy()
    np.testing.assert_array_equal(made, fake)
    each = np.abs(fake[:, None] - y.numpy()).mean((2, 3, 4))
    assert float(terms["l1"][1]) == pytest.approx(each.min(1).mean(), rel=1e-5)
    assert terms["l1"][0] == 100 and terms["adv/D"][0] == 1

    class Plain:
        def times(self, count):
            return self

    weight, loss = trainer.discriminator_objective(x, y, made, Plain(), 0)["adv/D"]

    def softplus(value):
        return np.logaddexp(0, value)

    on_fake = np.float64(trainer.D(np.concatenate([x, fake], -1)))
    on_real = [np.float64(trainer.D(np.concatenate([x, y[:, j]], -1))) for j in range(3)]
    expected = np.mean([softplus(-v).mean() for v in on_real]) + softplus(on_fake).mean()
    assert weight == 0.5 and float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "options, judged, terms",
    [
        (dict(adversarial_weight=0.0), 0, {"l1"}),
        (dict(l1_loss=0.0, conditional=False), 3, {"adv/D", "l1"}),
        (dict(l1_loss=0.0), 6, {"adv/D", "l1"}),
        (dict(conditional=False), 3, {"adv/D", "l1"}),
        ({}, 6, {"adv/D", "l1"}),
    ],
)
def test_the_five_objectives_of_the_poster(build, options, judged, terms):
    """L1, GAN, cGAN, L1+GAN, L1+cGAN."""
    trainer = build("pix2pix-2", **options).trainer
    assert (trainer.D.input_shape[-1] if trainer.D else 0) == judged
    assert set(trainer.players) == ({"generators", "discriminators"} if judged else {"generators"})
    x = tf.zeros((1, 32, 32, 3))
    made, _ = trainer.generator_objective(x, x[:, None], None)
    assert set(made) == terms
    assert made["l1"][0] == (0.0 if options.get("l1_loss") == 0 else 100.0)


def test_cyclegan_terms_are_those_of_the_paper(build):
    """Least squares without Mao's halves, cycle weight 10, identity half of it."""
    trainer = lively(build("cyclegan-2", pool_size=0)).trainer
    x, y = (tf.random.stateless_uniform((2, 32, 32, 3), (i, 2), -1, 1) for i in (1, 2))
    g, f = (lambda v, n=n: n(v, training=True).numpy() for n in (trainer.G, trainer.F))
    terms, made = trainer.generator_objective(x, y, None)
    values = {k: w * float(v) for k, (w, v) in terms.items()}
    fake_y, fake_x = g(x), f(y)
    np.testing.assert_array_equal(made["b"], fake_y)

    def l1(a, b):
        return np.abs(np.asarray(a) - np.asarray(b)).mean()

    def on(name, images):
        return np.float64(trainer.D[name](images, training=True))

    expected = {
        "adv/b": ((on("b", fake_y) - 1) ** 2).mean(),
        "adv/a": ((on("a", fake_x) - 1) ** 2).mean(),
        "cycle/a": 10 * l1(f(fake_y), x),
        "cycle/b": 10 * l1(g(fake_x), y),
        "identity/b": 5 * l1(g(y), y),
        "identity/a": 5 * l1(f(x), x),
    }
    assert values == pytest.approx(expected, rel=1e-4)
    terms = trainer.discriminator_objective(x, y, made, None, 0)
    values = {k: w * float(v) for k, (w, v) in terms.items() if k.startswith("adv")}
    assert values == pytest.approx(
        {
            "adv/b": (((on("b", y) - 1) ** 2).mean() + (on("b", fake_y) ** 2).mean()) / 2,
            "adv/a": (((on("a", x) - 1) ** 2).mean() + (on("a", fake_x) ** 2).mean()) / 2,
        },
        rel=1e-4,
    )


@pytest.mark.parametrize("fast", [False, True])
def test_cut_terms_are_those_of_the_paper(build, fast):
    """Least squares without Mao's halves; PatchNCE of x and y, or with ten times the weight of x.

    All of a small map's locations are compared: their order is nothing to the loss.
    """
    own = dict(lambda_nce=10.0, nce_identity=False, flip_equivariance=True) if fast else {}
    trainer = lively(build("cut-2", nce_locations=1024, **own)).trainer
    x, y = (tf.random.stateless_uniform((4, 32, 32, 3), (i, 2), -1, 1) for i in (1, 2))
    terms, made = trainer.generator_objective(x, y, Draw(0, tf.constant(3, tf.int64), 4))
    g, x, y, made = (lambda v: trainer.G(v, training=True).numpy()), *map(np.asarray, (x, y, made))
    ways = [made[i] for i in range(4)]
    mirrored = g(x[:, :, ::-1])
    turned = np.array([np.allclose(w, m, atol=1e-6) for w, m in zip(ways, mirrored, strict=True)])
    assert turned.any() == fast and not turned.all()
    np.testing.assert_allclose(made[~turned], g(x)[~turned], atol=1e-6)

    def unit(features):
        flat = [np.reshape(f, (4, -1, f.shape[-1])) for f in features]
        found = [np.float64(f) for f in trainer.nce.H(flat)]
        # A hidden layer of four units may be all zero.
        return [f / np.maximum(np.linalg.norm(f, axis=-1, keepdims=True), 1e-4) for f in found]

    def nce(output, source, turned):
        read = [np.array(f) for f in trainer.encoder(output)]
        for f in read:
            f[turned] = f[turned][:, :, ::-1]
        values = []
        for q, k in zip(unit(read), unit(trainer.encoder(source)), strict=True):
            logits = q @ k.transpose(0, 2, 1) / 0.07
            match = np.einsum("bss->bs", logits)
            values.append((np.log(np.exp(logits - match[..., None]).sum(-1))).mean())
        return np.mean(values)

    if fast:  # Not turned back they are worth something else.
        assert nce(made, x, turned) != pytest.approx(nce(made, x, turned & False), rel=5e-4)
    values = {k: w * float(v) for k, (w, v) in terms.items()}
    adv = ((np.float64(trainer.D(made, training=True)) - 1) ** 2).mean()
    expected = {"adv/D": adv, "nce": (10 if fast else 0.5) * nce(made, x, turned)}
    if not fast:
        expected["nce_identity"] = 0.5 * nce(g(y), y, np.zeros(4, bool))
    assert values == pytest.approx(expected, rel=1e-4)
    weight, value = trainer.discriminator_objective(y, made, None, 0)["adv/D"]
    on_real, on_fake = (np.float64(trainer.D(v, training=True)) for v in (y, made))
    assert weight * float(value) == pytest.approx(
        (((on_real - 1) ** 2).mean() + (on_fake**2).mean()) / 2, rel=1e-4
    )


def test_discriminators_judge_what_the_pool_hands_on(build, monkeypatch):
    """And generators do not."""
    session = build("cyclegan-2", n_critic=2)
    handed, judged = [], []
    objective = CycleGAN.discriminator_objective

    def exchange(pool, images, draw):
        handed.append(tf.fill(images.shape, 0.1 * (1 + len(handed))))
        return handed[-1]

    def watching(self, x, y, fake, draw, update):
        judged.extend(fake[name] for name in self.pool)
        return objective(self, x, y, fake, draw, update)

    monkeypatch.setattr(ImagePool, "exchange", exchange)
    monkeypatch.setattr(CycleGAN, "discriminator_objective", watching)
    tf.config.run_functions_eagerly(True)
    session.iterate(0)
    assert len(handed) == len(judged) == 4
    for one, other in zip(handed, judged, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "variant, options",
    [
        ("pix2pix-2", dict(norm="instance", dropout=0.0)),
        ("cyclegan-2", dict(pool_size=0)),
        ("cut-2", {}),
    ],
)
def test_every_critic_update_of_a_translator_has_its_own_batch(build, variant, options):
    """Update i judges batch i of the iteration, and what G makes of it after it has moved."""
    session = build(variant, n_critic=3, **options)
    trainer, updates = session.trainer, []
    kind = type(trainer)
    objective = kind.discriminator_objective

    def watching(self, *args):
        updates.append(inspect.signature(objective).bind(self, *args).arguments)
        return objective(self, *args)

    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "discriminator_objective", watching)
        session.iterate(0)
    batch = session.batches.batch(tf.constant(0, tf.int64))
    assert [seen["update"] for seen in updates] == [0, 1, 2]
    for i, seen in enumerate(updates):
        x, fake = batch[0].images[i], seen["fake"]
        np.testing.assert_array_equal(seen.get("x", x), x)
        np.testing.assert_array_equal(np.reshape(seen["y"], x.shape), batch[1].images[i])
        if i:
            fake = fake["b"] if isinstance(fake, dict) else fake
            np.testing.assert_allclose(fake, trainer.G(x, training=True), atol=1e-6)


def test_every_coupling_pulls_every_generator(build):
    """No coupling is looked at without a gradient: each alone reaches all generators."""
    session = build("scogan-all", net="plain", n_critic=1)
    trainer = session.trainer
    batch, draw = (
        session.batches.batch(tf.constant(0, tf.int64)),
        Draw(0, tf.constant(0, tf.int64), 4),
    )
    first = [g.trainable_variables[0] for g in trainer.G]
    for coupling in trainer.couplings:
        with tf.GradientTape() as tape:
            value = tf.add_n([v for _, v in coupling(trainer.play(batch, draw, 0)).values()])
        for gradient in tape.gradient(value, first):
            assert gradient is not None and np.abs(gradient).max() > 0, type(coupling).__name__


def test_both_players_see_both_sides_augmented(build, monkeypatch):
    """Cutout leaves a square of zeros in whatever D is shown, by either player."""
    trainer, seen = build("gan-1", augment="cutout").trainer, []

    def d(images, training):
        seen.append(np.asarray(images))
        return images[:, :1, 0, 0]

    x, draw = tf.ones((4, 32, 32, 3)), Draw(0, tf.constant(0, tf.int64), 4)
    trainer.adversarial.discriminator_terms("a", d, x, x, draw, 0)
    trainer.adversarial.generator_terms("a", d, x, draw)
    assert len(seen) == 3 and all((images == 0).any() for images in seen)


def test_erasing_reaches_both_players_and_the_input_alone(build):
    trainer = build("pix2pix-2", random_erasing=1.0).trainer
    image = tf.zeros((1, 4, 32, 32, 3))
    x, y = trainer.pair([Batch(image, None)] * 2, 0, Draw(0, tf.constant(0, tf.int64), 4))
    assert (np.asarray(x) != 0).any((1, 2, 3)).all() and not np.asarray(y).any()


def test_both_sides_of_the_game_see_the_discriminator_in_training_mode(build):
    """Dropout and batch statistics of D are those of training, for the generators' loss too."""
    adversarial, modes = build("gan-ring").trainer.adversarial, []

    def d(images, training):
        modes.append(training)
        return images[:, :1]

    x = tf.ones((2, 2))
    adversarial.discriminator_terms("a", d, x, x, None, 0)
    adversarial.generator_terms("a", d, x, None)
    assert modes == [True] * 3


def test_one_discriminator_leaves_f_to_the_cycle(build):
    trainer = build("cyclegan-2", discriminators="one").trainer
    assert set(trainer.D) == {"b"} and set(trainer.pool) == {"b"}


def test_the_two_generators_and_discriminators_start_apart(build):
    trainer = build("cyclegan-2").trainer
    for one, other in ((trainer.G, trainer.F), tuple(trainer.D.values())):
        kernels = [w for w in one.trainable_variables if w.name == "kernel"]
        others = [w for w in other.trainable_variables if w.name == "kernel"]
        assert all(not np.array_equal(a, b) for a, b in zip(kernels, others, strict=True))


def test_channels_may_differ_but_for_the_identity(tmp_path):
    domains = tiny.pairs(channels=(1, 3))
    config = tiny.config(tmp_path, gan_type="cyclegan", lambda_identity=0.0)
    trainer = prepare(config, domains=domains).trainer
    assert trainer.G.output_shape[-1] == 3 and trainer.F.output_shape[-1] == 1
    with pytest.raises(UserError, match="--lambda_identity .* 1 and 3 channels; set it to 0"):
        prepare(tiny.config(tmp_path, gan_type="cyclegan"), domains=domains)


def test_pix2pix_needs_pairs(tmp_path):
    with pytest.raises(UserError, match="--gan_type pix2pix needs pairs"):
        prepare(tiny.config(tmp_path, gan_type="pix2pix"), domains=tiny.domains(2))


def test_the_published_test_mode_changes_no_state(build):
    """Dropout on, statistics of the image; a second call gives the same, and nothing moves."""
    session = build("pix2pix-targets", targets=1, dropout=0.5, norm="batch", steps=1)
    trainer, (x, y) = (
        session.trainer,
        [images.to_float(d.pixels(range(2))) for d in session.domains],
    )
    before = snapshot(session)
    rows = [np.asarray(v) for v in trainer.gallery(x, y)]
    np.testing.assert_array_equal(rows[1], trainer.gallery(x, y)[1])
    for one, other in zip(before, snapshot(session), strict=True):
        np.testing.assert_array_equal(one, other)
    plain = nets.applied(trainer.averages[0].networks[0], "inference", 0)(x)
    assert np.abs(rows[1] - plain).max() > 1e-3


def test_early_stopping_keeps_the_best(tmp_path, monkeypatch):
    """Held-out scores fall, then rise: the run ends after two more and exports the best."""
    tf.config.run_functions_eagerly(True)
    session = prepare(
        tiny.config(tmp_path, gan_type="pix2pix", early_stopping=2, sample_every=1, steps=20)
    )
    scores = iter([0.5, 0.3, 0.4, 0.35, 0.2])
    states = []

    def scored():
        states.append([np.asarray(w).copy() for w in session.trainer.G.trainable_variables])
        return {"held_out/l1": next(scores)}

    session.watch = session.watch._replace(measurements=[(1, scored)])
    summary = fit(session)
    assert (
        summary["steps"] == 4 and "held_out/l1 has not improved for 2" in summary["stopped_early"]
    )
    for kept, best in zip(session.trainer.G.trainable_variables, states[1], strict=True):
        np.testing.assert_array_equal(kept, best)
    assert open_run(tmp_path).step == 2


def test_a_translation_run_says_its_networks(build):
    """The receptive field is computed from the rows, not read off the flag."""
    said = build("pix2pix-2", patch="16").trainer.described()
    assert "receptive field of 16 pixels, 14 x 14 logits" in said and "generator plain" in said
    assert "no discriminator" in build("pix2pix-l1").trainer.described()
    assert "receptive field of 1 pixels" in build("cyclegan-2").trainer.described()


@pytest.mark.parametrize("kind", ["pix2pix", "cyclegan", "cut"])
def test_the_direction_turns_the_domains_around(tmp_path, kind):
    """Which domain is the input; names of directions are those of the data set, not of the run."""
    sessions = {
        way: prepare(tiny.config(tmp_path, gan_type=kind, direction=way)) for way in ("a2b", "b2a")
    }
    assert [d.name for d in sessions["a2b"].domains] == ["a", "b"]
    assert [d.name for d in sessions["b2a"].domains] == ["b", "a"]
    x, _ = HeldOut(sessions["b2a"]).examples(2)
    expected = images.to_float(sessions["a2b"].domains[1].pixels(range(2)))
    np.testing.assert_array_equal(x, expected)
    for way, session in sessions.items():
        assert next(iter(session.trainer.translators())) == way
        assert set(session.trainer.translators()) == (
            {"a2b", "b2a"} if kind == "cyclegan" else {way}
        )
