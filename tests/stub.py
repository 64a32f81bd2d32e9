"""The stub run: trained networks that are known functions, in a run that is otherwise real.

Every entry of TRAINERS is replaced by a subclass of itself that finds its training done: the first
time it is built it writes a checkpoint of its last step, whose weights make of the networks what
this module says. All else is the program's own: loading, checkpoints, judges' runs, commands.

What the networks do is said twice: once as weights, once in NumPy (`generated`, `logits`,
`translated`, `lpips`), which `test_road.py` computes every expected number from.
"""

import json
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import scipy.linalg
from keras import layers
from matplotlib.figure import Figure
from PIL import Image

from gantrain import consulted, nets, trainers
from gantrain.data import datasets, palettes
from gantrain.data.datasets import Dataset
from gantrain.data.domain import Domain
from gantrain.data.pairs import paired
from gantrain.data.palettes import Palette
from gantrain.nets import GANTable, Row, TranslatorTable
from gantrain.nets import inception as inception_module
from gantrain.nets.blocks import CHANNELS
from gantrain.runs.directory import RunDirectory

CLASSES = ("zero", "one", "two", "three")
COUNTS = {"train": (44, 36, 40), "test": (30, 22, 24)}  # of the first, second, third domain
PAIRS = {"train": 14, "test": 12}
# tanh of it is one or minus one for all z but one in a million.
LARGE = 1e7
SIGNS = 4  # coordinates of z, the last ones, whose signs are all that a generator heeds


def rng(*key):
    """Random numbers that belong to a text."""
    return np.random.default_rng(list("/".join(map(str, key)).encode()))


def to_float(pixels):
    """uint8 to [-1, 1]."""
    return np.asarray(pixels, np.float64) / 127.5 - 1.0


def enlarged(blocks, side):
    """Blocks [..., h, w, C] as images [..., side, side, C]."""
    height, width = np.shape(blocks)[-3:-1]
    return np.repeat(np.repeat(blocks, side // height, -3), side // width, -2)


# --- generators ----------------------------------------------------------------------------------


def pattern(domain, run):
    """What a generator shows in its 2x2 blocks: (number of a sign, or -1; factor; level)."""
    r = rng(domain, run)
    factor, level = r.choice([-1, 1], (2, 2, 3)), r.integers(40, 216, (2, 2, 3))
    # Red shows all signs, so that they can be read off a picture, green two of them twice, so that
    # each is shown an odd number of times: no image of the data is as near to one as to its
    # opposite. Blue is constant.
    number = np.full((2, 2, 3), -1)
    number[..., 0] = r.permutation(SIGNS).reshape(2, 2)
    number[..., 1] = r.permutation(np.repeat(r.permutation(SIGNS)[:2], 2)).reshape(2, 2)
    return number, factor, level


def generated(domain, run, signs, side):
    """Images [N, side, side, 3] in [-1, 1] of signs [N, 4]."""
    number, factor, level = pattern(domain, run)
    blocks = np.where(number < 0, to_float(level), factor * np.take(signs, number, axis=1))
    return enlarged(blocks, side)


def signs_of(images, domain, run):
    """Signs [N, 4] that a domain's images [N, H, W, 3] uint8 were made of."""
    number, factor, _ = pattern(domain, run)
    half, found = images.shape[1] // 2, np.zeros((len(images), SIGNS))
    for i in range(2):
        for j in range(2):
            red = np.where(images[:, i * half, j * half, 0] > 127, 1.0, -1.0)
            found[:, number[i, j, 0]] = red * factor[i, j, 0]
    return found


def _set_generator(network, domain, run):
    (dense,) = [layer for layer in network.layers if layer.weights]
    size, side = dense.kernel.shape[0], network.output["image"].shape[1]
    number, factor, level = (enlarged(v, side).ravel() for v in pattern(domain, run))
    kernel = np.zeros((size, number.size))
    shown = np.flatnonzero(number >= 0)
    kernel[size - SIGNS + number[shown], shown] = LARGE * factor[shown]
    dense.set_weights([kernel, np.where(number < 0, np.arctanh(to_float(level)), 0.0)])


# Four points of two signs: two antipodal modes of the ring, and two places outside of it.
RING = np.array([[4.0, 0.0], [0.0, 6.0]])


def _set_points(network):
    first, last = [layer for layer in network.layers if layer.weights]
    kernel = np.zeros(first.kernel.shape)
    kernel[-2:] = LARGE * np.eye(2, kernel.shape[1])
    first.set_weights([kernel, np.zeros(kernel.shape[1])])
    # p = s_0 (a + b) / 2 + s_1 (a - b) / 2 is a, b or their opposites.
    weights = np.zeros(last.kernel.shape)
    weights[:2] = (RING[0] + RING[1]) / 2, (RING[0] - RING[1]) / 2
    last.set_weights([weights, np.zeros(2)])


PAIR = GANTable(
    summary="tests: one row, whose weights the stub sets",
    generator=(Row("dense", CHANNELS, 32, activation="tanh"),),
    discriminator=(Row("pool", kernel=16, stride=16), Row("flatten"), Row("dense", 1)),
    image_size=None,
    shared=(0, 0),
    noise_dim=6,
    at=lambda side: GANTable(
        "tests",
        (Row("dense", CHANNELS, side, activation="tanh"),),
        (Row("pool", kernel=side // 2, stride=side // 2), Row("flatten"), Row("dense", 1)),
        side,
        (0, 0),
    ),
)
POINTS = GANTable(
    summary="tests: two rows, whose weights the stub sets",
    generator=(Row("dense", 4, activation="tanh"), Row("dense", CHANNELS)),
    discriminator=(Row("dense", 4, activation="tanh"), Row("dense", 1)),
    image_size=0,
    shared=(0, 0),
)


PALETTE = Palette(
    ("wall", "window", "door"),
    np.array([[0, 0, 255], [255, 0, 0], [0, 255, 0], [0, 0, 0]], np.uint8),
)
PHOTO = np.array([[200, 60, 60], [60, 170, 90], [110, 90, 210], [128, 128, 128]])


# --- translators ---------------------------------------------------------------------------------


def _colours(run, direction):
    """Weights [3, 3] and bias: label maps become photographs, more or less."""
    known = np.hstack([to_float(PALETTE.colours), np.ones((4, 1))])
    exact = np.linalg.solve(known, np.arctanh(to_float(PHOTO)))
    exact = exact + rng("translator", run, direction).normal(0, 0.3, exact.shape)
    return exact[:3], exact[3]


def translated(images, run, direction):
    """Images [..., 3] in [-1, 1] of a stub translator: another colour for every colour."""
    kernel, bias = _colours(run, direction)
    return np.tanh(images @ kernel + bias)


def _set_translator(network, run, direction):
    (conv,) = [layer for layer in network.layers if layer.weights]
    kernel, bias = _colours(run, direction)
    conv.set_weights([kernel[None, None], bias])


TRANSLATOR = TranslatorTable(
    "tests: one row, whose weights the stub sets",
    1,
    lambda halvings, upsample, dropout: (Row("conv", CHANNELS, 1, activation="tanh"),),
)


# --- judges --------------------------------------------------------------------------------------


def linear(judge, run=""):
    """Weights [12, classes] and bias of a judge of the means of 2x2 blocks."""
    net = judge.partition("/")[0]
    # Judges of a domain see it in nearly the same way, and are sure of most that they see.
    first = judge.replace(net, "evaluation") if net in consulted.PANEL else judge
    r, own = rng("judge", first, run), rng("judge", judge, run, "own")
    weights = r.normal(0, 1.5, (12, len(CLASSES))), r.normal(0, 0.3, len(CLASSES))
    if first != judge:
        weights = tuple(v + own.normal(0, 0.3, v.shape) for v in weights)
    return tuple(4 * v for v in weights)


def features(images):
    """Means of 2x2 blocks [N, 12]: what a stub judge decides by."""
    half = images.shape[1] // 2
    blocks = images.reshape(len(images), 2, half, 2, half, 3)
    return blocks.mean((2, 4)).reshape(len(images), 12)


def logits(judge, images, run=""):
    """Logits [N, classes] of a stub judge."""
    weights, bias = linear(judge, run)
    return features(images) @ weights + bias


def _judge(name, shape):
    model = keras.Sequential(
        [
            keras.Input(shape),
            layers.AveragePooling2D(shape[0] // 2),
            layers.Flatten(),
            layers.Dense(len(CLASSES)),
        ]
    )
    model.layers[-1].set_weights(linear(name))
    return keras.Model(model.inputs, model.outputs)


def read(images):
    """Classes [N, H, W] that the stub segmenter reads off photographs: the nearest colour's."""
    colours = to_float(PHOTO[: len(PALETTE.classes)])
    return (2 * images @ colours.T - (colours**2).sum(1)).argmax(-1)


def _segmenter(channels):
    colours = to_float(PHOTO[: len(PALETTE.classes)])
    image = keras.Input((None, None, channels))
    conv = layers.Conv2D(len(colours), 1)
    model = keras.Model(image, conv(image))
    conv.set_weights([2 * colours.T[None, None], -(colours**2).sum(1)])
    return model


# --- feature networks ----------------------------------------------------------------------------

LINEAR = np.array([0.9, 0.7, 0.5, 0.4, 0.3, 0.2])


def write_lpips(path):
    """Weights of AlexNet by which LPIPS is a closed form: see `lpips`."""
    arrays, channels = {}, 3
    for i, (kernel, size) in enumerate([(11, 64), (5, 192), (3, 384), (3, 256), (3, 256)]):
        arrays[f"conv{i + 1}/kernel"] = np.zeros((kernel, kernel, channels, size), "float32")
        arrays[f"conv{i + 1}/bias"] = np.zeros(size, "float32")
        arrays[f"lin{i}"] = np.zeros((1, 1, size, 1), "float32")
        channels = size
    # Channels 1 + v and 1 - v of every colour v of the pixel in the middle of the window; they
    # undo the network's own shift and scale of its input.
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    for number in range(6):
        colour, sign = number // 2, 1 - 2 * (number % 2)
        arrays["conv1/kernel"][5, 5, colour, number] = sign * scale[colour]
        arrays["conv1/bias"][number] = 1 + sign * shift[colour]
    arrays["lin0"][0, 0, :6, 0] = LINEAR
    np.savez(path, **arrays)


def lpips(one, other):
    """LPIPS [N] of images in [-1, 1] by the weights of `write_lpips`."""

    def unit(images):
        # The middles of windows of 11 pixels that move by 4 and begin 2 outside.
        places = np.arange((images.shape[1] + 4 - 11) // 4 + 1) * 4 + 3
        v = images[:, places][:, :, places]
        v = np.stack([1 + v, 1 - v], -1).reshape(*v.shape[:-1], 6)
        return v / np.linalg.norm(v, axis=-1, keepdims=True)

    return ((unit(one) - unit(other)) ** 2 @ LINEAR).mean((1, 2))


MIXED, STRIDE = rng("inception").normal(0, 1, (3, 5)), 23


def inception_network(include_top, weights, input_shape):
    """In the place of keras.applications.InceptionV3: one convolution."""
    image = keras.Input(input_shape)
    return keras.Model(image, layers.Conv2D(MIXED.shape[1], 1, STRIDE, name="mixed10")(image))


def write_inception(path):
    """The weights of `inception_network`."""
    model = inception_network(False, None, (299, 299, 3))
    model.layers[-1].set_weights([MIXED[None, None], np.zeros(MIXED.shape[1])])
    model.save_weights(path)


def inception(images, side=299):
    """Features [N, 5]: the mean of images that were enlarged by bilinear interpolation."""
    size = images.shape[1]
    places = np.clip((np.arange(0, side, STRIDE) + 0.5) * size / side - 0.5, 0, size - 1)
    low = np.minimum(places.astype(int), size - 2)
    share = np.zeros(size)
    np.add.at(share, low, 1 - (places - low))
    np.add.at(share, low + 1, places - low)
    share /= len(places)
    return np.einsum("nijc,i,j->nc", images, share, share) @ MIXED


# --- data ----------------------------------------------------------------------------------------


def real(domain, number, split, side=32):
    """uint8 images [N, side, side, 3] and labels [N]: near what a generator makes, unlike it."""
    r, count = rng("real", domain, split), COUNTS[split][number]
    blocks = generated(domain, "", r.choice([-1.0, 1.0], (count, SIGNS)), 2)
    levels = 127.5 + 65 * blocks + r.integers(-60, 61, blocks.shape)
    images = enlarged(levels.astype(np.uint8), side)
    labels = logits(f"evaluation/{domain}", to_float(images)).argmax(1)
    wrong = r.random(count) < 0.3
    return images, np.where(wrong, (labels + 1) % len(CLASSES), labels).astype(np.int32)


def plans(split, side):
    """uint8 label maps and photographs [N, side, side, 3], and classes [N, side, side]."""
    r = rng("plans", split)
    classes = r.integers(0, len(PALETTE.colours), (PAIRS[split], 4, 4))
    photo = np.clip(PHOTO[classes] + r.integers(-90, 91, (*classes.shape, 3)), 0, 255)
    return (
        enlarged(PALETTE.colours[classes], side),
        enlarged(photo.astype(np.uint8), side),
        enlarged(classes[..., None], side)[..., 0],
    )


def _labelled(*names):
    def load(request):
        domains = []
        for number, name in enumerate(names):
            images, labels = real(name, number, request.split, request.image_size)
            domains.append(Domain(name, images, labels, CLASSES))
        return domains

    return Dataset("tests: labelled domains of the stub run", load)


def _plans(request):
    maps, photos, _ = plans(request.split, request.image_size)
    return paired(Domain("plan", maps), Domain("facade", photos))


DATASETS = {
    "stub": _labelled("left", "right", "negative"),
    "mnist2street": _labelled("mnist", "street"),
    "pen2street": _labelled("pen", "street"),
    "plan2facade": Dataset("tests: pairs of the stub run", _plans, 64),
}


def grid(images_per_domain, columns):
    """A picture: rows of images in [-1, 1] of each domain, two white lines between domains."""
    parts = []
    for images in images_per_domain:
        count, side, _, _ = images.shape
        rows = -(-count // columns)
        canvas = np.full((rows * columns, side, side, 3), 255.0)
        canvas[:count] = np.round((images + 1) * 127.5)
        canvas = canvas.reshape(rows, columns, side, side, 3).swapaxes(1, 2)
        parts += [
            canvas.reshape(rows * side, columns * side, 3),
            np.full((2, columns * side, 3), 255.0),
        ]
    return np.concatenate(parts[:-1])


# --- trainers whose training is done -------------------------------------------------------------

LOGGED = (
    "discriminators/adv/ring",
    "generators/weight_distance",
    "generators/perceptual_content",
    "generators/perceptual_style",
)


def logged(run, key, step):
    """What a stub run has logged: another number for every run, name and step."""
    return float(rng("log", run, key, step).normal())


class Judged(NamedTuple):
    """What a classifier or segmenter was asked to be, whatever the stub makes of it."""

    options: dict
    domains: tuple
    layers: tuple


judged = []


def _described(layer):
    size = getattr(layer, "filters", getattr(layer, "units", None))
    return type(layer).__name__ + (f" {size}" if size else "")


def _finished(kind, prepare, spoil=lambda trainer: None):
    """A trainer whose runs are at their last step, with what `prepare` makes of it."""

    class Finished(kind):
        __doc__ = kind.__doc__

        def __init__(self, config, domains, frozen):
            super().__init__(config, domains, frozen)
            self.config = config
            run, steps = RunDirectory(config.run.run_dir), config.run.steps
            if run.checkpoints():
                prepare(self, domains, False)
                return
            name = Path(config.run.run_dir).name
            lines = [
                {"step": step} | {key: logged(name, key, step) for key in LOGGED}
                for step in range(1, steps + 1)
            ]
            run.path.mkdir(parents=True, exist_ok=True)
            run.metrics_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
            if steps > 1:
                run.sample_path(1).parent.mkdir(exist_ok=True)
                Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(run.sample_path(1))
                run.save(steps - 1, self.state(), 2)
            prepare(self, domains, True)
            if config.flat().get("keep_best"):
                run.save_best(steps, self.state())
                spoil(self)
            run.save(steps, self.state(), 2)

    return Finished


def _shown(trainer, networks):
    """The networks that a run is looked at by: averages where there are any."""
    return trainer.averages[0].networks if trainer.averages else networks


def _from_noise(trainer, domains, first):
    if not first:
        return
    name = Path(trainer.config.run.run_dir).name
    for network, domain in zip(_shown(trainer, trainer.G), domains, strict=True):
        if len(domain.shape) == 1:
            _set_points(network)
        else:
            _set_generator(network, domain.name, name)
    for heads in getattr(trainer, "labels", ()):
        # One layer for all of them.
        heads.classifiers[0].layers[-1].set_weights(linear("heads", name))


def _spoil(trainer):
    for network in _shown(trainer, trainer.G):
        network.set_weights([-w for w in network.get_weights()])
    for heads in getattr(trainer, "labels", ()):
        head = heads.classifiers[0].layers[-1]
        head.set_weights([-w for w in head.get_weights()])


def _of_images(trainer, domains, first):
    networks = [trainer.G, trainer.F] if hasattr(trainer, "F") else [trainer.G]
    name = Path(trainer.config.run.run_dir).name
    for network, direction in zip(_shown(trainer, networks), trainer.translators(), strict=True):
        if first:
            _set_translator(network, name, direction)


def _classifier(trainer, domains, first):
    judged.append(
        Judged(
            trainer.config.flat(),
            tuple(d.name for d in domains),
            tuple(_described(layer) for layer in trainer.C.layers),
        )
    )
    net = trainer.o.classifier_net
    trainer.C = _judge("/".join([net, *(d.name for d in domains)]), domains[0].shape)


def _segments(trainer, domains, first):
    judged.append(
        Judged(
            trainer.config.flat(),
            tuple(d.name for d in domains),
            tuple(_described(layer) for layer in trainer.S.layers),
        )
    )
    trainer.S = _segmenter(domains[1].shape[-1])


def registries():
    """(table, name, entry) of all that the stub run replaces."""
    kinds = trainers.TRAINERS
    for name in ("gan", "cogan", "scogan"):
        yield kinds, name, _finished(kinds[name], _from_noise, _spoil)
    for name in ("pix2pix", "cyclegan"):
        yield kinds, name, _finished(kinds[name], _of_images)
    yield kinds, "classifier", _finished(kinds["classifier"], _classifier)
    yield kinds, "segmenter", _finished(kinds["segmenter"], _segments)
    yield nets.NETS, "compact", PAIR
    yield nets.NETS, "toy", POINTS
    for name in ("unet", "resnet6"):
        yield nets.TRANSLATORS, name, TRANSLATOR
    for name, entry in DATASETS.items():
        yield datasets.DATASETS, name, entry
    yield palettes.PALETTES, "plan2facade", PALETTE


def install(patch):
    """Puts the stub in the place of trainers, networks and data sets."""
    for table, name, entry in list(registries()):
        patch.setitem(table, name, entry)
    # What is drawn is looked at as it is drawn; rendering takes a third of the time.
    patch.setattr(Figure, "savefig", lambda figure, path, **how: Path(path).write_bytes(b"drawn"))
    patch.setattr(
        inception_module, "INCEPTION", inception_module.INCEPTION._replace(build=inception_network)
    )


# --- measures in NumPy ---------------------------------------------------------------------------


def frechet(real, made):
    """|m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2))."""
    s, t = np.cov(real.T), np.cov(made.T)
    root = np.sqrt(np.maximum(scipy.linalg.eigvals(s @ t).real, 0.0)).sum()
    return ((real.mean(0) - made.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * root


def kernel(real, made, seed):
    """Mean and deviation of the unbiased MMD over 100 subsets of half the smaller set."""
    size, random = min(len(real), len(made)) // 2, np.random.default_rng(seed)
    values = []
    for _ in range(100):
        x, y = (v[random.choice(len(v), size, replace=False)] for v in (real, made))

        def k(a, b):
            return (a @ b.T / a.shape[1] + 1) ** 3

        off = ~np.eye(size, dtype=bool)
        values.append(k(x, x)[off].mean() + k(y, y)[off].mean() - 2 * k(x, y).mean())
    return np.mean(values), np.std(values)


def inside(points, of):
    """Share of points that lie within some ball around `of` up to its third neighbour."""

    def distance(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=-1)

    reach = np.sort(distance(of, of), axis=1)[:, 3]
    return (distance(points, of) <= reach + 1e-6).any(1).mean()


def entropy(labels, classes):
    """Of the histogram of labels; 1 is uniform."""
    p = np.bincount(labels, minlength=classes) / len(labels)
    return -(p[p > 0] * np.log(p[p > 0])).sum() / np.log(classes)


def wilson(share, count, z=1.959963984540054):
    """95 % interval of a share."""
    middle, half = (
        share + z**2 / (2 * count),
        z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)),
    )
    return tuple(np.clip((middle + np.array([-half, half])) / (1 + z**2 / count), 0, 1))


def order(seed, number, size, again=None):
    """The order of a domain's images: of its own, and of the seed."""
    key = [seed, number] if again is None else [seed, number, again]
    return np.random.default_rng(key).permutation(size)
