"""LPIPS: how far apart two images look, by the features of a network that has seen many (v0.1).

LPIPS alone cannot tell a coupled pair of generators from an uncoupled one: two images of one
domain's look may be near without showing the same thing. Joint coherence stands beside it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from gantrain.deferred import tf
from gantrain.errors import UserError
from gantrain.measures.metric import Metric
from gantrain.measures.streams import Streams
from gantrain.nets import frozen

EPSILON = 1e-10  # of the lpips package, in the denominator of the unit length


class LPIPS:
    """Learned perceptual image patch similarity (Zhang et al. 2018, equation 1), version 0.1.

        d(a, b) = sum_l 1/(H_l W_l) sum_hw w_l . (y_l(a)_hw - y_l(b)_hw)^2,

    y_l the features of layer l, of unit length over the channels at every place, and w_l the linear
    weights that were fitted to human judgements. 0 for equal images; higher is further apart.

    Args:
        weights: file or files, as `gantrain.nets.frozen.lpips` takes them; or the `FeatureNet` that
            it gives.
        net: "alex", "vgg" or "squeeze", for a folder with the weights of several.

    Attributes:
        description: {"network", "version", "weights", "sha256"}, to store with every number.

    Raises:
        UserError: a file is missing, damaged or something else, or holds no linear weights.
    """

    def __init__(
        self, weights: str | os.PathLike | frozen.FeatureNet | None, net: str | None = None
    ):
        if isinstance(weights, frozen.FeatureNet):
            self.features, name = weights, weights.description["weights"]
        else:
            self.features, name = frozen.lpips(weights, net), str(weights)
        self.description = self.features.description
        if not self.features.linear:
            raise UserError(
                f"{name}: holds no linear weights (lin0 and so on); give them with it, "
                f"as BACKBONE.pth,LINEAR.pth, the second from weights/v0.1 of the "
                f"lpips package"
            )

    def distance(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """d(a, b) of every pair.

        Args:
            a, b: float32 [B, H, W, 1 or 3] in [-1, 1]; gray is repeated.

        Returns:
            float32 [B].

        Raises:
            UserError: the images are smaller than the network can take.
        """
        self.check(a.shape)
        both = self.features.model(tf.concat([_coloured(a), _coloured(b)], axis=0), training=False)
        return tf.add_n(
            [
                self._layer(both[name], weights)
                for name, weights in zip(self.features.style, self.features.linear, strict=True)
            ]
        )

    def check(self, shape: Sequence[int | None]) -> None:
        """Raises UserError unless images of this shape [B, H, W, C] are large enough."""
        height, width = shape[1:3]
        side = self.features.smallest
        if min(height or side, width or side) < side:
            raise UserError(
                f"{self.description['network']}: images of {width} x {height} pixels "
                f"are too few for it; it needs {side} a side, --image_size scales"
            )

    def _layer(self, features, weights):
        length = tf.sqrt(tf.reduce_sum(tf.square(features), axis=-1, keepdims=True))
        one, other = tf.split(features / (length + EPSILON), 2)
        return tf.reduce_mean(tf.linalg.matvec(tf.square(one - other), weights), axis=[1, 2])


def _coloured(images):
    images = tf.convert_to_tensor(images, tf.float32)
    return tf.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def pair_distances(
    lpips: LPIPS, left: Iterable[np.ndarray], right: Iterable[np.ndarray], program: Callable
) -> np.ndarray:
    """LPIPS of every pair of two streams, in flat memory.

    Args:
        lpips: `LPIPS`.
        left, right: iterables of float32 [b, H, W, 1 or 3] in [-1, 1], of equal batches; b may
            differ from batch to batch.
        program: `lpips.distance`, compiled once for all streams that it is asked of.

    Returns:
        float32 [N], in the order of the streams.

    Raises:
        UserError: the images are smaller than the network can take.
        ValueError: the streams are empty, or do not fit together.
    """
    size, values = None, []
    for one, other in zip(left, right, strict=True):
        one, other = np.asarray(one, np.float32), np.asarray(other, np.float32)
        if one.shape[:3] != other.shape[:3]:
            raise ValueError(f"batches of {one.shape} and {other.shape} make no pairs")
        lpips.check(one.shape)
        size = size or len(one)
        made = np.concatenate(
            [
                np.asarray(
                    program(filled(one[i : i + size], size), filled(other[i : i + size], size))
                )[: len(one) - i]
                for i in range(0, len(one), size)
            ]
        )
        values.append(made)
    if not values:
        raise ValueError("streams without images have no distance")
    return np.concatenate(values)


def filled(images: np.ndarray, size: int) -> np.ndarray:
    """A batch of at most `size` images with blank ones behind: a short one is compiled anew."""
    return np.pad(images, [(0, size - len(images))] + [(0, 0)] * 3)


def mean_distance(
    lpips: LPIPS, left: Iterable[np.ndarray], right: Iterable[np.ndarray], program: Callable
) -> dict[str, float]:
    """Mean LPIPS of the pairs of two streams; arguments as for `pair_distances`.

    Returns:
        {"mean", "std", "count"}, floats; std is that of the pairs, not of the mean.
    """
    return statistics(pair_distances(lpips, left, right, program))


def statistics(values: np.ndarray) -> dict[str, float]:
    """{"mean", "std", "count"} of distances [N], as floats."""
    values = np.asarray(values, np.float64)
    return {"mean": float(values.mean()), "std": float(values.std()), "count": float(values.size)}


def measure(e: Streams) -> dict[str, float]:
    """The thesis's three measurements, its baseline, and the floor: real images of one domain."""

    def streams():
        for (i, one), (j, other) in itertools.combinations(enumerate(e.names), 2):
            both = itertools.tee(e.generated())
            yield (
                f"generated_{one}~generated_{other}",
                (m[i] for m in both[0]),
                (m[j] for m in both[1]),
            )
            yield f"real_{one}~real_{other}", e.real(i), e.real(j)
        for i, name in enumerate(e.names):
            yield f"generated_{name}~real_{name}", e.of_domain(i), e.real(i)
            yield f"real_{name}~real_{name}", e.real(i), e.real(i, again=1)

    return mean_distances(e, streams())


def mean_distances(e: Streams, streams: Iterable[tuple]) -> dict[str, float]:
    """Mean LPIPS of pairs of streams, as many pairs as the shorter one has.

    Args:
        e: `gantrain.measures.streams.Streams`.
        streams: iterable of (name, stream, stream).
    """
    lpips = e.once("lpips", lambda: LPIPS(e.weights.lpips))
    program = e.once("lpips_program", lambda: e.compile(lpips.distance))
    e.networks["lpips"], values = lpips.description, {}
    for name, left, right in streams:
        d = mean_distance(lpips, *together(left, right), program)
        values |= {f"lpips/{name}": d["mean"], f"lpips_std/{name}": d["std"]}
        e.counts[f"lpips/{name}"] = int(d["count"])
    return values


def together(
    left: Iterable[np.ndarray], right: Iterable[np.ndarray]
) -> tuple[Iterator[np.ndarray], Iterator[np.ndarray]]:
    """Two streams cut to the same batches, as many as the shorter one has."""
    one, other = itertools.tee(zip(left, right, strict=False))
    return (a[: len(b)] for a, b in one), (b[: len(a)] for a, b in other)


def unfit(e: Streams) -> str:
    """Why LPIPS does not fit, or ""."""
    if not e.from_noise or not e.of_images:
        return "LPIPS of a joint distribution needs generators of images from noise"
    return "" if e.weights.lpips else frozen.NO_LPIPS


METRIC = Metric(
    "generated against generated and real, and real against real",
    measure,
    unfit,
    ("lpips", min),
    weights="lpips",
)
