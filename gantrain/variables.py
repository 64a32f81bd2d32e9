"""Variables: moved on every replica, each once, and named for a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from gantrain.deferred import keras, tf

if TYPE_CHECKING:
    Variable: TypeAlias = keras.Variable | tf.Variable


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


def optimizer_moments(variables: Iterable, weights: Sequence) -> dict:
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
