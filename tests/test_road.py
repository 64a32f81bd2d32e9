"""The road from a run to a number: what the commands say of a stub run, exactly.

`tests/stub.py` makes trained networks that are known functions. Here every value of every metric,
and every row of every kind of table and figure, is computed again in NumPy and compared with what
`evaluate`, `reproduce` and `sample` give. A metric or a kind of table without such a value fails.
"""

import contextlib
import csv
import functools
import io
import itertools
import json
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import skimage.metrics
import stub
from matplotlib.axes import Axes
from PIL import Image

from gantrain import consulted
from gantrain.core import MEASURED_SEED
from gantrain.experiments import EXPERIMENTS
from gantrain.main import main
from gantrain.measures import METRICS

NUM, SEED = 24, 3
NAMES, PLANS = ("left", "right", "negative"), ("plan", "facade")


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """The stub in the place of trainers, and the files that metrics read."""
    path = tmp_path_factory.mktemp("road")
    stub.write_lpips(path / "lpips.npz")
    stub.write_inception(path / "inception.weights.h5")
    with pytest.MonkeyPatch.context() as patch:
        stub.install(patch)
        yield path


def command(*words):
    """What a command of the program prints."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert main([str(word) for word in words]) == 0
    return said.getvalue()


def trained(path, *words):
    command("train", "--run_dir", path, "--steps", 3, "--data_dir", path.parent / "data", *words)
    return path


class FromNoise:
    """What NumPy knows of a stub run from noise.

    Args:
        path: run directory.
        names: of its domains.
        num, seed: of the samples.
        side: of the images.
        places: numbers of the domains in their data set.
    """

    def __init__(self, path, names, num, seed, side=32, places=(0, 1, 2)):
        self.path, self.names, self.num, self.seed, self.side = path, names, num, seed, side
        self.places = places

    @functools.cached_property
    def shown(self):
        """The picture of the `sample` command: uint8 [H, W, 3]."""
        file = self.path / "shown.png"
        command(
            "sample",
            "--run_dir",
            self.path,
            "--count",
            self.num,
            "--seed",
            self.seed,
            "--columns",
            self.num,
            "--output",
            file,
        )
        return np.array(Image.open(file))

    @functools.cached_property
    def signs(self):
        """Of the latent vectors, read off the picture of the first domain."""
        row = self.shown[: self.side].reshape(self.side, self.num, self.side, 3)
        return stub.signs_of(row.swapaxes(0, 1), self.names[0], self.path.name)

    def made(self, i, signs=None):
        """Images of domain i in [-1, 1]."""
        return stub.generated(
            self.names[i], self.path.name, self.signs if signs is None else signs, self.side
        )

    def data(self, i, split="train"):
        if self.names == PLANS:
            return stub.to_float(stub.plans(split, self.side)[i]), None
        images, labels = stub.real(self.names[i], self.places[i], split, self.side)
        return stub.to_float(images), labels

    def real(self, i, again=0):
        """Training images of domain i as they are compared."""
        images, _ = self.data(i)
        return images[stub.order(self.seed, i, len(images), again)[: self.num]]

    def judged(self, i, images, judge="evaluation"):
        return stub.logits(f"{judge}/{self.names[i]}", images)

    def panel(self, i, images):
        """{judge: (labels [N], probabilities of them [N])}."""
        found = {}
        for judge in PANEL:
            p = np.exp(self.judged(i, images, judge))
            found[judge] = p.argmax(1), p.max(1) / p.sum(1)
        return found


PANEL = ("evaluation", "evaluation_pooled", "evaluation_wide")


def agreements(read, tuples):
    """[share by judge], all judges of one label, all of them sure, of tuples of image numbers."""
    by, unanimous, sure = [], [], []
    for judge in PANEL:
        labels = [r[judge][0] for r in read]
        by.append(
            np.mean([len({v[n] for v, n in zip(labels, t, strict=True)}) == 1 for t in tuples])
        )
    for t in tuples:
        seen = [(r[j][0][n], r[j][1][n]) for r, n in zip(read, t, strict=True) for j in PANEL]
        unanimous.append(len({label for label, _ in seen}) == 1)
        sure.append(min(p for _, p in seen) >= 0.9)
    return by, np.mean(unanimous), np.mean(sure)


def real_pairs(run):
    """The same of all tuples of test images of one class, by class: what pairs can reach."""
    read, truth = [], []
    for i in range(len(run.names)):
        images, labels = run.data(i, "test")
        order = stub.order(run.seed, i, len(images))[: run.num]
        read.append(run.panel(i, images[order]))
        truth.append(labels[order])
    total, weights = np.zeros(3), 0.0
    for c in range(len(stub.CLASSES)):
        numbers = [np.flatnonzero(t == c) for t in truth]
        if all(map(len, numbers)):
            weight = np.mean([len(n) / len(t) for n, t in zip(numbers, truth, strict=True)])
            by, unanimous, sure = agreements(read, list(itertools.product(*numbers)))
            total += weight * np.array([np.mean(by), unanimous, sure])
            weights += weight
    return total / weights


def coherence(run):
    """Joint coherence, with what stands beside it."""
    read = [run.panel(i, run.made(i)) for i in range(len(run.names))]
    by, unanimous, sure = agreements(read, [(n,) * len(read) for n in range(run.num)])
    low, high = stub.wilson(np.mean(by), run.num)
    histograms = [
        [np.bincount(r[j][0], minlength=len(stub.CLASSES)) / run.num for j in PANEL] for r in read
    ]
    ceiling, of_unanimous, of_sure = real_pairs(run)
    values = {
        "coherence": np.mean(by),
        "coherence_low": low,
        "coherence_high": high,
        "unanimous": unanimous,
        "sure": sure,
        "chance": np.prod(histograms, axis=0).sum(-1).mean(),
        "ceiling": ceiling,
        "ceiling_unanimous": of_unanimous,
        "ceiling_sure": of_sure,
        "of_ceiling": np.mean(by) / ceiling,
    } | {f"coherence_by/{judge}": v for judge, v in zip(PANEL, by, strict=True)}
    for i, name in enumerate(run.names):
        images, truth = run.data(i, "test")
        values |= {
            f"entropy/{name}": np.mean(
                [stub.entropy(read[i][j][0], len(stub.CLASSES)) for j in PANEL]
            ),
            f"confidence/{name}": np.mean([read[i][j][1] for j in PANEL]),
            f"accuracy/{name}": np.mean(
                [labels == truth for labels, _ in run.panel(i, images).values()]
            ),
        }
    return {f"joint/{k}": v for k, v in values.items()}


def distance(name, one, other):
    d = stub.lpips(*(images[: min(len(one), len(other))] for images in (one, other)))
    return {f"lpips/{name}": d.mean(), f"lpips_std/{name}": d.std()}


def lpips(run):
    values, names = {}, run.names
    for i, j in itertools.combinations(range(len(names)), 2):
        values |= distance(f"generated_{names[i]}~generated_{names[j]}", run.made(i), run.made(j))
        values |= distance(f"real_{names[i]}~real_{names[j]}", run.real(i), run.real(j))
    for i, name in enumerate(names):
        values |= distance(f"generated_{name}~real_{name}", run.made(i), run.real(i))
        values |= distance(f"real_{name}~real_{name}", run.real(i), run.real(i, again=1))
    return values


def lpips_cross(run):
    values, names = {}, run.names
    for i, j in itertools.permutations(range(len(names)), 2):
        values |= distance(f"generated_{names[i]}~real_{names[j]}", run.made(i), run.real(j))
    return values


def cross(run):
    """Every test image by the latent vector whose image is nearest, in all domains."""
    values, all_signs = {}, np.array(list(itertools.product((-1.0, 1.0), repeat=stub.SIGNS)))
    for i, name in enumerate(run.names):
        images, labels = run.data(i, "test")
        order = stub.order(run.seed, i, len(images))[: run.num]
        images, labels = images[order], labels[order]
        squares = ((images[:, None] - run.made(i, all_signs)[None]) ** 2).mean((2, 3, 4))
        signs, near = all_signs[squares.argmin(1)], np.sort(squares, axis=1)
        assert (near[:, 1] - near[:, 0]).min() > 1e-4  # of two as near as each other one is chance
        got = [
            np.stack([label for label, _ in run.panel(j, run.made(j, signs)).values()])
            for j in range(len(run.names))
        ]
        histograms = [
            np.bincount(v.ravel(), minlength=len(stub.CLASSES)) / v.size for v in (labels, *got)
        ]
        for j, other in enumerate(run.names):
            if i == j:
                continue
            share, way = np.mean(got[j] == labels), f"{name}2{other}"
            low, high = stub.wilson(share, len(labels))
            values |= {
                f"cross/{way}": share,
                f"cross_low/{way}": low,
                f"cross_high/{way}": high,
                f"cross_chance/{way}": (histograms[0] * histograms[j + 1]).sum(),
            }
        values |= {
            f"reconstructed/{name}": np.mean(got[i] == labels),
            f"inversion_error/{name}": np.sqrt(squares.min(1)).mean(),
        }
    return values


def set_scores(network, name, real, made, seed):
    kernel, spread = stub.kernel(real, made, seed)
    least = min(len(real), len(made))
    values = {
        "frechet": stub.frechet(real, made),
        "kernel": kernel,
        "kernel_std": spread,
        "precision": stub.inside(made[:least], real[:least]),
        "recall": stub.inside(real[:least], made[:least]),
        "real": len(real),
        "fake": len(made),
        "kernel_images": least // 2,
        "precision_images": least,
    }
    return {f"{network}_{k}/{name}": v for k, v in values.items()}


def sets(run, network, features):
    values = {}
    for i, name in enumerate(run.names):
        values |= set_scores(network, name, features(run.real(i)), features(run.made(i)), run.seed)
    return values


def modes(run):
    values = {}
    for i, name in enumerate(run.names):
        labels, (_, truth) = run.judged(i, run.made(i)).argmax(1), run.data(i)
        p, q = (np.bincount(v, minlength=len(stub.CLASSES)) / len(v) for v in (labels, truth))
        values |= {
            f"modes/covered/{name}": np.sum(p > 0),
            f"modes/modes/{name}": len(p),
            f"modes/entropy/{name}": stub.entropy(labels, len(p)),
            f"modes/kl/{name}": (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum(),
        }
    return values


def agreement(run):
    """Negatives of the first domain beside the images of the domain of that name."""
    mapped, shown = run.made(0) < 0, run.made(2) > 0
    equal = (mapped == shown).mean((1, 2, 3))
    apart = (np.roll(mapped, -1, axis=0) == shown).mean()
    return {
        "pixel_agreement/negative": equal.mean(),
        "pixel_agreement_std/negative": equal.std(),
        "pixel_agreement_chance/negative": apart,
    }


def adaptation(run):
    """The source is the second domain, "left"; its labels alone are known."""
    (right, truth), (left, known) = run.data(0, "test"), run.data(1, "test")
    found = stub.logits("heads", right, run.path.name).argmax(1)
    values = {
        "adaptation/source_accuracy/left": np.mean(
            stub.logits("heads", left, run.path.name).argmax(1) == known
        ),
        "adaptation/chance/right": np.bincount(truth).max() / len(truth),
        "adaptation/entropy/right": stub.entropy(found, len(stub.CLASSES)),
    }
    for name, labels in (
        ("", found),
        ("source_only", stub.logits("compact_trunk/left", right).argmax(1)),
    ):
        share, part = np.mean(labels == truth), name + "_" if name else ""
        low, high = stub.wilson(share, len(truth))
        values |= {
            f"adaptation/{name or 'accuracy'}/right": share,
            f"adaptation/{part}low/right": low,
            f"adaptation/{part}high/right": high,
        }
    return values


class OfImages:
    """What NumPy knows of a stub run of translation: the first `num` test pairs."""

    def __init__(self, path, num, side=64):
        self.path, self.num, self.side = path, num, side
        maps, photos, classes = (part[:num] for part in stub.plans("test", side))
        self.maps, self.photos, self.classes = stub.to_float(maps), stub.to_float(photos), classes

    def translated(self, images, direction):
        return stub.translated(images, self.path.name, direction)


def pixel_scores(made, target):
    """L1 in [-1, 1], PSNR, and SSIM on intensities from 0 (Wang et al. 2004)."""
    squares = ((made - target) ** 2).mean((1, 2, 3))
    ssim = [
        skimage.metrics.structural_similarity(
            (a + 1) / 2,
            (b + 1) / 2,
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(made, target, strict=True)
    ]
    return {
        "l1": abs(made - target).mean(),
        "psnr": (10 * np.log10(4 / squares)).mean(),
        "ssim": np.mean(ssim),
    }


def pixels(run):
    made = run.translated(run.maps, "a2b")
    return {f"pixels/{k}": v for k, v in pixel_scores(made, run.photos).items()}


def cycle_pixels(run):
    """Of a run of b2a: photographs are its first domain."""
    values = {}
    for name, images, target, there, back in (
        ("facade", run.photos, run.maps, "b2a", "a2b"),
        ("plan", run.maps, run.photos, "a2b", "b2a"),
    ):
        made = run.translated(images, there)
        values[f"cycle_l1/{name}"] = abs(run.translated(made, back) - images).mean()
        values |= {f"{k}/from_{name}": v for k, v in pixel_scores(made, target).items()}
    return {f"pixels/{k}": v for k, v in values.items()}


def cycle_inception(run):
    values = {}
    for name, source, target, way in (
        ("facade", run.maps, run.photos, "a2b"),
        ("plan", run.photos, run.maps, "b2a"),
    ):
        values |= set_scores(
            "inception",
            name,
            stub.inception(target),
            stub.inception(run.translated(source, way)),
            SEED,
        )
    return values


def fcn(run):
    """Classes read off photographs, made and real, against those of the label maps."""
    values = {}
    for part, photos in (("", run.translated(run.maps, "a2b")), ("ceiling_", run.photos)):
        found, classes = stub.read(photos), range(len(stub.PALETTE.classes))
        scored = run.classes < len(classes)
        found, truth = found[scored], run.classes[scored]
        both = [np.sum((found == c) & (truth == c)) for c in classes]
        true, either = ([np.sum(v == c) for c in classes] for v in (truth, found))
        values |= {
            f"fcn/{part}pixel_accuracy": sum(both) / truth.size,
            f"fcn/{part}class_accuracy": np.mean(np.divide(both, true)),
            f"fcn/{part}class_iou": np.mean(np.divide(both, np.add(true, either) - both)),
        }
    return values


# --- every metric --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three(road):
    """Three domains; what is shown are averaged weights, and the raw ones make something else."""
    words = ("--dataset", "stub", "--net", "compact", "--noise_dim", 6, "--ema", 0.99, "--seed", 5)
    return FromNoise(trained(road / "three", *words), NAMES, NUM, SEED)


@pytest.fixture(scope="module")
def adapted(road):
    """Domains in another order, labels of the second; the best state is not the last."""
    words = (
        "--gan_type",
        "cogan",
        "--dataset",
        "stub",
        "--domains",
        "right,left",
        "--net",
        "compact",
        "--label_loss",
        1,
        "--source",
        "left",
        "--every",
        100,
        "--evaluate_metrics",
        "adaptation",
        "--keep_best",
        "adaptation",
        "--seed",
        7,
    )
    return FromNoise(trained(road / "coupled", *words), ("right", "left"), NUM, SEED, places=(1, 0))


class Points:
    """A stub run of the ring; its points are what the `sample` command draws."""

    def __init__(self, path, num, seed):
        self.path, self.num, self.seed = path, num, seed

    @functools.cached_property
    def points(self):
        drawn = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Axes, "scatter", lambda axes, *points, **style: drawn.append(points))
            command(
                "sample",
                "--run_dir",
                self.path,
                "--count",
                self.num,
                "--seed",
                self.seed,
                "--output",
                self.path / "shown.png",
            )
        return np.stack(drawn[-1], axis=1)


def ring_modes(run):
    """Of four points that a stub generator makes two are modes of the ring, one apart."""
    x, y = run.points.T
    at = [np.mean((x > 3.9) & (x < 4.1)), np.mean((x < -3.9) & (x > -4.1))]
    p = np.array(at) / sum(at)
    assert 0.3 < sum(at) < 0.7 and set(np.round(abs(y)).astype(int)) == {0, 6}
    return {
        "modes/covered/ring": 2,
        "modes/modes/ring": 10,
        "modes/near/ring": sum(at),
        "modes/entropy/ring": -(p * np.log(p)).sum() / np.log(10),
    }


@pytest.fixture(scope="module")
def ring(road):
    words = ("--gan_type", "gan", "--dataset", "ring", "--net", "toy", "--noise_dim", 3)
    return Points(trained(road / "ring", *words), 40, SEED)


@pytest.fixture(scope="module")
def paired(road):
    return OfImages(trained(road / "pix", "--gan_type", "pix2pix", "--dataset", "plan2facade"), 10)


@pytest.fixture(scope="module")
def cycled(road):
    return OfImages(
        trained(
            road / "cycled",
            "--gan_type",
            "cyclegan",
            "--dataset",
            "plan2facade",
            "--direction",
            "b2a",
        ),
        10,
    )


# Per metric: the run that is measured and what NumPy says.
EXACT = {
    "coherence": [("three", coherence), ("adapted", coherence)],
    "lpips": [("three", lpips), ("adapted", lpips)],
    "lpips_cross": [("three", lpips_cross)],
    "adaptation": [("adapted", adaptation)],
    "cross": [("three", cross)],
    "classifier_frechet": [("three", lambda run: sets(run, "classifier", stub.features))],
    "inception": [
        ("three", lambda run: sets(run, "inception", stub.inception)),
        ("cycled", cycle_inception),
    ],
    "modes": [("three", modes), ("ring", ring_modes)],
    "agreement": [("three", agreement)],
    "fcn": [("paired", fcn)],
    "pixels": [("paired", pixels), ("cycled", cycle_pixels)],
}


@pytest.fixture(scope="module")
def measured(road, request):
    """(run, contents of its metrics.json) after one `evaluate` of what the tests that run need."""
    asked = {
        item.callspec.params.get("metric")
        for item in request.session.items
        if hasattr(item, "callspec")
    }
    some = asked - {None} if all(hasattr(i, "callspec") for i in request.session.items) else EXACT

    @functools.cache
    def of(name):
        run = request.getfixturevalue(name)
        metrics = [m for m, cases in EXACT.items() if m in some and name in dict(cases)]
        run.said = command(
            "evaluate",
            "--run_dir",
            run.path,
            "--metrics",
            ",".join(metrics),
            "--num",
            run.num,
            "--seed",
            SEED,
            "--lpips_weights",
            road / "lpips.npz",
            "--inception_weights",
            road / "inception.weights.h5",
        )
        return run, json.loads((run.path / "metrics.json").read_text())

    return of


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_of_the_stub_run_is_exact(metric, measured):
    assert metric in EXACT, f"metric {metric} has no exact value: give one in EXACT"
    for name, expected in EXACT[metric]:
        run, stored = measured(name)
        wanted = expected(run)
        found = {key: stored["values"].get(key) for key in wanted}
        assert found == pytest.approx(wanted, rel=1e-4, abs=2e-5), (metric, name)


def test_no_value_is_left_unpinned(measured):
    for name in {name for cases in EXACT.values() for name, _ in cases}:
        run, stored = measured(name)
        wanted = [
            key
            for cases in EXACT.values()
            for of, expected in cases
            if of == name
            for key in expected(run)
        ]
        assert sorted(stored["values"]) == sorted(wanted), name


def test_every_value_stands_with_its_count(measured):
    counts = measured("three")[1]["counts"]
    lpips = {
        f"lpips/{a}_{i}~{b}_{j}": NUM
        for i, j in itertools.product(NAMES, NAMES)
        for a, b in itertools.product(("generated", "real"), repeat=2)
    }
    assert {k: v for k, v in counts.items() if lpips.get(k) != v} == {
        "joint/coherence": NUM,
        "joint/ceiling/left": NUM,
        "joint/ceiling/right": 22,
        "joint/ceiling/negative": NUM,
        "agreement/negative": NUM,
        "cross/left": NUM,
        "cross/right": 22,
        "cross/negative": NUM,
        **{f"modes/{name}": NUM for name in NAMES},
    }
    assert measured("paired")[1]["counts"] == {"fcn": 10, "pixels": 10}
    assert measured("adapted")[1]["counts"]["adaptation"] == {"right": 22, "left": 30}


def test_what_is_said_is_what_is_stored(measured):
    for name in ("three", "paired"):
        run, stored = measured(name)
        for key, value in stored["values"].items():
            assert f"{key:40s} {value:.4f}\n" in run.said


def test_the_stub_shows_what_it_is_asked_about(measured):
    """No value is where two mistakes would meet: shares are neither all nor nothing."""
    values = measured("three")[1]["values"] | measured("adapted")[1]["values"]
    for key, value in (measured("three")[1]["values"] | measured("paired")[1]["values"]).items():
        if key.split("/")[0] in ("cross", "joint", "fcn", "reconstructed", "pixel_agreement"):
            assert 0.0 < value < 1.0 or "low" in key, key
    lengths = [v for k, v in values.items() if k.startswith("lpips/")]
    assert len(set(np.round(lengths, 4))) == len(lengths)


def test_a_picture_of_samples_is_exact(three, adapted):
    for run in (three, adapted):
        wanted = stub.grid([run.made(i) for i in range(len(run.names))], run.num)
        np.testing.assert_allclose(run.shown, wanted, atol=1)


def test_sheets_of_pairs_are_exact(three, tmp_path):
    """Order, readings and images, by the pairs' least probability of one label."""
    words = ("--num", NUM, "--seed", SEED, "--count", 5, "--columns", 3, "--output", tmp_path)
    said = command("pairs", "--run_dir", three.path, *words)
    p = np.stack(
        [[softmax(three.judged(i, three.made(i), j)) for j in PANEL] for i in range(len(NAMES))]
    )
    sure = p.min((0, 1)).max(-1)
    order = np.argsort(-sure)
    random = np.random.default_rng(SEED).permutation(NUM)
    for name, numbers in (("surest", order), ("least_sure", order[::-1]), ("random", random)):
        assert f"{name}.png: written" in said
        with open(tmp_path / f"{name}.csv") as file:
            rows = list(csv.DictReader(file))
        # Samples of equal signs are as sure as each other.
        found = [int(row["sample"]) for row in rows]
        assert sure[found] == pytest.approx(sure[numbers[:5]]) and len(set(found)) == 5
        assert name != "random" or found == list(numbers[:5])
        sheet = np.array(Image.open(tmp_path / f"{name}.png"))
        height, width = sheet.shape[0] // 2, sheet.shape[1] // 3
        for k, (row, n) in enumerate(zip(rows, found, strict=True)):
            assert float(row["sureness"]) == pytest.approx(sure[n], abs=6e-5)
            for i, domain in enumerate(NAMES):
                for j, judge in enumerate(PANEL):
                    best = p[i, j, n].argmax()
                    assert row[f"read/{domain}/{judge}"] == stub.CLASSES[best]
                    said_so = float(row[f"probability/{domain}/{judge}"])
                    assert said_so == pytest.approx(p[i, j, n, best], abs=6e-5)
            # Twice as large, four pixels from the left.
            wanted = stub.grid([three.made(i)[n : n + 1] for i in range(len(NAMES))], 1)
            wanted = wanted.repeat(2, 0).repeat(2, 1)
            tile = sheet[k // 3 * height :, k % 3 * width + 4 :]
            np.testing.assert_allclose(
                tile[: len(wanted), : wanted.shape[1]], wanted, atol=1, err_msg=name
            )
            # Below the images a line of the pair and one of each domain.
            below = tile[len(wanted) : height, : width - 4]
            lines = (below.min((1, 2)) < 128).astype(int)
            assert np.sum(np.diff(lines, prepend=0) == 1) == 1 + len(NAMES)
        assert np.all(sheet[height:, 2 * width :] == 255)  # no sixth pair


def softmax(logits):
    p = np.exp(logits)
    return p / p.sum(-1, keepdims=True)


# --- every kind of table and figure --------------------------------------------------------------


def digits(one, other):
    """Rows of tables 5.1 to 5.3 and 7.1, whatever their source calls the domains."""

    def values(run):
        (a, b), found = run.names, lpips(run) | coherence(run)
        keys = {
            f"Gen. {one} vs Gen. {other}": f"lpips/generated_{a}~generated_{b}",
            f"Gen. {one} vs Real {one}": f"lpips/generated_{a}~real_{a}",
            f"Gen. {other} vs Real {other}": f"lpips/generated_{b}~real_{b}",
            "Real vs Real (baseline)": f"lpips/real_{a}~real_{b}",
            "Joint coherence": "joint/coherence",
            "Coherence by chance": "joint/chance",
            "Entropy, domain 1": f"joint/entropy/{a}",
            "Entropy, domain 2": f"joint/entropy/{b}",
        }
        return {label: found[key] for label, key in keys.items()}

    return values


def animals(run):
    found = lpips(run)
    return {
        "Gen. Domain1 vs Gen. Domain2": found["lpips/generated_plan~generated_facade"],
        "Gen. Domain1 vs Real Domain1": found["lpips/generated_plan~real_plan"],
        "Gen. Domain2 vs Real Domain2": found["lpips/generated_facade~real_facade"],
        "Real vs Real (baseline)": found["lpips/real_plan~real_facade"],
    }


def crossed(run):
    found = lpips(run) | lpips_cross(run)
    return {
        "Gen. horses vs Real horses": found["lpips/generated_plan~real_plan"],
        "Gen. horses vs Real zebras": found["lpips/generated_plan~real_facade"],
        "Gen. zebras vs Real horses": found["lpips/generated_facade~real_plan"],
        "Gen. zebras vs Real zebras": found["lpips/generated_facade~real_facade"],
    }


def pictures(run):
    found = pixels(run)
    return {label: found[f"pixels/{label.lower()}"] for label in ("L1", "PSNR", "SSIM")}


def objectives(run):
    found, values = fcn(run), pictures(run)
    for label, key in (
        ("Per-pixel acc.", "pixel_accuracy"),
        ("Per-class acc.", "class_accuracy"),
        ("Class IoU", "class_iou"),
    ):
        values |= {
            label: found[f"fcn/{key}"],
            f"{label} (ground truth)": found[f"fcn/ceiling_{key}"],
        }
    return values


def cycles(run):
    found = cycle_pixels(run)
    return {
        "Cycle L1, domain 1": found["pixels/cycle_l1/plan"],
        "Cycle L1, domain 2": found["pixels/cycle_l1/facade"],
        "L1, made of domain 1": found["pixels/l1/from_plan"],
        "L1, made of domain 2": found["pixels/l1/from_facade"],
        "SSIM, made of domain 1": found["pixels/ssim/from_plan"],
        "SSIM, made of domain 2": found["pixels/ssim/from_facade"],
    }


def covered(run):
    return {"Modes covered": ring_modes(run)["modes/covered/ring"]}


def logged(**keys):
    """Rows whose value is the last that was logged under a key."""

    def values(run):
        return {
            label.replace("_", " "): stub.logged(run.path.name, key, 4)
            for label, key in keys.items()
        }

    return values


def grown(**keys):
    """Rows whose value is what was logged last less what was logged first."""

    def values(run):
        return {
            label.replace("_", " "): stub.logged(run.path.name, key, 4)
            - stub.logged(run.path.name, key, 1)
            for label, key in keys.items()
        }

    return values


class Table(NamedTuple):
    """How a table is run on the stub, and what it has to say.

    Attributes:
        arms: {arm: last part of its runs' names}, those that are trained.
        dataset: stand-in.
        run: path of a run -> what NumPy knows of it.
        values: of that, {row: number}.
        published: {row: what the source prints, arm by arm}.
        seeds: runs per arm.
    """

    arms: dict
    dataset: str
    run: Callable
    values: Callable
    published: dict
    seeds: int = 1


def from_noise(names, num, side=32):
    return lambda path: FromNoise(path, names, num, MEASURED_SEED, side)


def of_images(path):
    return OfImages(path, 4)


def points(path):
    return Points(path, 100, MEASURED_SEED)


FIVE = ("L1", "GAN", "cGAN", "L1+GAN", "L1+cGAN")
TABLES = {
    "table3.3": Table(
        {"CoGAN": "cogan_256"},
        "plan2facade",
        from_noise(PLANS, 10, 64),
        crossed,
        {
            "Gen. horses vs Real horses": (0.7792,),
            "Gen. horses vs Real zebras": (0.8185,),
            "Gen. zebras vs Real horses": (0.7728,),
            "Gen. zebras vs Real zebras": (0.7546,),
        },
    ),
    "table5.2": Table(
        {"FR": "fr"},
        "mnist2street",
        from_noise(("mnist", "street"), 20),
        digits("MNIST", "SVHN"),
        {
            "Gen. MNIST vs Gen. SVHN": (0.3400, 0.2434, 0.3016, 0.3093, 0.3022, 0.2948),
            "Gen. MNIST vs Real MNIST": (0.1126, 0.1194, 0.1162, 0.1153, 0.1146, 0.1120),
            "Gen. SVHN vs Real SVHN": (0.2151, 0.1941, 0.2046, 0.2083, 0.2094, 0.2117),
            "Real vs Real (baseline)": (0.3304,) * 6,
        },
        seeds=2,
    ),
    "table5.3": Table(
        {"SLFR": "slfr"},
        "pen2street",
        from_noise(("pen", "street"), 20),
        digits("No-smile", "Smile"),
        {
            "Gen. No-smile vs Gen. Smile": (0.0433, 0.1294, 0.1708, 0.0857),
            "Gen. No-smile vs Real No-smile": (0.3923, 0.3875, 0.3879, 0.3907),
            "Gen. Smile vs Real Smile": (0.3877, 0.3921, 0.3881, 0.3962),
            "Real vs Real (baseline)": (0.3955,) * 4,
        },
    ),
    "table5.4": Table(
        # Both sets have one stand-in here, so that the columns of CoGAN are one run.
        {"CoGAN(a2o)": "cogan_pl_settings", "CoGAN(h2z)": "cogan_pl_settings", "PL(h2z)": "pl_128"},
        "plan2facade",
        from_noise(PLANS, 10, 64),
        animals,
        {
            "Gen. Domain1 vs Gen. Domain2": (0.6081, 0.5774, 0.6238, 0.6163),
            "Gen. Domain1 vs Real Domain1": (0.6939, 0.7361, 0.6691, 0.6715),
            "Gen. Domain2 vs Real Domain2": (0.7021, 0.7339, 0.6844, 0.6900),
            "Real vs Real (baseline)": (0.7013, 0.7013, 0.7062, 0.7062),
        },
    ),
    "objectives": Table(
        {"L1": "l1", "cGAN": "cgan"},
        "plan2facade",
        of_images,
        objectives,
        {
            "Per-pixel acc.": (
                "0.42 (poster 0.70)",
                "0.22 (poster 0.25)",
                "0.57 (poster 0.59)",
                "0.64 (poster 0.65)",
                "0.66 (poster 0.75)",
            ),
            "Per-class acc.": (
                "0.15 (poster 0.24)",
                "0.05 (poster 0.08)",
                "0.22 (poster 0.20)",
                "0.20 (poster 0.20)",
                "0.23 (poster 0.24)",
            ),
            "Class IoU": (
                "0.11 (poster 0.18)",
                "0.01 (poster 0.03)",
                "0.16 (poster 0.14)",
                "0.15 (poster 0.15)",
                "0.17 (poster 0.19)",
            ),
            "Per-pixel acc. (ground truth)": ("0.80",) * 5,
            "Per-class acc. (ground truth)": ("0.26",) * 5,
            "Class IoU (ground truth)": ("0.21",) * 5,
        },
    ),
    "generators": Table(
        {"U-Net": "unet"},
        "plan2facade",
        of_images,
        pictures,
        {"L1": ("as good as ResNet", "collapses", "lower pixel distance than U-Net", "best")},
    ),
    "cycle_weights": Table(
        {"10": "cycle10"},
        "plan2facade",
        of_images,
        cycles,
        {"Cycle L1, domain 1": ("works", "does not work")},
    ),
    "learning_rates": Table(
        {"1e-4 / 1e-4": "rates_equal"},
        "plan2facade",
        of_images,
        cycles,
        {"Cycle L1, domain 1": ("both losses steady", "discriminator wins")},
    ),
    "figure2.10": Table({"ring": "ring"}, "ring", points, covered, {"Modes covered": (10,)}),
    "figure2.15": Table(
        {"ring_wgan_gp": "ring_wgan_gp"},
        "ring",
        points,
        logged(Discriminator_loss="discriminators/adv/ring"),
        {"Discriminator loss": ("decreases",)},
    ),
    "figure4.1": Table(
        {"CoGAN": "cogan_weights", "SCoGAN-FR": "fr_weights"},
        "pen2street",
        from_noise(("pen", "street"), 20),
        grown(Weight_distance="generators/weight_distance"),
        {"Weight distance": ("grows slowly", "grows faster")},
    ),
    "figure7.1": Table(
        {"PL": "pl"},
        "pen2street",
        from_noise(("pen", "street"), 20),
        logged(Content="generators/perceptual_content", Style="generators/perceptual_style"),
        {"Style": ("constant",)},
    ),
}


# Thesis; rows of a table, arm by arm.
PRINTED = {
    "table3.4": [[0.8388], [0.8693], [0.9005], [0.8944]],
    "table3.5": [[0.8906], [0.9594], [0.6923], [0.7024]],
    "table3.6": [[0.7345], [0.7756], [0.7402], [0.7169]],
    "table3.7": [[0.6676], [0.7472], [0.7101], [0.6824]],
    "table3.8": [[0.6931], [0.7414], [0.7069], [0.6968]],
    "table5.1": [
        [0.1026, 0.1227, 0.1039, 0.1092, 0.1019],
        [0.1157, 0.1217, 0.1141, 0.1148, 0.1110],
        [0.1157, 0.1429, 0.1100, 0.1092, 0.1064],
        [0.1627] * 5,
    ],
    "table7.1": [[0.3018], [0.1140], [0.2053], [0.3304]],
}


class Reproduced(NamedTuple):
    """What `reproduce` wrote and said, and what it drew: calls of Matplotlib by name."""

    rows: list
    text: str
    said: str
    drawn: dict


@pytest.fixture(scope="module")
def reproduced(road):
    @functools.cache
    def of(name):
        drawn = {call: [] for call in ("plot", "bar", "imshow", "set_title")}
        arms = ("--arms", ",".join(TABLES[name].arms)) if name in TABLES else ()
        seeds = ("--seeds", TABLES[name].seeds) if name in TABLES else ()
        with pytest.MonkeyPatch.context() as patch:
            for call, calls in drawn.items():
                patch.setattr(Axes, call, recorded(getattr(Axes, call), calls))
            said = command(
                "reproduce",
                name,
                "--scale",
                "smoke",
                "--substitute",
                *arms,
                *seeds,
                "--data_dir",
                road / "data",
                "--lpips_weights",
                road / "lpips.npz",
                "--runs",
                road / "runs" / name,  # tables share runs: one alone says what it alone found
                "--output",
                road / "tables",
            )
        with open(road / "tables" / f"{name}-smoke.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        return Reproduced(rows, (road / "tables" / f"{name}-smoke.md").read_text(), said, drawn)

    return of


def recorded(function, calls):
    @functools.wraps(function)
    def call(axes, *args, **options):
        calls.append((args, options))
        return function(axes, *args, **options)

    return call


def runs_of(road, name, arm):
    """What NumPy knows of the runs of an arm, seed by seed."""
    table, runs = TABLES[name], road / "runs" / name / "smoke"
    return [
        table.run(runs / f"{table.dataset}-{table.arms[arm]}-seed{seed}")
        for seed in range(table.seeds)
    ]


@pytest.mark.parametrize("name", TABLES)
def test_every_row_of_a_table_is_exact(name, road, reproduced):
    """Mean, deviation, number of seeds, the published number and what is missing."""
    table, experiment = TABLES[name], EXPERIMENTS[name]
    arms = [arm.name for arm in experiment.arms]
    found = {(row["row"], row["arm"]): row for row in reproduced(name).rows}
    assert list(found) == [(row.label, arm) for row in experiment.rows for arm in arms]
    values = {arm: [table.values(run) for run in runs_of(road, name, arm)] for arm in table.arms}
    for (label, arm), cell in found.items():
        published = table.published.get(label, [""] * len(arms))[arms.index(arm)]
        assert cell["published"] == str(published), (label, arm)
        if arm not in table.arms:
            assert cell["mean"] == cell["std"] == "" and "not trained" in cell["missing"]
            continue
        seen = [of_seed[label] for of_seed in values[arm]]
        assert cell["missing"] == "" and int(cell["seeds"]) == table.seeds
        assert float(cell["mean"]) == pytest.approx(np.mean(seen), rel=1e-4, abs=2e-5), label
        if table.seeds > 1:
            assert float(cell["std"]) == pytest.approx(np.std(seen, ddof=1), rel=1e-3, abs=2e-5)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_the_same_in_every_form(name, reproduced):
    """Markdown and screen: four decimals of ours, their deviation, theirs as printed."""
    experiment, result = EXPERIMENTS[name], reproduced(name)
    head, _, *body = [
        [cell.strip() for cell in line[1:-1].split(" | ")]
        for line in result.text.splitlines()
        if line.startswith("|")
    ]
    assert head == [
        "",
        *(f"{arm.name} {who}" for arm in experiment.arms for who in ("ours", "theirs")),
    ]
    cells = iter(result.rows)
    for found, row in zip(body, experiment.rows, strict=True):
        wanted = [row.label]
        for arm in experiment.arms:
            cell = next(cells)
            ours = f"{float(cell['mean']):.4f}" if cell["mean"] else ""
            ours += f" ± {float(cell['std']):.4f}" if cell["std"] else ""
            theirs = arm.published.get(row.label, "")
            wanted += [
                ours or cell["missing"],
                theirs if isinstance(theirs, str) else f"{theirs:.4f}",
            ]
            shown = f"  {arm.name:16s} {ours or cell['missing']:24s}"
            assert shown + (f"   published {wanted[-1]}" if wanted[-1] else "") in result.said
        assert found == wanted


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_labels_say_what_their_rows_read(name):
    """Of LPIPS: the n-th name among the labels of a table is its n-th domain."""
    rows = [row for row in EXPERIMENTS[name].rows if row.key.startswith("lpips/")]
    order = list(
        dict.fromkeys(
            re.search(r"Gen\. (\S+) vs Real", row.label)[1]
            for row in rows
            if "Real (" not in row.label and "vs Gen" not in row.label
        )
    )
    for row in rows:
        two = re.match(r"(Gen\.|Real) (\S+)? ?vs (Gen\.|Real) (\S+)", row.label)
        kinds = [{"Gen.": "generated", "Real": "real"}[two[i]] for i in (1, 3)]
        places = (0, 1) if "baseline" in row.label else [order.index(two[i]) for i in (2, 4)]
        assert row.key == "lpips/" + "~".join(
            f"{kind}_{{{place}}}" for kind, place in zip(kinds, places, strict=True)
        )


@pytest.mark.parametrize("name, printed", PRINTED.items())
def test_published_numbers_are_in_their_cells(name, printed):
    """Of the tables that are not run here."""
    experiment = EXPERIMENTS[name]
    assert [
        [arm.published[row.label] for arm in experiment.arms]
        for row in experiment.rows[: len(printed)]
    ] == printed


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_kind_of_table_is_pinned(name):
    """Rows that read the same values of the same metrics, and the same kind of picture."""

    def kind(experiment):
        return tuple(row.key for row in experiment.rows), experiment.metrics

    experiment = EXPERIMENTS[name]
    if experiment.computed:
        assert name in COMPUTED, f"figure {name} has no exact values: give some in COMPUTED"
        return
    pinned = [EXPERIMENTS[of] for of in TABLES]
    assert kind(experiment) in map(kind, pinned), f"no table of the kind of {name} is in TABLES"
    assert experiment.picture in {of.picture for of in pinned}, (
        f"no table with the picture of {name} is in TABLES"
    )


@pytest.mark.parametrize("name", [n for n in TABLES if EXPERIMENTS[n].picture == "bars"])
def test_bars_are_the_table(name, road, reproduced):
    table, experiment, drawn = TABLES[name], EXPERIMENTS[name], reproduced(name).drawn
    bars, arms = drawn["bar"], [arm.name for arm in experiment.arms]
    values = {arm: [table.values(run) for run in runs_of(road, name, arm)] for arm in table.arms}
    assert len(bars) == 2 * len(experiment.rows)
    for row, ours, theirs in zip(experiment.rows, bars[::2], bars[1::2], strict=True):
        means = [np.mean([v[row.label] for v in values.get(arm, [])] or [0.0]) for arm in arms]
        np.testing.assert_allclose(ours[0][1], means, rtol=1e-4, atol=2e-5)
        published = table.published.get(row.label, [0.0] * len(arms))
        np.testing.assert_allclose(theirs[0][1], [float(str(p).split()[0]) for p in published])


@pytest.mark.parametrize("name", [n for n in TABLES if EXPERIMENTS[n].picture == "curves"])
def test_curves_are_those_of_the_runs(name, road, reproduced):
    table, experiment = TABLES[name], EXPERIMENTS[name]
    drawn = {
        options["label"]: np.array(args)
        for args, options in reproduced(name).drawn["plot"]
        if len(args) == 2 and "label" in options
    }
    keys = {row.label: row.key.replace("{0}", "ring").split(":") for row in experiment.rows}
    wanted = {
        f"{arm}: {label} ({run.path.name})": (
            range(1, 5),
            [
                stub.logged(run.path.name, key, step)
                - (stub.logged(run.path.name, key, 1) if kind == "growth" else 0.0)
                for step in range(1, 5)
            ],
        )
        for arm in table.arms
        for run in runs_of(road, name, arm)
        for label, (kind, key) in keys.items()
    }
    assert {k: pytest.approx(v) for k, v in drawn.items()}.keys() >= wanted.keys()
    for label, points in wanted.items():
        np.testing.assert_allclose(drawn[label], points)


def test_pictures_of_samples_are_those_of_the_runs(road, reproduced):
    """Inputs, what is made of them and targets of the first eight test pairs."""
    for name in ("generators", "cycle_weights"):
        ((arm, _),) = TABLES[name].arms.items()
        run, drawn = OfImages(runs_of(road, name, arm)[0].path, 8), reproduced(name).drawn
        (((picture,), _),) = drawn["imshow"]
        assert [args[0] for args, _ in drawn["set_title"]][-1] == arm
        if name == "generators":
            rows = [run.maps, run.translated(run.maps, "a2b"), run.photos]
        else:
            rows = []
            for images, there, back in ((run.maps, "a2b", "b2a"), (run.photos, "b2a", "a2b")):
                made = run.translated(images, there)
                rows += [images, made, run.translated(made, back)]
                rows += [run.translated(images, back)]
        np.testing.assert_allclose(picture, stub.grid(rows, 8), atol=1)


def gaussian(x, mean, deviation):
    return np.exp(-(((x - mean) / deviation) ** 2) / 2) / deviation / np.sqrt(2 * np.pi)


def moved_apart(x):
    """JSD of N(0, 0.1) and N(x, 0.1): 0 where they are one, log 2 where they do not meet."""
    grid = np.linspace(-1, 22, 200_001)
    p, q = gaussian(grid, 0, 0.1) + 1e-300, gaussian(grid, x, 0.1) + 1e-300
    m = (p + q) / 2
    return np.sum(p * np.log(p / m) + q * np.log(q / m)) / 2 * (grid[1] - grid[0])


# Per computed figure: {series: (x -> y, how near it has to be)}.
COMPUTED = {
    "figure2.7": {"JSD, nats": (moved_apart, 1e-6)},
    "figure2.8": {
        "p": (lambda x: (gaussian(x, -2, 0.5) + gaussian(x, 2, 0.5)) / 2, 1e-9),
        # The moments of p; one of its modes, which the other hardly moves.
        "KL(p || q)": (lambda x: gaussian(x, 0, 4.25**0.5), 1e-4),
        "KL(q || p)": (lambda x: gaussian(x, 2, 0.5), 1e-3),
    },
    # Of 100,000 samples.
    "figure2.12": {"Wasserstein distance": (lambda x: x, 0.02)},
}


@pytest.mark.parametrize("name", COMPUTED)
def test_computed_figures_are_exact(name, reproduced):
    result = reproduced(name)
    assert {row["series"] for row in result.rows} == set(COMPUTED[name])
    for row in result.rows:
        exact, near = COMPUTED[name][row["series"]]
        assert float(row["y"]) == pytest.approx(exact(float(row["x"])), abs=near)
    assert len(result.rows) == sum(len(args[0]) for args, _ in result.drawn["plot"])


def test_the_caption_says_what_stood_in(reproduced):
    assert "data set mnist2street (a stand-in for mnist2svhn_prune)" in reproduced("table5.2").text
    assert "2 seed(s)" in reproduced("table5.2").text
    assert "20 samples" in reproduced("table5.2").text


# --- who judges ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def whole_judges(quick_judges):
    """Nothing is trained here: judges are asked for as they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consulted, "PANEL", quick_judges)
        yield


def rows(*sizes, normed=True):
    """Layers of convolutions and poolings, a flat layer behind them."""
    made = ["InputLayer"]
    for size in sizes:
        made += ["MaxPool2x2"] if size is None else [f"Conv2D {size}"]
        made += [] if size is None else ["BatchNorm", "ReLU"] if normed else ["LeakyReLU"]
    return (*made, "Flatten")


# Per judge: its layers, its seed, and what it is hardened by.
HARDENED = {
    "evaluation": (
        (*rows(24, 48, 96, 96), "Dropout", "Dense 4"),
        20_201,
        ["shift", "mixup", 0.0, 0.0],
    ),
    "evaluation_pooled": (
        (
            *rows(24, 48, None, 64, None, normed=False),
            *("Dense 128", "LeakyReLU", "Dropout", "Dense 4"),
        ),
        20_204,
        ["shift,blur", "none", 0.1, 0.0],
    ),
    "evaluation_wide": (
        (*rows(16, 32, 64), "Dropout", "Dense 4"),
        20_205,
        ["shift", "none", 0.0, 0.5],
    ),
}


def test_the_judges_are_who_they_are(measured, reproduced):
    """Another network than the semantic loss's, alone with one domain, the same for every run."""
    for name in ("three", "adapted", "paired"):
        measured(name)
    reproduced("table5.3")
    judges = [j for j in stub.judged if j.options.get("classifier_net") in PANEL]
    for net in PANEL:
        found = {j.domains for j in judges if j.options["classifier_net"] == net}
        assert found >= {("left",), ("right",), ("negative",), ("pen",)}
    for judge in judges:
        o = judge.options
        hardened = [o[f"classifier_{name}"] for name in ("augment", "mix", "noise", "attack")]
        net = o["classifier_net"]
        assert (judge.layers, o["seed"], hardened) == HARDENED[net]
        assert (o["width"], o["devices"], o["precision"]) == (1.0, 1, "float32")
        assert o["run_dir"].split("/")[-1].startswith(f"{judge.domains[0]}_{net}_")
    semantic = [j for j in stub.judged if j.domains == ("pen", "street")]
    assert semantic and all(j.options.get("classifier_net") == "compact" for j in semantic)
    assert not {j.layers for j in semantic} & {j.layers for j in judges}
    (segmenter,) = {j.options["seed"] for j in stub.judged if j.options["gan_type"] == "segmenter"}
    assert segmenter == 20_202


def test_runs_of_one_set_share_their_judges(measured):
    """Whatever their seed, batch and networks."""
    judges = {}
    for name in ("three", "adapted"):
        measured(name)
    for judge in stub.judged:
        o = judge.options
        if o.get("classifier_net") in PANEL and o["dataset"] == "stub":
            key = (*judge.domains, o["classifier_net"])
            judges.setdefault(key, set()).add(o["run_dir"])
    assert {key: len(found) for key, found in judges.items()} == {
        (name, net): 1 for name in ("left", "right", "negative") for net in PANEL
    }
