"""Every option of the program: frozen dataclasses, one per concern.

A field carries its own help, bounds and choices, so that the flags (`gantrain.flags`), the
validation below, `config.json` and the docs all come from this one place. `None` means "chosen from
the other options"; `gantrain.presets.resolve` turns every such `None` into a value before a run
starts, and the resolved values are what `config.json` holds.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import json
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path

from gantrain.errors import UserError


def option(default, help, *, low=None, high=None, above=None, choices=None, registry=None,
           several=False, const=None, pair=None, resumable=False, used_by=None, short=None,
           alias=None):
    """One option of a config section.

    Args:
        default: value when neither a flag, nor a preset, nor a stored run says otherwise.
        help: one line for `--help`.
        low, high: inclusive bounds; `above` is an exclusive lower bound.
        choices: the allowed strings.
        registry: "module:DICT"; the keys of that dict are the allowed strings. It is imported only
            when it is needed, so that the program starts quickly.
        several: True if allowed strings may be combined, comma separated.
        const: value of the bare flag, for options that are a switch and a weight in one.
        pair: values of the bare flag, for options that take none or exactly two numbers.
        resumable: True if a resumed run may have another value than the one it was started with.
        used_by: the values of --gan_type that heed the option; any other refuses it.
        short: letters that stand in the name of a run with this term.
        alias: a second, shorter name of the flag.
    """
    return field(default=default, metadata=dict(
        help=help, low=low, high=high, above=above, choices=choices, registry=registry,
        several=several, const=const, pair=pair, resumable=resumable, used_by=used_by,
        short=short, alias=alias))


# Trainers by what their options mean.
COUPLED, PIX2PIX, CYCLEGAN = ("scogan",), ("pix2pix",), ("cyclegan",)
PAIRS = ("cogan", "scogan")
TRANSLATION = PIX2PIX + CYCLEGAN
SEGMENTATION = ("segmenter",)
FROM_NOISE = ("gan", "cogan", "scogan")
# What a run can be measured by, as `option` takes a registry.
METRICS = "gantrain.evaluation:METRICS"
# Samples of a measurement, and the seed of their latent vectors: the same for every run.
MEASURED, MEASURED_SEED = 2_000, 12_345


@dataclass(frozen=True)
class Run:
    """What is trained, where it is written, and how often."""

    gan_type: str = option("scogan", "what to train", registry="gantrain.trainers:TRAINERS")
    preset: str | None = option(None, "named set of options; explicit flags win over it",
                                registry="gantrain.presets:PRESETS")
    run_dir: str | None = option(
        None, "directory of this run; default runs/<gan_type>-<dataset>...-seed<seed>",
        resumable=True)
    steps: int = option(25_000, "generator updates", low=1, resumable=True)
    seed: int = option(0, "seed of weights, data order, noise and samples", low=0, high=2**31 - 1)
    log_every: int = option(100, "steps between two lines of metrics.jsonl", low=1, resumable=True)
    sample_every: int = option(500, "steps between two sample grids", low=1, resumable=True)
    checkpoint_every: int = option(1_000, "steps between two checkpoints", low=1, resumable=True)
    evaluate_every: int = option(
        0, "steps between two measurements of --evaluate_metrics (0: never)", low=0,
        resumable=True, alias="every")
    evaluate_metrics: str = option(
        "coherence", "what --evaluate_every measures, comma separated",
        registry=METRICS, several=True, resumable=True)
    evaluate_num: int = option(MEASURED, "samples of a measurement while training", low=10,
                               resumable=True)
    keep_best: str | None = option(
        None, "keep the state at which this metric of --evaluate_metrics was best, and end with "
        "it; default: the run ends with its last state", registry=METRICS)
    keep: int = option(2, "checkpoints kept; older ones are deleted", low=1, resumable=True)
    time_limit: float = option(
        0.0, "minutes after which the run saves and exits with code 75 (0: none)", low=0.0,
        resumable=True)
    tensorboard: bool = option(False, "also write TensorBoard events", resumable=True)
    resume: bool = option(
        True, "continue the run in run_dir; --no-resume moves it aside and starts anew",
        resumable=True)
    dry_run: bool = option(False, "build everything, compile and run one step, write nothing",
                           resumable=True)


@dataclass(frozen=True)
class Data:
    """Which images, from where."""

    dataset: str = option(
        "pen2street", "name of a data set, folder:PATH[,PATH...], pairs:PATH, or gray2color: or "
        "edge2photo: with a folder or a set of one domain; see `gantrain list --what datasets`")
    place: str | None = option(None, "where a --dataset of folders lies now, written alike, if not "
                               "where the run began", resumable=True)
    domains: str | None = option(None, "train only these domains of the set, comma separated")
    data_dir: str = option("data", "folder that holds <name>/ with the original files",
                           resumable=True)
    offline: bool = option(False, "never touch the network", resumable=True)
    image_size: int | None = option(None, "side of the square images that networks see", low=8,
                                    high=2048)
    load_size: int | None = option(
        None, "training images are scaled to this size and cropped to --image_size at random; "
        "default: --image_size, no crop; for pix2pix, cyclegan and segmenter 143/128 of it", low=8,
        high=4096)
    fit: str = option(
        "squeeze", "how images are scaled: squeeze (both axes to the size), short_side (aspect "
        "kept, the shorter side to --load_size, cropped), none (pixels as they are, cropped)",
        choices=("squeeze", "short_side", "none"))
    flip: bool | None = option(
        None, "mirror training images at random, both halves of a pair alike; default on for "
        "pix2pix, cyclegan and segmenter, else off")
    batch_size: int | None = option(None, "images per domain and update, over all devices; default "
                                    "64, for pix2pix and cyclegan 1, for segmenter 8", low=1)


@dataclass(frozen=True)
class Nets:
    """Architectures."""

    net: str | None = option(None, "generator and discriminator tables; default by image size",
                             registry="gantrain.nets:NETS", used_by=FROM_NOISE)
    width: float = option(1.0, "scale of every layer's size", above=0.0, high=8.0)
    shared_layers: int | None = option(
        None, "first generator layers that the domains share; default: the table's for cogan, "
        "0 for scogan", low=0, used_by=FROM_NOISE)
    d_shared_layers: int | None = option(
        None, "last discriminator layers that the domains share; default as --shared_layers", low=0,
        used_by=FROM_NOISE)
    d_norm: str | None = option(
        None, "discriminator normalisation; default: the table's, layer under a gradient penalty",
        choices=("batch", "layer", "none"))
    spectral_norm: bool = option(False, "divide discriminator kernels by their spectral norm")
    same_init: bool = option(False, "start the generators of all domains from equal weights",
                             used_by=FROM_NOISE)
    noise_dim: int | None = option(None, "size of the latent vector z; default: the table's", low=1,
                                   used_by=FROM_NOISE)
    noise_type: str = option("uniform", "distribution of z: uniform on [-1, 1] or standard normal",
                             choices=("uniform", "normal"), used_by=FROM_NOISE)
    noise_categories: int = option(
        0, "categories of a one-hot block in front of the noise; which category becomes which "
        "class is left to the generators (0: none)", low=0, high=10_000, used_by=FROM_NOISE)
    weight_init: str | None = option(
        None, "xavier, or normal with standard deviation 0.02; default normal for pix2pix and "
        "cyclegan, else xavier", choices=("xavier", "normal"))
    classifier_net: str = option("digit", "architecture of the semantic loss's classifier",
                                 registry="gantrain.nets:CLASSIFIERS")


@dataclass(frozen=True)
class Adversarial:
    """The game between generators and discriminators."""

    loss: str | None = option(None, "adversarial loss; default wasserstein for scogan, "
                              "non_saturating otherwise", registry="gantrain.losses:ADVERSARIAL")
    d_penalty: str | None = option(None, "discriminator penalty; default gp with wasserstein",
                                   registry="gantrain.penalties:DISCRIMINATOR_PENALTIES")
    penalty_weight: float | None = option(
        None, "weight of the penalty (clip: the bound); default gp 10, r1 5, clip 0.01", above=0.0)
    penalty_every: int = option(
        1, "apply the penalty on every K-th discriminator update, with K times the weight; it is "
        "logged as zero on the others", low=1)
    n_critic: int | None = option(
        None, "discriminator updates per generator update; default 5 with wasserstein, else 1",
        low=1, high=100)
    label_smoothing: float = option(
        0.0, "one-sided: the target of real images is 1 minus this", low=0.0, high=0.5)
    augment: str = option(
        "none", "differentiable augmentation of all discriminator inputs, comma separated",
        registry="gantrain.augment:AUGMENTATIONS", several=True)


@dataclass(frozen=True)
class Optimisation:
    """Adam, one instance per player."""

    g_lr: float | None = option(None, "learning rate of the generators", above=0.0)
    d_lr: float | None = option(None, "learning rate of the discriminators", above=0.0)
    g_beta1: float | None = option(None, "Adam beta 1 of the generators", low=0.0, high=0.9999)
    g_beta2: float | None = option(None, "Adam beta 2 of the generators", low=0.0, high=0.999999)
    d_beta1: float | None = option(None, "Adam beta 1 of the discriminators", low=0.0, high=0.9999)
    d_beta2: float | None = option(None, "Adam beta 2 of the discriminators", low=0.0,
                                   high=0.999999)
    c_lr: float = option(1e-3, "learning rate of a classifier or segmenter", above=0.0)
    weight_decay: float = option(0.0, "weight of the sum of squared kernels, a term of every loss",
                                 low=0.0)
    lr_decay: float | None = option(
        None, "share of the steps, at the end, over which learning rates fall linearly to zero; "
        "default 0.5 for pix2pix, cyclegan and segmenter, else 0", low=0.0, high=1.0)
    ema: float = option(0.0, "decay of the moving average of generator weights used for samples "
                        "(0: off)", low=0.0, high=0.99999)


@dataclass(frozen=True)
class Coupling:
    """Terms that couple the generators (scogan). A weight is the switch: absence means off."""

    semantic_loss: float = option(0.0, "SL, eq. 4.2: a classifier sees the same class in every "
                                  "domain", low=0.0, const=10.0, used_by=COUPLED, short="SL")
    semantic_form: str = option("squared", "how two predictions are compared",
                                registry="gantrain.penalties:SEMANTIC_FORMS")
    feature_loss: float = option(0.0, "FR, eq. 4.1: equal features in the first generator layers",
                                 low=0.0, const=100.0, used_by=COUPLED, short="FR")
    feature_layers: int = option(3, "generator layers compared by --feature_loss", low=1)
    cycle_loss: float = option(0.0, "CC, eq. 4.3: an encoder finds z again from every image",
                               low=0.0, const=10.0, used_by=COUPLED, short="CC")
    perceptual_loss: tuple[float, float] = option(
        (0.0, 0.0), "PL, eq. 4.5: weights of content (between domains) and style (to real images)",
        low=0.0, pair=(1.0, 1.0), used_by=COUPLED, short="PL")
    coupling_ramp: int = option(0, "steps over which the coupling weights rise from zero", low=0)
    classifier: str | None = option(
        None, "trained classifier (.keras or a run directory) for the semantic loss; "
        "default: train one and keep it")
    classifier_steps: int = option(2_000, "updates when a classifier has to be trained", low=1)
    classifier_noise: float = option(
        0.0, "standard deviation of Gaussian noise on a classifier's input, in training and in the "
        "semantic loss: a noisy classifier cannot be fooled by invisible changes", low=0.0,
        high=2.0)
    classifier_attack: float = option(
        0.0, "L2 length of the adversarial step that a classifier is trained against; its "
        "gradients then look like strokes, not like noise", low=0.0, high=100.0)
    classifier_augment: str = option(
        "none", "augmentation of a classifier's input, in training and in the semantic loss, comma "
        "separated", registry="gantrain.augment:AUGMENTATIONS", several=True)
    vgg_weights: str | None = option(None, "VGG19 weights file for --perceptual_loss",
                                     resumable=True)
    lpips_weights: str | None = option(
        None, "LPIPS weights (.npz, official .pth files): offline alternative to VGG19 for "
        "--perceptual_loss, and what --evaluate_metrics lpips reads", resumable=True)


@dataclass(frozen=True)
class Adaptation:
    """Unsupervised domain adaptation (cogan, scogan): the labels of one domain, applied to all."""

    label_loss: float = option(
        0.0, "weight of the source's classification by a softmax head on the discriminators' last "
        "hidden layer; labels of other domains are never used", low=0.0, const=1.0, used_by=PAIRS,
        short="UDA")
    source: str | None = option(None, "domain whose labels --label_loss learns; default the first",
                                used_by=PAIRS)
    label_transfer: float = option(
        0.0, "weight of the source's class of a generated image, asked of the image that another "
        "domain's generator makes of the same z", low=0.0, const=1.0, used_by=PAIRS)
    label_self: float = option(
        0.0, "weight of the other domains' classifiers: of the source's images and, by the classes "
        "that they are sure of themselves, of their own", low=0.0, const=1.0, used_by=PAIRS)
    label_confidence: float = option(
        0.9, "probability from which a predicted class counts as known, in --label_transfer and "
        "--label_self", low=0.0, high=1.0, used_by=PAIRS)
    label_augment: str = option(
        "none", "augmentation of the source's images when labels are learned, comma separated",
        registry="gantrain.augment:AUGMENTATIONS", several=True, used_by=PAIRS)
    target_augment: str = option(
        "none", "the same of the other domains' images, real and generated",
        registry="gantrain.augment:AUGMENTATIONS", several=True, used_by=PAIRS)


@dataclass(frozen=True)
class Translation:
    """Image-to-image translation (pix2pix, cyclegan)."""

    direction: str = option(
        "a2b", "which domain is the input; for a segmenter, which are the label maps",
        choices=("a2b", "b2a"), used_by=TRANSLATION + SEGMENTATION)
    generator: str | None = option(
        None, "generator; default unet for pix2pix, resnet6 for cyclegan, resnet9 from 256 pixels",
        registry="gantrain.nets:TRANSLATORS", used_by=TRANSLATION)
    upsample: str = option("transpose", "up-sampling: transposed convolution, nearest-neighbour "
                           "resize before a convolution, or sub-pixel",
                           registry="gantrain.nets:UPSAMPLES", used_by=TRANSLATION)
    norm: str | None = option(
        None, "normalisation of generators and discriminators, or of the segmenter; default "
        "instance for cyclegan, else batch; discriminators take layer for batch under a gradient "
        "penalty", choices=("batch", "instance", "none"), used_by=TRANSLATION + SEGMENTATION)
    dropout: float | None = option(
        None, "rate of the generator's dropout, pix2pix's source of noise, or of the segmenter's; "
        "default 0.5 for a pix2pix U-Net and for segmenter, else 0", low=0.0, high=0.9,
        used_by=TRANSLATION + SEGMENTATION)
    patch: str | None = option(
        None, "receptive field of the discriminator in pixels; default 70, or the largest that the "
        "image holds", registry="gantrain.nets:PATCHES", used_by=TRANSLATION)
    conditional: bool = option(True, "the discriminator sees the input beside the output",
                               used_by=PIX2PIX)
    adversarial_weight: float = option(1.0, "weight of the adversarial loss (0: none, and no "
                                       "discriminator)", low=0.0, used_by=PIX2PIX)
    l1_loss: float = option(100.0, "weight of the L1 distance to the (nearest) target", low=0.0,
                            const=100.0, used_by=PIX2PIX)
    lambda_cycle: float = option(10.0, "weight of the L1 distance of F(G(x)) to x", low=0.0,
                                 used_by=CYCLEGAN)
    lambda_identity: float = option(
        0.5, "weight of the L1 distance of G(y) to y, in units of lambda_cycle; it keeps colours",
        low=0.0, used_by=CYCLEGAN)
    pool_size: int = option(50, "generated images that discriminators are shown again (0: none)",
                            low=0, high=10_000, used_by=CYCLEGAN)
    discriminators: str = option("both", "both, or one: only D_Y judges, F learns by the cycle",
                                 choices=("both", "one"), used_by=CYCLEGAN)
    random_erasing: float = option(
        0.0, "probability that a random rectangle of an input becomes noise (Zhong et al. 2017)",
        low=0.0, high=1.0, const=0.5, used_by=PIX2PIX)
    test_mode: str | None = option(
        None, "how a trained generator runs: training (dropout on, statistics of the image itself, "
        "as pix2pix was published) or inference (neither); default training for pix2pix, else "
        "inference", choices=("training", "inference"), used_by=TRANSLATION)
    early_stopping: int = option(
        0, "end the run when the held-out pixel distance has not fallen for this many samplings, "
        "and keep the best weights (0: off)", low=0, used_by=PIX2PIX)


@dataclass(frozen=True)
class Runtime:
    """How the step runs."""

    precision: str = option("float32", "arithmetic of the layers; weights and heads stay float32",
                            choices=("float32", "mixed_bfloat16", "mixed_float16"))
    xla: bool | None = option(None, "compile the step with XLA; default: on a single GPU only",
                              resumable=True)
    devices: int = option(0, "replicas (0: all visible GPUs, or one CPU); the batch is divided",
                          low=0, high=64)
    deterministic: bool = option(False, "use deterministic kernels only (slower on GPU)")
    gpu_mem_mb: int = option(0, "limit of GPU memory (0: grow as needed)", low=0, resumable=True)


@dataclass(frozen=True)
class Config:
    """All options of `train`."""

    run: Run = Run()
    data: Data = Data()
    nets: Nets = Nets()
    adversarial: Adversarial = Adversarial()
    optimisation: Optimisation = Optimisation()
    coupling: Coupling = Coupling()
    adaptation: Adaptation = Adaptation()
    translation: Translation = Translation()
    runtime: Runtime = Runtime()

    def with_options(self, **options) -> Config:
        """A copy with some options changed, by flag name: `config.with_options(seed=3)`."""
        sections = {}
        for section in dataclasses.fields(self):
            value = getattr(self, section.name)
            names = {f.name for f in dataclasses.fields(value)}
            chosen = {k: options.pop(k) for k in list(options) if k in names}
            sections[section.name] = dataclasses.replace(value, **chosen)
        if options:
            raise UserError(_unknown("option", sorted(options)[0], self.flat()))
        return Config(**sections)

    def flat(self) -> dict:
        """Every option by its flag name."""
        return {name: value for section in dataclasses.asdict(self).values()
                for name, value in section.items()}

    def differences(self, other: Config) -> list[str]:
        """Options that a resumed run may not change and that differ, as `--flag old -> new`."""
        mine, theirs = self.flat(), other.flat()
        # The length of a run decides its learning rates where these fall towards its end.
        fixed = {"steps"} if self.optimisation.lr_decay else set()
        return [f"--{f.name} {mine[f.name]} -> {theirs[f.name]}" for f in options()
                if (f.name in fixed or not f.metadata["resumable"])
                and mine[f.name] != theirs[f.name]]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @staticmethod
    def from_json(path: Path) -> Config:
        """Reads a `config.json`. Raises UserError on anything else."""
        try:
            sections = json.loads(Path(path).read_text())
            flat = {k: v for section in sections.values() for k, v in section.items()}
            config = Config().with_options(**{k: tuple(v) if isinstance(v, list) else v
                                              for k, v in flat.items()})
            _check_types(config)
            return config
        except FileNotFoundError:
            raise UserError(f"{path}: not there; is --run_dir the directory of a run?") from None
        except (OSError, ValueError, AttributeError, TypeError, UserError) as error:
            raise UserError(f"{path}: not a gantrain config ({error})") from None


def options(of=Config) -> list[dataclasses.Field]:
    """All option fields of a command's dataclass, sections flattened, in the order of writing."""
    found = []
    for f in dataclasses.fields(of):
        hint = typing.get_type_hints(of)[f.name]
        found += options(hint) if dataclasses.is_dataclass(hint) else [f]
    return found


def option_type(section, name):
    """The plain type of an option (`int | None` gives int) from its annotation."""
    hint = typing.get_type_hints(section)[name]
    if isinstance(hint, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
    return hint


def _check_types(config):
    """Raises ValueError for a value of another type than that of its option."""
    for part in dataclasses.fields(config):
        section = getattr(config, part.name)
        for f in dataclasses.fields(section):
            value, pair = getattr(section, f.name), f.metadata["pair"]
            kind = float if pair else option_type(type(section), f.name)
            values = tuple(value) if pair else (value,)
            # JSON writes 1 for 1.0.
            allowed = (float, int) if kind is float else (kind,)
            if value is None and f.default is None:
                continue
            if len(values) != (2 if pair else 1) or any(type(v) not in allowed for v in values):
                raise ValueError(f"{f.name} is {value!r}")


def names_of(metadata) -> list[str] | None:
    """The allowed strings of an option, or None if it is free."""
    if metadata["choices"]:
        return list(metadata["choices"])
    if metadata["registry"]:
        return sorted(_registry(metadata["registry"]))
    return None


def _registry(name):
    """The dict behind "module:DICT", imported now."""
    module, table = name.split(":")
    return getattr(importlib.import_module(module), table)


def validate_field(f, value):
    """Checks one option against its own bounds and choices; raises UserError."""
    if value is None:
        return
    m = f.metadata
    numbers = value if isinstance(value, tuple) else (value,)
    for number in numbers:
        if isinstance(number, float) and number != number:
            raise UserError(f"--{f.name} {number}: must be a number")
        if m["low"] is not None and number < m["low"]:
            raise UserError(f"--{f.name} {number}: must be at least {m['low']}")
        if m["above"] is not None and number <= m["above"]:
            raise UserError(f"--{f.name} {number}: must be above {m['above']}")
        if m["high"] is not None and number > m["high"]:
            raise UserError(f"--{f.name} {number}: must be at most {m['high']}")
    allowed = names_of(m)
    if allowed is None:
        return
    for name in value.split(",") if m["several"] else [value]:
        if name not in allowed:
            raise UserError(_unknown(f"--{f.name}", name, allowed))


def _unknown(what, name, allowed) -> str:
    close = difflib.get_close_matches(str(name), list(allowed), 1)
    hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(sorted(allowed))}"
    return f"{what} {name}: unknown; {hint}"


def validate(config: Config) -> Config:
    """Checks every option and every rule between two of them. Returns the config.

    Raises:
        UserError: one line that names the flag and the remedy.
    """
    flat = config.flat()
    for f in options():
        validate_field(f, flat[f.name])
    a, c = config.adversarial, config.coupling
    if a.label_smoothing and a.loss in ("wasserstein", "hinge"):
        raise UserError(f"--label_smoothing needs a loss with targets; --loss {a.loss} has none")
    if a.d_penalty in ("gp", "r1") and config.nets.d_norm == "batch":
        raise UserError(f"--d_norm batch mixes the images of a batch, which --d_penalty "
                        f"{a.d_penalty} treats one by one; use --d_norm layer")
    if a.d_penalty in ("none", "clip") and a.penalty_every > 1:
        raise UserError("--penalty_every needs --d_penalty gp or r1")
    for f in options():
        users = f.metadata["used_by"]
        if users and flat[f.name] != f.default and config.run.gan_type not in users:
            raise UserError(f"--{f.name} is an option of --gan_type {' or '.join(users)}, and this "
                            f"is {config.run.gan_type}; change the one or drop the other")
    if config.run.gan_type in PIX2PIX:
        if not config.translation.l1_loss and not config.translation.adversarial_weight:
            raise UserError("--l1_loss 0 and --adversarial_weight 0 leave nothing to learn from; "
                            "give one of them a weight")
    if c.vgg_weights and c.lpips_weights:
        raise UserError("--vgg_weights and --lpips_weights exclude each other; give one")
    measured = config.run.evaluate_metrics.split(",") if config.run.evaluate_every else []
    reads_lpips = any(_registry(METRICS)[name].weights == "lpips" for name in measured)
    if (c.vgg_weights or c.lpips_weights and not reads_lpips) and not any(c.perceptual_loss):
        raise UserError("--vgg_weights and --lpips_weights are used by --perceptual_loss; add it")
    if config.run.keep_best and config.run.keep_best not in measured:
        raise UserError(f"--keep_best {config.run.keep_best}: is not measured; give --every N and "
                        f"--evaluate_metrics {config.run.keep_best}")
    if config.run.keep_best and config.translation.early_stopping:
        raise UserError("--keep_best and --early_stopping both choose the state that a run ends "
                        "with; give one")
    for name in ("source", "label_transfer", "label_self", "label_augment", "target_augment"):
        if not flat["label_loss"] and flat[name] != getattr(Adaptation, name):
            raise UserError(f"--{name} is used by --label_loss; add it")
    if c.classifier and flat["label_loss"]:
        raise UserError("--classifier may know labels of a target, which --label_loss leaves out; "
                        "drop it, and one of the source alone is trained")
    if c.classifier and not c.semantic_loss:
        raise UserError("--classifier is used by --semantic_loss; add it")
    return config
