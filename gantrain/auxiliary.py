"""Networks that a run consults but does not train: classifiers and feature extractors.

A classifier that is not given is trained as a run of its own, beside the run that needs it, and
found there the next time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
from keras import ops

from gantrain.adaptation import source_of
from gantrain.config import Config
from gantrain.data.datasets import find
from gantrain.errors import UserError
from gantrain.nets import CLASSIFIERS, frozen
from gantrain.presets import resolve
from gantrain.run_directory import RunDirectory

EVALUATION_STEPS, EVALUATION_SEED = 1_500, 20_201


def load_model(path):
    """A `.keras` file, or the classifier of a finished run directory. Raises UserError."""
    path = Path(path)
    if path.is_dir():
        path = path / "models" / "classifier.keras"
    if not path.exists():
        raise UserError(f"{path}: not there; give a .keras file or the run directory of a finished "
                        f"--gan_type classifier")
    try:
        return keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a readable .keras model ({reason})") from None


class Auxiliaries:
    """Finds, loads or trains what a run consults.

    Args:
        config: a resolved config of the run.
        train: (config, domains) -> None, trains a classifier's own run to its end.
    """

    def __init__(self, config, train):
        self.config, self.train = config, train

    def frozen(self, domains) -> dict:
        """What the couplings consult, by name: `classifier`, `extractor`.

        Raises:
            UserError: a coupling asks for labels, weights or a file that is not there.
        """
        c, networks = self.config.coupling, {}
        if self.config.adaptation.label_loss:
            trunk = f"{self.config.nets.net}_trunk"
            source = self.source(domains)
            if trunk in CLASSIFIERS:
                networks["source_only"] = self.source_only(source, trunk)
        elif c.semantic_loss:
            unlabelled = [d.name for d in domains if d.labels is None]
            if unlabelled:
                raise UserError(
                    f"--semantic_loss needs class labels, and domain {unlabelled[0]} of --dataset "
                    f"{self.config.data.dataset} has none; use --feature_loss, --cycle_loss or "
                    f"--perceptual_loss")
            networks["classifier"] = self.semantic_classifier(domains)
        if any(c.perceptual_loss):
            networks["extractor"] = (
                frozen.alexnet(c.lpips_weights) if c.lpips_weights
                else frozen.vgg19(c.vgg_weights, self.config.data.offline))
        return networks

    def semantic_classifier(self, domains):
        """The semantic loss's classifier: `--classifier`, or one trained on the mixed domains."""
        c = self.config.coupling
        if c.classifier:
            model = load_model(c.classifier)
        else:
            _, model = self._classifier(
                domains, classifier_net=self.config.nets.classifier_net,
                classifier_noise=c.classifier_noise, classifier_augment=c.classifier_augment,
                classifier_attack=c.classifier_attack, seed=self.config.run.seed)
        wanted, classes = domains[0].shape, len(domains[0].classes)
        if tuple(model.input_shape[1:]) != wanted or model.output_shape[-1] != classes:
            raise UserError(
                f"--classifier {c.classifier}: takes {model.input_shape[1:]} and gives "
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

    def source_only(self, domain, trunk):
        """What an adapted classifier has to beat: the same trunk and head, the same augmentation,
        the source alone."""
        _, model = self._classifier(
            [domain], classifier_net=trunk, seed=self.config.run.seed,
            classifier_augment=self.config.adaptation.label_augment)
        return model

    def confidence(self, domains):
        """Highest class probability by the thesis's classifier of the mixed domains (section 2.7).

        Returns:
            images [-1, 1] -> float32 [B], what `gantrain.data.domain.prune` asks for.
        """
        _, model = self._classifier(domains, classifier_net="digit", seed=self.config.run.seed)
        return lambda images: ops.max(ops.softmax(model(images, training=False)), axis=-1)

    def evaluation(self, domains):
        """One classifier per domain for joint coherence, with accuracies on the test part.

        Another architecture, another seed and one domain each: what fools the classifier of the
        semantic loss need not fool these. They are the same for every seed of a run, so that
        numbers of different seeds are measured alike.

        Returns:
            (list of models, {"accuracy/<domain>": share}).
        """
        models, accuracies = [], {}
        for domain in domains:
            run, model = self._classifier(
                [domain], classifier_net="evaluation", classifier_augment="shift",
                steps=EVALUATION_STEPS, seed=EVALUATION_SEED)
            models.append(model)
            accuracies |= _accuracies(run)
        return models, accuracies

    def _classifier(self, domains, **options):
        """(run directory, model): found where an earlier run left it, or trained."""
        own = classifier_config(self.config, domains, **options)
        run = RunDirectory(own.run.run_dir)
        if run.summary() is None:
            print(f"training a classifier of {', '.join(d.name for d in domains)} in {run.path}",
                  flush=True)
            self.train(own, domains)
        shares = ", ".join(f"{k.removeprefix('accuracy/')} {v:.3f}"
                           for k, v in _accuracies(run).items())
        print(f"classifier {run.path}: test accuracy {shares}", flush=True)
        return run, load_model(run.path)


def classifier_config(config, domains, **options) -> Config:
    """The config of a classifier's own run, in a directory named after everything it depends on."""
    own = Config().with_options(
        gan_type="classifier", dataset=config.data.dataset,
        domains=",".join(d.name for d in domains), data_dir=config.data.data_dir,
        offline=config.data.offline, image_size=config.data.image_size,
        batch_size=config.data.batch_size, steps=config.coupling.classifier_steps,
        devices=config.runtime.devices, gpu_mem_mb=config.runtime.gpu_mem_mb, log_every=500,
        sample_every=10**6, checkpoint_every=500, keep=1, c_lr=1.5e-3, lr_decay=0.67)
    own = own.with_options(**options)
    places = dict(data_dir="", offline=False, devices=0, gpu_mem_mb=0)
    what = own.with_options(**places).to_json() + repr([(d.size, d.shape) for d in domains])
    digest = hashlib.sha256(what.encode()).hexdigest()[:8]
    name = "_".join([d.name for d in domains] + [own.nets.classifier_net, digest])
    parent = Path(config.run.run_dir).parent / "classifiers"
    return resolve(own.with_options(run_dir=str(parent / name)))


def _accuracies(run):
    return {k: v for k, v in run.summary().items() if k.startswith("accuracy/")}
