"""Discriminator penalties on functions with known gradients, couplings against NumPy.

The NumPy side is written from the equations alone, in float64; nothing of gantrain runs on it.
"""

import dataclasses
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras import layers

from gantrain.config import make
from gantrain.errors import UserError
from gantrain.game import Play
from gantrain.nets import Generated
from gantrain.nets.frozen import FeatureNet, reading, vgg19
from gantrain.noise import Draw
from gantrain.stages import prepare
from gantrain.terms import gradients, perceptual
from gantrain.terms.feature import FeatureRegulariser
from gantrain.terms.gradients import attack
from gantrain.terms.labels import LabelHeads, LabelOptions
from gantrain.terms.latent_cycle import LatentCycle
from gantrain.terms.penalties import DISCRIMINATOR_PENALTIES, gradient_penalty, r1
from gantrain.terms.perceptual import PerceptualLoss, PerceptualOptions
from gantrain.terms.semantic import SEMANTIC_FORMS, Labels, SemanticLoss
from gantrain.trainers.from_noise import HEADS
from gantrain.trainers.scogan import COUPLINGS

SHAPE = (4, 4, 3)


def draw(batch=4, seed=0, step=0):
    return Draw(seed, tf.constant(step, tf.int64), batch)


def normal(*shape, seed=0, scale=1.0):
    return scale * np.random.default_rng(seed).standard_normal(shape)


def tensor(array):
    return tf.constant(array, tf.float32)


def play(generated, z=None, real=None, draw=None, update=0):
    return Play(real, None, z, generated, draw, update)


def term(kind, consulted=None, domains=None, **options):
    """A coupling of a scogan with these options."""
    return kind(make(gan_type="scogan", **options), domains or tiny.domains(2), consulted or {})


# ------------------------------------------------------------------------- discriminator penalties


def linear(w):
    """D(x) = <w, x>: its gradient is w everywhere."""
    return lambda x, training: tf.reduce_sum(x * tensor(w), axis=[1, 2, 3])[:, None]


def test_every_penalty_is_tested_here():
    assert set(DISCRIMINATOR_PENALTIES) == {"none", "gp", "r1", "clip"}
    assert {n for n, p in DISCRIMINATOR_PENALTIES.items() if p.term} == {"gp", "r1"}
    assert DISCRIMINATOR_PENALTIES["gp"].term is gradient_penalty
    assert DISCRIMINATOR_PENALTIES["r1"].term is r1
    assert [n for n, p in DISCRIMINATOR_PENALTIES.items() if p.clips] == ["clip"]


@pytest.mark.parametrize("length", [0.3, 1.0, 7.0])
def test_linear_discriminator(length):
    """gp = (|w| - 1)^2 for any interpolation, r1 = |w|^2 / 2."""
    w = normal(*SHAPE)
    w *= length / np.linalg.norm(w)
    real, fake = tensor(normal(4, *SHAPE, seed=1)), tensor(normal(4, *SHAPE, seed=2, scale=5))
    assert float(gradient_penalty(linear(w), real, fake, draw())) == pytest.approx(
        (length - 1) ** 2, rel=1e-5, abs=1e-6
    )
    assert float(r1(linear(w), real, fake, draw())) == pytest.approx(length**2 / 2, rel=1e-5)


def test_points_are_penalised_like_images():
    w = np.array([3.0, 4.0])
    critic = lambda x, training: tf.linalg.matvec(x, tensor(w))[:, None]  # noqa: E731
    real, fake = tensor(normal(4, 2)), tensor(normal(4, 2, seed=1))
    assert float(gradient_penalty(critic, real, fake, draw())) == pytest.approx(16, rel=1e-5)
    assert float(r1(critic, real, fake, draw())) == pytest.approx(12.5, rel=1e-5)


def test_gradient_penalty_looks_between_real_and_fake():
    """D(x) = |x|^2 / 2 has the gradient x: the penalty tells where it was taken."""
    half_square = lambda x, training: tf.reduce_sum(x**2, axis=[1, 2, 3])[:, None] / 2  # noqa: E731
    real, fake = normal(5, *SHAPE, seed=1), normal(5, *SHAPE, seed=2)
    alpha = np.asarray(draw(5).uniform(1, 1, 1), np.float64)
    assert alpha.shape == (5, 1, 1, 1) and len(np.unique(alpha)) == 5
    mixed = alpha * real + (1 - alpha) * fake
    norms = np.sqrt((mixed**2).sum((1, 2, 3)))
    value = float(gradient_penalty(half_square, tensor(real), tensor(fake), draw(5)))
    assert value == pytest.approx(((norms - 1) ** 2).mean(), rel=1e-5)
    assert float(r1(half_square, tensor(real), tensor(fake), draw(5))) == pytest.approx(
        (real**2).sum((1, 2, 3)).mean() / 2, rel=1e-5
    )


@pytest.mark.parametrize("penalty", [gradient_penalty, r1])
def test_a_flat_discriminator_gets_a_finite_gradient(penalty):
    scale = tf.Variable(0.0)
    flat = lambda x, training: scale * tf.reduce_sum(x, axis=[1, 2, 3])[:, None]  # noqa: E731
    real, fake = tensor(normal(4, *SHAPE)), tensor(normal(4, *SHAPE, seed=1))
    with tf.GradientTape() as tape:
        value = penalty(flat, real, fake, draw())
    assert np.isfinite(value) and np.isfinite(tape.gradient(value, scale))


def test_a_penalty_reaches_the_weights_in_training_mode():
    """The second derivative exists, and dropout is on as in the loss."""
    seen = []
    w = tf.Variable(normal(*SHAPE).astype(np.float32))

    def critic(x, training):
        seen.append(training)
        return tf.reduce_sum(x * w, axis=[1, 2, 3])[:, None]

    real, fake = tensor(normal(4, *SHAPE)), tensor(normal(4, *SHAPE, seed=1))
    with tf.GradientTape() as tape:
        value = gradient_penalty(critic, real, fake, draw())
    norm = np.linalg.norm(w)
    np.testing.assert_allclose(
        tape.gradient(value, w), 2 * (norm - 1) * w.numpy() / norm, rtol=1e-4
    )
    assert seen == [True]


@pytest.fixture(scope="module")
def clipped():
    session = prepare(
        tiny.config(
            "unused",
            gan_type="cogan",
            loss="wasserstein",
            d_penalty="clip",
            penalty_weight=0.02,
            d_lr=0.1,
            g_lr=0.1,
            n_critic=1,
        ),
        domains=tiny.domains(2),
    )
    tf.config.run_functions_eagerly(True)
    session.iterate(0)
    tf.config.run_functions_eagerly(False)
    return session.trainer


def test_clipping_touches_every_discriminator_weight(clipped):
    for d in clipped.D:
        for w in d.trainable_variables:
            assert np.abs(w).max() <= np.float32(0.02), w.path
        # A step of 0.1 leaves the bound: clipping happened, nothing merely stayed small.
        assert any(np.abs(w).max() == np.float32(0.02) for w in d.trainable_variables)


def test_clipping_leaves_the_generators_alone(clipped):
    for g in clipped.G:
        assert any(np.abs(w).max() > 0.02 for w in g.trainable_variables)


def test_a_lazy_penalty_is_applied_on_every_kth_update_with_k_times_the_weight():
    session = prepare(
        tiny.ring_config("unused", d_penalty="r1", penalty_weight=3.0, penalty_every=3, n_critic=2)
    )
    trainer, applied = session.trainer, []
    points = tf.constant(normal(4, 2), tf.float32)
    # Two updates in a step: the count runs on from one step to the next.
    for step, update in itertools.product(range(3), range(2)):
        terms = trainer.adversarial.of_discriminators(
            play([Generated(points + 1, ())], real=[points], draw=draw(step=step), update=update)
        )
        weight, value = terms["r1/ring"]
        assert weight == 9.0
        applied.append(float(value) > 0)
    assert applied == [False, False, True] * 2


def test_a_lazy_penalty_disturbs_no_later_draw():
    """What is drawn after the penalty is the same whether it was its turn or not."""
    session = prepare(
        tiny.ring_config("unused", loss="wasserstein", d_penalty="gp", penalty_every=2)
    )
    points = tf.constant(normal(4, 2), tf.float32)
    later = []
    for update in range(2):
        own = draw(step=0)
        session.trainer.adversarial.of_discriminators(
            play([Generated(points + 1, ())], real=[points], draw=own, update=update)
        )
        later.append(np.array(own.normal(3)))
    np.testing.assert_array_equal(*later)


# ------------------------------------------------------------------------------------------ attack


@pytest.mark.parametrize("length", [0.0, 0.5, 20.0])
def test_attack_steps_up_a_linear_loss(length):
    g = normal(3, *SHAPE)
    x = normal(3, *SHAPE, seed=1)
    moved = attack(lambda images: tf.reduce_sum(images * tensor(g)), tensor(x), length)
    norms = np.sqrt((g**2).sum((1, 2, 3), keepdims=True))
    np.testing.assert_allclose(moved, x + length * g / norms, rtol=1e-4, atol=1e-5)


def test_attack_takes_a_length_per_image_and_is_held_constant():
    g, lengths = normal(3, *SHAPE), np.array([0.0, 1.0, 2.0]).reshape(3, 1, 1, 1)
    x = tf.Variable(tensor(normal(3, *SHAPE, seed=1)))
    with tf.GradientTape() as tape:
        moved = attack(
            lambda images: tf.reduce_sum(images * tensor(g)), tf.identity(x), tensor(lengths)
        )
        value = tf.reduce_sum(moved)
    np.testing.assert_allclose(
        np.sqrt(((moved - x) ** 2).numpy().sum((1, 2, 3))), [0, 1, 2], rtol=1e-4, atol=1e-5
    )
    assert tape.gradient(value, x) is None


def test_attack_on_a_flat_loss_is_finite():
    assert np.all(
        np.isfinite(attack(lambda x: tf.reduce_sum(0.0 * x), tensor(normal(2, *SHAPE)), 1.0))
    )


# ---------------------------------------------------------------------------------- semantic forms


def softmax(logits):
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def two_sided(p):
    """Attributes [B, A] as distributions over yes and no, [B, A, 2]."""
    return np.stack([p, 1 - p], -1)


def entropy_of(target, p):
    """Cross-entropy per image; attributes are summed."""
    return -(target * np.log(p)).reshape(len(p), -1).sum(-1)


def kl(p, q):
    return (p * np.log(p / q)).reshape(len(p), -1).sum(-1)


def reference(form, logits, multi, prior, z):
    """Every form, from its equation, for k domains: a mean over pairs or over domains."""
    p = [sigmoid(v) if multi else softmax(v) for v in logits]
    full = [two_sided(v) if multi else v for v in p]
    pairs = list(itertools.combinations(range(len(p)), 2))
    k, classes = len(p), logits[0].shape[1]
    if form == "squared":
        return np.mean([0.5 * ((p[i] - p[j]) ** 2).sum(-1).mean() for i, j in pairs])
    if form == "cross_entropy":
        return np.mean(
            [
                0.5 * (entropy_of(full[i], full[j]) + entropy_of(full[j], full[i])).mean()
                for i, j in pairs
            ]
        )
    if form == "jensen_shannon":
        return np.mean(
            [
                0.5
                * (
                    kl(full[i], (full[i] + full[j]) / 2) + kl(full[j], (full[i] + full[j]) / 2)
                ).mean()
                for i, j in pairs
            ]
        )
    if form == "agreement":
        # Attributes are distributions of two values each, for the consensus too.
        product = np.prod([v ** (2 / k) for v in full], axis=0)
        consensus = product / product.sum(-1, keepdims=True)
        marginals = [v.mean(0)[None] for v in full]
        target = (two_sided(prior) if multi else prior)[None]
        return np.mean([entropy_of(consensus, v).mean() for v in full]) + np.mean(
            [kl(m, target)[0] for m in marginals]
        )
    if form == "anchored":
        head = z[:, :classes]
        asked = two_sided((head > 0).astype(float)) if multi else np.eye(classes)[head.argmax(1)]
        return np.mean([entropy_of(asked, v).mean() for v in full])
    raise AssertionError(f"{form}: write its equation here")


@pytest.mark.parametrize("multi", [False, True], ids=["classes", "attributes"])
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("form", SEMANTIC_FORMS)
def test_semantic_forms_against_numpy(form, k, multi):
    logits = [normal(6, 5, seed=i, scale=1.5) for i in range(k)]
    prior = np.array([0.1, 0.3, 0.2, 0.15, 0.25])
    z = normal(6, 8, seed=9)
    value = SEMANTIC_FORMS[form](
        [tensor(v) for v in logits], Labels(multi, tensor(prior)), tensor(z)
    )
    assert float(value) == pytest.approx(reference(form, logits, multi, prior, z), rel=1e-5)


def gradient_of(form, logits, z=None):
    """dL/dlogits of the first domain."""
    labels = Labels(False, tensor(np.full(3, 1 / 3)))
    first, *others = (tensor(v) for v in logits)
    with tf.GradientTape() as tape:
        tape.watch(first)
        value = SEMANTIC_FORMS[form]([first, *others], labels, z)
    return np.asarray(tape.gradient(value, first))


def sure(label, size=25.0):
    return size * np.eye(3)[[label]]


def test_squared_has_no_gradient_where_two_sure_predictions_differ():
    """The trap of eq. 4.2 (and the reason for the other forms)."""
    assert np.abs(gradient_of("squared", [sure(0), sure(1)])).max() < 1e-8


def test_cross_entropy_pushes_sure_predictions_together():
    gradient = gradient_of("cross_entropy", [sure(0), sure(1)])
    np.testing.assert_allclose(gradient, [[0.5, -0.5, 0.0]], atol=1e-4)


def test_anchored_pushes_a_sure_wrong_prediction():
    z = tensor([[0.0, 1.0, 0.0, 0.0]])
    gradient = gradient_of("anchored", [sure(0), sure(1)], z)
    np.testing.assert_allclose(gradient, [[0.5, -0.5, 0.0]], atol=1e-4)


def test_agreement_pushes_towards_the_surer_prediction():
    gradient = gradient_of("agreement", [sure(0, 10.0), sure(1, 25.0)])
    assert gradient[0, 0] > 0.3 and gradient[0, 1] < -0.3


def agreement(*labels):
    """The form's value when domain i is sure that image n shows labels[i][n]."""
    logits = [tensor(25.0 * np.eye(4)[list(v)]) for v in labels]
    return float(SEMANTIC_FORMS["agreement"](logits, Labels(False, tensor(np.full(4, 0.25))), None))


def test_agreement_is_least_where_predictions_are_consistent_and_balanced():
    best = agreement((0, 1, 2, 3), (0, 1, 2, 3))
    assert best == pytest.approx(0, abs=1e-4)
    assert agreement((0, 1, 2, 3), (1, 2, 3, 0)) > best + 1  # balanced, inconsistent
    assert agreement((0, 0, 0, 0), (0, 0, 0, 0)) == pytest.approx(np.log(4), abs=1e-3)  # collapsed
    unsure = float(
        SEMANTIC_FORMS["agreement"](
            [tensor(np.zeros((4, 4)))] * 2, Labels(False, tensor(np.full(4, 0.25))), None
        )
    )
    assert unsure == pytest.approx(np.log(4), abs=1e-4)


@pytest.mark.parametrize("form", SEMANTIC_FORMS)
def test_forms_are_finite_for_extreme_logits(form):
    logits = [tensor([[1e4, -1e4, 0.0]]), tensor([[-1e4, 1e4, 0.0]])]
    z = tensor([[0.0, 1.0, 0.0]])
    for multi in (False, True):
        labels = Labels(multi, tensor([0.5, 0.25, 0.25]))
        first, other = logits
        with tf.GradientTape() as tape:
            tape.watch(first)
            value = SEMANTIC_FORMS[form]([first, other], labels, z)
        assert np.isfinite(value)
        assert np.all(np.isfinite(tape.gradient(value, first)))


def test_semantic_loss_shows_the_classifier_what_it_was_trained_with():
    """The view is applied to every domain, with draws of its own, and the classifier is frozen."""
    seen = []

    def classifier(images, training):
        seen.append((np.array(images), training))
        return tf.reduce_sum(images, axis=[1, 2])

    images = [normal(4, *SHAPE, seed=i) for i in range(2)]
    options = dict(semantic_loss=7.0, semantic_form="squared", classifier_noise=0.5)
    loss = term(SemanticLoss, {"classifier": classifier}, **options)
    weight, value = loss(play([Generated(tensor(v), ()) for v in images], draw=draw()))["semantic"]
    assert weight == 7.0 and loss.trained == ()
    noise = [shown - image for (shown, _), image in zip(seen, images, strict=True)]
    assert all(not training for _, training in seen)
    assert all(0.3 < n.std() < 0.7 for n in noise)
    assert not np.allclose(noise[0], noise[1], atol=0.1)
    logits = [shown.astype(np.float64).sum((1, 2)) for shown, _ in seen]
    assert float(value) == pytest.approx(reference("squared", logits, False, None, None), rel=1e-4)


@pytest.mark.parametrize("form", SEMANTIC_FORMS)
@pytest.mark.parametrize(
    "asked, kept", [("smile,hat", [0, 2]), ("-beard", [0, 2]), ("-smile,hat", [1])]
)
def test_attributes_that_are_not_asked_may_differ(form, asked, kept):
    logits = [normal(4, 3, seed=i, scale=1.5) for i in range(2)]
    domains = tiny.domains(2)
    draws = np.random.default_rng(0)
    domains = [
        dataclasses.replace(
            domain,
            labels=draws.integers(0, 2, (domain.size, 3), np.uint8),
            classes=("smile", "beard", "hat"),
        )
        for domain in domains
    ]
    given = iter(tensor(v) for v in logits)
    options = dict(semantic_loss=2.0, semantic_form=form, semantic_attributes=asked)
    loss = term(SemanticLoss, {"classifier": lambda x, training: next(given)}, domains, **options)
    z = normal(4, 8, seed=9)
    made = [Generated(tensor(normal(4, *SHAPE)), ())] * 2
    _, value = loss(play(made, tensor(z), draw=draw()))["semantic"]
    prior = np.mean([domain.labels.mean(0) for domain in domains], 0)[kept]
    wanted = reference(form, [v[:, kept] for v in logits], True, prior, z)
    assert float(value) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    "asked, attributes, message",
    [
        ("smile", False, "--semantic_attributes chooses among attributes"),
        ("smil", True, "--semantic_attributes smil: unknown; did you mean smile"),
        ("-smile,hat", True, "--semantic_attributes -smile,hat: leaves no attribute"),
    ],
)
def test_attributes_that_cannot_be_asked_are_refused(asked, attributes, message):
    domains = tiny.domains(2)
    if attributes:
        labels = np.zeros((domains[0].size, 2), np.uint8)
        domains = [dataclasses.replace(d, labels=labels, classes=("smile", "hat")) for d in domains]
    # When a run is planned: no classifier is trained for it first.
    config = make(gan_type="scogan", semantic_loss=1.0, semantic_attributes=asked)
    with pytest.raises(UserError, match=message):
        SemanticLoss.consults(config, domains)


# --------------------------------------------------------------------------------- other couplings


def generated(k, features=((3,), (2, 2, 4), (4, 4, 2), (5,))):
    """Generators' outputs with random images and features."""
    return [
        Generated(
            tensor(normal(4, *SHAPE, seed=i)),
            tuple(tensor(normal(4, *shape, seed=10 * i + j)) for j, shape in enumerate(features)),
        )
        for i in range(k)
    ]


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("layers_compared", [1, 3])
def test_feature_regulariser(k, layers_compared):
    """Eq. 4.1: 1/K sum over the first K layers of the mean squared difference."""
    made = generated(k)
    regulariser = term(FeatureRegulariser, feature_loss=5.0, feature_layers=layers_compared)
    weight, value = regulariser(play(made))["feature"]
    expected = np.mean(
        [
            np.mean(
                [
                    ((np.float64(a.features[j]) - np.float64(b.features[j])) ** 2).mean()
                    for j in range(layers_compared)
                ]
            )
            for a, b in itertools.combinations(made, 2)
        ]
    )
    assert weight == 5.0
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("k", [2, 3])
def test_cycle_consistency(k):
    """Eq. 4.3: a sum over domains of ||F(G_i(z)) - z||^2, per dimension of z."""
    made, z = generated(k), normal(4, 3, seed=5)
    matrix = normal(48, 3, seed=6, scale=0.1)
    encoder = lambda images, training: tf.reshape(images, (4, 48)) @ tensor(matrix)  # noqa: E731
    coupling = term(LatentCycle, cycle_loss=2.0, width=tiny.WIDTH)
    assert coupling.trained == (coupling.encoder,)
    coupling.encoder = encoder
    weight, value = coupling(play(made, z=tensor(z)))["latent_cycle"]
    codes = [np.float64(g.image).reshape(4, 48) @ matrix for g in made]
    expected = sum(((c - z) ** 2).sum(-1).mean() for c in codes) / 3
    assert weight == 2.0
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def extractor():
    """A feature network of three layers, random and frozen."""
    image = keras.Input((None, None, 3))
    first = layers.Conv2D(5, 3, padding="same", activation="relu")(image)
    second = layers.Conv2D(6, 3, 2, padding="same", activation="relu")(first)
    model = keras.Model(image, {"first": first, "second": second})
    model.trainable = False
    return FeatureNet(model, content=("second",), style=("first", "second"), description={})


def gram(features):
    """Thesis section 4.2.3: sum over places of phi_c phi_c', divided by H W C."""
    batch, height, width, channels = features.shape
    out = np.zeros((batch, channels, channels))
    for b, h, w in itertools.product(range(batch), range(height), range(width)):
        out[b] += np.outer(features[b, h, w], features[b, h, w])
    return out / (height * width * channels)


def test_gram_matrices():
    """Their constant cancels in the relative style term; it is the thesis's all the same."""
    features = normal(2, 3, 4, 5)
    np.testing.assert_allclose(perceptual.gram(tensor(features)), gram(features), rtol=1e-4)


@pytest.mark.parametrize("k", [2, 3])
def test_perceptual_loss(extractor, k):
    """Eq. 4.5 in units of the features' own energy: content between pairs, style to real."""
    made, real = generated(k), [normal(4, *SHAPE, seed=50 + i) for i in range(k)]
    coupling = term(PerceptualLoss, {"extractor": extractor}, perceptual_loss=(3.0, 4.0))
    terms = coupling(play(made, real=[tensor(v) for v in real]))
    features = [{n: np.float64(v) for n, v in extractor.model(g.image).items()} for g in made]
    targets = [{n: np.float64(v) for n, v in extractor.model(tensor(x)).items()} for x in real]

    content = []
    for a, b in itertools.combinations(features, 2):
        energy = np.concatenate([a["second"], b["second"]]) ** 2
        content.append(((a["second"] - b["second"]) ** 2).mean() / energy.mean())
    style = []
    for f, t in zip(features, targets, strict=True):
        for name in ("first", "second"):
            own, wanted = gram(f[name]), gram(t[name])
            style.append(((own - wanted) ** 2).mean() / (wanted**2).mean())
    assert terms["perceptual_content"][0] == 3.0 and terms["perceptual_style"][0] == 4.0
    assert float(terms["perceptual_content"][1]) == pytest.approx(np.mean(content), rel=1e-4)
    assert float(terms["perceptual_style"][1]) == pytest.approx(np.mean(style), rel=1e-4)


@pytest.mark.parametrize("k", [2, 3])
def test_the_unnormalised_perceptual_loss_is_that_of_the_text_and_of_the_listing(extractor, k):
    """Eq. 4.5 as printed: the loss of every generator has its own terms at the printed weights."""
    made, real = generated(k), [normal(4, *SHAPE, seed=50 + i) for i in range(k)]
    coupling = term(
        PerceptualLoss,
        {"extractor": extractor},
        perceptual_loss=(3.0, 4.0),
        perceptual_form="unnormalised",
    )
    terms = coupling(play(made, real=[tensor(v) for v in real]))
    features = [{n: np.float64(v) for n, v in extractor.model(g.image).items()} for g in made]
    targets = [{n: np.float64(v) for n, v in extractor.model(tensor(x)).items()} for x in real]
    content = [
        ((a["second"] - b["second"]) ** 2).mean() for a, b in itertools.combinations(features, 2)
    ]
    text, code = [], []
    for f, t in zip(features, targets, strict=True):
        for name in ("first", "second"):
            off = gram(f[name]) - gram(t[name])
            text.append((off**2).sum((1, 2)).mean())
            # Listings 6.17 and 6.18: divided by H W alone, and the mean over the elements.
            code.append(((off * f[name].shape[-1]) ** 2).mean())
    np.testing.assert_allclose(text, code)
    assert terms["perceptual_content"][0] == 3.0 * len(content)
    assert terms["perceptual_style"][0] == 4.0 * k
    assert float(terms["perceptual_content"][1]) == pytest.approx(np.mean(content), rel=1e-4)
    assert float(terms["perceptual_style"][1]) == pytest.approx(np.mean(text), rel=1e-4)


@pytest.mark.parametrize(
    "layers, content, style",
    [
        ("first:", ["first"], ["first", "second"]),
        ("first", ["first"], ["first", "second"]),
        (":second", ["second"], ["second"]),
        ("first,second:first", ["first", "second"], ["first"]),
    ],
)
def test_the_layers_of_the_perceptual_loss_can_be_chosen(extractor, layers, content, style):
    chosen = reading(
        extractor._replace(description={"network": "N"}),
        *PerceptualOptions(perceptual_layers=layers).layers,
    )
    assert [list(chosen.content), list(chosen.style)] == [content, style]
    assert set(chosen.model.output) == {*content, *style}
    made, real = generated(2), [tensor(normal(4, *SHAPE, seed=50 + i)) for i in range(2)]
    own = term(PerceptualLoss, {"extractor": chosen}, perceptual_loss=(1.0, 1.0))
    other = term(
        PerceptualLoss,
        {"extractor": extractor._replace(content=content, style=style)},
        perceptual_loss=(1.0, 1.0),
    )
    values = [
        {name: float(value) for name, (_, value) in coupling(play(made, real=real)).items()}
        for coupling in (own, other)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_layers_that_a_network_lacks_are_refused(extractor):
    named = extractor._replace(description={"network": "N"})
    for content, style in ((("third",), ()), ((), ("first", "third"))):
        with pytest.raises(UserError, match="--perceptual_layers third: N has.*first, second"):
            reading(named, content, style)
    # Before a weight is read.
    with pytest.raises(UserError, match="--perceptual_layers relu5: VGG19.*block5_conv2"):
        vgg19(None, offline=True, content=("relu5",))
    with pytest.raises(UserError, match="--perceptual_layers ' : ': names no layer"):
        make(dataset="pen2street", perceptual_loss=(1.0, 1.0), perceptual_layers=" : ")


def test_perceptual_loss_holds_the_energy_constant_and_accepts_gray(extractor):
    """Larger features are no way to a smaller loss, and one channel is shown as three."""
    gray = [Generated(tensor(normal(2, 4, 4, 1, seed=i)), ()) for i in range(2)]
    colour = [Generated(tf.repeat(g.image, 3, axis=-1), ()) for g in gray]
    coupling = term(PerceptualLoss, {"extractor": extractor}, perceptual_loss=(1.0, 1.0))
    values = [
        {
            n: float(v)
            for n, (_, v) in coupling(play(made, real=[g.image for g in reversed(made)])).items()
        }
        for made in (gray, colour)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-5)

    scale = tf.Variable(1.0)
    with tf.GradientTape() as tape:
        scaled = [Generated(scale * g.image, ()) for g in colour]
        _, value = coupling(play(scaled, real=[g.image for g in colour]))["perceptual_content"]
    # Features grow with the image's scale (the biases are zero): d(s^2 d)/ds = 2 d.
    assert float(tape.gradient(value, scale)) == pytest.approx(2 * float(value), rel=1e-4)


@pytest.mark.parametrize("step, rise", [(0, 0.0), (3, 0.3), (10, 1.0), (25, 1.0)])
def test_coupling_weights_rise_from_zero(step, rise):
    session = prepare(
        tiny.config(
            "unused",
            gan_type="scogan",
            net="plain",
            feature_loss=8.0,
            cycle_loss=2.0,
            coupling_ramp=10,
        ),
        domains=tiny.domains(2),
    )
    made = [
        Generated(tensor(normal(4, 32, 32, 3, seed=i)), (tensor(normal(4, 3, seed=i)),))
        for i in range(2)
    ]
    terms = session.trainer.coupled(play(made, z=tensor(normal(4, 6)), draw=draw(step=step)))
    assert terms["adv/a"][0] == 1.0
    assert float(terms["feature"][0]) == pytest.approx(8 * rise)
    assert float(terms["latent_cycle"][0]) == pytest.approx(2 * rise)


def test_the_prior_of_the_labels_is_that_of_the_domains(classifier_file):
    a, b = tiny.domain("a", count=10), tiny.domain("b", count=20)
    a = a.subset(np.flatnonzero(a.labels < 5))
    session = prepare(
        tiny.config(
            "unused",
            gan_type="scogan",
            net="plain",
            semantic_loss=1.0,
            classifier=str(classifier_file),
        ),
        domains=[a, b],
    )
    (coupling,) = session.trainer.couplings
    np.testing.assert_allclose(coupling.labels.prior, [0.15] * 5 + [0.05] * 5, rtol=1e-6)


def test_the_score_of_a_discriminator_of_patches_is_the_mean_of_its_logits():
    """One logit <w, x_ij> per pixel: dD/dx_ij = w / (H W), |dD/dx|^2 = |w|^2 / (H W)."""
    w, side = np.float32([0.5, -2.0, 1.0]), 4

    def patches(images, training):
        return tf.reduce_sum(images * w, axis=-1, keepdims=True)

    x = tf.random.stateless_normal((3, side, side, 3), (1, 2))
    expected = np.broadcast_to(w / side**2, x.shape)
    np.testing.assert_allclose(gradients.input_gradient(patches, x), expected, rtol=1e-6)
    assert float(r1(patches, x, x, None)) == pytest.approx(0.5 * (w**2).sum() / side**2, rel=1e-6)


# -------------------------------------------------------------------------------- none without one


def test_label_heads_against_numpy():
    """label + transfer + self, with the weights of their options and the source's labels alone."""
    config = make(
        gan_type="cogan",
        net="plain",
        noise_dim=6,
        width=tiny.WIDTH,
        label_loss=2.0,
        label_transfer=3.0,
        label_self=5.0,
        label_confidence=0.4,
    )
    matrices = [normal(48, 3, seed=20 + i, scale=0.5) for i in range(2)]
    real = [normal(4, *SHAPE, seed=30 + i) for i in range(2)]
    made, labels = generated(2), np.array([2, 0, 1, 1], np.int32)
    heads = LabelHeads.__new__(LabelHeads)
    heads.o, heads.names, heads.source = config.of(LabelOptions), ["s", "t"], 0
    heads.classifiers = [
        lambda images, training, m=m: tf.reshape(images, (4, 48)) @ tensor(m) for m in matrices
    ]
    terms = heads(
        Play([tensor(x) for x in real], [tf.constant(labels), None], None, made, draw(), 0)
    )

    def logits(i, images):
        return np.float64(images).reshape(4, 48) @ matrices[i]

    def entropies(wanted, scores):
        scores = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
        return -scores[np.arange(4), wanted]

    def taught(scores, others):
        p = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        return (entropies(p.argmax(-1), others) * (p.max(-1) > 0.4)).mean()

    fake = [np.float64(g.image) for g in made]
    expected = {
        "label/s": (2.0, entropies(labels, logits(0, real[0])).mean()),
        "label_transfer/t": (3.0, taught(logits(0, fake[0]), logits(1, fake[1]))),
        "label/t": (5.0, entropies(labels, logits(1, real[0])).mean()),
        "label_self/t": (5.0, taught(logits(1, real[1]), logits(1, real[1]))),
    }
    assert set(terms) == set(heads.logs)
    for name, (weight, value) in expected.items():
        assert terms[name][0] == weight
        assert float(terms[name][1]) == pytest.approx(value, rel=1e-4), name


# The test that computes the value of a term, by the option that switches it on.
GOLDEN = {
    "feature_loss": test_feature_regulariser,
    "semantic_loss": test_semantic_forms_against_numpy,
    "cycle_loss": test_cycle_consistency,
    "perceptual_loss": test_perceptual_loss,
    "label_loss": test_label_heads_against_numpy,
}


@pytest.mark.parametrize("name", [*COUPLINGS, *HEADS])
def test_every_term_has_a_golden_value(name):
    assert name in GOLDEN, f"--{name}: a test that computes it by NumPy belongs into GOLDEN"
