"""How a classifier sees images: in its own training, and where a term consults it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gantrain.deferred import tf
from gantrain.nets import CLASSIFIERS
from gantrain.noise import Draw
from gantrain.options import Options, option
from gantrain.terms.augmentation import AUGMENTATIONS, augment
from gantrain.terms.mixing import MIXINGS


@dataclass(frozen=True)
class ClassifierOptions(Options):
    """Classifiers."""

    classifier_net: str = option(
        "digit",
        "architecture of the semantic loss's classifier",
        choices=lambda: CLASSIFIERS,
        unless=("classifier", "label_loss"),
    )
    classifier_noise: float = option(
        0.0,
        "standard deviation of Gaussian noise on a classifier's input, in training and in the "
        "semantic loss: a noisy classifier cannot be fooled by invisible changes",
        low=0.0,
        high=2.0,
    )
    classifier_attack: float = option(
        0.0,
        "L2 length of the adversarial step that a classifier is trained against; its "
        "gradients then look like strokes, not like noise",
        low=0.0,
        high=100.0,
        unless=("classifier", "label_loss"),
    )
    classifier_augment: str = option(
        "none",
        "augmentation of a classifier's input, in training and in the semantic loss, comma "
        "separated",
        choices=lambda: AUGMENTATIONS,
        several=True,
    )
    classifier_mix: str = option(
        "none",
        "what a classifier learns from two images at once, each by its share: what it reads "
        "between two classes then passes evenly from one to the other",
        choices=lambda: MIXINGS,
        unless=("classifier", "label_loss"),
    )


@dataclass(frozen=True)
class ClassifierSteps(Options):
    """Classifiers that a run trains on the way."""

    classifier_steps: int = option(
        2_000, "updates when a classifier has to be trained", low=1, unless=("classifier",)
    )


def classifier_view(options: ClassifierOptions) -> Callable[[tf.Tensor, Draw], tf.Tensor]:
    """How a classifier of this record sees images: (images, draw) -> images.

    Gaussian noise of `--classifier_noise` after the changes of `--classifier_augment`.
    """

    def view(images, draw):
        images = augment(images, options.classifier_augment, draw)
        if options.classifier_noise:
            images += options.classifier_noise * draw.normal(*images.shape[1:])
        return images

    return view
