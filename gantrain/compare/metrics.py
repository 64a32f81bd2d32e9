"""How two sets of images can be compared, by name."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from gantrain.compare.comparison import Comparison
from gantrain.measures import frechet
from gantrain.measures.lpips import LPIPS, mean_distance
from gantrain.measures.pixels import pixel_scores
from gantrain.nets.applications import cached
from gantrain.nets.inception import INCEPTION


@dataclass(frozen=True)
class FolderMetric:
    """One entry of COMPARISONS.

    Attributes:
        summary: one line.
        measure: Comparison -> {name: float}.
        lacks: Comparison -> what it needs and has not, or "".
        network: attribute of Comparison that it consults, loaded before anything is measured.
    """

    summary: str
    measure: Callable[[Comparison], dict[str, float]]
    lacks: Callable[[Comparison], str]
    network: str | None = None


def _pixels(c):
    """L1, PSNR and SSIM, as means over the pairs."""
    totals, counts = {}, {}
    for target, made in c.paired():
        for name, value in pixel_scores(made, target).items():
            totals[name] = totals.get(name, 0.0) + len(made) * float(value)
            counts[name] = counts.get(name, 0) + len(made)
    c.counts |= {f"pixels/{name}": count for name, count in counts.items()}
    return {f"pixels/{name}": total / counts[name] for name, total in totals.items()}


def _pairs_lack(c):
    if any(part.names is None for part in c.sets):
        return "it needs two folders: archives and features have no names that make pairs"
    return "" if c.pairs else "it needs files of equal names in both folders, suffixes apart"


def _lpips(c):
    """LPIPS, as mean and deviation over the pairs."""
    lpips = LPIPS(c.lpips_net)
    c.networks["lpips"] = lpips.description
    both = itertools.tee(c.paired())
    found = mean_distance(
        lpips, (a for a, _ in both[0]), (b for _, b in both[1]), c.runtime.function(lpips.distance)
    )
    c.counts["lpips"] = int(found["count"])
    return {"lpips": found["mean"], "lpips_std": found["std"]}


def _lpips_lacks(c):
    return _lpips_features_lack(c) or _pairs_lack(c)


def _set_distances(attribute):
    """Frechet and kernel distance, precision and recall on the features of a network."""

    def measure(c):
        network = getattr(c, attribute)
        real, made = (c.features_of(which, network) for which in range(2))
        values = frechet.distances(real, made, network.name, c.seed)
        c.networks[network.name] = network.description
        c.features[network.name] = real
        c.counts |= {f"{network.name}/reference": len(real), f"{network.name}/images": len(made)}
        if min(len(real), len(made)) <= real.shape[1]:
            c.note(
                f"{network.name}_frechet is far too high with fewer images than its "
                f"{real.shape[1]} features; compare it at equal numbers only, or read "
                f"{network.name}_kernel"
            )
        return values

    return measure


def _inception_lacks(c):
    if c.weights.inception or cached(INCEPTION).exists() or not c.offline:
        return ""
    return (
        "it needs --inception_weights FILE; asked for by name, and without --offline, it "
        "downloads them"
    )


def _lpips_features_lack(c):
    return "" if c.weights.lpips else "it needs --lpips_weights FILE"


def _classifier_lacks(c):
    return "" if c.weights.classifier else "it needs --classifier FILE"


COMPARISONS = {
    "pixels": FolderMetric("L1, PSNR and SSIM of images of equal names", _pixels, _pairs_lack),
    "lpips": FolderMetric("LPIPS of images of equal names", _lpips, _lpips_lacks, "lpips_net"),
    "inception": FolderMetric(
        "Frechet and kernel distance, precision, recall on Inception features",
        _set_distances("inception"),
        _inception_lacks,
        "inception",
    ),
    "lpips_features": FolderMetric(
        "the same on features of LPIPS's network, as alexnet_frechet",
        _set_distances("lpips_features"),
        _lpips_features_lack,
        "lpips_features",
    ),
    "classifier": FolderMetric(
        "the same on features of --classifier",
        _set_distances("classifier"),
        _classifier_lacks,
        "classifier",
    ),
}
