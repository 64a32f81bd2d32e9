"""FCN score: can a network that reads label maps off real photographs read generated ones?"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from gantrain.data.pairs import examples, pair_count
from gantrain.data.palettes import Palette, label_palette
from gantrain.errors import UserError
from gantrain.images import to_float
from gantrain.measures.metric import Metric
from gantrain.measures.streams import Streams


class Confusion:
    """Counts of every pair of a true and a predicted class, over all pixels given to it.

    Args:
        classes: number of classes, K.

    Attributes:
        counts: int64 [K, K], row the true class, column the predicted one.
    """

    def __init__(self, classes: int):
        self.counts = np.zeros((classes, classes), np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Counts pixels. Those whose truth is outside [0, K) are void and are left out.

        Args:
            truth: integers of any shape.
            predicted: integers in [0, K) of the same shape.

        Raises:
            ValueError: the shapes differ, or a prediction is no class.
        """
        truth, predicted = np.asarray(truth), np.asarray(predicted)
        if truth.shape != predicted.shape:
            raise ValueError(f"truth {truth.shape} and prediction {predicted.shape} differ")
        count = len(self.counts)
        scored = (truth >= 0) & (truth < count)
        truth, predicted = truth[scored].astype(np.int64), predicted[scored].astype(np.int64)
        if predicted.size and not 0 <= predicted.min() <= predicted.max() < count:
            raise ValueError(f"a prediction is none of {count} classes")
        pairs = np.bincount(count * truth + predicted, minlength=count**2)
        self.counts += pairs.reshape(count, count)

    def scores(self) -> dict[str, float]:
        """The three scores (Long et al. 2015, section 5).

        With n_ij pixels of class i predicted as j and t_i = sum_j n_ij:

            pixel_accuracy = sum_i n_ii / sum_i t_i
            class_accuracy = mean_i n_ii / t_i
            class_iou      = mean_i n_ii / (t_i + sum_j n_ji - n_ii)

        Deviation: the means are over the classes that occur in the truth. The paper's script also
        keeps, at an IoU of 0, a class that is predicted but never true; pix2pix's script keeps
        every class, at 0 in both means.

        Returns:
            Floats in [0, 1]; none if no pixel was counted.
        """
        right, true = np.diag(self.counts), self.counts.sum(1)
        seen = true > 0
        if not seen.any():
            return {}
        union = true + self.counts.sum(0) - right
        return {
            "pixel_accuracy": float(right.sum() / true.sum()),
            "class_accuracy": float(np.mean(right[seen] / true[seen])),
            "class_iou": float(np.mean(right[seen] / union[seen])),
        }


def fcn_score(network: Callable, pairs: Iterable[Iterable], palette: Palette) -> dict[str, float]:
    """FCN score of photographs: how well their label maps are read off them.

    Isola et al. 2017, section 4.1: a network trained on real photographs is applied to generated
    ones, and what it finds is compared with the label map that they were made from. The score of
    the real photographs is the ceiling, and belongs beside every other.

    Deviation: images are scored at their own size, as they were made, and labels at that of the
    images; pix2pix's script enlarges images from 256 pixels to the 2048 x 1024 of the labels.

    Args:
        network: float32 [b, H, W, C] in [-1, 1] -> scores of the classes [b, H, W, K].
        pairs: iterable of (photographs, label maps), float32 [b, H, W, C] and [b, H, W, 3 or 1] in
            [-1, 1], read once.
        palette: `gantrain.data.palettes.Palette` of the label maps.

    Returns:
        `pixel_accuracy`, `class_accuracy` and `class_iou`, floats in [0, 1]; none where every pixel
        is void.

    Raises:
        UserError: the network's scores are not one per class and pixel.
    """
    confusion = Confusion(len(palette.classes))
    for photos, maps in pairs:
        truth, logits = np.asarray(palette.indices(maps)), np.asarray(network(photos))
        if logits.shape != (*truth.shape, len(palette.classes)):
            raise UserError(
                f"--fcn_weights: gives {logits.shape} for label maps of "
                f"{truth.shape} in {len(palette.classes)} classes; give a network "
                f"that scores every class in every pixel"
            )
        confusion.add(truth, logits.argmax(-1))
    return confusion.scores()


def measure(e: Streams) -> dict[str, float]:
    """FCN score of photographs made of label maps, and its ceiling: the real photographs."""
    network = e.segmenter()
    palette = label_palette(e.domains[0], e.config.data.dataset, e.config.data.data_dir)
    read = e.once("read", lambda: e.compile(lambda photos: network(photos, training=False)))
    made = fcn_score(read, ((out, x) for x, out, _ in e.translations()), palette)
    numbers = range(min(e.num, pair_count(e.test)))
    real = fcn_score(read, (map(to_float, examples(e.test, [n])[::-1]) for n in numbers), palette)
    e.counts["fcn"] = len(numbers)
    return {f"fcn/{k}": v for k, v in made.items()} | {
        f"fcn/ceiling_{k}": v for k, v in real.items()
    }


def unfit(e: Streams) -> str:
    """Why a run has no FCN score, or ""."""
    if e.from_noise or not pair_count(e.domains):
        return "the FCN score needs a translation of label maps that are paired with photographs"
    return ""


METRIC = Metric(
    "do label maps read off generated photographs equal those they were made of",
    measure,
    unfit,
    ("fcn/class_iou", max),
    asked=True,
    weights="fcn",
)
