"""Player, Average, Draw and the learning rate, against what a few lines of NumPy give."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gantrain.config import make
from gantrain.game import Player, watched
from gantrain.noise import Draw
from gantrain.optimizers import Average, adam
from gantrain.schedules import Adam, LinearDecay
from gantrain.variables import unique


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def line(inputs=3, outputs=2, seed=0):
    """x -> x W, a model with one kernel and no bias."""
    x = keras.Input((inputs,))
    dense = layers.Dense(
        outputs, use_bias=False, kernel_initializer=keras.initializers.GlorotNormal(seed)
    )
    return keras.Model(x, dense(x))


def sgd(rate=0.1):
    return keras.optimizers.SGD(rate)


# ------------------------------------------------------------------------------------------ descend


def test_one_step_of_gradient_descent():
    """w <- w - lr * d(2 mean((x w)^2) + 3 sum(w)) / dw."""
    net, x = line(), normal(5, 3)
    player = Player("p", [net], sgd(0.1))
    w = player.weights[0].numpy().astype(np.float64)
    logs = player.descend(
        lambda: {
            "square": (2.0, tf.reduce_mean(net(x) ** 2)),
            "sum": (3.0, tf.reduce_sum(net.trainable_variables[0])),
            "seen": watched(tf.reduce_sum(net(x))),
        }
    )
    y = x @ w
    gradient = 2 * 2 * x.T @ y / y.size + 3
    np.testing.assert_allclose(player.weights[0], w - 0.1 * gradient, rtol=1e-5)
    expected = {
        "p/square": (y**2).mean(),
        "p/sum": w.sum(),
        "p/seen": y.sum(),
        "p/loss": 2 * (y**2).mean() + 3 * w.sum(),
        "p/grad_norm": np.sqrt((gradient**2).sum()),
    }
    assert {k: float(v) for k, v in logs.items()} == pytest.approx(expected, rel=1e-5)


def test_a_watched_value_has_no_part_in_the_loss_even_if_it_is_not_finite():
    net = line()
    player = Player("p", [net], sgd())
    logs = player.descend(
        lambda: {"a": (1.0, tf.reduce_sum(net(normal(2, 3)))), "b": watched(tf.constant(np.nan))}
    )
    assert np.isfinite(logs["p/loss"]) and np.isnan(logs["p/b"])
    assert np.all(np.isfinite(player.weights[0]))


def test_a_shared_layer_moves_once():
    """Two networks share a layer: its gradient is the sum of both, its step is one."""
    x, shared = normal(4, 3), layers.Dense(2, use_bias=False)
    nets = []
    for _ in range(2):
        inputs = keras.Input((3,))
        nets.append(keras.Model(inputs, layers.Dense(1, use_bias=False)(shared(inputs))))
    player = Player("p", nets, sgd(0.1))
    assert len(player.weights) == 3
    a, b, c = shared.kernel.numpy(), *(n.layers[-1].kernel.numpy() for n in nets)
    player.descend(lambda: {str(i): (1.0, tf.reduce_sum(n(x))) for i, n in enumerate(nets)})
    total = x.sum(0)[:, None]
    np.testing.assert_allclose(shared.kernel, a - 0.1 * total @ (b + c).T, rtol=1e-5)
    for net, head in zip(nets, (b, c), strict=True):
        np.testing.assert_allclose(
            net.layers[-1].kernel, head - 0.1 * (x @ a).sum(0)[:, None], rtol=1e-5
        )


def test_the_opponent_is_frozen():
    mine, theirs = line(), line(2, 1)
    player = Player("p", [mine], sgd())
    before = theirs.get_weights()[0]
    player.descend(lambda: {"a": (1.0, tf.reduce_sum(theirs(mine(normal(2, 3)))))})
    np.testing.assert_array_equal(theirs.get_weights()[0], before)


def test_weight_decay_is_a_term_over_the_kernels():
    """c sum w^2 over kernels, biases left out, and its gradient 2 c w is applied."""
    x = keras.Input((4, 4, 1))
    net = keras.Model(
        x,
        layers.Dense(2, bias_initializer="ones")(
            layers.Flatten()(
                layers.BatchNormalization()(layers.Conv2D(3, 3, bias_initializer="ones")(x))
            )
        ),
    )
    player = Player("p", [net], sgd(0.1), weight_decay=0.5)
    before = {w.path: w.numpy() for w in player.weights}
    logs = player.descend(lambda: {"none": (1.0, 0.0 * tf.reduce_sum(net(normal(2, 4, 4, 1))))})
    kernels = [v for path, v in before.items() if path.endswith("kernel")]
    assert len(kernels) == 2
    expected = sum((k.astype(np.float64) ** 2).sum() for k in kernels)
    assert float(logs["p/l2"]) == pytest.approx(expected, rel=1e-5)
    assert float(logs["p/loss"]) == pytest.approx(0.5 * expected, rel=1e-5)
    for w in player.weights:
        factor = 1 - 0.1 * 2 * 0.5 if w.path.endswith("kernel") else 1
        np.testing.assert_allclose(w, factor * before[w.path], rtol=1e-5, atol=1e-7)


def test_weight_decay_reaches_kernels_under_spectral_normalisation():
    from gantrain.nets.layers import SpectralNorm

    x = keras.Input((3,))
    player = Player(
        "p", [keras.Model(x, SpectralNorm(layers.Dense(2))(x))], sgd(), weight_decay=1.0
    )
    assert [w.name for w in player.kernels] == ["kernel"]


def test_clipping_bounds_every_weight():
    player = Player("p", [line()], sgd(10.0), clip=0.05)
    net = player.networks[0]
    player.descend(lambda: {"a": (1.0, tf.reduce_sum(net(normal(2, 3))))})
    assert np.abs(player.weights[0]).max() == np.float32(0.05)


def test_a_weight_that_no_gradient_reaches_is_named():
    used, unused = line(), line()
    player = Player("p", [used, unused], sgd())
    with pytest.raises(RuntimeError, match=f"player p: no gradient .*{unused.weights[0].path}"):
        player.descend(lambda: {"a": (1.0, tf.reduce_sum(used(normal(2, 3))))})


def half(optimizer):
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0**10)


def test_loss_scaling_changes_neither_the_update_nor_the_logged_norm():
    logs, weights = [], []
    for optimizer in (keras.optimizers.Adam(0.01), half(keras.optimizers.Adam(0.01))):
        net = line()
        player = Player("p", [net], optimizer, weight_decay=0.1)
        for _ in range(3):
            last = player.descend(
                lambda net=net: {"a": (1.0, tf.reduce_mean(net(normal(5, 3)) ** 2))}
            )
        logs.append({k: float(v) for k, v in last.items()})
        weights.append(player.weights[0].numpy())
    assert logs[0] == pytest.approx(logs[1], rel=1e-5)
    np.testing.assert_allclose(*weights, rtol=1e-5)


def test_the_logged_norm_is_right_when_the_scale_grows():
    """The scale doubles inside `apply`; the gradient was scaled by the one before."""
    net = line()
    norms = []
    for optimizer in (
        sgd(0.0),
        keras.optimizers.LossScaleOptimizer(sgd(0.0), initial_scale=8.0, dynamic_growth_steps=1),
    ):
        player = Player("p", [net], optimizer)
        norms += [
            float(
                player.descend(lambda: {"a": (1.0, tf.reduce_mean(net(normal(5, 3)) ** 2))})[
                    "p/grad_norm"
                ]
            )
            for _ in range(3)
        ]
    assert float(optimizer.dynamic_scale) == 64
    assert norms == pytest.approx([norms[0]] * 6)


def test_an_overflow_under_loss_scaling_is_no_divergence():
    """Such an update is skipped and the scale halved: all in a day's work of float16."""
    optimizer = keras.optimizers.LossScaleOptimizer(sgd(0.1), initial_scale=3e38)
    net = line()
    player = Player("p", [net], optimizer)
    before = player.weights[0].numpy()
    logs = player.descend(lambda: {"a": (1e3, tf.reduce_sum(net(normal(5, 3)) ** 2))})
    np.testing.assert_array_equal(player.weights[0], before)
    assert float(optimizer.dynamic_scale) == pytest.approx(1.5e38)
    assert all(np.isfinite(v) for v in logs.values())


def test_half_precision_alone_scales_the_loss():
    for precision, scaled in (
        ("float32", False),
        ("mixed_bfloat16", False),
        ("mixed_float16", True),
    ):
        optimizer = adam(1e-3, 0.5, 0.9, make(gan_type="gan", precision=precision), 10)
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == scaled


def test_adam_gets_its_own_numbers():
    optimizer = adam(3e-4, 0.5, 0.9, make(gan_type="gan"), 10)
    assert float(optimizer.learning_rate) == pytest.approx(3e-4)
    assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.9)


def test_unique_keeps_order():
    a, b = tf.Variable(1.0), tf.Variable(1.0)
    assert [id(v) for v in unique([b, a, b])] == [id(b), id(a)]


# ------------------------------------------------------------------------------------ learning rate


@pytest.mark.parametrize(
    "share, steps, expected",
    [
        (1.0, [0, 50, 100], [1.0, 0.5, 0.0]),
        (0.5, [0, 49, 50, 75, 100, 120], [1.0, 1.0, 1.0, 0.5, 0.0, 0.0]),
        (0.1, [0, 89, 90, 95, 99], [1.0, 1.0, 1.0, 0.5, 0.1]),
    ],
)
def test_linear_decay(share, steps, expected):
    rate = LinearDecay(0.2, 100, share)
    assert [float(rate(s)) for s in steps] == pytest.approx([0.2 * e for e in expected], abs=1e-7)


def test_linear_decay_follows_the_optimizers_own_count():
    optimizer = adam(1.0, 0.0, 0.0, make(gan_type="gan", lr_decay=1.0), 4)
    w = keras.Variable(np.zeros(1, np.float32))
    optimizer.build([w])
    rates = []
    for _ in range(4):
        rates.append(float(optimizer.learning_rate))
        optimizer.apply([tf.ones(1)], [w])
    assert rates == pytest.approx([1.0, 0.75, 0.5, 0.25])


# ------------------------------------------------------------------------------------------ average


def test_average_in_closed_form():
    """s_t = d_t s + (1 - d_t) w with d_t = min(d, (1 + t) / (10 + t))."""
    net = line()
    average = Average([net], 0.5)
    (shadow,), w = average.networks[0].get_weights(), net.weights[0]
    np.testing.assert_array_equal(shadow, w)
    for t in range(12):
        w.assign(normal(3, 2, seed=t))
        average.follow(tf.constant(t, tf.int64))
        d = min(0.5, (1 + t) / (10 + t))
        shadow = d * shadow + (1 - d) * w.numpy()
        np.testing.assert_allclose(average.networks[0].weights[0], shadow, rtol=1e-5, atol=1e-6)


def test_average_copies_the_statistics_of_normalisation():
    x = keras.Input((3,))
    net = keras.Model(x, layers.BatchNormalization()(layers.Dense(3)(x)))
    average = Average([net], 0.9)
    mean, variance = net.layers[-1].moving_mean, net.layers[-1].moving_variance
    mean.assign(normal(3)), variance.assign(normal(3, seed=1) ** 2)
    average.follow(tf.constant(1000, tf.int64))
    shadow = average.networks[0].layers[-1]
    np.testing.assert_array_equal(shadow.moving_mean, mean)
    np.testing.assert_array_equal(shadow.moving_variance, variance)


def test_average_is_another_network():
    net = line()
    average = Average([net], 0.9)
    assert not {id(v) for v in net.variables} & {id(v) for v in average.networks[0].variables}
    net.weights[0].assign_add(np.ones((3, 2)))
    assert not np.allclose(average.networks[0].weights[0], net.weights[0])


# --------------------------------------------------------------------------------------------- draw


def drawn(seed=0, step=0, batch=6, replica=0, replicas=1):
    draw = Draw(seed, tf.constant(step, tf.int64), batch, replica, replicas)
    return [
        np.array(v)
        for v in (
            draw.uniform(3),
            draw.normal(3),
            draw.uniform(3),
            draw.normal(2, 2, 1),
            draw.uniform(low=2.0, high=5.0),
        )
    ]


def test_draws_are_a_function_of_seed_and_step():
    for one, other in zip(drawn(1, 2), drawn(1, 2), strict=True):
        np.testing.assert_array_equal(one, other)
    for other in (drawn(1, 3), drawn(2, 2), drawn(1, 2**31 - 1)):
        assert all(not np.array_equal(a, b) for a, b in zip(drawn(1, 2), other, strict=True))


def test_draws_of_an_iteration_differ():
    first, gauss, second, *_ = drawn()
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, gauss)


def test_draws_have_their_shape_and_distribution():
    draw = Draw(0, tf.constant(0, tf.int64), 20_000)
    uniform, gauss = np.array(draw.uniform(2, low=-1.0, high=1.0)), np.array(draw.normal(2))
    assert uniform.shape == gauss.shape == (20_000, 2) and uniform.dtype == np.float32
    assert -1 <= uniform.min() < -0.999 and 0.999 < uniform.max() < 1
    assert abs(uniform.mean()) < 0.02 and uniform.std() == pytest.approx(3**-0.5, rel=0.02)
    assert abs(gauss.mean()) < 0.02 and gauss.std() == pytest.approx(1, rel=0.02)
    assert draw.uniform().shape == (20_000,)


@pytest.mark.parametrize("replicas", [2, 3])
def test_replicas_partition_the_global_draw(replicas):
    whole = drawn()
    parts = [drawn(replica=tf.constant(r), replicas=replicas) for r in range(replicas)]
    for index, value in enumerate(whole):
        assert all(len(p[index]) == 6 // replicas for p in parts)
        np.testing.assert_array_equal(np.concatenate([p[index] for p in parts]), value)


def test_a_draw_set_aside_disturbs_nothing_and_repeats_nothing():
    def numbers(used):
        draw = Draw(0, tf.constant(0, tf.int64), 4)
        before, aside, other = draw.uniform(3), draw.aside(), draw.aside()
        extra = [v.uniform(3) for v in (aside, aside, other)] if used else []
        return [np.array(v) for v in (before, draw.uniform(3))], [np.array(v) for v in extra]

    (with_use, extra), (without, _) = numbers(True), numbers(False)
    np.testing.assert_array_equal(with_use, without)
    assert len({v.tobytes() for v in with_use + extra}) == 5


def step(optimizer, weight, gradient):
    optimizer.apply([gradient], [weight])


@pytest.mark.parametrize("xla", [False, True])
def test_adam_is_keras_s(xla):
    weights = []
    for kind in (keras.optimizers.Adam, Adam):
        rng = np.random.default_rng(0)
        weight = keras.Variable(rng.normal(size=(30, 7)))
        optimizer = kind(1e-2, beta_1=0.5, beta_2=0.99)
        optimizer.build([weight])
        update = tf.function(functools.partial(step, optimizer, weight), jit_compile=xla)
        for _ in range(10):
            update(tf.constant(rng.normal(size=(30, 7)), tf.float32))
        weights.append(weight.numpy())
    np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-6)
    assert np.abs(weights[1]).max() > 0.1
