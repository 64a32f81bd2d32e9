"""LPIPS against its official number, and against a transcription in float64 NumPy."""

import os
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from torch_saved import CHANNELS, random_lpips, save, save_npz

from gantrain.core import RuntimeOptions
from gantrain.errors import UserError
from gantrain.measures.lpips import LPIPS, mean_distance, pair_distances
from gantrain.nets import frozen
from gantrain.runtime import Runtime

NETS = pytest.mark.parametrize("net", sorted(CHANNELS))


@pytest.fixture(scope="module")
def weights():
    return {net: random_lpips(net) for net in CHANNELS}


@pytest.fixture(scope="module")
def measures(weights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lpips")
    for net, (backbone, linear) in weights.items():
        save_npz(folder / f"{net}.npz", backbone, linear)
    return {net: LPIPS(folder / f"{net}.npz") for net in weights}


@pytest.fixture
def runtime():
    return Runtime(RuntimeOptions())


def images(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


# --- transcription: channels first, as PyTorch's documentation states its layers -----------------


def conv(x, weights, name, stride=1, padding=0):
    weight, bias = (np.float64(weights[f"features.{name}.{part}"]) for part in ("weight", "bias"))
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    kernel = weight.shape[-1]
    height, width = ((n - kernel) // stride + 1 for n in x.shape[1:])
    out = np.zeros((len(bias), height, width)) + bias[:, None, None]
    for i in range(kernel):
        for j in range(kernel):
            part = x[
                :,
                i : i + stride * (height - 1) + 1 : stride,
                j : j + stride * (width - 1) + 1 : stride,
            ]
            out += np.tensordot(weight[:, :, i, j], part, 1)
    return np.maximum(out, 0)


def pool(x, kernel, stride, ceil_mode=False):
    def places(n):
        count = (-(-(n - kernel) // stride) if ceil_mode else (n - kernel) // stride) + 1
        return [k * stride for k in range(count) if k * stride < n]

    return np.array(
        [
            [
                [channel[i : i + kernel, j : j + kernel].max() for j in places(x.shape[2])]
                for i in places(x.shape[1])
            ]
            for channel in x
        ]
    )


def fire(x, weights, name):
    x = conv(x, weights, f"{name}.squeeze")
    return np.concatenate(
        [conv(x, weights, f"{name}.expand1x1"), conv(x, weights, f"{name}.expand3x3", padding=1)]
    )


def alex(x, w):
    yield (x := conv(x, w, 0, 4, 2))
    yield (x := conv(pool(x, 3, 2), w, 3, padding=2))
    yield (x := conv(pool(x, 3, 2), w, 6, padding=1))
    yield (x := conv(x, w, 8, padding=1))
    yield conv(x, w, 10, padding=1)


def vgg(x, w):
    for block in ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)):
        if block[0]:
            x = pool(x, 2, 2)
        for name in block:
            x = conv(x, w, name, padding=1)
        yield x


def squeeze(x, w):
    yield (x := conv(x, w, 0, 2))
    for names in ((3, 4), (6, 7)):
        x = pool(x, 3, 2, ceil_mode=True)
        for name in names:
            x = fire(x, w, name)
        yield x
    yield (x := fire(pool(x, 3, 2, ceil_mode=True), w, 9))
    for name in (10, 11, 12):
        yield (x := fire(x, w, name))


def transcribed(net, weights, a, b):
    """The forward pass of the lpips package, of two images [H, W, 3] in [-1, 1]."""
    backbone, linear = weights
    layers = []
    for image in (a, b):
        x = np.float64(image).transpose(2, 0, 1)
        shift = np.array([-0.030, -0.088, -0.188])[:, None, None]
        scale = np.array([0.458, 0.448, 0.450])[:, None, None]
        network = {"alex": alex, "vgg": vgg, "squeeze": squeeze}[net]
        layers.append(
            [f / (np.sqrt((f**2).sum(0)) + 1e-10) for f in network((x - shift) / scale, backbone)]
        )
    return sum(
        np.tensordot(np.float64(w[0, :, 0, 0]), (f - g) ** 2, 1).mean()
        for f, g, w in zip(*layers, linear.values(), strict=True)
    )


@pytest.mark.parametrize(
    ("net", "height", "width"),
    [
        ("alex", 31, 31),
        ("alex", 32, 48),
        ("alex", 65, 40),
        ("vgg", 16, 16),
        ("vgg", 17, 34),
        ("squeeze", 17, 17),
        ("squeeze", 18, 31),
        ("squeeze", 33, 36),
        ("squeeze", 43, 19),
    ],
)
def test_distances_are_those_of_the_equations(measures, weights, net, height, width):
    a, b = images(1, 2, height, width, 3), images(2, 2, height, width, 3)
    b[1] = 0.9 * a[1] + 0.1 * b[1]
    expected = [transcribed(net, weights[net], *pair) for pair in zip(a, b, strict=True)]
    made = measures[net].distance(a, b)
    assert made.shape == (2,) and made.dtype == tf.float32
    np.testing.assert_allclose(made, expected, rtol=2e-5, atol=1e-6)
    assert expected[1] < 0.5 * expected[0]


def test_the_official_example():
    root = os.environ.get("GANTRAIN_DATA_DIR")
    if not root:
        pytest.skip("GANTRAIN_DATA_DIR is not set; it names the folder with lpips/")
    folder = Path(root) / "lpips"
    reference, distorted = (
        keras.utils.img_to_array(keras.utils.load_img(folder / "example" / f"{name}.png"))[None]
        / 127.5
        - 1
        for name in ("ex_ref", "ex_p0")
    )
    lpips = LPIPS(folder / "alexnet_lpips.npz")
    assert float(lpips.distance(reference, distorted)[0]) == pytest.approx(0.722, abs=5e-4)
    assert lpips.description["network"] == "LPIPS alex"


@NETS
def test_equal_images_are_at_zero_and_order_does_not_matter(measures, net):
    a, b = images(1, 3, 32, 32, 3), images(2, 3, 32, 32, 3)
    np.testing.assert_allclose(measures[net].distance(a, a), 0, atol=1e-9)
    np.testing.assert_allclose(
        measures[net].distance(a, b), measures[net].distance(b, a), rtol=1e-6
    )
    assert min(measures[net].distance(a, b)) > 0.01


def test_channels_that_are_all_off_have_no_direction(weights, tmp_path):
    """0 / (0 + 1e-10) is 0: a dead layer adds nothing."""
    backbone, linear = weights["squeeze"]
    dead = {
        k: np.full_like(v, -1e9) if k.endswith("12.expand3x3.bias") else v
        for k, v in backbone.items()
    }
    dead["features.12.expand1x1.bias"] = dead["features.12.expand3x3.bias"]
    save_npz(tmp_path / "dead.npz", dead, linear)
    a, b = images(1, 2, 32, 32, 3), images(2, 2, 32, 32, 3)
    expected = [transcribed("squeeze", (dead, linear), *pair) for pair in zip(a, b, strict=True)]
    np.testing.assert_allclose(LPIPS(tmp_path / "dead.npz").distance(a, b), expected, rtol=2e-5)


def test_gray_is_repeated_on_either_side(measures):
    gray, colour = images(1, 2, 32, 32, 1), images(2, 2, 32, 32, 3)
    repeated = np.repeat(gray, 3, axis=-1)
    lpips = measures["alex"]
    np.testing.assert_array_equal(lpips.distance(gray, colour), lpips.distance(repeated, colour))
    np.testing.assert_array_equal(lpips.distance(colour, gray), lpips.distance(colour, repeated))
    np.testing.assert_array_equal(
        lpips.distance(gray, gray[::-1]), lpips.distance(repeated, repeated[::-1])
    )


@NETS
def test_the_smallest_image_is_the_smallest(measures, net):
    lpips, side = measures[net], measures[net].features.smallest
    last = lpips.features.content[0]
    for shape in ((side, 2 * side), (2 * side, side)):
        made = lpips.features.model(images(0, 1, *shape, 3))[last]
        assert min(made.shape[1:3]) >= 1
    for shape in ((side - 1, 64), (64, side - 1)):
        try:
            lost = tf.size(lpips.features.model(images(0, 1, *shape, 3))[last]) == 0
        except (ValueError, tf.errors.OpError):
            lost = True
        assert lost
        with pytest.raises(UserError, match=rf"LPIPS {net}: .* it needs {side} a side"):
            lpips.distance(images(0, 1, *shape, 3), images(1, 1, *shape, 3))


def test_without_linear_weights_there_is_no_distance(tmp_path):
    backbone, linear = random_lpips("squeeze")
    save(tmp_path / "one.pth", backbone)
    for given in (tmp_path / "one.pth", frozen.lpips(tmp_path / "one.pth")):
        with pytest.raises(UserError, match="one.pth: holds no linear weights"):
            LPIPS(given)
    save(tmp_path / "two.pth", linear, "legacy")
    assert LPIPS(tmp_path).description["weights"] == "one.pth,two.pth"
    with pytest.raises(UserError, match="give --lpips_weights PATH"):
        LPIPS(None)


# --- streams -------------------------------------------------------------------------------------


def batches(array, sizes):
    return iter(np.split(array, np.cumsum(sizes)[:-1]))


def test_streams_give_the_distance_of_every_pair(measures, runtime):
    a, b = images(1, 23, 32, 32, 3), images(2, 23, 32, 32, 1)
    lpips = measures["squeeze"]
    expected = np.asarray(lpips.distance(a, b), np.float64)
    program = runtime.function(lpips.distance)
    for sizes in ([23], [8, 8, 7], [5, 9, 5, 4], [7, 16]):
        made = pair_distances(lpips, batches(a, sizes), batches(b, sizes), program)
        np.testing.assert_allclose(made, expected, rtol=1e-5)
    result = mean_distance(lpips, batches(a, [8, 8, 7]), batches(b, [8, 8, 7]), program)
    assert result == {
        "mean": pytest.approx(expected.mean(), rel=1e-5),
        "std": pytest.approx(expected.std(), rel=1e-3),
        "count": 23.0,
    }


def test_a_short_batch_is_not_compiled_anew(measures, runtime, monkeypatch):
    a, b = images(1, 23, 32, 32, 3), images(2, 23, 32, 32, 3)
    lpips, traced = measures["squeeze"], []
    original = lpips.distance
    monkeypatch.setattr(lpips, "distance", lambda *two: traced.append(1) or original(*two))
    sizes = [5, 9, 1, 5, 3]
    pair_distances(lpips, batches(a, sizes), batches(b, sizes), runtime.function(lpips.distance))
    assert len(traced) == 1


def test_batches_are_let_go(measures, runtime):
    made, most = [], 0

    def stream(seed):
        nonlocal most
        for i in range(12):
            batch = images(seed + i, 2, 32, 32, 3)
            made.append(weakref.ref(batch))
            yield batch
            del batch
            most = max(most, sum(r() is not None for r in made))

    lpips = measures["squeeze"]
    found = pair_distances(lpips, stream(0), stream(50), runtime.function(lpips.distance))
    assert len(found) == 24 and len(made) == 24 and most <= 4


def test_shuffled_pairs_are_further_apart_than_pairs(measures, runtime):
    a = images(1, 16, 32, 32, 3)
    b = np.float32(np.clip(a + 0.05 * images(2, 16, 32, 32, 3), -1, 1))
    for lpips in measures.values():
        program = runtime.function(lpips.distance)
        paired = mean_distance(lpips, [a], [b], program)["mean"]
        shuffled = mean_distance(lpips, [a], [np.roll(b, 1, axis=0)], program)["mean"]
        collapsed = mean_distance(lpips, [a[:1].repeat(16, 0)], [a[:1].repeat(16, 0)], program)
        assert paired < 0.3 * shuffled
        assert collapsed["mean"] < 1e-9 and collapsed["std"] < 1e-9


def test_streams_that_make_no_pairs(measures, runtime):
    lpips, a = measures["squeeze"], images(1, 4, 32, 32, 3)
    program = runtime.function(lpips.distance)
    with pytest.raises(ValueError, match="make no pairs"):
        pair_distances(lpips, [a], [a[:3]], program)
    with pytest.raises(ValueError, match="shorter|longer"):
        pair_distances(lpips, [a, a], [a], program)
    with pytest.raises(ValueError, match="without images"):
        pair_distances(lpips, [], [], program)
    with pytest.raises(UserError, match="images of 8 x 8 pixels"):
        pair_distances(lpips, [a[:, :8, :8]], [a[:, :8, :8]], program)
