"""Discriminators of patches: receptive fields, logits, norms, precision, weights, files."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from gantrain import nets
from gantrain.errors import UserError
from gantrain.nets import blocks, patch
from gantrain.nets.blocks import Row
from gantrain.nets.layers import InstanceNorm, SpectralNorm

NAMES = list(nets.PATCHES)
NUMERIC = [name for name in NAMES if name.isdigit()]
NARROW = 1 / 16
NORMS = ["batch", "layer", "instance", "none"]
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]
# The smallest images that every discriminator takes, so that an entry needs no line of its own.
SIZE = 96


@pytest.fixture
def policy(request):
    keras.config.set_dtype_policy(request.param)  # the fixture of conftest.py sets it back
    return request.param


def build(name, size=SIZE, channels=3, width=NARROW, seed=0, **options):
    return nets.build_patch_discriminator(
        name, channels, size=size, width=width, seed=seed, **options
    )


def images(*shape):
    return tf.random.stateless_uniform(shape, (3, 4), -1, 1)


def same_values(a, b):
    assert len(a) == len(b)
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def kernels(net):
    return [v for v in net.trainable_variables if v.path.endswith("kernel")]


def count(net):
    return sum(int(np.prod(v.shape)) for v in net.trainable_variables)


# Receptive fields


def test_the_flags_of_the_papers_are_there():
    assert {"1", "16", "70", "142", "286", "global"} <= set(NAMES)
    assert all(5 < len(entry.summary) < 80 for entry in nets.PATCHES.values())


@pytest.mark.parametrize("name", NUMERIC)
def test_the_computed_receptive_field_is_the_flag(name):
    assert nets.receptive_field(nets.patch_at(name, 1024)) == int(name)


def test_receptive_field_of_rows_by_hand():
    # Two pixels of the second row lie 3 apart and see 5 each.
    assert nets.receptive_field((Row("conv", 4, 5, 3), Row("conv", 4, 2, 1))) == 8
    assert nets.receptive_field((Row("conv", 4, 2, 2),) * 3) == 8
    assert nets.receptive_field(()) == 1


@pytest.mark.parametrize("name", NUMERIC)
def test_a_logit_depends_on_a_square_of_that_many_pixels(name):
    field = int(name)
    side = 2 * field + 64
    net = build(name, side, norm="none", weight_init="xavier")
    x = images(1, side, side, 3)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = net(x)
        middle = logits.shape[1] // 2
        logit = logits[0, middle, middle, 0]
    felt = np.any(tape.gradient(logit, x)[0] != 0, axis=-1)
    for axis in (0, 1):
        places = np.flatnonzero(felt.any(axis))
        assert places[0] > 0 and places[-1] < side - 1, "the whole patch lies in the image"
        assert places[-1] - places[0] + 1 == field
    assert felt.sum() == field**2


@pytest.mark.parametrize("size", [8, 9, 64, 96, 100, 143, 256])
def test_the_global_one_sees_the_whole_image_once(size):
    rows = nets.patch_at("global", size)
    assert nets.receptive_field(rows) >= size
    assert patch.logits_side(rows, size) == 1
    net = build("global", size, norm="none", weight_init="xavier")
    x = images(2, size, size, 3)
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = net(x)
    assert logits.shape == (2, 1, 1, 1)
    assert np.all(np.any(tape.gradient(logits, x) != 0, axis=-1))


def test_the_global_one_halves_down_to_four_pixels():
    for size, kernel in ((4, 4), (8, 4), (64, 4), (256, 4), (96, 3), (100, 3)):
        *halving, last = nets.patch_at("global", size)
        assert {(row.kernel, row.stride) for row in halving} <= {(4, 2)}
        assert (last.kernel, last.pad) == (kernel, "valid")


# Shapes and tables


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_a_map_of_the_computed_size(name):
    net = build(name)
    assert net.input_shape == (None, None, None, 3)
    for height, width in ((SIZE, SIZE), (SIZE, 160), (131, SIZE)):
        logits = net(images(2, height, width, 3), training=True)
        expected = [patch.logits_side(nets.patch_at(name, SIZE), side) for side in (height, width)]
        assert logits.shape == (2, *expected, 1)
        assert logits.dtype == tf.float32
        assert np.std(logits) > 0


@pytest.mark.parametrize(
    ("name", "size", "side"),
    [("1", 256, 256), ("16", 256, 126), ("70", 256, 30), ("70", 128, 14), ("286", 256, 6)],
)
def test_logits_of_the_papers(name, size, side):
    assert patch.logits_side(nets.patch_at(name, size), size) == side


def test_patch_70_is_the_papers_table():
    rows = nets.patch_at("70", 256)
    assert [(r.size, r.kernel, r.stride) for r in rows] == [
        (64, 4, 2), (128, 4, 2), (256, 4, 2), (512, 4, 1), (1, 4, 1),
    ]  # fmt: skip
    assert [r.norm for r in rows] == ["none", "batch", "batch", "batch", "none"]
    assert [r.activation for r in rows] == ["leaky_relu_0.2"] * 4 + ["linear"]
    assert [r.size for r in nets.patch_at("286", 256)] == [64, 128, 256, 512, 512, 512, 1]
    assert [r.size for r in nets.patch_at("1", 256)] == [64, 128, 1]


def test_patch_70_has_the_published_number_of_weights(monkeypatch):
    monkeypatch.setitem(blocks.WEIGHT_INITS, "normal", lambda seed: "zeros")
    # The PyTorch code prints 2.765 M: a bias, and no scale and shift, where an instance norm is.
    published = 2_764_737
    for norm, channels in (("batch", 3), ("instance", 3), ("batch", 6)):
        net = build("70", 256, channels, width=1.0, norm=norm)
        assert count(net) == published + (128 + 256 + 512) + 16 * 64 * (channels - 3)


def test_it_is_a_chain_of_convolutions_with_one_pixel_of_zeros():
    net = build("34", 32, norm="none", weight_init="xavier")
    x = images(2, 33, 32, 3)
    expected = x
    for number, stride in enumerate((2, 2, 1, 1)):
        layer = net.get_layer(f"d1_row{number}_weights")
        layer.bias.assign(tf.range(layer.filters, dtype=tf.float32) / 10)
        padded = np.pad(expected, ((0, 0), (1, 1), (1, 1), (0, 0)))
        expected = tf.nn.conv2d(padded, layer.kernel, stride, "VALID") + layer.bias
        if number < 3:
            expected = tf.maximum(expected, 0.2 * expected)
    np.testing.assert_allclose(net(x), expected, atol=1e-5)


# Norms


@pytest.mark.parametrize("name", NAMES)
def test_the_norm_replaces_batch_norm(name):
    kinds = (keras.layers.BatchNormalization, keras.layers.GroupNormalization, InstanceNorm)

    def found(norm):
        layers = build(name, norm=norm).layers
        return [sum(isinstance(layer, kind) for layer in layers) for kind in kinds]

    n = sum(row.norm == "batch" for row in nets.patch_at(name, SIZE))
    assert n > 0
    assert found(None) == found("batch") == [n, 0, 0]
    assert found("layer") == [0, n, 0]
    assert found("instance") == [0, 0, n]
    assert found("none") == [0, 0, 0]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["1", "70", "global"])
def test_only_batch_norm_mixes_the_images_of_a_batch(name, norm):
    # A gradient penalty is a sum over images: none of them may feel another.
    net = build(name, norm=norm, weight_init="xavier")
    x = images(2, SIZE, SIZE, 3) * tf.reshape([1.0, 3.0], (2, 1, 1, 1))
    together, alone = net(x, training=True)[:1], net(x[:1], training=True)
    assert np.allclose(together, alone, atol=1e-5) == (norm != "batch")


@pytest.mark.parametrize("norm", NORMS)
def test_a_bias_stands_where_no_norm_takes_it_away(norm):
    net = build("70", norm=norm)
    biased = [layer.use_bias for layer in net.layers if hasattr(layer, "kernel")]
    assert biased == [True, *[norm in ("layer", "none")] * 3, True]


@pytest.mark.parametrize("name", NAMES)
def test_spectral_norm_bounds_every_kernel(name):
    net = build(name, spectral_norm=True, norm="none")
    x = images(1, SIZE, SIZE, 3)
    before = net(x)
    wrapped = [layer for layer in net.layers if isinstance(layer, SpectralNorm)]
    assert len(wrapped) == len(kernels(net)) == len(nets.patch_at(name, SIZE))
    for kernel in kernels(net):
        kernel.assign(10 * kernel)
    np.testing.assert_allclose(net(x), before, rtol=1e-4, atol=1e-5)


# Weights, precision, files


@pytest.mark.parametrize("name", NAMES)
def test_seed_and_number_decide_every_weight(name):
    net, again, other, second = (
        build(name), build(name), build(name, seed=1), build(name, number=1)
    )  # fmt: skip
    assert same_values(net.weights, again.weights)
    for different in (other, second):
        for a, b in zip(kernels(net), kernels(different), strict=True):
            assert not np.array_equal(a, b)
    assert (net.name, second.name) == ("discriminator_1", "discriminator_2")


def test_a_generator_of_the_seed_has_other_weights():
    generator = nets.build_translator("unet", 64, 3, 3, width=NARROW, seed=0)
    first = kernels(generator)[0]
    assert first.shape == kernels(build("70"))[0].shape
    assert not np.array_equal(first, kernels(build("70"))[0])


@pytest.mark.parametrize("name", NAMES)
def test_width_scales_every_row_but_the_last(name):
    nets_ = build(name, width=1 / 8), build(name, width=1 / 4)
    narrow, wide = ([kernel.shape[-1] for kernel in kernels(net)] for net in nets_)
    assert narrow[-1] == wide[-1] == 1
    assert [2 * size for size in narrow[:-1]] == wide[:-1]


def test_initial_weights_are_the_papers():
    for kernel in kernels(build("70", width=0.5))[1:-1]:
        assert np.std(kernel) == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["70", "global"])
def test_logits_are_float32_under_every_norm_and_precision(policy, norm, name):
    net = build(name, norm=norm, spectral_norm=True)
    with tf.GradientTape() as tape:
        logits = net(images(1, SIZE, SIZE, 3), training=True)
        loss = tf.reduce_mean(tf.square(logits))
    assert logits.dtype == tf.float32
    hidden = {"float32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
    assert net.get_layer("d1_row0_activation").output.dtype == hidden[policy]
    gradients = tape.gradient(loss, net.trainable_variables)
    assert all(np.all(np.isfinite(g)) for g in gradients)
    assert {v.dtype for v in net.trainable_variables} == {"float32"}
    assert net.losses == []


@pytest.mark.parametrize("policy", POLICIES[:2], indirect=True)
@pytest.mark.parametrize("name", NAMES)
def test_saved_networks_come_back_bit_for_bit(name, policy, tmp_path):
    x = images(1, SIZE, SIZE, 3)
    for norm in NORMS:
        net = build(name, norm=norm, spectral_norm=norm == "none")
        net(x, training=True)
        net.save(tmp_path / "net.keras")
        loaded = keras.models.load_model(tmp_path / "net.keras")
        assert same_values(net.variables, loaded.variables)
        assert np.array_equal(net(x, training=False), loaded(x, training=False))


# What a user can get wrong


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("286", 64, "--patch 286 needs --image_size 96 or more, and this data has 64 pixels"),
        ("70", 16, "--patch 70 needs --image_size 24 or more"),
        ("35", 256, "--patch '35' is unknown: choose one of"),
    ],
)
def test_misfits_are_user_errors(name, size, said):
    with pytest.raises(UserError, match=said):
        build(name, size)


@pytest.mark.parametrize("name", [name for name in NUMERIC if name != "1"])
def test_the_size_that_the_error_names_is_enough(name):
    with pytest.raises(UserError) as error:
        build(name, 8 if name != "16" else 5)
    least = int(re.search(r"--image_size (\d+) or more", str(error.value))[1])
    net = build(name, least, norm="instance", weight_init="xavier")
    x = images(1, least, least, 3)
    assert net(x).shape == (1, 1, 1, 1)
    # No norm is left with a single pixel, of which it would leave nothing.
    assert not np.allclose(net(x), net(x[:, ::-1] + 0.5), rtol=1e-3)
    with pytest.raises(UserError, match=f"--image_size {least} "):
        build(name, least - 1)
