"""Networks that a run consults but does not train: classifiers and feature extractors.

A classifier or segmenter that is not given is trained as a run of its own, beside the run that
needs it, and found there the next time.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from pathlib import Path

import keras
from keras import ops

from gantrain.config import default_config, resolve
from gantrain.core import Config, LpipsWeights
from gantrain.data.datasets import find
from gantrain.data.palettes import label_palette
from gantrain.errors import UserError
from gantrain.nets import CLASSIFIERS, PairOptions, frozen
from gantrain.runs.directory import RunDirectory
from gantrain.terms.labels import LabelOptions, source_of
from gantrain.terms.perceptual import PerceptualOptions
from gantrain.terms.semantic import SemanticOptions
from gantrain.terms.view import ClassifierOptions, ClassifierSteps

# Judges are the same for every run on a set at one image size and --fit, so that numbers of
# different runs are measured alike: nothing below is left to the run that is judged, neither where
# nor how it is computed. XLA draws and sums in other ways, and replicas sum apart.
JUDGE = dict(load_size=None, devices=1, xla=False, precision="float32")
EVALUATION = JUDGE | dict(classifier_net="evaluation", classifier_augment="shift", steps=1_500,
                          seed=20_201, batch_size=64, c_lr=1.5e-3, lr_decay=0.67)
# Four minutes at 128 pixels on one core.
SEGMENTER = JUDGE | dict(steps=1_000, seed=20_202, width=0.25, batch_size=8, c_lr=1e-3,
                         lr_decay=0.5)
# What decides which images a pruned set has is no choice of a run either (thesis section 2.7).
PRUNING = JUDGE | dict(classifier_net="digit", steps=2_000, seed=20_203, batch_size=64)


def model_path(path, kind="classifier"):
    """A model's own file: `path`, or that of a finished run of this --gan_type at `path`.

    Raises:
        UserError: there is none.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "models" / f"{kind}.keras"
    if not path.exists():
        raise UserError(f"{path}: not there; give a .keras file or the run directory of a finished "
                        f"--gan_type {kind}")
    return path


def load_model(path, kind="classifier"):
    """A `.keras` file, or the model of a finished run directory. Raises UserError."""
    path = model_path(path, kind)
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a readable .keras model ({reason})") from None


class Auxiliaries:
    """Finds, loads or trains what a run consults.

    Args:
        config: a resolved config of the run.
        train: (config, domains) -> None, trains the own run of a classifier or segmenter to its
            end; None for domains loads those of the config.
    """

    def __init__(self, config, train):
        self.config, self.train = config, train

    def frozen(self, domains) -> dict:
        """What the couplings consult, by name: `classifier`, `extractor`.

        Raises:
            UserError: a coupling asks for labels, weights or a file that is not there.
        """
        config, networks = self.config, {}
        if config.on(LabelOptions):
            networks |= self.source_only_of(domains)
        elif config.on(SemanticOptions):
            unlabelled = [d.name for d in domains if d.labels is None]
            if unlabelled:
                raise UserError(
                    f"--semantic_loss needs class labels, and domain {unlabelled[0]} of --dataset "
                    f"{self.config.data.dataset} has none; use --feature_loss, --cycle_loss or "
                    f"--perceptual_loss")
            networks["classifier"] = self.semantic_classifier(domains)
        if config.on(PerceptualOptions):
            lpips = config.of(LpipsWeights).lpips_weights
            networks["extractor"] = (
                frozen.lpips(lpips) if lpips
                else frozen.vgg19(config.of(PerceptualOptions).vgg_weights, config.data.offline))
        return networks

    def semantic_classifier(self, domains):
        """The semantic loss's classifier: `--classifier`, or one trained on the mixed domains."""
        given, view = self.config.of(SemanticOptions).classifier, self.config.of(ClassifierOptions)
        if given:
            model = load_model(given)
        else:
            _, model = self._classifier(domains, seed=self.config.run.seed, **asdict(view))
        wanted, classes = domains[0].shape, len(domains[0].classes)
        if tuple(model.input_shape[1:]) != wanted or model.output_shape[-1] != classes:
            raise UserError(
                f"--classifier {given}: takes {model.input_shape[1:]} and gives "
                f"{model.output_shape[-1]} classes, but the data has {wanted} and {classes}")
        return model

    def source(self, domains):
        """The domain whose labels may be used: a run that adapts hands no other to a classifier.

        Raises:
            UserError: a target's labels have already decided which of its images are left.
        """
        name = self.config.data.dataset
        if find(name).prune_domain is not None:
            raise UserError(f"--dataset {name} is pruned by the labels of all domains, and "
                            f"--label_loss uses one domain's; take {name.removesuffix('_prune')}")
        return domains[source_of(self.config, domains)]

    def source_only_of(self, domains):
        """{"source_only": what an adapted classifier has to beat}, for trunks that have a table."""
        net = self.config.of(PairOptions).net
        trunk, source = f"{net}_trunk", self.source(domains)
        return {"source_only": self.source_only(source, trunk)} if trunk in CLASSIFIERS else {}

    def source_only(self, domain, trunk):
        """The same trunk and head, the same augmentation, the source alone."""
        _, model = self._classifier(
            [domain], classifier_net=trunk, seed=self.config.run.seed,
            classifier_augment=self.config.of(LabelOptions).label_augment)
        return model

    def confidence(self, domains):
        """Highest class probability by the thesis's classifier of the mixed domains (section 2.7).

        Args:
            domains: all of the set, uncropped.

        Returns:
            images [-1, 1] -> float32 [B], what `gantrain.data.domain.prune` asks for.
        """
        _, model = self._classifier(domains, whole=True, **PRUNING)
        return lambda images: ops.max(ops.softmax(model(images, training=False)), axis=-1)

    def evaluation(self, domains):
        """One classifier per domain for joint coherence, what is stored with it, by domain.

        Another architecture, another seed and one domain each: what fools the classifier of the
        semantic loss need not fool these. They see whole images, whatever crops a run takes.

        Returns:
            (list of models, {domain: `version`, `sha256`, `accuracy` on the test part}).
        """
        models, described = [], {}
        for domain in domains:
            run, model = self._classifier([domain], **EVALUATION)
            models.append(model)
            described[domain.name] = {"version": run.path.name,
                                      "sha256": frozen.weights_hash(model),
                                      "accuracy": _scores(run)[f"accuracy/{domain.name}"]}
        return models, described

    def segmenter(self, domains, direction, weights=None):
        """The judge of the FCN score, found where an earlier run left it, or trained.

        It learns from the real training pairs alone and is the same for every run of a data set at
        one image size, so that numbers of different runs are measured alike. It is trained on crops
        of its own, whatever the run's are.

        Args:
            domains: label maps and photographs of the training part, in this order.
            direction: the translation that is judged, from label maps to photographs; "a2b" if the
                label maps are the data set's first domain.
            weights: a `.keras` file or the run directory of a segmenter to take instead:
                photographs [B, H, W, C] in [-1, 1] -> scores of the classes [B, H, W, K].

        Returns:
            (Keras model, what is stored with its numbers: `network`, `version`, the name `weights`
            of its file and their `sha256`).

        Raises:
            UserError: the set has no palette, the label maps do not look like it, or the weights
                are those of other images or classes.
        """
        maps, photos = domains
        dataset = self.config.data.dataset
        palette = label_palette(maps, dataset, self.config.data.data_dir)
        if weights:
            path, version = model_path(weights, "segmenter"), "given"
        else:
            own = segmenter_config(self.config, domains, direction, palette)
            run = self._trained(own, None, f"segmenter of {dataset}", "ceiling")
            path, version = model_path(run.path, "segmenter"), run.path.name
        model = load_model(path)
        _check_segmenter(model, path, photos, len(palette.classes))
        return model, {"network": "fcn", "version": version, "weights": path.name,
                       "sha256": frozen.weights_hash(model)}

    def _classifier(self, domains, whole=False, **options):
        """(run directory, model): found where an earlier run left it, or trained.

        Images of another scale than it learns from, or crops of them, are not what it is given; it
        loads its own. `whole` says that these are uncropped.
        """
        own = classifier_config(self.config, domains, **options)
        what = f"classifier of {', '.join(d.name for d in domains)}"
        alike = whole or _scale(own) == _scale(self.config)
        run = self._trained(own, domains if alike else None, what, "test accuracy")
        return run, load_model(run.path)

    def _trained(self, own, domains, what, scored):
        """The run directory of a config that was trained to its end, now or earlier."""
        run = RunDirectory(own.run.run_dir)
        if run.summary() is None:
            print(f"training a {what} in {run.path}", flush=True)
            self.train(own, domains)
        shares = ", ".join(f"{k.removeprefix('accuracy/')} {v:.3f}"
                           for k, v in _scores(run).items())
        print(f"{own.run.gan_type} {run.path}: {scored} {shares}", flush=True)
        return run


def classifier_config(config, domains, **options) -> Config:
    """The config of a classifier's own run, in a directory named after everything it depends on."""
    steps = config.flat().get("classifier_steps", ClassifierSteps.classifier_steps)
    own = default_config("classifier").with_options(
        **_inherited(config), domains=",".join(d.name for d in domains),
        load_size=config.data.load_size, batch_size=config.data.batch_size, steps=steps,
        c_lr=1.5e-3, lr_decay=0.67, devices=config.runtime.devices)
    own = own.with_options(**options)
    names = [*(d.name for d in domains), own.of(ClassifierOptions).classifier_net]
    return _in_own_directory(config, own, names, domains)


def segmenter_config(config, domains, direction, palette) -> Config:
    """The config of a segmenter's own run, in a directory named after everything it depends on."""
    own = default_config("segmenter").with_options(
        **_inherited(config), direction=direction, **SEGMENTER)
    name = re.sub(r"[^A-Za-z0-9_.]+", "_", config.data.dataset)
    # The last word is of how label maps are scaled: a judge of other maps is another judge.
    return _in_own_directory(config, own, [name, "segmenter"], domains, palette.classes,
                             palette.colours.tolist(), "majority")


def _inherited(config):
    """What every consulted network's run takes over from the run that consults it."""
    return dict(
        dataset=config.data.dataset, place=config.data.place, data_dir=config.data.data_dir,
        offline=config.data.offline, image_size=config.data.image_size, fit=config.data.fit,
        gpu_mem_mb=config.runtime.gpu_mem_mb, log_every=500, sample_every=10**6,
        checkpoint_every=500, keep=1)


def _scale(config):
    """The side that training images are scaled to before they are cropped."""
    return config.data.load_size or config.data.image_size


def _in_own_directory(config, own, names, domains, *also):
    places = dict(data_dir="", place=None, offline=False, devices=0, gpu_mem_mb=0)
    # Only what differs from the defaults: an option that is added later changes no name.
    usual = default_config(own.run.gan_type).flat()
    chosen = own.with_options(**places).flat()
    what = repr(sorted((k, v) for k, v in chosen.items() if v != usual[k])
                + [(d.size, d.shape, d.fingerprint) for d in domains] + list(also))
    digest = hashlib.sha256(what.encode()).hexdigest()[:8]
    parent = Path(config.run.run_dir).parent
    # A classifier that is asked for by another one's run lies beside that.
    parent = parent if parent.name == "classifiers" else parent / "classifiers"
    return resolve(own.with_options(run_dir=str(parent / "_".join([*names, digest]))))


def _check_segmenter(model, path, photos, classes):
    """Refuses a network that takes other images than the photographs or gives other classes."""
    taken, given = model.input_shape, model.output_shape
    fits = len(taken) == len(given) == 4 and taken[-1] == photos.shape[-1]
    fits = fits and given[-1] == classes
    if fits:
        sides = (*taken[1:3], *given[1:3])
        fits = all(side in (None, own) for side, own in zip(sides, photos.shape[:2] * 2,
                                                            strict=True))
    if not fits:
        raise UserError(
            f"--fcn_weights {path}: takes {taken[1:]} and gives {given[1:]}, but the photographs "
            f"are {photos.shape} and the palette has {classes} classes")


def _scores(run):
    """What the trainer of a finished run measured on the test part: the numbers of its summary."""
    return {name: v for name, v in run.summary().items() if isinstance(v, float)}
