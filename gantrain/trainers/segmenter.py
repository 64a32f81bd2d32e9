"""Segmenter: the network that reads label maps off photographs, which the FCN score consults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gantrain.core import Config
from gantrain.data.batches import Batch
from gantrain.data.domain import Domain
from gantrain.data.pairs import examples, pair_count
from gantrain.data.palettes import label_palette
from gantrain.deferred import keras, tf
from gantrain.errors import UserError
from gantrain.game import Terms, watched
from gantrain.images import to_float
from gantrain.measures.fcn import fcn_score
from gantrain.nets import Direction, ImageLayers, Width
from gantrain.nets.fcn import build_fcn, fcn_halvings
from gantrain.noise import Draw
from gantrain.optimizers import ReaderAdam, Regularisation, reader
from gantrain.trainer import Scores, Shows, Trainer, check_number
from gantrain.trainers.classifier import cross_entropy
from gantrain.trainers.from_images import pictures

SCORED_AT_ONCE = 8  # images


class Segmenter(Trainer, Shows, Scores):
    """FCN from photographs to their label maps (Long et al. 2015; Isola et al. 2017, section 4.1).

    for t = 1, 2, ..., steps do
        m, x ~ p_data                                        label maps and their photographs
        y_p = the class whose colour m_p is                  of every pixel p
        S <- descend  mean_p cross_entropy(y_p, S(x)_p)      over the pixels that have a class

    It goes against the translation that it shall judge: with the `--direction` of a pix2pix run
    from label maps to photographs, the label maps come first here too.

    Deviation: Adam on random crops and mirror images, where the paper has momentum on whole images.
    """

    examples = (
        "gantrain --gan_type segmenter --dataset plan2facade --steps 1000",
        "gantrain --gan_type segmenter --dataset facades --direction b2a --width 0.25",
        "gantrain --gan_type segmenter --dataset pairs:mine --direction b2a --steps 4000",
    )
    options = (Width, Direction, ImageLayers, ReaderAdam, Regularisation)
    takes, paired, same_channels = (2, 2), True, False

    @classmethod
    def paper(cls, flat: dict) -> dict:
        """Long et al. 2015, section 4.3; its networks have no normalisation."""
        return {"batch_size": 8, "norm": "batch", "dropout": 0.5} | pictures(flat)

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        check_number(config, domains, self.takes)
        data, layers = config.data, config.of(ImageLayers)
        if not pair_count(domains) or any(d.targets > 1 for d in domains):
            raise UserError(
                f"--gan_type segmenter needs one label map for every photograph, and "
                f"--dataset {data.dataset} has none; use a paired set: plan2facade, "
                f"facades in pix2pix's layout, pairs:PATH"
            )
        self.palette = label_palette(domains[0], data.dataset, data.data_dir)
        self.side, _, channels = domains[1].shape
        self.S = build_fcn(
            self.side,
            channels,
            len(self.palette.classes),
            width=config.of(Width).width,
            norm=layers.norm,
            dropout=layers.dropout,
            weight_init="xavier",
            seed=config.run.seed,
        )
        self.players = reader("segmenter", self.S, config)

    def train_step(self, batch: Sequence[Batch], draw: Draw) -> dict:
        maps, photos = (domain.images[0] for domain in batch)
        return self.players["segmenter"].descend(lambda: self.objective(maps, photos))

    def objective(self, maps: tf.Tensor, photos: tf.Tensor) -> Terms:
        """Cross-entropy of the pixels, and the share of them that is right."""
        return self.of_logits(maps, self.S(photos, training=True))

    def of_logits(self, maps: tf.Tensor, logits: tf.Tensor) -> Terms:
        """The objective of label maps [B, H, W, C] and logits [B, H, W, K]."""
        truth = self.palette.indices(maps)
        scored = tf.cast(truth < len(self.palette.classes), tf.float32)
        # A void pixel has no column of its own; which it borrows is multiplied by zero.
        entropy = cross_entropy(tf.minimum(truth, len(self.palette.classes) - 1), logits, False)
        right = tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), truth), tf.float32)
        return {
            "cross_entropy": (1.0, mean_where(entropy, scored)),
            "pixel_accuracy": watched(mean_where(right, scored)),
        }

    def logs(self) -> dict[str, list[str]]:
        return {"segmenter": ["cross_entropy", "pixel_accuracy"]}

    def described(self) -> str:
        strides = [2 ** (fcn_halvings(self.side) - i) for i in (2, 1, 0)]
        return (
            f"FCN with heads on strides {', '.join(map(str, strides))}, "
            f"{self.S.count_params():,} weights, {len(self.palette.classes)} classes"
        )

    # --- use ----------------------------------------------------------------------------------

    def gallery(self, maps: tf.Tensor, photos: tf.Tensor) -> list:
        """Rows of a sample grid: photographs, what is read off them, label maps."""
        found = tf.argmax(self.S(photos, training=False), axis=-1, output_type=tf.int32)
        return [
            photos,
            self.palette.pictures(found),
            self.palette.pictures(self.palette.indices(maps)),
        ]

    def measure(self, maps: tf.Tensor, photos: tf.Tensor) -> dict:
        """Cross-entropy and accuracy of held-out pairs."""
        return {
            name: value
            for name, (_, value) in self.of_logits(maps, self.S(photos, training=False)).items()
        }

    def models(self) -> dict[str, keras.Model]:
        return {"segmenter": self.S}

    def score(self, test: Callable[[], list[Domain]]) -> dict:
        """The ceiling of the FCN score: that of the real photographs of the test part."""
        domains = test()
        count, step = pair_count(domains), SCORED_AT_ONCE
        parts = (
            examples(domains, range(start, min(start + step, count)))
            for start in range(0, count, step)
        )
        pairs = ((to_float(photos), to_float(maps)) for maps, photos in parts)
        return fcn_score(lambda x: self.S(x, training=False), pairs, self.palette)


def mean_where(values: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """Mean over images of the mean over those of their pixels where `chosen` is 1 and not 0.

    Image by image, so that the mean over replicas is that of the whole batch.

    Args:
        values: float32 [B, H, W].
        chosen: 0 or 1, float32 [B, H, W]; an image without any counts as 0.
    """
    of_each = tf.math.divide_no_nan(
        tf.reduce_sum(values * chosen, (1, 2)), tf.reduce_sum(chosen, (1, 2))
    )
    return tf.reduce_mean(of_each)
