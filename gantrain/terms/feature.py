"""FR: generators whose first layers have equal features (thesis eq. 4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from gantrain.core import Config
from gantrain.data.domain import Domain
from gantrain.deferred import tf
from gantrain.game import Play, Terms
from gantrain.options import Options, option
from gantrain.terms import Term


@dataclass(frozen=True)
class FeatureOptions(Options):
    """FR, the feature regulariser."""

    switch = "feature_loss"

    feature_loss: float = option(
        0.0,
        "FR, eq. 4.1: equal features in the first generator layers",
        low=0.0,
        const=100.0,
        short="FR",
    )
    feature_layers: int = option(3, "generator layers compared by --feature_loss", low=1)


class FeatureRegulariser(Term):
    """FR: F_diff = 1/K sum_k mean((G_1^k(z) - G_2^k(z))^2), the first K layers (thesis eq. 4.1).

    Deviation: eq. 4.1 divides by K, listing 6.10 does not; the equation is followed.
    """

    options, logs = FeatureOptions, ("feature",)

    def __init__(self, config: Config, domains: Sequence[Domain], consulted: Mapping[str, Any]):
        self.o = config.of(FeatureOptions)

    def __call__(self, play: Play) -> Terms:
        distances = [
            tf.reduce_mean(tf.square(tf.cast(a, tf.float32) - tf.cast(b, tf.float32)))
            for one, other in combinations(play.generated, 2)
            for a, b in zip(
                *(g.features[: self.o.feature_layers] for g in (one, other)), strict=True
            )
        ]
        return {"feature": (self.o.feature_loss, tf.reduce_mean(tf.stack(distances)))}
