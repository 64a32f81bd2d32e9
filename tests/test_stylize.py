"""Style transfer: the loss against a transcription, both optimizers, files, the SavedModel."""

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from gantrain import images
from gantrain.core import RuntimeOptions
from gantrain.errors import UserError
from gantrain.nets.frozen import FeatureNet
from gantrain.runtime import start
from gantrain.use import stylize


def picture(height, width, seed=0):
    """A smooth random picture, float32 [H, W, 3] in [-1, 1]."""
    coarse = np.random.default_rng(seed).uniform(-1, 1, (4, 5, 3)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), -1, 1)


@pytest.fixture(scope="module")
def runtime():
    return start(RuntimeOptions(), 0)


@pytest.fixture(scope="module")
def extractor():
    """A feature network of three layers, random and frozen."""
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    one = layers.Conv2D(6, 3, padding="same", activation="relu", name="one")(image)
    two = layers.Conv2D(7, 3, 2, padding="same", activation="relu", name="two")(one)
    top = layers.Conv2D(8, 3, 2, padding="same", activation="relu", name="top")(two)
    model = keras.Model(image, {"one": one, "two": two, "top": top})
    model.trainable = False
    return FeatureNet(model, content=("top",), style=("one", "two"), description={})


def gram(features):
    """Gatys et al. 2015, equation 3, divided by H W C."""
    flat = np.float64(features).reshape(-1, features.shape[-1])
    return flat.T @ flat / features.size


def reference(extractor, image, content, style, weights):
    """The three terms in float64 NumPy; the networks' features are the only thing shared."""
    made, wanted, source = (
        {n: np.float64(v)[0] for n, v in extractor.model(x[None]).items()}
        for x in (image, content, style)
    )
    contents = [
        ((made[n] - wanted[n]) ** 2).sum() / (wanted[n] ** 2).sum() for n in extractor.content
    ]
    styles = [
        ((gram(made[n]) - gram(source[n])) ** 2).sum() / (gram(source[n]) ** 2).sum()
        for n in extractor.style
    ]
    rough = sum((np.diff(np.float64(image), axis=axis) ** 2).mean() for axis in (0, 1))
    return weights[0] * np.mean(contents) + weights[1] * np.mean(styles) + weights[2] * rough


@pytest.mark.parametrize("optimizer", stylize.OPTIMIZERS)
@pytest.mark.parametrize(
    "weights", ((1.0, 0.0, 0.0), (0.0, 3.0, 0.0), (0.0, 0.0, 2.0), (1.0, 10.0, 0.5))
)
def test_the_loss_is_that_of_the_equations(extractor, runtime, optimizer, weights):
    content, style = picture(17, 22), picture(30, 12, seed=1)
    made, losses = stylize.gatys(
        content,
        style,
        extractor,
        runtime,
        content_weight=weights[0],
        style_weight=weights[1],
        smooth_weight=weights[2],
        steps=4,
        optimizer=optimizer,
        start="noise",
        seed=3,
    )
    assert made.shape == content.shape and made.dtype == np.float32 and len(losses) == 4
    assert losses[-1] == pytest.approx(
        reference(extractor, made, content, style, weights), rel=1e-3
    )


@pytest.mark.parametrize("optimizer, steps, share", (("lbfgs", 60, 0.15), ("adam", 150, 0.3)))
def test_the_style_is_reached_and_pixels_stay_in_range(extractor, runtime, optimizer, steps, share):
    content, style = picture(24, 24), picture(24, 24, seed=1)
    made, losses = stylize.gatys(
        content,
        style,
        extractor,
        runtime,
        content_weight=0.02,
        style_weight=10.0,
        smooth_weight=0.0,
        steps=steps,
        optimizer=optimizer,
    )
    start = reference(extractor, content, content, style, (0.02, 10.0, 0.0))
    assert losses[-1] < share * start
    assert made.min() >= -1 and made.max() <= 1 and np.abs(made - content).max() > 0.1


def test_content_alone_leaves_the_content(extractor, runtime):
    content = picture(20, 20)
    made, losses = stylize.gatys(
        content,
        picture(20, 20, seed=1),
        extractor,
        runtime,
        style_weight=0.0,
        smooth_weight=0.0,
        steps=3,
        optimizer="adam",
    )
    np.testing.assert_allclose(made, content, atol=1e-6)
    assert max(losses) < 1e-9


def test_noise_depends_on_the_seed_alone(extractor, runtime):
    content, style = picture(16, 16), picture(16, 16, seed=1)
    first, same, other = (
        stylize.gatys(content, style, extractor, runtime, steps=1, start="noise", seed=seed)[0]
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).mean() > 0.3


def test_adam_is_that_of_the_paper():
    """Against Keras's Adam on a quadratic inside the range, where nothing is clipped."""
    target, scale = np.array([0.5, -0.25, 0.1]), np.array([1.0, 10.0, 0.1])

    def evaluate(x):
        return np.sum(scale * (x - target) ** 2), 2 * scale * (x - target)

    losses = []
    made = stylize.adam(evaluate, np.zeros(3), 5, losses.append)
    x = keras.Variable(np.zeros(3), dtype="float64")
    optimizer = keras.optimizers.Adam(stylize.ADAM_RATE, epsilon=1e-8)
    for _ in range(5):
        optimizer.apply([tf.constant(evaluate(np.asarray(x))[1])], [x])
    np.testing.assert_allclose(made, np.asarray(x), atol=1e-5)  # Keras rounds its rate
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(evaluate(made)[0])


@pytest.mark.parametrize("optimizer", stylize.OPTIMIZERS)
def test_optimizers_stop_at_the_range_of_pixels(optimizer):
    made = stylize.OPTIMIZERS[optimizer](
        lambda x: (np.sum((x - [3.0, -3.0, 0.5]) ** 2), 2 * (x - [3.0, -3.0, 0.5])),
        np.zeros(3),
        200,
        lambda value: None,
    )
    np.testing.assert_allclose(made, [1, -1, 0.5], atol=1e-2)


def test_roughness_of_a_ramp():
    ramp = tf.constant(np.mgrid[:5, :7][0][None, ..., None] * 0.5, tf.float32)
    assert float(stylize.roughness(ramp)) == pytest.approx(0.25)


# -------------------------------------------------------------------------------------- SavedModel


class Network(tf.Module):
    """The signature of arbitrary-image-stylization-v1-256: two images in [0, 1], a list of one.

    Its "style" is the mean colour of the style image. It refuses the sizes and ranges that the
    original was not made for.
    """

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)] * 2)
    def __call__(self, content, style):
        size = tf.shape(content)[1:3]
        tf.debugging.assert_equal(size % 4, 0)
        tf.debugging.assert_equal(tf.shape(style)[1:3], [256, 256])
        for image in (content, style):
            tf.debugging.assert_less_equal(tf.abs(image - 0.5), 0.5)
        return [0.5 * content + 0.5 * tf.reduce_mean(style, (1, 2), keepdims=True)]


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("stylizer")
    tf.saved_model.save(Network(), str(path))
    return path


@pytest.mark.parametrize("size", ((40, 56), (33, 50), (3, 5)))
@pytest.mark.parametrize("pixels", (2**20, 600))
def test_a_network_stylizes_any_size(saved_model, size, pixels):
    content, style = picture(*size), np.full((300, 120, 3), -0.5, np.float32)
    style[:90] = style[210:] = 1.0  # outside the middle square
    network = stylize.load_stylizer(saved_model)
    made = stylize.ghiasi(content, style, network, pixels=pixels)
    np.testing.assert_allclose(made, 0.5 * content - 0.25, atol=1e-5)


def test_a_missing_or_other_network_is_named(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(UserError, match="--stylizer .*no saved_model.pb.*arbitrary-image-styl"):
            stylize.load_stylizer(path)
    tf.saved_model.save(tf.Module(), str(tmp_path / "other"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"\x08\x01 no protocol buffer")
    for name in ("other", "broken"):
        with pytest.raises(UserError, match=f"--stylizer .*{name}: not a network") as error:
            stylize.load_stylizer(tmp_path / name)
        assert "\n" not in str(error.value)


# ------------------------------------------------------------------------------------------- files


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    content = rng.integers(0, 65536, (48, 64, 4), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "content.png"), content)
    cv2.imwrite(str(tmp_path / "style.png"), rng.integers(0, 256, (70, 50), dtype=np.uint8))
    return tmp_path, content


def test_a_file_by_descent(files, extractor, runtime):
    folder, content = files
    seen = []
    losses = stylize.by_descent(
        folder / "content.png",
        folder / "style.png",
        folder / "made.png",
        extractor,
        runtime,
        steps=2,
        optimizer="adam",
        progress=lambda *step: seen.append(step),
    )
    assert len(losses) == 2 and seen == [(1, losses[0]), (2, losses[1])]
    made = cv2.imread(str(folder / "made.png"), cv2.IMREAD_UNCHANGED)
    assert made.dtype == np.uint16 and made.shape == content.shape
    np.testing.assert_array_equal(made[..., 3], content[..., 3])
    # Two steps of Adam move a pixel by 0.04 at most.
    share = content[..., 3:] / 65535
    seen = content[..., :3] * share + 65535 * (1 - share)  # on white
    moved = np.abs(made[..., :3] - seen).max() / 32767.5
    assert 0.01 < moved < 0.0401


class Writing(tf.Module):
    """A network that also does something else."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))] * 2)
    def __call__(self, content, style):
        self.act()
        return [content]


def test_a_network_that_acts_is_not_run(tmp_path):
    proof = tmp_path / "proof"
    actions = {
        "WriteFile": lambda: tf.io.write_file(str(proof), "x"),
        "ReadFile": lambda: tf.io.read_file("/etc/hostname"),
        "PyFunc": lambda: tf.numpy_function(proof.touch, [], []),
        "PrintV2": lambda: tf.cond(tf.constant(True), lambda: tf.print("x"), tf.no_op),
    }
    for name, act in actions.items():
        tf.saved_model.save(Writing(act), str(tmp_path / name))
        proof.unlink(missing_ok=True)
        with pytest.raises(UserError, match=rf"--stylizer .*operation (Eager)?{name}"):
            stylize.load_stylizer(tmp_path / name)
        assert not proof.exists()


def test_a_file_by_the_network_scaled(files, saved_model):
    folder, _ = files
    stylize.by_network(
        folder / "content.png", folder / "style.png", folder / "made.png", saved_model, size=40
    )
    made = images.read_pixels(folder / "made.png")
    assert made.colour.shape == (30, 40, 3) and made.alpha.shape == (30, 40) and made.bits == 16


def test_alpha_is_dropped_if_asked(files, saved_model):
    folder, _ = files
    stylize.by_network(
        folder / "content.png", folder / "style.png", folder / "made.png", saved_model, alpha="drop"
    )
    assert images.read_pixels(folder / "made.png").alpha is None


def test_what_the_files_are_is_checked_before_the_work(files, extractor, runtime):
    folder, _ = files
    content, style = folder / "content.png", folder / "style.png"
    cv2.imwrite(str(folder / "small.png"), np.zeros((20, 50, 3), np.uint8))

    def refused(message, *paths, **options):
        with pytest.raises(UserError, match=message) as error:
            stylize.by_descent(*paths, extractor, runtime, steps=1, **options)
        assert "\n" not in str(error.value)

    refused("absent.png: cannot be read", folder / "absent.png", style, folder / "made.png")
    refused("absent.png: cannot be read", content, folder / "absent.png", folder / "made.png")
    refused("--output .*made.jpg: .*16 bits, alpha", content, style, folder / "made.jpg")
    refused("--output .*made: .*name of an image", content, style, folder / "made")
    refused("--output .*style.png: is an input", content, style, style)
    refused(
        "--content .*small.png: 50 x 20 pixels", folder / "small.png", style, folder / "made.png"
    )
    refused(
        "--style .*small.png: 64 x 26 pixels", content, folder / "small.png", folder / "made.png"
    )
    refused("--content .*content.png: 40 x 30 pixels", content, style, folder / "made.png", size=40)
    assert not list(folder.glob("made*"))
