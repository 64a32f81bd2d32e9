"""Generators from images to images: shapes, skips, dropout, precision, weights, files."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gantrain import nets
from gantrain.errors import UserError
from gantrain.nets import blocks, translation
from gantrain.nets.layers import DepthToSpace, Icnr, InstanceNorm, ReflectionPad2D, ResizeConv2D

NAMES = list(nets.TRANSLATORS)
UNETS = [name for name in NAMES if nets.TRANSLATORS[name].halvings is None]
SIZE = 32
NARROW = 1 / 16
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]


@pytest.fixture
def policy(request):
    keras.config.set_dtype_policy(request.param)  # the fixture of conftest.py sets it back
    return request.param


def build(name, size=SIZE, channels=(3, 2), width=NARROW, seed=0, **options):
    return nets.build_translator(name, size, *channels, width=width, seed=seed, **options)


def images(*shape):
    return tf.random.stateless_uniform(shape, (3, 4), -1, 1)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def same_values(a, b):
    assert len(a) == len(b)
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def kernels(net):
    return [v for v in net.trainable_variables if v.path.endswith("kernel")]


def layers_of(net, kind):
    return [layer for layer in net.layers if isinstance(layer, kind)]


def count(net):
    return sum(int(np.prod(v.shape)) for v in net.trainable_variables)


# Shapes and sizes


@pytest.mark.parametrize("name", NAMES)
def test_an_image_of_any_multiple_gives_an_image_of_its_size(name):
    net = build(name)
    step = nets.multiple(name, SIZE)
    for height, width in ((SIZE, SIZE), (SIZE, 3 * step + SIZE), (2 * SIZE, SIZE)):
        made = net(images(2, height, width, 3))
        assert made.shape == (2, height, width, 2)
        assert made.dtype == tf.float32
        assert np.abs(made).max() <= 1 and np.std(made) > 0
    assert net.input_shape == (None, None, None, 3)
    assert net.output_shape == (None, None, None, 2)


@pytest.mark.parametrize("upsample", sorted(nets.UPSAMPLES))
@pytest.mark.parametrize("name", ["unetpp", "resnet6"])
def test_every_way_of_doubling_keeps_sizes_inside_a_compiled_step(name, upsample):
    net = build(name, upsample=upsample, dropout=0.5)
    compiled = tf.function(lambda x: net(x, training=False))
    for shape in ((1, SIZE, SIZE, 3), (2, SIZE, 2 * SIZE, 3)):
        x = images(*shape)
        assert compiled(x).shape == (*shape[:-1], 2)
        np.testing.assert_allclose(compiled(x), net(x), atol=1e-5)


@pytest.mark.parametrize(
    ("size", "halvings"), [(8, 3), (16, 4), (64, 6), (96, 5), (128, 7), (256, 8), (320, 6)]
)
def test_a_unet_halves_as_often_as_its_size_can_be_halved(size, halvings):
    assert nets.multiple("unet", size) == 2**halvings
    assert nets.multiple("resnet9", size) == 4
    rows = nets.TRANSLATORS["unet"].rows(halvings, "transpose", 0.5)
    assert sum(row.kind == "conv" for row in rows) == halvings
    assert sum(row.kind == "convt" for row in rows) == halvings
    assert any(row.dropout for row in rows), "a rate is never without effect"
    assert not any(row.dropout for row in rows[-2:])


def test_the_innermost_map_is_one_pixel():
    net = build("unet")
    inner = keras.Model(net.input, net.get_layer("g1_row4_activation").output)
    assert inner(images(1, SIZE, SIZE, 3)).shape[1:3] == (1, 1)


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("unet", 286, "--image_size to be a multiple of 8, such as 280; this data has 286 pixels"),
        ("unetpp", 4, "--image_size to be a multiple of 8, such as 8;"),
        ("resnet9", 286, "--image_size to be a multiple of 4, such as 284;"),
        ("segnet", 256, "'segnet' is unknown"),
    ],
)
def test_misfits_are_user_errors(name, size, said):
    with pytest.raises(UserError, match=said):
        build(name, size)
    with pytest.raises(UserError, match=said):
        nets.multiple(name, size)


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_has_its_line(name):
    summary = nets.TRANSLATORS[name].summary
    assert 5 < len(summary) < 80 and "\n" not in summary


# The tables


def test_unet_256_is_the_papers_table():
    rows = nets.TRANSLATORS["unet"].rows(8, "transpose", 0.5)
    down, up = rows[:8], rows[8:]
    assert [row.size for row in down] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert [row.size for row in up[:-1]] == [512, 512, 512, 512, 256, 128, 64]
    assert [row.dropout for row in up] == [0.5] * 3 + [0] * 5
    assert [row.norm for row in down] == ["none"] + ["batch"] * 6 + ["none"]
    assert {(row.kernel, row.stride) for row in rows} == {(4, 2)}
    assert {row.activation for row in down} == {"leaky_relu_0.2"}
    assert [row.activation for row in up] == ["relu"] * 7 + ["tanh"]


def conv(k, i, o, bias=0):
    return k * k * i * o + bias * o


def affine(*channels):
    return 2 * sum(channels)


RESNET_CHANNELS = (64, 128, 256, 128, 64)


def resnet(blocks):
    """Without the biases in front of a norm: the PyTorch code has those, and norms without affine.

    Its 11,378,179 weights (`resnet_9blocks`, printed as 11.378 M) are these with one bias instead
    of a scale and a shift per channel.
    """
    return (
        conv(7, 3, 64) + conv(3, 64, 128) + conv(3, 128, 256)
        + 2 * blocks * conv(3, 256, 256)
        + conv(3, 256, 128) + conv(3, 128, 64) + conv(7, 64, 3, 1)
        + affine(*RESNET_CHANNELS) + affine(256) * 2 * blocks
    )  # fmt: skip


def test_published_networks_have_their_number_of_weights(monkeypatch):
    # Only the shapes matter, and 54 million random numbers take seconds.
    monkeypatch.setitem(blocks.WEIGHT_INITS, "normal", lambda seed: "zeros")

    def weights(name):
        return count(build(name, 256, (3, 3), width=1.0))

    # The PyTorch code's `unet_256` (54.414 M) has no bias in its first and innermost row either.
    assert weights("unet") == 54_413_955 + 64 + 512
    assert weights("resnet9") == resnet(9) == 11_378_179 + sum(RESNET_CHANNELS) + 18 * 256
    assert weights("resnet6") == resnet(6)
    sizes = [64, 128, 256, 512, 512, 512, 512, 512]
    assert weights("unet_noskip") == 54_414_531 - sum(
        conv(4, here, max(below, 3))
        for here, below in zip(sizes[:-1], [3, *sizes[:-2]], strict=True)
    )


# Skips


def zero_innermost(net, row):
    for v in net.variables:
        if f"_row{row}_" in v.path and v.path.endswith(("kernel", "bias")):
            v.assign(tf.zeros_like(v))


@pytest.mark.parametrize(("name", "passes"), [("unet", True), ("unet_noskip", False),
                                              ("unetpp", True)])  # fmt: skip
def test_only_skips_lead_around_the_innermost_map(name, passes):
    net = build(name, norm="instance")
    x = images(1, SIZE, SIZE, 3)

    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(x)
            # A random direction: the sum of what a norm returns is a constant.
            value = tf.reduce_sum(net(x) * images(1, SIZE, SIZE, 2))
        found = tape.gradient(value, x)
        return 0.0 if found is None else np.abs(found).max()

    assert gradient() > 0
    zero_innermost(net, 4)
    assert (gradient() > 0) == passes


def test_unetpp_has_every_node_and_reads_all_of_a_level():
    halvings = 5
    net = build("unetpp")
    rows = nets.TRANSLATORS["unetpp"].rows(halvings, "transpose", 0.0)
    nodes = [row.name for row in rows if row.kind == "convt" and row.name]
    expected = {f"{i}_{j}" for i in range(1, halvings) for j in range(1, halvings - i + 1)}
    assert set(nodes) == expected and len(nodes) == len(expected) == 10
    # Channels that arrive at a node are all nodes of the level below that lie before it.
    sizes = [4, 8, 16, 32, 32]
    arriving = {row.name: 0 for row in rows}
    for number, row in enumerate(rows):
        if row.kind == "convt":
            kernel = net.get_layer(f"g1_row{number}_weights").kernel
            arriving[row.name] = kernel.shape[-1]
    for i in range(1, halvings):
        for j in range(1, halvings - i + 1):
            assert arriving[f"{i}_{j}"] == j * sizes[i]
    assert arriving[""] == halvings * sizes[0]


def test_the_unet_and_the_nested_one_have_the_same_outer_rows():
    plain = translation.unet_rows(5, "transpose", 0.5, "long")
    nested = {row.name: row for row in translation.unet_rows(5, "transpose", 0.5, "nested")}
    for row in plain:
        other = nested[row.name]
        assert (row.kind, row.size, row.dropout) == (other.kind, other.size, other.dropout)
        assert set(row.of) <= set(other.of)


# Dropout and norms obey `training`


@pytest.mark.parametrize("name", NAMES)
def test_dropout_is_noise_of_variables_and_only_in_training(name):
    net = build(name, dropout=0.5, norm="none")
    x = images(1, SIZE, SIZE, 3)
    assert np.array_equal(net(x, training=False), net(x, training=False))
    states = [v for v in net.variables if "seed_generator_state" in v.path]
    assert len(states) == len(layers_of(net, keras.layers.Dropout)) > 0
    before = [v.numpy() for v in states]
    one, two = net(x, training=True), net(x, training=True)
    assert not np.array_equal(one, two)
    for v, value in zip(states, before, strict=True):
        assert not np.array_equal(v, value)
        v.assign(value)
    assert np.array_equal(net(x, training=True), one)


@pytest.mark.parametrize("name", NAMES)
def test_a_rate_of_zero_makes_no_layer_and_no_other_weights(name):
    plain, noisy = build(name), build(name, dropout=0.5)
    assert not layers_of(plain, keras.layers.Dropout)
    assert same_values(plain.weights, noisy.weights)


@pytest.mark.parametrize("name", NAMES)
def test_batch_norm_obeys_training(name):
    net = build(name, norm="batch")
    x = 3 + images(2, SIZE, SIZE, 3)
    before = net(x, training=False)
    trained = net(x, training=True)
    assert not np.allclose(before, trained, atol=1e-3)
    assert not np.array_equal(net(x, training=False), before), "running statistics have moved"


@pytest.mark.parametrize("name", NAMES)
def test_the_norm_replaces_the_tables_and_takes_the_bias_away(name):
    kinds = {"batch": keras.layers.BatchNormalization, "instance": InstanceNorm}
    found = {}
    for norm in (None, "batch", "instance", "none"):
        net = build(name, norm=norm)
        found[norm] = [len(layers_of(net, kind)) for kind in kinds.values()]
        weighted = [layer for layer in net.layers if hasattr(layer, "kernel")]
        biased = sum(layer.use_bias for layer in weighted)
        assert biased == len(weighted) - sum(found[norm])
    most = max(found["batch"])
    assert (found["batch"], found["instance"], found["none"]) == ([most, 0], [0, most], [0, 0])
    assert found[None] in (found["batch"], found["instance"]) and most > 0


# Weights


@pytest.mark.parametrize("name", NAMES)
def test_seed_and_number_decide_every_weight(name):
    net, again, other, second = (
        build(name), build(name), build(name, seed=1), build(name, number=1)
    )  # fmt: skip
    assert same_values(net.weights, again.weights)
    for different in (other, second):
        for a, b in zip(kernels(net), kernels(different), strict=True):
            assert not np.array_equal(a, b)
    assert (net.name, second.name) == ("generator_1", "generator_2")


@pytest.mark.parametrize("name", NAMES)
def test_width_scales_every_row_but_the_last(name):
    def channels(width):
        return [
            (k.shape[-2] if "Transpose" in type(layer).__name__ else k.shape[-1])
            for layer in build(name, width=width, channels=(3, 2)).layers
            if hasattr(layer, "kernel")
            for k in [layer.kernel]
        ]

    narrow, wide = channels(1 / 16), channels(1 / 8)
    assert narrow[-1] == wide[-1] == 2
    assert [2 * c for c in narrow[:-1]] == wide[:-1]


def test_initial_weights_are_the_papers():
    for kernel in kernels(build("unet", width=0.25))[2:-1]:
        assert np.std(kernel) == pytest.approx(0.02, rel=0.1)
    fans = 9 * (64 + 64)
    for kernel in kernels(build("resnet6", width=0.25, weight_init="xavier"))[3:9]:
        assert np.std(kernel) == pytest.approx(np.sqrt(2 / fans), rel=0.05)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_has_a_gradient(name):
    net = build(name, norm="none")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(net(images(1, SIZE, SIZE, 3), training=True)))
    gradients = tape.gradient(loss, net.trainable_variables)
    assert all(np.any(g) for g in gradients)


# Precision and files


@pytest.mark.parametrize("policy", POLICIES, indirect=True)
@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_float32_under_every_precision(policy, name):
    net = build(name, dropout=0.5)
    with tf.GradientTape() as tape:
        made = net(images(1, SIZE, SIZE, 3), training=True)
        loss = tf.reduce_mean(tf.square(made))
    assert made.dtype == loss.dtype == tf.float32
    hidden = {"float32": tf.float32, "mixed_bfloat16": tf.bfloat16, "mixed_float16": tf.float16}
    assert net.get_layer("g1_row0_activation").output.dtype == hidden[policy].name
    gradients = tape.gradient(loss, net.trainable_variables)
    assert all(np.all(np.isfinite(g)) for g in gradients)
    assert {v.dtype for v in net.trainable_variables} == {"float32"}
    assert net.losses == []


@pytest.mark.parametrize(
    ("policy", "norm", "upsample"),
    [
        ("float32", "batch", "transpose"),
        ("mixed_bfloat16", "instance", "resize"),
        ("mixed_bfloat16", "none", "subpixel"),
    ],
    indirect=["policy"],
)
@pytest.mark.parametrize("name", NAMES)
def test_saved_networks_come_back_bit_for_bit(name, norm, upsample, policy, tmp_path):
    net = build(name, 8, norm=norm, upsample=upsample, dropout=0.5)
    x = images(1, 8, 8, 3)
    net(x, training=True)
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    # A file holds the seeds of dropout, not how far each has come.
    assert same_values(net.weights, loaded.weights)
    assert len(net.variables) == len(loaded.variables)
    assert np.array_equal(net(x, training=False), loaded(x, training=False))


@pytest.mark.parametrize("policy", POLICIES[:2], indirect=True)
@pytest.mark.parametrize("upsample", sorted(nets.UPSAMPLES))
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_every_norm_and_doubling_come_back_from_a_file(norm, upsample, policy, tmp_path):
    net = build("unet", 8, norm=norm, upsample=upsample)
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    x = images(2, 16, 8, 3)
    assert np.array_equal(net(x), loaded(x))


# The layers


@pytest.mark.parametrize("shape", [(1, 6, 5, 3), (3, 4, 8, 2)])
def test_instance_norm_is_over_the_pixels_of_one_channel(shape):
    x = 5 + 3 * draw(*shape)
    layer = InstanceNorm()
    made = layer(x).numpy()
    np.testing.assert_allclose(made.mean((1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(made.var((1, 2)), 1, atol=1e-3)
    layer.gamma.assign(draw(shape[-1]))
    layer.beta.assign(draw(shape[-1], seed=1))
    x64 = x.astype("float64")
    expected = (x64 - x64.mean((1, 2), keepdims=True)) / np.sqrt(
        x64.var((1, 2), keepdims=True) + 1e-5
    )
    expected = expected * layer.gamma.numpy() + layer.beta.numpy()
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    assert np.array_equal(layer(x, training=True), layer(x, training=False))


def test_instance_norm_has_the_gradients_of_group_normalisation():
    x, weights = tf.constant(2 + draw(2, 5, 7, 3)), draw(2, 5, 7, 3, seed=1)
    scale, shift = draw(3, seed=2), draw(3, seed=3)

    def derivatives(layer):
        """First derivatives of a weighted sum, and those of the squared gradient of x."""
        layer(x)
        layer.gamma.assign(scale)
        layer.beta.assign(shift)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(x)
                y = layer(x)
                loss = tf.reduce_sum(weights * y * y)
            first = tape.gradient(loss, [x, layer.gamma, layer.beta])
            penalty = tf.reduce_sum(tf.square(first[0]))
        return [*first, *outer.gradient(penalty, [x, layer.gamma, layer.beta])]

    ours = derivatives(InstanceNorm())
    theirs = derivatives(keras.layers.GroupNormalization(groups=-1, epsilon=1e-5))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max())


@pytest.mark.parametrize("policy", ["mixed_bfloat16"], indirect=True)
def test_instance_norm_counts_in_float32(policy):
    # In bfloat16 a mean of 100 would leave 2 bits to differences of 1.
    x = (100 + draw(1, 16, 16, 2)).astype("float32")
    layer = InstanceNorm()
    made = layer(tf.cast(x, tf.bfloat16))
    assert made.dtype == tf.bfloat16 and layer.gamma.dtype == "float32"
    rounded = tf.cast(tf.cast(x, tf.bfloat16), tf.float32).numpy()
    expected = (rounded - rounded.mean((1, 2))) / rounded.std((1, 2))
    np.testing.assert_allclose(tf.cast(made, tf.float32), expected, atol=0.02)


def test_reflection_padding_mirrors_without_the_border():
    x = draw(2, 4, 5, 3)
    made = ReflectionPad2D(2)(x)
    assert np.array_equal(made, np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"))
    assert ReflectionPad2D(3).compute_output_shape((None, None, 8, 3)) == (None, None, 14, 3)


def test_depth_to_space_lays_channels_out_as_pixels():
    x = draw(2, 3, 4, 8)
    made = DepthToSpace()(x).numpy()
    for row in (0, 1):
        for column in (0, 1):
            first = 2 * (2 * row + column)
            assert np.array_equal(made[:, row::2, column::2], x[..., first : first + 2])


def test_subpixel_convolution_starts_without_a_checkerboard():
    init = Icnr(keras.initializers.RandomNormal(0, 0.02, seed=1))
    kernel = init((3, 3, 5, 8))
    x = draw(1, 6, 6, 5)
    made = DepthToSpace()(tf.nn.conv2d(x, kernel, 1, "SAME"))
    plain = tf.nn.conv2d(x, kernel[..., :2], 1, "SAME")
    np.testing.assert_allclose(made, np.repeat(np.repeat(plain, 2, 1), 2, 2), atol=1e-6)
    assert np.std(kernel) == pytest.approx(0.02, rel=0.2)
    again = Icnr.from_config(init.get_config())
    assert np.array_equal(again((3, 3, 5, 8)), kernel)


def test_a_residual_block_adds_its_input():
    rows = (blocks.Row("res", 4, 3, 1, "none", "relu", "reflect"), blocks.Row("conv", 4, 1))
    x = keras.Input((None, None, 4))
    ((summed, _),) = blocks.build_rows(
        rows, [x], size=4, settings=blocks.Settings(), seed=(0,), names="r"
    )
    net = keras.Model(x, summed)
    values = draw(1, 5, 6, 4)

    def conv_reflect(v, layer):
        padded = np.pad(v, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        return tf.nn.conv2d(padded, layer.kernel, 1, "VALID") + layer.bias

    first, second = net.get_layer("r1_row0_first"), net.get_layer("r1_row0_second")
    hidden = tf.nn.relu(conv_reflect(values, first))
    expected = values + conv_reflect(hidden, second)
    np.testing.assert_allclose(net(values), expected, atol=1e-5)


def test_joined_rows_arrive_in_the_order_they_are_named():
    rows = (
        blocks.Row("conv", 4, 1, name="a"),
        blocks.Row("conv", 8, 1, name="b"),
        blocks.Row("conv", 2, 1, of=("a", "b")),
    )
    x = keras.Input((None, None, 3))
    ((a, b, out),) = blocks.build_rows(
        rows, [x], size=2, settings=blocks.Settings(), seed=(0,), names="r"
    )
    net = keras.Model(x, [a, b, out])
    a, b, out = net(draw(1, 2, 2, 3))
    head = net.get_layer("r1_row2_weights")
    joined = np.concatenate([a, b], -1)
    np.testing.assert_allclose(out, joined @ head.kernel[0, 0] + head.bias, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 6, 6, 4), (1, 5, 3, 4)])
def test_resize_convolution_of_unknown_size_and_without_bias(shape):
    x = keras.Input((None, None, 4))
    fused = ResizeConv2D(7, 3, padding="same", use_bias=False)
    net = keras.Model(x, fused(x))
    values = draw(*shape)
    plain = keras.Sequential(
        [keras.layers.UpSampling2D(2), keras.layers.Conv2D(7, 3, padding="same", use_bias=False)]
    )
    plain(values)
    plain.set_weights(fused.get_weights())
    np.testing.assert_allclose(net(values), plain(values), atol=1e-5)
    np.testing.assert_allclose(tf.function(net)(values), plain(values), atol=1e-5)
