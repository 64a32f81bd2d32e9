"""FCN-8s: the network that reads label maps off photographs, as a table (Long et al. 2015)."""

from __future__ import annotations

from gantrain.deferred import keras, layers
from gantrain.errors import UserError
from gantrain.nets.blocks import CHANNELS, Row, Settings, build_rows

# Convolutions and their channels between two halvings, as in VGG16.
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
FEWEST, COARSEST = 3, 8
"""Fewest halvings, and the side in pixels below which no map is halved any more."""

# Of its initialisers' keys, so that no other network of one seed shares a draw.
_KEY = 0xFC8


def encoder_rows(halvings: int, dropout: float) -> tuple[Row, ...]:
    """VGG16's convolutions, and its dense layers as convolutions (Long et al. 2015, section 3.1).

    Args:
        halvings: how often the map is halved, at most as often as `STAGES` has entries.
        dropout: rate behind what were the dense layers.
    """
    rows = []
    for count, size in STAGES[:halvings]:
        rows += [Row("conv", size, 3, norm="batch", activation="relu")] * count
        rows += [Row("pool", kernel=2, stride=2)]
    return (
        *rows,
        *(
            Row("conv", 1024, kernel, norm="batch", activation="relu", dropout=dropout)
            for kernel in (3, 1)
        ),
    )


def fcn_halvings(size: int) -> int:
    """How often a network for images of `size` pixels halves them: 5 from 256 pixels on.

    Raises:
        UserError: images of this size cannot be halved so often.
    """
    halvings = min(len(STAGES), max(FEWEST, (size // COARSEST).bit_length() - 1))
    divisor = 2**halvings
    if size < divisor or size % divisor:
        raise UserError(
            f"--gan_type segmenter needs --image_size to be a multiple of {divisor}, "
            f"such as {max(divisor, size - size % divisor)}; this data has {size} "
            f"pixels a side"
        )
    return halvings


def build_fcn(
    size: int,
    channels: int,
    classes: int,
    *,
    width: float = 1.0,
    norm: str | None = None,
    dropout: float = 0.5,
    weight_init: str = "xavier",
    seed: int,
) -> keras.Model:
    """FCN-8s, [B, H, W, channels] in [-1, 1] -> logits [B, H, W, classes] float32.

    Heads of 1x1 kernels score the classes on the three coarsest maps; from the coarsest on, the
    scores are doubled and added to those of the finer map, and the sum is enlarged to the image
    (Long et al. 2015, section 4.2). H and W may be any multiples of two to the halvings.

    Deviation: trained from scratch, so with batch normalisation and dense layers of 1024 channels
    and a 3x3 kernel, where the paper starts from VGG16's weights with 4096 and 7x7; scores are
    enlarged bilinearly, where the paper learns to double them from that start; below 256 pixels the
    network halves less often, so that its coarsest map keeps 8 pixels a side, and its heads are on
    finer maps: on strides 4, 8 and 16 at 128 pixels and on 2, 4 and 8 at 64.

    Args:
        size: side of the training images.
        channels: channels of the images.
        classes: number of classes.
        width: factor on the size of every row but the heads.
        norm: replaces batch normalisation: "instance", "none"; None keeps it.
        dropout: rate behind the last two rows of the encoder, 0.5 in the paper.
        weight_init: "xavier" (normal) or "normal" (standard deviation 0.02).
        seed: decides every initial weight and dropout mask; not negative.

    Raises:
        UserError: images of this size cannot be halved so often.
    """
    halvings = fcn_halvings(size)
    rows, settings = encoder_rows(halvings, dropout), Settings(weight_init, norm=norm, width=width)
    image = keras.Input((None, None, channels), name="image")
    ((*_, deepest),) = build_rows(
        rows, [image], size=channels, settings=settings, seed=(seed, _KEY, 0), names="s"
    )
    encoder = keras.Model(image, deepest)
    pooled = [
        encoder.get_layer(f"s1_row{i}_pool").output
        for i, row in enumerate(rows)
        if row.kind == "pool"
    ]
    strides = [2**i for i in (halvings, halvings - 1, halvings - 2)]
    total = None
    for number, (stride, x) in enumerate(zip(strides, (deepest, *pooled[-2:-4:-1]), strict=True)):
        ((score,),) = build_rows(
            (Row("conv", CHANNELS, 1),),
            [x],
            size=classes,
            settings=settings,
            seed=(seed, _KEY, 1 + number),
            names=f"score{stride}_",
        )
        if total is not None:
            doubled = _enlarged(2, f"double{stride}")(total)
            score = layers.Add(name=f"fuse{stride}", dtype="float32")([doubled, score])
        total = score
    logits = _enlarged(strides[-1], "logits")(total)
    return keras.Model(image, logits, name="segmenter")


def _enlarged(factor, name):
    return layers.UpSampling2D(factor, interpolation="bilinear", name=name, dtype="float32")
