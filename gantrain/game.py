"""Player, Play, Draw: the only code that opens a training tape or moves a weight.

A *player* is the networks that descend one objective together, with their one optimizer. An
*objective* is a callable that returns named, weighted terms `{name: (weight, value)}`. Loss, log
keys, plots and the progress line all follow from that one dict.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import keras
import tensorflow as tf

from gantrain import noise

Terms = dict[str, tuple[Any, Any]]  # {name: (weight, scalar value)}
Variable: TypeAlias = keras.Variable | tf.Variable
Item = TypeVar("Item")


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


def watch(value: tf.Tensor) -> tuple[float, tf.Tensor]:
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
                terms["l2"] = (
                    self.weight_decay,
                    tf.add_n(
                        [tf.reduce_sum(tf.square(tf.cast(w, tf.float32))) for w in self.kernels]
                    ),
                )
            loss = tf.add_n(
                [
                    weight * tf.cast(value, tf.float32)
                    for weight, value in terms.values()
                    if not is_zero(weight)
                ]
            )
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
        of_weights = moments(own, self.weights)
        for variable in own:
            weight, moment = of_weights.get(id(variable), (None, variable.name))
            owner = "" if weight is None else f"/{names[id(weight)]}"
            put(found, f"optimizer/{moment}{owner}", variable)
        return found


class Average:
    """Exponential moving average of networks: shadow <- d * shadow + (1 - d) * weight.

    Statistics of normalisation layers are copied, not averaged: they are averages already.

    Args:
        networks: Keras models that are trained.
        decay: d in [0, 1). It is warmed up as min(d, (1 + t) / (10 + t)) so that the random
            initial weights are forgotten quickly.
    """

    def __init__(self, networks: Iterable[keras.Model], decay: float):
        self.decay = decay
        self.sources = list(networks)
        self.networks = [keras.models.clone_model(net) for net in self.sources]
        for source, shadow in zip(self.sources, self.networks, strict=True):
            shadow.set_weights(source.get_weights())

    def state(self) -> dict:
        """{name: variable} of what a checkpoint has to hold."""
        return named(self.networks)

    def follow(self, step: tf.Tensor) -> None:
        """Moves the shadow one step. Args: step, int64 scalar tensor."""
        t = tf.cast(step, tf.float32)
        d = tf.minimum(self.decay, (1.0 + t) / (10.0 + t))
        shadows, values = [], []
        for source, shadow in zip(self.sources, self.networks, strict=True):
            trained = {id(w) for w in source.trainable_variables}
            for w, s in zip(source.weights, shadow.weights, strict=True):
                shadows.append(s)
                values.append(d * s + (1.0 - d) * w if id(w) in trained else w.value)
        assign(shadows, values)


class Draw:
    """The random numbers of one iteration as a function of (seed, step).

    The n-th draw of an iteration is the same whether the run was resumed or not, and k replicas
    together draw what one device would: each takes its slice of the global batch.

    Args:
        seed: the run's seed.
        step: int64 scalar tensor, the iteration.
        batch_size: global batch.
        replica, replicas: which slice of the batch this is.
    """

    def __init__(
        self,
        seed: int,
        step: tf.Tensor,
        batch_size: int,
        replica: int | tf.Tensor = 0,
        replicas: int = 1,
    ):
        self.step, self.local = step, batch_size // replicas
        self._global, self._first = batch_size, tf.cast(replica, tf.int32) * self.local
        self._base = tf.random.experimental.stateless_fold_in(
            tf.constant([seed, 0x67616E], tf.int32), tf.cast(step, tf.int32)
        )
        self._calls = self._asides = 0

    def aside(self) -> Draw:
        """A Draw of its own for a part that some iterations leave out.

        What is drawn after that part is then the same with and without it.
        """
        self._asides += 1
        other = copy.copy(self)
        # The calls of this Draw are numbered from one, so zero leads to numbers nobody else has.
        other._base = tf.random.experimental.stateless_fold_in(
            tf.random.experimental.stateless_fold_in(self._base, 0), self._asides
        )
        other._calls = other._asides = 0
        return other

    def times(self, count: int) -> Draw:
        """A Draw of its own for `count` images in the place of each of this one's."""
        other = self.aside()
        other._global, other.local = self._global * count, self.local * count
        other._first = self._first * count
        return other

    def _seed(self):
        self._calls += 1
        return tf.random.experimental.stateless_fold_in(self._base, self._calls)

    def mine(self, values: tf.Tensor) -> tf.Tensor:
        """This replica's part of values [global batch, ...]."""
        return values[self._first : self._first + self.local]

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """The inverse of `mine`: values of all replicas, in the order of the global batch."""
        if self._global == self.local:
            return values
        gathered = tf.distribute.get_replica_context().all_gather(values, axis=0)
        return tf.ensure_shape(gathered, (self._global, *values.shape[1:]))

    def everyone(self) -> tf.Tensor:
        """float32 [global batch], uniform on [0, 1): the same numbers on every replica."""
        return noise.uniform((self._global,), self._seed())

    def uniform(self, *shape, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
        """float32 [B, *shape], uniform on [low, high); B is this replica's part of the batch."""
        drawn = noise.uniform((self._global, *shape), self._seed())
        return self.mine(low + (high - low) * drawn)

    def normal(self, *shape) -> tf.Tensor:
        """float32 [B, *shape], standard normal."""
        return self.mine(noise.normal((self._global, *shape), self._seed()))


def assign(variables: Sequence[Variable], values: Sequence[tf.Tensor]) -> None:
    """Gives variables new values, on every replica where there are several.

    A replica may not write a mirrored variable by itself: all of them meet for it.
    """
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return
    tf.distribute.get_replica_context().merge_call(
        _assign_everywhere, args=([v.value for v in variables], values)
    )


def _assign_everywhere(strategy, variables, values):
    for variable, value in zip(variables, values, strict=True):
        strategy.extended.update(variable, lambda v, new: v.assign(new), args=(value,))


def unique(variables: Iterable[Variable]) -> list[Variable]:
    """The variables in order, each once: networks that share a layer all list it."""
    return list({id(v): v for v in variables}.values())


def named(networks: Iterable[keras.Model]) -> dict:
    """{network/layer/variable: variable} of all state of Keras models, each variable once.

    Names say nothing of what was built before them: Keras's own, which count the layers of a
    process, are replaced by the class. So a layer more leaves all other names as they are.
    """
    found, held = {}, set()
    for network in networks:
        owners = {}
        for layer in network.layers:
            for v in layer.variables:
                owners.setdefault(id(v), plain_name(layer))
        for v in network.variables:
            if id(v) not in held:
                held.add(id(v))
                put(found, f"{plain_name(network)}/{owners.get(id(v), 'own')}/{v.name}", v)
    return found


def plain_name(layer: keras.Layer) -> str:
    """The name that a layer was given, or its class where Keras counted it."""
    kind = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(layer).__name__)
    counted = re.fullmatch(rf"{kind.lower()}(_\d+)?", layer.name)
    return kind.lower() if counted else layer.name


def put(found: dict, name: str, variable: keras.Variable) -> None:
    """Adds a variable under a name, or under `name.2`, `name.3`, ... where that is taken."""
    number, free = 1, name
    while free in found:
        number += 1
        free = f"{name}.{number}"
    found[free] = variable


def moments(variables: Iterable, weights: Sequence) -> dict:
    """{id of an optimizer's variable: (the weight that it belongs to, "momentum" or the like)}.

    Keras names them by the path of the weight, which several networks may have alike; of every kind
    there is one per weight, in the order of the weights.
    """
    kinds = {}
    for v in variables:
        kinds.setdefault(v.name.rpartition("_")[2], []).append(v)
    return {
        id(v): (w, kind)
        for kind, group in kinds.items()
        if [v.name for v in group] == [f"{w.path.replace('/', '_')}_{kind}" for w in weights]
        for v, w in zip(group, weights, strict=True)
    }


def is_zero(weight: Any) -> bool:
    """Whether a weight is the number zero: a term of it is logged, not descended."""
    return isinstance(weight, (int, float)) and weight == 0


def pairs(items: Iterable[Item]) -> list[tuple[Item, Item]]:
    """All unordered pairs: couplings of k domains are means over these."""
    items = list(items)
    return [(a, b) for i, a in enumerate(items) for b in items[i + 1 :]]
