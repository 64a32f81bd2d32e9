"""Style transfer of single images: the baselines of the CycleGAN report (its section 6).

Gatys et al. descend a loss of content and style on the image itself; Ghiasi et al. published a
network that takes both images and answers at once, which is read from a local SavedModel.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from gantrain import images
from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.nets import saved
from gantrain.nets.frozen import FeatureNet
from gantrain.runtime import Runtime
from gantrain.terms.gradients import value_and_gradient
from gantrain.terms.perceptual import gram, relative_error
from gantrain.use.files import translate_images

# The published network was trained on styles of this size.
STYLE_SIZE = 256
# Its layers have a total stride of 4, and 32 channels at full size.
STYLIZER_MULTIPLE, STYLIZER_PIXELS = 4, 2**21
SMALLEST = 32  # both feature networks have an output of at least one pixel from here on
ADAM_RATE = 0.02  # per step, in units of the pixel range [-1, 1]


def by_descent(
    content: str | os.PathLike,
    style: str | os.PathLike,
    output: str | os.PathLike,
    extractor: FeatureNet,
    runtime: Runtime,
    *,
    size: int = 0,
    alpha: str = "keep",
    **options: Any,
) -> list[float]:
    """Write the picture of one file in the style of another, by `gatys`.

    Args:
        content: image file; its 16 bits are carried through.
        style: image file of any size, which is scaled to the longer side of the result.
            Transparency of both is seen on white.
        output: image file to write.
        extractor, runtime, options: those of `gatys`.
        size: longer side of the result in pixels; 0 keeps that of the content.
        alpha: "keep" gives the result the alpha of the content, "drop" none.

    Returns:
        List of losses, one per step.

    Raises:
        UserError: a file cannot be read or written, or is too small.
    """
    picture = _content(content, style, output, size, alpha)
    side = max(picture.colour.shape[:2])
    colour = _fitted(images.read_pixels(style, channels=3), side).colour
    _large_enough("--content", content, picture.colour)
    _large_enough("--style", style, colour)
    made, losses = gatys(picture.colour, colour, extractor, runtime, **options)
    images.write_pixels(output, picture._replace(colour=made))
    return losses


def by_network(
    content: str | os.PathLike,
    style: str | os.PathLike,
    output: str | os.PathLike,
    stylizer: str | os.PathLike,
    *,
    size: int = 0,
    alpha: str = "keep",
) -> None:
    """Write the picture of one file in the style of another, by `ghiasi`.

    Args:
        content, style, output, size, alpha: those of `by_descent`; the style keeps its size.
        stylizer: folder of the SavedModel.

    Raises:
        UserError: a file cannot be read or written, or there is no such network.
    """
    picture = _content(content, style, output, size, alpha)
    colour = images.read_pixels(style, channels=3).colour
    made = ghiasi(picture.colour, colour, load_stylizer(stylizer))
    images.write_pixels(output, picture._replace(colour=made))


def _content(content, style, output, size, alpha):
    """The `Pixels` that get another style, at the size of the result."""
    picture = images.read_pixels(content, channels=3)
    picture = picture if alpha == "keep" else picture._replace(alpha=None)
    _writable(output, picture, content, style)
    return _fitted(picture, size or max(picture.colour.shape[:2]))


def gatys(
    content: np.ndarray,
    style: np.ndarray,
    extractor: FeatureNet,
    runtime: Runtime,
    *,
    content_weight: float = 1.0,
    style_weight: float = 10.0,
    smooth_weight: float = 10.0,
    steps: int = 300,
    optimizer: str = "lbfgs",
    start: str = "content",
    seed: int = 0,
    progress: Callable[[int, float], Any] | None = None,
) -> tuple[np.ndarray, list[float]]:
    """Style transfer by descent on the image (Gatys et al. 2015; 2016, equations 1 to 7).

        argmin_x  content_weight mean_j ||phi_j(x) - phi_j(c)||^2 / ||phi_j(c)||^2
                + style_weight mean_j ||Gram_j(x) - Gram_j(s)||_F^2 / ||Gram_j(s)||_F^2
                + smooth_weight roughness(x)

    Deviation: both terms of the papers are in units of the energy of their targets, as in
    `gantrain.terms.perceptual`, so that one pair of weights suits any network and size.
    The third is not theirs: the first layer of AlexNet has a stride of 4 and leaves dots between
    its places; a weight of 0 takes it away. The layers are those of the extractor: its VGG19 has
    content in conv5_2 and not in conv4_2. The descent starts from the content by default, and
    pixels are kept in [-1, 1] on the way.

    Args:
        content: float32 [H, W, 3] in [-1, 1].
        style: float32 [H', W', 3] in [-1, 1].
        extractor: `gantrain.nets.frozen.FeatureNet`.
        runtime: `gantrain.runtime.Runtime`.
        content_weight, style_weight, smooth_weight: of the three terms.
        steps: iterations of the optimizer.
        optimizer: a key of OPTIMIZERS.
        start: "content", or "noise" as in the paper of 2015. AlexNet's content layer is too coarse
            to find the content again from noise.
        seed: of the noise.
        progress: called as progress(step, loss) after every step, from 1.

    Returns:
        (float32 [H, W, 3] in [-1, 1], list of the loss after every step).
    """
    wanted = _features(extractor, content[None])
    grams = [gram(v) for n, v in _features(extractor, style[None]).items() if n in extractor.style]

    def loss(image):
        made = _features(extractor, image)
        content_terms = [relative_error(made[n], wanted[n], wanted[n]) for n in extractor.content]
        style_terms = [
            relative_error(gram(made[n]), target, target)
            for n, target in zip(extractor.style, grams, strict=True)
        ]
        return (
            content_weight * tf.reduce_mean(tf.stack(content_terms))
            + style_weight * tf.reduce_mean(tf.stack(style_terms))
            + smooth_weight * roughness(image)
        )

    program = runtime.function(lambda image: value_and_gradient(loss, image))

    def evaluate(x):
        value, gradient = program(tf.constant(x.reshape(1, *content.shape), tf.float32))
        return np.float64(value), np.asarray(gradient, np.float64).ravel()

    losses = []

    def report(value):
        losses.append(value)
        if progress is not None:
            progress(len(losses), value)

    x = content if start == "content" else np.random.default_rng(seed).uniform(-1, 1, content.shape)
    x = OPTIMIZERS[optimizer](evaluate, np.float64(x).ravel(), steps, report)
    return x.reshape(content.shape).astype(np.float32), losses


def roughness(image: tf.Tensor) -> tf.Tensor:
    """Mean squared difference of neighbouring pixels, down plus across: total variation, squared.

    Args:
        image: float32 [B, H, W, C].
    """
    down, across = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
    return tf.reduce_mean(tf.square(down)) + tf.reduce_mean(tf.square(across))


def _features(extractor, image):
    return {
        name: tf.cast(value, tf.float32)
        for name, value in extractor.model(image, training=False).items()
    }


def lbfgs(
    evaluate: Callable, x: np.ndarray, steps: int, report: Callable[[float], None]
) -> np.ndarray:
    """Limited-memory BFGS with a line search; pixels stay in [-1, 1] by bounds (L-BFGS-B)."""
    # The gradient of one pixel is tiny beside the loss, so no tolerance on it can end the descent.
    options = {"maxiter": steps, "maxfun": 20 * steps, "maxcor": 10, "ftol": 0.0, "gtol": 0.0}
    found = scipy.optimize.minimize(
        evaluate,
        x,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-1.0, 1.0)] * x.size,
        options=options,
        callback=lambda intermediate_result: report(float(intermediate_result.fun)),
    )
    return found.x


def adam(
    evaluate: Callable, x: np.ndarray, steps: int, report: Callable[[float], None]
) -> np.ndarray:
    """Adam (Kingma and Ba 2015, algorithm 1); pixels are clipped to [-1, 1] after every step."""
    first, second = np.zeros_like(x), np.zeros_like(x)
    _, gradient = evaluate(x)
    for step in range(1, steps + 1):
        first += 0.1 * (gradient - first)
        second += 0.001 * (gradient**2 - second)
        move = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        x = np.clip(x - ADAM_RATE * move, -1.0, 1.0)
        value, gradient = evaluate(x)
        report(float(value))
    return x


def ghiasi(
    content: np.ndarray, style: np.ndarray, network: Callable, *, pixels: int = STYLIZER_PIXELS
) -> np.ndarray:
    """Style transfer by a network that was trained on many styles (Ghiasi et al. 2017).

    A content with more than `pixels` pixels goes through the network in tiles.

    Args:
        content: float32 [H, W, 3] in [-1, 1].
        style: float32 [H', W', 3] in [-1, 1]; its middle square is scaled to 256 pixels.
        network: what `load_stylizer` gives.
        pixels: most pixels per call of the network.

    Returns:
        float32 [H, W, 3] in [-1, 1].
    """
    side = min(style.shape[:2])
    top, left = ((own - side) // 2 for own in style.shape[:2])
    square = images.scale(style[top : top + side, left : left + side], STYLE_SIZE, STYLE_SIZE)

    def translate(batch):
        styles = np.repeat(square[None], len(batch), axis=0)
        made = network(tf.constant(0.5 * batch + 0.5), tf.constant(0.5 * styles + 0.5))
        return 2.0 * np.asarray(made[0], np.float32) - 1.0

    (made,) = translate_images(translate, [content], multiple=STYLIZER_MULTIPLE, pixels=pixels)
    return np.clip(made, -1.0, 1.0)


def load_stylizer(path: str | os.PathLike) -> Callable:
    """The network of Ghiasi et al. from a local SavedModel.

    Args:
        path: folder with `saved_model.pb`.

    Returns:
        Callable (content, style) -> sequence with one image: float32 [B, H, W, 3] in [0, 1].

    Raises:
        UserError: there is no SavedModel, or it is another network.
    """
    path = Path(path)
    if not (path / "saved_model.pb").is_file():
        raise UserError(
            f"--stylizer {path}: no saved_model.pb there; download "
            f"https://tfhub.dev/google/magenta/arbitrary-image-stylization-v1-256/2 (TensorFlow 2, "
            f"SavedModel), unpack it and give its folder"
        )
    saved.refuse_operations(path)
    try:
        network = tf.saved_model.load(os.fspath(path))
        blank = tf.zeros((1, STYLE_SIZE, STYLE_SIZE, 3))
        known = callable(network) and network(blank, blank)[0].shape == blank.shape
    except (OSError, ValueError, TypeError, KeyError, tf.errors.OpError):
        known = False
    if not known:
        raise UserError(
            f"--stylizer {path}: not a network that takes a content and a style image and gives "
            f"one image; arbitrary-image-stylization-v1-256 is expected"
        )
    return network


def _fitted(picture, side):
    """`Pixels` scaled so that the longer side has `side` pixels."""
    height, width = picture.colour.shape[:2]
    factor = side / max(height, width)
    if factor == 1:
        return picture
    height, width = (max(1, round(own * factor)) for own in (height, width))
    alpha = picture.alpha
    if alpha is not None:
        alpha = images.scale(alpha[..., None], height, width)[..., 0]
    return picture._replace(colour=images.scale(picture.colour, height, width), alpha=alpha)


def _large_enough(flag, path, colour):
    height, width = colour.shape[:2]
    if min(height, width) < SMALLEST:
        raise UserError(
            f"{flag} {path}: {width} x {height} pixels are too few; {SMALLEST} a side "
            f"are needed, --size scales"
        )


def _writable(output, picture, *sources):
    """Refuses what the result cannot be written to, before the work is done."""
    output = Path(output)
    if not images.can_hold(output.suffix, picture):
        raise UserError(
            f"--output {output}: the name of an image is needed that can hold what the "
            f"content has ({images.described(picture)}); .png always can"
        )
    if output.resolve() in [Path(source).resolve() for source in sources]:
        raise UserError(
            f"--output {output}: is an input, which would be overwritten; give another name"
        )


OPTIMIZERS = {"adam": adam, "lbfgs": lbfgs}
