"""Frozen feature networks: VGG19 for the perceptual loss, those of LPIPS for both.

All take images in [-1, 1] and scale them inside, and all say by name which of their outputs carry
content and which carry style, so that a loss need not know which network it has.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gantrain.deferred import keras, layers, tf
from gantrain.errors import UserError
from gantrain.files import sha256
from gantrain.nets import torch_files
from gantrain.nets.applications import Application, load
from gantrain.reading import read_arrays


class FeatureNet(NamedTuple):
    """A frozen network and the names of its outputs.

    Args:
        model: images [B, H, W, 3] float32 in [-1, 1] -> {name: [B, h, w, c] float32}.
        content: names of the outputs whose values describe content.
        style: names of the outputs whose Gram matrices describe style.
        description: network, version, weights' file and its SHA-256, to store with numbers.
        linear: LPIPS's weights of the channels of each output, float32 [c]; () without them.
        smallest: pixels a side of the smallest image that has all outputs.
    """

    model: keras.Model
    content: tuple[str, ...]
    style: tuple[str, ...]
    description: dict[str, str]
    linear: tuple[np.ndarray, ...] = ()
    smallest: int = 1


VGG19 = Application(
    "VGG19",
    lambda **options: keras.applications.VGG19(**options),
    "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
    "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "253f8cb515780f3b799900260a226db6",
    "--vgg_weights",
    {},
)
VGG19_LAYERS = tuple(
    f"block{block}_{layer}"
    for block, convolutions in enumerate((2, 2, 4, 4, 4), start=1)
    for layer in (*(f"conv{i}" for i in range(1, convolutions + 1)), "pool")
)
VGG19_CONTENT, VGG19_STYLE = ("block5_conv2",), tuple(f"block{i}_conv1" for i in range(1, 6))


def vgg19(
    path: str | os.PathLike | None = None,
    offline: bool = False,
    content: Sequence[str] = (),
    style: Sequence[str] = (),
) -> FeatureNet:
    """VGG19 trained on ImageNet, as the published code reads it (thesis listing 6.17).

    Args:
        path: weights file (.h5 or .weights.h5, with or without the dense layers); None uses the
            Keras cache and, unless `offline`, its download.
        offline: never touch the network.
        content, style: layers of VGG19_LAYERS; () are the published ones.

    Raises:
        UserError: if the weights are not at hand, or there is no such layer.
    """
    _refuse_strangers("VGG19", (*content, *style), VGG19_LAYERS)
    net, file = load(VGG19, path, offline)
    description = {
        "network": "VGG19, Keras ImageNet weights",
        "version": f"Keras {keras.__version__}",
        "weights": file.name,
        "sha256": sha256(file),
    }
    return _vgg19(net, description, content, style)


def vgg19_untrained(content: Sequence[str] = (), style: Sequence[str] = ()) -> FeatureNet:
    """The same network with random weights, to see what a run would be without a download."""
    _refuse_strangers("VGG19", (*content, *style), VGG19_LAYERS)
    return _vgg19(VGG19.build(include_top=False, weights=None), {}, content, style)


def _vgg19(net, description, content, style):
    content, style = tuple(content) or VGG19_CONTENT, tuple(style) or VGG19_STYLE
    last = max((*content, *style), key=VGG19_LAYERS.index)
    image = keras.Input((None, None, 3), name="image")
    x = keras.applications.vgg19.preprocess_input(
        layers.Rescaling(127.5, 127.5, dtype="float32")(image)
    )
    outputs = {}
    for layer in net.layers[1:]:
        # Built anew in float32: its activations overflow float16.
        copy = type(layer).from_config({**layer.get_config(), "dtype": "float32"})
        x = copy(x)
        copy.set_weights(layer.get_weights())
        if layer.name in (*content, *style):
            outputs[layer.name] = x
        if layer.name == last:
            break
    return FeatureNet(_frozen(image, outputs, "vgg19"), content, style, description)


def reading(net: FeatureNet, content: Sequence[str] = (), style: Sequence[str] = ()) -> FeatureNet:
    """A network of which other outputs carry content and style; () leaves those that do.

    Raises:
        UserError: it has no such output.
    """
    if not (content or style):
        return net
    outputs = net.model.output
    _refuse_strangers(net.description["network"], (*content, *style), outputs)
    content, style = tuple(content) or net.content, tuple(style) or net.style
    chosen = {name: outputs[name] for name in outputs if name in (*content, *style)}
    return FeatureNet(
        _frozen(net.model.input, chosen, net.model.name), content, style, net.description
    )


def _refuse_strangers(network, wanted, names):
    for name in wanted:
        if name not in names:
            raise UserError(
                f"--perceptual_layers {name}: {network} has no such layer; "
                f"choose from {', '.join(names)}"
            )


class LpipsNet(NamedTuple):
    """A network of LPIPS as a table.

    The rows, in the order of torchvision's `features`, whose names in its files they carry:

        conv  name, kernel, channels, stride, zero padding; then ReLU
        fire  name, channels of the 1x1 squeeze, channels of each of the 1x1 and 3x3 expansions
        pool  window of a max pool of stride 2, whether a window may reach over the border
        out   name of an output
    """

    title: str
    smallest: int
    rows: tuple[tuple, ...]


LPIPS_NETS = {
    "alex": LpipsNet("AlexNet", 31, (
        ("conv", "features.0", 11, 64, 4, 2), ("out", "relu1"),
        ("pool", 3, False), ("conv", "features.3", 5, 192, 1, 2), ("out", "relu2"),
        ("pool", 3, False), ("conv", "features.6", 3, 384, 1, 1), ("out", "relu3"),
        ("conv", "features.8", 3, 256, 1, 1), ("out", "relu4"),
        ("conv", "features.10", 3, 256, 1, 1), ("out", "relu5"),
    )),
    "vgg": LpipsNet("VGG16", 16, (
        ("conv", "features.0", 3, 64, 1, 1), ("conv", "features.2", 3, 64, 1, 1),
        ("out", "relu1_2"), ("pool", 2, False),
        ("conv", "features.5", 3, 128, 1, 1), ("conv", "features.7", 3, 128, 1, 1),
        ("out", "relu2_2"), ("pool", 2, False),
        ("conv", "features.10", 3, 256, 1, 1), ("conv", "features.12", 3, 256, 1, 1),
        ("conv", "features.14", 3, 256, 1, 1), ("out", "relu3_3"), ("pool", 2, False),
        ("conv", "features.17", 3, 512, 1, 1), ("conv", "features.19", 3, 512, 1, 1),
        ("conv", "features.21", 3, 512, 1, 1), ("out", "relu4_3"), ("pool", 2, False),
        ("conv", "features.24", 3, 512, 1, 1), ("conv", "features.26", 3, 512, 1, 1),
        ("conv", "features.28", 3, 512, 1, 1), ("out", "relu5_3"),
    )),
    "squeeze": LpipsNet("SqueezeNet 1.1", 17, (
        ("conv", "features.0", 3, 64, 2, 0), ("out", "relu1"),
        ("pool", 3, True), ("fire", "features.3", 16, 64), ("fire", "features.4", 16, 64),
        ("out", "relu2"),
        ("pool", 3, True), ("fire", "features.6", 32, 128), ("fire", "features.7", 32, 128),
        ("out", "relu3"),
        ("pool", 3, True), ("fire", "features.9", 48, 192), ("out", "relu4"),
        ("fire", "features.10", 48, 192), ("out", "relu5"),
        ("fire", "features.11", 64, 256), ("out", "relu6"),
        ("fire", "features.12", 64, 256), ("out", "relu7"),
    )),
}  # fmt: skip

# LPIPS's statement of ImageNet's mean and deviation for images in [-1, 1].
_LPIPS_SHIFT = np.array([-0.030, -0.088, -0.188])
_LPIPS_SCALE = np.array([0.458, 0.448, 0.450])

# Linear weights of version 0.0 of the lpips package: alex, vgg and squeeze. They have the names and
# shapes of version 0.1, but belong to images that are not shifted and scaled.
_LPIPS_OLD = {
    "18720f55913d0af89042f13faa7e536a6ce1444a0914e6db9461355ece1e8cd5",
    "b9e4236260c3dd988fc79d2a48d645d885afcbb21f9fd595e6744cf7419b582c",
    "c27abd3a0145541baa50990817df58d3759c3f8154949f42af3b59b4e042d0bf",
}


NO_LPIPS = (
    "LPIPS needs the weights of its network: give --lpips_weights PATH (.npz, or the official "
    "PyTorch files)"
)


def lpips(path: str | os.PathLike | None, net: str | None = None) -> FeatureNet:
    """A network of LPIPS v0.1 (Zhang et al. 2018): AlexNet, VGG16 or SqueezeNet 1.1 of torchvision.

    Outputs are the rectified layers that the lpips package compares. Padding is explicit zeros:
    "same" would pad a stride of 4 on other sides.

    Deviation: content is the last output and style all of them when it stands in for VGG19, the
    nearest to the layers that the thesis takes.

    Args:
        path: an .npz with `convN/kernel` [h, w, in, out], `convN/bias` and `linN`, counted in the
            order of computation; or torchvision's .pth; or that and the linear weights of the
            lpips package, as "BACKBONE.pth,LINEAR.pth" or as a folder that holds both. Which
            network it is follows from the shapes. The perceptual loss needs no linear weights.
            None is refused: nothing can be downloaded in its place.
        net: a key of LPIPS_NETS, for a folder with the weights of several.

    Raises:
        UserError: a file is missing, damaged or something else.
    """
    net, files, convolutions, linear = _lpips_weights(path, net)
    arrays = iter(convolutions)
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(
        (1 / _LPIPS_SCALE).tolist(), (-_LPIPS_SHIFT / _LPIPS_SCALE).tolist(), dtype="float32"
    )(image)
    outputs = {}
    for kind, *row in LPIPS_NETS[net].rows:
        if kind == "conv":
            x = _convolved(x, next(arrays), *row[3:])
        elif kind == "fire":
            x = _convolved(x, next(arrays))
            x = layers.Concatenate(dtype="float32")(
                [_convolved(x, next(arrays)), _convolved(x, next(arrays))]
            )
        elif kind == "pool":
            window, over = row
            if over:
                # Features are not negative, so that a zero stands for a place outside.
                x = layers.ZeroPadding2D(((0, 1), (0, 1)), dtype="float32")(x)
            x = layers.MaxPooling2D(window, 2, dtype="float32")(x)
        else:
            outputs[row[0]] = x
    names = tuple(outputs)
    description = {
        "network": f"LPIPS {net}", "version": "0.1", "weights": ",".join(f.name for f in files),
        "sha256": ",".join(map(sha256, files)),
    }  # fmt: skip
    return FeatureNet(
        _frozen(image, outputs, net),
        names[-1:],
        names,
        description,
        linear,
        LPIPS_NETS[net].smallest,
    )


def pooled(net: FeatureNet) -> Callable[[tf.Tensor], tf.Tensor]:
    """The mean over space of a network's last output, for distances between sets of images.

    Args:
        net: `FeatureNet`.

    Returns:
        images [B, H, W, 3] in [-1, 1] -> float32 [B, D].
    """
    last = net.model.output[net.content[-1]]
    model = keras.Model(net.model.input, layers.GlobalAveragePooling2D(dtype="float32")(last))
    return lambda images: model(images, training=False)


def _convolved(x, weights, stride=1, padding=0):
    kernel, bias = weights
    if stride > 1 and padding:
        x = layers.ZeroPadding2D(padding, dtype="float32")(x)
    conv = layers.Conv2D(
        len(bias),
        len(kernel),
        stride,
        "same" if stride == 1 else "valid",
        activation="relu",
        dtype="float32",
    )
    x = conv(x)
    conv.set_weights([kernel, bias])
    return x


def _lpips_weights(path, net):
    """(net, files, [(kernel, bias)], linear weights) at a `path` as `lpips` takes it."""
    if net is not None and net not in LPIPS_NETS:
        raise UserError(f"LPIPS network {net}: choose from {', '.join(sorted(LPIPS_NETS))}")
    convolutions: dict[str, tuple] = {}
    linear: dict[str, tuple] = {}
    for file in _lpips_files(path):
        arrays = _arrays(file)
        for name, values in arrays.items():
            if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
                raise UserError(f"{file}: {name} is not of finite numbers; download it again")
        for table, found in ((convolutions, _convolutions), (linear, _linear)):
            for name in LPIPS_NETS:
                values = found(arrays, LPIPS_NETS[name].rows)
                if values and name in table:
                    raise UserError(
                        f"{path}: {table[name][0].name} and {file.name} are both for "
                        f"{LPIPS_NETS[name].title}; give BACKBONE.pth,LINEAR.pth"
                    )
                if values:
                    table[name] = file, values
    usable = sorted(n for n in convolutions if net in (None, n))
    if len(usable) > 1:
        usable = [n for n in usable if n in linear] or usable
    if len(usable) > 1:
        raise UserError(
            f"{path}: holds weights for {' and '.join(usable)}; give one network's as "
            f"BACKBONE.pth,LINEAR.pth"
        )
    if not usable:
        alone = sorted(n for n in linear if net in (None, n))
        if alone:
            raise UserError(
                f"{path}: holds linear weights for {' and '.join(alone)} but not the "
                f"convolutions; give torchvision's .pth with it, as "
                f"BACKBONE.pth,LINEAR.pth"
            )
        wanted = LPIPS_NETS[net].title if net else "AlexNet, VGG16 or SqueezeNet 1.1"
        raise UserError(
            f"{path}: not an LPIPS file of {wanted}; an .npz with conv1/kernel, conv1/bias and so "
            f"on and lin0 and so on is expected, or BACKBONE.pth,LINEAR.pth of torchvision and of "
            f"the lpips package"
        )
    (net,) = usable
    file, values = convolutions[net]
    if net not in linear:
        return net, [file], values, ()
    own, weights = linear[net]
    if sha256(own) in _LPIPS_OLD:
        raise UserError(
            f"{own}: linear weights of LPIPS 0.0; take those of version 0.1 "
            f"(weights/v0.1 of the lpips package)"
        )
    return net, list(dict.fromkeys([file, own])), values, weights


def _lpips_files(path):
    if path is None:
        raise UserError(NO_LPIPS)
    whole = Path(path)
    if whole.is_dir():
        files = sorted(f for f in whole.iterdir() if f.suffix in (".npz", ".pth"))
        if not files:
            raise UserError(
                f"{path}: no .npz and no .pth file there; put the weights of LPIPS into it"
            )
        return files
    files = [whole] if whole.exists() else [Path(part) for part in os.fspath(path).split(",")]
    for file in files:
        if not file.is_file():
            raise UserError(
                f"{file}: no such file; weights of LPIPS are expected "
                f"(alexnet_lpips.npz, or BACKBONE.pth,LINEAR.pth)"
            )
    return files


def _arrays(file):
    """{name: array} of an .npz, or of the part of a .pth that LPIPS needs."""
    if file.suffix != ".npz":
        return torch_files.read(file, ("features.", "lin"))
    try:
        return read_arrays(file)
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: not a readable .npz ({error}); download it again") from None


def _shapes(rows):
    """(name in torchvision's files, shape [h, w, in, out]) of every convolution."""
    shapes, channels = [], 3
    for kind, *row in rows:
        if kind == "conv":
            name, kernel, size = row[:3]
            shapes.append((name, (kernel, kernel, channels, size)))
            channels = size
        elif kind == "fire":
            name, squeeze, expand = row
            shapes += [
                (f"{name}.squeeze", (1, 1, channels, squeeze)),
                (f"{name}.expand1x1", (1, 1, squeeze, expand)),
                (f"{name}.expand3x3", (3, 3, squeeze, expand)),
            ]
            channels = 2 * expand
    return shapes


def _convolutions(arrays, rows):
    """[(kernel, bias)] of a network, if all of them are there, else None."""
    found = []
    for number, (name, shape) in enumerate(_shapes(rows), start=1):
        kernel = arrays.get(f"conv{number}/kernel")
        if kernel is None and np.ndim(arrays.get(f"{name}.weight")) == 4:
            kernel = arrays[f"{name}.weight"].transpose(2, 3, 1, 0)
        bias = arrays.get(f"conv{number}/bias", arrays.get(f"{name}.bias"))
        if np.shape(kernel) != shape or np.shape(bias) != shape[-1:]:
            return None
        found.append((kernel, bias))
    return found


def _linear(arrays, rows):
    """The linear weights of a network, float32 [channels] each, or None."""
    widths, channels = [], 3
    for kind, *row in rows:
        if kind == "conv":
            channels = row[2]
        elif kind == "fire":
            channels = 2 * row[2]
        elif kind == "out":
            widths.append(channels)
    found = [
        arrays.get(f"lin{i}", arrays.get(f"lin{i}.model.1.weight")) for i in range(len(widths))
    ]
    # A kernel of 1x1, as PyTorch or Keras has it, or a vector.
    shapes = [((n,), (1, n, 1, 1), (1, 1, n, 1)) for n in widths]
    if not all(np.shape(v) in fitting for v, fitting in zip(found, shapes, strict=True)):
        return None
    return tuple(np.reshape(v, -1).astype("float32") for v in found)


def _frozen(image, outputs: dict, name: str) -> keras.Model:
    model = keras.Model(image, outputs, name=name)
    model.trainable = False
    return model


def weights_hash(model: keras.Model) -> str:
    """SHA-256 of a model's weights in their order; that of its file would change with the date."""
    digest = hashlib.sha256()
    for value in model.get_weights():
        digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
    return digest.hexdigest()
