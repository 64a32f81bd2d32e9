"""The layers of our own, against NumPy and against the layers they stand for."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gantrain import nets
from gantrain.nets.layers import (
    BatchNorm,
    ConvPool2D,
    ConvTranspose2D,
    Dropout,
    MaxPool2x2,
    MinibatchStd,
    PReLU,
    ResizeConv2D,
    SpectralNorm,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def matrix(kernel):
    return np.reshape(kernel, (-1, kernel.shape[-1]))


LAYERS = {
    "dense": (lambda: layers.Dense(6), (5,)),
    "conv": (lambda: layers.Conv2D(6, 3, padding="same"), (8, 8, 5)),
    "convt": (lambda: layers.Conv2DTranspose(6, 4, 2, padding="same"), (8, 8, 5)),
    "resize_conv": (lambda: ResizeConv2D(6, 3, padding="same"), (8, 8, 5)),
    "conv_pool": (lambda: ConvPool2D(6, 3, padding="same"), (8, 8, 5)),
}


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_spectral_norm_divides_by_the_largest_singular_value(kind):
    make, shape = LAYERS[kind]
    x = draw(2, *shape)
    normed = SpectralNorm(make())
    normed(x)
    kernel = normed.layer.kernel.numpy()
    largest = np.linalg.svd(matrix(kernel), compute_uv=False)[0]
    assert float(normed.sigma()) == pytest.approx(largest, rel=0.1)  # 15 iterations
    for _ in range(200):
        normed.sigma(training=True)
    assert float(normed.sigma()) == pytest.approx(largest, rel=1e-4)

    plain = make()
    plain(x)
    plain.set_weights([kernel / largest, normed.layer.bias])
    np.testing.assert_allclose(normed(x), plain(x), atol=1e-4)


def test_spectral_norm_leaves_the_kernel_and_moves_u_in_training_only():
    normed = SpectralNorm(layers.Dense(6))
    x = draw(2, 5)
    normed(x)
    normed.layer.kernel.assign(draw(5, 6, seed=1))
    kernel, u = normed.layer.kernel.numpy(), normed.u.numpy()
    normed(x, training=False)
    assert np.array_equal(normed.u, u)
    normed(x, training=True)
    assert not np.array_equal(normed.u, u)
    assert np.array_equal(normed.layer.kernel, kernel)
    assert [v.path.split("/")[-1] for v in normed.trainable_variables] == ["kernel", "bias"]
    assert [v.path.split("/")[-1] for v in normed.non_trainable_variables] == ["u"]


def test_gradient_flows_through_sigma():
    normed = SpectralNorm(layers.Dense(6))
    x = draw(4, 5)
    normed(x)
    for _ in range(200):
        normed.sigma(training=True)
    with tf.GradientTape(persistent=True) as tape:
        sigma = normed.sigma()
        loss = tf.reduce_sum(tf.square(normed(x)))
    kernel = normed.layer.kernel
    left, _, right = np.linalg.svd(kernel.numpy())
    np.testing.assert_allclose(
        tape.gradient(sigma, kernel.value), np.outer(left[:, 0], right[0]), atol=1e-3
    )
    # W / sigma(W) does not change with the scale of W: the gradient is orthogonal to W.
    gradient = tape.gradient(loss, kernel.value)
    assert np.abs(gradient).max() > 0.1
    assert abs(np.sum(gradient * kernel)) < 1e-3 * np.linalg.norm(gradient)


def test_singular_vectors_are_constants_to_the_gradient():
    normed = SpectralNorm(layers.Dense(6))
    normed(draw(4, 5))
    kernel = normed.layer.kernel
    kernel.assign(draw(5, 6, seed=1))  # far from the u that was found at the start
    with tf.GradientTape() as tape:
        sigma = normed.sigma()
    v = kernel.numpy() @ normed.u.numpy()
    v /= np.linalg.norm(v)
    u = v @ kernel.numpy()
    u /= np.linalg.norm(u)
    np.testing.assert_allclose(tape.gradient(sigma, kernel.value), np.outer(v, u), atol=1e-5)


def test_a_frozen_layer_can_be_normalised():
    normed = SpectralNorm(layers.Dense(6))
    x = draw(2, 5)
    before = normed(x)
    normed.trainable = False
    np.testing.assert_allclose(normed(x), before, rtol=1e-6)


def test_every_kernel_of_a_discriminator_is_normalised():
    for name in ("cogan32", "residual"):
        _, (d,) = nets.build_gan(
            name, 1, (32, 32, 3), noise_dim=8, width=1 / 16, spectral_norm=True, seed=0
        )
        x = draw(2, 32, 32, 3)
        before = d(x)
        for v in d.trainable_variables:
            if v.path.endswith("kernel"):
                v.assign(10 * v)
        np.testing.assert_allclose(d(x), before, rtol=1e-4, atol=1e-5)


def test_resize_convolution_is_resize_then_convolution():
    x = draw(2, 6, 6, 4)
    fused = ResizeConv2D(7, 3, padding="same", bias_initializer="random_normal")
    made = fused(x)
    plain = keras.Sequential([layers.UpSampling2D(2), layers.Conv2D(7, 3, padding="same")])
    plain(x)
    plain.set_weights(fused.get_weights())
    assert made.shape == fused.compute_output_shape(x.shape) == (2, 12, 12, 7)
    np.testing.assert_allclose(made, plain(x), atol=1e-5)


def test_pooled_convolution_is_convolution_then_pooling():
    x = draw(2, 6, 6, 4)
    fused = ConvPool2D(7, 3, padding="same", bias_initializer="random_normal")
    made = fused(x)
    plain = keras.Sequential([layers.Conv2D(7, 3, padding="same"), layers.AveragePooling2D(2)])
    plain(x)
    plain.set_weights(fused.get_weights())
    assert made.shape == fused.compute_output_shape(x.shape) == (2, 3, 3, 7)
    np.testing.assert_allclose(made, plain(x), atol=1e-5)


@pytest.mark.parametrize("shape", [(5, 3), (5, 4, 4, 3)])
def test_minibatch_std_appends_the_mean_deviation(shape):
    x = draw(*shape)
    made = MinibatchStd()(x).numpy()
    assert np.array_equal(made[..., :-1], x)
    np.testing.assert_allclose(made[..., -1], x.std(axis=0).mean(), rtol=1e-4)


def test_minibatch_std_has_a_gradient_at_a_collapsed_batch():
    x = tf.ones((4, 2, 2, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(MinibatchStd()(x))
    assert np.all(np.isfinite(tape.gradient(y, x)))


def test_residual_tables_grow_with_the_image():
    for size in (16, 32, 128):
        pair = nets.NETS["residual"].at(size)
        assert sum(row.kind == "res_up" for row in pair.generator) == np.log2(size / 4)
        assert sum(row.kind == "res_down" for row in pair.discriminator) == np.log2(size / 4)
    assert [row.size for row in pair.generator if row.kind == "res_up"] == [256, 256, 256, 128, 64]
    assert [row.size for row in pair.discriminator if row.kind == "res_down"] == [
        32, 64, 128, 128, 128,
    ]  # fmt: skip


def outputs_and_gradients(layer, x, training=False):
    """What a layer gives, and the gradients of a function of it: inputs first, then weights."""
    with tf.GradientTape() as tape:
        inputs = tf.constant(x)
        tape.watch([inputs, *(v.value for v in layer.trainable_variables)])
        y = layer(inputs, training=training) if training else layer(inputs)
        loss = tf.reduce_sum(tf.sin(tf.cast(y, tf.float32)))
    wanted = [inputs, *(v.value for v in layer.trainable_variables)]
    return [y, *tape.gradient(loss, wanted)]


@pytest.mark.parametrize("side, kernel, filters", [(8, 6, 3), (6, 3, 1), (10, 5, 4), (12, 4, 3)])
def test_transposed_convolution_by_blocks_is_the_plain_one(side, kernel, filters):
    x = draw(2, side, side, 7)
    ours = ConvTranspose2D(
        filters, kernel, padding="same", bias_initializer=keras.initializers.RandomNormal(seed=1)
    )
    plain = layers.Conv2DTranspose(filters, kernel, padding="same")
    ours(x), plain(x)
    plain.set_weights(ours.get_weights())
    for one, other in zip(
        outputs_and_gradients(ours, x), outputs_and_gradients(plain, x), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_transposed_convolution_takes_the_blocks_where_they_are_quicker(monkeypatch):
    """To few channels, at stride 1, for even sides: any other is Keras's own."""
    taken = []
    from gantrain.nets import layers

    plain = layers._transposed_by_blocks
    monkeypatch.setattr(
        layers, "_transposed_by_blocks", lambda *a: taken.append(a[0].shape) or plain(*a)
    )
    for side, filters, stride in [(8, 3, 1), (7, 3, 1), (8, 5, 1), (8, 3, 2)]:
        ConvTranspose2D(filters, 3, stride, padding="same")(draw(1, side, side, 2))
    assert taken == [(1, 8, 8, 2)]


def test_prelu_is_that_of_keras():
    x = draw(3, 4, 4, 5)
    ours, plain = PReLU(shared_axes=[1, 2]), layers.PReLU(shared_axes=[1, 2])
    ours(x), plain(x)
    for layer in (ours, plain):
        layer.alpha.assign(np.linspace(-0.5, 1.5, 5).reshape(1, 1, 5))
    for one, other in zip(
        outputs_and_gradients(ours, x), outputs_and_gradients(plain, x), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_batch_norm_is_that_of_keras_but_for_the_unbiased_running_variance():
    x = 3.0 * draw(4, 5, 5, 6) + 2.0
    ours, plain = BatchNorm(momentum=0.9), layers.BatchNormalization(momentum=0.9)
    for layer in (ours, plain):
        layer.build(x.shape)
        layer.gamma.assign(draw(6, seed=1))
        layer.beta.assign(draw(6, seed=2))
    for one, other in zip(
        outputs_and_gradients(ours, x, training=True),
        outputs_and_gradients(plain, x, training=True),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(ours.moving_mean, plain.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(
        ours.moving_variance, 0.9 + 0.1 * np.var(x, axis=(0, 1, 2), ddof=1), rtol=1e-4
    )
    np.testing.assert_allclose(
        plain.moving_variance, 0.9 + 0.1 * np.var(x, axis=(0, 1, 2)), rtol=1e-4
    )
    ours.moving_variance.assign(plain.moving_variance)
    np.testing.assert_allclose(ours(x), plain(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_batch_norm_keeps_its_statistics_in_float32(policy):
    layer = BatchNorm(momentum=0.0, dtype=policy)
    x = 3.0 * draw(4, 5, 5, 6) + 200.0
    y = layer(tf.cast(x, layer.compute_dtype), training=True)
    assert y.dtype == layer.compute_dtype
    assert layer.moving_mean.dtype == "float32"
    np.testing.assert_allclose(layer.moving_mean, x.mean((0, 1, 2)), rtol=1e-2)


def test_no_bias_in_front_of_batch_statistics():
    """They would subtract it again."""
    generators, discriminators = nets.build_gan(
        "cogan32", 1, (32, 32, 3), noise_dim=5, width=0.1, seed=0
    )
    biases = [v.path for v in generators[0].trainable_variables if v.name == "bias"]
    assert [path.split("/")[0] for path in biases] == ["g1_row4_weights"]
    kernels = [v for v in discriminators[0].trainable_variables if v.name == "kernel"]
    assert len(kernels) == len(
        [v for v in discriminators[0].trainable_variables if v.name == "bias"]
    )


@pytest.mark.parametrize("height, width", ((4, 6), (5, 7)))
def test_max_pool_equals_keras(height, width):
    x = tf.random.stateless_normal((2, height, width, 3), (1, 2))
    made = MaxPool2x2()(x)
    np.testing.assert_array_equal(made, keras.layers.MaxPooling2D(2, 2)(x))


@pytest.mark.parametrize("precision", ("float32", "bfloat16", "float16"))
def test_gradient_penalty_through_a_pool_compiles(precision):
    """XLA's second derivative of its own max pool exists in float32 alone, and is inexact there."""
    pool, kernel = MaxPool2x2(dtype=precision), tf.constant([[1.0, -2.0], [0.5, 3.0]])
    x = tf.random.stateless_normal((2, 4, 4, 2), (1, 2))

    def penalty(kernel):
        with tf.GradientTape() as outer:
            outer.watch(kernel)
            with tf.GradientTape() as inner:
                inner.watch(x)
                hidden = tf.cast(tf.matmul(x, kernel), precision)
                out = tf.reduce_sum(tf.square(tf.cast(pool(hidden), tf.float32)))
            squares = tf.reduce_sum(tf.square(inner.gradient(out, x)))
        return outer.gradient(squares, kernel)

    plain = penalty(kernel).numpy()
    fused = tf.function(penalty, jit_compile=True)(kernel).numpy()
    tolerance = {"float32": 1e-5, "bfloat16": 5e-2, "float16": 1e-2}[precision]
    np.testing.assert_allclose(plain, fused, rtol=tolerance, atol=tolerance * abs(plain).max())


def test_dropout_draws_the_same_under_xla():
    x, made = tf.ones((3, 50)), []
    for xla in (False, True):
        drop = Dropout(0.3, seed=5)
        drop.build(x.shape)
        made.append(
            tf.function(lambda x, drop=drop: drop(x, training=True), jit_compile=xla)(x).numpy()
        )
    np.testing.assert_allclose(*made, rtol=1e-6)
    assert np.allclose(np.unique(made[0]), (0.0, 1 / 0.7))
    assert 0.15 < np.mean(made[0] == 0) < 0.45
    np.testing.assert_array_equal(Dropout(0.3)(x, training=False), x)
