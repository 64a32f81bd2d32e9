"""Architecture tables: shapes, sizes, sharing, precision, files."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from gantrain import nets
from gantrain.errors import UserError
from gantrain.nets import blocks

NARROW = 1 / 16
# Every table in its smallest form: an architecture added to NETS is tested without another line.
SHAPES = {
    name: (2,) if table.image_size == 0 else (table.image_size or 16, table.image_size or 16, 3)
    for name, table in nets.NETS.items()
}
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]


@pytest.fixture
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def pair(name="cogan32", domains=2, shape=None, noise_dim=8, width=NARROW, seed=0, **options):
    return nets.build_gan(
        name, domains, shape or SHAPES[name], noise_dim=noise_dim, width=width, seed=seed, **options
    )


def noise(batch=3, size=8):
    return tf.random.stateless_uniform((batch, size), (1, 2), -1, 1)


def images(batch, shape):
    return tf.random.stateless_uniform((batch, *shape), (3, 4), -1, 1)


def kernels(net):
    return [v for v in net.trainable_variables if v.path.endswith("kernel")]


def same_values(a, b):
    assert len(a) == len(b)
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def any_equal(a, b):
    return any(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# Shapes


@pytest.mark.parametrize(
    ("name", "shape", "features"),
    [
        ("toy", (2,), [(8,), (8,), (8,)]),
        ("cogan32", (32, 32, 3), [(4, 4, 64), (8, 8, 32), (16, 16, 16), (32, 32, 8)]),
        ("cogan32", (32, 32, 1), [(4, 4, 64), (8, 8, 32), (16, 16, 16), (32, 32, 8)]),
        (
            "cogan128",
            (128, 128, 3),
            [(4, 4, 64), (8, 8, 32), (16, 16, 16), (32, 32, 8), (64, 64, 4), (128, 128, 4)],
        ),
        (
            "cogan256",
            (256, 256, 3),
            [
                (4, 4, 128),
                (8, 8, 64),
                (16, 16, 32),
                (32, 32, 16),
                (64, 64, 8),
                (128, 128, 4),
                (256, 256, 4),
            ],
        ),
        ("compact", (32, 32, 3), [(4, 4, 8), (8, 8, 4), (16, 16, 4)]),
        ("residual", (16, 16, 3), [(4, 4, 16), (8, 8, 16), (16, 16, 16)]),
        (
            "residual",
            (64, 64, 1),
            [(4, 4, 16), (8, 8, 16), (16, 16, 16), (32, 32, 16), (64, 64, 8)],
        ),
    ],
)
def test_every_table_gives_its_shapes(name, shape, features):
    (g,), (d,) = pair(name, 1, shape)
    made = nets.generate(g, noise(), training=True)
    assert made.image.shape == (3, *shape)
    assert [tuple(f.shape[1:]) for f in made.features] == features
    assert d(made.image, training=True).shape == (3, 1)
    if len(shape) == 3:
        assert np.abs(made.image).max() <= 1


def test_toy_output_is_linear():
    (g,), _ = pair("toy", 1)
    assert np.abs(nets.generate(g, 1e3 * noise(64), training=False).image).max() > 1


# Sizes of the published tables, counted row by row


def dense(i, o):
    return i * o + o


def conv(k, i, o):
    return k * k * i * o + o


def bn(c):
    return 4 * c


def left_out(network):
    """Biases that the tables count and batch normalisation makes idle."""
    return sum(
        getattr(layer, "units", 0) or layer.filters
        for layer in network.layers
        if getattr(layer, "use_bias", True) is False
    )


COGAN128_G = (
    dense(100, 16384) + (bn(1024) + 1024)
    + conv(4, 1024, 512) + (bn(512) + 512)
    + conv(4, 512, 256) + (bn(256) + 256)
    + conv(4, 256, 128) + (bn(128) + 128)
    + conv(4, 128, 64) + (bn(64) + 64)
    + conv(4, 64, 32) + (bn(32) + 32)
    + conv(3, 32, 3)
)  # fmt: skip
COGAN128_D = (
    conv(5, 3, 32) + bn(32) + 32
    + conv(5, 32, 64) + bn(64) + 64
    + conv(5, 64, 128) + bn(128) + 128
    + conv(3, 128, 256) + bn(256) + 256
    + conv(3, 256, 512) + bn(512) + 512
    + conv(3, 512, 1024) + bn(1024) + 1024
    + dense(2 * 2 * 1024, 2048) + bn(2048) + 2048
    + dense(2048, 1)
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        (
            "toy",
            dense(100, 128) + 2 * dense(128, 128) + dense(128, 2),
            dense(2, 128) + 2 * dense(128, 128) + dense(128, 1),
        ),
        (
            "cogan32",
            dense(100, 16384) + bn(1024) + 1024
            + conv(3, 1024, 512) + bn(512) + 512
            + conv(3, 512, 256) + bn(256) + 256
            + conv(3, 256, 128) + bn(128) + 128
            + conv(6, 128, 3),
            conv(5, 3, 20) + conv(5, 20, 50) + dense(8 * 8 * 50, 500) + 500 + dense(500, 1),
        ),
        ("cogan128", COGAN128_G, COGAN128_D),
        (
            "cogan256",
            COGAN128_G - dense(100, 16384)
            + dense(100, 32768) + bn(2048) + 2048
            + conv(4, 2048, 1024),
            COGAN128_D - dense(2 * 2 * 1024, 2048) + dense(4 * 4 * 1024, 2048),
        ),
    ],
)  # fmt: skip
def test_published_tables_have_their_number_of_weights(name, generator, discriminator, monkeypatch):
    # Only the shapes matter, and 90 million random numbers take seconds.
    monkeypatch.setitem(blocks.WEIGHT_INITS, "normal", lambda seed: "zeros")
    (g,), (d,) = pair(name, 1, noise_dim=100, width=1.0, weight_init="normal")
    assert g.count_params() + left_out(g) == generator
    # Every dropout row carries the state of its random numbers beside the table's weights.
    seeds = sum(isinstance(layer, keras.layers.Dropout) for layer in d.layers)
    assert sum(np.prod(v.shape) for v in d.weights) + left_out(d) == discriminator
    assert len(d.variables) == len(d.weights) + seeds


def test_published_classifier_and_encoder_sizes():
    digit = nets.build_classifier("digit", (32, 32, 3), 10, seed=0)
    assert digit.count_params() == (
        conv(3, 3, 32) + conv(3, 32, 64) + dense(16 * 16 * 64, 128) + dense(128, 10)
    )
    encoder = nets.build_encoder((32, 32, 3), 100, seed=0)
    assert encoder.count_params() == (
        conv(3, 3, 64) + conv(3, 64, 128) + conv(3, 128, 128) + conv(3, 128, 256)
        + dense(4 * 4 * 256, 100)
    )  # fmt: skip


def test_width_scales_to_multiples_of_four():
    assert [blocks.scaled(50, w) for w in (1, 0.5, 0.25, 0.01)] == [50, 24, 12, 4]
    assert [blocks.scaled(1024, w) for w in (1, 0.125, 2)] == [1024, 128, 2048]


# Sharing


def shared_rows(nets_, rows, side):
    """Which weight rows two networks share, by identity of all variables of the row.

    A norm or dropout row counts with the weight row before it.
    """
    one, two = ({v.path: id(v) for v in net.variables} for net in nets_)
    groups = []
    for number, row in enumerate(rows):
        groups += [[]] if row.weighted else []
        groups[-1].append(number)
    found = []
    for group in groups:
        # A layer is named after its row.
        mine, theirs = (
            {i for path, i in of.items() if any(f"_row{n}_" in path for n in group)}
            for of in (one, two)
        )
        assert mine and (mine == theirs or not mine & theirs), (side, group)
        found.append(mine == theirs)
    return found


@pytest.mark.parametrize(
    ("name", "domains"),
    [*((name, 2) for name in sorted(nets.NETS)), ("cogan32", 3), ("residual", 3)],
)
def test_sharing_is_identity_of_variables(name, domains):
    table = nets.NETS[name]
    table = table.at(SHAPES[name][0]) if table.at else table
    sides = ("generator", table.generator), ("discriminator", table.discriminator)
    g_rows, d_rows = (sum(row.weighted for row in rows) for _, rows in sides)
    counts = range(max(g_rows, d_rows)) if name == "cogan32" else (1, max(table.shared))
    for shared in counts:
        first, last = min(shared, g_rows - 1), min(shared, d_rows - 1)
        made = pair(name, domains, shared_layers=first, d_shared_layers=last)
        expected = [i < first for i in range(g_rows)], [i >= d_rows - last for i in range(d_rows)]
        for nets_, (side, rows), wanted in zip(made, sides, expected, strict=True):
            for other in nets_[1:]:
                assert shared_rows([nets_[0], other], rows, side) == wanted


def test_shared_rows_give_equal_features():
    for shared in (0, 2, 4):
        generators, _ = pair(domains=3, shared_layers=shared)
        made = [nets.generate(g, noise(), training=False) for g in generators]
        for other in made[1:]:
            pairs = zip(made[0].features, other.features, strict=True)
            assert [np.array_equal(a, b) for a, b in pairs] == [i < shared for i in range(4)]
            assert not np.array_equal(made[0].image, other.image)


def test_dropout_travels_with_its_row():
    for shared in (1, 2):
        _, discriminators = pair(domains=3, d_shared_layers=shared)
        states = {id(v) for d in discriminators for v in d.variables if "seed_generator" in v.path}
        assert len(states) == (1 if shared >= 2 else 3)


def test_source_defaults_leave_one_row_apart():
    for name, table in nets.NETS.items():
        for rows, shared in zip((table.generator, table.discriminator), table.shared, strict=True):
            assert 0 <= shared < sum(row.weighted for row in rows), name
    assert nets.NETS["cogan32"].shared == (4, 3)
    assert nets.NETS["cogan128"].shared == (5, 7)
    assert nets.NETS["cogan256"].shared == (6, 7)


# Seeds and initial weights


def test_seed_decides_every_weight():
    for one, two, other in zip(pair(), pair(), pair(seed=1), strict=True):
        for a, b, c in zip(one, two, other, strict=True):
            assert same_values(a.weights, b.weights)
            assert not any_equal(kernels(a), kernels(c))
        assert not any_equal(kernels(one[0]), kernels(one[1]))


def test_first_network_depends_on_neither_domains_nor_sharing():
    alone = pair(domains=1)
    shared = pair(domains=3, shared_layers=3, d_shared_layers=2)
    for a, b in zip(alone, shared, strict=True):
        assert same_values(a[0].weights, b[0].weights)


@pytest.mark.parametrize("name", ["xavier", "normal"])
def test_initial_weights(name):
    (g,), (d,) = pair(domains=1, width=0.25, weight_init=name)
    for kernel in [*kernels(g)[:3], kernels(d)[2]]:
        receptive = np.prod(kernel.shape[:-2])
        fans = receptive * (kernel.shape[-1] + kernel.shape[-2])
        expected = 0.02 if name == "normal" else np.sqrt(2 / fans)
        assert np.std(kernel) == pytest.approx(expected, rel=0.05)
        assert abs(np.mean(kernel)) < expected / 20
    slopes = [v for v in g.trainable_variables if v.path.endswith("alpha")]
    assert len(slopes) == 4
    assert all(np.all(v.numpy() == 0.25) for v in slopes)


# Precision and compilation


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
@pytest.mark.parametrize("name", sorted(nets.NETS))
def test_heads_are_float32_under_every_precision(policy, name):
    (g,), (d,) = pair(name, 1, spectral_norm=True)
    with tf.GradientTape() as tape:
        made = nets.generate(g, noise(), training=True)
        logits = d(made.image, training=True)
        loss = tf.reduce_mean(logits)
    assert made.image.dtype == logits.dtype == tf.float32
    hidden = {"float32": tf.float32, "mixed_bfloat16": tf.bfloat16, "mixed_float16": tf.float16}
    assert {f.dtype for f in made.features} == {hidden[policy]}
    gradients = tape.gradient(loss, g.trainable_variables + d.trainable_variables)
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)
    assert {v.dtype for v in g.trainable_variables + d.trainable_variables} == {"float32"}


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
def test_single_networks_end_in_float32(policy):
    x = images(2, (32, 32, 1))
    for name in nets.CLASSIFIERS:
        net = nets.build_classifier(name, (32, 32, 1), 10, width=NARROW, seed=0)
        assert (net(x).dtype, net(x).shape) == (tf.float32, (2, 10))
        # Logits, not probabilities.
        assert not np.allclose(np.sum(net(x), axis=-1), 1, atol=0.01)
    encoder = nets.build_encoder((32, 32, 1), 7, width=NARROW, seed=0)
    assert (encoder(x).dtype, encoder(x).shape) == (tf.float32, (2, 7))


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("name", ["cogan32", "residual"])
def test_compiled_equals_eager(name, jit):
    (g,), (d,) = pair(name, 1, spectral_norm=True, d_norm="layer")

    def judged(z):
        return d(nets.generate(g, z, training=False).image, training=False)

    compiled = tf.function(judged, jit_compile=jit)(noise())
    np.testing.assert_allclose(compiled, judged(noise()), rtol=1e-4, atol=1e-5)


def test_no_network_adds_losses_of_its_own():
    made = [*pair(spectral_norm=True), [nets.build_encoder((32, 32, 3), 8, seed=0)]]
    for net in itertools.chain(*made):
        net(noise() if net.name.startswith("gen") else images(2, (32, 32, 3)), training=True)
        assert net.losses == []


# Normalisation of discriminators


def test_layer_norm_replaces_batch_norm_row_by_row():
    kinds = keras.layers.BatchNormalization, keras.layers.GroupNormalization

    def count(**options):
        _, (d,) = pair("cogan128", 1, **options)
        return [sum(isinstance(layer, kind) for layer in d.layers) for kind in kinds]

    assert count() == count(d_norm="batch") == [7, 0]
    assert count(d_norm="layer") == [0, 7]
    assert count(d_norm="none") == [0, 0]


def test_layer_norm_is_over_the_whole_of_one_image():
    cls, options = blocks.NORMS["layer"]()
    x = 5 + 3 * images(2, (6, 6, 4)).numpy()
    y = cls(**options)(x).numpy()
    np.testing.assert_allclose(y.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((1, 2, 3)), 1, atol=1e-2)
    # Means over the pixels of one channel are left alone: it is not instance normalisation.
    assert np.abs(y.mean((1, 2))).max() > 0.01
    flat = cls(**options)(x.reshape(2, -1)).numpy()
    np.testing.assert_allclose(flat.mean(-1), 0, atol=1e-5)


def test_norm_override_adds_none_to_a_table_without():
    _, (d,) = pair(domains=1, d_norm="layer")
    assert not any("norm" in layer.name for layer in d.layers)


# Files


@pytest.mark.parametrize("name", sorted(nets.NETS))
def test_saved_networks_come_back_bit_for_bit(name, tmp_path):
    (g, _), (d, _) = pair(
        name, 2, spectral_norm=True, d_norm="layer", shared_layers=1, d_shared_layers=1
    )
    made = nets.generate(g, noise(), training=True)
    d(made.image, training=True)
    for net in (g, d):
        net.save(tmp_path / "net.keras")
        loaded = keras.models.load_model(tmp_path / "net.keras")
        assert same_values(net.weights, loaded.weights)
        x = made.image if net is d else noise()
        before, after = (tf.nest.flatten(n(x, training=False)) for n in (net, loaded))
        assert same_values(before, after)


def test_saved_classifiers_come_back_bit_for_bit(tmp_path):
    x = images(2, (32, 32, 3))
    made = [nets.build_classifier(n, (32, 32, 3), 10, width=0.1, seed=0) for n in nets.CLASSIFIERS]
    for net in [*made, nets.build_encoder((32, 32, 3), 8, width=0.1, seed=0)]:
        net.save(tmp_path / "net.keras")
        loaded = keras.models.load_model(tmp_path / "net.keras")
        assert np.array_equal(net(x), loaded(x))


def test_image_model_shares_the_weights_and_is_exported(tmp_path):
    (g,), _ = pair(domains=1)
    image = nets.image_model(g)
    assert {id(v) for v in image.variables} == {id(v) for v in g.variables}
    expected = nets.generate(g, noise(), training=False).image
    assert np.array_equal(image(noise()), expected)
    image.save(tmp_path / "image.keras")
    assert np.array_equal(keras.models.load_model(tmp_path / "image.keras")(noise()), expected)


# What a user can get wrong


@pytest.mark.parametrize(
    ("name", "shape", "options", "said"),
    [
        ("residual", (48, 48, 3), {}, "--image_size"),
        ("residual", (8, 8, 3), {}, "--image_size"),
        ("residual", (32, 64, 3), {}, "square"),
        ("cogan32", (64, 64, 3), {}, "--image_size 32"),
        ("cogan32", (2,), {}, "--image_size 32"),
        ("toy", (32, 32, 3), {}, "points"),
        ("cogan32", (32, 32, 3), {"shared_layers": 5}, "--shared_layers 5"),
        ("cogan32", (32, 32, 3), {"d_shared_layers": 4}, "--d_shared_layers 4"),
        ("cogan64", (64, 64, 3), {}, "cogan64"),
    ],
)
def test_misfits_are_user_errors(name, shape, options, said):
    with pytest.raises(UserError, match=said):
        pair(name, 2, shape, **options)


def test_single_networks_refuse_points():
    with pytest.raises(UserError, match="images"):
        nets.build_encoder((2,), 10, seed=0)
    with pytest.raises(UserError, match="unknown"):
        nets.build_classifier("none", (32, 32, 3), 10, seed=0)


@pytest.mark.parametrize("name", nets.NETS)
@pytest.mark.parametrize("policy", POLICIES, indirect=True)
def test_the_second_derivative_of_every_critic_lowers_under_xla(name, policy):
    """What a gradient penalty needs and XLA lacks of some operations in half precision."""
    generators, critics = pair(name, domains=1, d_norm="none" if name == "residual" else None)
    critic, weights = critics[0], [w.value for w in critics[0].trainable_variables]

    def step(z):
        x = tf.cast(nets.generate(generators[0], z, True).image, tf.float32)
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                score = tf.reduce_sum(critic(x, training=True))
            penalty = tf.reduce_sum(tf.square(inner.gradient(score, x)))
        return outer.gradient(penalty, weights, unconnected_gradients="zero")

    lowered = tf.function(step, jit_compile=True).experimental_get_compiler_ir(noise(2))
    assert "HloModule" in lowered(stage="hlo")
