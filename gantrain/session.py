"""A session: everything one run needs, built from its config in the one right order."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from gantrain import images, nets, plots
from gantrain.auxiliary import Auxiliaries
from gantrain.config import moved
from gantrain.core import MEASURED_SEED, Config, LpipsWeights
from gantrain.data.batches import Batches
from gantrain.data.datasets import find, load
from gantrain.data.domain import prune
from gantrain.data.pairs import examples, pair_count
from gantrain.data.palettes import Palette
from gantrain.errors import UserError
from gantrain.files import replacing, write_text
from gantrain.game import Draw
from gantrain.measures import METRICS
from gantrain.measures.evaluate import Measuring, hashes, measure, require
from gantrain.measures.pixels import mean_scores
from gantrain.measures.streams import Judges, Streams, Weights
from gantrain.runs import callbacks, report
from gantrain.runs.directory import RunDirectory
from gantrain.runs.loop import Stop, fit, listening
from gantrain.runtime import Runtime, environment
from gantrain.trainer import Generates, Scores, Shows, Translates
from gantrain.trainers import TRAINERS
from gantrain.use.inversion import Inverter, encoder_of, generators_of

# Latent vectors of a sample grid, of a plot of points.
SHOWN_IMAGES, SHOWN_POINTS = 40, 2_000
# Held-out examples that a translator's grid shows, and that it is measured on.
SHOWN_EXAMPLES, MEASURED_EXAMPLES = 8, 40
# Image files of one size whose latent vectors descend together; no image has a side as long as
# this, so that none is cut into tiles.
INVERTED_TOGETHER, WHOLE = 64, 2**30


class Translator(NamedTuple):
    """One direction of a trained run.

    Attributes:
        apply: float32 [B, H, W, channels] in [-1, 1] -> [B, H, W, C], compiled.
        channels: of the images it takes.
        multiple: H and W have to be multiples of it.
        batch_size: most images per call; 0 is any. Batch statistics of several images would let
            one change another.
        tile: side of the tiles it needs; 0 leaves that to the caller.
        errors: of the images translated so far, where the run translates by latent inversion:
            RMSE in units of [-1, 1].
        palette: of the images it takes, where these are label maps: only its exact colours.
        levels: `gantrain.images.Levels` or None of the images it takes, and of those it makes.
    """

    apply: Callable
    channels: int
    multiple: int
    batch_size: int
    tile: int = 0
    errors: list | None = None
    palette: Palette | None = None
    levels: tuple = (None, None)


class Session:
    """Data, networks, players and the compiled step of one run.

    Args:
        config: a resolved config (`gantrain.config.resolve`).
        domains: training domains, if they are already loaded.
        stop: shared `Stop` of the whole program.
        frozen: networks that couplings consult; None finds or trains them.
    """

    def __init__(self, config: Config, domains=None, stop=None, frozen=None):
        self.config = config
        self.run = RunDirectory(config.run.run_dir)
        self.stop = stop or Stop(config.run.time_limit * 60)
        kind = TRAINERS[config.run.gan_type]
        self.auxiliaries = Auxiliaries(config, self._train_classifier)
        self.domains = domains or self._load("train")
        if frozen is None:
            frozen = self.auxiliaries.frozen(self.domains)
        # Before the runtime: a classifier is a run of its own and sets precision and seeds.
        self._judges = None
        self.measuring = config.of(Measuring) if config.has(Measuring) else Measuring()
        wanted = self.measuring.names
        if len(self.domains[0].shape) == 3 and any(
                METRICS[name].judged for name in wanted):
            self.judges()
        self.runtime = Runtime(config.runtime, config.run.seed)
        with self.runtime.strategy.scope():
            self.trainer = kind(config, self.domains, frozen)
            self.batches = Batches(self.domains, config.data.batch_size, self.trainer.per_step,
                                   config.run.seed, kind.paired, config.data.flip)
        self._held_out = None
        self._iterate = self.runtime.compile(self._iteration)
        self._report = self.runtime.function(self.trainer.report)
        self._sample = self._gallery = self._measure = None
        if isinstance(self.trainer, Generates):
            self._sample = self.runtime.function(self.trainer.samples)
        if isinstance(self.trainer, Shows):
            self._gallery = self.runtime.function(self.trainer.gallery)
            self._measure = self.runtime.function(self.trainer.measure)
        if wanted:
            # Not at the first measurement, hours later.
            require(self._streams, wanted, "--evaluate_metrics")

    @classmethod
    def open(cls, run_dir, with_data=False, **places):
        """The session of a run directory at its newest checkpoint.

        Networks that the couplings consulted are not needed to look at a run.

        Args:
            run_dir: directory of a run.
            with_data: False builds the networks from what the run remembers of its domains, so
                that samples need no data.
            places: `data_dir` and `dataset`, where the data lie now, if not where they did.

        Raises:
            UserError: the directory holds no run or no checkpoint, or the data are not its own.
        """
        run = RunDirectory(run_dir)
        # Where a run was trained says nothing about where it is looked at.
        config = moved(run.config(), {k: v for k, v in places.items() if v}).with_options(
            run_dir=str(run.path), devices=1)
        if config.has(Measuring):
            config = config.with_options(evaluate_every=0, keep_best=None)
        session = cls(config, None if with_data else run.domains(), frozen={})
        best = run.best if run.best.exists() else None
        step = run.restore(session.trainer.variables(), best)
        if not step:
            raise UserError(f"--run_dir {run.path}: has no checkpoint yet; train first")
        session.step = step
        return session

    # --- the step --------------------------------------------------------------------------------

    def _iteration(self, step, host):
        replica, replicas = self.runtime.replica()
        batch = self.batches.batch(step, host, replica, replicas)

        def train(batch, step, replica):
            draw = Draw(self.config.run.seed, step, self.config.data.batch_size, replica, replicas)
            return self.trainer.train_step(batch, draw)

        return self.runtime.fuse(train)(batch, step, replica)

    def iterate(self, step, host=None):
        """Runs iteration `step` (from 0); returns its logs as tensors."""
        host = next(self.batches.host(step)) if host is None else host
        return self._iterate(tf.constant(step, tf.int64), host)

    # --- training --------------------------------------------------------------------------------

    def fit(self):
        """Trains to the config's last step, from the newest checkpoint if there is one.

        Returns:
            The contents of `summary.json`.

        Raises:
            gantrain.runs.loop.Interrupted, gantrain.runs.callbacks.Diverged, UserError.
        """
        options = self.config.run
        variables = self.trainer.variables()
        start = self.run.restore(variables)
        if start > options.steps:
            raise UserError(f"--steps {options.steps}: the run in {self.run.path} is at step "
                            f"{start} already; give more, or --no-resume")
        self.run.begin(self.config, environment(self.runtime.device), self.domains)
        self.run.rewind_metrics(start)
        per_update = self.config.data.batch_size * len(self.domains)
        with listening(self.stop), closing(self.batches.host(start)) as host:
            reached = fit(
                self._iterate, host, self._report, self._callbacks(start),
                start=start, steps=options.steps, log_every=options.log_every,
                also_log=self._measured_at,
                batch_images=per_update * self.trainer.per_step, stop=self.stop)
            return self._finish(reached)

    def _callbacks(self, start):
        run, options = self.run, self.config.run
        chosen = [callbacks.Guard(run)]
        chosen += [callbacks.Evaluation(*entry) for entry in self._measurements()]
        chosen.append(callbacks.Scalars(run))
        if options.tensorboard:
            chosen.append(callbacks.TensorBoard(run))
        chosen += [
            callbacks.Progress(options.steps, start),
            callbacks.Samples(run, options.sample_every, self.fixed_picture),
            callbacks.Checkpoints(run, options.checkpoint_every, options.keep,
                                  self.trainer.variables(), self.finite)]
        patience, best = self.config.flat().get("early_stopping"), self.measuring.keep_best
        if patience:
            name = "held_out/l1"
            chosen.append(callbacks.Best(
                run, name, lambda line: line.get(name), min, self.trainer.variables(), self.stop,
                patience))
        if best:
            metric = METRICS[best]
            chosen.append(callbacks.Best(run, best, metric.score, metric.best[1],
                                         self.trainer.variables()))
        return chosen

    def _measurements(self):
        """(steps between two, what is measured) of everything that joins the log."""
        due = []
        if self.measuring.on:
            due.append((self.measuring.evaluate_every, self.measure))
        if self._measure:
            due.append((self.config.run.sample_every, self.held_out_scores))
        return due

    def _measured_at(self, step):
        return any(step % every == 0 for every, _ in self._measurements())

    def _finish(self, step):
        if self.run.best.exists():
            self.run.restore(self.trainer.variables(), self.run.best)
        for name, model in self.trainer.models().items():
            with replacing(self.run.path / "models" / f"{name}.keras") as temporary:
                model.save(temporary)
        metrics = self.run.metrics()
        if metrics:
            plots.losses(metrics, self.run.path / "losses.png")
        summary = {"steps": step, "last": metrics[-1] if metrics else None, **self.score()}
        if self.stop.finished:
            summary["stopped_early"] = self.stop.reason
        write_text(self.run.path / "report.html",
                   report.page(self.run, self.config, metrics, summary))
        # Last: a directory with a summary is a finished run.
        self.run.write_json("summary.json", summary)
        return summary

    def score(self):
        """What the trainer itself measures on the test part: a classifier's accuracy."""
        if not isinstance(self.trainer, Scores):
            return {}
        return self.trainer.score(self.test_domains)

    def finite(self):
        """Whether every weight is finite: what a checkpoint must be."""
        return all(bool(tf.reduce_all(tf.math.is_finite(v))) for v in self.trainer.variables()
                   if v.dtype in ("float32", "float16", "bfloat16"))

    # --- samples ---------------------------------------------------------------------------------

    def noise(self, count, seed=None):
        """float32 [count, size of z]: fixed latent vectors, by default the sample grids'."""
        if not isinstance(self.trainer, Generates):
            raise UserError(f"--run_dir {self.run.path}: a {self.config.run.gan_type} makes no "
                            f"images; give the run of a GAN")
        seed = self.config.run.seed if seed is None else seed
        return self.trainer.latents(count, seed)

    def samples(self, z, batch_size=250):
        """Images [-1, 1] of latent vectors: a NumPy array per domain, or None."""
        parts = [self._sample(z[i:i + batch_size]) for i in range(0, len(z), batch_size)]
        if not parts or parts[0] is None:
            return None
        return [np.concatenate([np.asarray(p[k], np.float32) for p in parts])
                for k in range(len(parts[0]))]

    def picture(self, made, columns=10):
        """Samples as uint8 [H, W, 3]: a grid of images, or a plot of points in the plane."""
        if made[0].ndim == 4:
            return images.grid(made, columns)
        return plots.points(made, [d.images for d in self.domains])

    def fixed_picture(self):
        """The picture of the latent vectors that every sample grid shows, or None."""
        if self._gallery:
            rows = self._gallery(*self.held_out(SHOWN_EXAMPLES))
            return images.grid([np.asarray(row) for row in rows], SHOWN_EXAMPLES)
        if not isinstance(self.trainer, Generates):
            return None
        count = SHOWN_POINTS if len(self.domains[0].shape) == 1 else SHOWN_IMAGES
        return self.picture(self.samples(self.noise(count)))

    def translator(self, direction=None, **inversion):
        """The `Translator` of a direction, by default the run's own.

        Args:
            direction: "a2b", or the names of two domains, as in "mnist2street"; with more than two
                domains the letters go on: "a2c".
            inversion: options of `gantrain.use.inversion.Inverter`, for coupled generators.

        Raises:
            UserError: the run translates no images, or not in this direction.
        """
        translates = isinstance(self.trainer, Translates)
        inverts = (isinstance(self.trainer, Generates) and len(self.domains) > 1
                   and len(self.domains[0].shape) == 3)
        if not (translates or inverts):
            raise UserError(f"--run_dir {self.run.path}: a {self.config.run.gan_type} of "
                            f"{', '.join(d.name for d in self.domains)} translates no images; give "
                            f"the run of a pix2pix, cyclegan, or of a cogan or scogan of images")
        ways = self._directions()
        direction = direction or (self.trainer.way if translates else "a2b")
        if direction not in ways:
            raise UserError(f"--direction {direction}: the run in {self.run.path} knows "
                            f"{', '.join(sorted(ways))}")
        source, target = ways[direction]
        if not translates:
            return self._crossing(source, target, inversion)
        applies, way = self.trainer.translators(), self.trainer.way
        own = way if source < target else way[::-1]
        if own not in applies:
            raise UserError(f"--direction {direction}: the run in {self.run.path} was trained for "
                            f"{way} only; drop the flag, or train one for {direction}")
        o = self.config.of(nets.TranslatorNets)
        return Translator(
            self.runtime.function(applies[own]), self.domains[source].shape[-1],
            nets.multiple(o.generator, self.domains[source].shape[0]),
            int(o.test_mode == "training"), palette=self.domains[source].palette,
            levels=(self.domains[source].levels, self.domains[target].levels))

    def _directions(self):
        """{name of a direction: (number of the source domain, of the target)}."""
        letters = [chr(ord("a") + i) for i in range(len(self.domains))]
        # They follow the data set, which a run of b2a turns round.
        letters = letters[::-1] if self._reversed else letters
        return {f"{names[i]}2{names[j]}": (i, j)
                for names in (letters, [d.name for d in self.domains])
                for i, j in itertools.permutations(range(len(names)), 2)}

    def _crossing(self, source, target, options):
        """The `Translator` from one domain of coupled generators to another."""
        generators, encoder = self.generators(), self.encoder()
        invert = Inverter(generators[source], self.trainer.latent, self.runtime.function, **options)
        encode = self.runtime.function(encoder) if encoder else None
        generate = self.runtime.function(generators[target])
        size, channels = self.domains[source].shape[1:]
        palette, errors = self.domains[source].palette, []

        def apply(x):
            """The networks know one size, to which images are squeezed and from which back."""
            height, width = x.shape[1:3]
            x = palette.exact(x, size, size) if palette else images.resize(x, size)
            found = invert(x, encode(x) if encode else None)
            errors.extend(found.error.tolist())
            return images.scale(np.asarray(generate(found.z)), height, width)

        return Translator(apply, channels, 1, INVERTED_TOGETHER, WHOLE, errors, palette,
                          (self.domains[source].levels, self.domains[target].levels))

    def generators(self):
        """z -> images float32 [-1, 1] of every domain, by the averaged weights."""
        return generators_of(self.trainer)

    def encoder(self):
        """Images -> z [B, size of z] where the run trained an encoder (CC), or None."""
        return encoder_of(self.trainer)

    # --- evaluation ------------------------------------------------------------------------------

    def held_out(self, count):
        """The first `count` examples of the test part, float32 [-1, 1], one tensor per domain.

        Of a paired set they are pairs, with [n, T, H, W, C] where an input has T targets. At most
        MEASURED_EXAMPLES are kept, so that the part is read once.
        """
        if self._held_out is None:
            domains = self.test_domains()
            most = pair_count(domains) or min(d.size for d in domains)
            pixels = examples(domains, range(min(MEASURED_EXAMPLES, most)))
            self._held_out = [images.to_float(p) for p in pixels]
        return [p[:count] for p in self._held_out]

    def held_out_scores(self):
        """What a translator measures on held-out examples."""
        parts = self.held_out(MEASURED_EXAMPLES)
        examples = ([p[i:i + 1] for p in parts] for i in range(len(parts[0])))
        found = mean_scores(self._measure, examples)
        return {f"held_out/{name}": value for name, value in found.items()}

    def measure(self):
        """The metrics of `--evaluate_metrics`, for the log, and the `networks` they consulted."""
        e = self._streams
        values = measure(e, self.measuring.names)
        return values | ({"networks": hashes(e.networks)} if e.networks else {})

    @functools.cached_property
    def _streams(self):
        """What is measured while training, whose programs serve every measurement."""
        return self.streams(self.measuring.evaluate_num, MEASURED_SEED,
                            Weights(lpips=self.config.of(LpipsWeights).lpips_weights))

    def streams(self, num, seed, weights=None):
        """The `gantrain.measures.streams.Streams` of the run."""
        judges = Judges(
            self.judges,
            lambda given: self.auxiliaries.segmenter(self.domains, self.trainer.way, given),
            lambda: self.auxiliaries.source_only_of(self.domains))
        return Streams(self.config, self.trainer, self.domains, self.test_domains,
                       self.runtime.function, judges, num, seed, weights)

    def test_domains(self):
        """The domains of the test part."""
        return self._load("test")

    def judges(self):
        """Evaluation classifiers, one per domain, and what is stored with them, made once.

        Raises:
            UserError: a domain has no labels.
        """
        if self._judges is None:
            if any(d.labels is None for d in self.domains):
                raise UserError("joint coherence needs labelled domains; drop --evaluate_every or "
                                "take another --dataset")
            self._judges = self.auxiliaries.evaluation(self.domains)
        return self._judges

    @property
    def _reversed(self):
        """Whether the set's second domain comes first."""
        return self.config.flat().get("direction") == "b2a"

    # --- what it is made of ----------------------------------------------------------------------

    def _load(self, split):
        """The domains of a part, pruned where the set asks for it."""
        domains, unsure = chosen_domains(self.config, split)
        if split == "train" and self.run.exists and not self.config.run.dry_run:
            self.run.refuse_other_data(domains, unsure)
        if split == "train" and unsure in [domain.name for domain in domains]:
            # By the whole set, whatever is chosen or cropped of it.
            usual = self.config.with_options(domains=None, load_size=None)
            whole = domains if usual == self.config else chosen_domains(usual, split)[0]
            confidence = self.auxiliaries.confidence(whole)
            domains = [prune(domain, confidence) if domain.name == unsure else domain
                       for domain in domains]
        return domains

    def _train_classifier(self, config, domains):
        """A classifier is a run like any other, interrupted by the same signals."""
        Session(config, domains, self.stop).fit()


def chosen_domains(config, split, decoded=True):
    """The domains of a part as `--domains` and `--direction` choose them.

    Args:
        config: a resolved config.
        split: "train" or "test".
        decoded: False leaves image files encoded.

    Returns:
        The domains, and the name of the one of which a run prunes the training part, or None.
    """
    d = config.data
    # Generated sets are drawn once: runs that differ in their seed train on the same data.
    kind = TRAINERS[config.run.gan_type]
    domains = load(d.dataset, place=d.place, data_dir=d.data_dir, offline=d.offline,
                   image_size=d.image_size, load_size=d.load_size, fit=d.fit,
                   same_channels=kind.same_channels, split=split, decoded=decoded)
    number = find(d.dataset).prune_domain
    unsure = None if number is None else domains[number].name
    if d.domains:
        by_name = {domain.name: domain for domain in domains}
        wanted = d.domains.split(",")
        unknown = [n for n in wanted if n not in by_name]
        if unknown:
            raise UserError(f"--domains {unknown[0]}: --dataset {d.dataset} has "
                            f"{', '.join(by_name)}")
        domains = [by_name[n] for n in wanted]
    return domains[::-1] if config.flat().get("direction") == "b2a" else domains, unsure
