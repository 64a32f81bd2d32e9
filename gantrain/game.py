"""Player and Play: the only code that opens a training tape or moves a weight.

A *player* is the networks that descend one objective together, with their one optimizer. An
*objective* is a callable that returns named, weighted terms `{name: (weight, value)}`. Loss, log
keys, plots and the progress line all follow from that one dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from gantrain.deferred import keras, tf
from gantrain.noise import Draw
from gantrain.variables import assign, named, optimizer_moments, put, unique

Terms = dict[str, tuple[Any, Any]]  # {name: (weight, scalar value)}


@dataclass
class Play:
    """What the terms of one update may look at, a list entry per domain.

    Attributes:
        real: float32 [B, H, W, C] in [-1, 1], or points [B, 2].
        labels: None, int32 [B], or uint8 [B, A] attributes.
        z: float32 [B, size of z], the latent vectors, one for all domains.
        generated: `gantrain.nets.Generated` of that z.
        draw: the iteration's `Draw`.
        update: number of the update within the iteration, from 0.
    """

    real: list
    labels: list
    z: Any
    generated: list
    draw: Draw
    update: int

    @property
    def fake(self) -> list:
        """The generated images."""
        return [made.image for made in self.generated]


def watched(value: tf.Tensor) -> tuple[float, tf.Tensor]:
    """A term of weight zero: logged and plotted with the loss, without a part in it."""
    return 0.0, tf.stop_gradient(value)


class Player:
    """The networks that descend one objective together, and their one optimizer.

    A layer that two networks share is listed by both and moves once. The opponent is frozen
    because only the player's own weights are watched.

    Args:
        name: prefix of the log keys.
        networks: Keras models.
        optimizer: a Keras optimizer used by this player alone.
        weight_decay: weight c of the L2 term c * sum(w^2) over all kernels (thesis section 3.3).
        clip: bound of the weights after every update (WGAN; Arjovsky et al. 2017), or None.
    """

    def __init__(
        self,
        name: str,
        networks: Iterable[keras.Model],
        optimizer: keras.optimizers.Optimizer,
        *,
        weight_decay: float = 0.0,
        clip: float | None = None,
    ):
        self.name, self.networks, self.optimizer = name, list(networks), optimizer
        self.weight_decay, self.clip = weight_decay, clip
        self.weights = unique(w for net in self.networks for w in net.trainable_variables)
        self.kernels = [w for w in self.weights if w.name == "kernel"]
        optimizer.build(self.weights)

    def descend(self, objective: Callable[..., Terms]) -> dict:
        """One update: w <- optimizer(w, grad of the weighted sum of the objective's terms).

        Under a distribution strategy each replica's terms are means over its part of the batch;
        dividing by the number of replicas makes the summed gradient that of the global mean.

        Args:
            objective: () -> terms.

        Returns:
            float32 scalars by `player/term`, with the total `loss` and the gradient norm.
        """
        return self.descend_keeping(lambda: (objective(), ()))[0]

    def descend_keeping(self, objective: Callable[..., tuple[Terms, Any]]) -> tuple[dict, Any]:
        """The same, for an objective that makes what another player needs.

        Args:
            objective: () -> (terms, tensors to keep).

        Returns:
            The scalars of `descend`, and the tensors, held constant.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([w.value for w in self.weights])
            terms, kept = objective()
            if self.weight_decay:
                squares = [tf.reduce_sum(tf.square(tf.cast(w, tf.float32))) for w in self.kernels]
                terms["l2"] = self.weight_decay, tf.add_n(squares)
            descended = [term for term in terms.values() if not is_zero(term[0])]
            loss = tf.add_n([weight * tf.cast(value, tf.float32) for weight, value in descended])
            replicas = tf.distribute.get_strategy().num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss / replicas)
        gradients = tape.gradient(scaled, [w.value for w in self.weights])
        missing = [w.path for w, g in zip(self.weights, gradients, strict=True) if g is None]
        if missing:
            raise RuntimeError(f"player {self.name}: no gradient reaches {', '.join(missing)}")
        # The norm of the loss's own gradient, whatever scale mixed precision gave it; `apply` may
        # change the scale.
        scale = tf.maximum(tf.abs(self.optimizer.scale_loss(1.0 / replicas)), 1e-30)
        norm = tf.linalg.global_norm(gradients) / scale
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # An update whose scaled gradient overflows is skipped and the next scaled by less:
            # part of the search for a scale, no sign of divergence.
            norm = tf.where(tf.math.is_finite(norm), norm, 0.0)
        self.optimizer.apply(gradients, self.weights)
        if self.clip is not None:
            assign(self.weights, [tf.clip_by_value(w, -self.clip, self.clip) for w in self.weights])
        logs = {name: tf.cast(value, tf.float32) for name, (_, value) in terms.items()}
        logs |= {"loss": loss, "grad_norm": norm}
        logs = {f"{self.name}/{name}": value for name, value in logs.items()}
        return logs, tf.nest.map_structure(tf.stop_gradient, kept)

    def state(self) -> dict:
        """Everything that a checkpoint has to hold: weights, statistics, seeds, moments.

        Returns:
            {name: variable}, each variable once. A moment is named after the weight that it is of.
        """
        found = named(self.networks)
        names = {id(v): name for name, v in found.items()}
        own = [v for v in unique(self.optimizer.variables) if id(v) not in names]
        of_weights = optimizer_moments(own, self.weights)
        for variable in own:
            weight, moment = of_weights.get(id(variable), (None, variable.name))
            owner = "" if weight is None else f"/{names[id(weight)]}"
            put(found, f"optimizer/{moment}{owner}", variable)
        return found


def is_zero(weight: Any) -> bool:
    """Whether a weight is the number zero: a term of it is logged, not descended."""
    return isinstance(weight, (int, float)) and weight == 0
