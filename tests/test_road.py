"""The road from a run to a number: what the commands say of a stub run, exactly.

`tests/stub.py` makes trained networks that are known functions. Here every value of every metric,
and every row of every kind of table and figure, is computed again in NumPy and compared with what
`evaluate`, `reproduce` and `sample` give. A metric or a kind of table without such a value fails.
"""

import csv
import functools
import itertools
import json

import numpy as np
import pytest
import skimage.metrics
import stub
from matplotlib.axes import Axes
from PIL import Image

from gantrain.evaluation import METRICS
from gantrain.experiments import EXPERIMENTS
from gantrain.main import main

NUM, SEED = 24, 3
NAMES = ("left", "right", "negative")


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
    assert main([str(word) for word in words]) == 0


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
        places: numbers of the domains in their data set; None: as they come.
    """

    def __init__(self, path, names, num, seed, side=32, places=None):
        self.path, self.names, self.num, self.seed, self.side = path, names, num, seed, side
        self.places = places or range(len(names))

    @functools.cached_property
    def shown(self):
        """The picture of the `sample` command: uint8 [H, W, 3]."""
        file = self.path / "shown.png"
        command("sample", "--run_dir", self.path, "--count", self.num, "--seed", self.seed,
                "--columns", self.num, "--output", file)
        return np.array(Image.open(file))

    @functools.cached_property
    def signs(self):
        """Of the latent vectors, read off the picture of the first domain."""
        row = self.shown[:self.side].reshape(self.side, self.num, self.side, 3)
        return stub.signs_of(row.swapaxes(0, 1), self.names[0], self.path.name)

    def made(self, i, signs=None):
        """Images of domain i in [-1, 1]."""
        return stub.generated(self.names[i], self.path.name,
                              self.signs if signs is None else signs, self.side)

    def data(self, i, split="train"):
        images, labels = stub.real(self.names[i], self.places[i], split, self.side)
        return stub.to_float(images), labels

    def real(self, i, again=0):
        """Training images of domain i as they are compared."""
        images, _ = self.data(i)
        return images[stub.order(self.seed, i, len(images), again)[:self.num]]

    def judged(self, i, images):
        return stub.logits(f"evaluation/{self.names[i]}", images)


def coherence(run):
    """Joint coherence, with what stands beside it."""
    logits = [run.judged(i, run.made(i)) for i in range(len(run.names))]
    labels = [v.argmax(1) for v in logits]
    share = np.mean([len(set(row)) == 1 for row in zip(*labels, strict=True)])
    low, high = stub.wilson(share, run.num)
    histograms = [np.bincount(v, minlength=len(stub.CLASSES)) / run.num for v in labels]
    values = {"coherence": share, "coherence_low": low, "coherence_high": high,
              "chance": np.prod(histograms, axis=0).sum()}
    for i, name in enumerate(run.names):
        p = np.exp(logits[i])
        images, truth = run.data(i, "test")
        values |= {f"entropy/{name}": stub.entropy(labels[i], len(stub.CLASSES)),
                   f"confidence/{name}": np.mean(p.max(1) / p.sum(1)),
                   f"accuracy/{name}": np.mean(run.judged(i, images).argmax(1) == truth)}
    return {f"joint/{k}": v for k, v in values.items()}


def distance(name, one, other):
    d = stub.lpips(*(images[:min(len(one), len(other))] for images in (one, other)))
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
        order = stub.order(run.seed, i, len(images))[:run.num]
        images, labels = images[order], labels[order]
        squares = ((images[:, None] - run.made(i, all_signs)[None])**2).mean((2, 3, 4))
        signs = all_signs[squares.argmin(1)]
        got = [run.judged(j, run.made(j, signs)).argmax(1) for j in range(len(run.names))]
        histograms = [np.bincount(v, minlength=len(stub.CLASSES)) / len(v) for v in (labels, *got)]
        for j, other in enumerate(run.names):
            if i == j:
                continue
            share, way = np.mean(got[j] == labels), f"{name}2{other}"
            low, high = stub.wilson(share, len(labels))
            values |= {f"cross/{way}": share, f"cross_low/{way}": low, f"cross_high/{way}": high,
                       f"cross_chance/{way}": (histograms[0] * histograms[j + 1]).sum()}
        values |= {f"reconstructed/{name}": np.mean(got[i] == labels),
                   f"inversion_error/{name}": np.sqrt(squares.min(1)).mean()}
    return values


def set_scores(network, name, real, made, seed):
    kernel, spread = stub.kernel(real, made, seed)
    least = min(len(real), len(made))
    values = {"frechet": stub.frechet(real, made), "kernel": kernel, "kernel_std": spread,
              "precision": stub.inside(made[:least], real[:least]),
              "recall": stub.inside(real[:least], made[:least]), "real": len(real),
              "fake": len(made), "kernel_images": least // 2, "precision_images": least}
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
        values |= {f"modes/covered/{name}": np.sum(p > 0), f"modes/modes/{name}": len(p),
                   f"modes/entropy/{name}": stub.entropy(labels, len(p)),
                   f"modes/kl/{name}": (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum()}
    return values


def agreement(run):
    """Negatives of the first domain beside the images of the domain of that name."""
    mapped, shown = run.made(0) < 0, run.made(2) > 0
    equal = (mapped == shown).mean((1, 2, 3))
    apart = (np.roll(mapped, -1, axis=0) == shown).mean()
    return {"pixel_agreement/negative": equal.mean(), "pixel_agreement_std/negative": equal.std(),
            "pixel_agreement_chance/negative": apart}


def adaptation(run):
    """The source is the second domain; its labels alone are known."""
    (left, truth), (right, known) = run.data(0, "test"), run.data(1, "test")
    found = stub.logits("heads", left, run.path.name).argmax(1)
    values = {"adaptation/source_accuracy/right": np.mean(
                  stub.logits("heads", right, run.path.name).argmax(1) == known),
              "adaptation/chance/left": np.bincount(truth).max() / len(truth),
              "adaptation/entropy/left": stub.entropy(found, len(stub.CLASSES))}
    for name, labels in (("", found), (
            "source_only", stub.logits("compact_trunk/right", left).argmax(1))):
        share, part = np.mean(labels == truth), name + "_" if name else ""
        low, high = stub.wilson(share, len(truth))
        values |= {f"adaptation/{name or 'accuracy'}/left": share,
                   f"adaptation/{part}low/left": low, f"adaptation/{part}high/left": high}
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
    squares = ((made - target)**2).mean((1, 2, 3))
    ssim = [skimage.metrics.structural_similarity(
        (a + 1) / 2, (b + 1) / 2, data_range=1.0, channel_axis=-1, gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False) for a, b in zip(made, target, strict=True)]
    return {"l1": abs(made - target).mean(), "psnr": (10 * np.log10(4 / squares)).mean(),
            "ssim": np.mean(ssim)}


def pixels(run):
    made = run.translated(run.maps, "a2b")
    return {f"pixels/{k}": v for k, v in pixel_scores(made, run.photos).items()}


def cycle_pixels(run):
    """Of a run of b2a: photographs are its first domain."""
    values = {}
    for name, images, target, there, back in (
            ("facade", run.photos, run.maps, "b2a", "a2b"),
            ("plan", run.maps, run.photos, "a2b", "b2a")):
        made = run.translated(images, there)
        values[f"cycle_l1/{name}"] = abs(run.translated(made, back) - images).mean()
        values |= {f"{k}/from_{name}": v for k, v in pixel_scores(made, target).items()}
    return {f"pixels/{k}": v for k, v in values.items()}


def cycle_inception(run):
    values = {}
    for name, source, target, way in (("facade", run.maps, run.photos, "a2b"),
                                      ("plan", run.photos, run.maps, "b2a")):
        values |= set_scores("inception", name, stub.inception(target),
                             stub.inception(run.translated(source, way)), SEED)
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
            f"fcn/{part}class_iou": np.mean(np.divide(both, np.add(true, either) - both))}
    return values


# --- every metric --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three(road):
    """Three domains; what is shown are averaged weights, and the raw ones make something else."""
    return FromNoise(trained(road / "three", "--dataset", "stub", "--net", "compact", "--noise_dim",
                             6, "--ema", 0.99, "--seed", 5), NAMES, NUM, SEED)


@pytest.fixture(scope="module")
def adapted(road):
    """Labels of the second domain; the best state is not the last."""
    words = ("--gan_type", "cogan", "--dataset", "stub", "--domains", "left,right", "--net",
             "compact", "--label_loss", 1, "--source", "right", "--every", 100,
             "--evaluate_metrics", "adaptation", "--keep_best", "adaptation")
    return FromNoise(trained(road / "adapted", *words), NAMES[:2], NUM, SEED)


@pytest.fixture(scope="module")
def paired(road):
    return OfImages(trained(road / "paired", "--gan_type", "pix2pix", "--dataset", "plan2facade"),
                    10)


@pytest.fixture(scope="module")
def cycled(road):
    return OfImages(trained(road / "cycled", "--gan_type", "cyclegan", "--dataset", "plan2facade",
                            "--direction", "b2a"), 10)


# Per metric: the run that is measured and what NumPy says.
EXACT = {
    "coherence": [("three", coherence)],
    "lpips": [("three", lpips)],
    "lpips_cross": [("three", lpips_cross)],
    "adaptation": [("adapted", adaptation)],
    "cross": [("three", cross)],
    "classifier_frechet": [
        ("three", lambda run: sets(run, "classifier", stub.features))],
    "inception": [("three", lambda run: sets(run, "inception", stub.inception)),
                  ("cycled", cycle_inception)],
    "modes": [("three", modes)],
    "agreement": [("three", agreement)],
    "fcn": [("paired", fcn)],
    "pixels": [("paired", pixels), ("cycled", cycle_pixels)],
}


@pytest.fixture(scope="module")
def measured(road, request):
    """{run: contents of its metrics.json} after one `evaluate` of all its metrics."""
    @functools.cache
    def of(name):
        run = request.getfixturevalue(name)
        metrics = [metric for metric, cases in EXACT.items() if name in dict(cases)]
        command("evaluate", "--run_dir", run.path, "--metrics", ",".join(metrics), "--num", run.num,
                "--seed", SEED, "--lpips_weights", road / "lpips.npz",
                "--inception_weights", road / "inception.weights.h5")
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
        wanted = [key for cases in EXACT.values() for of, expected in cases if of == name
                  for key in expected(run)]
        assert sorted(stored["values"]) == sorted(wanted), name
