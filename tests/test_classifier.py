"""The classifier's loss and scores by hand, its attack, and the runs that are made of it."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny

from gantrain.consulted import own_classifier
from gantrain.data.domain import Domain
from gantrain.errors import UserError
from gantrain.images import to_float
from gantrain.noise import Draw
from gantrain.runs.plan import own_run
from gantrain.stages import prepare
from gantrain.terms.mixing import MIXINGS
from gantrain.terms.view import ClassifierSteps
from gantrain.trainers.classifier import accuracy, correct, cross_entropy, logits_of


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, -0.3]])


def test_classes():
    labels = tf.constant([2, 1])
    expected = -log_softmax(LOGITS)[[0, 1], [2, 1]]
    value = cross_entropy(labels, tf.constant(LOGITS, tf.float32), False)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert correct(labels, tf.constant(LOGITS), False).numpy().tolist() == [False, True]


def test_attributes():
    labels = np.array([[1, 0, 0], [1, 1, 0]], np.uint8)
    p = 1 / (1 + np.exp(-LOGITS))
    expected = -(labels * np.log(p) + (1 - labels) * np.log(1 - p)).mean(-1)
    value = cross_entropy(tf.constant(labels), tf.constant(LOGITS, tf.float32), True)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert correct(tf.constant(labels), tf.constant(LOGITS), True).numpy().tolist() == [
        [True, True, False],
        [True, True, True],
    ]


def by_brightness(images, training=False):
    """A classifier of two classes: bright or dark."""
    mean = tf.reduce_mean(images, axis=[1, 2, 3])
    return tf.stack([-mean, mean], axis=1)


def test_scores_of_many_images():
    images = np.zeros((7, 4, 4, 3), np.uint8)
    images[[1, 2, 6]] = 255
    domain = Domain("a", images, np.array([0, 1, 1, 0, 0, 1, 0], np.int32), ("dark", "bright"))
    logits = logits_of(by_brightness, images, batch_size=3)
    assert logits.shape == (7, 2) and logits.dtype == np.float32
    np.testing.assert_allclose(logits[1], [-1, 1])
    np.testing.assert_allclose(logits_of(by_brightness, np.asarray(to_float(images))), logits)
    assert accuracy(by_brightness, domain) == pytest.approx(5 / 7)


def build(**options):
    return prepare(
        tiny.config("unused", **(dict(gan_type="classifier", classifier_net="plain") | options)),
        domains=tiny.domains(2),
    )


def test_the_attack_grows_over_the_first_half():
    trainer = build(classifier_attack=2.0, steps=100).trainer
    x, labels = tf.random.stateless_normal((4, 32, 32, 3), (0, 0)), tf.constant([0, 1, 2, 3])
    lengths = []
    for step in (0, 25, 50, 90):
        draw = Draw(0, tf.constant(step, tf.int64), 4)
        same, loss = trainer.mixed(x, labels, draw)
        moved = trainer.attacked(same, loss, draw)
        lengths.append(float(tf.norm(moved - x) / 2))  # four images: the root of four
    assert same is x and lengths == pytest.approx([0, 1, 2, 2], rel=1e-3)
    harder = cross_entropy(labels, trainer.C(moved), False)
    assert np.all(harder > cross_entropy(labels, trainer.C(x), False))
    assert build().trainer.attacked(x, loss, None) is x


@pytest.mark.parametrize("name", sorted(MIXINGS.keys() - {"none"}))
def test_a_mixed_image_is_worth_its_shares(name):
    """Of flat images, each with a level of its own, the mean says what is in them."""
    trainer, count = build(classifier_mix=name).trainer, 64
    levels = np.linspace(-1, 1, count, dtype=np.float32)
    labels = np.arange(count) % 3
    x = np.broadcast_to(levels[:, None, None, None], (count, 32, 32, 3))
    mixed, loss = trainer.mixed(
        tf.constant(x), tf.constant(labels), Draw(0, tf.constant(1, tf.int64), count)
    )
    mixed = np.array(mixed)
    share = (mixed.mean((1, 2, 3)) - levels[::-1]) / (levels - levels[::-1])
    assert np.mean(share > 1 - 1e-5) == pytest.approx(0.5, abs=0.15)
    assert share.min() < 0.25 and np.all(share > -1e-5)
    if name == "mixup":
        assert np.ptp(mixed, axis=(1, 2, 3)).max() == 0
    else:  # every pixel is of one image or of the other
        of_both = np.stack([x, x[::-1]])
        assert np.all(np.min(np.abs(mixed - of_both), axis=0) == 0)
    logits = np.random.default_rng(0).normal(size=(count, 3))
    each = -log_softmax(logits)[np.arange(count), labels]
    theirs = -log_softmax(logits)[np.arange(count), labels[::-1]]
    np.testing.assert_allclose(
        loss(tf.constant(logits, tf.float32)), share * each + (1 - share) * theirs, atol=1e-4
    )


def test_domains_without_labels_are_refused():
    with pytest.raises(UserError, match="domain a has no labels"):
        prepare(tiny.config("unused", gan_type="classifier"), domains=tiny.domains(2, labels=None))


def test_attributes_train_too():
    session = prepare(
        tiny.config("unused", gan_type="classifier", classifier_net="plain"),
        domains=tiny.domains(2, labels=("Smiling", "Young")),
    )
    tf.config.run_functions_eagerly(True)
    logs = session.iterate(0)
    assert session.trainer.C.output_shape == (None, 2)
    assert float(logs["classifier/cross_entropy/a"]) == pytest.approx(np.log(2), rel=0.5)


# --------------------------------------------------------------------------- a classifier's own run


def directory(own=None, count=24, content=None, **options):
    config = tiny.config("runs/main", gan_type="scogan", semantic_loss=1.0, **options)
    domain = dataclasses.replace(tiny.domain("a", count=count), fingerprint=content)
    own = own or dict(classifier_net="digit", seed=0)
    steps = config.of(ClassifierSteps).classifier_steps
    wanted = own_classifier(config, [domain], steps=steps, **own)
    return own_run(config, wanted).run.run_dir


def test_a_classifier_lies_beside_the_run_under_a_name_of_its_own():
    assert directory().startswith("runs/classifiers/a_digit_")
    assert directory() == directory()


@pytest.mark.parametrize(
    "change",
    [
        dict(classifier_steps=7),
        dict(batch_size=8),
        dict(image_size=64),
        dict(dataset="tiny3"),
        dict(own=dict(classifier_net="digit", seed=1)),
        dict(count=25),
        dict(content="1a2b"),
        dict(load_size=40),
        dict(fit="none"),
        dict(own=dict(classifier_net="digit", seed=0, classifier_noise=0.5)),
        dict(own=dict(classifier_net="digit", seed=0, classifier_attack=1.0)),
        dict(own=dict(classifier_net="digit", seed=0, classifier_mix="mixup")),
    ],
)
def test_whatever_changes_the_classifier_changes_its_name(change):
    assert directory(**change) != directory()


@pytest.mark.parametrize(
    "same",
    [
        dict(seed=5),
        dict(g_lr=0.5),
        dict(steps=9),
        dict(data_dir="elsewhere"),
        dict(offline=True),
        dict(feature_loss=1.0),
        dict(n_critic=1),
        dict(precision="mixed_bfloat16"),
    ],
)
def test_what_does_not_change_it_finds_it_again(same):
    assert directory(**same) == directory()
