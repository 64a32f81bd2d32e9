"""Networks that a run consults but does not train, as they are asked for before they exist.

A term or a metric names what it consults by a `Trained` or a `FromFile`; the plan of a run
(`gantrain.runs.plan`) says where each lies, and `gantrain.runs.train` finds, trains or reads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gantrain.core import Config
from gantrain.data.domain import Domain
from gantrain.data.palettes import label_palette
from gantrain.deferred import keras, load
from gantrain.errors import UserError
from gantrain.nets import saved
from gantrain.nets.frozen import weights_hash

# Judges are the same for every run on a set at one image size and --fit, so that numbers of
# different runs are measured alike: nothing below is left to the run that is judged, neither where
# nor how it is computed. XLA draws and sums in other ways, and replicas sum apart.
JUDGE = dict(load_size=None, devices=1, xla=False, precision="float32", tf32=False)
# Judges learn from one domain each, with other architectures and seeds than the classifier of the
# semantic loss, and each is hardened against something else that a generator may find instead of a
# digit: what fools one need not fool the panel. They see whole images, whatever crops a run takes.
PANEL: dict[str, dict] = {
    net: JUDGE | dict(classifier_net=net, batch_size=64, steps=800, lr_decay=0.67) | own
    for net, own in {
        "evaluation": dict(
            classifier_augment="shift", classifier_mix="mixup", seed=20_201, c_lr=4e-3
        ),
        "evaluation_pooled": dict(
            classifier_augment="shift,blur", classifier_noise=0.1, seed=20_204, c_lr=3e-3
        ),
        "evaluation_wide": dict(
            classifier_augment="shift", classifier_attack=0.5, seed=20_205, c_lr=4e-3
        ),
    }.items()
}
# Four minutes at 128 pixels on one core.
SEGMENTER = JUDGE | dict(
    steps=1_000, seed=20_202, width=0.25, batch_size=8, c_lr=1e-3, lr_decay=0.5
)
# What decides which images a pruned set has is no choice of a run either (thesis section 2.7).
PRUNING = JUDGE | dict(
    classifier_net="digit", steps=2_000, seed=20_203, batch_size=64, c_lr=1.5e-3, lr_decay=0.67
)


@dataclass(frozen=True)
class Trained:
    """A network that a run of its own trains, beside the run that needs it, and finds next time.

    Attributes:
        kind: --gan_type of that run, and the name of its model.
        names: of what it learns from, for its directory and for messages.
        domains: what it learns from.
        options: of that run, beside those of the data, which it takes over.
        given: a `.keras` file, or the directory of a finished run, to take instead.
        depends: what else decides its weights, and so the name of its directory.
        whole: True if the domains are uncropped whatever crops the run that asks takes.
        net: name of its network, for its directory; None is the kind.
    """

    kind: str
    names: Sequence[str]
    domains: Sequence[Domain]
    options: Mapping[str, Any] = field(default_factory=dict)
    given: str | None = None
    depends: tuple = ()
    whole: bool = False
    net: str | None = None

    @property
    def title(self) -> str:
        """What it is, for messages."""
        return f"{self.kind} of {', '.join(self.names)}"


@dataclass(frozen=True)
class FromFile:
    """A network that is read: one that was published, or one that the user gives.

    Attributes:
        title: of the network.
        file: what the user gave, or None for the Keras cache and, unless offline, its download.
        read: () -> the network. Raises UserError.
        untrained: () -> what stands for it where it is not at hand and a dry run may not fetch it.
    """

    title: str
    file: str | None
    read: Callable[[], Any]
    untrained: Callable[[], Any] | None = None

    def __str__(self):
        """A line of the plan."""
        return f"read   {self.title}: {self.file or 'the Keras cache, or its download'}"


Wanted = Trained | FromFile


class Network(NamedTuple):
    """A `Trained` network that is there.

    Attributes:
        model: Keras model.
        description: what is stored beside a number that it gave: `version` and `sha256`.
        scores: what its trainer measured on the test part, by name.
    """

    model: keras.Model
    description: dict
    scores: dict


def classifier(domains: Sequence[Domain], options: Mapping, **also: Any) -> Trained:
    """A classifier of the domains, by the options of its run."""
    names, net = [d.name for d in domains], options.get("classifier_net")
    options = {**options, "domains": ",".join(names)}
    return Trained("classifier", names, domains, options, net=net, **also)


def own_classifier(config: Config, domains: Sequence[Domain], **options: Any) -> Trained:
    """A classifier that a run trains for itself, on images and devices like its own.

    Args:
        config: of the run.
        domains: what it learns from.
        options: of the classifier's run; its `steps` and what else is not the run's own.
    """
    own = dict(
        load_size=config.data.load_size,
        batch_size=config.data.batch_size,
        devices=config.runtime.devices,
        seed=config.run.seed,
        c_lr=1.5e-3,
        lr_decay=0.67,
    )
    return classifier(domains, own | options)


def evaluation_classifiers(domains: Sequence[Domain]) -> dict[str, dict[str, Trained]]:
    """{domain: {judge: a classifier that judges its images}}, for joint coherence.

    Raises:
        UserError: a domain has no labels.
    """
    if any(d.labels is None for d in domains):
        raise UserError(
            "joint coherence needs labelled domains; drop --evaluate_every or take "
            "another --dataset"
        )
    return {d.name: {j: classifier([d], options) for j, options in PANEL.items()} for d in domains}


def pruning_classifier(domains: Sequence[Domain]) -> Trained:
    """The thesis's classifier of the mixed domains (section 2.7), which are whole and uncropped."""
    return classifier(domains, PRUNING, whole=True)


def segmenter(
    config: Config, domains: Sequence[Domain], direction: str, given: str | None = None
) -> Trained:
    """The judge of the FCN score, which learns from the real training pairs alone.

    It is trained on crops of its own, whatever the run's are.

    Args:
        config: of the run that is judged.
        domains: label maps and photographs of the training part, in this order.
        direction: the translation that is judged, from label maps to photographs; "a2b" if the
            label maps are the data set's first domain.
        given: a `.keras` file or the run directory of a segmenter to take instead: photographs
            [B, H, W, C] in [-1, 1] -> scores of the classes [B, H, W, K].

    Raises:
        UserError: the set has no palette, or the label maps do not look like it.
    """
    palette = label_palette(domains[0], config.data.dataset, config.data.data_dir)
    # The last word is of how label maps are scaled: a judge of other maps is another judge.
    return Trained(
        "segmenter",
        [config.data.dataset],
        domains,
        SEGMENTER | dict(direction=direction),
        given,
        (palette.classes, palette.colours.tolist(), "majority"),
    )


def check_segmenter(model: keras.Model, given: str | None, photos: Domain, classes: int) -> None:
    """Refuses a network that takes other images than the photographs or gives other classes."""
    taken, made = model.input_shape, model.output_shape
    fits = len(taken) == len(made) == 4 and taken[-1] == photos.shape[-1]
    fits = fits and made[-1] == classes
    if fits:
        sides = (*taken[1:3], *made[1:3])
        fits = all(
            side in (None, own) for side, own in zip(sides, photos.shape[:2] * 2, strict=True)
        )
    if not fits:
        raise UserError(
            f"--fcn_weights {given}: takes {taken[1:]} and gives {made[1:]}, but the photographs "
            f"are {photos.shape} and the palette has {classes} classes"
        )


def model_path(path: str | os.PathLike, kind: str = "classifier") -> Path:
    """A model's own file: `path`, or that of a finished run of this --gan_type at `path`.

    Raises:
        UserError: there is none.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "models" / f"{kind}.keras"
    if not path.exists():
        raise UserError(
            f"{path}: not there; give a .keras file or the run directory of a finished "
            f"--gan_type {kind}"
        )
    return path


def load_model(path: str | os.PathLike, kind: str = "classifier") -> keras.Model:
    """A `.keras` file, or the model of a finished run directory. Raises UserError."""
    path = model_path(path, kind)
    # Registers the layers that the files of earlier versions hold.
    load("gantrain.nets.layers")
    try:
        saved.refuse_code(path)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        saved.refuse_unfinite(model)
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ValueError("it takes or gives other than one array")
        return model
    except UserError:
        raise
    except Exception as error:  # Keras meets a damaged file with many kinds of exception.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: not a readable .keras model ({reason})") from None


def network(
    path: str | os.PathLike,
    kind: str,
    version: str = "given",
    scores: Mapping[str, float] | None = None,
) -> Network:
    """The `Network` in a `.keras` file or a finished run directory. Raises UserError."""
    file, model = model_path(path, kind), load_model(path, kind)
    description = {"version": version, "weights": file.name, "sha256": weights_hash(model)}
    return Network(model, description, dict(scores or {}))
