"""What one row of an architecture table means, written once for every network.

A row becomes a *block*: a function of a symbolic tensor that holds its layers. Calling the same
block in two networks is what sharing a row means, so shared weights are one variable by identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gantrain.deferred import Deferred, keras, layers

if TYPE_CHECKING:
    from gantrain.nets import layers as own

    Block = Callable[[keras.KerasTensor], keras.KerasTensor]
else:
    # The layers are Keras's kin, and these tables are read for their names alone, too.
    own = Deferred("gantrain.nets.layers")

CHANNELS = None
"""Size of a row whose width the data decides: the channels of an image, the latent size."""


@dataclass(frozen=True)
class Row:
    """One line of an architecture table.

    Args:
        kind: a key of `KINDS`.
        size: channels or neurons; the rate of a `dropout` row; `CHANNELS` where the data decides.
        kernel: side of the kernel or of the pooling window; for a `dense` row the side of the
            square map that its output is reshaped to, 0 for none.
        stride: stride; the kinds `up`, `res_up` and `res_down` are always by 2.
        norm: a key of `NORMS`, applied before the activation.
        activation: a key of `ACTIVATIONS`.
        pad: a key of `PADS`: what surrounds the map in `conv` and `res` rows.
        dropout: rate of the dropout behind the activation, 0 for none.
        name: what a later row calls this row's output in its `of`.
        of: names of the rows whose outputs, joined along the channels, this row reads; empty for
            the row before it.
    """

    kind: str
    size: float | None = 0
    kernel: int = 0
    stride: int = 1
    norm: str = "none"
    activation: str = "linear"
    pad: str = "same"
    dropout: float = 0.0
    name: str = ""
    of: tuple[str, ...] = ()

    @property
    def weighted(self) -> bool:
        """Whether the row has a kernel: the rows that `--shared_layers` counts."""
        return self.kind in WEIGHTED


@dataclass(frozen=True)
class Settings:
    """What all rows of one network have in common, beside its table.

    Args:
        weight_init: a key of `WEIGHT_INITS`.
        spectral_norm: divide every kernel by its largest singular value.
        norm: a key of `NORMS` that replaces the norm of the rows that have one; None keeps it.
        width: factor on the size of every row but the last.
    """

    weight_init: str = "xavier"
    spectral_norm: bool = False
    norm: str | None = None
    width: float = 1.0


def scaled(size: int, width: float) -> int:
    """The size of a row at another width: a multiple of 4, and at least 4."""
    return size if width == 1 else max(4, 4 * round(size * width / 4))


class _Maker:
    """Makes the layers of one row, on inputs of `shape`: named, seeded, in the row's precision."""

    def __init__(
        self,
        row: Row,
        size: Any,
        settings: Settings,
        name: str,
        seed: list[int],
        head: bool,
        shape: tuple,
    ):
        self.row, self.settings, self.name, self.shape = row, settings, name, shape
        # A loss in half precision loses its small differences: heads are float32.
        self.dtype = "float32" if head else None
        # A weighted row counts channels; the rate of a dropout row is not read from here.
        self.size = scaled(size, settings.width) if row.weighted and not head else size
        self.norm = row.norm
        if settings.norm is not None and row.norm != "none":
            self.norm = settings.norm
        self._seeds = iter(np.random.SeedSequence(seed).generate_state(8))

    def seed(self) -> int:
        return int(next(self._seeds)) & 0x7FFFFFFF

    def plain(self, cls, *args, part: str, **kwargs):
        return cls(*args, name=f"{self.name}_{part}", dtype=self.dtype, **kwargs)

    def weights(self, cls, *args, part: str = "weights", icnr: bool = False, **kwargs):
        """A layer with a kernel: the only place where one is made."""
        initializer = WEIGHT_INITS[self.settings.weight_init](self.seed())
        if icnr:
            initializer = own.Icnr(initializer)
        layer = self.plain(cls, *args, part=part, kernel_initializer=initializer, **kwargs)
        if not self.settings.spectral_norm:
            return layer
        return own.SpectralNorm(layer, name=f"{self.name}_{part}_sn", dtype=self.dtype)

    def conv(self, size: int, kernel: int, cls=None, part: str = "weights", **kwargs):
        return self.weights(cls or own.Conv2D, size, kernel, padding="same", part=part, **kwargs)

    @property
    def bias(self) -> bool:
        """`use_bias` of a kernel whose output the row's norm takes."""
        return self.norm not in OF_EACH_CHANNEL

    def padded_conv(self, part: str = "weights", **kwargs) -> list[layers.Layer]:
        """The row's convolution, its padding before it, without a bias that its norm subtracts."""
        padding, around = PADS[self.row.pad]
        conv = self.weights(
            own.Conv2D,
            self.size,
            self.row.kernel,
            padding=padding,
            part=part,
            use_bias=self.bias,
            **kwargs,
        )
        if around is None:
            return [conv]
        cls, pixels = around(self.row.kernel)
        return [self.plain(cls, pixels, part=f"{part}_pad"), conv]

    def _listed(self, entry, flat: bool, part: str) -> list[layers.Layer]:
        if entry is None:
            return []
        cls, kwargs = entry()
        if flat:
            kwargs = {k: v for k, v in kwargs.items() if k != "shared_axes"}
        return [self.plain(cls, part=part, **kwargs)]

    def normalisation(self, flat: bool = False, part: str = "") -> list[layers.Layer]:
        return self._listed(NORMS[self.norm], flat, part + "norm")

    def norm_and_activation(self, flat: bool = False, part: str = "") -> list[layers.Layer]:
        made = self.normalisation(flat, part)
        made += self._listed(ACTIVATIONS[self.row.activation], flat, part + "activation")
        if self.row.dropout:
            # After the row's kernels, so that its first weights do not depend on the rate.
            rate, seed = self.row.dropout, self.seed()
            made.append(self.plain(own.Dropout, rate, seed=seed, part=part + "dropout"))
        return made


def _chain(made: list[layers.Layer]) -> Block:
    def block(x):
        for layer in made:
            x = layer(x)
        return x

    return block


def _dense(make: _Maker) -> Block:
    side = make.row.kernel
    if side == 0:
        dense = make.weights(layers.Dense, make.size, use_bias=make.bias)
        return _chain([dense, *make.norm_and_activation(flat=True)])
    return _chain(
        [
            make.weights(layers.Dense, side * side * make.size, use_bias=make.bias),
            make.plain(layers.Reshape, (side, side, make.size), part="reshape"),
            *make.norm_and_activation(),
        ]
    )


def _conv(make: _Maker) -> Block:
    return _chain([*make.padded_conv(strides=make.row.stride), *make.norm_and_activation()])


def _convt(make: _Maker) -> Block:
    convt = make.weights(
        own.ConvTranspose2D,
        make.size,
        make.row.kernel,
        make.row.stride,
        padding="same",
        use_bias=make.bias,
    )
    return _chain([convt, *make.norm_and_activation()])


def _up(make: _Maker) -> Block:
    conv = make.conv(make.size, make.row.kernel, own.ResizeConv2D, use_bias=make.bias)
    return _chain([conv, *make.norm_and_activation()])


def _subpixel(make: _Maker) -> Block:
    conv = make.conv(4 * make.size, make.row.kernel, icnr=True, use_bias=make.bias)
    space = make.plain(own.DepthToSpace, part="space")
    return _chain([conv, space, *make.norm_and_activation()])


def _res(make: _Maker) -> Block:
    """Residual block that ends in its sum, without an activation (Gross and Wilber 2016)."""
    first, second = make.padded_conv(part="first"), make.padded_conv(part="second")
    residual = _chain(
        [
            *first,
            *make.norm_and_activation(part="first_"),
            *second,
            *make.normalisation(part="second_"),
        ]
    )
    add = make.plain(layers.Add, part="add")
    return lambda x: add([residual(x), x])


def _residual(make: _Maker, first: layers.Layer, second: layers.Layer, skip: Block) -> Block:
    """Pre-activation residual block (Miyato et al. 2018, figure 7)."""
    residual = _chain(
        [
            *make.norm_and_activation(part="first_"),
            first,
            *make.norm_and_activation(part="second_"),
            second,
        ]
    )
    add = make.plain(layers.Add, part="add")
    return lambda x: add([residual(x), skip(x)])


def _res_up(make: _Maker) -> Block:
    kernel = make.row.kernel
    first = make.conv(make.size, kernel, own.ResizeConv2D, part="first")
    second = make.conv(make.size, kernel, part="second")
    # A 1x1 convolution and a repetition of pixels commute: convolving first is a quarter the work.
    resize = make.plain(layers.UpSampling2D, 2, part="skip_resize")
    return _residual(make, first, second, _chain([make.conv(make.size, 1, part="skip"), resize]))


def _res_down(make: _Maker) -> Block:
    kernel = make.row.kernel
    first = make.conv(make.shape[-1], kernel, part="first")
    second = make.conv(make.size, kernel, own.ConvPool2D, part="second")
    # A 1x1 convolution and an average commute: pooling first is a quarter the work.
    pool = make.plain(layers.AveragePooling2D, 2, part="skip_pool")
    return _residual(make, first, second, _chain([pool, make.conv(make.size, 1, part="skip")]))


def _norm(make: _Maker) -> Block:
    return _chain(make.norm_and_activation(flat=len(make.shape) == 2))


def _pool(make: _Maker) -> Block:
    size, stride = make.row.kernel, make.row.stride
    if (size, stride) == (2, 2):
        return make.plain(own.MaxPool2x2, part="pool")
    return make.plain(layers.MaxPooling2D, size, stride, part="pool")


def _dropout(make: _Maker) -> Block:
    return make.plain(own.Dropout, make.size, seed=make.seed(), part="dropout")


def _minibatch_std(make: _Maker) -> Block:
    return make.plain(own.MinibatchStd, part="minibatch_std")


def _flatten(make: _Maker) -> Block:
    return make.plain(layers.Flatten, part="flatten")


def build_rows(
    rows: tuple[Row, ...],
    inputs: list[keras.KerasTensor],
    *,
    size: int,
    settings: Settings,
    seed: tuple[int, ...],
    names: str,
    shared: tuple[int, int] = (0, 0),
    first: int = 0,
) -> list[list[keras.KerasTensor]]:
    """Applies one table to every input: k networks, some of whose rows are the same layers.

    Rows without weights (pooling, dropout, norm) travel with the weight row before them, or with
    the first where none is before them.

    Args:
        rows: the table; its last weight row is the head, float32 under every precision.
        inputs: one symbolic input per network.
        size: what `CHANNELS` stands for.
        settings: what all rows have in common.
        seed: key of the initial weights; network and row number are added to it, so that a row's
            first weights depend on neither the number of networks nor on what is shared.
        names: prefix of the layers' names.
        shared: the half-open range of weight rows that are shared.
        first: number of the first network, for networks of one run that are built one by one.

    Returns:
        Per network, the output of every weight row in order; the last is the network's output,
        after every row.
    """
    last = max(i for i, row in enumerate(rows) if row.weighted)
    ranks = np.maximum(np.cumsum([row.weighted for row in rows]) - 1, 0)
    blocks: dict[int, Block] = {}
    outputs = []
    for network, x in enumerate(inputs, first):
        out = []
        named: dict[str, Any] = {}
        for i, row in enumerate(rows):
            common = shared[0] <= ranks[i] < shared[1]
            if row.of:
                sources = [named[name] for name in row.of]
                join = layers.Concatenate(name=f"{names}{network + 1}_row{i}_join")
                x = sources[0] if len(sources) == 1 else join(sources)
            if not (common and i in blocks):
                own = size if row.size is CHANNELS else row.size
                name = f"{names}{'' if common else network + 1}_row{i}"
                make = _Maker(row, own, settings, name, [*seed, network, i], i >= last, x.shape)
                blocks[i] = KINDS[row.kind](make)
            x = named[row.name] = blocks[i](x)
            if row.weighted:
                out.append(x)
        outputs.append([*out[:-1], x])
    return outputs


KINDS: dict[str, Callable[[_Maker], Block]] = {
    "dense": _dense,
    "conv": _conv,
    "convt": _convt,
    "up": _up,
    "subpixel": _subpixel,
    "res": _res,
    "res_up": _res_up,
    "res_down": _res_down,
    "norm": _norm,
    "pool": _pool,
    "dropout": _dropout,
    "minibatch_std": _minibatch_std,
    "flatten": _flatten,
}

WEIGHTED = {"dense", "conv", "convt", "up", "subpixel", "res", "res_up", "res_down"}

# Rows whose output for one image depends on the others of its batch, in testing too.
OF_THE_BATCH = {"minibatch_std"}

# Padding of the convolution itself, and the layer in front of it, from the side of the kernel.
PADS: dict[str, tuple[str, Callable[[int], tuple] | None]] = {
    "same": ("same", None),
    "valid": ("valid", None),
    "one": ("valid", lambda kernel: (layers.ZeroPadding2D, 1)),
    "reflect": ("valid", lambda kernel: (own.ReflectionPad2D, kernel // 2)),
}

NORMS = {
    "none": None,
    # Deviation: momentum 0.9. Samples use the running statistics, and at Keras's 0.99, which the
    # listings take, these would lag behind the weights for the first thousand steps.
    "batch": lambda: (own.BatchNorm, {"momentum": 0.9}),
    # One group is layer normalisation over height, width and channels, as the thesis defines it
    # (section 2.1.7); LayerNormalization by itself would treat every pixel apart.
    "layer": lambda: (layers.GroupNormalization, {"groups": 1}),
    "instance": lambda: (own.InstanceNorm, {}),
}

# Norms that subtract the mean of each channel: a bias in front of them changes nothing.
OF_EACH_CHANNEL = {"batch", "instance"}

ACTIVATIONS = {
    "linear": None,
    "relu": lambda: (layers.ReLU, {}),
    "tanh": lambda: (layers.Activation, {"activation": "tanh"}),
    "leaky_relu_0.2": lambda: (layers.LeakyReLU, {"negative_slope": 0.2}),
    "leaky_relu_0.3": lambda: (layers.LeakyReLU, {"negative_slope": 0.3}),
    # Deviation: one slope per channel, as in CoGAN's own definition; the listings' Keras default is
    # one per pixel and channel, which ties a slope to a place and costs 4 million weights at 256
    # pixels.
    "prelu": lambda: (
        own.PReLU,
        {"alpha_initializer": keras.initializers.Constant(0.25), "shared_axes": [1, 2]},
    ),
}

WEIGHT_INITS = {
    "xavier": lambda seed: keras.initializers.GlorotNormal(seed=seed),
    "normal": lambda seed: keras.initializers.RandomNormal(0.0, 0.02, seed=seed),
}
