"""Networks of a run for programs without this one, checked against the run as they are written.

A file takes pixels and gives pixels as its user has them: their range and the order of their
channels are a part of its graph.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gantrain import files, images, nets
from gantrain.data.domain import Domain
from gantrain.deferred import keras, ops, quiet, tf
from gantrain.errors import UserError
from gantrain.progress import phase
from gantrain.runs.build import OpenRun
from gantrain.trainer import Generates, Translates

Function = Callable[[np.ndarray], np.ndarray]


class Format(NamedTuple):
    """A kind of file.

    Attributes:
        summary: one line.
        ending: of the name of a file; a folder has none.
        packages: what writes and reads it, beside what this program needs; a tuple in it names
            alternatives, of which the first is the one to install.
        write: (model, path) writes it.
        read: path -> function of an array, as a program without this one computes it.
        example: lines of Python that make `y` of an array `x`; "{file}" is the path.
    """

    summary: str
    ending: str
    packages: tuple[tuple[str, ...], ...]
    write: Callable[[keras.Model, str], Any]
    read: Callable[[str], Function]
    example: str


def _exports(kind):
    return lambda model, path: model.export(path, format=kind, verbose=False)


def _read_keras(path):
    model = keras.saving.load_model(path, compile=False)
    return lambda x: model.predict(x, verbose=0)


def _read_saved_model(path):
    network = tf.saved_model.load(path)
    return lambda x: np.asarray(network.serve(x))


def _read_onnx(path):
    import onnxruntime

    network = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: network.run(None, {network.get_inputs()[0].name: x})[0]


def _read_litert(path):
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        Interpreter = tf.lite.Interpreter
    network = Interpreter(path)
    (into,), (out,) = network.get_input_details(), network.get_output_details()

    def apply(x):
        network.resize_tensor_input(into["index"], x.shape)
        network.allocate_tensors()
        network.set_tensor(into["index"], x)
        network.invoke()
        return network.get_tensor(out["index"])

    return apply


FORMATS: dict[str, Format] = {
    "keras": Format(
        "one file of Keras's own layers, to look into or train on",
        ".keras",
        (),
        lambda model, path: model.save(path),
        _read_keras,
        """\
import keras

network = keras.saving.load_model("{file}", compile=False)
y = network.predict(x)
""",
    ),
    "saved_model": Format(
        "a folder that TensorFlow alone runs, as TensorFlow Serving does",
        "",
        (),
        _exports("tf_saved_model"),
        _read_saved_model,
        """\
import tensorflow as tf

network = tf.saved_model.load("{file}")
y = network.serve(x).numpy()
""",
    ),
    "onnx": Format(
        "one file for onnxruntime and whatever else reads ONNX",
        ".onnx",
        (("tf2onnx",), ("onnx",), ("onnxruntime",)),
        _exports("onnx"),
        _read_onnx,
        """\
import onnxruntime

network = onnxruntime.InferenceSession("{file}")
(y,) = network.run(None, {{network.get_inputs()[0].name: x}})
""",
    ),
    "litert": Format(
        "one file for LiteRT (TensorFlow Lite), on phones and small machines",
        ".tflite",
        (("ai_edge_litert", "tensorflow"),),
        _exports("litert"),
        _read_litert,
        """\
from ai_edge_litert.interpreter import Interpreter

network = Interpreter("{file}")
network.resize_tensor_input(network.get_input_details()[0]["index"], x.shape)
network.allocate_tensors()
network.set_tensor(network.get_input_details()[0]["index"], x)
network.invoke()
y = network.get_tensor(network.get_output_details()[0]["index"])
""",
    ),
}


class Scaling(NamedTuple):
    """How a file has pixels: `scale` v + `shift` of a value v in [-1, 1]."""

    summary: str
    scale: float
    shift: float
    dtype: str = "float32"

    def of(self, signed: np.ndarray) -> np.ndarray:
        """What stands for values in [-1, 1]."""
        if self.dtype == "uint8":
            return images.to_uint8(signed)
        return np.float32(signed * np.float32(self.scale) + np.float32(self.shift))

    def signed(self, stored: np.ndarray) -> np.ndarray:
        """The values in [-1, 1] that this stands for."""
        return (stored.astype(np.float32) - np.float32(self.shift)) / np.float32(self.scale)


PIXELS: dict[str, Scaling] = {
    "signed": Scaling("float32 in [-1, 1], as trained", 1.0, 0.0),
    "unit": Scaling("float32 in [0, 1]", 0.5, 0.5),
    "bytes": Scaling("uint8 from 0 to 255", 127.5, 127.5, "uint8"),
}
ORDERS = {"rgb": "red first, as trained", "bgr": "blue first, as OpenCV has them"}


# Networks of a loss, which take no images: they are of no use elsewhere.
TRAINS = ("projection",)


class Exported(NamedTuple):
    """A network that was written.

    Attributes:
        name: of the network.
        model: what was written.
        takes_images, makes_images: whether its pixels are those of `PIXELS`.
        errors: {name of the file: largest error on real inputs}.
    """

    name: str
    model: keras.Model
    takes_images: bool
    makes_images: bool
    errors: dict[str, float]


def missing(formats: Sequence[str]) -> None:
    """Raises UserError if a package that one of the formats needs is not installed."""
    for name in formats:
        for alternatives in FORMATS[name].packages:
            if not any(installed(package) for package in alternatives):
                wanted = alternatives[0].replace("_", "-")
                raise UserError(
                    f"--format {name} needs the package {wanted}, which is not installed: "
                    f"pip install {wanted} (all formats: pip install 'gantrain[export]')"
                )


def installed(package: str) -> bool:
    """Whether a package can be imported, which is not done."""
    return find_spec(package) is not None


def export(
    run: OpenRun,
    output: Path,
    formats: Sequence[str],
    pixels: str = "signed",
    channels: str = "rgb",
    tolerance: float = 1e-3,
    discriminators: bool = False,
    count: int = 4,
    card: Callable[[list[Exported]], str] | None = None,
) -> list[Exported]:
    """Writes the networks of a run and compares each file with the run on real inputs.

    Args:
        run: `OpenRun`, in float32.
        output: folder, which holds nothing yet.
        formats: keys of `FORMATS`.
        pixels: key of `PIXELS`.
        channels: key of `ORDERS`.
        tolerance: largest error of a file: of images in units of [-1, 1], of other outputs relative
            to their largest value. Bytes may lie half a level beside.
        discriminators: whether they are written too.
        count: images of every domain, or latent vectors, that files are compared on.
        card: text of the `README.md` beside them.

    Raises:
        UserError: a package is missing, a network or the output does not fit, or an error is above
            the tolerance; then nothing is left.
    """
    missing(formats)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"--output {output}: is there already; remove it or give another folder")
    scaling, test = PIXELS[pixels], run.test_domains()
    functions = trained(run)
    chosen = {
        name: model
        for name, model in run.trainer.models().items()
        if not name.startswith(TRAINS if discriminators else (*TRAINS, "discriminator"))
    }
    packed = {
        name: pack(nets.portable(model), name, scaling, channels, run.domains[0].shape)
        for name, model in chosen.items()
    }
    _refuse_unseen(run, packed.values(), pixels, channels)
    writing = files.temporary(output)
    try:
        writing.mkdir(parents=True)
        for name, made in packed.items():
            fed = examples(run, name, chosen[name], test, count)
            x = _flipped(scaling.of(fed), channels) if made.takes_images else fed
            # Bytes are coarser than the images of 16 bits.
            seen = scaling.signed(_flipped(x, channels)) if made.takes_images else fed
            wanted = functions[name](seen)
            for kind in formats:
                file = name + (FORMATS[kind].ending or f"_{kind}")
                with phase("saving", f"writing and checking {file}"):
                    y = _written(kind, made.model, str(writing / file), x)
                half = 1 / 255 if made.makes_images and scaling.dtype == "uint8" else 0.0
                y = scaling.signed(_flipped(y, channels)) if made.makes_images else y
                made.errors[file] = error = _error(y, wanted, half)
                if not error <= tolerance:
                    raise UserError(
                        f"--tolerance {tolerance:g}: {file} differs from the run by {error:.2g} on "
                        f"real inputs, so nothing was written; give a wider one or another --format"
                    )
        if card:
            (writing / "README.md").write_text(card(list(packed.values())))
        writing.replace(output)
    except OSError as error:
        raise files.unwritten(output, error) from error
    finally:
        shutil.rmtree(writing, ignore_errors=True)
    return list(packed.values())


def trained(run: OpenRun) -> dict[str, Function]:
    """{name of a network: what the run itself makes of an array with it}."""
    trainer, models = run.trainer, run.trainer.models()
    found: dict[str, Function] = {name: partial(_alone, model) for name, model in models.items()}
    if isinstance(trainer, Translates):
        for way, apply in trainer.translators().items():
            name = "generator" if "generator" in models else f"generator_{way}"
            found[name] = partial(_one_by_one, apply)
    if isinstance(trainer, Generates):
        for i, domain in enumerate(run.domains):
            found[f"generator_{domain.name}"] = partial(_sampled, trainer, i)
    return found


def _alone(model, x):
    return np.asarray(model(x, training=False), np.float32)


def _one_by_one(apply, x):
    """As `translate` calls it where the images of a batch change each other."""
    return np.concatenate([apply(one[None]) for one in x])


def _sampled(trainer, domain, z):
    return np.asarray(trainer.samples(z)[domain])


def pack(
    model: keras.Model, name: str, scaling: Scaling, channels: str, shape: Sequence[int]
) -> Exported:
    """A network whose images are as its user has them.

    Args:
        model: from `gantrain.nets.portable`.
        name: of the network.
        scaling: an entry of `PIXELS`.
        channels: key of `ORDERS`.
        shape: of the examples that it was trained on, the only ones that it takes where a graph
            cannot have any size: Keras enlarges smoothly only what has a known one.
    """
    takes = len(model.input_shape) == 4
    fixed = takes and any(getattr(x, "interpolation", "nearest") != "nearest" for x in model.layers)
    makes = len(model.output_shape) == 4 and name.startswith("generator")
    inputs = keras.Input(
        (*shape[:2], model.input_shape[-1]) if fixed else model.input_shape[1:],
        dtype=scaling.dtype if takes else "float32",
        name="images" if takes else "z",
    )
    x = inputs
    if takes:
        x = _in_order(x, channels)
        x = ops.cast(x, "float32") if scaling.dtype == "uint8" else x
        # As `gantrain.images.to_float` computes it: exact before the one product.
        x = (x * 2.0 - 2.0 * scaling.shift) * (0.5 / scaling.scale) if scaling.shift else x
    y = model(x)
    if makes:
        y = y * scaling.scale + scaling.shift if scaling.shift else y
        if scaling.dtype == "uint8":
            y = ops.cast(ops.round(ops.clip(y, 0.0, 255.0)), "uint8")
        y = _in_order(y, channels)
    return Exported(name, keras.Model(inputs, y, name=name), takes, makes, {})


def _in_order(x, channels):
    return ops.take(x, [2, 1, 0], axis=-1) if channels == "bgr" and x.shape[-1] == 3 else x


def _flipped(pixels, channels):
    return pixels[..., ::-1] if channels == "bgr" and pixels.shape[-1] == 3 else pixels


def _refuse_unseen(run, packed, pixels, channels):
    """Raises UserError where an option would change no network."""
    shapes = [m.model.input_shape for m in packed if m.takes_images]
    shapes += [m.model.output_shape for m in packed if m.makes_images]
    who = f"the networks of the run in {run.directory.path}"
    if pixels != "signed" and not shapes:
        raise UserError(f"--pixels {pixels}: {who} have no images; drop the flag")
    if channels != "rgb" and not any(shape[-1] == 3 for shape in shapes):
        raise UserError(f"--channels {channels}: {who} have no images in colour; drop the flag")


def examples(
    run: OpenRun, name: str, model: keras.Model, test: Sequence[Domain], count: int
) -> np.ndarray:
    """What a network is compared on: float32 images of the test part, or latent vectors.

    Images are of every domain that the network takes, or those of all in one where it takes pairs.
    """
    if isinstance(run.trainer, Generates) and name.startswith("generator"):
        return np.asarray(run.trainer.latents(count, 0))
    some = [_signed(d.pixels(range(min(count, d.size)))) for d in test]
    fit = [x for x in some if _takes(model.input_shape, x.shape)]
    if fit:
        return np.concatenate(fit)
    least = min(len(x) for x in some)
    return np.concatenate([x[:least] for x in some], axis=-1)


def _signed(values):
    """Points of the plane are no pixels."""
    return np.asarray(values if values.dtype == np.float32 else images.to_float(values))


def _takes(wanted, shape):
    return len(wanted) == len(shape) and all(
        w in (None, own) for w, own in zip(wanted[1:], shape[1:], strict=True)
    )


def _written(kind, model, path, x):
    """What a file makes of x, once it is written and read back."""
    try:
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")
            model(x[:1])  # Keras exports what was called
            FORMATS[kind].write(model, path)
            return np.asarray(FORMATS[kind].read(path)(np.ascontiguousarray(x)))
    except OSError:
        raise
    except Exception as error:
        # Whatever a converter says of a layer that its format has not.
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"--format {kind}: {Path(path).name} cannot be written or read back ({said}); "
            f"give another --format"
        ) from error


def _error(made, wanted, half):
    """Largest difference beyond `half`, where values above 1 are compared by their share."""
    if made.shape != wanted.shape:
        return float("inf")
    difference = float(np.max(np.abs(made.astype(np.float32) - wanted)))
    return max(difference - half, 0.0) / max(1.0, float(np.max(np.abs(wanted))))
