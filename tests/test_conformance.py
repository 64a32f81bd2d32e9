"""What every trainer has to keep, whatever its algorithm: the matrix over TRAINERS.

A new trainer is in the matrix by its entry in TRAINERS, a new coupling by its entry in COUPLINGS;
both need a line of documented terms here.
"""

import json

import numpy as np
import pytest
import tensorflow as tf
import tiny

from gantrain import images, nets
from gantrain.config import default_config, every_option
from gantrain.data.batches import Batch
from gantrain.errors import UserError
from gantrain.game import Draw, Player
from gantrain.runs.loop import Interrupted
from gantrain.runs.train import finite, fit
from gantrain.stages import open_run, prepare
from gantrain.terms.adversarial import Adversarial, boundary
from gantrain.terms.pool import ImagePool
from gantrain.trainer import Generates, Shows, Translates
from gantrain.trainers import TRAINERS
from gantrain.trainers.cyclegan import CycleGAN
from gantrain.trainers.from_noise import FromNoise
from gantrain.trainers.scogan import COUPLINGS
from gantrain.use.samples import noise, samples
from gantrain.use.watch import watch

# The terms that each trainer documents, by player; {name} stands for every domain.
GAME = {
    "discriminators": {"adv/{name}", "accuracy_real/{name}", "accuracy_fake/{name}"},
    "generators": {"adv/{name}"},
}
TERMS = {
    "gan": GAME,
    "cogan": GAME,
    "scogan": GAME,
    "pix2pix": {
        "discriminators": {"adv/D", "accuracy_real/D", "accuracy_fake/D"},
        "generators": {"adv/D", "l1"},
    },
    "cyclegan": GAME | {"generators": {"adv/{name}", "cycle/{name}", "identity/{name}"}},
    "classifier": {"classifier": {"cross_entropy/{name}", "accuracy/{name}"}},
    "segmenter": {"segmenter": {"cross_entropy", "pixel_accuracy"}},
}
COUPLING_TERMS = {
    "feature_loss": {"feature"},
    "semantic_loss": {"semantic"},
    "cycle_loss": {"latent_cycle"},
    "perceptual_loss": {"perceptual_content", "perceptual_style"},
}
# The first domain is the source.
LABEL_TERMS = {
    "label_loss": {"label/a", "label_accuracy/a"},
    "label_transfer": {"label_transfer/{target}", "sure_fake/{target}"},
    "label_self": {"label/{target}", "label_self/{target}", "sure_real/{target}"},
}
LABELS = dict(label_loss=1.0, label_transfer=0.5, label_self=0.7, label_confidence=0.0,
              label_augment="zoom,neighbours,recolour", target_augment="zoom,recolour")
EVERY_OPTION_OF_NETWORKS = dict(ema=0.9, weight_decay=1e-4, lr_decay=0.5,
                                augment="translation,cutout,color")
EVERY_OPTION = EVERY_OPTION_OF_NETWORKS | dict(noise_type="normal")


def switched_on(*couplings):
    """Options that switch couplings on with the weight of their bare flag."""
    fields = every_option()
    return {name: fields[name].metadata["pair"] or fields[name].metadata["const"]
            for name in couplings}


def variants():
    """{id: (trainer, number of domains, options)}."""
    made = {}
    for name, trainer in TRAINERS.items():
        least, most = trainer.takes
        for k in sorted({least, most or 3}):
            made[f"{name}-{k}"] = name, k, {}
    made["gan-ring"] = "gan", 1, dict(dataset="ring", net="toy")
    made["gan-every_option"] = "gan", 1, EVERY_OPTION | dict(
        loss="hinge", d_penalty="r1", penalty_every=2, spectral_norm=True, n_critic=2)
    made["gan-clip"] = "gan", 1, dict(loss="wasserstein", d_penalty="clip")
    for coupling in COUPLINGS:
        made[f"scogan-{coupling}"] = "scogan", 2, switched_on(coupling)
    made["scogan-all"] = "scogan", 2, switched_on(*COUPLINGS) | EVERY_OPTION | dict(
        coupling_ramp=4, classifier_noise=0.3, classifier_augment="translation", penalty_every=2,
        n_critic=2)
    made["cogan-label_loss"] = "cogan", 2, dict(label_loss=1.0)
    made["cogan-labels-3"] = "cogan", 3, LABELS | dict(n_critic=2)
    made["scogan-labels"] = "scogan", 2, LABELS | dict(
        semantic_loss=1.0, semantic_form="agreement", d_shared_layers=1, net="plain")
    made["scogan-all-3"] = "scogan", 3, switched_on(*COUPLINGS)
    made["pix2pix-targets"] = "pix2pix", 2, EVERY_OPTION_OF_NETWORKS | dict(
        targets=3, random_erasing=0.5, patch="16", generator="unet", upsample="resize",
        label_smoothing=0.1)
    made["pix2pix-gan"] = "pix2pix", 2, dict(l1_loss=0.0, conditional=False, d_penalty="gp",
                                             loss="wasserstein", n_critic=2)
    made["pix2pix-l1"] = "pix2pix", 2, dict(adversarial_weight=0.0)
    made["cyclegan-one"] = "cyclegan", 2, EVERY_OPTION_OF_NETWORKS | dict(
        discriminators="one", lambda_identity=0.0, pool_size=3, n_critic=2, generator="resnet6",
        d_penalty="r1", penalty_every=2)
    made["classifier-attacked"] = "classifier", 2, dict(
        classifier_attack=1.0, classifier_noise=0.3, classifier_net="evaluation")
    made["segmenter-every_option"] = "segmenter", 2, dict(
        void=2, weight_decay=1e-4, lr_decay=0.5, norm="instance", dropout=0.3, flip=True)
    return made


VARIANTS = variants()
# The fullest of every trainer, for what is too slow to do with all of them.
FULLEST = {"gan": "gan-every_option", "cogan": "cogan-labels-3", "scogan": "scogan-all",
           "pix2pix": "pix2pix-targets", "cyclegan": "cyclegan-2",
           "classifier": "classifier-attacked", "segmenter": "segmenter-every_option"}


@pytest.fixture(scope="session")
def build(classifier_file, lpips_file):
    """(variant, run directory, further options) -> a new `OpenRun`."""

    def make(variant, run_dir="unused", **options):
        name, k, own = VARIANTS[variant]
        once = {"n_critic": 1} if "n_critic" in default_config(name).flat() else {}
        options = dict(gan_type=name, steps=4) | once | own | options
        if options.get("semantic_loss") and not options.get("label_loss"):
            options["classifier"] = str(classifier_file)
        if options.get("perceptual_loss"):
            options["lpips_weights"] = str(lpips_file)
        points, targets = options.get("dataset") == "ring", options.pop("targets", 1)
        void = options.pop("void", 0)
        config = tiny.config(run_dir, **options)
        kind = TRAINERS[name]
        domains = (tiny.pairs(targets=targets) if issubclass(kind, Translates)
                   else tiny.maps(void=void) if issubclass(kind, Shows) else tiny.domains(k))
        return prepare(config, domains=None if points else domains)

    return make


def snapshot(session):
    return tiny.values(session.trainer.variables())


def trainable(session):
    """Every weight that anything could move, consulted networks too, by id."""
    found = [net for player in session.trainer.players.values() for net in player.networks]
    for coupling in getattr(session.trainer, "couplings", ()):
        # A list is the heads, which the discriminators' player owns.
        one = getattr(coupling, "classifier", [])
        found += one if isinstance(one, list) else [one]
        found += [coupling.extractor.model] if hasattr(coupling, "extractor") else []
    return {id(w): w for net in found for w in net.trainable_variables}


class Played:
    """One eager iteration of a variant from its first weights, with each player's moves."""

    def __init__(self, session):
        self.session, self.moves = session, {}
        descend = Player.descend_keeping

        def watched(player, objective):
            before = dict(zip(trainable(session), tiny.values(trainable(session).values()),
                              strict=True))
            made = descend(player, objective)
            self.moves.setdefault(player.name, []).append(
                {key for key, w in trainable(session).items()
                 if not np.array_equal(before[key], w)})
            return made

        tf.config.run_functions_eagerly(True)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Player, "descend_keeping", watched)
                self.logs = session.iterate(0) | session.trainer.report()
        finally:
            tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module", params=VARIANTS)
def played(request, build):
    return Played(build(request.param))


def test_every_trainer_and_coupling_documents_its_terms():
    assert set(TERMS) == set(TRAINERS)
    assert set(FULLEST) == set(TRAINERS)
    assert set(COUPLING_TERMS) == set(COUPLINGS)


def test_logs_are_finite_float32_scalars(played):
    for name, value in played.logs.items():
        assert value.dtype == tf.float32, name
        assert value.shape == (), name
        assert np.isfinite(value), name


def test_log_keys_are_the_documented_terms(played):
    config, names = played.session.config, [d.name for d in played.session.domains]
    expected, flat = set(), config.flat()
    for player, terms in TERMS[config.run.gan_type].items():
        terms = terms | {"loss", "grad_norm"}
        if flat["weight_decay"]:
            terms |= {"l2"}
        if player == "discriminators" and flat["d_penalty"] in ("gp", "r1"):
            judged = "D" if config.run.gan_type == "pix2pix" else "{name}"
            terms |= {f"{flat['d_penalty']}/{judged}"}
        if player == "discriminators":
            terms = terms.union(*(
                {term.format(target=target) for term in LABEL_TERMS[name] for target in names[1:]}
                for name in LABEL_TERMS if flat.get(name)))
        if player == "generators":
            terms = terms.union(*(COUPLING_TERMS[name] for name in COUPLINGS
                                  if any(tf.nest.flatten(flat.get(name, 0)))))
        expected |= {f"{player}/{term.format(name=name)}" for term in terms for name in names}
    if flat.get("adversarial_weight") == 0:
        expected = {key for key in expected if "discriminators" not in key and "/adv" not in key}
    if flat.get("discriminators") == "one":
        expected = {key for key in expected if not ("/a" in key[-3:] and "cycle" not in key)}
    if not flat.get("lambda_identity"):
        expected = {key for key in expected if "identity" not in key}
    if len(names) > 1 and isinstance(played.session.trainer, FromNoise):
        expected |= {"generators/weight_distance"}
    assert set(played.logs) == expected


def test_the_loss_is_the_weighted_sum_of_its_terms(played):
    """Where every weight is one, the terms that are no watched values add up to the loss."""
    flat, trainer = played.session.config.flat(), played.session.trainer
    translates = isinstance(trainer, Translates)
    published = trainer.adversarial.loss.published if translates else 1.0
    couplings = any(any(tf.nest.flatten(flat.get(name, 0))) for name in COUPLINGS)
    for player in played.session.trainer.players:
        own = {k.split("/", 1)[1]: float(v) for k, v in played.logs.items()
               if k.startswith(f"{player}/")}
        # The papers halve what the discriminators descend.
        halved = translates and player == "discriminators"
        cycle, self_weight = flat.get("lambda_cycle", 0), flat.get("label_self", 0)
        weights = {"adv": published / 2 if halved else published, "l1": flat.get("l1_loss", 0),
                   "cycle": cycle, "identity": cycle * flat.get("lambda_identity", 0),
                   "l2": flat["weight_decay"],
                   "cross_entropy": 1 if player == "segmenter" else (
                       1 / len(played.session.domains)),
                   "label_transfer": flat.get("label_transfer", 0), "label_self": self_weight,
                   flat.get("d_penalty"): (flat.get("penalty_weight", 0)
                                           * flat.get("penalty_every", 0))}
        if couplings and player == "generators":
            continue
        weights |= {"label/a": flat.get("label_loss", 0), "label/b": self_weight,
                    "label/c": self_weight}
        total = sum(weights.get(term, weights.get(term.split("/")[0], 0.0)) * value
                    for term, value in own.items()
                    if term not in ("loss", "grad_norm"))
        assert own["loss"] == pytest.approx(total, rel=1e-4, abs=1e-5)


def test_each_player_moves_exactly_its_own_weights(played):
    players = played.session.trainer.players
    assert set(played.moves) == set(players)
    for name, moves in played.moves.items():
        own = {id(w) for w in players[name].weights}
        assert len(own) == len(players[name].weights)
        for moved in moves:
            assert moved <= own, f"{name} moved weights of another player"
        # The gradient of a difference of means is zero in the bias of the last layer.
        idle = [w.path for w in players[name].weights
                if id(w) not in set().union(*moves) and not w.path.endswith("bias")]
        assert not idle, f"{name} left its own weights where they were"


def test_no_two_players_share_a_weight(played):
    players = list(played.session.trainer.players.values())
    every = [id(w) for player in players for w in player.weights]
    assert len(every) == len(set(every))


def test_the_checkpoint_holds_every_variable_once(played):
    trainer = played.session.trainer
    held = {id(v) for v in trainer.variables()}
    assert len(held) == len(trainer.variables())
    for player in trainer.players.values():
        for net in player.networks:
            assert {id(v) for v in net.variables} <= held
        assert {id(v) for v in player.optimizer.variables} <= held
    for average in trainer.averages:
        for net in average.networks:
            assert {id(v) for v in net.variables} <= held


def test_networks_attach_no_losses_of_their_own(played):
    for player in played.session.trainer.players.values():
        for net in player.networks:
            assert net.losses == []


def test_samples_are_images_in_range(played):
    trainer = played.session.trainer
    if isinstance(trainer, Shows):
        pairs = [images.to_float(d.pixels(range(3))) for d in played.session.domains]
        for row in trainer.gallery(*pairs):
            assert row.shape == (3, 32, 32, 3) and np.abs(row).max() <= 1
        return
    if not isinstance(trainer, Generates):
        assert watch(played.session).picture() is None
        return
    made = [np.asarray(v) for v in trainer.samples(noise(played.session, 3))]
    assert len(made) == len(played.session.domains)
    for image, domain in zip(made, played.session.domains, strict=True):
        assert image.shape == (3, *domain.shape) and image.dtype == np.float32
        if len(domain.shape) == 3:
            assert np.abs(image).max() <= 1


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
        np.testing.assert_allclose(np.asarray(one, np.float64), np.asarray(other, np.float64),
                                   rtol=tolerance, atol=tolerance, err_msg=str(name))


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
    session = build(FULLEST[trainer], precision=precision, n_critic=1)
    before = snapshot(session)
    tf.config.run_functions_eagerly(True)
    # Scaling for float16 looks for its scale in the first updates, and skips those.
    for step in range(4):
        logs = session.iterate(step)
        for name, value in logs.items():
            assert value.dtype == tf.float32, name
            assert np.isfinite(value), name
    for player in session.trainer.players.values():
        assert all(w.dtype == "float32" for w in player.weights)
    assert finite(session.trainer.variables())
    moved = [not np.array_equal(a, b) for a, b in zip(before, snapshot(session), strict=True)]
    assert np.mean(moved) > 0.8


# --------------------------------------------------------------------------------------- resuming


@pytest.mark.parametrize("variant, compiled, options", [
    ("gan-ring", True, dict(ema=0.99, loss="wasserstein", d_penalty="gp", n_critic=2)),
    ("gan-every_option", False, dict(n_critic=1)),
    ("gan-every_option", False, dict(n_critic=1, precision="mixed_float16")),
    ("cogan-2", False, dict(d_penalty="r1", penalty_every=3, ema=0.9)),
    ("scogan-all", False, dict(n_critic=1)),
    ("pix2pix-targets", False, dict(dropout=0.5)),
    ("cyclegan-2", False, dict(pool_size=3)),
    ("classifier-attacked", False, {}),
    ("segmenter-2", False, {}),
])
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

    for one, other, v in zip(snapshot(straight), snapshot(second), straight.trainer.variables(),
                             strict=True):
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


@pytest.mark.parametrize("variant, options", [
    ("gan-ring", dict(loss="wasserstein", d_penalty="gp", batch_size=8)),
    ("cogan-2", dict(net="plain", d_penalty="r1", ema=0.9)),
    ("scogan-feature_loss", dict(net="plain", semantic_loss=5.0, weight_decay=1e-3,
                                 augment="translation", classifier_noise=0.1)),
    ("pix2pix-2", dict(norm="instance", dropout=0.0, random_erasing=0.5)),
    ("cyclegan-2", dict(pool_size=3)),
    ("classifier-3", dict(classifier_net="plain", weight_decay=1e-3)),
    ("segmenter-every_option", dict(dropout=0.0)),
])
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


@pytest.mark.parametrize("kind, k, reason", [
    ("gan", 2, "takes one domain, and .* gives 2 .*--domains a"),
    ("cogan", 1, "takes two or more domains, and .* gives 1"),
    ("scogan", 1, "takes two or more domains, and .* gives 1"),
])
def test_a_wrong_number_of_domains_is_refused(tmp_path, kind, k, reason):
    with pytest.raises(UserError, match=reason):
        prepare(tiny.config(tmp_path, gan_type=kind), domains=tiny.domains(k))


def test_the_shared_layers_of_cogan_are_one_layer(build):
    session = build("cogan-3")
    trainer = session.trainer
    shared = session.config.of(nets.PairOptions)
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
    assert not ({id(w) for w in alike.trainer.G[0].weights}
                & {id(w) for w in alike.trainer.G[1].weights})


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
            rates[f"{prefix}_beta1"], rates[f"{prefix}_beta2"])


def test_rates_fall_over_the_updates_of_each_player(build):
    """A discriminator makes n_critic updates per step: both rates reach zero at the last step."""
    players = build("cogan-2", n_critic=3, steps=10, lr_decay=1.0, g_lr=1.0,
                    d_lr=1.0).trainer.players
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
    build("gan-ring", tmp_path, steps=2).fit()
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


@pytest.mark.parametrize("options, judged, terms", [
    (dict(adversarial_weight=0.0), 0, {"l1"}),
    (dict(l1_loss=0.0, conditional=False), 3, {"adv/D", "l1"}),
    (dict(l1_loss=0.0), 6, {"adv/D", "l1"}),
    (dict(conditional=False), 3, {"adv/D", "l1"}),
    ({}, 6, {"adv/D", "l1"}),
])
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
        "adv/b": ((on("b", fake_y) - 1) ** 2).mean(), "adv/a": ((on("a", fake_x) - 1) ** 2).mean(),
        "cycle/a": 10 * l1(f(fake_y), x), "cycle/b": 10 * l1(g(fake_x), y),
        "identity/b": 5 * l1(g(y), y), "identity/a": 5 * l1(f(x), x)}
    assert values == pytest.approx(expected, rel=1e-4)
    terms = trainer.discriminator_objective(x, y, made, None, 0)
    values = {k: w * float(v) for k, (w, v) in terms.items() if k.startswith("adv")}
    assert values == pytest.approx({
        "adv/b": (((on("b", y) - 1) ** 2).mean() + (on("b", fake_y) ** 2).mean()) / 2,
        "adv/a": (((on("a", x) - 1) ** 2).mean() + (on("a", fake_x) ** 2).mean()) / 2}, rel=1e-4)


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
    trainer, (x, y) = session.trainer, [images.to_float(d.pixels(range(2)))
                                        for d in session.domains]
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
    session = prepare(tiny.config(tmp_path, gan_type="pix2pix", early_stopping=2, sample_every=1,
                                  steps=20))
    scores = iter([0.5, 0.3, 0.4, 0.35, 0.2])
    states = []

    def scored():
        states.append([np.asarray(w).copy() for w in session.trainer.G.trainable_variables])
        return {"held_out/l1": next(scores)}

    session.watch = session.watch._replace(measurements=[(1, scored)])
    summary = fit(session)
    assert summary["steps"] == 4 and "held_out/l1 has not fallen for 2" in summary["stopped_early"]
    for kept, best in zip(session.trainer.G.trainable_variables, states[1], strict=True):
        np.testing.assert_array_equal(kept, best)
    assert open_run(tmp_path).step == 2


def test_a_translation_run_says_its_networks(build):
    """The receptive field is computed from the rows, not read off the flag."""
    said = build("pix2pix-2", patch="16").trainer.described()
    assert "receptive field of 16 pixels, 14 x 14 logits" in said and "generator plain" in said
    assert "no discriminator" in build("pix2pix-l1").trainer.described()
    assert "receptive field of 1 pixels" in build("cyclegan-2").trainer.described()


@pytest.mark.parametrize("kind", ["pix2pix", "cyclegan"])
def test_the_direction_turns_the_domains_around(tmp_path, kind):
    """Which domain is the input; names of directions are those of the data set, not of the run."""
    sessions = {way: prepare(tiny.config(tmp_path, gan_type=kind, direction=way))
                for way in ("a2b", "b2a")}
    assert [d.name for d in sessions["a2b"].domains] == ["a", "b"]
    assert [d.name for d in sessions["b2a"].domains] == ["b", "a"]
    x, _ = sessions["b2a"].held_out(2)
    expected = images.to_float(sessions["a2b"].domains[1].pixels(range(2)))
    np.testing.assert_array_equal(x, expected)
    for way, session in sessions.items():
        assert next(iter(session.trainer.translators())) == way
        assert set(session.trainer.translators()) == ({way} if kind == "pix2pix"
                                                      else {"a2b", "b2a"})
