"""Every entry of METRICS: its ideal value for the right answer, its known value for one that is
wrong by hand, and finite values or none for one class, two images, equal and constant images.

The entries are measured as they stand, on a few images in the place of a run's, judged by functions
that read the class off the mean of an image. An entry that is not held here fails by its name.
"""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tiny

from gantrain.data.domain import Domain
from gantrain.data.pairs import paired
from gantrain.data.ring import centres
from gantrain.data.transforms import negative
from gantrain.files import to_json
from gantrain.images import to_float
from gantrain.inversion import Crossed
from gantrain.measures import METRICS, classifier_frechet, cross, inception
from gantrain.measures.lpips import LPIPS
from gantrain.measures.pixels import pixel_scores
from gantrain.measures.streams import Judges, Streams, Weights
from gantrain.terms.labels import LabelOptions
from gantrain.trainer import Adapts, Generates, Translates

LEVELS = np.array([20, 90, 160, 230])
SIDE = 32  # AlexNet takes no less


def pictures(labels, seed=0, noise=8):
    """Images uint8 [N, 32, 32, 3] whose mean says their class; noise tells them apart."""
    rng = np.random.default_rng(seed)
    flat = LEVELS[np.asarray(labels)][:, None, None, None]
    blocks = rng.integers(-noise, noise + 1, (len(labels), 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    return (flat + blocks).astype(np.uint8)


def judge(classes):
    """Reads one of `classes` classes off the mean of an image."""

    def read(images, training=False):
        mean = 127.5 * (tf.reduce_mean(images, axis=(1, 2, 3)) + 1)
        return -tf.abs(mean[:, None] - LEVELS[None, :classes].astype(np.float32))

    return read


def halves(images):
    """Features [N, 2] of which the shift of an image is the shift."""
    images = np.asarray(images)
    return np.stack([images[:, :, :16].mean((1, 2, 3)), images[:, :, 16:].mean((1, 2, 3))], 1)


class Stand(Streams):
    """Streams of images that were made, in the place of a run's.

    Args:
        real: one uint8 [N, H, W, C] per domain; its labels follow.
        labels: one list per domain, or None.
        made: one array per domain like `real`; None makes the real ones.
        classes: number of classes.
        names: of the domains.
        dataset, lpips: of the run, and a file.
    """

    def __init__(
        self, real, labels=None, made=None, classes=4, names=("a", "b"), dataset="tiny", lpips=None
    ):
        labels = labels or [np.zeros(len(r), int) for r in real]
        domains = paired(
            *(
                Domain(n, r, np.asarray(v, np.int32), tiny.DIGITS[:classes])
                for n, r, v in zip(names, real, labels, strict=False)
            )
        )
        self.made = [np.asarray(to_float(m)) if m.dtype == np.uint8 else m for m in made or real]
        config = SimpleNamespace(
            data=SimpleNamespace(dataset=dataset, data_dir="", offline=True),
            of={LabelOptions: LabelOptions()}.get,
        )
        judges = Judges(
            lambda: {
                d.name: {
                    "one": (judge(classes), {"accuracy": 1.0}),
                    "two": (judge(classes), {"accuracy": 1.0}),
                }
                for d in domains
            },
            lambda given: (self._read, {}),
            dict,
        )
        super().__init__(
            config,
            Maker(self.made, judge(classes)),
            domains,
            lambda: domains,
            tf.function,
            judges,
            100,
            0,
            Weights(lpips=lpips),
        )

    def generated(self):
        yield self.made

    def translations(self, direction=None):
        for n, x in enumerate(to_float(self.domains[0].images)):
            yield x[None], self.made[1][n : n + 1], None

    def _read(self, photos, training=False):
        return tf.one_hot(tiny.PALETTE.indices(photos), 3)

    def crossed(self, *_, **__):
        yield Crossed(None, np.zeros(len(self.made[0])), self.made)


class Maker(Generates, Translates, Adapts):
    """Whatever makes the images: it can all that a metric may ask."""

    latent, way, source = None, "a2b", 0

    def __init__(self, made, judge):
        self.made, self.judge, self.seen = made, judge, tf.Variable(0)

    def measure(self, x, y):
        """Of the next image that was made."""
        scores = pixel_scores(tf.convert_to_tensor(self.made[1])[self.seen][None], y)
        self.seen.assign_add(1)
        return scores

    def classifiers(self):
        """Whose test images are those that were made."""
        return [lambda _, made=made, training=False: self.judge(made) for made in self.made]

    def generators(self):
        return []

    def noise(self, draw):
        raise AssertionError("images are given")

    samples = gallery = translators = noise


@pytest.fixture(autouse=True)
def known_networks(monkeypatch):
    """Features that are two numbers of an image, and inversion that finds what is given."""
    monkeypatch.setattr(classifier_frechet, "penultimate", lambda classifier: halves)
    monkeypatch.setattr(
        inception,
        "inception",
        lambda *_: SimpleNamespace(
            features=lambda x: tf.numpy_function(halves, [x], tf.float32), description={}
        ),
    )


def measured(name, stand, monkeypatch):
    monkeypatch.setattr(cross, "cross_domain", stand.crossed)
    values = METRICS[name].measure(stand)
    json.loads(to_json(values), parse_constant=pytest.fail)
    return values


BALANCED = np.arange(40) % 4
SHIFTED = np.where(np.arange(40) < 20, BALANCED, (BALANCED + 1) % 4)


def labelled(made=BALANCED):
    """Two labelled domains; the second generator shows the classes given."""
    return Stand(
        [pictures(BALANCED), pictures(BALANCED, 1)],
        [BALANCED, BALANCED],
        [pictures(BALANCED, 2), pictures(made, 3)],
    )


def shifted(amount):
    """Generated images are the real ones in another order, all brighter by `amount`."""
    real = [pictures(BALANCED, n) for n in range(2)]
    return Stand(real, [BALANCED] * 2, [np.asarray(to_float(r))[::-1] + amount for r in real])


def flat(left, right, lpips):
    """Every image of a domain is one flat image."""
    images = [np.full((3, SIDE, SIDE, 3), v, np.uint8) for v in (left, right)]
    return Stand(images, lpips=lpips)


def maps(made):
    """Label maps of which the left half is class 0, the right class 1, and what is made of them."""
    truth = np.zeros((4, SIDE, SIDE), int)
    truth[:, :, 16:] = 1
    colours = tiny.PALETTE.shown
    return Stand(
        [colours[truth]] * 2, made=[colours[truth], colours[made(truth)]], dataset="tiny_maps"
    )


def near_the_ring(chosen):
    points = np.asarray(centres()[chosen], np.float32)
    return Stand([points], [np.zeros(len(points))], names=("ring",), dataset="ring")


def outlines(second):
    x = np.where(pictures(BALANCED, noise=20) > 100, 255, 0).astype(np.uint8)
    return Stand([x, x], made=[x, second(x)], names=("a", "negative"))


@dataclasses.dataclass
class Held:
    """Callables that make a `Stand` of a fixture's file, and what is expected of it."""

    right: object
    ideal: dict
    wrong: object
    known: object


def distances(network):
    """Set distances: the same images in another order, and images that are all brighter."""

    def known(stand):
        shift = 2 * 0.5**2  # of both features
        return {
            f"{network}_frechet/a": shift,
            f"{network}_precision/a": 0,
            f"{network}_recall/b": 0,
        }

    return Held(
        lambda file: shifted(0),
        {
            f"{network}_frechet/a": 0,
            f"{network}_precision/a": 1,
            f"{network}_recall/a": 1,
            f"{network}_frechet/b": 0,
        },
        lambda file: shifted(0.5),
        known,
    )


def far_apart(pairs):
    """LPIPS of flat images against the distance of one pair."""

    def known(stand):
        one, other = (to_float(d.images[:1]) for d in stand.domains)
        d = float(LPIPS(stand.weights.lpips).distance(one, other)[0])
        assert d > 0
        return {f"lpips/{pair}": d for pair in pairs} | {f"lpips_std/{pairs[0]}": 0}

    return Held(
        lambda file: flat(90, 90, file),
        {f"lpips/{pair}": 0 for pair in pairs},
        lambda file: flat(40, 200, file),
        known,
    )


C1, A, B = 1e-4, 90 / 255, 160 / 255
HELD = {
    "coherence": Held(
        lambda file: labelled(),
        {
            "joint/coherence": 1,
            "joint/unanimous": 1,
            "joint/sure": 1,
            "joint/ceiling": 1,
            "joint/ceiling_unanimous": 1,
            "joint/of_ceiling": 1,
            "joint/entropy/a": 1,
            "joint/entropy/b": 1,
            "joint/chance": 0.25,
        },
        lambda file: labelled(SHIFTED),
        lambda e: {
            "joint/coherence": 0.5,
            "joint/unanimous": 0.5,
            "joint/ceiling": 1,
            "joint/of_ceiling": 0.5,
        },
    ),
    "lpips": far_apart(["generated_a~generated_b", "real_a~real_b"]),
    "lpips_cross": far_apart(["generated_a~real_b", "generated_b~real_a"]),
    "adaptation": Held(
        lambda file: labelled(),
        {
            "adaptation/accuracy/b": 1,
            "adaptation/source_accuracy/a": 1,
            "adaptation/chance/b": 0.25,
            "adaptation/entropy/b": 1,
        },
        lambda file: labelled(SHIFTED),
        lambda e: {"adaptation/accuracy/b": 0.5, "adaptation/source_accuracy/a": 1},
    ),
    # Which labels belong to the order that is asked for, the stand-in's images decide: one class.
    "cross": Held(
        lambda file: Stand([pictures([2] * 9)] * 2, [[2] * 9] * 2),
        {"cross/a2b": 1, "cross/b2a": 1, "reconstructed/a": 1, "inversion_error/a": 0},
        lambda file: Stand(
            [pictures([2] * 8)] * 2, [[2] * 8] * 2, [pictures([2] * 8), pictures([2, 3] * 4)]
        ),
        lambda e: {"cross/a2b": 0.5, "reconstructed/a": 1, "reconstructed/b": 0.5},
    ),
    "classifier_frechet": distances("classifier"),
    "inception": distances("inception"),
    "modes": Held(
        lambda file: labelled(),
        {"modes/covered/b": 4, "modes/entropy/b": 1, "modes/kl/b": 0},
        lambda file: labelled([1] * 40),
        lambda e: {"modes/covered/b": 1, "modes/entropy/b": 0, "modes/kl/b": math.log(4)},
    ),
    "agreement": Held(
        lambda file: outlines(negative),
        {"pixel_agreement/negative": 1, "pixel_agreement_std/negative": 0},
        lambda file: outlines(lambda x: x),
        lambda e: {"pixel_agreement/negative": 0},
    ),
    "fcn": Held(
        lambda file: maps(lambda truth: truth),
        {
            "fcn/pixel_accuracy": 1,
            "fcn/class_accuracy": 1,
            "fcn/class_iou": 1,
            "fcn/ceiling_class_iou": 1,
        },
        lambda file: maps(lambda truth: 0 * truth),
        lambda e: {
            "fcn/pixel_accuracy": 0.5,
            "fcn/class_accuracy": 0.5,
            "fcn/class_iou": 0.25,
            "fcn/ceiling_pixel_accuracy": 1,
        },
    ),
    "pixels": Held(
        lambda file: Stand([pictures(BALANCED)] * 2),
        {"pixels/l1": 0, "pixels/psnr": 100, "pixels/ssim": 1},
        lambda file: Stand([pictures([2] * 3, noise=0)] * 2, made=[pictures([1] * 3, noise=0)] * 2),
        lambda e: {
            "pixels/l1": 2 * (B - A),
            "pixels/psnr": -20 * math.log10(B - A),
            "pixels/ssim": (2 * A * B + C1) / (A * A + B * B + C1),
        },
    ),
}


@pytest.mark.parametrize("name", METRICS)
def test_the_right_answer_is_the_ideal_and_a_wrong_one_is_known(name, lpips_file, monkeypatch):
    assert name in HELD, f"metric {name}: hold its ideal and a known wrong value in HELD"
    held = HELD[name]
    ideal = measured(name, held.right(str(lpips_file)), monkeypatch)
    assert {k: ideal[k] for k in held.ideal} == pytest.approx(held.ideal, abs=1e-5)
    wrong = held.wrong(str(lpips_file))
    values, known = measured(name, wrong, monkeypatch), held.known(wrong)
    assert {k: values[k] for k in known} == pytest.approx(known, rel=1e-4, abs=1e-5)
    # What `--keep_best` compares prefers the right answer.
    better = METRICS[name].best[1]
    right, wrong = METRICS[name].score(ideal), METRICS[name].score(values)
    assert better(right, wrong) == right != wrong


def test_modes_of_points_too(monkeypatch):
    chosen = np.arange(10).repeat(3)
    right, wrong = (measured("modes", near_the_ring(c), monkeypatch) for c in (chosen, 0 * chosen))
    assert (right["modes/covered/ring"], right["modes/near/ring"]) == (10, 1)
    assert right["modes/entropy/ring"] == pytest.approx(1)
    assert (wrong["modes/covered/ring"], wrong["modes/entropy/ring"]) == (1, 0)


EDGES = {
    "one class": dict(real=[pictures([0] * 6, n) for n in range(2)], classes=1),
    "two images": dict(real=[pictures([0, 1], n) for n in range(2)], labels=[[0, 1]] * 2),
    "one image": dict(real=[pictures([1], n) for n in range(2)], labels=[[1]] * 2),
    "equal images": dict(real=[pictures([1] * 6, noise=0)] * 2, labels=[[1] * 6] * 2),
    "black images": dict(real=[np.zeros((6, SIDE, SIDE, 3), np.uint8)] * 2),
    "black images for others": dict(
        real=[pictures(BALANCED[:6])] * 2,
        labels=[BALANCED[:6]] * 2,
        made=[np.zeros((6, SIDE, SIDE, 3), np.uint8)] * 2,
    ),
}


def as_label_maps(images):
    """Flat label maps of the classes that pictures show; black ones are void."""
    mean = images.mean((1, 2, 3))
    classes = np.where(mean > 0, np.abs(mean[:, None] - LEVELS).argmin(1).clip(max=2), 3)
    return np.broadcast_to(tiny.PALETTE.shown[classes][:, None, None], images.shape)


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", METRICS)
def test_values_are_finite_or_absent(name, edge, lpips_file, monkeypatch):
    images = dict(EDGES[edge])
    if name == "fcn":
        images |= {
            k: [as_label_maps(i) for i in images[k]] for k in ("real", "made") if k in images
        }
    stand = Stand(**images, names=("a", "negative"), lpips=str(lpips_file), dataset="tiny_maps")
    values = measured(name, stand, monkeypatch)
    assert {k: v for k, v in values.items() if not math.isfinite(v)} == {}
    # Nothing at all only where no pixel has a class, or one image is no distribution.
    assert (
        values
        or (name, edge) == ("fcn", "black images")
        or (edge == "one image" and name in ("inception", "classifier_frechet"))
    )
