"""Networks that a run consults but does not train: classifiers and feature extractors.

A classifier that is not given is trained as a run of its own, beside the run that needs it, and
found there the next time.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
from keras import ops

from gantrain.config import Config
from gantrain.errors import UserError
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


def frozen_networks(config, domains, stop):
    """What the couplings of a config consult, by name: `classifier`, `extractor`.

    Args:
        config: a resolved config.
        domains: the training domains.
        stop: `gantrain.loop.Stop`, so that training a classifier can be interrupted.

    Raises:
        UserError: a coupling asks for labels, weights or a file that is not there.
    """
    c = config.coupling
    networks = {}
    if c.semantic_loss:
        unlabelled = [d.name for d in domains if d.labels is None]
        if unlabelled:
            raise UserError(
                f"--semantic_loss needs class labels, and domain {unlabelled[0]} of --dataset "
                f"{config.data.dataset} has none; use --feature_loss, --cycle_loss or "
                f"--perceptual_loss")
        networks["classifier"] = semantic_classifier(config, domains, stop)
    if any(c.perceptual_loss):
        from gantrain.nets import frozen
        networks["extractor"] = (
            frozen.alexnet(c.lpips_weights) if c.lpips_weights
            else frozen.vgg19(c.vgg_weights, config.data.offline))
    return networks


def semantic_classifier(config, domains, stop):
    """The classifier of the semantic loss: `--classifier`, or one trained on the mixed domains."""
    c = config.coupling
    if c.classifier:
        model = load_model(c.classifier)
    else:
        _, model = _classifier_run(
            config, domains, stop, classifier_net=config.nets.classifier_net,
            classifier_noise=c.classifier_noise, classifier_augment=c.classifier_augment,
            classifier_attack=c.classifier_attack, seed=config.run.seed)
    wanted, classes = domains[0].shape, len(domains[0].classes)
    if tuple(model.input_shape[1:]) != wanted or model.output_shape[-1] != classes:
        raise UserError(
            f"--classifier {c.classifier}: takes {model.input_shape[1:]} and gives "
            f"{model.output_shape[-1]} classes, but the data has {wanted} and {classes}")
    return model


def confidence(config, domains, stop):
    """Highest class probability by the thesis's classifier of the mixed domains (section 2.7).

    Returns:
        images [-1, 1] -> float32 [B], what `gantrain.data.domain.prune` asks for.
    """
    _, model = _classifier_run(config, domains, stop, classifier_net="digit", seed=config.run.seed)
    return lambda images: ops.max(ops.softmax(model(images, training=False)), axis=-1)


def evaluation_classifiers(config, domains, stop):
    """One classifier per domain for joint coherence, with accuracies on the test part.

    Another architecture, another seed and one domain each: what fools the classifier of the
    semantic loss need not fool these. They are the same for every seed of a run, so that numbers
    of different seeds are measured alike.

    Returns:
        (list of models, {"accuracy/<domain>": share}).
    """
    models, accuracies = [], {}
    for domain in domains:
        run, model = _classifier_run(
            config, [domain], stop, classifier_net="evaluation", classifier_augment="shift",
            steps=EVALUATION_STEPS, seed=EVALUATION_SEED)
        models.append(model)
        accuracies |= _accuracies(run)
    return models, accuracies


def _classifier_run(config, domains, stop, **options):
    """(run directory, model) of a classifier: found where an earlier run left it, or trained."""
    from gantrain.session import Session
    own = classifier_config(config, domains, **options)
    run = RunDirectory(own.run.run_dir)
    if run.summary() is None:
        print(f"training a classifier of {', '.join(d.name for d in domains)} in {run.path}",
              flush=True)
        Session(own, domains=domains, stop=stop).fit()
    shares = ", ".join(f"{k.removeprefix('accuracy/')} {v:.3f}"
                       for k, v in _accuracies(run).items())
    print(f"classifier {run.path}: test accuracy {shares}", flush=True)
    return run, load_model(run.path)


def _accuracies(run):
    return {k: v for k, v in run.summary().items() if k.startswith("accuracy/")}


def classifier_config(config, domains, **options) -> Config:
    """The config of a classifier's own run, in a directory named after everything it depends on."""
    from gantrain.presets import resolve
    own = Config().with_options(
        gan_type="classifier", dataset=config.data.dataset,
        domains=",".join(d.name for d in domains), data_dir=config.data.data_dir,
        offline=config.data.offline, image_size=config.data.image_size,
        batch_size=config.data.batch_size, steps=config.coupling.classifier_steps,
        devices=config.runtime.devices, gpu_mem_mb=config.runtime.gpu_mem_mb, log_every=500,
        sample_every=10**6, checkpoint_every=500, keep=1, c_lr=1.5e-3, lr_decay=0.67)
    own = own.with_options(**options)
    places = dict(data_dir="", run_dir="", offline=False, devices=0, gpu_mem_mb=0)
    digest = hashlib.sha256(own.with_options(**places).to_json().encode()).hexdigest()[:8]
    parent = Path(config.run.run_dir).parent / "classifiers"
    names = "_".join(d.name for d in domains)
    name = f"{names}-{own.nets.classifier_net}-{digest}"
    return resolve(own.with_options(run_dir=str(parent / name)))
