"""What the tests train: tiny domains, networks without batch statistics, short configs."""

import dataclasses

import numpy as np
import pytest

from gantrain.config import configure, resolve
from gantrain.core import MEASURED, MEASURED_SEED
from gantrain.data.datasets import Dataset
from gantrain.data.domain import Domain, FileImages
from gantrain.data.palettes import Palette
from gantrain.errors import UserError
from gantrain.measures.evaluate import evaluate
from gantrain.nets import ClassifierTable, GANTable, Row, TranslatorTable
from gantrain.nets.blocks import CHANNELS
from gantrain.stages import open_run, train
from gantrain.stop import Stop
from gantrain.trainer import Generates, Shows, Translates
from gantrain.trainers import TRAINERS
from gantrain.use.measured import streams

WIDTH = 1 / 64
DIGITS = tuple("0123456789")


def refused(call, *parts):
    """The call ends with one line that names all parts; returns the line."""
    with pytest.raises(UserError) as error:
        call()
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message
    return message


def domain(name="a", count=24, side=32, channels=3, labels=10, seed=None):
    """Random images; `labels` is a number of classes, a tuple of attribute names, or None."""
    rng = np.random.default_rng(sum(map(ord, name)) if seed is None else seed)
    pixels = rng.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    if labels is None:
        return Domain(name, pixels)
    if isinstance(labels, tuple):
        return Domain(
            name, pixels, rng.integers(0, 2, (count, len(labels)), dtype=np.uint8), labels
        )
    return Domain(name, pixels, np.arange(count, dtype=np.int32) % labels, DIGITS[:labels])


def domains(number, **options):
    """Domains a, b, c, ... with different images and, where there are two, different sizes."""
    return [domain("abc"[i], count=24 + 3 * i, **options) for i in range(number)]


def pairs(count=12, targets=1, side=32, channels=(3, 3)):
    """Two paired domains: input i belongs to targets `targets * i` and on."""
    source = domain("a", count, side, channels[0], labels=None)
    target = domain("b", count * targets, side, channels[1], labels=None)
    rows = np.arange(count * targets, dtype=np.int32).reshape(count, targets)
    return [
        dataclasses.replace(source, rows=np.arange(count, dtype=np.int32)[:, None]),
        dataclasses.replace(target, rows=rows),
    ]


PALETTE = Palette(
    ("wall", "window", "door"),
    np.array([[0, 0, 255], [255, 0, 0], [0, 255, 0], [0, 0, 0]], np.uint8),
)


def maps(count=12, side=32, void=0):
    """Paired label maps and photographs: quarters of one class each, darkened and noisy colours.

    Args:
        count: number of pairs.
        side: of the images.
        void: first pairs whose upper left quarter belongs to no class.
    """
    rng = np.random.default_rng(3)
    quarters = rng.integers(0, len(PALETTE.classes), (count, 2, 2))
    quarters[:void, 0, 0] = len(PALETTE.classes)
    pixels = PALETTE.colours[quarters.repeat(side // 2, 1).repeat(side // 2, 2)]
    noise = rng.integers(0, 60, pixels.shape)
    rows = np.arange(count, dtype=np.int32)[:, None]
    return [
        Domain("a", pixels, rows=rows),
        Domain("b", (pixels // 2 + noise).astype(np.uint8), rows=rows),
    ]


# No dropout and no statistics of a batch: what a network gives for an image depends on this image
# alone, so that replicas, batches and devices can be compared.
PLAIN = GANTable(
    summary="tests: no batch statistics, no dropout",
    generator=(
        Row("dense", 8, 4, activation="leaky_relu_0.2"),
        Row("convt", 8, 4, 4, activation="leaky_relu_0.2"),
        Row("convt", CHANNELS, 4, 2, activation="tanh"),
    ),
    discriminator=(
        Row("conv", 8, 4, 4, activation="leaky_relu_0.2"),
        Row("conv", 8, 4, 2, activation="leaky_relu_0.2"),
        Row("flatten"),
        Row("dense", 1),
    ),
    image_size=32,
    shared=(2, 2),
    noise_dim=6,
)

NETS = {"plain": PLAIN}

TRANSLATORS = {
    "plain": TranslatorTable(
        "tests: two rows, no statistics",
        1,
        lambda halvings, upsample, dropout: (
            Row("conv", 8, 4, 2, activation="leaky_relu_0.2", dropout=dropout),
            Row("convt", CHANNELS, 4, 2, activation="tanh"),
        ),
    )
}

CLASSIFIERS = {
    "plain": ClassifierTable(
        "tests: no dropout",
        (Row("conv", 8, 4, 4, activation="leaky_relu_0.2"), Row("flatten"), Row("dense", CHANNELS)),
    )
}


def panel(full):
    """Two judges of two steps in the place of those of `gantrain.consulted.PANEL`."""
    quick = dict(classifier_net="plain", steps=2, classifier_attack=0.0)
    return {name: options | quick for name, options in list(full.items())[:2]}


DATASETS = {
    "tiny": Dataset("tests: two labelled domains", lambda request: domains(2)),
    "tiny3": Dataset("tests: three labelled domains", lambda request: domains(3)),
    "tiny_attributes": Dataset(
        "tests: two domains of three attributes",
        lambda request: domains(2, labels=("Male", "Smiling", "Young")),
    ),
    "tiny_maps": Dataset("tests: label maps and photographs, paired", lambda request: maps()),
    "tiny_pairs": Dataset("tests: two paired domains", lambda request: pairs()),
    "tiny_unlabelled": Dataset("tests: no labels", lambda request: domains(2, labels=None)),
}

PALETTES = {"tiny_maps": PALETTE}


def config(run_dir, **options):
    """A resolved config of a run that takes seconds: everything but the options given is tiny."""
    usual = dict(dataset="tiny", width=WIDTH, batch_size=4, steps=8, n_critic=2, log_every=1)
    kind = TRAINERS[options.get("gan_type", "scogan")]
    if issubclass(kind, Translates):
        # 32 pixels, as they lie: what the tests look at is neither cropped nor mirrored.
        usual |= dict(
            dataset="tiny_pairs",
            image_size=32,
            load_size=32,
            flip=False,
            generator="plain",
            patch="1",
        )
    elif issubclass(kind, Shows):
        usual |= dict(dataset="tiny_maps", image_size=32, load_size=32, flip=False)
    elif issubclass(kind, Generates):
        usual |= dict(noise_dim=6, evaluate_end=False)
        if kind.usual(options):
            # The game of the paper, as where no preset stands in.
            usual |= kind.paper({})
    return resolve(configure({"run_dir": str(run_dir)} | options, given=usual))


def ring_config(run_dir, **options):
    """The quickest run there is: the toy GAN."""
    return config(run_dir, **dict(gan_type="gan", dataset="ring", net="toy", n_critic=1) | options)


class After(Stop):
    """Stops a run before step `steps`, as a signal would."""

    def __init__(self, steps):
        super().__init__()
        self.left = steps + 1

    @property
    def wanted(self):
        self.left -= 1
        if not self.left:
            self.reason = "TEST"
        return self.reason


def write_lpips(path, seed=0):
    """Random AlexNet weights under the names of the LPIPS file."""
    rng = np.random.default_rng(seed)
    arrays, channels = {}, 3
    for i, (kernel, size) in enumerate([(11, 64), (5, 192), (3, 384), (3, 256), (3, 256)]):
        scale = np.sqrt(2 / (kernel * kernel * channels))
        arrays[f"conv{i + 1}/kernel"] = rng.normal(
            0, scale, (kernel, kernel, channels, size)
        ).astype("float32")
        arrays[f"conv{i + 1}/bias"] = rng.normal(0, 0.1, size).astype("float32")
        arrays[f"lin{i}"] = rng.uniform(0, 0.1, (1, 1, size, 1)).astype("float32")
        channels = size
    np.savez(path, **arrays)


def values(variables):
    """Copies of variables."""
    return [np.asarray(v).copy() for v in variables]


def assign(variables, stored):
    for v, value in zip(variables, stored, strict=True):
        v.assign(value)


def evaluated(run_dir, metrics=None, num=MEASURED, seed=MEASURED_SEED, weights=None, **options):
    """`gantrain.measures.evaluate.evaluate` of a run directory."""
    run = open_run(run_dir, with_data=True)
    return evaluate(run, streams(run, num, seed, weights, train), metrics, **options)


def timeless(metrics):
    """Log lines without what depends on the clock."""
    return [
        {k: v for k, v in line.items() if k not in ("images_per_second", "input_wait")}
        for line in metrics
    ]


def encoded(paths, side, levels=None):
    """Gray image files as a set on disk."""
    return FileImages(paths, side, 1, levels=levels)
