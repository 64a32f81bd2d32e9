"""FCN-8s against a transcription in NumPy, its depth by image size, and where its heads are."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from gantrain.nets.fcn import STAGES, build_fcn, encoder_rows, fcn_halvings


def build(size=32, channels=3, classes=5, **options):
    return build_fcn(size, channels, classes, **dict(width=tiny.WIDTH, seed=0) | options)


@pytest.mark.parametrize(
    "size, halvings",
    [(8, 3), (16, 3), (32, 3), (64, 3), (96, 3), (128, 4), (192, 4), (256, 5), (512, 5), (1024, 5)],
)
def test_the_coarsest_map_keeps_eight_pixels_where_it_can(size, halvings):
    assert fcn_halvings(size) == halvings
    if 64 <= size <= 256:
        assert size >> halvings >= 8


@pytest.mark.parametrize(
    "size, names",
    [
        (4, ["multiple of 8", "such as 8"]),
        (100, ["multiple of 8", "such as 96", "100 pixels"]),
        (136, ["multiple of 16", "such as 128"]),
        (272, ["multiple of 32", "such as 256"]),
    ],
)
def test_other_sizes_are_refused(size, names):
    tiny.refused(lambda: fcn_halvings(size), "--image_size", *names)


def test_the_encoder_is_vgg16_s():
    """Thirteen convolutions of 3x3, five poolings, and two rows in the place of dense layers."""
    rows = encoder_rows(5, 0.5)
    sizes = [row.size for row in rows if row.kind == "conv"]
    assert sizes == [64, 64, 128, 128, *[256] * 3, *[512] * 6, 1024, 1024]
    assert sum(row.kind == "pool" for row in rows) == 5
    assert [row.dropout for row in rows if row.dropout] == [0.5, 0.5]
    assert {row.kernel for row in rows[:-1] if row.kind == "conv"} == {3}
    assert len(encoder_rows(3, 0.0)) == sum(count + 1 for count, _ in STAGES[:3]) + 2


@pytest.mark.parametrize("size, strides", [(64, (2, 4, 8)), (128, (4, 8, 16)), (256, (8, 16, 32))])
def test_heads_score_the_three_coarsest_maps(size, strides):
    net = build(size)
    heads = {layer.name for layer in net.layers if layer.name.startswith("score")}
    assert heads == {f"score{stride}_1_row0_weights" for stride in strides}
    image = np.zeros((1, size, size, 3), np.float32)
    for stride in strides:
        head = net.get_layer(f"score{stride}_1_row0_weights")
        assert keras.Model(net.input, head.output)(image).shape == (
            1,
            size // stride,
            size // stride,
            5,
        )
        assert head.kernel.shape[:2] == (1, 1)
    assert net(image).shape == (1, size, size, 5)


def test_any_multiple_of_its_coarsest_stride_goes_in():
    net = build(64, channels=1)
    assert net.input_shape == (None, None, None, 1)
    assert net(np.zeros((2, 40, 72, 1), np.float32)).shape == (2, 40, 72, 5)


# ----------------------------------------------------------------------------------- transcription


def convolved(x, kernel, bias):
    """Cross-correlation with zero padding, stride 1, float64: [H, W, C] by [k, k, C, D]."""
    side = len(kernel) // 2
    padded = np.pad(x, ((side, side), (side, side), (0, 0)))
    out = np.zeros((*x.shape[:2], kernel.shape[-1])) + bias
    for i in range(len(kernel)):
        for j in range(len(kernel)):
            out += padded[i : i + x.shape[0], j : j + x.shape[1]] @ kernel[i, j]
    return out


def interpolation(side, factor):
    """[factor * side, side]: rows of linear weights at pixel centres, the border repeated."""
    places = (np.arange(factor * side) + 0.5) / factor - 0.5
    low = np.floor(places).astype(int)
    matrix = np.zeros((factor * side, side))
    for row, (start, share) in enumerate(zip(low, places - low, strict=True)):
        matrix[row, np.clip(start, 0, side - 1)] += 1 - share
        matrix[row, np.clip(start + 1, 0, side - 1)] += share
    return matrix


def enlarged(x, factor):
    rows, columns = (interpolation(side, factor) for side in x.shape[:2])
    return np.einsum("hi,ijc,wj->hwc", rows, x, columns)


def test_the_network_is_that_of_the_paper():
    """Poolings scored, doubled and added from the coarsest on, then enlarged to the image."""
    net = build(32, norm="none", width=1 / 32)
    rng = np.random.default_rng(0)
    for w in net.weights:  # biases too, and values that leave something of the image
        w.assign(rng.normal(0, (1.5 / np.prod(w.shape[:-1])) ** 0.5, w.shape))
    weights = iter(
        [
            np.float64(w)
            for layer in net.layers
            for w in layer.weights
            if not layer.name.startswith("score")
        ]
    )
    heads = {
        stride: [np.float64(w) for w in net.get_layer(f"score{stride}_1_row0_weights").weights]
        for stride in (2, 4, 8)
    }
    image = rng.uniform(-1, 1, (32, 40, 3))

    x, pooled = image, []
    for count, _ in STAGES[:3]:
        for _ in range(count):
            x = np.maximum(convolved(x, next(weights), next(weights)), 0)
        height, width, channels = x.shape
        x = x.reshape(height // 2, 2, width // 2, 2, channels).max((1, 3))
        pooled.append(x)
    for _ in range(2):
        x = np.maximum(convolved(x, next(weights), next(weights)), 0)
    assert next(weights, None) is None
    scores = convolved(x, *heads[8])
    scores = enlarged(scores, 2) + convolved(pooled[1], *heads[4])
    scores = enlarged(scores, 2) + convolved(pooled[0], *heads[2])
    expected = enlarged(scores, 2)

    made = np.asarray(net(image[None].astype(np.float32), training=False))[0]
    assert np.std(expected, axis=(0, 1)).min() > 1e-2
    np.testing.assert_allclose(made, expected, rtol=1e-3, atol=1e-4)


# ----------------------------------------------------------------------------------------- options


def test_options_reach_the_layers():
    kinds = {type(layer).__name__ for layer in build().layers}
    assert {"BatchNorm", "Dropout"} <= kinds
    other = {type(layer).__name__ for layer in build(norm="instance", dropout=0.0).layers}
    assert "InstanceNorm" in other and not {"BatchNorm", "Dropout"} & other
    rates = [layer.rate for layer in build(dropout=0.3).layers if hasattr(layer, "rate")]
    assert rates == [0.3, 0.3]
    kernels = np.concatenate(
        [np.ravel(w) for w in build(weight_init="normal", width=0.25).weights if w.name == "kernel"]
    )
    assert np.std(kernels) == pytest.approx(0.02, rel=0.05)


def test_width_scales_all_but_the_heads():
    assert build(width=0.25).layers[1].kernel.shape[-1] == 16
    assert build(width=1.0, classes=7).get_layer("score8_1_row0_weights").kernel.shape == (
        1,
        1,
        1024,
        7,
    )


def test_first_weights_are_those_of_the_seed():
    one, same, other = (build(seed=seed).get_weights() for seed in (1, 1, 2))
    for a, b in zip(one, same, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_scores_are_float32_in_every_precision(precision):
    keras.config.set_dtype_policy(precision)
    net = build()
    assert net(np.zeros((1, 32, 32, 3), np.float32)).dtype == tf.float32
    assert net.get_layer("s1_row0_weights").compute_dtype != "float32"


def test_a_saved_network_is_the_same(tmp_path):
    net, image = build(), tf.random.stateless_uniform((1, 32, 32, 3), (0, 1), -1, 1)
    net.save(tmp_path / "segmenter.keras")
    loaded = keras.saving.load_model(tmp_path / "segmenter.keras", compile=False)
    np.testing.assert_array_equal(loaded(image), net(image))
    assert loaded.losses == []
