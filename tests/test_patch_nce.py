"""PatchNCE: its value by NumPy, its gradient, its locations, and the layers that it compares."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from gantrain import nets
from gantrain.nets import TRANSLATORS
from gantrain.noise import Draw
from gantrain.terms.patch_nce import PatchNCE, patch_nce
from gantrain.trainers.cut import mirrored


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def by_numpy(queries, keys, temperature):
    """Equation 3, location by location: the match first, then the negatives of the image."""
    losses = []
    units = [v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (queries, keys)]
    for q, k in zip(*units, strict=True):
        for s in range(len(q)):
            others = np.delete(k, s, axis=0)
            logits = np.array([q[s] @ k[s], *(others @ q[s])], np.float64) / temperature
            losses.append(np.log(np.exp(logits - logits[0]).sum()))
    return np.mean(losses)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_the_value_is_that_of_the_equation(temperature):
    q, k = 3 * drawn(2, 5, 8), drawn(2, 5, 8, seed=1)
    assert float(patch_nce(q, k, temperature)) == pytest.approx(
        by_numpy(q, k, temperature), rel=1e-5
    )
    # Negatives are of the same image, and the length of a vector is nothing.
    assert float(patch_nce(q[:1], 7 * k[:1], temperature)) == pytest.approx(
        by_numpy(q[:1], k[:1], temperature), rel=1e-5
    )


def test_equal_features_have_known_values():
    """Of locations that are alike log S; of orthogonal ones that match, log(1 + (S-1) e^(-1/T))."""
    alike = tf.ones((3, 6, 4))
    assert float(patch_nce(alike, alike, 0.07)) == pytest.approx(np.log(6), rel=1e-6)
    apart = tf.eye(6, batch_shape=[3])
    assert float(patch_nce(apart, apart, 0.5)) == pytest.approx(np.log1p(5 * np.exp(-2)), rel=1e-5)


def test_the_gradient_is_that_of_the_queries_alone():
    q, k = tf.Variable(drawn(2, 4, 6)), tf.Variable(drawn(2, 4, 6, seed=1))
    with tf.GradientTape() as tape:
        loss = patch_nce(q, k, 0.5)
    to_q, to_k = tape.gradient(loss, [q, k])
    assert to_k is None
    step = 1e-3
    for place in ((0, 0, 0), (1, 3, 5), (0, 2, 4)):
        moved = [q.numpy(), q.numpy()]
        moved[0][place] += step
        moved[1][place] -= step
        slope = (by_numpy(moved[0], k.numpy(), 0.5) - by_numpy(moved[1], k.numpy(), 0.5)) / 2 / step
        assert float(to_q[place]) == pytest.approx(slope, rel=1e-2, abs=1e-4)


@pytest.fixture
def term(tmp_path):
    config = tiny.config(tmp_path, gan_type="cut", nce_locations=10)
    features = [keras.Input((None, None, c)) for c in (3, 8)]
    return PatchNCE(config, keras.Model(features, features))


def test_both_sides_are_seen_at_the_same_distinct_places(term, monkeypatch):
    """Few places of a large map, all of a small one; each image has its own."""
    seen = []
    number = np.arange(64.0, dtype=np.float32).reshape(1, 8, 8, 1)
    image = np.array([0, 100], np.float32)[:, None, None, None]
    maps = [image + np.tile(number[:, :s, :s], (2, 1, 1, c)) for s, c in ((8, 3), (3, 8))]

    def heads(features, training):
        seen.append([f.numpy()[..., 0] for f in features])
        return [tf.ones((*f.shape[:2], 256)) for f in features]

    monkeypatch.setattr(term, "H", heads)
    value = term(maps, [m + 1000 for m in maps], Draw(0, tf.constant(0, tf.int64), 2))
    (few, every), keys = seen
    assert few.shape == (2, 10) and every.shape == (2, 9)
    for places, others in zip((few, every), keys, strict=True):
        np.testing.assert_array_equal(others, places + 1000)
        assert all(len(set(row)) == len(row) for row in places)
    assert set(few[0]) != set(few[1] - 100)
    assert float(value) == pytest.approx((np.log(10) + np.log(9)) / 2, rel=1e-6)


def test_the_projection_has_an_mlp_per_layer(term):
    outputs = term.H([drawn(2, 10, 3), drawn(2, 9, 8)])
    assert [tuple(o.shape) for o in outputs] == [(2, 10, 256), (2, 9, 256)]
    hidden = 4  # 256 at the width of the tests
    count = sum(c * hidden + hidden + hidden * 256 + 256 for c in (3, 8))
    assert term.H.count_params() == count
    full = nets.build_projection([3], seed=0)
    assert full.count_params() == 3 * 256 + 256 + 256 * 256 + 256


LAYERS = {"resnet6": 5, "resnet9": 5, "unet": 3, "unet_noskip": 3, "unetpp": 3, "plain": 2}


@pytest.mark.parametrize("name", TRANSLATORS)
def test_the_layers_are_those_of_the_paper(name):
    """Pixels, 1/2 and 1/4 of the side, and for a ResNet the first and fifth block."""
    generator = nets.build_translator(name, 32, 3, 3, width=tiny.WIDTH, seed=0)
    whole, encoder = nets.with_features(generator)
    x = drawn(1, 32, 32, 3)
    image, *features = whole(x)
    np.testing.assert_array_equal(image, generator(x))
    np.testing.assert_array_equal(features[0], x)
    assert [f.shape[1] for f in features] == [32, 16, 8, 8, 8][: LAYERS[name]]
    for one, other in zip(features, encoder(x), strict=True):
        np.testing.assert_array_equal(one, other)
    rows = [layer.name for layer in generator.layers if isinstance(layer, keras.layers.Add)]
    if rows:
        blocks = [generator.get_layer(rows[i]).output for i in (0, 4)]
        read = keras.Model(generator.input, blocks)
        for one, other in zip(features[3:], read(x), strict=True):
            np.testing.assert_array_equal(one, other)
    # What is compared of the generated image is the encoder's alone: its decoder does not run.
    assert len(encoder.layers) < len(generator.layers)


def test_mirrored_turns_the_maps_that_it_is_told_to():
    maps = drawn(3, 2, 4, 1)
    turned = mirrored(maps, tf.constant([True, False, True])[:, None, None, None]).numpy()
    np.testing.assert_array_equal(turned[1], maps[1])
    for i in (0, 2):
        np.testing.assert_array_equal(turned[i], maps[i, :, ::-1])
