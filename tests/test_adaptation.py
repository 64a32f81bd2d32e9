"""Unsupervised domain adaptation: the measure, the heads, their terms, whose labels are read."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from scipy.special import log_softmax
from scipy.stats import binomtest
from tiny import refused

from gantrain import nets
from gantrain.data.batches import Batch
from gantrain.data.datasets import DATASETS
from gantrain.game import Play
from gantrain.measures.adaptation import adaptation, of_classifiers, protocol
from gantrain.nets import CLASSIFIERS, NETS
from gantrain.noise import Draw
from gantrain.runs.train import fit
from gantrain.stages import open_run, prepare
from gantrain.terms.labels import LabelHeads

EVERY_TERM = dict(label_loss=2.0, label_transfer=3.0, label_self=5.0, label_confidence=0.0)


def one_hot(labels, classes=10):
    return np.eye(classes)[labels] * 9.0


# ------------------------------------------------------------------------------------ the measure


def test_accuracy_by_hand():
    """Three of four right in the target, all in the source, one of four by the source alone."""
    wanted = np.array([0, 1, 2, 2])
    got = adaptation(
        [one_hot(wanted), one_hot([0, 1, 2, 1])],
        [wanted, wanted],
        ["a", "b"],
        source_only=[one_hot(wanted), one_hot([1, 1, 1, 1])],
    )
    assert got["adaptation/source_accuracy/a"] == 1.0
    assert got["adaptation/accuracy/b"] == 0.75
    assert got["adaptation/source_only/b"] == 0.25
    assert got["adaptation/chance/b"] == 0.5
    shares = np.array([1, 2, 1]) / 4
    assert got["adaptation/entropy/b"] == pytest.approx(
        -(shares * np.log(shares)).sum() / np.log(10)
    )
    for name, right in (("", 3), ("source_only_", 1)):
        interval = binomtest(right, 4).proportion_ci(method="wilson")
        assert got[f"adaptation/{name}low/b"] == pytest.approx(interval.low)
        assert got[f"adaptation/{name}high/b"] == pytest.approx(interval.high)
    assert all(type(v) is float for v in got.values()) and len(got) == 9


def test_the_source_may_be_any_domain():
    wanted = np.arange(10)
    got = adaptation(
        [one_hot(wanted), one_hot(wanted[::-1]), one_hot(wanted)],
        [wanted] * 3,
        ["a", "b", "c"],
        source=1,
    )
    assert got["adaptation/source_accuracy/b"] == 0.0
    assert got["adaptation/accuracy/a"] == got["adaptation/accuracy/c"] == 1.0
    assert not [name for name in got if "source_only" in name]


def test_a_constant_guess_and_shuffled_labels_get_chance():
    rng = np.random.default_rng(0)
    wanted = rng.integers(0, 10, 5_000)
    constant = adaptation(
        [one_hot(wanted), one_hot(np.full(5_000, np.bincount(wanted).argmax()))],
        [wanted] * 2,
        ["a", "b"],
    )
    assert constant["adaptation/accuracy/b"] == constant["adaptation/chance/b"]
    assert constant["adaptation/entropy/b"] == 0.0
    shuffled = adaptation(
        [one_hot(wanted), one_hot(rng.permutation(wanted))], [wanted] * 2, ["a", "b"]
    )
    assert shuffled["adaptation/low/b"] < 0.1 < shuffled["adaptation/high/b"]
    assert shuffled["adaptation/entropy/b"] > 0.99


def test_the_protocol_names_split_labels_and_selection():
    stored = protocol(["usps", "mnist"], 1, [7_291, 60_000], [2_007, 10_000], "shift")
    assert stored["source"] == "mnist"
    assert stored["labels_used"] == {"mnist": 60_000, "usps": 0}
    assert stored["images_used"] == {"usps": 7_291, "mnist": 60_000}
    assert stored["split"]["usps"] == "test part, 2007 images"
    assert stored["published"] == {"usps": 0.912}
    assert "no label of a target" in stored["selection"]
    assert protocol(["mnist", "street"], 0, [1, 1], [1, 1], "none")["published"] == {}


# ------------------------------------------------------------------------------------- the heads


def build(name="plain", shared=0, alone=True):
    _, judges = nets.build_gan(
        name,
        2,
        (32, 32, 3),
        noise_dim=6,
        width=tiny.WIDTH,
        d_shared_layers=shared,
        alone=alone,
        seed=0,
    )
    return judges, nets.build_heads(judges, 10, seed=0)


def ids(*networks):
    return [{id(w) for w in net.trainable_variables} for net in networks]


@pytest.mark.parametrize("name", ["plain", "cogan32", "compact", "residual"])
def test_a_classifier_is_its_discriminator_with_another_last_layer(name):
    """Shared by identity: every weight but the logit's own, and the head by all domains."""
    judges, classifiers = build(name)
    first, second = ids(*classifiers)
    head = first & second
    assert len(head) == 2
    for judge, own in zip(judges, (first, second), strict=True):
        logit = {id(w) for w in judge.layers[-1].trainable_variables}
        assert own - head == ids(judge)[0] - logit


def test_layers_below_the_head_are_shared_as_the_discriminators_are():
    for shared in (0, 1, 2):
        (one, other), classifiers = build(shared=shared)
        below = set.intersection(*ids(*classifiers))
        # Of the shared rows the last is the logit, which is no part of a classifier.
        assert len(below) == 2 + 2 * max(shared - 1, 0)
        assert len(set.intersection(*ids(one, other))) == 2 * shared


def test_the_head_reads_the_last_hidden_layer():
    (judge, _), (classifier, _) = build()
    images = np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3)).astype("float32")
    hidden = np.asarray(keras.Model(judge.input, judge.layers[-2].output)(images))
    kernel, bias = (np.asarray(w) for w in classifier.layers[-1].weights)
    np.testing.assert_allclose(classifier(images), hidden @ kernel + bias, atol=1e-5)
    kernel, bias = (np.asarray(w) for w in judge.layers[-1].weights)
    np.testing.assert_allclose(judge(images), hidden @ kernel + bias, atol=1e-5)


@pytest.mark.parametrize("name", ["compact", "residual"])
def test_a_class_does_not_depend_on_the_rest_of_the_batch(name):
    images = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
    _, (classifier, _) = build(name)
    np.testing.assert_allclose(classifier(images)[:1], classifier(images[:1]), atol=1e-5)
    (judge, _), _ = build(name, alone=False)
    assert abs(float(judge(images)[0, 0] - judge(images[:1])[0, 0])) > 1e-4


@pytest.mark.parametrize("name", ["cogan32", "compact"])
def test_what_the_heads_are_compared_with_has_the_same_trunk(name):
    _, (classifier, _) = build(name)
    alone = nets.build_classifier(f"{name}_trunk", (32, 32, 3), 10, width=tiny.WIDTH, seed=0)
    assert [w.shape for w in alone.weights] == [w.shape for w in classifier.weights]
    assert [type(x) for x in alone.layers] == [type(x) for x in classifier.layers]


# ------------------------------------------------------------------------------------- the terms


@pytest.fixture
def heads(tmp_path):
    def make(**options):
        chosen = {k: v for k, v in (EVERY_TERM | options).items() if v is not None}
        config = tiny.config(tmp_path / "run", gan_type="cogan", net="plain", **chosen)
        judges, _ = build(shared=config.of(nets.Sharing).d_shared_layers)
        return LabelHeads(config, tiny.domains(2), {"discriminators": judges})

    return make


def play(real, labels, fake, source=0):
    """One update in which only the source has labels."""
    given = [None, None]
    given[source] = tf.constant(labels, tf.int32)
    return Play(
        real,
        given,
        None,
        [nets.Generated(x, ()) for x in fake],
        Draw(0, tf.constant(0, tf.int64), 4),
        0,
    )


def batch(seed):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.uniform(-1, 1, (4, 32, 32, 3)), tf.float32) for _ in range(2)]


def cross_entropy(labels, logits):
    return -log_softmax(np.asarray(logits, np.float64), axis=1)[np.arange(len(labels)), labels]


@pytest.mark.parametrize("source", [0, 1])
def test_the_terms_are_those_of_the_docstring(heads, source):
    own = heads(source="ab"[source], label_confidence=0.11)
    target = 1 - source
    for kernel in [c.layers[-1].kernel for c in own.classifiers[:1]]:
        kernel.assign(kernel * 30.0)
    real, fake, labels = batch(0), batch(1), np.array([3, 1, 4, 1])
    terms = own(play(real, labels, fake, source))
    s, t = own.classifiers[source], own.classifiers[target]
    a, b = "ab"[source], "ab"[target]

    def taught(p, logits):
        p = np.exp(log_softmax(np.asarray(p, np.float64), axis=1))
        known = p.max(1) > 0.11
        return np.mean(known * cross_entropy(p.argmax(1), logits)), known.mean()

    expected = {
        f"label/{a}": (2.0, cross_entropy(labels, s(real[source])).mean()),
        f"label_accuracy/{a}": (0.0, np.mean(np.argmax(s(real[source]), 1) == labels)),
        f"label/{b}": (5.0, cross_entropy(labels, t(real[source])).mean()),
    }
    value, known = taught(s(fake[source]), t(fake[target]))
    expected |= {f"label_transfer/{b}": (3.0, value), f"sure_fake/{b}": (0.0, known)}
    value, known = taught(t(real[target]), t(real[target]))
    expected |= {f"label_self/{b}": (5.0, value), f"sure_real/{b}": (0.0, known)}
    assert set(terms) == set(expected)
    for name, (weight, value) in expected.items():
        assert terms[name][0] == weight, name
        assert float(terms[name][1]) == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_what_nobody_is_sure_of_teaches_nothing(heads):
    terms = heads(label_confidence=1.0)(play(batch(0), [0, 1, 2, 3], batch(1)))
    assert float(terms["label_transfer/b"][1]) == float(terms["label_self/b"][1]) == 0.0
    assert float(terms["sure_fake/b"][1]) == 0.0


def test_without_weights_only_the_source_is_learned(heads):
    own = heads(label_transfer=0.0, label_self=0.0, label_confidence=None)
    terms = own(play(batch(0), [0, 1, 2, 3], batch(1)))
    assert set(terms) == {"label/a", "label_accuracy/a"}


def test_the_teacher_is_held_constant(heads):
    """Nothing flows into the source's own layers from what it teaches the target."""
    own = heads(d_shared_layers=0)
    images, fake = batch(0)[0], batch(1)
    with tf.GradientTape() as tape:
        value, _ = own.taught(images, 0, fake[1], 1, Draw(0, tf.constant(0, tf.int64), 4))
    teacher, student = (c.trainable_variables for c in own.classifiers)
    head = {id(w) for w in teacher} & {id(w) for w in student}
    gradients = tape.gradient(value, [w.value for w in [*teacher, *student]])
    for w, g in zip([*teacher, *student], gradients, strict=True):
        learns = id(w) in head or id(w) in {id(x) for x in student}
        assert (g is not None) == learns, w.path


# ----------------------------------------------------------------------------- whose labels count


def trained(tmp_path, domains, steps=2, **options):
    config = tiny.config(
        tmp_path, **dict(net="plain", n_critic=1, steps=steps) | EVERY_TERM | options
    )
    session = prepare(config, domains=domains)
    tf.config.run_functions_eagerly(True)  # compiling seven sessions would take most of the time
    logs = [{k: float(v) for k, v in session.iterate(step).items()} for step in range(steps)]
    return logs, tiny.values(session.trainer.variables())


def scrambled(domain):
    labels = np.random.default_rng(5).permutation(domain.labels) * 0 + 7
    return dataclasses.replace(domain, labels=labels.astype(np.int32))


@pytest.mark.parametrize(
    "options",
    [
        dict(gan_type="cogan"),
        dict(gan_type="scogan", semantic_loss=1.0, semantic_form="agreement", d_shared_layers=1),
    ],
    ids=["cogan", "scogan"],
)
def test_no_label_of_a_target_has_a_part_in_the_training(tmp_path, options):
    a, b = tiny.domains(2)
    logs, weights = trained(tmp_path / "1", [a, b], **options)
    for other in (scrambled(b), dataclasses.replace(b, labels=None, classes=())):
        same, equal = trained(tmp_path / "2", [a, other], **options)
        assert logs == same
        for one, two in zip(weights, equal, strict=True):
            np.testing.assert_array_equal(one, two)
    # The source's are read, and with the other source those of the other.
    assert trained(tmp_path / "3", [scrambled(a), b], **options)[0] != logs
    logs, _ = trained(tmp_path / "4", [a, b], source="b", **options)
    assert trained(tmp_path / "5", [scrambled(a), b], source="b", **options)[0] == logs
    assert trained(tmp_path / "6", [a, scrambled(b)], source="b", **options)[0] != logs


def test_the_semantic_loss_consults_the_heads(tmp_path):
    config = tiny.config(tmp_path, net="plain", semantic_loss=1.0, label_loss=1.0)
    trainer = prepare(config, domains=tiny.domains(2)).trainer
    (coupling,) = trainer.couplings
    (heads,) = trainer.labels
    assert coupling.classifier is heads.classifiers
    z, draw = tf.zeros((4, 6)), Draw(0, tf.constant(0, tf.int64), 4)
    made = [nets.generate(g, z, training=False) for g in trainer.G]
    weight, value = coupling(Play(None, None, z, made, draw, 0))["semantic"]
    p, q = (tf.nn.softmax(c(g.image)) for c, g in zip(heads.classifiers, made, strict=True))
    assert weight == 1.0
    assert float(value) == pytest.approx(0.5 * np.mean(np.sum(np.square(p - q), 1)), abs=1e-6)


def test_a_run_ends_with_its_score_and_its_classifiers(tmp_path, monkeypatch):
    rows = (*NETS["plain"].discriminator[:-1], CLASSIFIERS["plain"].rows[-1])
    monkeypatch.setitem(CLASSIFIERS, "plain_trunk", nets.ClassifierTable("tests: a trunk", rows))
    config = tiny.config(
        tmp_path / "run",
        gan_type="cogan",
        net="plain",
        steps=2,
        classifier_steps=2,
        label_augment="shift",
        **EVERY_TERM,
    )
    session = prepare(config)
    summary = fit(session)
    assert (
        0
        <= summary["adaptation/low/b"]
        <= summary["adaptation/accuracy/b"]
        <= (summary["adaptation/high/b"])
        <= 1
    )
    found = keras.saving.load_model(
        tmp_path / "run" / "models" / "classifier_b.keras", compile=False
    )
    (_, b) = DATASETS["tiny"].load(None)
    predicted = np.argmax(found(b.images.astype(np.float32) / 127.5 - 1), 1)
    assert summary["adaptation/accuracy/b"] == pytest.approx(np.mean(predicted == b.labels))
    # What it is compared with is a run of its own, on the source alone.
    (alone,) = (tmp_path / "classifiers").iterdir()
    assert alone.name.startswith("a_plain_trunk_")
    assert "adaptation/source_only/b" in summary
    again = open_run(tmp_path / "run")
    for old, new in zip(session.trainer.variables(), again.trainer.variables(), strict=True):
        np.testing.assert_array_equal(old, new)


# ---------------------------------------------------------------------------------- what is refused


def test_refusals(tmp_path):
    def run(**options):
        domains = options.pop("domains_given", None)
        return prepare(
            tiny.config(tmp_path, **dict(gan_type="cogan", net="plain", label_loss=1.0) | options),
            domains=domains,
        )

    refused(lambda: run(source="c"), "--source c", "a, b")
    refused(
        lambda: run(domains_given=tiny.domains(2, labels=None)),
        "--label_loss",
        "no labels",
        "--source",
    )
    refused(lambda: run(dataset="tiny_attributes"), "--label_loss", "attributes")
    refused(lambda: run(gan_type="gan", dataset="tiny"), "--label_loss", "cogan or scogan")
    for name, value in (
        ("source", "a"),
        ("label_transfer", 1.0),
        ("label_self", 1.0),
        ("label_augment", "shift"),
        ("target_augment", "shift"),
    ):
        refused(lambda n=name, v=value: run(label_loss=0.0, **{n: v}), f"--{name}", "--label_loss")
    refused(
        lambda: run(gan_type="scogan", semantic_loss=1.0, classifier="x.keras"),
        "--classifier",
        "--label_loss",
    )
    refused(
        lambda: run(dataset="mnist2svhn_prune", domains_given=tiny.domains(2)),
        "mnist2svhn_prune",
        "take mnist2svhn",
    )


def test_what_has_no_labels_is_not_right_or_wrong():
    """None equals no class, and an accuracy of nought would stand in the log."""
    classifiers = [lambda x, training: tf.zeros((len(x), 4))] * 2
    refused(
        lambda: of_classifiers(classifiers, tiny.domains(2, labels=None), 0), "a: has no labels"
    )


def test_labels_follow_the_batch(tmp_path):
    """Each of the n_critic updates learns the labels of its own images."""
    config = tiny.config(tmp_path, gan_type="cogan", net="plain", label_loss=1.0)
    trainer = prepare(config, domains=tiny.domains(2)).trainer
    images = tf.reshape(tf.range(2, dtype=tf.float32), (2, 1, 1, 1, 1))
    given = [Batch(images, None), Batch(images + 10, tf.constant([[4], [5]]))]
    for update in range(2):
        seen = trainer.play(given, Draw(0, tf.constant(0, tf.int64), 1), update)
        assert [float(x[0, 0, 0, 0]) for x in seen.real] == [update, update + 10]
        assert seen.labels[0] is None and seen.labels[1].numpy().tolist() == [4 + update]
        assert seen.update == update
