"""What a finished or running run is worth: every metric on one footing, with its provenance.

A metric here is a few lines between a run and a module of `gantrain.metrics`: it picks the streams
of images, and says of which runs it makes sense. `metrics.json` keeps the values together with what
they depend on: step, seed, sample counts, versions, and the hash of every network that was
consulted.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gantrain import images
from gantrain.core import MEASURED, MEASURED_SEED, LpipsWeights
from gantrain.data.pairs import examples, pair_count
from gantrain.data.palettes import label_palette
from gantrain.data.ring import DEVIATION, centres
from gantrain.data.transforms import TRANSFORMS
from gantrain.errors import UserError
from gantrain.files import finite
from gantrain.game import pairs
from gantrain.inversion import cross_domain
from gantrain.metrics import frechet, modes
from gantrain.metrics.adaptation import protocol
from gantrain.metrics.coherence import cross_coherence, joint_coherence
from gantrain.metrics.lpips import LPIPS, mean_distance
from gantrain.metrics.pixels import map_agreement
from gantrain.metrics.segmentation import fcn_score
from gantrain.nets.classifiers import logits_of, penultimate
from gantrain.nets.frozen import weights_hash
from gantrain.nets.inception import inception
from gantrain.options import Options, option
from gantrain.runtime import environment
from gantrain.terms.labels import LabelOptions
from gantrain.terms.perceptual import PerceptualOptions
from gantrain.trainer import Generates, Translates

BATCH = 250  # images held at a time
STORED = "metrics.json"


@dataclass(frozen=True)
class Weights:
    """Network files that metrics consult. Each is a path, or None for what the metric does then."""

    lpips: str | None = None
    inception: str | None = None
    fcn: str | None = None


@dataclass(frozen=True)
class Measuring(Options):
    """Measurements while training"""

    section, switch = "measuring", "evaluate_every"

    evaluate_every: int = option(
        0, "steps between two measurements of --evaluate_metrics (0: never)", low=0,
        resumable=True, alias="every")
    evaluate_metrics: str = option(
        "coherence", "what --evaluate_every measures, comma separated", choices=lambda: METRICS,
        several=True, resumable=True)
    evaluate_num: int = option(MEASURED, "samples of a measurement while training", low=10,
                               resumable=True)
    keep_best: str | None = option(
        None, "keep the state at which this metric of --evaluate_metrics was best, and end with "
        "it; default: the run ends with its last state", choices=lambda: METRICS)

    @property
    def names(self):
        """The metrics that join the log."""
        return self.evaluate_metrics.split(",") if self.evaluate_every else []

    def check(self, config):
        if self.keep_best and self.keep_best not in self.names:
            raise UserError(f"--keep_best {self.keep_best}: is not measured; give --every N and "
                            f"--evaluate_metrics {self.keep_best}")
        if self.keep_best and config.flat().get("early_stopping"):
            raise UserError("--keep_best and --early_stopping both choose the state that a run "
                            "ends with; give one")
        reads_lpips = any(METRICS[name].weights == "lpips" for name in self.names)
        if config.of(LpipsWeights).lpips_weights and not (
                reads_lpips or config.on(PerceptualOptions)):
            raise UserError("--lpips_weights is used by --perceptual_loss and by "
                            "--evaluate_metrics lpips; add one of them")


class Evaluation:
    """The images of one run as streams, and the networks that judge them, each made once.

    Streams yield float32 batches [b, H, W, C] in [-1, 1]. Nothing is kept, so that 50,000 images
    take the memory of one batch; a second look generates them again.

    Args:
        session: `gantrain.session.Session` with its data.
        num: latent vectors, and the most real images and test examples.
        seed: of the latent vectors and of the order of real images.
        weights: `Weights`.

    Attributes:
        networks: description of every network that was consulted, by metric.
        counts: images or pairs behind a value, by its name.
    """

    def __init__(self, session, num, seed, weights=Weights()):
        self.session, self.num, self.seed, self.weights = session, num, seed, weights
        self.config, self.trainer = session.config, session.trainer
        self.domains, self.names = session.domains, [d.name for d in session.domains]
        if not isinstance(self.trainer, (Generates, Translates)):
            raise UserError(f"--run_dir {session.run.path}: a {self.config.run.gan_type} makes no "
                            f"images; give the run of a GAN")
        self.networks, self.counts = {}, {}
        self._test = None

    @property
    def from_noise(self):
        return isinstance(self.trainer, Generates)

    @property
    def labelled(self):
        return all(d.labels is not None for d in self.domains)

    def generated(self):
        """Batches of all domains, [list of arrays]: the same latent vector at the same place."""
        z = self.session.noise(self.num, self.seed)
        for start in range(0, len(z), BATCH):
            yield self.session.samples(z[start:start + BATCH])

    def of_domain(self, number):
        """Generated images of one domain."""
        return (made[number] for made in self.generated())

    def real(self, number, again=0):
        """Training images of one domain in a seeded order, at most `num`; `again` is another order.

        Orders of different domains have nothing to do with each other.
        """
        domain = self.domains[number]
        order = np.random.default_rng([self.seed, number, again]).permutation(domain.size)
        order = order[:self.num]
        for start in range(0, len(order), BATCH):
            yield images.to_float(domain.pixels(order[start:start + BATCH]))

    @property
    def test(self):
        """The domains of the test part."""
        self._test = self._test or self.session.test_domains()
        return self._test

    def translations(self, direction=None):
        """(input, output, targets or None) of the test part, one example at a time.

        Batch statistics of several would let one image change another. Targets are
        [1, H, W, C], or [1, T, H, W, C] where an input has T of them.
        """
        way = direction or self.trainer.way
        back = way != self.trainer.way
        translate = self.session.translator(way).apply
        source = self.test[1] if back else self.test[0]
        paired = pair_count(self.test)
        for number in range(min(self.num, paired or source.size)):
            if paired:
                x, y = examples(self.test, [number])[::-1 if back else 1]
            else:
                x, y = source.pixels([number]), None
            x = images.to_float(x)
            # The way back starts from one of several targets.
            x = x[:, 0] if len(x.shape) == 5 else x
            yield x, np.asarray(translate(x)), None if y is None else images.to_float(y)

    def sets(self):
        """{domain: (stream of generated images, stream of real ones)}; each may be read once."""
        if self.from_noise:
            return {name: (self.of_domain(i), self.real(i)) for i, name in enumerate(self.names)}
        made = {}
        for way in self.trainer.translators():
            back = way != self.trainer.way
            target = self.test[0 if back else 1]
            made[target.name] = ((out for _, out, _ in self.translations(way)),
                                 self._whole(target))
        return made

    def _whole(self, domain):
        for start in range(0, min(domain.size, self.num), BATCH):
            end = min(start + BATCH, domain.size, self.num)
            yield images.to_float(domain.pixels(np.arange(start, end)))

    def judges(self):
        """Evaluation classifiers, one per domain, and their test accuracies."""
        classifiers, described = self.session.judges()
        self.networks["evaluation_classifiers"] = described
        return classifiers, {f"accuracy/{n}": d["accuracy"] for n, d in described.items()}


# --- metrics -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """One entry of METRICS.

    Attributes:
        summary: one line.
        measure: Evaluation -> {"name/domain": float}.
        unfit: Evaluation -> why the run cannot be measured so, or "".
        best: (value, or prefix of values that are averaged; max or min): what `--keep_best` keeps.
        asked: True if it takes minutes or a download, and is measured only when it is named.
        judged: True if it consults the evaluation classifiers.
        weights: the field of `Weights` whose file it reads, or None.
    """

    summary: str
    measure: Callable
    unfit: Callable
    best: tuple[str, Callable]
    asked: bool = False
    judged: bool = False
    weights: str | None = None

    def score(self, values):
        """The one number that `--keep_best` compares, from measured values; None without them."""
        name, _ = self.best
        found = [v for k, v in values.items() if k == name or k.startswith(name + "/")]
        return float(np.mean(found)) if found else None


def _coherence(e):
    """Joint coherence, with what has to stand beside it."""
    classifiers, accuracies = e.judges()
    logits = [np.concatenate(parts) for parts in zip(*(
        [logits_of(c, x) for c, x in zip(classifiers, made, strict=True)]
        for made in e.generated()), strict=True)]
    result = joint_coherence(logits, e.names, e.domains[0].multi_label)
    e.counts["joint/coherence"] = len(logits[0])
    return {f"joint/{k}": v for k, v in (result | accuracies).items()}


def _coherence_unfit(e):
    if len(e.domains) < 2 or not e.labelled or not e.from_noise:
        return "joint coherence needs generators from noise for two or more labelled domains"
    if len({len(d.classes) for d in e.domains}) > 1:
        counts = ", ".join(f"{d.name} {len(d.classes)}" for d in e.domains)
        return f"joint coherence needs domains of the same classes, and these have {counts}"
    return ""


def _lpips(e):
    """The thesis's three measurements, its baseline, and the floor: real images of one domain."""
    named = list(enumerate(e.names))
    distance = _Distances(e)
    for (i, one), (j, other) in pairs(named):
        both = itertools.tee(e.generated())
        distance(f"generated_{one}~generated_{other}", (m[i] for m in both[0]),
                 (m[j] for m in both[1]))
        distance(f"real_{one}~real_{other}", e.real(i), e.real(j))
    for i, name in named:
        distance(f"generated_{name}~real_{name}", e.of_domain(i), e.real(i))
        distance(f"real_{name}~real_{name}", e.real(i), e.real(i, again=1))
    return distance.values


def _lpips_cross(e):
    """Generated images of each domain against real ones of every other (thesis tables 3.3-3.8)."""
    distance = _Distances(e)
    for (i, one), (j, other) in itertools.permutations(enumerate(e.names), 2):
        distance(f"generated_{one}~real_{other}", e.of_domain(i), e.real(j))
    return distance.values


class _Distances:
    """Collects mean LPIPS distances of pairs of streams: as many pairs as the shorter one has."""

    def __init__(self, e):
        self.e, self.values = e, {}
        self.lpips = LPIPS(e.weights.lpips)
        e.networks["lpips"] = self.lpips.description

    def __call__(self, name, left, right):
        left, right = _together(left, right)
        d = mean_distance(self.lpips, left, right, self.e.session.runtime)
        self.values |= {f"lpips/{name}": d["mean"], f"lpips_std/{name}": d["std"]}
        self.e.counts[f"lpips/{name}"] = int(d["count"])


def _together(left, right):
    """Two streams cut to the same batches, as many as the shorter one has."""
    one, other = itertools.tee(zip(left, right, strict=False))
    return (a[:len(b)] for a, b in one), (b[:len(a)] for a, b in other)


def _lpips_unfit(e):
    if not e.from_noise or len(e.domains[0].shape) != 3:
        return "LPIPS of a joint distribution needs generators of images from noise"
    if not e.weights.lpips:
        return ("LPIPS needs the weights of its network: give --lpips_weights PATH (.npz, or the "
                "official PyTorch files)")
    return ""


def _pixels(e):
    """What the trainer measures on test examples: L1, PSNR and SSIM of pairs, or of the cycle."""
    count = min(e.num, pair_count(e.test) or min(d.size for d in e.test))
    parts = ([images.to_float(p) for p in examples(e.test, [n])] for n in range(count))
    e.counts["pixels"] = count
    return {f"pixels/{k}": v for k, v in e.session.scores(parts).items()}


def _pixels_unfit(e):
    return "" if not e.from_noise else "pixel scores need the run of a pix2pix or cyclegan"


def _classifier_frechet(e):
    """Set distances on the evaluation classifiers' features: not FID, but at hand offline."""
    classifiers, _ = e.judges()
    values = {}
    for (name, (made, real)), classifier in zip(e.sets().items(), classifiers, strict=True):
        values |= _set_scores(e, "classifier", name, penultimate(classifier), made, real)
    return values


def _labelled_unfit(e):
    if not e.from_noise or not e.labelled or len(e.domains[0].shape) != 3:
        return "it needs generators of images from noise for labelled domains"
    return ""


def _inception(e):
    """Set distances on Inception features."""
    network = inception(e.weights.inception, e.config.data.offline)
    e.networks["inception"] = network.description
    compiled = e.session.runtime.function(network.features)
    values = {}
    for name, (made, real) in e.sets().items():
        values |= _set_scores(e, "inception", name, compiled, made, real)
    return values


def _set_scores(e, network, name, features, made, real):
    made, real = frechet.collect(features, made), frechet.collect(features, real)
    if min(len(made), len(real)) < 2:
        return {}  # One image is no distribution.
    return {f"{k}/{name}": v for k, v in frechet.distances(real, made, network, e.seed).items()}


def _images_unfit(e):
    return "" if len(e.domains[0].shape) == 3 else "it needs images, and the run makes points"


def _modes(e):
    """Modes or classes that the samples reach, per domain."""
    values = {}
    if e.config.data.dataset == "ring":
        points = np.concatenate(list(e.of_domain(0)))
        found = {e.names[0]: modes.ring_coverage(points, centres(), DEVIATION)}
    else:
        classifiers, _ = e.judges()
        found = {}
        for i, (domain, classifier) in enumerate(zip(e.domains, classifiers, strict=True)):
            labels = np.concatenate([logits_of(classifier, x).argmax(1) for x in e.of_domain(i)])
            found[domain.name] = modes.label_coverage(labels, domain.labels, len(domain.classes))
    for name, scores in found.items():
        values |= {f"modes/{k}/{name}": v for k, v in scores.items()}
        e.counts[f"modes/{name}"] = e.num
    return values


def _modes_unfit(e):
    if e.config.data.dataset == "ring" and e.from_noise:
        return ""
    return _labelled_unfit(e) or ("attributes are no modes" if e.domains[0].multi_label else "")


def _agreement(e):
    """Pixels of a domain that equal the known map of the first domain."""
    values = {}
    for i, name in enumerate(e.names):
        if name in TRANSFORMS:
            both = itertools.tee(e.generated())
            found = map_agreement((m[0] for m in both[0]), (m[i] for m in both[1]),
                                  TRANSFORMS[name])
            values |= {f"{k}/{name}": v for k, v in found.items()}
            e.counts[f"agreement/{name}"] = e.num
    return values


def _agreement_unfit(e):
    if not e.from_noise or not any(n in TRANSFORMS for n in e.names[1:]):
        return f"it needs a domain that is a known map of the first: {', '.join(TRANSFORMS)}"
    return ""


def _fcn(e):
    """FCN score of photographs made of label maps, and its ceiling: the real photographs."""
    way = e.trainer.way
    network, e.networks["fcn"] = e.session.auxiliaries.segmenter(e.domains, way, e.weights.fcn)
    palette = label_palette(e.domains[0], e.config.data.dataset, e.config.data.data_dir)
    read = e.session.runtime.function(lambda photos: network(photos, training=False))
    made = fcn_score(read, ((out, x) for x, out, _ in e.translations()), palette)
    numbers = range(min(e.num, pair_count(e.test)))
    real = fcn_score(read, (map(images.to_float, examples(e.test, [n])[::-1]) for n in numbers),
                     palette)
    e.counts["fcn"] = len(numbers)
    return {f"fcn/{k}": v for k, v in made.items()} | {
        f"fcn/ceiling_{k}": v for k, v in real.items()}


def _fcn_unfit(e):
    if e.from_noise or not pair_count(e.domains):
        return "the FCN score needs a pix2pix or cyclegan on label maps paired with photographs"
    return ""


def _cross(e):
    """Test images through the latent space: do they keep their label in the other domain?"""
    classifiers, _ = e.judges()
    session, values = e.session, {}
    for source, domain in enumerate(e.test):
        order = np.random.default_rng([e.seed, source]).permutation(domain.size)[:e.num]
        batches = [order[i:i + BATCH] for i in range(0, len(order), BATCH)]
        stream = (images.to_float(domain.pixels(numbers)) for numbers in batches)
        found = list(map(
            lambda crossed: ([logits_of(c, x) for c, x in zip(classifiers, crossed.images,
                                                              strict=True)], crossed.error),
            cross_domain(session.generators(), source, stream, e.trainer.latent,
                         session.runtime.function, encoder=session.encoder(), seed=e.seed)))
        logits = [np.concatenate(parts) for parts in zip(*(f[0] for f in found), strict=True)]
        values |= cross_coherence(domain.labels[order], logits,
                                  np.concatenate([f[1] for f in found]), e.names, source,
                                  domain.multi_label)
        e.counts[f"cross/{domain.name}"] = len(order)
    return values


def _adaptation(e):
    """Test accuracy of the classifiers whose labels came from one domain, with the protocol."""
    (heads,) = e.trainer.labels
    trained, tested = ([d.size for d in domains] for domains in (e.domains, e.test))
    e.networks["adaptation"] = protocol(e.names, heads.source, trained, tested,
                                        e.config.of(LabelOptions).label_augment)
    e.counts["adaptation"] = dict(zip(e.names, tested, strict=True))
    alone = e.session.auxiliaries.source_only_of(e.domains)
    e.networks |= {n: {"sha256": weights_hash(model)} for n, model in alone.items()}
    heads.alone = alone.get("source_only")
    return heads.score(e.test)


def _adaptation_unfit(e):
    if not getattr(e.trainer, "labels", None) or not e.labelled:
        return "adaptation needs a run with --label_loss, and test labels in every domain"
    return ""


METRICS = {
    "coherence": Metric("share of samples that all domains' classifiers give the same label",
                        _coherence, _coherence_unfit, ("joint/coherence", max), judged=True),
    "lpips": Metric("generated against generated and real, and real against real",
                    _lpips, _lpips_unfit, ("lpips", min), weights="lpips"),
    "lpips_cross": Metric("generated images of a domain against real ones of another",
                          _lpips_cross, _lpips_unfit, ("lpips", min), asked=True,
                          weights="lpips"),
    "adaptation": Metric("accuracy on domains whose labels were never used", _adaptation,
                         _adaptation_unfit, ("adaptation/accuracy", max)),
    "cross": Metric("test images translated by latent inversion that keep their label", _cross,
                    _coherence_unfit, ("cross", max), asked=True, judged=True),
    "classifier_frechet": Metric(
        "Frechet and kernel distance, precision, recall on evaluation classifiers' features",
        _classifier_frechet, _labelled_unfit, ("classifier_frechet", min), judged=True),
    "inception": Metric("the same on Inception features, with the Keras weights", _inception,
                        _images_unfit, ("inception_frechet", min), asked=True, weights="inception"),
    "modes": Metric("modes or classes that samples reach", _modes, _modes_unfit,
                    ("modes/covered", max), judged=True),
    "agreement": Metric("pixels that equal the known map of the first domain", _agreement,
                        _agreement_unfit, ("pixel_agreement", max)),
    "fcn": Metric("do label maps read off generated photographs equal those they were made of",
                  _fcn, _fcn_unfit, ("fcn/class_iou", max), asked=True, weights="fcn"),
    "pixels": Metric("L1, PSNR and SSIM of test pairs, or of the cycle without pairs", _pixels,
                     _pixels_unfit, ("pixels/l1", min)),
}


def hashes(networks):
    """{network: first digits of its hash}, what stands beside a number where there is little room.

    Args:
        networks: description of every network that was consulted; those of several domains are
            dicts of descriptions.
    """
    found = {}
    for name, described in networks.items():
        if "sha256" in described:
            found[name] = described["sha256"][:12]
        else:
            found |= hashes({f"{name}/{k}": d for k, d in described.items() if isinstance(d, dict)})
    return found


# --- a run's metrics -----------------------------------------------------------------------------


def require(e, names, flag="--metrics"):
    """Raises UserError unless the run can be measured by all of these metrics."""
    for name in names:
        reason = METRICS[name].unfit(e)
        if reason:
            raise UserError(f"{flag} {name}: {reason}")


def measure(e, names):
    """The values of some metrics, {"name/domain": float}, without those that are undefined.

    Args:
        e: `Evaluation`.
        names: keys of METRICS.

    Raises:
        UserError: a metric does not fit the run.
    """
    require(e, names)
    values = {}
    for name in names:
        values |= METRICS[name].measure(e)
    return finite(values)


def evaluate(run_dir, metrics=None, num=MEASURED, seed=MEASURED_SEED, weights=Weights(),
             again=False, command=None, **places):
    """Measures a run at its newest (or best) checkpoint and writes its `metrics.json`.

    What the file already holds for the same step, number, seed, weights and judges is kept, and
    measured anew only where `again` says so.

    Args:
        run_dir: directory of a run.
        metrics: keys of METRICS; None is every one that fits and takes no minutes.
        num, seed, weights: see `Evaluation`.
        again: True measures what is there already once more.
        command: the command line, to be stored.
        places: `data_dir` and `dataset`, where the data lie now; see `Session.open`.

    Returns:
        The contents of `metrics.json`.

    Raises:
        UserError: there is no such run, a metric does not fit it, or data or weights are missing.
    """
    from gantrain.session import Session
    session = Session.open(run_dir, with_data=True, **places)
    e = Evaluation(session, num, seed, weights)
    names = metrics or [n for n, m in METRICS.items() if not m.asked and not m.unfit(e)]
    if not names:
        reasons = "; ".join(f"{n}: {m.unfit(e)}" for n, m in METRICS.items() if not m.asked)
        raise UserError(f"--run_dir {run_dir}: no metric fits ({reasons})")
    depends = {"step": session.step, "num": num, "seed": seed}
    held = stored(session.run) or {}
    if {k: held.get(k) for k in depends} != depends:
        held = {}
    # A value measured with one file of weights says nothing about another.
    same = {n for n, w in held.get("weights", {}).items() if w == _weights_of(n, weights)}
    wanted = [n for n in names if again or n not in same]
    values = measure(e, wanted)
    known = held.get("networks", {})
    if any(known.get(name, described) != described for name, described in e.networks.items()):
        # The values beside were measured by another judge.
        values |= measure(e, [n for n in names if n not in wanted])
        wanted, held = names, {}
    if wanted or not held:
        held = depends | {
            "command": command, "environment": environment(session.runtime.device),
            "metrics": sorted({*held.get("metrics", ()), *wanted}),
            "weights": held.get("weights", {}) | {n: _weights_of(n, weights) for n in wanted},
            "networks": held.get("networks", {}) | e.networks,
            "counts": held.get("counts", {}) | e.counts,
            "values": held.get("values", {}) | values}
        session.run.write_json(STORED, held)
    return held


def _weights_of(metric, weights):
    """Which file of weights a metric reads, or None."""
    field = METRICS[metric].weights
    return field and getattr(weights, field)


def stored(run):
    """The `metrics.json` of a `RunDirectory`, or None. Raises UserError."""
    path = run.path / STORED
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable ({error}); remove it and run the command "
                        f"again") from None
